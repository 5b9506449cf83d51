"""Heads as glTF 2.0 documents of their own, which Blender, game engines and browsers open."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import trimesh
from numpy.typing import NDArray

from said.files.gltf_document import INDICES, VERTICES, Document
from said.files.gltf_morphs import add_targets
from said.files.gltf_scene import read_scene
from said.running.atomic import PathLike

_ROUGH = {"metallicFactor": 0.0, "roughnessFactor": 0.7}


@dataclass(frozen=True)
class Material:
    """A surface: its sRGB colour in [0, 1], and a PNG or JPEG file that is multiplied with it."""

    name: str
    colour: tuple[float, float, float] = (1.0, 1.0, 1.0)
    picture: bytes | None = None


@dataclass(frozen=True)
class Piece:
    """Triangles of one material.

    Attributes:
        vertices: (n,) rows of the mesh.
        faces: (F, 3) int, places in `vertices`.
        coordinates: (n, 2) of the picture, v upwards as in OBJ; None for none.
        material: its place among the materials, None for none.
    """

    vertices: NDArray[np.int64]
    faces: NDArray[np.int64]
    coordinates: NDArray[np.float64] | None = None
    material: int | None = None


def build_document(
    name: str,
    vertices: NDArray,
    normals: NDArray,
    pieces: Sequence[Piece],
    materials: Sequence[Material] = (),
    colours: NDArray | None = None,
) -> Document:
    """A document of one mesh.

    Args:
        name: of its node and mesh.
        vertices: (V, 3) metres, facing +z with +y up, as in glTF.
        normals: (V, 3) unit vectors, or zero.
        colours: (V, 3) sRGB in [0, 1], stored in 16 bits, linear; None for none.
    """
    document = Document()
    primitives = []
    for piece in pieces:
        rows = piece.vertices
        attributes = {"POSITION": document.add(vertices[rows].astype(np.float32), VERTICES)}
        attributes["NORMAL"] = document.add(_unit(normals[rows]).astype(np.float32), VERTICES)
        if piece.coordinates is not None:
            flipped = piece.coordinates * [1, -1] + [0, 1]
            attributes["TEXCOORD_0"] = document.add(flipped.astype(np.float32), VERTICES)
        if colours is not None:
            linear = np.round(65535 * _linear(np.asarray(colours)[rows])).astype(np.uint16)
            opaque = np.column_stack([linear, np.full(len(rows), 65535, np.uint16)])  # a multiple of four bytes
            attributes["COLOR_0"] = document.add(opaque, VERTICES, normalized=True)
        kind = np.uint16 if len(rows) < 2**16 else np.uint32
        primitive: dict[str, Any] = {
            "attributes": attributes, "indices": document.add(piece.faces.astype(kind).reshape(-1), INDICES),
        }  # fmt: skip
        primitive["material"] = 0 if piece.material is None else piece.material
        primitives.append(primitive)
    document.tree |= {
        "scene": 0, "scenes": [{"nodes": [0]}],
        "nodes": [{"name": name, "mesh": 0}], "meshes": [{"name": name, "primitives": primitives}],
        "materials": [_stored(document, material) for material in materials or (Material("skin"),)],
    }  # fmt: skip
    return document


def whole(vertices: int, faces: NDArray) -> Piece:
    """All vertices and triangles as one piece."""
    return Piece(np.arange(vertices), np.asarray(faces, np.int64))


def write_morph_targets(
    path: PathLike, vertices: NDArray, faces: NDArray, targets: Mapping[str, NDArray], colours: NDArray | None = None
) -> None:
    """Write a mesh with named blendshapes as a binary glTF 2.0 file (.glb), with all weights zero.

    Args:
        vertices: (V, 3) metres, facing +z with +y up, as in glTF.
        faces: (F, 3) int.
        targets: absolute vertices (V, 3) of each blendshape, by name; the names become `extras.targetNames`.
        colours: (V, 3) sRGB in [0, 1], stored in 16 bits, linear; None for none.
    """
    vertices = np.asarray(vertices, np.float64)
    normals = smooth_normals(vertices, faces)
    document = build_document("head", vertices, normals, [whole(len(vertices), faces)], colours=colours)
    moved = np.stack([np.asarray(target, np.float64) for target in targets.values()])
    turns = np.stack([smooth_normals(target, faces) for target in moved]) - normals
    add_targets(document, read_scene(document), list(targets), moved - vertices, turns)
    document.write(path)


def smooth_normals(vertices: NDArray, faces: NDArray) -> NDArray[np.float64]:
    """(V, 3) unit normals, weighted by area like those of `said.meshes` and `said.render`."""
    vertices, faces = np.asarray(vertices, np.float64), np.asarray(faces)
    normals = trimesh.geometry.mean_vertex_normals(len(vertices), faces, trimesh.triangles.cross(vertices[faces]))
    return np.asarray(normals)


def _stored(document: Document, material: Material) -> dict[str, Any]:
    surface: dict[str, Any] = dict(_ROUGH)
    if material.colour != (1.0, 1.0, 1.0):
        surface["baseColorFactor"] = [*_linear(np.array(material.colour)).tolist(), 1.0]
    if material.picture is not None:
        kind = "image/png" if material.picture.startswith(b"\x89PNG") else "image/jpeg"
        images, textures = (document.tree.setdefault(key, []) for key in ("images", "textures"))
        images.append({"bufferView": document.add_bytes(material.picture), "mimeType": kind})
        textures.append({"source": len(images) - 1})
        surface["baseColorTexture"] = {"index": len(textures) - 1}
    return {"name": material.name, "pbrMetallicRoughness": surface, "doubleSided": True}  # a mouth shows its inside


def _unit(normals: NDArray) -> NDArray[np.float64]:
    """Normals of length 1; a vertex without triangles has none, and glTF asks for one."""
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    return np.where(length > 0.5, normals / np.maximum(length, 1e-12), [0.0, 0.0, 1.0])


def _linear(colours: NDArray) -> NDArray:
    """sRGB in [0, 1] as linear values, which glTF has for the colours of vertices."""
    return np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)
