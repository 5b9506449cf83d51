"""The corpus: the form into which every dataset, generated or licensed, is brought before anything else reads it.

    topology.npz                      see `Topology`
    templates/<speaker>.ply           (V, 3) metres, the neutral face; colours of the vertices are optional
    sequences/<speaker>/<name>.npy    (N, V, 3) float32 metres, 60 frames per second
    sequences/<speaker>/<name>.wav    the speech recorded with it, at any rate

A sentence exists if both of its files do. The sentences of a speaker are those in the folder.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from said.arkit import SPEECH_BLENDSHAPES
from said.files import arrays, tables
from said.files.arrays import read_arrays, write_arrays
from said.files.audio import read_audio
from said.running.atomic import PathLike, atomic_folder
from said.running.console import nearest
from said.units import size_fault, size_of

if TYPE_CHECKING:
    import trimesh

FRAME_RATE = 60
"""Frames per second of every sequence."""


@dataclass(frozen=True)
class Topology:
    """What all templates of a corpus share.

    Attributes:
        faces: (F, 3) int, vertex indices.
        landmarks: (68,) int, vertices of the iBUG landmarks.
        head: (H,) int, vertices of the head that the blendshapes move; empty where they are to be derived.
    """

    faces: NDArray
    landmarks: NDArray
    head: NDArray


def write_topology(path: PathLike, topology: Topology) -> None:
    """A topology as npz."""
    write_arrays(path, vars(topology))


def read_topology(path: PathLike) -> Topology:
    """What `write_topology` wrote.

    Raises:
        UnreadableError: the file is damaged, or no npz.
    """
    return Topology(**read_arrays(path))


def sentences(folder: PathLike) -> list[str]:
    """Names of the sentences in a speaker's folder of sequences, sorted.

    Raises:
        ValueError: a sentence lacks one of its two files, or the folder holds no sentence.
    """
    folder = Path(folder)
    frames = {path.stem for path in folder.glob("*.npy")}
    speech = {path.stem for path in folder.glob("*.wav")}
    if frames != speech:
        raise ValueError(f"{folder}: {sorted(frames ^ speech)} lack their .npy or their .wav; make it anew")
    if not frames:
        raise ValueError(f"{folder}: holds no sentence")
    return sorted(frames)


def find_sentence(sentences: Sequence[str], wanted: str | int, source: PathLike) -> str:
    """The name of a sentence, given by its name or by its number.

    Args:
        sentences: names of a speaker's sentences, sorted.
        wanted: a name, or a number counted from 0.
        source: where the sentences are, for messages.

    Raises:
        ValueError: there is no such sentence.
    """
    if isinstance(wanted, int):
        if wanted >= len(sentences):
            raise ValueError(f"{source}: sentence {wanted}: there are {len(sentences)}, counted from 0")
        return sentences[wanted]
    if wanted not in sentences:
        raise ValueError(f"{source}: no sentence {wanted!r}{nearest(wanted, sentences)}")
    return wanted


def read_coefficients(folder: PathLike) -> dict[str, NDArray[np.float64]]:
    """The sequences (N, 32) of a speaker's folder of coefficient CSVs, by sentence.

    Raises:
        ValueError: the folder holds none, or a file is no table of coefficients.
    """
    paths = sorted(Path(folder).glob("*.csv"))
    if not paths:
        raise ValueError(f"{folder}: holds no coefficients")
    return {path.stem: tables.read_coefficients(path) for path in paths}


def read_sequences(folders: Iterable[PathLike]) -> dict[str, NDArray[np.float64]]:
    """The sequences (N, 32) of several speakers' folders of coefficients, by "<speaker>/<sentence>"."""
    return {
        f"{Path(folder).name}/{sentence}": values
        for folder in folders
        for sentence, values in read_coefficients(folder).items()
    }


def write_coefficients(folder: PathLike, sequences: Mapping[str, NDArray]) -> None:
    """The sequences (N, 32) of a speaker as a folder of CSVs."""
    with atomic_folder(folder) as temporary:
        for sentence, values in sequences.items():
            tables.write_coefficients(temporary / f"{sentence}.csv", values)


def read_speech(folder: PathLike, sentence: str) -> tuple[NDArray[np.float32], int]:
    """Waveform (T,) and its rate in Hz."""
    return read_audio(Path(folder) / f"{sentence}.wav")


