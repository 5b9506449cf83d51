"""Triangle meshes, with the vertices and the numbering of their files, and lists of vertex indices."""

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
    """A triangle mesh with the file's vertices in the file's order: none is merged, doubled or left out.

    Faces of more than three corners become fans of triangles around their first corner, in the file's order.

    Args:
        path: an OBJ, a PLY, or a GLB or glTF of a single mesh with a single material, by the suffix.

    Raises:
        ValueError: another format, or a file that holds no triangle mesh, cannot be read vertex for vertex or is cut
            off.
    """
    path = Path(path)
    return parse_mesh(path.read_bytes(), path)


def parse_mesh(content: bytes, name: PathLike) -> trimesh.Trimesh:
    """What `read_mesh` gives, from a file's content; `name` is the file's, for its suffix and for messages."""
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
    """Write a mesh as PLY (binary) or OBJ, by the path's suffix.

    Args:
        vertices: (V, 3) metres.
        faces: (F, 3) int.
        colours: (V, 3) in [0, 1], stored in 8 bits, and in PLY files only.
    """
    rgb = None if colours is None else np.round(np.asarray(colours) * 255).astype(np.uint8)
    mesh = trimesh.Trimesh(vertices, faces, vertex_colors=rgb, process=False)
    with atomic(path) as temporary:
        mesh.export(temporary)


def read_indices(path: PathLike) -> NDArray[np.int64]:
    """(n,) int vertex indices, counted from 0 and separated by white space, as in the published landmark files.

    Raises:
        ValueError: the file holds something else; names the line.
    """
    content = Path(path).read_bytes().removeprefix(b"\xef\xbb\xbf")
    for number, line in enumerate(content.splitlines(), 1):
        for word in line.split():
            if not word.isdigit() or len(word) > 18:
                shown = word[:40].decode("utf-8", "replace")
                raise ValueError(f"{path}: line {number}: expected vertex indices, counted from 0, found {shown!r}")
    return np.array(content.split(), dtype=np.int64)


def write_indices(path: PathLike, indices: NDArray) -> None:
    """Write indices (n,), one per line."""
    write_text(path, "".join(f"{int(index)}\n" for index in indices))
