"""Wavefront OBJ, read with the file's numbering: its n-th `v` is row n - 1, however its faces are grouped.

Readers that are meant for drawing repeat a vertex for each material, texture coordinate or normal with which it is
used. Landmarks and recordings then refer to other vertices. So materials, texture coordinates and normals are not read.
"""

import re
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from said.files.polygons import fan

_CORNER = rb"[+-]?\d+(?:/(?:[+-]?\d+)?(?:/(?:[+-]?\d+)?)?)?"
_CORNERS = re.compile(_CORNER + rb"(?: " + _CORNER + rb")*")
# What nearly all programs write for a mesh of triangles without texture: it is read several times faster than the rest.
_NUMBER = rb"-?\d++(?:\.\d++)?(?:e[+-]?\d++)?"
_PLAIN = re.compile(
    rb"(?:[#os][^\\\r\n]*+\r?\n)*+"
    rb"((?:v(?: " + _NUMBER + rb"){3}\r?\n)++)"
    rb"((?:f(?: \d++){3}(?:\r?\n|\Z))++)\s*"
)
_NO_PART_OF_A_MESH = frozenset(
    b"vt vn vc o g s mg l p usemtl mtllib usemap maplib lod bevel c_interp d_interp shadow_obj trace_obj".split()
)
_NAMING = frozenset(b"usemtl mtllib o g".split())
_REMARK = re.compile(rb"(?:^|\s)#(?:\s|$)")  # 3ds Max calls a material "Skin #1"
_FREE_FORM = frozenset(
    b"vp cstype deg bmat step curv curv2 surf parm trim hole scrv sp end con ctech stech bsp bzp cdc cdp res".split()
)


def parse(content: bytes) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.uint8] | None]:
    """The mesh that an OBJ file's content describes.

    Polygons become fans of triangles around their first corner. A vertex may have a fourth coordinate, which has no
    meaning in a mesh of polygons, or a colour.

    Returns:
        (V, 3) vertices and (F, 3) faces in the file's numbering and order, and (V, 3) colours, None where some vertex
        has none.

    Raises:
        ValueError: it is no OBJ, a face names a vertex that does not exist, or there are curves or surfaces; names the
            line.
        EOFError: it is empty, or ends within a statement.
    """
    if not content.strip():
        raise EOFError("is empty")
    if b"\0" in content:
        raise ValueError("no text; an OBJ file is plain text (UTF-8 or ASCII)")
    content = content.removeprefix(b"\xef\xbb\xbf")
    plain = _PLAIN.fullmatch(content)
    if plain:
        vertices = np.array([word for word in plain[1].split() if word != b"v"], np.float64).reshape(-1, 3)
        corners = [int(word) for word in plain[2].split() if word != b"f"]
        if 0 < min(corners) and max(corners) <= len(vertices):
            return vertices, np.array(corners, np.int64).reshape(-1, 3) - 1, None
    return _parse(content)


def _parse(content: bytes) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.uint8] | None]:
    """What `parse` gives, for any content."""
    rows: list[list[float]] = []
    sizes: list[int] = []
    corners: list[int] = []
    lines: list[int] = []
    for number, words in statements(content):
        keyword = words[0]
        if keyword == b"v":
            rows.append(_vertex(number, words[1:]))
        elif keyword in (b"f", b"fo"):
            polygon = _face(number, words[1:], len(rows))
            sizes.append(len(polygon))
            corners.extend(polygon)
            lines.append(number)
        elif keyword in _FREE_FORM:
            raise ValueError(
                f"line {number}: {_shown(keyword)} belongs to a free-form curve or surface; export polygons instead"
            )
        elif keyword not in _NO_PART_OF_A_MESH:
            raise ValueError(f"line {number}: {_shown(keyword)} begins no statement of an OBJ file")
    if not sizes:
        return np.empty((0, 3)), np.empty((0, 3), np.int64), None
    highest = max(corners)
    if highest >= len(rows):
        line = lines[int(np.searchsorted(np.cumsum(sizes), corners.index(highest), side="right"))]
        raise ValueError(f"line {line}: the face names vertex {highest + 1}, but the file has {len(rows)}")
    vertices = np.array([row[:3] for row in rows])
    colours = None
    if all(len(row) == 6 for row in rows):
        colours = _bytes(np.array([row[3:] for row in rows]))
    return vertices, fan(np.array(sizes, np.int64), np.array(corners, np.int64)), colours


def statements(content: bytes) -> Iterator[tuple[int, list[bytes]]]:
    """Line number and words of each statement, without comments; a line that ends in \\ continues in the next.

    In a name, # begins a comment only where it stands alone.
    """
    begun: list[bytes] = []
    for number, line in enumerate(content.splitlines(), 1):
        if b"#" in line:
            line = _without_comment(line)
        words = line.split()
        if words and words[-1].endswith(b"\\"):
            words[-1] = words[-1][:-1]
            begun += filter(None, words)
            continue
        if begun:
            words, begun = begun + words, []
        if words:
            yield number, words
    if begun:
        raise EOFError("ends within a statement: its last line is to be continued")


def _without_comment(line: bytes) -> bytes:
    """A line up to its comment."""
    if line.split(None, 1)[0] in _NAMING:
        return _REMARK.split(line, maxsplit=1)[0]
    return line[: line.index(b"#")]


def _vertex(line: int, words: list[bytes]) -> list[float]:
    try:
        row = [float(word) for word in words]
    except ValueError:
        row = []
    # Python reads 1_000 as a number, OBJ does not.
    if len(row) not in (3, 4, 6, 7) or any(b"_" in word for word in words):
        raise ValueError(
            f"line {line}: v {_shown(b' '.join(words))} is no vertex; expected three coordinates, then nothing, a "
            "weight or a colour"
        )
    return row


def _face(line: int, words: list[bytes], vertices: int) -> list[int]:
    """Vertex indices, from 0, of a face's corners; `vertices` is the number of vertices before it in the file."""
    if len(words) < 3 or not _CORNERS.fullmatch(b" ".join(words)):
        raise ValueError(
            f"line {line}: f {_shown(b' '.join(words))} is no face; expected three corners or more, such as 4, 4/2, "
            "4//7 or 4/2/7"
        )
    polygon = [int(word.partition(b"/")[0]) for word in words]
    if min(polygon) > 0:
        return [index - 1 for index in polygon]
    if 0 in polygon:
        raise ValueError(f"line {line}: the face names vertex 0, but OBJ counts from 1; add 1 to every index")
    if min(polygon) < -vertices:
        raise ValueError(
            f"line {line}: the face names vertex {min(polygon)}, counted back, of {vertices} that stand before it"
        )
    return [index - 1 if index > 0 else vertices + index for index in polygon]


def _bytes(colours: NDArray[np.float64]) -> NDArray[np.uint8] | None:
    """Colours in [0, 1], or in [0, 255] as some programs write them, as bytes; None where they are in neither range."""
    if not (np.isfinite(colours).all() and colours.min() >= 0 and colours.max() <= 255):
        return None
    return np.round(colours * (255 if colours.max() <= 1 else 1)).astype(np.uint8)


def _shown(words: bytes) -> str:
    text = words.decode("utf-8", "replace")
    return repr(text if len(text) <= 60 else text[:57] + "...")
