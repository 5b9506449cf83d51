"""PLY (Turk 1994), text or binary, read with the file's numbering; faces may have any numbers of corners."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from said.files.polygons import fan

_TYPES = {
    "char": "i1", "uchar": "u1", "short": "i2", "ushort": "u2", "int": "i4", "uint": "u4",
    "int8": "i1", "uint8": "u1", "int16": "i2", "uint16": "u2", "int32": "i4", "uint32": "u4",
    "float": "f4", "double": "f8", "float32": "f4", "float64": "f8", "int64": "i8", "uint64": "u8",
}  # fmt: skip
_ORDERS = {"ascii": "", "binary_little_endian": "<", "binary_big_endian": ">"}
_CORNERS = ("vertex_indices", "vertex_index")


@dataclass
class _Element:
    """A kind of record, as declared in the header: the type of each property, and of the length of each list."""

    name: str
    count: int
    types: dict[str, str] = field(default_factory=dict)
    lengths: dict[str, str] = field(default_factory=dict)

    def dtype(self, order: str, lengths: dict[str, int]) -> np.dtype:
        """Type of a record whose lists have these lengths; the field "n <list>" holds the length of a list."""
        fields: list[tuple] = []
        for name, kind in self.types.items():
            if name in self.lengths:
                fields += [(f"n {name}", order + self.lengths[name]), (name, order + kind, (lengths[name],))]
            else:
                fields.append((name, order + kind))
        return np.dtype(fields)


_Columns = dict[str, NDArray]
"""Values of an element's properties by name; for a list `x`, "n x" has its lengths, and "x" all values end to end."""


def parse(content: bytes) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.uint8] | None]:
    """The mesh that a PLY file's content describes.

    Polygons become fans of triangles around their first corner.

    Returns:
        (V, 3) vertices and (F, 3) faces in the file's numbering and order, and (V, 3) colours, None where the file has
        none.

    Raises:
        ValueError: it is no PLY, is longer than its header says, or a face names a vertex that does not exist.
        EOFError: it is cut off.
    """
    vertices, sizes, corners, colours = parse_polygons(content)
    return vertices, fan(sizes, corners) if len(sizes) else np.empty((0, 3), np.int64), colours


def parse_polygons(
    content: bytes,
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64], NDArray[np.uint8] | None]:
    """What `parse` gives, with the polygons as the file has them: (P,) numbers of corners, and the corners in turn."""
    elements, order, body = _header(content)
    read = _read_binary if order else _read_text
    columns = read(body, elements, order)
    vertex = columns.get("vertex", {})
    missing = [name for name in "xyz" if name not in vertex or f"n {name}" in vertex]
    if missing:
        raise ValueError(f"its vertices have no {' and no '.join(missing)}")
    vertices = np.stack([vertex[name] for name in "xyz"], axis=1).astype(np.float64)
    face = columns.get("face", {})
    name = next((name for name in _CORNERS if f"n {name}" in face), None)
    if name is None or not face[f"n {name}"].any():
        if "tristrips" in columns:
            raise ValueError("holds triangle strips; save it with a list of faces")
        return vertices, np.empty(0, np.int64), np.empty(0, np.int64), _colours(vertex)
    sizes, corners = face[f"n {name}"].astype(np.int64), face[name]
    if corners.dtype.kind not in "iu":
        raise ValueError(f"{name} are no integers")
    if sizes.min() < 3:
        number = int(sizes.argmin())
        raise ValueError(f"face {number} (from 0) has {sizes[number]} corners, not three or more")
    wrong = (corners < 0) | (corners >= len(vertices))
    if wrong.any():
        place = int(wrong.argmax())
        number = int(np.searchsorted(np.cumsum(sizes), place, side="right"))
        raise ValueError(
            f"face {number} (from 0) names vertex {corners[place]}; the file has {len(vertices)}, counted from 0"
        )
    return vertices, sizes, corners.astype(np.int64), _colours(vertex)


def _colours(vertex: _Columns) -> NDArray[np.uint8] | None:
    names = ("red", "green", "blue")
    if not all(name in vertex and f"n {name}" not in vertex for name in names):
        return None
    colours = np.stack([vertex[name] for name in names], axis=1)
    if colours.dtype == np.uint8:
        return colours
    full = 1.0 if colours.dtype.kind == "f" else float(np.iinfo(colours.dtype).max)
    return np.round(np.clip(np.nan_to_num(colours / full), 0, 1) * 255).astype(np.uint8)


# ------------------------------------------------------------------------------------------ header


