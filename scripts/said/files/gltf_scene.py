"""The triangles of a glTF document as one mesh, where its scene places them, and how each part of it is stored."""

import io
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from said.files.gltf_document import Document, entry_of

_TRIANGLES, _STRIP, _FAN = 4, 5, 6


@dataclass(frozen=True)
class Part:
    """The vertices of one accessor of positions, at one node of the scene.

    Attributes:
        node, mesh: their numbers in the document.
        primitives: numbers of the mesh's primitives that use the accessor.
        rows: which rows of the whole mesh its vertices are.
        linear: (3, 3) or (n, 3, 3), what carries a displacement of the stored vertices into the scene.
        labels: of each primitive, the names of node, mesh and material.
        triangles: of each primitive, which of the whole mesh's are its.
        owners: (n,) which of the primitives, by its place among them, each vertex belongs to: the last one whose
            triangles use it, the first where none does. Exporters such as UniVRM store a face with its eyes and teeth
            in one accessor, so that only the triangles tell them apart.
    """

    node: int
    mesh: int
    primitives: tuple[int, ...]
    rows: slice
    linear: NDArray[np.float64]
    labels: tuple[str, ...]
    triangles: tuple[slice, ...]
    owners: NDArray[np.int64]

    def of_owners(self, values: Sequence[NDArray]) -> NDArray:
        """(n, ...) each vertex's value among those that the primitives have, (n, ...) each."""
        if len(values) == 1:
            return values[0]
        return np.stack(values)[self.owners, np.arange(len(self.owners))]

    @property
    def flat(self) -> NDArray[np.bool_]:
        """() or (n,) whether the part is flattened, or hidden, by a scale of 0."""
        return np.asarray(np.linalg.matrix_rank(self.linear) < 3)

    def into_scene(self, displacements: NDArray) -> NDArray[np.float64]:
        """(..., n, 3) stored displacements as the scene has them."""
        return np.einsum("...ij,...j->...i", self.linear, displacements)

    def from_scene(self, displacements: NDArray) -> NDArray[np.float64]:
        """(..., n, 3) displacements in the scene as they are stored; of what is flat, as much as it can show."""
        flat = self.flat[..., None, None]
        inverse = np.linalg.inv(np.where(flat, np.eye(3), self.linear))
        if flat.any():
            inverse = np.where(flat, np.linalg.pinv(self.linear), inverse)
        return np.einsum("...ij,...j->...i", inverse, displacements)


@dataclass(frozen=True)
class Scene:
    """All triangles of a scene.

    Attributes:
        vertices: (V, 3), where the scene places them.
        faces: (F, 3) int.
        parts: which vertices are stored where, in ascending order of their rows.
    """

    vertices: NDArray[np.float64]
    faces: NDArray[np.int64]
    parts: tuple[Part, ...]


def read_scene(document: Document, driven: Mapping[int, Collection[int]] | None = None) -> Scene:
    """The triangles of a document's scene, skins and morph targets as the file shows them.

    Args:
        driven: by mesh, the targets whose weights something else sets: the file's own for them count as 0.

    Raises:
        ValueError: it holds none.
    """
    tree = document.tree
    places = place_nodes(tree)
    vertices, faces, parts, count, triangles_before = [], [], [], 0, 0
    for number, place in places.items():
        node = tree["nodes"][number]
        if "mesh" not in node:
            continue
        mesh = entry_of(tree, "meshes", node["mesh"])
        primitives = mesh["primitives"]
        by_accessor: dict[int, list[int]] = {}
        for index, primitive in enumerate(primitives):
            if (
                primitive.get("mode", _TRIANGLES) in (_TRIANGLES, _STRIP, _FAN)
                and "POSITION" in primitive["attributes"]
            ):
                by_accessor.setdefault(primitive["attributes"]["POSITION"], []).append(index)
        for accessor, users in by_accessor.items():
            stored = document.array(accessor).astype(np.float64)
            matrix = _posed(document, node, primitives[users[0]], places, place)
            mirrored = np.linalg.det(matrix[..., :3, :3].reshape(-1, 3, 3)[0]) < 0
            owners, ranges, labels = np.zeros(len(stored), np.int64), [], []
            for place_among, user in enumerate(users):
                triangles = _triangles(document, primitives[user], len(stored))
                owners[triangles] = place_among
                faces.append((triangles[:, ::-1] if mirrored else triangles) + count)
                ranges.append(slice(triangles_before, triangles_before + len(triangles)))
                triangles_before += len(triangles)
                labels.append(" ".join(_names(tree, node, primitives[user])))
            rows = slice(count, count + len(stored))
            linear = matrix[..., :3, :3]
            part = Part(number, node["mesh"], tuple(users), rows, linear, tuple(labels), tuple(ranges), owners)
            parts.append(part)
            for target, weight in enumerate(node.get("weights", mesh.get("weights", ()))):
                if weight and target not in (driven or {}).get(node["mesh"], ()):
                    stored += weight * read_stored_target(document, part, target)
            vertices.append((linear @ stored[..., None])[..., 0] + matrix[..., :3, 3])
            count += len(stored)
    if not parts:
        raise ValueError("its scene holds no triangles")
    return Scene(np.concatenate(vertices), np.concatenate(faces), tuple(parts))


