"""Morph targets of a glTF document: reading those that it has, adding others, and animating their weights."""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from said.files.gltf_document import Document
from said.files.gltf_scene import Part, Scene, read_stored_target

_STILL = 1e-7
"""Share of the mesh's size: a smaller displacement is none."""
_SAME_NORMAL = 2e-3


def target_names(mesh: Mapping[str, Any]) -> list[str]:
    """Names of a mesh's morph targets: its `extras.targetNames`, or a primitive's; empty ones where it has none."""
    count = max((len(primitive.get("targets", ())) for primitive in mesh["primitives"]), default=0)
    for entry in (mesh, *mesh["primitives"]):
        extras = entry.get("extras")
        names = extras.get("targetNames") if isinstance(extras, dict) else None
        if isinstance(names, list) and len(names) >= count:
            return [str(name) for name in names[:count]]
    return [""] * count


def read_target(document: Document, part: Part, target: int) -> NDArray[np.float64]:
    """(n, 3) displacements in the scene that a target gives to a part's vertices."""
    return part.into_scene(read_stored_target(document, part, target))


def add_targets(
    document: Document,
    scene: Scene,
    names: Sequence[str],
    displacements: NDArray[np.float64],
    turns: NDArray[np.float64] | None = None,
) -> None:
    """Give the parts of a document that move named targets, after those that they have, with weights of 0.

    Where several nodes show one mesh, such as a half head and its mirror image, and would move it differently, each
    further one gets a copy of the mesh, with the same accessors and targets of its own.

    Args:
        scene: what `read_scene` gave for the document.
        names: (K,).
        displacements: (K, V, 3) in the scene.
        turns: (K, V, 3) what they add to the normals; for parts that have normals.
    """
    still = _STILL * np.ptp(scene.vertices, axis=0).max()
    moves = np.linalg.norm(displacements, axis=2) > still
    moving = {part.mesh for part in scene.parts if moves[:, part.rows].any()}
    for mesh_number in sorted(moving):
        shown: dict[int, list[Part]] = {}
        for part in (part for part in scene.parts if part.mesh == mesh_number):
            shown.setdefault(part.node, []).append(part)
        alike: list[list[int]] = []  # nodes whose stored displacements are the same, so that they can share a mesh
        for node, own in shown.items():
            for group in alike:
                if _move_alike(own, shown[group[0]], displacements, moves, still):
                    group.append(node)
                    break
            else:
                alike.append([node])
        numbers = [mesh_number]
        for group in alike[1:]:  # before the mesh gets its targets
            document.tree["meshes"].append(copy.deepcopy(document.tree["meshes"][mesh_number]))
            numbers.append(len(document.tree["meshes"]) - 1)
            for node in group:
                document.tree["nodes"][node]["mesh"] = numbers[-1]
        for number, group in zip(numbers, alike, strict=True):
            own = shown[group[0]]
            if any(moves[:, part.rows].any() for part in own):
                _add_to_mesh(document, number, own, names, displacements, moves, turns)


def _move_alike(
    parts: Sequence[Part],
    others: Sequence[Part],
    displacements: NDArray[np.float64],
    moves: NDArray[np.bool_],
    still: np.floating,
) -> bool:
    """Whether what moves the parts of one node, as stored, moves those of another that shows the same mesh."""
    for part, other in zip(parts, others, strict=True):
        stored = other.from_scene(displacements[:, other.rows] * moves[:, other.rows, None])
        wanted = displacements[:, part.rows] * moves[:, part.rows, None]
        if (np.linalg.norm(part.into_scene(stored) - wanted, axis=2) > still).any():
            return False
    return True


def _add_to_mesh(
    document: Document,
    mesh_number: int,
    parts: Sequence[Part],
    names: Sequence[str],
    displacements: NDArray[np.float64],
    moves: NDArray[np.bool_],
    turns: NDArray[np.float64] | None,
) -> None:
    """Give a mesh named targets by the parts of a node that shows it."""
    mesh = document.tree["meshes"][mesh_number]
    before = target_names(mesh)
    for part in parts:
        shared: list[dict[str, int]] | None = None
        for number in part.primitives:
            primitive = mesh["primitives"][number]
            if shared is None:
                shared = _stored(document, part, displacements, moves, turns, primitive)
            earlier = primitive.get("targets", [])
            primitive["targets"] = [*earlier, *_still(document, primitive, len(before) - len(earlier)), *shared]
    for primitive in mesh["primitives"]:  # all of a mesh have as many, those without triangles too
        earlier = primitive.get("targets", [])
        primitive["targets"] = [*earlier, *_still(document, primitive, len(before) + len(names) - len(earlier))]
    labels = [name or f"target{number}" for number, name in enumerate(before)]
    extras = mesh.get("extras")
    mesh["extras"] = (extras if isinstance(extras, dict) else {}) | {"targetNames": labels + list(names)}
    nodes = [node for node in document.tree["nodes"] if node.get("mesh") == mesh_number]
    for entry in (mesh, *(node for node in nodes if "weights" in node)):
        weights = [*entry.get("weights", ()), *[0.0] * len(before)][: len(before)]
        entry["weights"] = [*weights, *[0.0] * len(names)]
    _lengthen_animations(document, mesh_number, len(before), len(names))


