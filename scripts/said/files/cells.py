"""CSV, read strictly: every row has a value for each column of the header, and no others.

pandas is lenient: if rows have a value too many it takes the first for the name of the row, it fills short rows, skips
blank lines and renames repeated columns. Values then end up in other columns or frames, without a warning.
"""

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_CHARACTERS = re.compile(r"[0-9eE.+\- \t\n]*")
_OTHERS = {";": "semicolons", "\t": "tabs", "|": "bars"}


@dataclass(frozen=True)
class Cells:
    """The text in the cells of a CSV, without quotes.

    Attributes:
        header: names of the columns.
        rows: each with as many cells.
        lines: number of the line on which each row ends, from 1.
    """

    header: tuple[str, ...]
    rows: list[list[str]]
    lines: list[int]

    def columns(self, names: Sequence[str]) -> "Cells":
        """Only these columns, in this order."""
        if tuple(names) == self.header:
            return self
        places = [self.header.index(name) for name in names]
        return Cells(tuple(names), [[row[place] for place in places] for row in self.rows], self.lines)

    def numbers(self) -> NDArray[np.float64]:
        """All cells as numbers, (rows, columns), exact to the last bit.

        Raises:
            ValueError: a cell is not a finite number; names the first, its line and its column.
        """
        cells = list(chain.from_iterable(self.rows))
        shape = len(self.rows), len(self.header)
        try:
            if _CHARACTERS.fullmatch("\n".join(cells)):
                values = np.array(cells, dtype=np.float64).reshape(shape)
                if np.isfinite(values).all():
                    return values
        except ValueError:
            pass
        for row, line in zip(self.rows, self.lines, strict=True):
            for name, cell in zip(self.header, row, strict=True):
                if not _NUMBER.fullmatch(cell.strip()) or not np.isfinite(float(cell)):
                    raise ValueError(f"line {line}: {name} {_wrong(cell)}")
        raise AssertionError("every cell is a number, and not all are")


def parse(content: bytes) -> Cells:
    """The cells of a CSV with commas and a header; a byte order mark, quotes and any line ends are allowed.

    Raises:
        ValueError: a line is wrong; names it and the remedy.
    """
    if not content.strip():
        raise ValueError("it is empty")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ValueError(f"line {line} is not UTF-8 text; save the table as CSV UTF-8") from None
    if "\0" in text:
        raise ValueError(f"line {text[: text.index(chr(0))].count(chr(10)) + 1} holds a zero byte; save the table anew")
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    rows, lines, blank = [], [], 0
    try:
        for row in reader:
            if not row:
                blank = blank or reader.line_num
                continue
            if blank:
                raise ValueError(f"line {blank} is blank; remove it, or write the row that is missing")
            rows.append(row)
            lines.append(reader.line_num)
    except csv.Error as error:
        raise ValueError(f"line {reader.line_num}: {error}; save the table anew, as CSV with commas") from None
    header = tuple(name.strip() for name in rows[0]) if rows else ()
    _require_header(header)
    for row, line in zip(rows[1:], lines[1:], strict=True):
        if len(row) != len(header):
            raise ValueError(
                f"line {line} has {len(row)} values and the header {len(header)} names; every row must have one value "
                "for each name, separated by commas, with points for decimals"
            )
    return Cells(header, rows[1:], lines[1:])


def _require_header(header: tuple[str, ...]) -> None:
    if not header:
        raise ValueError("line 1 is blank; begin with the names of the columns")
    for separator, name in _OTHERS.items():
        if len(header) == 1 and separator in header[0]:
            raise ValueError(f"line 1 is separated by {name}; save the table with commas, and points for decimals")
    for name in header:
        if not name:
            raise ValueError(f"line 1: column {header.index(name) + 1} has no name; name it, or remove the column")
        if header.count(name) > 1:
            raise ValueError(f"line 1 names {name!r} twice; remove or rename one of the columns")


def _wrong(cell: str) -> str:
    if not cell.strip():
        return "has no value; write one"
    if re.fullmatch(r"[+-]?\d+,\d+", cell.strip()):
        return f"is {cell!r}; write decimals with a point, and thousands without a mark"
    if _NUMBER.fullmatch(cell.strip()) or cell.strip().lstrip("+-").lower() in ("nan", "inf", "infinity"):
        return f"is {cell.strip()}, which is no finite number"
    return f"is {cell!r}, which is no number"
