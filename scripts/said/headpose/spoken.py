"""Clips of a split as the pose models are given them: directions, features of the speech, speakers by number."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from said.headpose.clips import names, read_clip, read_index
from said.headpose.features import SemanticInput, read_features
from said.headpose.rhythm import RhythmInput, of_mel
from said.headpose.rotations import to_directions
from said.running.atomic import PathLike


@dataclass(frozen=True)
class SpokenPoses:
    """The clips of a split.

    Attributes:
        clips: (C,) their names.
        speakers: (C,) int64 the speaker's number among the training speakers; -1 for others.
        directions: (C, N, 6) of the head, at 25 frames a second.
        semantic: (C, N, H) float16 features of the speech encoder.
        heard: what the rhythm encoder is given: (C, 640 N) int16 waveforms at 16 kHz, (C, N, 40) mel bands, or
            (C, N, 1) loudness.
    """

    clips: Sequence[str]
    speakers: NDArray[np.int64]
    directions: NDArray[np.float32]
    semantic: NDArray[np.float16]
    heard: NDArray


def read_directions(folder: PathLike, role: str) -> tuple[list[str], NDArray[np.float32]]:
    """Names of the clips of a split, and their (C, N, 6) directions.

    Raises:
        ValueError: the split has no clips; or as `read_clip`.
    """
    clips = _clips(folder, role)
    return clips, np.stack([to_directions(read_clip(folder, clip).pose) for clip in clips]).astype(np.float32)


def read_spoken(
    folder: PathLike,
    features: PathLike,
    role: str,
    speakers: Sequence[str],
    *,
    rhythm_input: RhythmInput,
    semantic_input: SemanticInput,
) -> SpokenPoses:
    """The clips of a split with their speech.

    Args:
        folder: of the clips; features: of their features.
        role: the split.
        speakers: the training speakers.
        rhythm_input, semantic_input: which kinds of `heard` and `semantic` are read.

    Raises:
        ValueError: the split has no clips; or as `read_clip` and `read_features`.
    """
    clips, directions = read_directions(folder, role)
    number = {speaker: index for index, speaker in enumerate(speakers)}
    by_clip = read_index(folder).set_index("clip").speaker
    made = [read_features(features, clip, semantic_input) for clip in clips]
    audio = rhythm_input == "waveform"
    return SpokenPoses(
        clips,
        np.array([number.get(by_clip[clip], -1) for clip in clips]),
        directions,
        np.stack([semantic for semantic, _ in made]),
        np.stack(
            [read_clip(folder, clip).audio for clip in clips]
            if audio
            else [of_mel(rhythm_input, mel) for _, mel in made]
        ),
    )


def training_speakers(folder: PathLike) -> list[str]:
    """Names of the speakers of training clips, in the order of their numbers."""
    index = read_index(folder)
    return sorted(set(index.speaker[index["split"] == "train"]))


def _clips(folder: PathLike, role: str) -> list[str]:
    clips = names(read_index(folder), role)
    if not clips:
        raise ValueError(f"{folder}: no clip has the split {role}")
    return clips
