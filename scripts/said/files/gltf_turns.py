"""A head that turns, in a glTF document: an animation of the node that is the head, or of one that is put there."""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from said.files.gltf_document import Document
from said.files.gltf_scene import place_nodes
from said.running.shapes import shaped

_HEAD = re.compile(r"(?:.*[\W_:])?head(?:[\W_](?:x|m|c|jnt|joint|bone|01))?", re.IGNORECASE)
"""Head, mixamorig:Head, CC_Base_Head, J_Bip_C_Head, head.x, head_jnt; neither headTop_End nor forehead."""


def find_head(tree: Mapping[str, Any], centre: NDArray, reach: float) -> int | None:
    """The node of a scene that is its head: named so, with a skin's joint or a mesh at or below it, and at its place.

    Of several, the one nearest to the root. A mesh that is called head may have its origin between the feet: about that
    no head turns.

    Args:
        centre: (3,) about where heads turn, in the scene.
        reach: how far from there the node may be.
    """
    nodes = tree.get("nodes", [])
    joints = {joint for skin in tree.get("skins", ()) for joint in skin["joints"]}

    def holds(number: int) -> bool:
        below = nodes[number].get("children", ())
        return number in joints or "mesh" in nodes[number] or any(map(holds, below))

    for number, place in place_nodes(dict(tree)).items():
        near = np.linalg.norm(place[:3, 3] - centre) <= reach
        if near and _HEAD.fullmatch(nodes[number].get("name") or "") and holds(number):
            return number
    return None


@shaped
def animate_head(
    document: Document,
    rotations: Float[np.ndarray, "N 3"],
    rate: float,
    centre: Float[np.ndarray, "3"],
    reach: float,
    name: str,
) -> str | None:
    """Let a document's head turn, in the animation of that name, which is begun where there is none.

    A node that is the head turns about its own origin, as its rig means it. A document without one gets a node `head`
    above its scene, at the centre, and nothing else in it changes.

    Args:
        rotations: radians, from the axes of the scene: x to the subject's left, y up, z forward.
        rate: frames per second; the first frame is at 0 s.
        centre, reach: see `find_head`; a head without a node of its own turns about the centre.
        name: of the animation.

    Returns:
        the name of the node that was found, or None.
    """
    tree = document.tree
    found = find_head(tree, centre, reach)
    number = _raise_pivot(tree, centre) if found is None else found
    above = Rotation.from_matrix(_straight(_above(tree, number)))
    rest = Rotation.from_quat(_rest(tree["nodes"][number]))
    turned = above.inv() * Rotation.from_rotvec(np.asarray(rotations, np.float64)) * above * rest
    quaternions = _continuous(turned.as_quat())
    animation = next((one for one in tree.get("animations", ()) if one.get("name") == name), None)
    if animation is None:
        animation = {"name": name, "channels": [], "samplers": []}
        tree.setdefault("animations", []).append(animation)
    times = document.add(np.arange(len(rotations), dtype=np.float64).astype(np.float32) / np.float32(rate))
    output = document.add(quaternions.astype(np.float32))
    animation["samplers"].append({"input": times, "interpolation": "LINEAR", "output": output})
    animation["channels"].append(
        {"sampler": len(animation["samplers"]) - 1, "target": {"node": number, "path": "rotation"}}
    )
    return None if found is None else tree["nodes"][found]["name"]


def _raise_pivot(tree: dict[str, Any], centre: NDArray) -> int:
    """Put a node `head` at the centre, and below it one that takes its place back, above all that the scene shows."""
    nodes, scene = tree["nodes"], tree["scenes"][tree.get("scene", 0)]
    place = [float(value) for value in centre]
    nodes.append({"name": "head_origin", "translation": [-value for value in place], "children": scene["nodes"]})
    nodes.append({"name": "head", "translation": place, "children": [len(nodes) - 1]})
    scene["nodes"] = [len(nodes) - 1]
    return len(nodes) - 1


def _above(tree: Mapping[str, Any], number: int) -> NDArray[np.float64]:
    """(3, 3) what carries a node's own axes, before its rotation, into the scene."""
    for parent, place in place_nodes(dict(tree)).items():
        if number in tree["nodes"][parent].get("children", ()):
            return place[:3, :3]
    return np.eye(3)


def _straight(linear: NDArray[np.float64]) -> NDArray[np.float64]:
    """(3, 3) the rotation nearest to a linear map: what is left of it without scale."""
    left, _, right = np.linalg.svd(linear)
    return left @ np.diag([1, 1, np.sign(np.linalg.det(left @ right))]) @ right


def _rest(node: dict[str, Any]) -> list[float]:
    """The rotation (x, y, z, w) that a node has; a matrix, which may not be animated, is taken apart in place."""
    if "matrix" in node:
        matrix = np.array(node.pop("matrix"), float).reshape(4, 4).T
        turn = _straight(matrix[:3, :3])
        node["translation"] = matrix[:3, 3].tolist()
        node["scale"] = np.diag(turn.T @ matrix[:3, :3]).tolist()
        node["rotation"] = Rotation.from_matrix(turn).as_quat().tolist()
    return node.get("rotation", [0.0, 0.0, 0.0, 1.0])


def _continuous(quaternions: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N, 4) the same rotations, each by the quaternion nearer to that of the frame before."""
    nearer = np.sum(quaternions[1:] * quaternions[:-1], axis=1) >= 0
    signs = np.cumprod(np.concatenate([[1.0], np.where(nearer, 1.0, -1.0)]))
    return quaternions * signs[:, None]
