"""Speech as the denoiser sees it (Section 4.2): wav2vec 2.0 with one feature vector per animation frame."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import soxr
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor
from transformers import Wav2Vec2Config, Wav2Vec2Model
from transformers.utils import logging as transformers_logging

from said.corpus import FRAME_RATE
from said.running.atomic import PathLike, atomic_folder

SAMPLE_RATE = 16000
"""Hz, of wav2vec 2.0."""
# A bar for every file that is read or written drowns a log.
transformers_logging.disable_progress_bar()


def frame_count(samples: int, rate: int, fps: int = FRAME_RATE, rounding: str = "exact") -> int:
    """Whole animation frames in `samples` of audio at `rate` Hz.

    Args:
        rounding: exact; or truncated: in floating point as in the authors' implementation, where some lengths that are
            a whole number of frames lose one.
    """
    if rounding not in ("exact", "truncated"):
        raise ValueError(f"frame_count must be exact or truncated, not {rounding!r}")
    if samples < 0 or rate <= 0 or fps <= 0:
        raise ValueError(f"samples must be at least 0, rate and fps above 0; got {samples}, {rate}, {fps}")
    if rounding == "truncated":
        return int(samples / rate * fps)
    return int(Fraction(samples) * Fraction(fps) / Fraction(rate))


def prepare_waveform(waveform: NDArray, sample_rate: int) -> NDArray[np.float32]:
    """A mono waveform (T,) in [-1, 1] at `sample_rate` Hz, resampled to 16 kHz.

    Raises:
        ValueError: it is empty, not mono or not finite.
    """
    waveform = np.asarray(waveform, dtype=np.float32)
    if waveform.ndim != 1 or len(waveform) == 0:
        raise ValueError(f"expected a mono waveform (T,), got {waveform.shape}")
    if not np.isfinite(waveform).all():
        raise ValueError("the waveform holds values that are not finite")
    if sample_rate == SAMPLE_RATE:
        return waveform
    return soxr.resample(waveform, sample_rate, SAMPLE_RATE)


def normalise(waveform: Tensor) -> Tensor:
    """Zero mean and unit variance along time: (..., T) -> (..., T), as wav2vec 2.0 expects it."""
    centred = waveform - waveform.mean(-1, keepdim=True)
    return centred / (centred.square().mean(-1, keepdim=True) + 1e-7).sqrt()


def encode(wav2vec2: Wav2Vec2Model, waveform: Tensor, frames: int) -> Tensor:
    """Features of speech, one per animation frame.

    The features of the convolutional part, about 50 per second, are linearly interpolated to the number of frames
    before the projection and the transformer. In training mode SpecAugment, dropout and LayerDrop act, as in the
    encoder itself.

    Args:
        wav2vec2: the speech encoder.
        waveform: (B, T) at 16 kHz, each of zero mean and unit variance.
        frames: number of feature vectors to give.

    Returns:
        (B, frames, H), H the encoder's hidden size.

    Raises:
        ValueError: the waveform is shorter than the convolutions' reach (25 ms).
    """
    reach = receptive_field(wav2vec2.config)
    if waveform.ndim != 2 or waveform.shape[1] < reach:
        raise ValueError(f"expected waveforms (B, T) of at least {reach} samples, got {tuple(waveform.shape)}")
    features = wav2vec2.feature_extractor(waveform)  # (B, C, about T / 320)
    features = F.interpolate(features, size=frames, mode="linear", align_corners=True).transpose(1, 2)
    hidden, _ = wav2vec2.feature_projection(features)  # (B, frames, H)
    hidden = wav2vec2._mask_hidden_states(hidden)
    hidden = wav2vec2.encoder(hidden).last_hidden_state
    return hidden if wav2vec2.adapter is None else wav2vec2.adapter(hidden)


def receptive_field(config: Wav2Vec2Config) -> int:
    """Samples that one feature of the convolutional part sees."""
    reach, stride = 1, 1
    for kernel, step in zip(config.conv_kernel, config.conv_stride, strict=True):
        reach += (kernel - 1) * stride
        stride *= step
    return reach


def encode_clip(wav2vec2: Wav2Vec2Model, waveform: NDArray, frames: int) -> Tensor:
    """Features (frames, H) of a clip's waveform (T,) at 16 kHz, cut or filled with silence to `frames` frames."""
    device = next(wav2vec2.parameters()).device
    fitted = fit_length(waveform, frames * SAMPLE_RATE // FRAME_RATE)
    with torch.no_grad():
        return encode(wav2vec2, normalise(torch.from_numpy(fitted).to(device)[None]), frames)[0]


def fit_length(waveform: NDArray, samples: int) -> NDArray[np.float32]:
    """The first `samples` of a waveform; a shorter one ends in silence."""
    cut = np.asarray(waveform[:samples], dtype=np.float32)
    return np.pad(cut, (0, samples - len(cut)))


def fetch_pretrained(name: str, revision: str) -> Wav2Vec2Model:
    """A published speech encoder from the Hugging Face hub or its local cache, by pinned revision, in evaluation mode.

    Args:
        name: model on the hub, or a folder that holds it.
        revision: commit of the model on the hub. HF_HOME, HF_HUB_OFFLINE, HF_ENDPOINT and proxies are the hub's own.

    Raises:
        FileNotFoundError: neither hub nor cache has it; the message says how to bring it.
    """
    try:
        return Wav2Vec2Model.from_pretrained(name, revision=revision).eval()
    except OSError as error:
        raise FileNotFoundError(
            f"{name} at revision {revision} is neither on the hub nor in its cache, HF_HOME. On a machine with network "
            f"run `hf download {name} --revision {revision}` and copy the cache, or set speech_encoder.name in "
            f"config.yaml to a folder with its config.json and weights ({error})"
        ) from None


def load_encoder(folder: PathLike) -> Wav2Vec2Model:
    """A speech encoder from a folder that `save_encoder` or transformers wrote, in evaluation mode."""
    return Wav2Vec2Model.from_pretrained(Path(folder), local_files_only=True).eval()


def save_encoder(wav2vec2: Wav2Vec2Model, folder: PathLike) -> None:
    """The encoder as a folder of config.json and model.safetensors."""
    with atomic_folder(folder) as temporary:
        wav2vec2.save_pretrained(temporary)
