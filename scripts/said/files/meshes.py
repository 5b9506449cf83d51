"""Triangle meshes, vertex for vertex as their files have them, and vertex indices."""

import io
from pathlib import Path

import numpy as np
import trimesh
from numpy.typing import NDArray

from said.files.text import write_text
from said.running.atomic import PathLike, atomic
from said.running.integrity import reading


def read_mesh(path: PathLike) -> trimesh.Trimesh:
    """A triangle mesh with the file's vertices in the file's order, none merged.

    Raises:
        ValueError: the file is not a triangle mesh.
    """
    path = Path(path)
    return parse_mesh(path.read_bytes(), path)


def parse_mesh(content: bytes, name: PathLike) -> trimesh.Trimesh:
    """As `read_mesh`, from a file's content; `name` tells its format by the suffix, and messages where it is."""
    kind = Path(name).suffix[1:]
    with reading(name):
        mesh = trimesh.load(
            io.BytesIO(content), kind, process=False, maintain_order=True, force="mesh", skip_materials=True
        )
    if not isinstance(mesh, trimesh.Trimesh) or len(mesh.faces) == 0:
        raise ValueError(f"{name}: holds no triangle mesh")
    return mesh


def read_colours(mesh: trimesh.Trimesh) -> NDArray | None:
    """(V, 3) colours in [0, 1] of a mesh's vertices, None where its file had none."""
    if mesh.visual.kind != "vertex":
        return None
    return np.asarray(mesh.visual.vertex_colors[:, :3], dtype=np.float64) / 255


def write_mesh(path: PathLike, vertices: NDArray, faces: NDArray, colours: NDArray | None = None) -> None:
    """Vertices (V, 3) in metres and faces (F, 3) as PLY (binary) or OBJ, by the path's suffix.

    `colours` (V, 3) in [0, 1] are kept in PLY files, to 8 bits.
    """
    rgb = None if colours is None else np.round(np.asarray(colours) * 255).astype(np.uint8)
    mesh = trimesh.Trimesh(vertices, faces, vertex_colors=rgb, process=False)
    with atomic(path) as temporary:
        mesh.export(temporary)


def read_indices(path: PathLike) -> NDArray[np.int64]:
    """(n,) int: vertex indices, separated by any white space, as the published landmark files have them."""
    text = Path(path).read_text(encoding="utf-8").split()
    try:
        return np.array([int(word) for word in text], dtype=np.int64)
    except ValueError as error:
        raise ValueError(f"{path}: expected vertex indices, {error}") from None


def write_indices(path: PathLike, indices: NDArray) -> None:
    """One index per line."""
    write_text(path, "".join(f"{int(index)}\n" for index in indices))
