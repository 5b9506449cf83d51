"""Triangle meshes, vertex for vertex as their files have them, and vertex indices."""

from pathlib import Path

import numpy as np
import trimesh
from numpy.typing import NDArray
from trimesh.visual import ColorVisuals

from said.files import glb, obj, ply
from said.files.text import write_text
from said.running.atomic import PathLike, atomic
from said.running.integrity import reading

_READERS = {".obj": obj.parse, ".ply": ply.parse, ".glb": glb.parse, ".gltf": glb.parse}


def read_mesh(path: PathLike) -> trimesh.Trimesh:
    """A triangle mesh, vertex for vertex: the file's vertices in the file's order, none merged, doubled or left out.

    Faces of more than three corners become fans of triangles around their first corner, in the file's order.

    Args:
        path: an OBJ, a PLY, or a GLB or glTF of one mesh with one material, by the suffix.

    Raises:
        ValueError: another format, or a file that holds no triangle mesh, cannot be read vertex for vertex or is cut
            off.
    """
    path = Path(path)
    return parse_mesh(path.read_bytes(), path)


def parse_mesh(content: bytes, name: PathLike) -> trimesh.Trimesh:
    """As `read_mesh`, from a file's content; `name` tells its format by the suffix, and messages where it is."""
    suffix = Path(name).suffix.lower()
    if suffix not in _READERS:
        cause = "; the triangles of an STL share no vertices" if suffix == ".stl" else ""
        raise ValueError(
            f"{name}: meshes are read from {', '.join(_READERS)}, which number their vertices{cause}; save it as PLY "
            "or OBJ"
        )
    try:
        vertices, faces, colours = _READERS[suffix](content)
    except EOFError:  # cut off
        with reading(name):
            raise
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
    if len(faces) == 0:
        raise ValueError(f"{name}: holds no triangle mesh")
    return trimesh.Trimesh(vertices, faces, vertex_colors=colours, process=False)


def read_colours(mesh: trimesh.Trimesh) -> NDArray | None:
    """(V, 3) colours in [0, 1] of a mesh's vertices, None where its file had none."""
    visual = mesh.visual
    if not isinstance(visual, ColorVisuals) or visual.kind != "vertex":
        return None
    return np.asarray(visual.vertex_colors[:, :3], dtype=np.float64) / 255


def write_mesh(path: PathLike, vertices: NDArray, faces: NDArray, colours: NDArray | None = None) -> None:
    """Vertices (V, 3) in metres and faces (F, 3) as PLY (binary) or OBJ, by the path's suffix.

    `colours` (V, 3) in [0, 1] are kept in PLY files, to 8 bits.
    """
    rgb = None if colours is None else np.round(np.asarray(colours) * 255).astype(np.uint8)
    mesh = trimesh.Trimesh(vertices, faces, vertex_colors=rgb, process=False)
    with atomic(path) as temporary:
        mesh.export(temporary)


def read_indices(path: PathLike) -> NDArray[np.int64]:
    """(n,) int: vertex indices from 0, separated by any white space, as the published landmark files have them.

    Raises:
        ValueError: something else is in the file.
    """
    content = Path(path).read_bytes().removeprefix(b"\xef\xbb\xbf")
    for number, line in enumerate(content.splitlines(), 1):
        for word in line.split():
            if not word.isdigit() or len(word) > 18:
                shown = word[:40].decode("utf-8", "replace")
                raise ValueError(f"{path}: line {number}: expected vertex indices, counted from 0, found {shown!r}")
    return np.array(content.split(), dtype=np.int64)


def write_indices(path: PathLike, indices: NDArray) -> None:
    """One index per line."""
    write_text(path, "".join(f"{int(index)}\n" for index in indices))