def read_speeches(folders: Iterable[PathLike], names: Iterable[str]) -> dict[str, tuple[NDArray[np.float32], int]]:
    """Waveform (T,) and rate in Hz of clips named "<speaker>/<sentence>", from the speakers' folders of sequences."""
    by_speaker = {Path(folder).name: folder for folder in folders}
    clips = {name: name.split("/") for name in names}
    return {name: read_speech(by_speaker[speaker], sentence) for name, (speaker, sentence) in clips.items()}


def read_frames(folder: PathLike, sentence: str, vertices: int | None = None) -> NDArray[np.float32]:
    """(N, V, 3) metres, memory-mapped.

    Raises:
        ValueError: the array is not a sequence of frames, or V is not `vertices`, where that is given.
    """
    path = Path(folder) / f"{sentence}.npy"
    frames = arrays.read_frames(path)
    if frames.ndim != 3 or frames.shape[2] != 3 or frames.shape[1] != (vertices or frames.shape[1]):
        raise ValueError(f"{path}: has the shape {frames.shape}, not (frames, {vertices or 'vertices'}, 3)")
    return frames


def read_source(folder: PathLike) -> "tuple[trimesh.Trimesh, NDArray, NDArray]":
    """The source face of the deformation transfer.

    Args:
        folder: holds Neutral.obj, one OBJ per blendshape, and landmarks.txt.

    Returns:
        the neutral mesh, the (32, Vs, 3) expressions in the paper's order, and the (68,) landmarks.

    Raises:
        ValueError: an expression has other vertices or triangles than the neutral face, or another unit of length;
            a vertex is not finite; a landmark is no vertex.
    """
    from said.files.meshes import read_indices, read_mesh  # trimesh is slow to import, and rarely needed here

    folder = Path(folder)
    expressions = []
    neutral = read_mesh(folder / "Neutral.obj")
    for name in SPEECH_BLENDSHAPES:
        mesh = read_mesh(folder / f"{name}.obj")
        _check_expression(f"{folder}/{name}.obj", mesh, neutral)
        expressions.append(mesh.vertices)
    landmarks = read_indices(folder / "landmarks.txt")
    if landmarks.size and landmarks.max() >= len(neutral.vertices):
        raise ValueError(
            f"{folder}/landmarks.txt: names vertex {landmarks.max()}, but Neutral.obj has {len(neutral.vertices)}, "
            "counted from 0"
        )
    return neutral, np.stack(expressions), landmarks


def _check_expression(path: str, mesh: "trimesh.Trimesh", neutral: "trimesh.Trimesh") -> None:
    if len(mesh.vertices) != len(neutral.vertices):
        raise ValueError(f"{path}: has {len(mesh.vertices)} vertices, but Neutral.obj has {len(neutral.vertices)}")
    if not np.array_equal(mesh.faces, neutral.faces):
        raise ValueError(f"{path}: its triangles are not those of Neutral.obj")
    bad = np.flatnonzero(~np.isfinite(mesh.vertices).all(axis=1))
    if len(bad):
        raise ValueError(f"{path}: vertex {bad[0]} (from 0) is not finite")
    if fault := size_fault(float(size_of(mesh.vertices)), float(size_of(neutral.vertices))):
        raise ValueError(f"{path}: beside Neutral.obj, it {fault}")


def read_samples(path: PathLike) -> dict[str, NDArray[np.float32]]:
    """The samples (S, N, 32) of a method for one speaker, by sentence."""
    return read_arrays(path)


def write_samples(path: PathLike, samples: Mapping[str, NDArray]) -> None:
    """Samples as npz, which `read_samples` reads: methods/<method>/<speaker>.npz."""
    write_arrays(path, samples)


def read_method(paths: Iterable[PathLike]) -> dict[str, NDArray[np.float32]]:
    """The samples (S, N, 32) of a method, by "<speaker>/<sentence>", from its files, which are named after speakers."""
    return {f"{Path(path).stem}/{name}": values for path in paths for name, values in read_samples(path).items()}


def read_clips(coefficients: Sequence[PathLike], sequences: Sequence[PathLike]) -> Iterator[tuple]:
    """Coefficients with their speech, speaker by speaker.

    Args:
        coefficients: folders of coefficient CSVs, one per speaker.
        sequences: folders of sequences of the same speakers.

    Yields:
        "<speaker>/<sentence>", (N, 32) coefficients, waveform (T,), its rate in Hz.

    Raises:
        ValueError: the two lists name different speakers.
    """
    for folder, speech in zip(map(Path, coefficients), map(Path, sequences), strict=True):
        if folder.name != speech.name:
            raise ValueError(f"{folder} and {speech} belong to different speakers")
        for sentence, values in read_coefficients(folder).items():
            yield f"{folder.name}/{sentence}", values, *read_speech(speech, sentence)
