"""Speech as MeshTalk hears it: of each frame, the log-mel spectrogram of the second around it."""

import functools
from fractions import Fraction
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

SAMPLE_RATE = 16000
"""Hz."""
BANDS, STEPS = 80, 101
"""Mel bands and steps of a frame's spectrogram."""
Centres = Literal["published", "exact"]
_CHUNK = 16000
_LOUDNESS = 0.01
_FFT, _WINDOW, _HOP = 2048, 800, 160
_LEAST = 1e-10


def normalise(audio: Tensor) -> Tensor:
    """Audio (..., T) scaled to a mean magnitude of 0.01; digital silence stays what it is."""
    magnitude = audio.abs().mean(-1, keepdim=True)
    return audio * _LOUDNESS / torch.where(magnitude > 0, magnitude, 1)


def chunks(audio: Tensor, fps: int = 30, centres: Centres = "published") -> Tensor:
    """The second of audio around every frame, with zeros beyond its ends.

    Args:
        audio: (..., T) at 16 kHz.
        fps: frames per second.
        centres: published: a whole number of samples, 16000 // fps, from frame to frame, so that at 60 fps frames come
            0.25 % too early, after four seconds more than half of one; exact: the sample nearest to the middle of each frame.

    Returns:
        (..., N, 16000), a view. N: frames that begin before the audio's end, published; whole frames, exact.

    Raises:
        ValueError: there is no audio, fps is not from 1 to 16000, or `centres` is neither.
    """
    samples = audio.shape[-1] if audio.ndim else 0
    if samples == 0 or not 1 <= fps <= SAMPLE_RATE:
        raise ValueError(f"expected audio (..., T >= 1) and 1 to {SAMPLE_RATE} fps, got {tuple(audio.shape)} and {fps}")
    if centres == "published":
        step = SAMPLE_RATE // fps
        pad = (_CHUNK - step) // 2
        padded = F.pad(audio, (pad, pad + step))  # the published ends where the last chunk does not fit
        return padded.unfold(-1, _CHUNK, step)[..., : -(-(samples + 2 * pad - _CHUNK) // step), :]
    if centres == "exact":
        count = int(Fraction(samples * fps, SAMPLE_RATE))
        starts = torch.tensor([round(Fraction(SAMPLE_RATE * (2 * i + 1), 2 * fps)) for i in range(count)], dtype=torch.long)
        every = F.pad(audio, (_CHUNK // 2, _CHUNK // 2)).unfold(-1, _CHUNK, 1)
        return every[..., starts.to(audio.device), :]
    raise ValueError(f"centres must be published or exact, not {centres!r}")


def log_mel(waveforms: Tensor) -> Tensor:
    """Natural logarithms (..., 80, 101) of the mel spectrograms of waveforms (..., 16000) at 16 kHz.

    Power of a transform of 2048 points under a Hann window of 800, a step of 160, mirrored at the ends; 80 bands of the HTK
    mel scale from 0 to 8 kHz, triangles of height one.
    """
    window = torch.hann_window(_WINDOW, dtype=waveforms.dtype, device=waveforms.device)
    flat = waveforms.reshape(-1, waveforms.shape[-1])
    spectra = torch.stft(flat, _FFT, _HOP, _WINDOW, window, center=True, pad_mode="reflect", return_complex=True)
    power = spectra.real.square() + spectra.imag.square()  # (B, 1025, steps)
    bands = _mel_bands().to(waveforms.device, waveforms.dtype) @ power
    return bands.clamp_min(_LEAST).log().view(*waveforms.shape[:-1], *bands.shape[1:])


@functools.cache
def _mel_bands() -> Tensor:
    """(80, 1025): the weight of each frequency in each band."""
    frequencies = torch.linspace(0, SAMPLE_RATE / 2, _FFT // 2 + 1, dtype=torch.float64)
    top = 2595 * torch.log10(torch.tensor(1 + SAMPLE_RATE / 2 / 700, dtype=torch.float64))
    edges = 700 * (10 ** (torch.linspace(0, 1, BANDS + 2, dtype=torch.float64) * top / 2595) - 1)
    left, middle, right = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    rising, falling = (frequencies - left) / (middle - left), (right - frequencies) / (right - middle)
    return torch.minimum(rising, falling).clamp_min(0)
