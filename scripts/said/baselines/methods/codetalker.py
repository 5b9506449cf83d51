"""CodeTalker as a method of Table 1."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import cast

import torch
from numpy.typing import NDArray
from torch import Tensor

from said.baselines.clips import Shared, Utterance
from said.baselines.codetalker import CodeTalker
from said.baselines.motion_autoencoder import Attention
from said.baselines.speech_decoder import FRAME_RATE
from said.baselines.stored import read_stored
from said.files.models import save_model
from said.files.tensors import read_state_dict
from said.running.atomic import PathLike
from said.speech import normalise
from said.waveforms import prepare_waveform

FORM = "said-codetalker-1"
_STAGES = ("autoencoder.", "predictor.")
_INSIDE = "state_dict"
"""Under which the published files hold their tensors."""


def frame_rate(settings: Mapping) -> int:
    return FRAME_RATE


def save(path: PathLike, model: CodeTalker) -> None:
    attention = next(part for part in model.autoencoder.modules() if isinstance(part, Attention))
    predictor = model.predictor
    facts = {"heads": predictor.heads, "period": predictor.period, "vq_heads": attention.heads}
    save_model(path, model, FORM, facts)


def load(path: PathLike, shared: Shared, settings: Mapping) -> CodeTalker:
    state, facts = read_stored(path, FORM, "a CodeTalker")
    first, second = (_below(state, stage) for stage in _STAGES)
    sizes = {key: cast(int, facts[key]) for key in ("heads", "vq_heads", "period")}
    return CodeTalker.from_state_dicts(first, second, shared.encoder.config, **sizes)


def read_published(files: Sequence[Path], shared: Shared, settings: Mapping) -> CodeTalker:
    """Args: files: of the first and of the second stage."""
    first, second = (read_state_dict(path, _INSIDE) for path in files)
    return CodeTalker.from_state_dicts(first, second, shared.encoder.config)


def styles(model: CodeTalker) -> int:
    return model.predictor.learnable_style_emb.num_embeddings


def animate(
    model: CodeTalker, speech: Utterance, template: NDArray, styles: Sequence[int], settings: Mapping, seed: int
) -> Iterator[NDArray]:
    audio = normalise(torch.from_numpy(prepare_waveform(speech.waveform, speech.rate)))
    yield from model.animate(audio, template, torch.tensor(styles)).cpu().numpy()


def _below(state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
