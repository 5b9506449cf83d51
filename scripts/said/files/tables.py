"""Tables and coefficients as CSV."""

import io
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from said.arkit import SPEECH_BLENDSHAPES
from said.running.atomic import PathLike, atomic
from said.running.integrity import reading


def read_coefficients(path: PathLike) -> NDArray[np.float64]:
    """(N, 32) coefficients from a CSV whose header is the 32 names, in any order.

    Raises:
        ValueError: a blendshape is missing from or unknown to the header, or a value is no number.
    """
    table = read_table(path)
    missing = [name for name in SPEECH_BLENDSHAPES if name not in table.columns]
    unknown = [name for name in table.columns if name not in SPEECH_BLENDSHAPES]
    if missing or unknown:
        raise ValueError(f"{path}: header lacks {missing} and has the unknown {unknown}")
    with reading(path):
        values = table[list(SPEECH_BLENDSHAPES)].to_numpy(dtype=np.float64)
    if not np.isfinite(values).all():
        row = int(np.argwhere(~np.isfinite(values))[0, 0])
        raise ValueError(f"{path}: line {row + 2} holds a value that is no finite number")
    return values


def write_coefficients(path: PathLike, coefficients: NDArray) -> None:
    """(N, 32) coefficients in the published BlendVOCA layout: header of names, one row per frame."""
    write_table(path, pd.DataFrame(coefficients, columns=list(SPEECH_BLENDSHAPES)), float_format="%.9g")


def read_coefficient_text(path: PathLike) -> NDArray[np.str_]:
    """(N, 32) cells of a CSV that `read_coefficients` reads, as they are written in it."""
    read_coefficients(path)
    return pd.read_csv(path, dtype=str)[list(SPEECH_BLENDSHAPES)].to_numpy(dtype=np.str_)


def write_coefficient_text(path: PathLike, cells: NDArray[np.str_]) -> None:
    """(N, 32) cells as they are to be written, in the layout of `write_coefficients`."""
    write_table(path, pd.DataFrame(cells, columns=list(SPEECH_BLENDSHAPES)))


def write_table(path: PathLike, table: pd.DataFrame, float_format: str | None = None) -> None:
    """A CSV without an index column."""
    with atomic(path) as temporary:
        table.to_csv(temporary, index=False, float_format=float_format, lineterminator="\n")


def read_table(path: PathLike) -> pd.DataFrame:
    """A CSV.

    Raises:
        DamagedError: it is none, or its last line is cut off.
    """
    with reading(path):
        content = Path(path).read_bytes()
        if content[-1:] not in (b"\n", b"\r"):
            raise ValueError("its last line has no end; if it is whole, add one")
        return pd.read_csv(io.BytesIO(content))