def _header(content: bytes) -> tuple[list[_Element], str, bytes]:
    """The elements in order, the byte order ("" for text), and the content after the header."""
    content = content.removeprefix(b"\xef\xbb\xbf")
    if b"ply\n".startswith(content):
        raise EOFError("ends within its first line")
    if not content.startswith((b"ply\n", b"ply\r", b"ply ", b"ply\t")):
        raise ValueError("does not begin as a PLY file")
    # The first byte after the header may look like the second half of \r\n: the first line says how lines end.
    line = content[3:].lstrip(b" \t")
    end = b"\r\n" if line.startswith(b"\r\n") else line[:1]
    elements: list[_Element] = []
    order = None
    begin = content.index(end) + len(end)
    while True:
        stop = content.find(end, begin)
        if stop < 0:
            raise EOFError("ends within its header")
        words = content[begin:stop].decode("utf-8", "replace").split()
        begin = stop + len(end)
        if words == ["end_header"]:
            break
        if not words or words[0] in ("comment", "obj_info"):
            continue
        if words[0] == "format" and words[1:2] and words[1] in _ORDERS and words[2:] == ["1.0"] and order is None:
            order = _ORDERS[words[1]]
        elif not (_declare_element(elements, words) or _declare_property(elements, words)):
            raise ValueError(f"{' '.join(words)[:60]!r} is no line of a PLY header")
    if order is None:
        raise ValueError("its header names no format")
    return elements, order, content[begin:]


def _declare_element(elements: list[_Element], words: list[str]) -> bool:
    if words[0] != "element" or len(words) != 3 or not (words[2].isascii() and words[2].isdecimal()):
        return False
    if any(element.name == words[1] for element in elements):
        raise ValueError(f"its header declares {words[1]} twice")
    elements.append(_Element(words[1], int(words[2])))
    return True


def _declare_property(elements: list[_Element], words: list[str]) -> bool:
    kinds = words[2:-1] if words[1:2] == ["list"] else words[1:-1]
    listed = len(words) == 5 and words[1] == "list"
    if words[0] != "property" or not elements or not (listed or len(words) == 3):
        return False
    if not kinds or any(kind not in _TYPES for kind in kinds) or (listed and _TYPES[kinds[0]][0] == "f"):
        return False
    element, name = elements[-1], words[-1]
    if name in element.types:
        raise ValueError(f"its header declares {name} of {element.name} twice")
    element.types[name] = _TYPES[kinds[-1]]
    if listed:
        element.lengths[name] = _TYPES[kinds[0]]
    return True


# ------------------------------------------------------------------------------------------ binary


def _read_binary(body: bytes, elements: list[_Element], order: str) -> dict[str, _Columns]:
    columns, begin = {}, 0
    for element in elements:
        columns[element.name], begin = _records(body, begin, element, order)
    if body[begin:].strip():
        raise ValueError(f"holds {len(body) - begin} bytes more than its header says")
    return columns


def _records(body: bytes, begin: int, element: _Element, order: str) -> tuple[_Columns, int]:
    """Columns of an element whose records begin at byte `begin`, and the byte after them."""
    if not element.lengths or element.count == 0:
        dtype = element.dtype(order, dict.fromkeys(element.lengths, 0))
        return _columns(element, _block(body, begin, element, dtype)), begin + element.count * dtype.itemsize
    # Nearly always, all lists are as long as those of the first record.
    lengths, _ = _lengths(body, begin, element, order)
    dtype = element.dtype(order, lengths)
    if len(body) - begin >= element.count * dtype.itemsize:
        block = _block(body, begin, element, dtype)
        if all((block[f"n {name}"] == length).all() for name, length in lengths.items()):
            return _columns(element, block), begin + element.count * dtype.itemsize
    return _ragged(body, begin, element, order)


def _block(body: bytes, begin: int, element: _Element, dtype: np.dtype) -> NDArray:
    if len(body) - begin < element.count * dtype.itemsize:
        raise EOFError(f"ends before the last {element.name} of {element.count}")
    return np.frombuffer(body, dtype, element.count, begin)


def _columns(element: _Element, block: NDArray) -> _Columns:
    columns = {}
    for name in element.types:
        columns[name] = block[name].ravel()
        if name in element.lengths:
            columns[f"n {name}"] = block[f"n {name}"]
    return columns