def _lengthen_animations(document: Document, mesh_number: int, before: int, added: int) -> None:
    """Let the animations that a mesh's targets have leave the added ones at 0."""
    nodes = document.tree["nodes"]
    for animation in document.tree.get("animations", ()) if before else ():
        for channel in animation["channels"]:
            node = channel["target"].get("node")
            if channel["target"].get("path") != "weights" or node is None or nodes[node].get("mesh") != mesh_number:
                continue
            sampler = animation["samplers"][channel["sampler"]]
            keys = len(document.array(sampler["input"])) * (3 if sampler.get("interpolation") == "CUBICSPLINE" else 1)
            values = document.array(sampler["output"])
            if len(values) == keys * before:  # else another node has the sampler too, and it has them already
                values = np.hstack([values.reshape(keys, before), np.zeros((keys, added))])
                sampler["output"] = document.add(values.astype(np.float32).reshape(-1))


def _stored(
    document: Document,
    part: Part,
    displacements: NDArray[np.float64],
    moves: NDArray[np.bool_],
    turns: NDArray[np.float64] | None,
    primitive: Mapping[str, Any],
) -> list[dict[str, int]]:
    """The attributes of each new target of a part."""
    rows = part.rows
    local = part.from_scene(displacements[:, rows]) * moves[:, rows, None]
    targets = [{"POSITION": document.add_sparse(move.astype(np.float32))} for move in local]
    if turns is not None and "NORMAL" in primitive["attributes"]:
        # A normal turns as a displacement does where the node does not shear, which no face's node should.
        size = np.asarray(np.abs(np.linalg.det(part.linear)) ** (1 / 3))[..., None, None]
        flat = part.flat[..., None, None]
        straight = np.where(flat, 0.0, part.linear / np.where(flat, 1.0, size))  # the normals of what is flat stay
        turned = np.einsum("...ji,...j->...i", straight, turns[:, rows])
        turned = turned * (np.linalg.norm(turned, axis=-1, keepdims=True) > _SAME_NORMAL)
        for target, change in zip(targets, turned, strict=True):
            target["NORMAL"] = document.add_sparse(change.astype(np.float32))
    return targets


def _still(document: Document, primitive: Mapping[str, Any], count: int) -> list[dict[str, int]]:
    """So many targets that move nothing of a primitive."""
    if count <= 0:
        return []
    vertices = document.tree["accessors"][primitive["attributes"]["POSITION"]]["count"]
    return [{"POSITION": document.add_sparse(np.zeros((vertices, 3), np.float32))}] * count


def animate_weights(
    document: Document, weights: Mapping[int, Mapping[int, NDArray]], rate: float, name: str, extras: Mapping[str, Any]
) -> None:
    """Add an animation of morph targets, one channel per node that shows a mesh with targets.

    Args:
        weights: by mesh, by target: (N,) its weight at each frame. Other targets keep the weight that the file gives.
        rate: frames per second; the first frame is at 0 s.
        name: of the animation.
        extras: what the animation tells other programs.
    """
    frames = len(next(iter(next(iter(weights.values())).values())))
    times = document.add(np.arange(frames, dtype=np.float64).astype(np.float32) / np.float32(rate))
    animation: dict[str, Any] = {"name": name, "channels": [], "samplers": []}
    for number, node in enumerate(document.tree["nodes"]):
        curves = weights.get(node.get("mesh", -1))
        if not curves:
            continue
        mesh = document.tree["meshes"][node["mesh"]]
        count = len(target_names(mesh))
        values = np.tile(np.array(node.get("weights", mesh.get("weights", [0.0] * count)), np.float32), (frames, 1))
        for target, curve in curves.items():
            values[:, target] = curve
        animation["samplers"].append(
            {"input": times, "interpolation": "LINEAR", "output": document.add(values.reshape(-1))}
        )
        animation["channels"].append(
            {"sampler": len(animation["samplers"]) - 1, "target": {"node": number, "path": "weights"}}
        )
    if extras:
        animation["extras"] = dict(extras)
    document.tree.setdefault("animations", []).append(animation)
