"""Reading meshes from glTF 2.0, binary (.glb) or with everything in one text file (.gltf)."""

import io

import numpy as np
import trimesh
from numpy.typing import NDArray
from trimesh.visual import ColorVisuals


def parse(content: bytes) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.uint8] | None]:
    """The mesh that a glTF file holds, if it is one: the parts of several number their vertices each from 0.

    Returns:
        (V, 3) vertices, placed as the scene has them, (F, 3) faces, and the (V, 3) colours, None where there are none.

    Raises:
        ValueError: it cannot be read, or holds no mesh or several parts.
    """
    kind = "glb" if content.startswith(b"glTF") else "gltf"
    try:
        scene = trimesh.load_scene(
            io.BytesIO(content), kind, process=False, maintain_order=True, merge_primitives=False, skip_materials=True
        )
    except Exception as error:  # trimesh raises whatever its parts do
        raise ValueError(f"no glTF that trimesh reads ({type(error).__name__}: {error})") from error
    parts = scene.graph.nodes_geometry
    if len(parts) != 1:
        raise ValueError(
            f"holds {len(parts)} parts (one per mesh, and per material of a mesh), so that no numbering covers all "
            "vertices; export one mesh with one material, or an OBJ or PLY"
        )
    matrix, name = scene.graph[parts[0]]
    mesh = scene.geometry[name]
    if not isinstance(mesh, trimesh.Trimesh):
        raise ValueError("holds lines or points, no triangles")
    vertices = trimesh.transform_points(mesh.vertices, matrix)
    visual = mesh.visual
    colours = None
    if isinstance(visual, ColorVisuals) and visual.kind == "vertex":
        colours = visual.vertex_colors[:, :3]
    return vertices, np.asarray(mesh.faces, np.int64), colours