def _lengths(body: bytes, begin: int, element: _Element, order: str) -> tuple[dict[str, int], int]:
    """Lengths of a record's lists, and the byte after the record."""
    lengths = {}
    for name, kind in element.types.items():
        size = int(kind[1])
        if name in element.lengths:
            width = int(element.lengths[name][1])
            word = body[begin : begin + width]
            if len(word) < width:
                raise EOFError(f"ends before the last {element.name} of {element.count}")
            signed = element.lengths[name][0] == "i"
            lengths[name] = int.from_bytes(word, "little" if order == "<" else "big", signed=signed)
            if lengths[name] < 0:
                raise ValueError(f"a list of {name} has the length {lengths[name]}")
            begin += width + lengths[name] * size
        else:
            begin += size
        if begin > len(body):
            raise EOFError(f"ends before the last {element.name} of {element.count}")
    return lengths, begin


def _ragged(body: bytes, begin: int, element: _Element, order: str) -> tuple[_Columns, int]:
    """Records whose lists differ in length: those with equal lengths are read together, then put in order."""
    starts, alike = np.empty(min(element.count, len(body)), np.int64), {}
    for number in range(element.count):
        starts[number : number + 1] = begin
        lengths, begin = _lengths(body, begin, element, order)
        alike.setdefault(tuple(lengths.values()), []).append(number)
    names = list(element.lengths)
    sizes = {name: np.empty(element.count, np.int64) for name in names}
    for lengths, numbers in alike.items():
        for name, length in zip(names, lengths, strict=True):
            sizes[name][numbers] = length
    columns: _Columns = {}
    for name, kind in element.types.items():
        total = int(sizes[name].sum()) if name in sizes else element.count
        columns[name] = np.empty(total, np.dtype(order + kind))
        if name in sizes:
            columns[f"n {name}"] = sizes[name]
    octets = np.frombuffer(body, np.uint8)
    for lengths, numbers in alike.items():
        dtype = element.dtype(order, dict(zip(names, lengths, strict=True)))
        block = octets[starts[numbers][:, None] + np.arange(dtype.itemsize)].view(dtype)[:, 0]
        for name in element.types:
            if name in sizes:
                first = (np.cumsum(sizes[name]) - sizes[name])[numbers]
                columns[name][first[:, None] + np.arange(block[name].shape[1])] = block[name]
            else:
                columns[name][numbers] = block[name]
    return columns, begin


# ------------------------------------------------------------------------------------------ text


def _read_text(body: bytes, elements: list[_Element], order: str) -> dict[str, _Columns]:
    words = body.split()
    columns, begin = {}, 0
    for element in elements:
        columns[element.name], begin = _text_records(words, begin, element)
    if begin < len(words):
        raise ValueError(f"holds {len(words) - begin} values more than its header says")
    return columns


def _text_records(words: list[bytes], begin: int, element: _Element) -> tuple[_Columns, int]:
    if not element.lengths:
        width = len(element.types)
        end = begin + element.count * width
        if end > len(words):
            raise EOFError(f"ends before the last {element.name} of {element.count}")
        columns = zip(element.types, (words[begin + place : end : width] for place in range(width)), strict=True)
        return {name: _numbers(column, element, name) for name, column in columns}, end
    parts: dict[str, list[bytes]] = {name: [] for name in element.types}
    sizes: dict[str, list[int]] = {name: [] for name in element.lengths}
    for _ in range(element.count):
        for name in element.types:
            length = 1
            if name in sizes:
                if begin >= len(words):
                    raise EOFError(f"ends before the last {element.name} of {element.count}")
                length = int(_numbers(words[begin : begin + 1], element, name, element.lengths[name])[0])
                sizes[name].append(length)
                begin += 1
            if length < 0 or begin + length > len(words):
                raise EOFError(f"ends before the last {element.name} of {element.count}")
            parts[name] += words[begin : begin + length]
            begin += length
    columns = {name: _numbers(part, element, name) for name, part in parts.items()}
    return columns | {f"n {name}": np.array(values, np.int64) for name, values in sizes.items()}, begin


def _numbers(words: list[bytes], element: _Element, name: str, kind: str | None = None) -> NDArray:
    """Words as numbers of the type that the header states, rounded as they would be in a binary file."""
    kind = kind or element.types[name]
    try:
        if any(b"_" in word for word in words):  # Python reads 1_000 as a number, PLY does not
            raise ValueError
        if kind[0] == "f":
            return np.array([float(word) for word in words], np.float64).astype(kind)
        return np.array([int(word) for word in words], np.dtype(kind))
    except (ValueError, OverflowError):
        raise ValueError(f"a {name} of {element.name} is no number of the type that the header gives it") from None
