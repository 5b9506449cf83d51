"""What an OBJ file says of its surface beside the shape: texture coordinates, materials, groups; and its materials."""

import math
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from said.files.gltf import Material
from said.files.obj import statements
from said.files.polygons import fan

_REMARK = re.compile(r"(?:^|\s)#(?:\s|$)")
_MANY = 2**62  # more than any file has, and within 64 bits
_LARGEST = float(np.finfo(np.float32).max)  # that a GLB can hold


@dataclass(frozen=True)
class ObjSurface:
    """Triangles of an OBJ file, in the order of `said.files.obj.parse`.

    Attributes:
        coordinates: (T, 2) texture coordinates.
        corners: (F, 3) which of them each corner has, -1 for none.
        materials: (F,) place among `material_names`, -1 for none.
        groups: (F,) place among `group_names`: objects, groups and materials.
        libraries: names of files with materials.
    """

    coordinates: NDArray[np.float64]
    corners: NDArray[np.int64]
    materials: NDArray[np.int64]
    groups: NDArray[np.int64]
    material_names: tuple[str, ...] = field(default=())
    group_names: tuple[str, ...] = field(default=())
    libraries: tuple[str, ...] = field(default=())


def parse_surface(content: bytes) -> ObjSurface:
    """The surface of a file that `said.files.obj.parse` has read.

    Texture coordinates that are no finite numbers become 0: some programs write nan where there are none.

    Raises:
        ValueError: a texture coordinate is no number; names the line.
    """
    coordinates: list[tuple[float, float]] = []
    sizes: list[int] = []
    corners: list[int] = []
    materials: list[int] = []
    groups: list[int] = []
    material_names: dict[str, int] = {}
    group_names: dict[str, int] = {}
    libraries: dict[str, None] = {}
    label = {b"o": "", b"g": "", b"usemtl": ""}
    material = -1
    for number, words in statements(content.removeprefix(b"\xef\xbb\xbf")):
        keyword, text = words[0], b" ".join(words[1:]).decode("utf-8", "replace")
        if keyword == b"vt":
            coordinates.append(_coordinate(number, words[1:3]))
        elif keyword in label:
            label[keyword] = text
            if keyword == b"usemtl":
                material = material_names.setdefault(text, len(material_names))
        elif keyword == b"mtllib":
            libraries[text] = None
        elif keyword in (b"f", b"fo"):
            sizes.append(len(words) - 1)
            materials.append(material)
            groups.append(group_names.setdefault(" ".join(label.values()), len(group_names)))
            for word in words[1:]:
                index = int(word.split(b"/")[1]) if word.count(b"/") and word.split(b"/")[1] else 0
                place = index - 1 if index > 0 else len(coordinates) + index if index else -1
                corners.append(place if abs(place) < _MANY else -1)
    table, ends = np.array(sizes, np.int64), np.array(corners, np.int64)
    ends[(ends < 0) | (ends >= len(coordinates))] = -1
    owner = np.repeat(np.arange(len(table)), table - 2)
    return ObjSurface(
        np.array(coordinates, np.float64).reshape(-1, 2), fan(table, ends), np.array(materials, np.int64)[owner],
        np.array(groups, np.int64)[owner], tuple(material_names), tuple(group_names), tuple(libraries),
    )  # fmt: skip


def _coordinate(line: int, words: list[bytes]) -> tuple[float, float]:
    try:
        values = [float(word) for word in words]
    except ValueError:
        values = []
    if not values:
        raise ValueError(
            f"line {line}: vt {b' '.join(words).decode('utf-8', 'replace')[:60]!r} is no texture coordinate; expected "
            "numbers, such as vt 0.5 0.5"
        )
    values = [value if abs(value) <= _LARGEST else 0.0 for value in values]
    return values[0], values[1] if len(values) > 1 else 0.0


def read_materials(
    path: Path, libraries: Iterable[str], names: Iterable[str]
) -> tuple[list[Material], list[Path], list[str]]:
    """The materials that an OBJ file names, grey where no library has them.

    Names of files are sought as they are written, with \\ for /, and last by their last part beside the file.

    Returns:
        one material per name; the files that are there: libraries and pictures; and a sentence for each library,
        material and picture that is missing or cannot be used.
    """
    found: dict[str, dict[str, Any]] = {}
    files: dict[Path, None] = {}
    notes: dict[str, None] = {}
    for library in libraries:
        for name, file in _libraries(path.parent, library):
            if file is None:
                notes[f"{path.name} names the materials {name}, which are not there: put the file beside it"] = None
            elif file not in files:
                files[file] = None
                _read_library(file, found, files, notes)
    materials = []
    for name in names:
        values = found.get(name, found.get(name.partition("#")[0].strip()))
        if values is None and found:
            notes[f"no library has the material {name}, which stays grey"] = None
        materials.append(_material(name, values or {}))
    return materials, list(files), list(notes)


def _libraries(folder: Path, text: str) -> list[tuple[str, Path | None]]:
    """Name and file, None where there is none, of what a mtllib names: one file, or one for each word."""
    whole = _find(folder, [text])
    if whole is not None:
        return [(text, whole)]
    words = [(word, _find(folder, [word])) for word in text.split()]
    return words if any(file for _, file in words) else [(text, None)]


def _read_library(
    file: Path, found: dict[str, dict[str, Any]], files: dict[Path, None], notes: dict[str, None]
) -> None:
    """Add a library's materials, their pictures and what is wrong with them."""
    current: dict[str, Any] = {}
    for line in file.read_text(encoding="utf-8-sig", errors="replace").splitlines():
        key, *rest = line.split(None, 1) or [""]
        words = rest[0].split() if rest else []
        if key == "newmtl":
            current = found.setdefault(" ".join(_REMARK.split(" ".join(words), maxsplit=1)[0].split()), {})
        elif key == "Kd":
            colour = _colour(words)
            if colour is not None:  # else "Kd spectral" or "Kd xyz"
                current["colour"] = colour
        elif key == "map_Kd" and words:
            # Options such as -s 1 1 1 stand before the name, and a name may have spaces.
            picture = _find(file.parent, [rest[0].split(None, begin)[-1] for begin in range(min(len(words), 40))])
            if picture is None:
                notes[f"the picture {rest[0].strip()} of {file.name} is not there: put it beside that file"] = None
                continue
            files[picture] = None
            content = picture.read_bytes()
            if content.startswith((b"\x89PNG", b"\xff\xd8")):
                current["picture"] = content
            else:
                notes[f"the picture {picture.name} is left out of the GLB: save it as PNG or JPEG"] = None


def _find(folder: Path, names: Iterable[str]) -> Path | None:
    """The first file of these names, read from a folder; or else of their last parts alone, in that folder."""
    paths = [name.strip().strip('"').replace("\\", "/") for name in names]
    choices = [*paths, *(path.rpartition("/")[2] for path in paths)]
    return next((folder / name for name in choices if name and os.path.isfile(folder / name)), None)


def _colour(words: list[str]) -> tuple[float, ...] | None:
    try:
        values = tuple(float(word) for word in words[:3])
    except ValueError:
        return None
    return values if values and all(map(math.isfinite, values)) else None


def _material(name: str, values: Mapping[str, Any]) -> Material:
    picture = values.get("picture")
    colour = values.get("colour", (0.8, 0.8, 0.8)) if picture is None else (1.0, 1.0, 1.0)
    red, green, blue = (min(max(float(value), 0.0), 1.0) for value in (*colour, 0.8, 0.8)[:3])
    return Material(name, (red, green, blue), picture)
