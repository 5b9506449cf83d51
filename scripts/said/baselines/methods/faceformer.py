"""FaceFormer as a method of Table 1."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import torch
from numpy.typing import NDArray

from said.baselines.clips import Shared, Utterance
from said.baselines.faceformer import FaceFormer
from said.baselines.speech_decoder import FRAME_RATE
from said.baselines.stored import read_stored
from said.files.models import save_model
from said.files.tensors import read_state_dict
from said.running.atomic import PathLike
from said.speech import normalise
from said.waveforms import prepare_waveform

FORM = "said-faceformer-1"


def frame_rate(settings: Mapping) -> int:
    return FRAME_RATE


def save(path: PathLike, model: FaceFormer) -> None:
    save_model(path, model, FORM, {"heads": model.heads, "period": model.period})


def load(path: PathLike, shared: Shared, settings: Mapping) -> FaceFormer:
    state, facts = read_stored(path, FORM, "a FaceFormer")
    return FaceFormer.from_state_dict(state, shared.encoder.config, heads=facts["heads"], period=facts["period"])


def read_published(files: Sequence[Path], shared: Shared, settings: Mapping) -> FaceFormer:
    return FaceFormer.from_state_dict(read_state_dict(files[0]), shared.encoder.config)


def styles(model: FaceFormer) -> int:
    return model.obj_vector.in_features


def animate(
    model: FaceFormer, speech: Utterance, template: NDArray, styles: Sequence[int], settings: Mapping, seed: int
) -> Iterator[NDArray]:
    audio = normalise(torch.from_numpy(prepare_waveform(speech.waveform, speech.rate)))
    yield from model.animate(audio, template, torch.tensor(styles)).cpu().numpy()
