"""A glTF 2.0 document in one binary file (.glb), to which accessors are added and of which nothing is taken away.

What a file holds in its binary chunk stays there byte for byte: additions follow it. Of the tree, the JSON, everything
that nobody names stays as it is, so that materials, textures, skins, cameras and extensions come back unharmed.
"""

import json
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from said.running.atomic import PathLike, atomic

_MAGIC, _JSON, _BIN = b"glTF", 0x4E4F534A, 0x004E4942
_TYPES = {5120: "<i1", 5121: "<u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
_CODES = {np.dtype(kind).newbyteorder("<"): code for code, kind in _TYPES.items()}
_WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT2": 4, "MAT3": 9, "MAT4": 16}
_SHAPES = {1: "SCALAR", 2: "VEC2", 3: "VEC3", 4: "VEC4", 16: "MAT4"}
VERTICES, INDICES = 34962, 34963
"""What a buffer view is for."""
_PACKED = {
    "KHR_draco_mesh_compression": "Draco", "EXT_meshopt_compression": "meshopt", "KHR_meshopt_compression": "meshopt",
}  # fmt: skip
_SPARSE = 0.55
"""Share of rows that are not zero below which a sparse accessor, which has their numbers too, is the smaller one."""


@dataclass
class Document:
    """A document: its JSON as `tree`, and the content of its binary chunk as `buffer`."""

    tree: dict[str, Any] = field(default_factory=lambda: {"asset": {"version": "2.0", "generator": "said"}})
    buffer: bytearray = field(default_factory=bytearray)

    @classmethod
    def parse(cls, content: bytes) -> "Document":
        """The document of a .glb file's content.

        Raises:
            ValueError: it is no glTF 2.0 in binary form, its meshes are compressed, or it needs files beside it.
            EOFError: it is cut off.
        """
        if not content.startswith(_MAGIC):
            raise ValueError("no binary glTF; export it as GLB")
        if len(content) < 20:
            raise EOFError("ends within its header")
        _, version, length = struct.unpack_from("<4sII", content)
        if version != 2:
            raise ValueError(f"is glTF {version}; export it as glTF 2.0")
        if len(content) < length:
            raise EOFError(f"has {len(content)} of its {length} bytes")
        chunks = dict[int, bytes]()
        place = 12
        while place + 8 <= length:
            size, kind = struct.unpack_from("<II", content, place)
            chunks.setdefault(kind, content[place + 8 : place + 8 + size])
            place += 8 + size
        try:
            tree = dict(json.loads(chunks.get(_JSON, b"").decode("utf-8"), parse_constant=_refuse))
        except (ValueError, TypeError) as error:
            raise ValueError(f"its tree, the JSON chunk, cannot be read ({error}); export it again") from None
        for name in tree.get("extensionsRequired", []):
            if name in _PACKED:
                raise ValueError(f"its meshes are compressed ({_PACKED[name]}); export it without compression")
        document = cls(tree, bytearray(chunks.get(_BIN, b"")))
        document._claim_buffer()
        return document

    def _claim_buffer(self) -> None:
        """Make the first buffer the binary chunk."""
        buffers = self.tree.get("buffers", [])
        outside = [entry["uri"] for entry in buffers + self.tree.get("images", []) if _is_outside(entry.get("uri"))]
        if outside:
            raise ValueError(f"needs files beside it, such as {outside[0]!r}; export it as GLB with everything in it")
        if buffers and "uri" in buffers[0]:
            self.buffer[:] = _embedded(buffers[0].pop("uri"))
        size = buffers[0]["byteLength"] if buffers else 0
        if len(self.buffer) < size:
            raise EOFError(f"has {len(self.buffer)} of the {size} bytes of its buffer")
        del self.buffer[size:]  # what pads the chunk

    def content(self) -> bytes:
        """The .glb file.

        Raises:
            ValueError: a number in the tree is not finite.
        """
        return b"".join(self._pieces())

    def _pieces(self) -> list[bytes | bytearray]:
        """The .glb file in parts; its buffer, which may be large, is not copied."""
        tree = dict(self.tree)
        padding = b"\0" * (-len(self.buffer) % 4)
        size = len(self.buffer) + len(padding)
        if size:
            others = tree.get("buffers", [{}])[1:]
            first = tree.get("buffers", [{}])[0]
            tree["buffers"] = [first | {"byteLength": len(self.buffer)}, *others]
        try:
            text = json.dumps(tree, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()
        except ValueError:
            raise ValueError("a number in its tree is not finite, which JSON cannot hold") from None
        text += b" " * (-len(text) % 4)
        binary = [struct.pack("<II", size, _BIN), self.buffer, padding] if size else []
        pieces = [struct.pack("<II", len(text), _JSON), text, *binary]
        return [struct.pack("<4sII", _MAGIC, 2, 12 + sum(map(len, pieces))), *pieces]

    def write(self, path: PathLike) -> None:
        """Write the .glb file, as `content` gives it."""
        with atomic(path) as temporary:
            with temporary.open("wb") as file:
                file.writelines(self._pieces())

    def copy(self) -> "Document":
        """A document that may be added to, while this one stays as it is."""
        return Document(json.loads(json.dumps(self.tree)), bytearray(self.buffer))

    # -------------------------------------------------------------------------------------- reading

    def array(self, accessor: int) -> NDArray:
        """(n,) or (n, width) values of an accessor: numbers as stored, those that are normalised as float64.

        Raises:
            ValueError: the accessor reaches beyond its data.
        """
        entry = entry_of(self.tree, "accessors", accessor)
        if entry["componentType"] not in _TYPES or entry["type"] not in _WIDTHS:
            raise ValueError(
                f"its accessor {accessor} has componentType {entry['componentType']!r} and type {entry['type']!r}, "
                "which are not both glTF's: it is damaged or no valid glTF; export it again"
            )
        kind, width = np.dtype(_TYPES[entry["componentType"]]), _WIDTHS[entry["type"]]
        values = np.zeros((entry["count"], width), kind)
        if "bufferView" in entry:
            values = self._view(entry["bufferView"], entry.get("byteOffset", 0), kind, entry["count"], width)
        if sparse := entry.get("sparse"):
            values = values.copy()
            where, what = sparse["indices"], sparse["values"]
            rows = self._view(where["bufferView"], where.get("byteOffset", 0),
                              np.dtype(_TYPES[where["componentType"]]), sparse["count"], 1)  # fmt: skip
            new = self._view(what["bufferView"], what.get("byteOffset", 0), kind, sparse["count"], width)
            values[rows[:, 0]] = new
        if entry.get("normalized") and kind.kind in "iu":
            values = np.maximum(values / float(np.iinfo(kind).max), -1.0)
        return values[:, 0] if width == 1 else values

    def _view(self, number: int, offset: int, kind: np.dtype, count: int, width: int) -> NDArray:
        view = entry_of(self.tree, "bufferViews", number)
        data = self.view_bytes(number)
        row = kind.itemsize * width
        stride = view.get("byteStride", row)
        if count and offset + stride * (count - 1) + row > len(data):
            raise ValueError(f"its buffer view {number} is shorter than what is stored in it; copy or export it again")
        return np.ndarray((count, width), kind, data, offset, (stride, kind.itemsize))

    def view_bytes(self, number: int) -> bytes:
        """The bytes of a buffer view."""
        view = entry_of(self.tree, "bufferViews", number)
        source = self.buffer if view["buffer"] == 0 else _embedded(self.tree["buffers"][view["buffer"]]["uri"])
        begin = view.get("byteOffset", 0)
        return bytes(source[begin : begin + view["byteLength"]])

    def image(self, number: int) -> bytes:
        """The bytes of an image, a PNG or JPEG file."""
        entry = self.tree["images"][number]
        return self.view_bytes(entry["bufferView"]) if "bufferView" in entry else _embedded(entry["uri"])

    # -------------------------------------------------------------------------------------- adding

    def add_bytes(self, data: bytes | memoryview, target: int | None = None) -> int:
        """Append bytes; gives the number of their buffer view."""
        self.buffer += b"\0" * (-len(self.buffer) % 4)
        view: dict[str, Any] = {"buffer": 0, "byteOffset": len(self.buffer), "byteLength": len(data)}
        if target is not None:
            view["target"] = target
        self.buffer += data
        self.tree.setdefault("buffers", [{"byteLength": 0}])
        return _append(self.tree, "bufferViews", view)

    def add(self, values: NDArray, target: int | None = None, **more: Any) -> int:
        """Append an array (n,) or (n, width); gives the number of its accessor, which has limits where it is float.

        Args:
            target: `VERTICES` for what belongs to vertices, `INDICES` for indices, None for all else.
            more: other properties of the accessor, such as normalized=True.

        Raises:
            ValueError: a value is not finite.
        """
        values = np.ascontiguousarray(values)
        values = values.astype(values.dtype.newbyteorder("<"), copy=False)
        data = values.reshape(-1).view(np.uint8).data  # an hour of weights is 40 MB, which are not copied first
        described = _described(values)  # may refuse them, before they are in the buffer
        return _append(self.tree, "accessors", {"bufferView": self.add_bytes(data, target)} | described | more)

    def add_sparse(self, values: NDArray[np.float32]) -> int:
        """Append float32 values (n, width) of vertices, of which many are zero; gives the number of the accessor.

        Raises:
            ValueError: a value is not finite.
        """
        values = np.ascontiguousarray(values, "<f4") + np.float32(0)  # no -0
        rows = np.flatnonzero(values.any(axis=1))
        if len(rows) > _SPARSE * len(values):
            return self.add(values, VERTICES)
        rows = rows if len(rows) else np.zeros(1, int)  # a sparse accessor lists at least one
        kind = np.dtype("<u2" if len(values) <= 2**16 else "<u4")
        entry = _described(values) | {
            "sparse": {
                "count": len(rows),
                "indices": {"bufferView": self.add_bytes(rows.astype(kind).tobytes()), "componentType": _CODES[kind]},
                "values": {"bufferView": self.add_bytes(values[rows].tobytes())},
            }
        }
        return _append(self.tree, "accessors", entry)


def read_document(path: PathLike) -> Document:
    """The document of a .glb file.

    Raises:
        ValueError: names the file and what it is instead, or what it lacks.
    """
    content = Path(path).read_bytes()
    with naming(path):
        return Document.parse(content)


@contextmanager
def naming(path: PathLike) -> Iterator[None]:
    """Whatever reading a file's document meets becomes a ValueError of one line that names the file.

    A tree may refer to what is not there, or have one kind of value where another belongs, at any of its places: the
    readers do not look before each step, so such errors are told here, for all of them.
    """
    try:
        yield
    except EOFError as error:
        raise ValueError(f"{path}: it {error}; copy or export it again") from None
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    except (LookupError, TypeError, AttributeError, ArithmeticError) as error:
        kind = type(error).__name__
        raise ValueError(f"{path}: is damaged or no valid glTF ({kind}: {error}); export it again") from error


def entry_of(tree: dict[str, Any], key: str, number: int) -> Any:
    """An entry of one of the tree's lists."""
    entries = tree.get(key, [])
    if not isinstance(number, int) or not 0 <= number < len(entries):
        raise ValueError(
            f"names number {number!r} of its {len(entries)} {key}: it is damaged or no valid glTF; export it again"
        )
    return entries[number]


def _append(tree: dict, key: str, entry: Any) -> int:
    entries = tree.setdefault(key, [])
    entries.append(entry)
    return len(entries) - 1


def _described(values: NDArray) -> dict[str, Any]:
    """Type, count and, of float values, limits of an accessor."""
    rows = values if values.ndim == 2 else values[:, None]
    entry: dict[str, Any] = {
        "componentType": _CODES[values.dtype.newbyteorder("<")], "count": len(rows), "type": _SHAPES[rows.shape[1]],
    }  # fmt: skip
    if values.dtype.kind == "f" and len(rows):
        low, high = rows.min(axis=0), rows.max(axis=0)
        if not (np.isfinite(low).all() and np.isfinite(high).all()):
            raise ValueError("values of an accessor are not finite, which glTF does not allow")
        entry |= {"min": low.tolist(), "max": high.tolist()}
    return entry


def _refuse(word: str) -> None:
    raise ValueError(f"it holds {word}, which is no JSON")


def _is_outside(uri: str | None) -> bool:
    return uri is not None and not uri.startswith("data:")


def _embedded(uri: str) -> bytes:
    import base64

    return base64.b64decode(uri.partition(",")[2])
