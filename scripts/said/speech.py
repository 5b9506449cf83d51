"""Speech as the denoiser sees it (Section 4.2): wav2vec 2.0 with one feature vector per animation frame."""

import json
from collections.abc import Mapping
from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor
from transformers import Wav2Vec2Config, Wav2Vec2Model
from transformers.utils import logging as transformers_logging
from transformers.utils.hub import cached_file

from said.corpus import FRAME_RATE
from said.files.tensors import load_strict, read_state_dict, read_tensors
from said.running.atomic import PathLike, atomic_folder
from said.running.integrity import reading, reading_own
from said.running.shapes import shaped
from said.waveforms import SAMPLE_RATE, fit_length

_HEADS = ("lm_head.", "quantizer.", "project_hid.", "project_q.")
"""Layers that published encoders have on top, for other tasks."""
_LEGACY = {"weight_g": "parametrizations.weight.original0", "weight_v": "parametrizations.weight.original1"}
"""The two parts of a normalised weight, as PyTorch named them before version 2 and as it does now."""

# A progress bar for every file that is read or written would drown a log.
transformers_logging.disable_progress_bar()


def normalise(waveform: Tensor) -> Tensor:
    """Bring waveforms (..., T) to zero mean and unit variance along time, as wav2vec 2.0 expects them."""
    centred = waveform - waveform.mean(-1, keepdim=True)
    return centred / (centred.square().mean(-1, keepdim=True) + 1e-7).sqrt()


@shaped
def encode(wav2vec2: Wav2Vec2Model, waveform: Float[Tensor, "B T"], frames: int) -> Float[Tensor, "B {frames} H"]:
    """Features of speech, one per animation frame.

    The features of the convolutional part, about 50 per second, are linearly interpolated to the number of frames
    before the projection and the transformer. In training mode SpecAugment, dropout and LayerDrop act, as in the
    encoder itself.

    Args:
        wav2vec2: the speech encoder.
        waveform: (B, T) at 16 kHz, each of zero mean and unit variance.
        frames: number of animation frames.

    Returns:
        (B, frames, H), with H the encoder's hidden size.

    Raises:
        ValueError: the waveform is shorter than the convolutions' receptive field (25 ms).
    """
    return contextualise(wav2vec2, convolve(wav2vec2, waveform, frames))


def convolve(wav2vec2: Wav2Vec2Model, waveform: Tensor, frames: int) -> Tensor:
    """(B, frames, C) output of the encoder's convolutional part, interpolated; arguments and errors as `encode`."""
    reach = receptive_field(wav2vec2.config)
    if waveform.ndim != 2 or waveform.shape[1] < reach:
        raise ValueError(f"expected waveforms (B, T) of at least {reach} samples, got {tuple(waveform.shape)}")
    features = wav2vec2.feature_extractor(waveform)  # (B, C, about T / 320)
    return F.interpolate(features, size=frames, mode="linear", align_corners=True).transpose(1, 2)


def contextualise(wav2vec2: Wav2Vec2Model, features: Tensor) -> Tensor:
    """(B, N, H) output of the encoder's transformer for (B, N, C) features of its convolutional part."""
    hidden, _ = wav2vec2.feature_projection(features)
    hidden = wav2vec2._mask_hidden_states(hidden)
    hidden = wav2vec2.encoder(hidden).last_hidden_state
    return hidden if wav2vec2.adapter is None else wav2vec2.adapter(hidden)


def receptive_field(config: Wav2Vec2Config) -> int:
    """Number of samples from which a feature of the convolutional part is computed."""
    reach, stride = 1, 1
    for kernel, step in zip(config.conv_kernel, config.conv_stride, strict=True):
        reach += (kernel - 1) * stride
        stride *= step
    return reach


