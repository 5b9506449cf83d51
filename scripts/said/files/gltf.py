"""Heads with named blendshapes as glTF 2.0, which Blender, game engines and browsers open."""

from collections.abc import Mapping

import numpy as np
import trimesh
from numpy.typing import NDArray
from trimesh.exchange.gltf import export_glb

from said.running.atomic import PathLike, atomic


def write_morph_targets(
    path: PathLike, vertices: NDArray, faces: NDArray, targets: Mapping[str, NDArray], colours: NDArray | None = None
) -> None:
    """Write a mesh with named blendshapes as a binary glTF 2.0 file (.glb), with all weights zero.

    Args:
        vertices: (V, 3) metres, facing +z with +y up, as in glTF.
        faces: (F, 3) int.
        targets: absolute vertices (V, 3) of each blendshape, by name; the names become `extras.targetNames`.
        colours: (V, 3) sRGB in [0, 1], stored in 8 bits; None for none.
    """
    rgb = None if colours is None else np.round(255 * _linear(np.asarray(colours))).astype(np.uint8)
    normals = _normals(vertices, faces)
    mesh = trimesh.Trimesh(vertices, faces, vertex_normals=normals, vertex_colors=rgb, process=False)

    def add(buffers: dict, tree: dict) -> None:
        def accessor(name: str, values: NDArray) -> int:
            values = values.astype("<f4")
            buffers[name] = values.tobytes()
            limits = {"min": values.min(axis=0).tolist(), "max": values.max(axis=0).tolist()}
            view = {"bufferView": len(buffers) - 1, "componentType": 5126, "type": "VEC3", "count": len(values)}
            tree["accessors"][name] = view | limits
            return len(tree["accessors"]) - 1

        (root,) = tree["meshes"]
        root["primitives"][0]["targets"] = [
            {
                "POSITION": accessor(f"{name} position", target - vertices),
                "NORMAL": accessor(f"{name} normal", _normals(target, faces) - normals),
            }
            for name, target in targets.items()
        ]
        root["weights"] = [0.0] * len(targets)
        root["extras"] = {"targetNames": list(targets)}

    scene = trimesh.Scene({"head": mesh})
    data = export_glb(scene, include_normals=True, buffer_postprocessor=add)
    with atomic(path) as temporary:
        temporary.write_bytes(data)


def _normals(vertices: NDArray, faces: NDArray) -> NDArray:
    """(V, 3) unit normals, weighted by area like those of `said.meshes` and `said.render`."""
    vertices, faces = np.asarray(vertices, np.float64), np.asarray(faces)
    normals = trimesh.geometry.mean_vertex_normals(len(vertices), faces, trimesh.triangles.cross(vertices[faces]))
    return np.asarray(normals)


def _linear(colours: NDArray) -> NDArray:
    """sRGB in [0, 1] as linear values, which glTF has for the colours of vertices."""
    return np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)
