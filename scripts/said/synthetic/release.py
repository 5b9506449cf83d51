"""The layout of VOCASET's official release files, filled with generated data.

Readers of the licensed data can so be tested without a licence. This module is used by tests and tools only, and
is therefore the one in this package that touches files.

Two forms are distributed, and both are written here:

- the PLY tree: ``unposedcleaneddata/<speaker>/sentenceNN/sentenceNN.000001.ply``, ``audio/<speaker>/sentenceNN.wav``
  and ``templates/<speaker>.ply``;
- the training archive: ``data_verts.npy``, ``raw_audio_fixed.pkl``, ``templates.pkl``, ``subj_seq_to_idx.pkl``. Its
  pickles come from Python 2: protocol 2, strings of bytes, ``numpy.core``. They need ``encoding="latin1"``.
"""

import io
import pickle
import struct
import wave
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from said import corpus
from said.files.audio import read_samples
from said.files.meshes import read_mesh

SAMPLE_RATE = 22000


@dataclass(frozen=True)
class Recording:
    """One sentence: vertices (N, V, 3) in metres at 60 frames per second and audio (T,).

    The audio is float32 in [-1, 1], or int16, which is written as it is.
    """

    vertices: np.ndarray
    audio: np.ndarray


@dataclass(frozen=True)
class Speaker:
    """One speaker: template (V, 3) in metres and the recordings by name (``sentence01`` ...)."""

    name: str
    template: np.ndarray
    recordings: Mapping[str, Recording]


def read_speakers(corpus_folder: str | Path) -> tuple[list[Speaker], np.ndarray]:
    """The speakers of a corpus in the contract of `said.corpus`, and their triangles (F, 3); frames stay on disk."""
    folder, speakers = Path(corpus_folder), []
    for path in sorted((folder / "templates").glob("*.ply")):
        template, sequences = read_mesh(path), folder / "sequences" / path.stem
        recordings = {
            name: Recording(corpus.read_frames(sequences, name), read_samples(sequences / f"{name}.wav")[0])
            for name in corpus.sentences(sequences)
        }
        speakers.append(Speaker(path.stem, np.asarray(template.vertices), recordings))
    return speakers, np.asarray(template.faces)


def sentence_name(index: int) -> str:
    """``sentence01`` for 0, as the release counts."""
    return f"sentence{index + 1:02d}"


def to_int16(audio: np.ndarray) -> np.ndarray:
    """(T,) floats in [-1, 1] as 16 bit samples; what lies outside is clipped. Samples of 16 bits stay as they are."""
    if audio.dtype == np.int16:
        return audio
    return np.round(np.clip(audio, -1, 1) * 32767).astype(np.int16)