def read_stored_target(document: Document, part: Part, target: int) -> NDArray[np.float64]:
    """(n, 3) displacements that a target gives to a part's vertices, as stored; none where it has no such target."""
    stored = []
    for number in part.primitives:
        targets = document.tree["meshes"][part.mesh]["primitives"][number].get("targets", ())
        accessor = targets[target].get("POSITION") if target < len(targets) else None
        still = np.zeros((len(part.owners), 3))
        stored.append(still if accessor is None else document.array(accessor).astype(np.float64))
    return part.of_owners(stored)


def place_nodes(tree: dict[str, Any]) -> dict[int, NDArray[np.float64]]:
    """(4, 4) matrix from each node of the scene to the scene, parents before children."""
    nodes = tree.get("nodes", [])
    children = {child for node in nodes for child in node.get("children", ())}
    roots = [number for number in range(len(nodes)) if number not in children]
    if tree.get("scenes"):
        roots = tree["scenes"][tree.get("scene", 0)].get("nodes", [])
    _require_trees(nodes)
    places: dict[int, NDArray[np.float64]] = {}
    queue = [(root, np.eye(4)) for root in roots]
    while queue:
        number, above = queue.pop(0)
        if number in places:
            continue
        places[number] = above @ _matrix(entry_of(tree, "nodes", number))
        queue += [(child, places[number]) for child in nodes[number].get("children", ())]
    return places


def _require_trees(nodes: Sequence[Mapping[str, Any]]) -> None:
    """Refuse nodes of which one is above itself."""
    above = {child: number for number, node in enumerate(nodes) for child in node.get("children", ())}
    for start in above:
        number, steps = start, 0
        while number in above:
            number, steps = above[number], steps + 1
            if steps > len(nodes):
                raise ValueError(f"its node {start} is below itself: it is damaged or no valid glTF; export it again")


def _matrix(node: dict[str, Any]) -> NDArray[np.float64]:
    if "matrix" in node:
        return np.array(node["matrix"], float).reshape(4, 4).T
    x, y, z, w = node.get("rotation", (0.0, 0.0, 0.0, 1.0))
    turn = np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )
    matrix = np.eye(4)
    matrix[:3, :3] = turn * np.array(node.get("scale", (1.0, 1.0, 1.0)), float)
    matrix[:3, 3] = node.get("translation", (0.0, 0.0, 0.0))
    return matrix


def _posed(
    document: Document, node: dict, primitive: dict, places: dict[int, NDArray[np.float64]], place: NDArray[np.float64]
) -> NDArray[np.float64]:
    """(4, 4), or (n, 4, 4) of a skin, from the stored vertices to the scene.

    A vertex whose weights are all 0 goes with the first of its joints, as three.js has it: the node's own place is not
    one where a skin is shown.
    """
    attributes = primitive["attributes"]
    if "skin" not in node or "JOINTS_0" not in attributes:
        return place
    skin = document.tree["skins"][node["skin"]]
    joints = np.stack([places.get(joint, np.eye(4)) for joint in skin["joints"]])
    if "inverseBindMatrices" in skin:
        joints = joints @ document.array(skin["inverseBindMatrices"]).reshape(-1, 4, 4).transpose(0, 2, 1)
    matrix = np.zeros((1, 4, 4))
    number, first = 0, np.zeros((0, 4, 4))
    while f"JOINTS_{number}" in attributes:
        weights = document.array(attributes[f"WEIGHTS_{number}"]).astype(np.float64)
        chosen = joints[document.array(attributes[f"JOINTS_{number}"]).astype(int)]
        matrix = matrix + np.einsum("vk,vkij->vij", weights, chosen)
        first = first if number else chosen[:, 0]
        number += 1
    matrix = np.where(matrix[:, 3:, 3:] == 0, first, matrix)
    return matrix / np.maximum(matrix[:, 3:, 3:], 1e-12)


