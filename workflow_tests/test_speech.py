"""The speech encoder: the authors' values, alignment with the frames, preparation of audio, the stand-in."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import Wav2Vec2Config, Wav2Vec2Model

from said.files.tensors import load_strict
from said.speech import (
    encode,
    encode_clip,
    fit_length,
    frame_count,
    load_encoder,
    normalise,
    prepare_waveform,
    receptive_field,
    save_encoder,
)
from said.training.stand_in import build_stand_in, train_stand_in

SETTINGS = {
    "width": 32,
    "layers": 1,
    "heads": 2,
    "feed_forward": 32,
    "channels": 16,
    "steps": 40,
    "batch_size": 4,
    "learning_rate": 3e-3,
}


@pytest.fixture(scope="module")
def encoder():
    torch.manual_seed(0)
    return build_stand_in(SETTINGS).eval()


@torch.no_grad()
def test_features_are_the_authors(official):
    config = json.loads((official / "golden/tiny_wav2vec2_config.json").read_text(encoding="utf-8"))
    wav2vec2 = Wav2Vec2Model(Wav2Vec2Config(**config)).eval()
    load_strict(wav2vec2, load_file(official / "golden/tiny_wav2vec2.safetensors"), "tiny_wav2vec2")
    golden = {key: torch.from_numpy(v) for key, v in np.load(official / "golden/tiny_wav2vec2_golden.npz").items()}
    torch.testing.assert_close(normalise(golden["raw"]), golden["processed"], atol=1e-5, rtol=0)
    features = encode(wav2vec2, golden["processed"], int(golden["frames"]))
    torch.testing.assert_close(features, golden["embedding"], atol=1e-4, rtol=0)


@torch.no_grad()
@pytest.mark.parametrize("seconds", [3.0, 5.0])
def test_the_papers_encoder_takes_whole_sentences(seconds):
    torch.manual_seed(0)
    wav2vec2 = Wav2Vec2Model(Wav2Vec2Config(num_hidden_layers=1)).eval()  # wav2vec2-base, but for its depth
    waveform = normalise(torch.randn(1, int(16000 * seconds)))
    features = encode(wav2vec2, waveform, int(60 * seconds))
    assert features.shape == (1, int(60 * seconds), 768)
    assert torch.isfinite(features).all()


@torch.no_grad()
def test_without_interpolation_it_is_the_encoder_itself(encoder):
    waveform = normalise(torch.randn(2, 8000))
    own = encoder(waveform).last_hidden_state
    torch.testing.assert_close(encode(encoder, waveform, own.shape[1]), own, atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_features_are_where_the_sound_is(encoder):
    waveform = 0.01 * torch.randn(1, 32000)
    louder = waveform.clone()
    louder[:, 16000:16800] *= 50  # frames 60 to 63 of 120
    convolved = [encoder.feature_extractor(one) for one in (waveform, louder)]
    change = (convolved[0] - convolved[1]).abs().sum(1, keepdim=True)
    change = torch.nn.functional.interpolate(change, size=120, mode="linear", align_corners=True)[0, 0]
    assert 59 <= int(change.argmax()) <= 64


def test_short_waveforms_are_refused(encoder):
    assert receptive_field(Wav2Vec2Config()) == 400
    with pytest.raises(ValueError, match="at least 400"):
        encode(encoder, torch.zeros(1, 399), 3)


def test_frame_counts_are_exact():
    assert frame_count(48000, 16000) == 180
    assert frame_count(22050, 22050) == 60
    assert frame_count(22050 * 7 - 1, 22050) == 419
    for frames in range(1, 2000):  # int(samples / rate * 60) loses some of these
        samples = -(-frames * 22000 // 60)
        assert frame_count(samples, 22000) == frames
    assert frame_count(0, 16000) == 0
    with pytest.raises(ValueError, match="rate"):
        frame_count(10, 0)


def test_truncated_frame_counts_lose_a_frame_of_some_lengths():
    whole = [frames * 16000 // 60 for frames in range(3, 3000, 3)]  # 60 frames a second: every third is whole samples
    lost = [samples for samples in whole if frame_count(samples, 16000, rounding="truncated") != samples * 60 // 16000]
    assert 0 < len(lost) < len(whole) / 2
    for samples in lost:
        assert frame_count(samples, 16000, rounding="truncated") == frame_count(samples, 16000) - 1
    with pytest.raises(ValueError, match="exact or truncated"):
        frame_count(16000, 16000, rounding="up")


def test_resampling_keeps_pitch_and_time():
    time = np.arange(22050 * 2) / 22050
    waveform = prepare_waveform(np.sin(2 * np.pi * 440 * time).astype(np.float32), 22050)
    assert abs(len(waveform) - 32000) <= 1
    expected = np.sin(2 * np.pi * 440 * np.arange(len(waveform)) / 16000)
    assert np.abs(waveform - expected)[1000:-1000].max() < 1e-2
    same = np.ones(5, dtype=np.float32)
    np.testing.assert_array_equal(prepare_waveform(same, 16000), same)


@pytest.mark.parametrize("waveform", [np.zeros(0), np.zeros((2, 5)), np.array([0.0, np.nan])])
def test_bad_waveforms_are_refused(waveform):
    with pytest.raises(ValueError, match="waveform"):
        prepare_waveform(waveform, 16000)


def test_normalised_waveforms():
    waveform = normalise(torch.rand(3, 5000) * torch.tensor([[1.0], [10.0], [0.01]]))
    torch.testing.assert_close(waveform.mean(-1), torch.zeros(3), atol=1e-4, rtol=0)
    torch.testing.assert_close(waveform.square().mean(-1), torch.ones(3), atol=2e-2, rtol=0)
    assert torch.isfinite(normalise(torch.zeros(1, 100))).all()


def test_lengths_are_fitted():
    np.testing.assert_array_equal(fit_length(np.arange(5.0), 3), [0, 1, 2])
    np.testing.assert_array_equal(fit_length(np.arange(3.0), 5), [0, 1, 2, 0, 0])


def test_a_clip_gives_a_feature_per_frame(encoder):
    assert encode_clip(encoder, np.random.default_rng(0).normal(size=20000).astype(np.float32), 70).shape == (70, 32)


def test_encoders_are_kept_in_folders(encoder, tmp_path):
    save_encoder(encoder, tmp_path / "encoder")
    read = load_encoder(tmp_path / "encoder")
    waveform = torch.randn(1, 4000)
    with torch.no_grad():
        assert torch.equal(encode(read, waveform, 15), encode(encoder, waveform, 15))


def tones(count, seed):
    """Utterances of three tones, the label of a frame being its tone."""
    rng = np.random.default_rng(seed)
    utterances = []
    for _ in range(count):
        labels = np.repeat(rng.integers(3, size=6), 20)
        pitch = np.repeat(np.array([200.0, 900.0, 3000.0])[labels], 267)[:32000]
        waveform = np.sin(2 * np.pi * np.cumsum(pitch) / 16000) + 0.05 * rng.normal(size=len(pitch))
        utterances.append((waveform.astype(np.float32), labels))
    return utterances


def test_the_stand_in_learns_to_tell_phonemes():
    encoder, history = train_stand_in(tones(16, 0), SETTINGS, 0, validation=tones(3, 1), report=lambda _: None)
    assert history[-1]["validation"] < 0.3  # of the frames; chance is 0.67
    assert not encoder.training
    again, _ = train_stand_in(tones(16, 0), SETTINGS, 0, validation=tones(3, 1), report=lambda _: None)
    assert all(torch.equal(value, again.state_dict()[name]) for name, value in encoder.state_dict().items())


def test_the_stand_in_needs_utterances():
    with pytest.raises(ValueError, match="two utterances"):
        train_stand_in(tones(1, 0), SETTINGS, 0)
