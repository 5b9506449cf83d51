"""Speech as MeshTalk hears it: of each frame, the log-mel spectrogram of the second around it."""

import functools
from fractions import Fraction
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float, Integer
from torch import Tensor

from said.running.shapes import shaped

SAMPLE_RATE = 16000
"""Hz."""
BANDS, STEPS = 80, 101
"""Mel bands and steps of a frame's spectrogram."""
Centres = Literal["published", "exact", "steps"]
"""Where frames lie in the audio. Steps: at the nearest 10 ms of one spectrogram of the whole clip, see `span_log_mels`;
the others: see `chunks`."""
_CHUNK = 16000
_LOUDNESS = 0.01
_FFT, _WINDOW, _HOP = 2048, 800, 160
_LEAST = 1e-10


@shaped
def normalise(audio: Float[Tensor, "*B T"]) -> Float[Tensor, "*B T"]:
    """Audio (..., T) scaled to a mean magnitude of 0.01; digital silence stays what it is."""
    magnitude = audio.abs().mean(-1, keepdim=True)
    return audio * _LOUDNESS / torch.where(magnitude > 0, magnitude, 1)


@shaped
def chunks(audio: Float[Tensor, "*B T"], fps: int = 30, centres: Centres = "published") -> Float[Tensor, "*B N 16000"]:
    """The second of audio around every frame, with zeros beyond its ends.

    Args:
        audio: (..., T) at 16 kHz.
        fps: frames per second.
        centres: published: a whole number of samples, 16000 // fps, from frame to frame, so that at 60 fps frames come
            0.25 % too early, after four seconds more than half of one; exact: the sample nearest to a frame's middle.

    Returns:
        (..., N, 16000), N >= 1. Published, the last frame may reach beyond the audio's end; exact, it does not.

    Raises:
        ValueError: the audio is too short for a frame, fps is not from 1 to 16000, or `centres` is neither.
    """
    samples = audio.shape[-1] if audio.ndim else 0
    if not 1 <= fps <= SAMPLE_RATE or centres not in ("published", "exact"):
        raise ValueError(f"fps must be from 1 to {SAMPLE_RATE}, centres published or exact, not {fps} and {centres!r}")
    step = SAMPLE_RATE // fps
    pad = (_CHUNK - step) // 2 if centres == "published" else _CHUNK // 2
    count = heard_frames(samples, fps, centres)
    if count < 1:
        raise ValueError(f"audio of {samples} samples is too short for a frame at {fps} fps")
    padded = F.pad(audio, (pad, pad))
    if centres == "published":
        return padded.unfold(-1, _CHUNK, step)[..., :count, :]
    middles = [round(Fraction(SAMPLE_RATE * (2 * frame + 1), 2 * fps)) for frame in range(count)]
    return padded.unfold(-1, _CHUNK, 1)[..., torch.tensor(middles, device=audio.device), :]


def heard_frames(samples: int, fps: int, centres: Centres) -> int:
    """Frames in so many samples at 16 kHz; none, or less, where they are too short for one."""
    if centres != "published":
        return samples * fps // SAMPLE_RATE
    step = SAMPLE_RATE // fps
    return -(-(samples + 2 * ((_CHUNK - step) // 2) - _CHUNK) // step)


@shaped
def span_log_mels(audio: Float[Tensor, " T"], fps: int) -> tuple[Float[Tensor, "80 n"], Integer[Tensor, " N"]]:
    """One spectrogram for all frames, where `chunks` has them overlap by 98 %: the same but for two roundings.

    A frame lies up to 5 ms beside its middle, and the spectrogram goes on where a chunk would be mirrored at its ends.

    Args:
        audio: (T,) at 16 kHz.
        fps: frames per second.

    Returns:
        (80, n) logarithms, as `log_mel` has them, half a second longer than the audio at both ends; (N,) int64, of each
        frame the first of its 101 steps.

    Raises:
        ValueError: the audio is too short for a frame.
    """
    count = heard_frames(len(audio), fps, "steps")
    if count < 1:
        raise ValueError(f"audio of {len(audio)} samples is too short for a frame at {fps} fps")
    middles = (2 * torch.arange(count, device=audio.device) + 1) * SAMPLE_RATE  # in samples, times 2 fps
    first = torch.div(middles + fps * _HOP, 2 * fps * _HOP, rounding_mode="floor")
    return _log_mel(F.pad(audio, (_CHUNK // 2, _CHUNK // 2))), first


@shaped
def log_mel(waveforms: Float[Tensor, "*B 16000"]) -> Float[Tensor, "*B 80 101"]:
    """Natural logarithms (..., 80, 101) of the mel spectrograms of waveforms (..., 16000) at 16 kHz.

    Power of a transform of 2048 points under a Hann window of 800, at steps of 160, mirrored at the ends; 80 bands of
    the HTK mel scale from 0 to 8 kHz, triangles of height one.
    """
    return _log_mel(waveforms)


def _log_mel(waveforms: Tensor) -> Tensor:
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