def _triangles(document: Document, primitive: dict, count: int) -> NDArray[np.int64]:
    """(F, 3) vertices of a primitive's triangles."""
    corners = document.array(primitive["indices"]) if "indices" in primitive else np.arange(count)
    corners = corners.astype(np.int64)
    if len(corners) and (corners.min() < 0 or corners.max() >= count):
        raise ValueError(f"has a triangle with vertex {corners.max()} of {count}: it is damaged; export it again")
    mode = primitive.get("mode", _TRIANGLES)
    if mode == _TRIANGLES:
        return corners[: len(corners) // 3 * 3].reshape(-1, 3)
    steps = np.arange(len(corners) - 2)
    if mode == _FAN:
        return np.stack([np.full(len(steps), corners[0]), corners[steps + 1], corners[steps + 2]], axis=1)
    odd = steps % 2
    return np.stack([corners[steps], corners[steps + 1 + odd], corners[steps + 2 - odd]], axis=1)


def _names(tree: dict, node: dict, primitive: dict) -> Iterator[str]:
    entries = [node, tree["meshes"][node["mesh"]]]
    if "material" in primitive:
        entries.append(entry_of(tree, "materials", primitive["material"]))
    for entry in entries:
        name = entry.get("name", "")
        if not isinstance(name, str):
            raise ValueError(f"has {name!r} for a name: it is damaged or no valid glTF; export it again")
        yield name


def scene_colours(document: Document, scene: Scene) -> NDArray[np.float64]:
    """(V, 3) sRGB in [0, 1] of a scene's vertices: their material's colour and picture, times that of the vertices."""
    colours = []
    for part in scene.parts:
        primitives = document.tree["meshes"][part.mesh]["primitives"]
        count = part.rows.stop - part.rows.start
        colours.append(part.of_owners([_colours(document, primitives[number], count) for number in part.primitives]))
    return np.concatenate(colours)


def _colours(document: Document, primitive: dict, count: int) -> NDArray[np.float64]:
    """(n, 3) sRGB in [0, 1] that a primitive gives to all vertices of its accessor."""
    tree, attributes = document.tree, primitive["attributes"]
    material = tree["materials"][primitive["material"]] if "material" in primitive else {}
    surface = material.get("pbrMetallicRoughness", {})
    linear = np.tile(np.array(surface.get("baseColorFactor", (1, 1, 1, 1))[:3], float), (count, 1))
    if "COLOR_0" in attributes:
        linear = linear * document.array(attributes["COLOR_0"])[:, :3]
    colours = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * np.maximum(linear, 0.0031308) ** (1 / 2.4) - 0.055)
    texture = surface.get("baseColorTexture", {})
    coordinates = attributes.get(f"TEXCOORD_{texture.get('texCoord', 0)}")
    if texture and coordinates is not None and "source" in tree["textures"][texture["index"]]:
        colours = colours * _sampled(
            document.image(tree["textures"][texture["index"]]["source"]), document.array(coordinates)
        )
    return np.clip(colours, 0, 1)


def _sampled(image: bytes, coordinates: NDArray) -> NDArray[np.float64] | float:
    """(n, 3) colours in [0, 1] of a picture at texture coordinates (n, 2); 1 where it cannot be read."""
    try:
        pixels = np.asarray(Image.open(io.BytesIO(image)).convert("RGB")) / 255.0
    except (OSError, ValueError):
        return 1.0
    height, width = pixels.shape[:2]
    column = (np.nan_to_num(coordinates[:, 0]) % 1.0 * width).astype(int).clip(0, width - 1)
    row = (np.nan_to_num(coordinates[:, 1]) % 1.0 * height).astype(int).clip(0, height - 1)
    return pixels[row, column]
