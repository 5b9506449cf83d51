"""VOCASET's release, in both of the forms in which it is distributed, read into the corpus.

- The PLY tree: `unposedcleaneddata/<speaker>/sentenceNN/sentenceNN.000001.ply`, one file per frame,
  `audio/<speaker>/sentenceNN.wav`, `templates/<speaker>.ply`.
- The training archive: `data_verts.npy` with the vertices of all frames, and the Python 2 pickles `subj_seq_to_idx.pkl`
  (speaker -> sentence -> frame -> row of data_verts), `raw_audio_fixed.pkl`, `templates.pkl`.

Either may be a folder or the publisher's zip archives, which are read in place. One sentence at a time is held in
memory.
"""

import io as bytesio
import posixpath
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import numpy as np
import trimesh
from numpy.typing import NDArray

from said.arkit import OTHER_BLENDSHAPES, SPEECH_BLENDSHAPES
from said.corpus import FRAME_RATE
from said.files.arrays import write_frames
from said.files.audio import read_samples, write_audio
from said.files.meshes import parse_mesh, read_mesh
from said.running.atomic import PathLike
from said.vocaset import archives, tables
from said.vocaset.credentials import REMEDY
from said.vocaset.defects import NUMBERS_END, DefectError, require_counted, require_finite

_TRAINING_FOLDERS = ("", "trainingdata")


class Release(Protocol):
    """What both forms offer.

    Attributes:
        faces: (F, 3) triangles of all meshes.
    """

    faces: NDArray[np.integer]

    def frame_numbers(self, speaker: str) -> dict[str, NDArray[np.int64]]:
        """By sentence, (N,) ascending numbers, from 0, of the frames that exist; sentences are in order of storage.

        If the files count from 0 instead of 1, which `require_counted` refuses, the numbers begin with -1.
        """
        ...

    def spoken(self, speaker: str) -> set[str]:
        """The sentences that have speech."""
        ...

    def template(self, speaker: str) -> NDArray[np.float32]:
        """(V, 3) metres. Raises DefectError if it is missing, or if its triangles are not `faces`."""
        ...

    def motion(self, speaker: str, sentence: str) -> NDArray[np.float32]:
        """(N, V, 3) metres, the frames of `frame_numbers`. Raises DefectError if they cannot be used."""
        ...

    def speech(self, speaker: str, sentence: str) -> tuple[NDArray[np.int16], int]:
        """(T,) samples and their rate in Hz. Raises DefectError if they cannot be read."""
        ...


def open_release(path: PathLike, faces: NDArray[np.integer], limit: int = archives.DEFAULT_LIMIT) -> Release:
    """The release at a path, whichever form it has.

    Args:
        path: a folder that holds either form, unpacked or as the publisher's archives, or one such archive.
        faces: (F, 3) triangles that every mesh must have.
        limit: bytes that an archive may unpack to.

    Raises:
        FileNotFoundError: the path does not exist, or holds neither form.
        ValueError: it holds both forms, or a file of theirs is damaged.
        ArchiveError: an archive is damaged or cannot be trusted.
    """
    path = require(path)
    tree = archives.open_tree(path, limit)
    training = next((folder for folder in _TRAINING_FOLDERS if "data_verts.npy" in tree.files(folder)), None)
    frames = "unposedcleaneddata" in tree.folders()
    if frames and training is not None:
        raise ValueError(f"{path}: holds both unposedcleaneddata and data_verts.npy; move one of them elsewhere")
    if training is not None:
        return TrainingArchive(tree, training, faces)
    if frames:
        return PlyTree(tree, faces)
    raise FileNotFoundError(f"{path}: holds neither unposedcleaneddata nor data_verts.npy, packed or not; {REMEDY}")


def packed(path: PathLike) -> list[Path]:
    """The zip archives that make up the release at a path; none if it is unpacked."""
    path = Path(path)
    if path.is_file():
        return [path]
    names = ("trainingdata", "unposedcleaneddata", "audio", "templates")
    return [path / f"{name}.zip" for name in names if (path / f"{name}.zip").is_file() and not (path / name).exists()]


def read_faces(path: PathLike) -> NDArray[np.int64]:
    """(F, 3) triangles of a mesh file: the topology that all meshes of the release share."""
    return np.asarray(read_mesh(path).faces)


