"""MeshTalk's spectrograms at other lengths and rates than its authors' values have."""

import numpy as np
import pytest
import torch

from said.baselines.log_mel import chunks, log_mel, normalise


def close(reached, expected, atol=1e-4):
    torch.testing.assert_close(reached, torch.as_tensor(expected), rtol=1e-4, atol=atol, check_dtype=False)


def plain_log_mel(waveform):
    """A spectrogram by its definition, in double precision."""
    padded = np.pad(waveform.astype(np.float64), 1024, mode="reflect")
    window = np.zeros(2048)
    window[624:1424] = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(800) / 800)
    spectra = np.array([np.fft.rfft(padded[at : at + 2048] * window) for at in range(0, len(waveform) + 1, 160)])
    mels = np.linspace(0, 2595 * np.log10(1 + 8000 / 700), 82)
    hertz = 700 * (10 ** (mels / 2595) - 1)
    bank = np.array([np.interp(np.arange(1025) * 8000 / 1024, hertz[i : i + 3], [0, 1, 0]) for i in range(80)])
    return np.log(np.maximum(bank @ np.abs(spectra.T) ** 2, 1e-10))


@pytest.mark.parametrize("seed", [0, 1])
def test_spectrograms_are_what_their_definition_says(seed):
    waveform = np.random.default_rng(seed).normal(size=(2, 16000)).astype(np.float32) * 0.02
    spectrogram = log_mel(torch.from_numpy(waveform))
    assert spectrogram.shape == (2, 80, 101)
    for row, expected in zip(spectrogram, waveform, strict=True):
        close(row, plain_log_mel(expected))
    assert torch.equal(log_mel(torch.zeros(16000)), torch.full((80, 101), np.log(np.float32(1e-10))))


@pytest.mark.parametrize(
    ("samples", "fps"), [(600, 30), (535, 30), (1067, 30), (1068, 30), (5330, 30), (5331, 30), (40001, 60), (700, 25)]
)
def test_published_chunks_of_other_lengths(samples, fps):
    audio = torch.arange(1.0, samples + 1)
    step = 16000 // fps
    pad = (16000 - step) // 2
    padded = np.pad(audio.numpy(), pad)
    expected, centre = [], 8000
    while centre < len(padded) - 8000:
        expected.append(padded[centre - 8000 : centre + 8000])
        centre += step
    assert np.array_equal(chunks(audio, fps), np.array(expected))


@pytest.mark.parametrize(
    ("samples", "fps", "frames"), [(64000, 60, 240), (64000, 30, 120), (1067, 30, 2), (1066, 30, 1), (16000, 24, 24)]
)
def test_exact_chunks_lie_in_the_middle_of_their_frames(samples, fps, frames):
    audio = torch.arange(1.0, samples + 1)
    windows = chunks(audio, fps, "exact")
    assert windows.shape == (frames, 16000)
    for frame, window in enumerate(windows):
        assert abs((window[8000].item() - 1) - 16000 * (frame + 0.5) / fps) <= 0.5


def test_audio_that_has_no_frame_is_refused():
    for audio, fps, centres in (
        (0, 30, "published"),
        (534, 30, "published"),
        (533, 30, "exact"),
        (9, 0, "published"),
        (9, 30, "nowhere"),
    ):
        with pytest.raises(ValueError, match="too short for a frame|fps must be"):
            chunks(torch.ones(audio), fps, centres)


def test_digital_silence_stays_silent():
    assert torch.equal(normalise(torch.zeros(2, 50)), torch.zeros(2, 50))
    loud = normalise(torch.tensor([[1.0, -3.0], [0.0, 0.0]]))
    close(loud, [[0.005, -0.015], [0.0, 0.0]], atol=1e-8)
