"""What the methods of Table 1 are trained on: clips of the corpus, whose meshes stay on disk."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from transformers import Wav2Vec2Model

from said import corpus
from said.corpus import FRAME_RATE, Topology
from said.running.atomic import PathLike


@dataclass(frozen=True)
class MeshClip:
    """A sentence of one speaker. Its meshes are read when they are asked for: a corpus has gigabytes of them.

    Attributes:
        name: "<speaker>/<sentence>".
        style: number of the speaker among the training speakers; None: not one of them.
        template: (V, 3) float32 metres, the neutral face.
        coefficients: (N, 32) float32 in [0, 1], 60 per second.
        waveform: (T,) float32 in [-1, 1], as recorded.
        rate: of the waveform, Hz.
        folder: where the speaker's sequences are.
    """

    name: str
    style: int | None
    template: NDArray[np.float32] = field(repr=False)
    coefficients: NDArray[np.float32] = field(repr=False)
    waveform: NDArray[np.float32] = field(repr=False)
    rate: int
    folder: Path

    def frames(self, fps: int = FRAME_RATE) -> NDArray[np.float32]:
        """(N, V, 3) metres, memory-mapped: every frame at 60 per second, every second one, from the first, at 30.

        Raises:
            ValueError: frames do not come as often as that; or the sequence has other vertices than the template.
        """
        if fps < 1 or FRAME_RATE % fps:
            raise ValueError(f"fps must divide {FRAME_RATE}, not {fps}")
        sentence = self.name.split("/")[1]
        return corpus.read_frames(self.folder, sentence, len(self.template))[:: FRAME_RATE // fps]

    def offsets(self, fps: int = FRAME_RATE) -> NDArray[np.float32]:
        """(N, V, 3) metres from the template, in memory; else as `frames`."""
        return self.frames(fps) - self.template


@dataclass(frozen=True)
class Utterance:
    """What is to be animated.

    Attributes:
        name: of the sentence.
        waveform: (T,) float32 in [-1, 1], as recorded.
        rate: of the waveform, Hz.
    """

    name: str
    waveform: NDArray[np.float32] = field(repr=False)
    rate: int


@dataclass(frozen=True)
class Shared:
    """What the methods have in common, besides the clips.

    Attributes:
        encoder: of the speech; a method that trains it works on a copy.
        topology: of all templates.
        std: (32,) standard deviation of each coefficient over the training set.
    """

    encoder: Wav2Vec2Model
    topology: Topology
    std: NDArray[np.float64]


def read_mesh_clips(
    coefficients: Sequence[PathLike], sequences: Sequence[PathLike], templates: Sequence[PathLike], styles: bool
) -> Iterator[MeshClip]:
    """The clips of several speakers, speaker by speaker.

    Args:
        coefficients: folders of coefficient CSVs, one per speaker.
        sequences: folders of sequences of the same speakers.
        templates: their neutral faces, files that are named after the speakers.
        styles: whether each speaker is a style, numbered in the order given.

    Raises:
        ValueError: the lists name different speakers.
    """
    from said.files.meshes import read_mesh  # trimesh is slow to import, and needed nowhere else here

    faces = {Path(path).stem: read_mesh(path).vertices.astype(np.float32) for path in templates}
    folders = {Path(folder).name: Path(folder) for folder in sequences}
    if list(faces) != list(folders):
        raise ValueError(f"templates of {', '.join(faces)} beside sequences of {', '.join(folders)}")
    numbers = {speaker: number for number, speaker in enumerate(folders)}
    for name, values, waveform, rate in corpus.read_clips(coefficients, sequences):
        speaker = name.split("/")[0]
        style = numbers[speaker] if styles else None
        yield MeshClip(name, style, faces[speaker], values.astype(np.float32), waveform, rate, folders[speaker])