def wav_bytes(audio: np.ndarray, sample_rate: int = SAMPLE_RATE) -> bytes:
    """A mono 16 bit wav file of (T,) floats in [-1, 1] or int16."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(sample_rate)
        file.writeframes(to_int16(audio).astype("<i2").tobytes())
    return buffer.getvalue()


def ply_faces(faces: np.ndarray) -> bytes:
    """The face block of a binary PLY, which is the same for all frames; faces (F, 3) int."""
    block = np.empty(len(faces), dtype=[("count", "u1"), ("vertices", "<i4", (3,))])
    block["count"] = 3
    block["vertices"] = faces
    return block.tobytes()


def ply_bytes(vertices: np.ndarray, faces: np.ndarray | bytes, face_count: int | None = None) -> bytes:
    """A binary little-endian PLY.

    Args:
        vertices: (V, 3) in metres.
        faces: (F, 3) int, or the block from :func:`ply_faces` to save time over many frames.
        face_count: F; needed with a block only.

    Raises:
        ValueError: the shapes are wrong, or a block comes without its count.
    """
    if vertices.ndim != 2 or vertices.shape[1] != 3:
        raise ValueError(f"vertices must have shape (V, 3), not {vertices.shape}")
    if not isinstance(faces, bytes):
        face_count, faces = len(faces), ply_faces(faces)
    elif face_count is None:
        raise ValueError("a block of faces needs face_count")
    header = (
        "ply\nformat binary_little_endian 1.0\n"
        f"element vertex {len(vertices)}\nproperty float x\nproperty float y\nproperty float z\n"
        f"element face {face_count}\nproperty list uchar int vertex_indices\nend_header\n"
    )
    return header.encode("ascii") + np.ascontiguousarray(vertices, dtype="<f4").tobytes() + faces


def ply_tree(speakers: Sequence[Speaker], faces: np.ndarray) -> Iterator[tuple[str, bytes]]:
    """Yield the relative path and the content of every file of the PLY tree; frames count from 000001."""
    block, count = ply_faces(faces), len(faces)
    for speaker in speakers:
        yield f"templates/{speaker.name}.ply", ply_bytes(speaker.template, block, count)
        for name, recording in speaker.recordings.items():
            yield f"audio/{speaker.name}/{name}.wav", wav_bytes(recording.audio)
            for frame, vertices in enumerate(recording.vertices, start=1):
                path = f"unposedcleaneddata/{speaker.name}/{name}/{name}.{frame:06d}.ply"
                yield path, ply_bytes(vertices, block, count)


class _Python2Pickler(pickle._Pickler):
    """Writes what Python 2 wrote: text and bytes both as byte strings, NumPy under its old module names."""

    dispatch = dict(pickle._Pickler.dispatch)  # noqa: RUF012

    def __init__(self, file):
        super().__init__(file, protocol=2, fix_imports=True)

    def _save_string(self, value):
        encoded = value.encode("latin1") if isinstance(value, str) else value
        if len(encoded) < 256:
            self.write(pickle.SHORT_BINSTRING + struct.pack("<B", len(encoded)) + encoded)
        else:
            self.write(pickle.BINSTRING + struct.pack("<i", len(encoded)) + encoded)
        self.memoize(value)

    dispatch[str] = _save_string
    dispatch[bytes] = _save_string

    def save_global(self, obj, name=None):
        module = getattr(obj, "__module__", None) or ""
        if module.startswith("numpy._core"):
            old = module.replace("numpy._core", "numpy.core", 1)
            self.write(pickle.GLOBAL + f"{old}\n{name or obj.__qualname__}\n".encode("ascii"))
            self.memoize(obj)
        else:
            super().save_global(obj, name)

    dispatch[type(lambda: None)] = save_global


def python2_pickle(content: object) -> bytes:
    """Pickle plain containers and arrays as the release's Python 2 did."""
    buffer = io.BytesIO()
    _Python2Pickler(buffer).dump(content)
    return buffer.getvalue()


def training_tables(speakers: Sequence[Speaker]) -> dict[str, dict]:
    """What the training archive's pickles hold, by file name.

    Returns:
        ``raw_audio_fixed.pkl``: speaker -> sentence -> {"audio": (T,) int16, "sample_rate": 22000};
        ``templates.pkl``: speaker -> (V, 3) float64; ``subj_seq_to_idx.pkl``: speaker -> sentence -> frame from 0
        -> row of ``data_verts.npy``.
    """
    audio: dict = {}
    rows: dict = {}
    start = 0
    for speaker in speakers:
        audio[speaker.name], rows[speaker.name] = {}, {}
        for name, recording in speaker.recordings.items():
            audio[speaker.name][name] = {"audio": to_int16(recording.audio), "sample_rate": SAMPLE_RATE}
            rows[speaker.name][name] = {frame: start + frame for frame in range(len(recording.vertices))}
            start += len(recording.vertices)
    templates = {speaker.name: np.asarray(speaker.template, dtype=np.float64) for speaker in speakers}
    return {"raw_audio_fixed.pkl": audio, "templates.pkl": templates, "subj_seq_to_idx.pkl": rows}


def write_ply_tree(folder: str | Path, speakers: Sequence[Speaker], faces: np.ndarray) -> None:
    """Write the PLY tree below a folder, one file per frame; faces (F, 3) int are shared by all speakers."""
    made: set[Path] = set()
    for relative, content in ply_tree(speakers, faces):
        path = Path(folder) / relative
        if path.parent not in made:
            path.parent.mkdir(parents=True, exist_ok=True)
            made.add(path.parent)
        path.write_bytes(content)


def write_training_archive(folder: str | Path, speakers: Sequence[Speaker]) -> None:
    """Write the training archive's four files into a folder, the vertices (F, V, 3) float32 sentence by sentence.

    Raises:
        ValueError: there is no recording.
    """
    sequences = [recording.vertices for speaker in speakers for recording in speaker.recordings.values()]
    if not sequences:
        raise ValueError("there is no recording to write: give at least one speaker one sentence")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    shape = (sum(len(sequence) for sequence in sequences), *sequences[0].shape[1:])
    vertices = np.lib.format.open_memmap(folder / "data_verts.npy", "w+", dtype=np.float32, shape=shape)
    start = 0
    for sequence in sequences:
        vertices[start : start + len(sequence)] = sequence
        start += len(sequence)
    vertices.flush()
    for name, table in training_tables(speakers).items():
        (folder / name).write_bytes(python2_pickle(table))
