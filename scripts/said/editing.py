"""Editing (Section 4.2.4, Eq. 10): animating speech with part of a reference's coefficients kept.

An edit is an entry of `edits` in config.yaml, see `said.edits`. One that keeps nothing animates speech from scratch.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from said import corpus
from said.arkit import SPEECH_BLENDSHAPES
from said.corpus import find_sentence
from said.edits import kept_entries, mask_entries, needs_reference, read_reference
from said.files.audio import read_recording
from said.files.tables import read_columns
from said.running.atomic import PathLike
from said.running.integrity import reading_own
from said.sampling import Sampler, Speech, one_thread
from said.waveforms import frame_count, prepare_waveform, require_encodable


@dataclass(frozen=True)
class Clip:
    """The speech of an edit and its reference.

    Attributes:
        speech: the sentence, with as many frames as the reference where there is one.
        text: (N, 32) cells of the reference's CSV as they are written there; None without a reference.
        kept: (N, 32) bool, which of them stay as they are.
    """

    speech: Speech
    text: NDArray[np.str_] | None
    kept: NDArray[np.bool_]

    @property
    def reference(self) -> NDArray[np.float64] | None:
        """(N, 32) coefficients of the reference."""
        return None if self.text is None else self.text.astype(np.float64)


def read_clip(paths: Mapping[str, PathLike], entry: Mapping, rounding: str = "exact") -> Clip:
    """Read the speech of an edit and its reference.

    Args:
        paths: of `wav`, or of `sequences`, the folder of a speaker's speech; where the edit needs a reference, of
            `reference`, a CSV, or of `coefficients`, the speaker's folder; and of `mask`, a CSV, where there is one.
        entry: the edit.
        rounding: how the frames of the speech are counted, see `said.waveforms.frame_count`.

    Raises:
        ValueError: the sentence does not exist, the speech is too short, the reference has another length or values
            outside [0, 1], or what is to be kept lies outside of it.
    """
    if "wav" in paths:
        name, (waveform, rate) = Path(paths["wav"]).stem, read_recording(paths["wav"])
    else:
        name = find_sentence(corpus.sentences(paths["sequences"]), entry.get("sentence", 0), paths["sequences"])
        waveform, rate = corpus.read_speech(paths["sequences"], name)
    frames, text = frame_count(len(waveform), rate, rounding=rounding), None
    if needs_reference(entry):
        if "reference" in paths:
            with reading_own():
                text = read_reference(paths["reference"], frames)
        else:
            text = read_reference(Path(paths["coefficients"]) / f"{name}.csv", frames)
        frames = len(text)
    require_encodable(frames, paths.get("wav", name))
    kept = kept_entries(entry, frames)
    if "mask" in paths:
        with reading_own():
            kept |= mask_entries(read_columns(paths["mask"], SPEECH_BLENDSHAPES), frames, paths["mask"])
    return Clip(Speech(name, prepare_waveform(waveform, rate), frames), text, kept)


def edit(sampler: Sampler, clip: Clip, repeat: int = 0, strength: float = 1.0) -> NDArray[np.float32]:
    """Sample the coefficients that are not kept, so that they go with those that are.

    With nothing kept and strength 1, the result is to the byte the sample of that repeat which `sample_speech` draws.

    Args:
        repeat: number of the sample, which decides the noise.
        strength: share of the diffusion steps that are done, in (0, 1], see `said.diffusion.sample`.

    Returns:
        (N, 32) in [0, 1].
    """
    editing = {}
    if clip.text is not None:
        reference, kept = (torch.tensor(values, dtype=torch.float32) for values in (clip.reference, clip.kept))
        editing = {"reference": reference.to(sampler.device), "mask": kept.to(sampler.device), "strength": strength}
    with one_thread():
        return sampler.draw(clip.speech.name, sampler.encode(clip.speech), [repeat], **editing)[0]


def written(values: NDArray, clip: Clip) -> NDArray[np.str_]:
    """(N, 32) cells of the CSV of an edit: what is kept as it is in the reference's file, the rest with 9 digits."""
    cells = np.array([[f"{value:.9g}" for value in row] for row in values])
    return cells if clip.text is None else np.where(clip.kept, clip.text, cells)
