"""Clips of a speaking head: eight seconds of speech with the head's pose in each frame, whatever dataset they are from.

A folder holds clips.csv, which lists them, and <clip>.npz for each.
"""

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from said.files.arrays import read_arrays, write_arrays
from said.files.tables import read_text_table, write_table
from said.running.atomic import PathLike

FRAME_RATE = 25
"""Poses per second. The source has 200 of them in 8 seconds, which is the rate of VoxCeleb2."""
SAMPLE_RATE = 16000
"""Hz of the speech."""
FRAMES, SAMPLES = 200, 128000
"""Of a clip: 8 seconds, as the source cuts VoxCeleb2."""
ROLES = ("train", "validation", "test")
COLUMNS = ("clip", "speaker", "split", "source")
"""Of clips.csv. The source is the recording from which a clip was cut."""


@dataclass(frozen=True)
class Truth:
    """What only a generator knows of a clip.

    Attributes:
        takes: (T, 200, 3) other poses to the same speech, each as true as the clip's own; as `Clip.pose`.
        stresses: (M, 2) the stressed vowels: seconds of the nucleus, and effort, which is about 1.
        questions, statements: (Q, 2), (S, 2) beginning and end of the sentences, in seconds.
        nevers: (W,) seconds of the middle of each "never", at which the head shakes.
        tilt: () degrees of roll with which this speaker asks.
    """

    takes: NDArray[np.float32]
    stresses: NDArray[np.float64]
    questions: NDArray[np.float64]
    statements: NDArray[np.float64]
    nevers: NDArray[np.float64]
    tilt: NDArray[np.float64]


@dataclass(frozen=True)
class Clip:
    """Eight seconds.

    Attributes:
        pose: (200, 3) rotation vectors in radians, relative to the clip's mean, 25 per second; frame n is the pose at
            (n + 1/2) / 25 seconds.
        audio: (128000,) the speech, 16 kHz, 16 bits.
        truth: None for recorded people.
    """

    pose: NDArray[np.float32]
    audio: NDArray[np.int16]
    truth: Truth | None = None

    @property
    def waveform(self) -> NDArray[np.float32]:
        """(128000,) the speech, in [-1, 1)."""
        return self.audio.astype(np.float32) / np.float32(2**15)


_SHAPES = {
    "pose": (FRAMES, 3), "audio": (SAMPLES,), "takes": (None, FRAMES, 3), "stresses": (None, 2),
    "questions": (None, 2), "statements": (None, 2), "nevers": (None,), "tilt": (),
}  # fmt: skip
_TRUTH = tuple(field.name for field in fields(Truth))


def read_index(folder: PathLike) -> pd.DataFrame:
    """clips.csv: the `COLUMNS`, all text, a row per clip.

    Raises:
        ValueError: a column is missing, a name stands twice, or a split is none of `ROLES`.
        UnreadableError: the file is damaged.
    """
    path = Path(folder) / "clips.csv"
    table = read_text_table(path)
    if missing := [column for column in COLUMNS if column not in table]:
        raise ValueError(f"{path}: lacks the columns {', '.join(missing)}; make it anew")
    seen: set[str] = set()
    for name, split in zip(table["clip"].tolist(), table["split"].tolist(), strict=True):
        if name in seen:
            raise ValueError(f"{path}: lists {name} twice; make it anew")
        if split not in ROLES:
            raise ValueError(f"{path}: {name} is in the split {split!r}, which is none of {', '.join(ROLES)}")
        seen.add(name)
    return table.loc[:, list(COLUMNS)]


def write_index(folder: PathLike, table: pd.DataFrame) -> None:
    """Write what `read_index` reads."""
    write_table(Path(folder) / "clips.csv", table.loc[:, list(COLUMNS)])


def names(index: pd.DataFrame, role: str) -> list[str]:
    """The clips of train, validation or test, in the index's order."""
    return index["clip"][index["split"] == role].tolist()


def read_clip(folder: PathLike, name: str) -> Clip:
    """A clip by its name.

    Raises:
        ValueError: an array is missing, has another shape, or holds values that are not finite.
        UnreadableError: the file is damaged.
    """
    path = Path(folder) / f"{name}.npz"
    arrays = read_arrays(path)
    wanted = [*_SHAPES] if any(key in arrays for key in _TRUTH) else ["pose", "audio"]
    for key in wanted:
        if key not in arrays:
            raise ValueError(f"{path}: lacks {key!r}; make it anew")
        if (fault := _fault(arrays[key], _SHAPES[key])) is not None:
            raise ValueError(f"{path}: {key!r} {fault}; make it anew")
    truth = Truth(**{key: arrays[key] for key in _TRUTH}) if len(wanted) > 2 else None
    return Clip(arrays["pose"], arrays["audio"], truth)


def write_clip(folder: PathLike, name: str, clip: Clip) -> None:
    """Write what `read_clip` reads."""
    truth = {} if clip.truth is None else {key: getattr(clip.truth, key) for key in _TRUTH}
    write_arrays(Path(folder) / f"{name}.npz", {"pose": clip.pose, "audio": clip.audio, **truth})


def _fault(array: NDArray, shape: tuple[int | None, ...]) -> str | None:
    """What is wrong with an array that should have this shape, where None is any length."""
    same = array.ndim == len(shape)
    if not same or any(own not in (None, length) for own, length in zip(shape, array.shape, strict=True)):
        return f"has the shape {array.shape}, not {shape}".replace("None", "any")
    return None if np.isfinite(array).all() else "holds values that are not finite"
