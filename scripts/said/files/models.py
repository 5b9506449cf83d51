"""Models in files: the one way in which weights are written and read, whoever wrote them.

Every tensor must be there, of the right shape, and no other: what is missing, unexpected or misshapen is named.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import Wav2Vec2Config, Wav2Vec2Model

from said.integrity import reading, reading_from
from said.io import PathLike, read_state_dict, read_tensors, write_tensors
from said.weights import load_strict

_HEADS = ("lm_head.", "quantizer.", "project_hid.", "project_q.")
"""What published encoders have on top, for tasks that are not ours."""
_LEGACY = {"weight_g": "parametrizations.weight.original0", "weight_v": "parametrizations.weight.original1"}
"""How PyTorch named the two parts of a normalised weight before version 2."""


def save_model(
    path: PathLike, module: nn.Module, form: str, facts: Mapping | None = None, buffers: Iterable[str] = ()
) -> None:
    """Write a model as safetensors.

    Args:
        form: what kind of model it is; `load_model` takes no other.
        facts: what else is needed to build it, as JSON has it.
        buffers: names of tensors of the module that its state dict leaves out, and the file should not.
    """
    tensors = module.state_dict() | {name: module.get_buffer(name) for name in buffers}
    write_tensors(path, tensors, {"format": form, **(facts or {})})


def load_model(
    path: PathLike, form: str, noun: str, build: Callable[[dict], nn.Module], buffers: Iterable[str] = ()
) -> nn.Module:
    """Read what `save_model` wrote, in evaluation mode.

    Args:
        noun: what the file should hold, for messages: "a SAiD model".
        build: makes the module from the facts that were saved with it.
        buffers: as `save_model` was given them.

    Raises:
        ValueError: the file holds no such model, or lists every missing, unexpected and misshapen tensor.
        DamagedError: it is no safetensors file, or no module can be built from its facts.
    """
    tensors, facts = read_tensors(path)
    if facts.get("format") != form:
        raise ValueError(f"{path}: not {noun} written by this project")
    with reading(path):
        module = build(facts)
    load_strict(module, tensors, path, buffers)
    return module.eval()


def load_published(
    path: PathLike, build: Callable[[dict[str, Tensor]], nn.Module], defaults: Mapping[str, Tensor] | None = None
) -> nn.Module:
    """Read a published state dict, in evaluation mode; pickled code in it is not run.

    Args:
        build: makes the module, whose sizes it may read off the state dict.
        defaults: tensors that may be absent, and what they are then.

    Raises:
        ValueError: the file is no state dict, or lists every missing, unexpected and misshapen tensor.
    """
    state = read_state_dict(path)
    try:
        module = build(state)
    except (ValueError, LookupError) as error:
        raise ValueError(f"{path}: no model has tensors of these shapes ({error})") from None
    load_strict(module, {**(defaults or {}), **state}, path)
    return module.eval()


def load_encoder(folder: PathLike) -> Wav2Vec2Model:
    """A speech encoder from a folder that `said.speech.save_encoder` wrote, in evaluation mode.

    Raises:
        ValueError: the folder holds another kind of model, or lists every missing, unexpected and misshapen tensor.
        DamagedError: a file is missing or cut off.
    """
    path = Path(folder) / "model.safetensors"
    with reading_from(folder):
        config = _read_config(Path(folder) / "config.json")
        tensors, _ = read_tensors(path)
    return _build_encoder(config, tensors, path)


def load_pretrained_encoder(config: PathLike, weights: PathLike, seed: int) -> Wav2Vec2Model:
    """A wav2vec 2.0 as transformers or others published it, in evaluation mode and single precision.

    Layers on top of the encoder are left out. Published encoders may lack the vector that SpecAugment puts in place of
    what it masks, which their own training did without: it is drawn, from `seed`, so that two fetches are the same.

    Args:
        config: config.json.
        weights: model.safetensors, or pytorch_model.bin, of which pickled code is not run.

    Raises:
        ValueError: it is another kind of model, or lists every missing, unexpected and misshapen tensor.
    """
    settings = _read_config(config)
    state = read_tensors(weights)[0] if Path(weights).suffix == ".safetensors" else read_state_dict(weights)
    tensors = {_encoder_name(name): value for name, value in state.items() if not name.startswith(_HEADS)}
    drawn = torch.rand(settings.hidden_size, generator=torch.Generator().manual_seed(seed))
    return _build_encoder(settings, tensors, weights, {"masked_spec_embed": drawn})


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
    """Built without storage, so that no random weights are drawn only to be replaced.

    Args:
        drawn: what takes the place of tensors that the model has and the file may lack.
    """
    with torch.device("meta"):
        encoder = Wav2Vec2Model(config)
    absent = {name: value for name, value in (drawn or {}).items() if name in encoder.state_dict()}
    whole = {name: value.float() for name, value in {**absent, **tensors}.items()}
    load_strict(encoder, whole, source, assign=True)
    return encoder.eval()


def _encoder_name(name: str) -> str:
    name = name.removeprefix("wav2vec2.")
    stem, _, last = name.rpartition(".")
    return f"{stem}.{_LEGACY[last]}" if last in _LEGACY else name