def encode_clip(wav2vec2: Wav2Vec2Model, waveform: NDArray, frames: int) -> Tensor:
    """Features (frames, H) of a clip's waveform (T,) at 16 kHz, which is cut or filled with silence to that length."""
    device = next(wav2vec2.parameters()).device
    fitted = fit_length(waveform, frames * SAMPLE_RATE // FRAME_RATE)
    with torch.no_grad():
        return encode(wav2vec2, normalise(torch.from_numpy(fitted).to(device)[None]), frames)[0]


def fetch_pretrained(name: str, revision: str, seed: int = 0) -> Wav2Vec2Model:
    """A published speech encoder from the Hugging Face hub or its local cache, in evaluation mode.

    HF_HOME, HF_HUB_OFFLINE, HF_ENDPOINT and proxies have the effect that the hub's documentation says.

    Args:
        name: of the model on the hub, or a folder that holds it.
        revision: commit of the model on the hub.
        seed: of what the published file lacks, see `read_pretrained`.

    Raises:
        FileNotFoundError: neither hub nor cache has it; the message says how to get it.
        ValueError: it is another kind of model, or its tensors do not fit: the message lists those that are missing,
            unexpected or misshapen.
    """
    try:
        config = _cached(name, "config.json", revision)
        try:
            weights = _cached(name, "model.safetensors", revision)
        except OSError:
            weights = _cached(name, "pytorch_model.bin", revision)
    except OSError as error:
        raise FileNotFoundError(
            f"{name} at revision {revision} is neither on the hub nor in its cache, HF_HOME. On a machine with network "
            f"run `hf download {name} --revision {revision}` and copy the cache, or set speech_encoder.name in "
            f"config.yaml to a folder with its config.json and weights ({error})"
        ) from None
    with reading_own():
        return read_pretrained(config, weights, seed)


def _cached(name: str, file: str, revision: str) -> str:
    """Path of a model's file in the hub's cache, into which it is downloaded first if need be.

    Raises:
        OSError: neither hub nor cache has it.
    """
    path = cached_file(name, file, revision=revision)
    if path is None:
        raise FileNotFoundError(file)
    return path


def read_pretrained(config: PathLike, weights: PathLike, seed: int) -> Wav2Vec2Model:
    """A published wav2vec 2.0, in evaluation mode and single precision.

    Layers on top of the encoder are left out. Published encoders may lack the vector with which SpecAugment replaces
    what it masks, as their training did without it: it is drawn from `seed`, so that it is always the same.

    Args:
        config: path of config.json.
        weights: path of model.safetensors or of pytorch_model.bin, whose pickled code is not run.
        seed: of that vector.

    Raises:
        ValueError: it is another kind of model, or its tensors do not fit: the message lists those that are missing,
            unexpected or misshapen.
    """
    settings = _read_config(config)
    state = read_tensors(weights)[0] if Path(weights).suffix == ".safetensors" else read_state_dict(weights)
    tensors = {_encoder_name(name): value for name, value in state.items() if not name.startswith(_HEADS)}
    drawn = torch.rand(settings.hidden_size, generator=torch.Generator().manual_seed(seed))
    return _build_encoder(settings, tensors, weights, {"masked_spec_embed": drawn})


def load_encoder(folder: PathLike) -> Wav2Vec2Model:
    """A speech encoder from a folder that `save_encoder` wrote, in evaluation mode.

    Raises:
        ValueError: the folder holds another kind of model, or its tensors do not fit: the message lists those that are
            missing, unexpected or misshapen.
        FileNotFoundError: a file is missing.
        UnreadableError: a file is damaged or cut off.
    """
    path = Path(folder) / "model.safetensors"
    config = _read_config(Path(folder) / "config.json")
    tensors, _ = read_tensors(path)
    return _build_encoder(config, tensors, path)


def save_encoder(wav2vec2: Wav2Vec2Model, folder: PathLike) -> None:
    """Write the encoder as a folder of config.json and model.safetensors."""
    with atomic_folder(folder) as temporary:
        wav2vec2.save_pretrained(temporary)


def _read_config(path: PathLike) -> Wav2Vec2Config:
    with reading(path):
        settings = json.loads(Path(path).read_text(encoding="utf-8"))
        kind = settings.get("model_type")
    if kind != "wav2vec2":
        raise ValueError(f"{path}: describes a model of the kind {kind!r}; the speech encoder must be a wav2vec2")
    with reading(path):
        return Wav2Vec2Config.from_dict(settings)


def _build_encoder(
    config: Wav2Vec2Config, tensors: Mapping[str, Tensor], source: PathLike, drawn: Mapping[str, Tensor] | None = None
) -> Wav2Vec2Model:
    """An encoder with these tensors, built without storage, so that no random weights are drawn only to be replaced.

    Args:
        source: of the tensors, for messages.
        drawn: tensors that the file may lack.
    """
    with torch.random.fork_rng(devices=[]), torch.device("meta"):
        encoder = Wav2Vec2Model(config)
    absent = {name: value for name, value in (drawn or {}).items() if name in encoder.state_dict()}
    whole = {name: value.float() for name, value in {**absent, **tensors}.items()}
    load_strict(encoder, whole, source, assign=True)
    return encoder.eval()


def _encoder_name(name: str) -> str:
    name = name.removeprefix("wav2vec2.")
    stem, _, last = name.rpartition(".")
    return f"{stem}.{_LEGACY[last]}" if last in _LEGACY else name
