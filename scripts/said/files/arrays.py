"""Arrays as npy and npz. Writing is atomic: a file gets its name only when it is complete."""

import zipfile
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from said.running.atomic import PathLike, atomic
from said.running.integrity import reading

# A fixed date for the members of an npz, so that the same arrays give the same bytes.
_ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)
_HEADER = 2**16
"""Bytes that describe an array in front of its values, at most."""


def read_frames(path: PathLike) -> NDArray[np.float32]:
    """(N, V, 3) vertices of a sequence, memory-mapped.

    Raises:
        UnreadableError: the file is damaged, or no npy.
    """
    with reading(path):
        return np.load(path, mmap_mode="r", allow_pickle=False)


def write_frames(path: PathLike, frames: NDArray) -> None:
    """(N, V, 3) vertices of a sequence as float32 npy."""
    with atomic(path) as temporary, temporary.open("wb") as file:
        np.save(file, np.asarray(frames, dtype=np.float32), allow_pickle=False)


def read_arrays(path: PathLike) -> dict[str, NDArray]:
    """The named arrays of an npz.

    Raises:
        UnreadableError: the file is damaged, or no npz.
    """
    with reading(path), np.load(path, allow_pickle=False) as archive:
        return dict(archive)


def write_arrays(path: PathLike, arrays: Mapping[str, NDArray]) -> None:
    """Named arrays as npz. The same arrays give the same bytes, which np.savez does not promise."""
    with atomic(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            values, entry = np.asanyarray(array), zipfile.ZipInfo(f"{name}.npy", _ZIP_EPOCH)
            entry.file_size = values.nbytes + _HEADER  # at most: whether the entry needs sizes of 64 bits
            with archive.open(entry, "w") as member:
                np.lib.format.write_array(member, values, allow_pickle=False)
