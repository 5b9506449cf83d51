"""The file of a head: its vertices in their order, its parts' names, and its surface for a document of its own."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from said.files.gltf import Material, Piece, build_document
from said.files.gltf_document import Document, naming
from said.files.gltf_scene import Scene, read_scene, scene_colours
from said.files.meshes import parse_mesh, read_colours
from said.files.obj_surface import ObjSurface, parse_surface, read_materials


@dataclass(frozen=True)
class HeadFile:
    """A head as its file has it.

    Attributes:
        path: of the file; content: its bytes.
        vertices: (V, 3) in the file's coordinates, of a GLB those of its scene.
        faces: (F, 3) int.
        colours: (V, 3) sRGB in [0, 1], or None.
        document, scene: of a GLB, else None.
        surface, materials: of an OBJ, else None and none.
        companions: files beside it that it names: materials and pictures.
        notes: what is wrong with those, a sentence each.
    """

    path: Path
    content: bytes
    vertices: NDArray[np.float64]
    faces: NDArray[np.int64]
    colours: NDArray[np.float64] | None = None
    document: Document | None = None
    scene: Scene | None = None
    surface: ObjSurface | None = None
    materials: tuple[Material, ...] = ()
    companions: tuple[Path, ...] = ()
    notes: tuple[str, ...] = ()

    def part_labels(self, rows: NDArray[np.int64], count: int) -> NDArray[np.str_]:
        """(count,) names of objects, groups and materials of what the vertices became.

        Args:
            rows: (V,) which of the `count` each vertex of the file became.
        """
        labels = np.full(count, "", dtype=object)
        if self.scene is not None:
            for part in self.scene.parts:
                labels[rows[part.rows]] = np.array(part.labels, dtype=object)[part.owners]
        elif self.surface is not None:
            names = np.array(self.surface.group_names, dtype=object)
            for column in range(3):
                labels[rows[self.faces[:, column]]] = names[self.surface.groups]
        return labels.astype(np.str_)


def read_head(path: Path) -> HeadFile:
    """The file of a head: GLB, OBJ or PLY.

    Raises:
        ValueError: it cannot be read, or holds no triangles; names the file.
    """
    content = path.read_bytes()
    if path.suffix.lower() == ".glb":
        with naming(path):
            document = Document.parse(content)
            scene = read_scene(document)
            colours = scene_colours(document, scene)
        return HeadFile(path, content, scene.vertices, scene.faces, colours, document, scene)
    mesh = parse_mesh(content, path)
    vertices, faces = np.asarray(mesh.vertices, np.float64), np.asarray(mesh.faces, np.int64)
    colours = read_colours(mesh)
    if path.suffix.lower() != ".obj":
        return HeadFile(path, content, vertices, faces, colours)
    try:
        surface = parse_surface(content)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    materials, companions, notes = read_materials(path, surface.libraries, surface.material_names)
    if colours is None and materials:
        colours = _material_colours(len(vertices), faces, surface, materials)
    return HeadFile(
        path, content, vertices, faces, colours, None, None, surface, tuple(materials), tuple(companions), tuple(notes)
    )


def _material_colours(
    count: int, faces: NDArray[np.int64], surface: ObjSurface, materials: list[Material]
) -> NDArray[np.float64]:
    """(V, 3) colour of each vertex's material."""
    palette = np.array([material.colour for material in materials] + [(0.8, 0.78, 0.76)])
    colours = np.tile(palette[-1], (count, 1))
    for column in range(3):
        colours[faces[:, column]] = palette[surface.materials]
    return colours


def as_document(
    name: str, file: HeadFile, vertices: NDArray[np.float64], normals: NDArray[np.float64]
) -> tuple[Document, NDArray[np.int64]]:
    """A document of a head that came as OBJ or PLY.

    Args:
        vertices: (V, 3) metres, y up, facing +z; normals: (V, 3).

    Returns:
        the document, and (n,) which of the V each vertex of its scene is: a vertex stands there once for each material
        and texture coordinate that it has.
    """
    surface = file.surface
    colours = file.colours if not file.materials else None
    if surface is None or not len(surface.corners):
        used = np.unique(file.faces)
        pieces = [Piece(used, np.searchsorted(used, file.faces))]
        return build_document(name, vertices, normals, pieces, colours=colours), used
    pieces = []
    for material in np.unique(surface.materials):
        own = surface.materials == material
        pairs = np.stack([file.faces[own], surface.corners[own]], axis=2).reshape(-1, 2)
        unique, inverse = np.unique(pairs, axis=0, return_inverse=True)
        coordinates = None
        if len(surface.coordinates) and (unique[:, 1] >= 0).any():
            coordinates = np.where(unique[:, 1:] >= 0, surface.coordinates[unique[:, 1]], 0.0)
        pieces.append(
            Piece(unique[:, 0], inverse.reshape(-1, 3), coordinates, int(material) if material >= 0 else None)
        )
    materials = list(file.materials)
    if any(piece.material is None for piece in pieces) and materials:
        materials.append(Material("none"))
        pieces = [
            Piece(p.vertices, p.faces, p.coordinates, len(materials) - 1) if p.material is None else p for p in pieces
        ]
    document = build_document(name, vertices, normals, pieces, materials, colours)
    return document, np.concatenate([piece.vertices for piece in pieces])
