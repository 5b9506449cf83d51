"""MEAD's FLAME parameters (Wang et al. 2020, reconstructed): the motion of level 3 in eight emotions, as ProbTalk3D
writes it from EMOTE's reconstruction.

    <subject>_<sentence>_<emotion>_<intensity>.npy    (1, N, 403): 300 of shape, 100 of expression, 3 of the jaw

Emotions are numbers in the order of `EMOTIONS`, intensities numbers from 0: level 3 is 2. Of neutral there is level 1
alone. Frames come at 25 per second.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from said.headpose.blocks import FPS
from said.headpose.flame import EXPRESSIONS, SHAPES
from said.running.atomic import PathLike
from said.running.integrity import reading

EMOTIONS = ("neutral", "happy", "sad", "surprised", "fear", "disgusted", "angry", "contempt")
RATE = 25
_NAME = re.compile(r"([A-Za-z]+\d+)_(\w+)_([0-7])_([0-2])")
_PARAMETERS = SHAPES + EXPRESSIONS + 3
_LARGEST_JAW = np.pi / 2
"""Radians; no jaw turns further, but one in degrees does."""


class MeadError(ValueError):
    """The folder or a file is not in MEAD's layout; the message names file, place and remedy."""


@dataclass(frozen=True)
class Performance:
    """The parameters of one sequence, at 30 frames per second.

    Attributes:
        name: "<subject>_<sentence>_<emotion>_<level>", with the emotion's name.
        expression: (N, 100).
        jaw: (N, 3) rotation vectors in radians.
    """

    name: str
    expression: NDArray[np.float64] = field(repr=False)
    jaw: NDArray[np.float64] = field(repr=False)


def find_performances(folder: PathLike) -> list[Path]:
    """The files of level 3, and of neutral's level 1, in the order of their names.

    Raises:
        MeadError: the folder is not there, or holds none.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise MeadError(f"headpose.emotions.path: {folder} is no folder")
    found = [path for path in sorted(folder.glob("*.npy")) if _wanted(path.stem)]
    if not found:
        other = " It holds HDF5 files: convert them by ProbTalk3D's process_animation.py." * any(folder.rglob("*.hdf5"))
        raise MeadError(
            f"headpose.emotions.path: {folder} holds no <subject>_<sentence>_<emotion>_<intensity>.npy with "
            f"emotion 0 to 7 and intensity 2 (of emotion 0: 0).{other}"
        )
    return found


def read_performance(path: PathLike) -> Performance:
    """The parameters of a file, brought from 25 to 30 frames per second by linear interpolation.

    Raises:
        MeadError: it has another shape, holds what is not finite, or a jaw that turns by more than 90 degrees.
        UnreadableError: it is damaged, or no npy.
    """
    path = Path(path)
    with reading(path):
        values = np.load(path, allow_pickle=False)
    if values.ndim != 3 or values.shape[0] != 1 or values.shape[2] != _PARAMETERS or values.shape[1] < 1:
        raise MeadError(f"{path}: has the shape {values.shape}, expected (1, frames, {_PARAMETERS})")
    if values.dtype.kind != "f":
        raise MeadError(f"{path}: holds {values.dtype}, expected floating-point numbers")
    bad = np.argwhere(~np.isfinite(values[0]))
    if len(bad):
        raise MeadError(f"{path}: frame {bad[0][0]}, parameter {bad[0][1]} (from 0) is not finite; leave the file out")
    jaw = np.linalg.norm(values[0, :, -3:], axis=1)
    if jaw.max() > _LARGEST_JAW:
        raise MeadError(
            f"{path}: frame {jaw.argmax()}: the jaw turns by {jaw.max():.3g} radians; are they degrees? Write radians"
        )
    resampled = _resampled(values[0, :, SHAPES:].astype(np.float64))
    subject, sentence, emotion, intensity = _parts(path.stem)
    name = f"{subject}_{sentence}_{EMOTIONS[int(emotion)]}_{int(intensity) + 1}"
    return Performance(name, resampled[:, :EXPRESSIONS], resampled[:, EXPRESSIONS:])


def _resampled(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N, P) at 25 frames per second -> (M, P) at 30: frame n is n / 30 seconds after the first."""
    frames = int((len(values) - 1) * FPS / RATE) + 1
    where = np.arange(frames) * RATE / FPS
    return np.stack([np.interp(where, np.arange(len(values)), column) for column in values.T], axis=1)


def _parts(name: str) -> Iterator[str]:
    match = _NAME.fullmatch(name)
    if match is None:
        raise MeadError(f"{name}: is not called <subject>_<sentence>_<emotion>_<intensity>")
    return iter(match.groups())


def _wanted(name: str) -> bool:
    match = _NAME.fullmatch(name)
    if match is None:
        return False
    _, _, emotion, intensity = match.groups()
    return intensity == ("0" if emotion == "0" else "2")
