"""What an OBJ file says of its surface beside the shape: texture coordinates, materials, groups; and its materials."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from said.files.gltf import Material
from said.files.obj import statements
from said.files.polygons import fan


@dataclass(frozen=True)
class ObjSurface:
    """Triangles of an OBJ file, in the order of `said.files.obj.parse`.

    Attributes:
        coordinates: (T, 2) texture coordinates.
        corners: (F, 3) which of them each corner has, -1 for none.
        materials: (F,) place among `material_names`, -1 for none.
        groups: (F,) place among `group_names`: objects, groups and materials, in lower case.
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
    """The surface of a file that `said.files.obj.parse` has read."""
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
    for _, words in statements(content):
        keyword, text = words[0], b" ".join(words[1:]).decode("utf-8", "replace")
        if keyword == b"vt":
            values = [float(word) for word in words[1:3]]
            coordinates.append((values[0], values[1] if len(values) > 1 else 0.0))
        elif keyword in label:
            label[keyword] = text.lower()
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
                corners.append(index - 1 if index > 0 else len(coordinates) + index if index else -1)
    table, ends = np.array(sizes, np.int64), np.array(corners, np.int64)
    ends[ends >= len(coordinates)] = -1
    owner = np.repeat(np.arange(len(table)), table - 2)
    return ObjSurface(
        np.array(coordinates, np.float64).reshape(-1, 2), fan(table, ends), np.array(materials, np.int64)[owner],
        np.array(groups, np.int64)[owner], tuple(material_names), tuple(group_names), tuple(libraries),
    )  # fmt: skip


def read_materials(path: Path, libraries: tuple[str, ...], names: tuple[str, ...]) -> tuple[list[Material], list[Path]]:
    """The materials that an OBJ file names, white where no library has them.

    Returns:
        one material per name; and the files that are there: libraries and pictures.
    """
    found: dict[str, dict] = {}
    files = []
    for library in libraries:
        file = path.parent / library
        if not file.is_file():
            continue
        files.append(file)
        current: dict = {}
        for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
            key, _, rest = line.strip().partition(" ")
            if key == "newmtl":
                current = found.setdefault(rest.strip(), {})
            elif key == "Kd":
                current["colour"] = tuple(float(word) for word in rest.split()[:3])
            elif key == "map_Kd" and rest.strip():
                picture = _picture(file.parent, rest.strip())
                if picture is not None:
                    files.append(picture)
                    current["picture"] = picture.read_bytes()
    return [_material(name, found.get(name, {})) for name in names], files


def _picture(folder: Path, words: str) -> Path | None:
    """The picture's file; options such as -s 1 1 1 stand before its name."""
    choices = [words]
    try:
        choices.append(shlex.split(words, posix=False)[-1].strip('"'))
    except ValueError:
        pass
    return next((folder / name for name in choices if (folder / name).is_file()), None)


def _material(name: str, values: Mapping) -> Material:
    picture = values.get("picture")
    if picture is not None and not picture.startswith((b"\x89PNG", b"\xff\xd8")):
        picture = None  # glTF has PNG and JPEG alone
    colour = values.get("colour", (0.8, 0.8, 0.8)) if picture is None else (1.0, 1.0, 1.0)
    red, green, blue = (min(max(float(value), 0.0), 1.0) for value in (*colour, 0.8, 0.8)[:3])
    return Material(name, (red, green, blue), picture)
