"""MeshTalk as a method of Table 1."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from said.baselines.clips import Shared, Utterance
from said.baselines.meshtalk import MeshTalk
from said.baselines.stored import read_stored
from said.files.models import save_model
from said.running.atomic import PathLike
from said.waveforms import prepare_waveform

FORM = "said-meshtalk-1"
_MILLIMETRES = 1000.0


def frame_rate(settings: Mapping) -> int:
    return settings["fps"]


def save(path: PathLike, model: MeshTalk) -> None:
    prior = model.context_model
    mask = "published" if prior.logits.strict else "corrected"
    save_model(path, model, FORM, {"heads": prior.heads, "mask": mask})


def load(path: PathLike, shared: Shared, settings: Mapping) -> MeshTalk:
    state, facts = read_stored(path, FORM, "a MeshTalk")
    return MeshTalk.from_state_dict(state, heads=facts["heads"], mask=facts["mask"])


def styles(model: MeshTalk) -> int:
    return 1


def animate(
    model: MeshTalk, speech: Utterance, template: NDArray, styles: Sequence[int], settings: Mapping, seed: int
) -> Iterator[NDArray]:
    audio = prepare_waveform(speech.waveform, speech.rate)
    face = np.asarray(template, np.float32) * _MILLIMETRES
    generator = torch.Generator().manual_seed(seed)
    geometry = model.animate(
        audio, face, settings["sampling"], generator, fps=settings["fps"], centres=settings["centres"]
    )
    yield geometry.cpu().numpy() / _MILLIMETRES
