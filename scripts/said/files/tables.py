"""Tables and coefficients as CSV."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from said.arkit import SPEECH_BLENDSHAPES
from said.files import cells
from said.running.atomic import PathLike, atomic
from said.running.console import nearest
from said.running.integrity import reading


def read_coefficients(path: PathLike) -> NDArray[np.float64]:
    """(N, 32) coefficients, in the paper's order, from a CSV whose header has the 32 names in any order.

    Raises:
        ValueError: the header lacks a blendshape or has an unknown one, a row has more or fewer values than the header,
            or a value is not a finite number; names the line.
        UnreadableError: the file is empty, or its last line is cut off.
    """
    return _numbers(_coefficient_cells(path), path)


def write_coefficients(path: PathLike, coefficients: NDArray) -> None:
    """Write (N, 32) coefficients in the layout of the published BlendVOCA: a header of names and a row per frame."""
    write_table(path, pd.DataFrame(coefficients, columns=list(SPEECH_BLENDSHAPES)), float_format="%.9g")


def read_coefficient_text(path: PathLike) -> NDArray[np.str_]:
    """(N, 32) cells of a CSV that `read_coefficients` reads, as they are written there; it has the same errors."""
    written = _coefficient_cells(path)
    _numbers(written, path)
    return np.array(written.rows, dtype=np.str_)


def write_coefficient_text(path: PathLike, cells: NDArray[np.str_]) -> None:
    """Write (N, 32) cells as they are, in the layout of `write_coefficients`."""
    write_table(path, pd.DataFrame(cells, columns=list(SPEECH_BLENDSHAPES)))


def write_table(path: PathLike, table: pd.DataFrame, float_format: str | None = None) -> None:
    """Write a table as CSV, without an index column."""
    with atomic(path) as temporary:
        table.to_csv(temporary, index=False, float_format=float_format, lineterminator="\n")


def read_table(path: PathLike) -> pd.DataFrame:
    """The table of a CSV. Each column has the type that all its values have; empty cells are NaN.

    Raises:
        ValueError: a row has more or fewer values than the header, or two columns have the same name.
        UnreadableError: it is empty, or its last line is cut off.
    """
    table, text = _cells(path), io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows([table.header, *table.rows])
    text.seek(0)
    # Text such as NA is text.
    return pd.read_csv(text, index_col=False, keep_default_na=False, na_values=[""])


def read_text_table(path: PathLike) -> pd.DataFrame:
    """The table of a CSV with every cell as the text that it is; errors as `read_table`, but for names of columns."""
    table = _cells(path)
    return pd.DataFrame([list(row) for row in table.rows], columns=list(table.header), dtype=str)


def read_columns(path: PathLike, names: Sequence[str]) -> dict[str, NDArray[np.float64]]:
    """The columns (N,) of a CSV of numbers, by name; its header may have some or all of `names`, in any order.

    Raises:
        ValueError: a name is unknown, a row has more or fewer values than the header, or a value is not a finite
            number.
        UnreadableError: the file is empty, or its last line is cut off.
    """
    table = _cells(path)
    for name in table.header:
        if name not in names:
            raise ValueError(f"{path}: line 1: unknown column {name!r}{nearest(name, names)}")
    return dict(zip(table.header, _numbers(table, path).T, strict=True))


def _coefficient_cells(path: PathLike) -> cells.Cells:
    """The cells of a CSV of coefficients, with the 32 columns in the paper's order."""
    table = _cells(path)
    missing = [name for name in SPEECH_BLENDSHAPES if name not in table.header]
    unknown = [name for name in table.header if name not in SPEECH_BLENDSHAPES]
    if missing or unknown:
        raise ValueError(f"{path}: header lacks {missing} and has the unknown {unknown}")
    if not table.rows:
        raise ValueError(f"{path}: has a header and no rows")
    return table.columns(SPEECH_BLENDSHAPES)


def _numbers(table: cells.Cells, path: PathLike) -> NDArray[np.float64]:
    try:
        return table.numbers()
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _cells(path: PathLike) -> cells.Cells:
    with reading(path):
        content = Path(path).read_bytes()
        if not content.strip():
            raise ValueError("it is empty")
        utf16 = content.startswith((b"\xff\xfe", b"\xfe\xff"))
        if not utf16 and content[-1:] not in (b"\n", b"\r"):
            raise ValueError("its last line has no end; if it is whole, add one")
    if utf16:
        raise ValueError(f"{path}: line 1 is not UTF-8 text but UTF-16; save the table as CSV UTF-8")
    try:
        return cells.parse(content)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