def read_arkit(path: PathLike, limit: int = archives.DEFAULT_LIMIT) -> Iterator[tuple[str, trimesh.Trimesh]]:
    """The ARKit face, Neutral and its expressions, from a folder or an archive.

    The authors' archive has no tongueOut; only the 32 expressions of the paper are required.

    Args:
        path: the folder or archive.
        limit: bytes that an archive may unpack to.

    Yields:
        name and mesh.

    Raises:
        FileNotFoundError: Neutral or one of the 32 is missing.
        ArchiveError: the archive is damaged or cannot be trusted.
    """
    tree = archives.open_tree(path, limit)
    neutral = archives.find(tree, "Neutral.obj")
    if neutral is None:
        raise FileNotFoundError(f"{path}: holds no Neutral.obj")
    folder = posixpath.dirname(neutral)
    present = {posixpath.splitext(name)[0] for name in tree.files(folder)}
    for name in ("Neutral", *SPEECH_BLENDSHAPES, *(name for name in OTHER_BLENDSHAPES if name in present)):
        file_name = posixpath.join(folder, f"{name}.obj")
        with tree.open(file_name) as file:
            yield name, parse_mesh(file.read(), tree.where(file_name))


def require(path: PathLike) -> Path:
    """The path of a release, if it exists.

    Raises:
        FileNotFoundError: names the path and says how to get the release.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist; {REMEDY}")
    return path


def convert(release: Release, speaker: str, sentence: str, folder: PathLike) -> int:
    """Write one sentence in the format of the corpus: <sentence>.npy and <sentence>.wav in a folder.

    If the first frames are missing, as much of the speech is cut off, so that both stay aligned.

    Returns:
        the number of frames.

    Raises:
        DefectError: the sentence cannot be used.
    """
    frames = release.motion(speaker, sentence)
    require_finite(frames, f"{speaker}/{sentence}")
    samples, rate = release.speech(speaker, sentence)
    first = int(release.frame_numbers(speaker)[sentence][0])
    samples = samples[round(first * rate / FRAME_RATE) :]
    if len(samples) == 0:
        raise DefectError("empty", f"{speaker}/{sentence}: the speech ends before its first frame, {first + 1}")
    write_frames(Path(folder) / f"{sentence}.npy", frames)
    write_audio(Path(folder) / f"{sentence}.wav", samples, rate)
    return len(frames)


class PlyTree:
    """The tree of PLY files, one per frame."""

    def __init__(self, tree: archives.Tree, faces: NDArray[np.integer]):
        self.faces = np.asarray(faces)
        self._tree = tree
        self._meshes = _MeshReader(self.faces)

    def frame_numbers(self, speaker: str) -> dict[str, NDArray[np.int64]]:
        folder = f"unposedcleaneddata/{speaker}"
        numbers = {name: self._numbers(f"{folder}/{name}", name) for name in self._tree.folders(folder)}
        return {name: found for name, found in numbers.items() if len(found)}

    def spoken(self, speaker: str) -> set[str]:
        return {name[:-4] for name in self._tree.files(f"audio/{speaker}") if name.endswith(".wav")}

    def template(self, speaker: str) -> NDArray[np.float32]:
        try:
            return self._read(f"templates/{speaker}.ply")
        except FileNotFoundError as error:
            raise DefectError("missing", f"{error}; {REMEDY}") from None

    def motion(self, speaker: str, sentence: str) -> NDArray[np.float32]:
        folder = f"unposedcleaneddata/{speaker}/{sentence}"
        numbers = self._numbers(folder, sentence)
        require_counted(numbers, f"{speaker}/{sentence}")
        paths = [f"{folder}/{sentence}.{number + 1:06d}.ply" for number in numbers]
        try:
            return np.stack([self._read(path) for path in paths])
        except FileNotFoundError as error:
            raise DefectError("frames", f"{error}: its number has more or fewer than six digits") from None

    def speech(self, speaker: str, sentence: str) -> tuple[NDArray[np.int16], int]:
        path = f"audio/{speaker}/{sentence}.wav"
        with self._tree.open(path) as file:
            content = bytesio.BytesIO(file.read())
        try:
            return read_samples(content)
        except ValueError as error:
            raise DefectError("unreadable", f"{self._tree.where(path)}: {error}") from None

    def _numbers(self, folder: str, sentence: str) -> NDArray[np.int64]:
        prefix = f"{sentence}."
        names = (name[len(prefix) : -4] for name in self._tree.files(folder) if name.endswith(".ply"))
        numbers = sorted(min(int(number), NUMBERS_END) - 1 for number in names if re.fullmatch(r"\d{1,99}", number))
        return np.array(numbers, dtype=np.int64)

    def _read(self, path: str) -> NDArray[np.float32]:
        with self._tree.open(path) as file:
            return self._meshes.vertices(file.read(), self._tree.where(path))


class _MeshReader:
    """Vertices of PLY files that share their triangles.

    The first file is read by trimesh. Files with the same header and the same bytes after the vertices, in the release
    all of them, need no more parsing: only their coordinates differ.
    """

    def __init__(self, faces: NDArray[np.integer]):
        self._faces = faces
        self._count: int | None = None
        self._header: bytes | None = None
        self._size, self._tail = 0, b""

    def vertices(self, content: bytes, name: str) -> NDArray[np.float32]:
        """(V, 3). Raises DefectError if the triangles differ or the file is damaged."""
        if self._header is not None and content.startswith(self._header) and content.endswith(self._tail):
            if len(content) == len(self._header) + self._size + len(self._tail):
                return self._coordinates(content, len(self._header), self._size)
        try:
            mesh = parse_mesh(content, name)
        except Exception as error:  # a damaged file may raise anything
            raise DefectError("unreadable", f"{name}: {type(error).__name__}: {error}") from None
        if not np.array_equal(mesh.faces, self._faces):
            raise DefectError(
                "topology",
                f"{name}: its {len(mesh.faces)} triangles on {len(mesh.vertices)} vertices are not the "
                f"{len(self._faces)} of vocaset.topology",
            )
        vertices = np.asarray(mesh.vertices, dtype=np.float32)
        if len(vertices) != (self._count or len(vertices)):
            raise DefectError("topology", f"{name}: has {len(vertices)} vertices, but others have {self._count}")
        self._count = len(vertices)
        self._learn(content, vertices)
        return vertices

    def _learn(self, content: bytes, vertices: NDArray[np.float32]) -> None:
        """Remember the layout of a file, if it is a header, plain coordinates and the triangles."""
        start = content.find(b"end_header\n") + len(b"end_header\n")
        if np.array_equal(self._coordinates(content, start, vertices.nbytes), vertices):
            self._header, self._size, self._tail = content[:start], vertices.nbytes, content[start + vertices.nbytes :]

    @staticmethod
    def _coordinates(content: bytes, start: int, size: int) -> NDArray[np.float32]:
        return np.frombuffer(content[start : start + size // 12 * 12], dtype="<f4").reshape(-1, 3)


class TrainingArchive:
    """The training archive, with one file for each kind of data; vertices are read where they are, frame by frame."""

    def __init__(self, tree: archives.Tree, folder: str, faces: NDArray[np.integer]):
        self.faces = np.asarray(faces)
        self._tree, self._folder = tree, folder
        self._rows: dict[str, dict[str, dict[int, int]]] = self._load(tables.rows, "subj_seq_to_idx.pkl")
        self._audio: dict[str, dict[str, dict[str, Any]]] | None = None
        self._file = tree.open(self._path("data_verts.npy"))
        self._dtype, self._shape, self._start = self._header()

    def frame_numbers(self, speaker: str) -> dict[str, NDArray[np.int64]]:
        numbers = {
            name: np.array(sorted(rows), dtype=np.int64) for name, rows in self._rows.get(speaker, {}).items() if rows
        }
        return dict(sorted(numbers.items(), key=lambda item: self._rows[speaker][item[0]][item[1][0]]))

    def spoken(self, speaker: str) -> set[str]:
        return set(self._speeches().get(speaker, {}))

    def template(self, speaker: str) -> NDArray[np.float32]:
        templates = self._load(tables.templates, "templates.pkl")
        name = self._where("templates.pkl")
        if speaker not in templates:
            raise DefectError("missing", f"{name}: has no {speaker}; {REMEDY}")
        template = templates[speaker].astype(np.float32)
        if template.shape != self._shape[1:]:
            raise DefectError("topology", f"{name}: {speaker} has the shape {template.shape}, frames {self._shape[1:]}")
        return template

    def motion(self, speaker: str, sentence: str) -> NDArray[np.float32]:
        rows = self._rows[speaker][sentence]
        require_counted(np.array(sorted(rows), dtype=np.int64), f"{speaker}/{sentence}")
        rows = [rows[number] for number in sorted(rows)]
        if min(rows) < 0 or max(rows) >= self._shape[0]:
            raise DefectError("frames", f"{speaker}/{sentence}: one of its rows is not among the {self._shape[0]}")
        if len(set(rows)) < len(rows):
            raise DefectError("frames", f"{speaker}/{sentence}: several of its frames are the same row")
        rows = np.array(rows, dtype=np.int64)
        frames = np.empty((len(rows), *self._shape[1:]), dtype=np.float32)
        for begin, end in _runs(rows):
            frames[begin:end] = self._read(rows[begin], end - begin)
        return frames

    def speech(self, speaker: str, sentence: str) -> tuple[NDArray[np.int16], int]:
        recording = self._speeches()[speaker][sentence]
        samples, rate = recording["audio"], recording["sample_rate"]
        if samples.ndim != 1 or samples.dtype != np.int16:
            raise DefectError(
                "unreadable", f"{self._where('raw_audio_fixed.pkl')}: {speaker}/{sentence} is {samples.dtype} "
                f"{samples.shape}, not mono int16"
            )  # fmt: skip
        return samples, rate

    def _header(self) -> tuple[np.dtype[Any], tuple[int, ...], int]:
        name = self._where("data_verts.npy")
        try:
            major = np.lib.format.read_magic(self._file)[0]
            read = np.lib.format.read_array_header_1_0 if major == 1 else np.lib.format.read_array_header_2_0
            shape, fortran, dtype = read(self._file)
        except (archives.ArchiveError, OSError):
            raise
        except Exception as error:  # a damaged header may raise anything
            raise ValueError(f"{name}: is damaged or not an array: {error}") from None
        if dtype.kind != "f" or fortran or len(shape) != 3 or shape[2] != 3:
            raise ValueError(f"{name}: holds {dtype} {shape}, expected vertices (F, V, 3)")
        expected = self.faces.max() + 1
        if not expected <= shape[1] <= 2 * expected:  # a few may belong to no triangle, but not most
            raise ValueError(f"{name}: frames have {shape[1]} vertices, vocaset.topology has {expected}")
        return dtype, shape, self._file.tell()

    def _read(self, row: int, count: int) -> NDArray[np.floating]:
        """`count` consecutive frames. Read, not mapped: mapped pages would count as memory of the job."""
        frame = self._dtype.itemsize * self._shape[1] * 3
        self._file.seek(self._start + int(row) * frame)
        content = self._file.read(count * frame)
        if len(content) != count * frame:
            raise DefectError("frames", f"{self._where('data_verts.npy')}: ends within row {row + count - 1}")
        return np.frombuffer(content, dtype=self._dtype).reshape(count, *self._shape[1:])

    def _speeches(self) -> dict[str, dict[str, dict[str, Any]]]:
        if self._audio is None:
            self._audio = self._load(tables.speech, "raw_audio_fixed.pkl")
        return self._audio

    def _load(self, read: Callable[[BinaryIO, str], dict[str, Any]], name: str) -> dict[str, Any]:
        try:
            with self._tree.open(self._path(name)) as file:
                return read(file, self._where(name))
        except FileNotFoundError:
            raise FileNotFoundError(f"{self._where(name)} is not there; {REMEDY}") from None

    def _path(self, name: str) -> str:
        return posixpath.join(self._folder, name)

    def _where(self, name: str) -> str:
        return self._tree.where(self._path(name))


def _runs(rows: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Start and end of each run of consecutive numbers."""
    edges = (np.flatnonzero(np.diff(rows) != 1) + 1).tolist()
    yield from zip([0, *edges], [*edges, len(rows)], strict=True)
