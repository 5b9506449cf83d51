"""Editing (Section 4.2.4, Eq. 10): speech, a reference, and which of its coefficients are kept.

An edit is an entry of `edits` in config.yaml, see `said.edits`. Where nothing is kept, speech is animated from nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from said import corpus
from said.corpus import find_sentence
from said.edits import kept_entries, mask_entries, needs_reference, read_reference
from said.files.audio import read_audio
from said.files.tables import read_table
from said.running.atomic import PathLike
from said.sampling import Sampler, Speech, one_thread
from said.speech import frame_count, prepare_waveform


@dataclass(frozen=True)
class Clip:
    """What an edit works on.

    Attributes:
        speech: the sentence, with as many frames as the reference where there is one.
        text: (N, 32) cells of the reference's CSV as they are written; None without a reference.
        kept: (N, 32) bool, what stays as it is.
    """

    speech: Speech
    text: NDArray[np.str_] | None
    kept: NDArray[np.bool_]

    @property
    def reference(self) -> NDArray[np.float64] | None:
        """(N, 32) coefficients of the reference."""
        return None if self.text is None else self.text.astype(np.float64)


def read_clip(paths: Mapping[str, PathLike], entry: Mapping, rounding: str = "exact") -> Clip:
    """Read what an edit works on.

    Args:
        paths: `wav`, or `sequences`, the folder of a speaker's speech; where the edit needs a reference `reference`, a
            CSV, or `coefficients`, the folder of the speaker's; `mask`, a CSV, where there is one.
        entry: the edit.
        rounding: how the speech's frames are counted, see `said.speech.frame_count`.

    Raises:
        ValueError: the sentence does not exist, the reference has another length than the speech or values outside
            [0, 1], or a kept frame lies outside.
    """
    if "wav" in paths:
        name, (waveform, rate) = Path(paths["wav"]).stem, read_audio(paths["wav"])
    else:
        name = find_sentence(corpus.sentences(paths["sequences"]), entry.get("sentence", 0), paths["sequences"])
        waveform, rate = corpus.read_speech(paths["sequences"], name)
    frames, text = frame_count(len(waveform), rate, rounding=rounding), None
    if needs_reference(entry):
        path = paths["reference"] if "reference" in paths else Path(paths["coefficients"]) / f"{name}.csv"
        text = read_reference(path, frames)
        frames = len(text)
    mask = read_table(paths["mask"]) if "mask" in paths else None
    kept = kept_entries(entry, frames)
    if mask is not None:
        kept |= mask_entries({column: mask[column].to_numpy() for column in mask}, frames, paths["mask"])
    return Clip(Speech(name, prepare_waveform(waveform, rate), frames), text, kept)


def edit(sampler: Sampler, clip: Clip, repeat: int = 0, strength: float = 1.0) -> NDArray[np.float32]:
    """Sample the coefficients (N, 32) that are not kept, so that they go with those that are.

    With nothing kept and strength 1 it is the sample of that repeat which `sample_speech` draws, to the byte.
    """
    editing = {}
    if clip.text is not None:
        reference, kept = (torch.tensor(values, dtype=torch.float32) for values in (clip.reference, clip.kept))
        editing = {"reference": reference.to(sampler.device), "mask": kept.to(sampler.device), "strength": strength}
    with one_thread():
        return sampler.draw(clip.speech.name, sampler.encode(clip.speech), [repeat], **editing)[0]


def written(values: NDArray, clip: Clip) -> NDArray[np.str_]:
    """Cells of the CSV of an edit: what is kept as the reference's file has it, the rest to 9 digits."""
    cells = np.array([[f"{value:.9g}" for value in row] for row in values])
    return cells if clip.text is None else np.where(clip.kept, clip.text, cells)
