"""The folder of a face: head.glb and a report; of a head that got its blendshapes, an OBJ for each and a sheet."""

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from said.animation.faces import Face, find_face
from said.animation.heads import Head
from said.animation.inputs import REPORT
from said.animation.surfaces import HeadFile
from said.arkit import SPEECH_BLENDSHAPES
from said.files.gltf_document import naming
from said.files.ply import parse_polygons
from said.files.text import write_json
from said.render import Framing, Renderer
from said.running.atomic import PathLike, atomic_folder

# A line may end in \r alone, and the file begin with a byte order mark.
_VERTEX = re.compile(rb"((?:(?<=[\r\n])|\A(?:\xef\xbb\xbf)?)[ \t]*v[ \t]+)([^\s#\\]+[ \t]+[^\s#\\]+[ \t]+[^\s#\\]+)")
_TILE, _COLUMNS = 220, 7


def export_face(folder: PathLike, path: PathLike, landmarks: PathLike | None = None, unit: str | None = None) -> Face:
    """Load a face as `said.animation.faces.load_face` does, and write its folder.

    Of one that is used as it is, the folder holds the face as GLB and a report of what moves it.
    """
    found = find_face(path, landmarks, unit)
    if isinstance(found, Head):
        write_head(folder, found)
        return found.face
    with atomic_folder(folder) as temporary:
        found.document.write(temporary / "head.glb")
        facts = {"file": Path(path).name, "moved_by": list(found.names), "lacks": list(found.missing)}
        write_json(temporary / REPORT, facts | {"notes": list(found.notes)})
    return found


def write_head(folder: PathLike, head: Head) -> None:
    """Write a head's folder, whole or not at all.

    It holds head.glb; neutral.obj and an OBJ for each of the 32, with the vertices, polygons, texture coordinates and
    materials of the file that the head came from, in its order, unit and axes; sheet.png; and report.json. An OBJ
    differs from the user's own in nothing but the numbers of the vertices that move.
    """
    with atomic_folder(folder) as temporary:
        head.face.document.write(temporary / "head.glb")
        for name, content in _objs(head):
            (temporary / f"{name}.obj").write_bytes(content)
        home = os.path.abspath(head.file.path.parent)
        for companion in head.file.companions:
            place = Path(os.path.abspath(companion))
            # What lies elsewhere is found by its name alone, beside what names it.
            place = temporary / (place.relative_to(home) if place.is_relative_to(home) else place.name)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(companion, place)
        Image.fromarray(sheet(head)).save(temporary / "sheet.png")
        write_json(temporary / REPORT, head.report)


def _objs(head: Head) -> Iterator[tuple[str, bytes]]:
    """Name and content of each OBJ."""
    file, content = head.file, head.file.content
    if file.path.suffix.lower() != ".obj" or len(_VERTEX.findall(content)) != len(file.vertices):
        content = as_obj(file)
    yield "neutral", content
    for name, move in zip(SPEECH_BLENDSHAPES, head.displacements, strict=True):
        yield name, moved_obj(content, file.vertices, move)


def moved_obj(content: bytes, vertices: NDArray[np.float64], move: NDArray[np.float64]) -> bytes:
    """An OBJ file's content with displacements added to its vertices; lines of those that stand still stay as they are.

    Args:
        vertices: (V, 3) that the file has; move: (V, 3).
    """
    still = np.logical_not(np.any(move, axis=1))
    rows = iter(range(len(vertices)))

    def line(match: re.Match[bytes]) -> bytes:
        row = next(rows)
        if still[row]:
            return match[0]
        return match[1] + " ".join(f"{value:.9g}" for value in vertices[row] + move[row]).encode()

    return _VERTEX.sub(line, content)


def as_obj(file: HeadFile) -> bytes:
    """A head that came as GLB or PLY as OBJ, with its polygons, texture coordinates and names of parts."""
    lines = [f"v {x:.9g} {y:.9g} {z:.9g}" for x, y, z in file.vertices]
    if file.scene is None or file.document is None:
        if file.path.suffix.lower() == ".ply":
            _, sizes, corners, _ = parse_polygons(file.content)
        else:
            sizes, corners = np.full(len(file.faces), 3), file.faces.reshape(-1)
        lines += ["f " + " ".join(map(str, polygon + 1)) for polygon in np.split(corners, np.cumsum(sizes)[:-1])]
        return ("\n".join(lines) + "\n").encode()
    tree, shapes = file.document.tree, []
    textured = np.zeros(len(file.vertices), bool)
    coordinates = np.zeros((len(file.vertices), 2))
    for part in file.scene.parts:
        for place, number in enumerate(part.primitives):
            attributes = tree["meshes"][part.mesh]["primitives"][number]["attributes"]
            if "TEXCOORD_0" in attributes:
                rows = np.flatnonzero(part.owners == place)
                with naming(file.path):
                    coordinates[part.rows.start + rows] = file.document.array(attributes["TEXCOORD_0"])[rows]
                textured[part.rows.start + rows] = True
    if textured.any():
        lines += [f"vt {u:.9g} {1 - v:.9g}" for u, v in coordinates]
    for part in file.scene.parts:
        for label, triangles in zip(part.labels, part.triangles, strict=True):
            own = file.faces[triangles]
            shapes.append("g " + re.sub(r"\s+", "_", label.lower().strip() or f"part{len(shapes)}"))
            corner = "{0}/{0}" if textured[own].all() else "{0}"
            shapes += ["f " + " ".join(corner.format(index + 1) for index in face) for face in own]
    return ("\n".join([*lines, *shapes]) + "\n").encode()


def sheet(head: Head) -> NDArray[np.uint8]:
    """The head at rest and in each of the 32, as an image (H, W, 3)."""
    face = head.face
    low, high = head.landmarks.min(axis=0), head.landmarks.max(axis=0)
    height = float(high[1] - low[1])
    x, y, z = (float(value) for value in (low + high) / 2)
    framing = Framing((x, y - 0.05 * height, z), 0.85 * height)
    draw = Renderer(face.faces, _TILE, framing, colours=face.colours, background=(1, 1, 1), hollow=True)
    shown = {"neutral": face.neutral}
    shown |= {name: face.neutral + move for name, move in zip(face.names, face.displacements, strict=True)}
    strip = _TILE // 11
    rows = -(-len(shown) // _COLUMNS)
    page = Image.new("RGB", (_COLUMNS * _TILE, rows * (_TILE + strip)), "white")
    font = ImageFont.load_default(strip * 0.65)
    for index, (name, vertices) in enumerate(shown.items()):
        left, top = index % _COLUMNS * _TILE, index // _COLUMNS * (_TILE + strip)
        page.paste(Image.fromarray(draw(vertices)), (left, top))
        place = left + _TILE // 2, top + _TILE + strip // 2
        ImageDraw.Draw(page).text(place, name, fill="black", font=font, anchor="mm")
    return np.asarray(page)
