"""Template clean-up (Sec. 4.1): which parts of a head are removed before the deformation transfer, and put back after.

Only the face takes part in the transfer: eyeballs, ears, back of the head and neck have no counterpart on the source
and would make it unstable. Afterwards all of them but the neck are put back on every blendshape. The parts are found
from the mesh and its 68 landmarks alone. Eyeballs are components of their own. The face lies near the landmarks along
the surface, in front of the ears and outside the mouth and the eye sockets. The neck lies below the jaw. Mouth and eye
sockets begin at closed paths along the surface through the landmarks of their rims.
"""

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sparse
import trimesh
from numpy.typing import ArrayLike, NDArray
from scipy.sparse.csgraph import dijkstra
from scipy.sparse.linalg import splu
from trimesh.geometry import faces_to_edges
from trimesh.graph import connected_component_labels
from trimesh.visual import ColorVisuals

from said.landmarks import CHIN, LANDMARKS, LEFT_EAR, MOUTH_CORNERS, NASION, RIGHT_EAR, RIMS
from said.meshes import boundary_vertices, edge_graph, geodesic_distance, unique_edges
from said.plausibility import landmark_fault, require_finite, require_outward
from said.units import size_fault, size_of

FACE_REACH = 0.5  # how far the face extends beyond the landmarks, as a share of the height from chin to nasion
CAVITY_DEPTH = 0.1  # how deep behind lips or lids the face ends, as a share of the mouth's width
JAW_SLOPE = 0.3  # how steeply the lower limit of the head rises behind the chin, as a share of the slope to the ear
JAW_MARGIN = 0.15  # how far below the chin that limit begins, as a share of the height from chin to nasion
BLEND_REACH = 0.35  # how far beyond the seam motion fades out, as a share of the face's radius


@dataclass(frozen=True)
class Regions:
    """Sorted vertex indices of the parts of a head.

    Attributes:
        head: all but the neck: the mesh that gets blendshapes.
        face: the part of the head that takes part in the transfer.
        eyeballs: the part of the head that never moves.
    """

    head: NDArray[np.int64]
    face: NDArray[np.int64]
    eyeballs: NDArray[np.int64]


def find_regions(mesh: trimesh.Trimesh, landmarks: ArrayLike, head: ArrayLike | None = None) -> Regions:
    """Divide a template into its parts by its 68 landmarks (iBUG), in any pose and unit of length.

    Args:
        mesh: template with neck, ears and eyeballs, V vertices; eyeballs are components of their own.
        landmarks: (68,) distinct vertex indices.
        head: vertex indices to keep as the head, such as a published list; None derives them.

    Raises:
        ValueError: landmarks of the wrong number, out of range, repeated, on several components or in the wrong
            places or order; vertices that are not finite; triangles of the skin that face inwards; a head that lacks
            a landmark; a face that falls into several parts.
    """
    vertices, faces = np.asarray(mesh.vertices), np.asarray(mesh.faces)
    landmarks = _checked_landmarks(landmarks, len(vertices))
    labels = connected_component_labels(faces_to_edges(faces), len(vertices))
    require_finite(vertices, "", landmarks)
    faults = [landmark_fault(vertices, landmarks)]
    if len(np.unique(labels[landmarks])) > 1:
        faults.append("the landmarks lie on several components of the mesh; all belong on the skin")
    if any(faults):
        raise ValueError("; ".join(filter(None, faults)))
    skin = labels == labels[landmarks[0]]
    require_outward(vertices, faces[skin[faces].all(axis=1)], landmarks)
    used = np.zeros(len(vertices), bool)
    used[faces] = True

    lateral, upward, forward = head_axes(vertices, landmarks)
    height = float(np.linalg.norm(vertices[landmarks[NASION]] - vertices[landmarks[CHIN]]))
    in_head = np.zeros(len(vertices), bool)
    if head is None:
        in_head = used & ~_neck(vertices, faces, skin, landmarks, upward, forward, height)
    else:
        head = np.asarray(head)
        if head.ndim != 1 or len(head) == 0 or head.min() < 0 or head.max() >= len(vertices):
            raise ValueError(f"head must list vertex indices in [0, {len(vertices)})")
        in_head[head] = True
    missing = np.nonzero(~in_head[landmarks])[0]
    if len(missing):
        raise ValueError(f"landmark {missing[0]} lies outside the head; check the landmarks' order (iBUG, from 0)")

    depth = vertices @ forward
    before_ears = depth >= depth[landmarks].min() - 1e-6 * height
    near = geodesic_distance(vertices, faces, landmarks) <= FACE_REACH * height
    inside = in_head & skin & before_ears & near & ~_cavities(vertices, faces, landmarks)
    face = _connected_part(faces, inside, landmarks)
    return Regions(*(np.flatnonzero(part) for part in (in_head, face, in_head & used & ~skin)))


def crop(mesh: trimesh.Trimesh, vertices: ArrayLike) -> tuple[trimesh.Trimesh, NDArray[np.int64]]:
    """The part of a mesh on the given vertices.

    Args:
        vertices: (n,) distinct vertex indices.

    Returns:
        the mesh of these vertices, in their order, with their colours and all faces that have three of them; and (V,)
        the new index of each old vertex, -1 for those that are gone.

    Raises:
        ValueError: a vertex is listed twice.
    """
    vertices = np.asarray(vertices)
    if len(np.unique(vertices)) < len(vertices):
        raise ValueError("a vertex is listed twice")
    old_to_new = np.full(len(mesh.vertices), -1)
    old_to_new[vertices] = np.arange(len(vertices))
    faces = old_to_new[np.asarray(mesh.faces)]
    faces = faces[(faces >= 0).all(axis=1)]
    visual = mesh.visual
    colours = visual.vertex_colors[vertices] if isinstance(visual, ColorVisuals) and visual.kind == "vertex" else None
    part = trimesh.Trimesh(mesh.vertices[vertices], faces, vertex_colors=colours, process=False)
    return part, old_to_new


def reattach(mesh: trimesh.Trimesh, regions: Regions, faces_moved: ArrayLike) -> NDArray[np.float64]:
    """Put the parts that took no part in the transfer back on every blendshape.

    Eyeballs stay where the template has them, to the last bit. So do ears and the back of the head, but for a band
    along the seam, in which the face's motion fades out smoothly (a biharmonic function), so that there is neither
    crack nor step. Pockets, such as the insides of mouth and eye sockets, follow their rim (a harmonic function, which
    never exceeds the rim's motion).

    Args:
        mesh: the template, V vertices.
        regions: its parts, from `find_regions`.
        faces_moved: (E, len(regions.face), 3) absolute vertices of the transferred face.

    Returns:
        (E, len(regions.head), 3) absolute vertices of the heads, in the order of `regions.head`.

    Raises:
        ValueError: `faces_moved` has another shape, or another unit of length than the template.
    """
    faces_moved = np.asarray(faces_moved, float)
    if faces_moved.ndim != 3 or faces_moved.shape[1:] != (len(regions.face), 3):
        raise ValueError(f"faces_moved must be (E, {len(regions.face)}, 3) as the face, got {faces_moved.shape}")
    expected = float(size_of(mesh.vertices[regions.face]))
    for expression, size in enumerate(size_of(faces_moved)):
        if fault := size_fault(size, expected):
            raise ValueError(f"expression {expression}, beside the template, {fault}")
    head, old_to_new = crop(mesh, regions.head)
    vertices, faces = np.asarray(head.vertices, float), np.asarray(head.faces)
    face, eyeballs = old_to_new[regions.face], old_to_new[regions.eyeballs]
    displacement = np.zeros((len(vertices), len(faces_moved), 3))
    displacement[face] = (faces_moved - mesh.vertices[regions.face]).transpose(1, 0, 2)

    fixed = np.zeros(len(vertices), bool)
    fixed[face] = fixed[eyeballs] = True
    edges = unique_edges(faces)
    across = fixed[edges[:, 0]] != fixed[edges[:, 1]]
    seam = np.unique(edges[across][fixed[edges[across]]])
    if len(seam):
        spread = vertices[face] - vertices[face].mean(axis=0)
        radius = np.sqrt((spread**2).sum(axis=1).mean())
        distance = geodesic_distance(vertices, faces, seam)
        pocket = _pockets(faces, ~fixed, distance, radius)
        band = ~fixed & ~pocket & (distance <= BLEND_REACH * radius)
        flat = displacement.reshape(len(vertices), -1)
        _extend(flat, vertices, faces, pocket, smooth=False)
        _extend(flat, vertices, faces, band, smooth=True)
    moved = vertices + displacement.transpose(1, 0, 2)
    moved[:, eyeballs] = vertices[eyeballs]
    return moved


def head_axes(
    vertices: NDArray, landmarks: NDArray
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Unit vectors to the subject's left, up and forward, from four of the 68 landmarks."""
    lateral = vertices[landmarks[LEFT_EAR]] - vertices[landmarks[RIGHT_EAR]]
    lateral = lateral / np.linalg.norm(lateral)
    upward = vertices[landmarks[NASION]] - vertices[landmarks[CHIN]]
    upward = upward - (upward @ lateral) * lateral
    upward = upward / np.linalg.norm(upward)
    return lateral, upward, np.cross(lateral, upward)


def _checked_landmarks(landmarks: ArrayLike, count: int) -> NDArray:
    landmarks = np.asarray(landmarks)
    if landmarks.shape != (LANDMARKS,):
        raise ValueError(f"landmarks must be the {LANDMARKS} vertex indices of the iBUG scheme, got {landmarks.shape}")
    if landmarks.min() < 0 or landmarks.max() >= count:
        raise ValueError(f"landmarks must be vertex indices in [0, {count})")
    if len(np.unique(landmarks)) < LANDMARKS:
        repeated = np.flatnonzero(np.bincount(landmarks) > 1)[0]
        raise ValueError(f"two landmarks name vertex {repeated}; they must be distinct")
    return landmarks


def _neck(
    vertices: NDArray,
    faces: NDArray,
    skin: NDArray[np.bool_],
    landmarks: NDArray,
    upward: NDArray[np.float64],
    forward: NDArray[np.float64],
    height: float,
) -> NDArray[np.bool_]:
    """(V,) bool: skin below the jaw that reaches the open end of the neck.

    The upper limit begins a little below the chin, rises towards the back and is level behind the ears' landmarks.
    """
    up, depth = vertices @ upward, vertices @ forward
    chin, ears = landmarks[CHIN], landmarks[[RIGHT_EAR, LEFT_EAR]]
    run = depth[chin] - depth[ears].mean()
    rise = JAW_SLOPE * (up[ears].mean() - up[chin])
    behind = np.clip((depth[chin] - depth) / max(run, 1e-6 * height), 0, 1)
    below = skin & (up < up[chin] - JAW_MARGIN * height + rise * behind)
    below[landmarks] = False
    edges = unique_edges(faces)
    edges = edges[below[edges].all(axis=1)]
    labels = connected_component_labels(edges, len(vertices))
    # The neck has the lowest rim; another low part, such as the floor of the mouth, belongs to the head.
    ends = boundary_vertices(faces)
    ends = ends[below[ends]]
    if len(ends) == 0:
        return np.zeros(len(vertices), bool)
    lowest = ends[np.argmin(vertices[ends] @ upward)]
    return _with_teeth(faces, below & (labels == labels[lowest]))


def _with_teeth(faces: NDArray, cut: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """`cut` (V,) bool, and the vertices along its edge that would be left with a single triangle or none."""
    whole = np.bincount(faces.ravel(), minlength=len(cut))
    for _ in range(3):
        remaining = np.bincount(faces[~cut[faces].any(axis=1)].ravel(), minlength=len(cut))
        cut = cut | ((remaining <= 1) & (remaining < whole))
    return cut


def _cavities(vertices: NDArray, faces: NDArray, landmarks: NDArray) -> NDArray[np.bool_]:
    """(V,) bool: what lies behind the rims of mouth and eyes, deeper than lips and lids are thick."""
    graph = edge_graph(vertices, faces)
    rim = np.unique(np.concatenate([_closed_path(graph, landmarks[indices]) for indices in RIMS]))
    free = np.ones(len(vertices), bool)
    free[rim] = False
    labels = connected_component_labels(faces_to_edges(faces[free[faces].all(axis=1)]), len(vertices))
    behind = free & (labels != labels[landmarks[NASION]])
    mouth_width = np.linalg.norm(np.subtract(*vertices[landmarks[list(MOUTH_CORNERS)]]))
    return behind & (dijkstra(graph, directed=False, indices=rim, min_only=True) > CAVITY_DEPTH * mouth_width)


def _closed_path(graph: sparse.csr_matrix, stations: NDArray) -> NDArray[np.int64]:
    """Vertices of the shortest path along edges that visits the stations in turn and returns to the first."""
    _, predecessors = dijkstra(graph, directed=False, indices=stations, return_predecessors=True)
    path = []
    for row, vertex in enumerate(np.roll(stations, -1)):
        while vertex >= 0:
            path.append(vertex)
            vertex = predecessors[row, vertex]
    return np.array(path)


def _connected_part(faces: NDArray, inside: NDArray[np.bool_], landmarks: NDArray) -> NDArray[np.bool_]:
    """(V,) bool: the connected part of `inside`, joined by whole faces, that holds all landmarks."""
    inner = faces[inside[faces].all(axis=1)]
    labels = connected_component_labels(faces_to_edges(inner), len(inside))
    part = np.zeros(len(inside), bool)
    part[inner] = True
    part &= labels == np.bincount(labels[landmarks]).argmax()
    lost = np.flatnonzero(~part[landmarks])
    if len(lost):
        raise ValueError(f"landmark {lost[0]} is cut off from the face; check that it lies on the skin of the face")
    return part


def _pockets(faces: NDArray, rest: NDArray[np.bool_], distance: NDArray[np.float64], depth: float) -> NDArray[np.bool_]:
    """(V,) bool: connected parts of `rest` of which no vertex lies farther than `depth` from the seam."""
    inner = np.asarray(faces_to_edges(faces))
    labels = connected_component_labels(inner[rest[inner].all(axis=1)], len(rest))
    farthest = np.zeros(labels.max() + 1)
    np.maximum.at(farthest, labels, distance)
    return rest & (farthest[labels] <= depth)


def _extend(
    displacement: NDArray[np.float64], vertices: NDArray, faces: NDArray, unknown: NDArray[np.bool_], smooth: bool
) -> None:
    """Fill the unknown rows of (V, n) displacements in place, from the known rows around them.

    Args:
        smooth: minimise the squared Laplacian, so that there is no kink at the border; else make it zero, so that
            nothing overshoots.
    """
    if not unknown.any():
        return
    weights = edge_graph(vertices, faces)
    weights.data = 1 / weights.data
    degree = np.asarray(weights.sum(axis=1)).ravel()
    laplacian = sparse.csr_matrix(sparse.diags(degree) - weights)
    if smooth:
        laplacian = sparse.csr_matrix(sparse.diags(1 / np.maximum(degree, 1e-300)) @ laplacian)
        rows = np.flatnonzero(np.diff(laplacian[:, unknown].indptr))
    else:
        rows = np.flatnonzero(unknown)
    laplacian = laplacian[rows]
    inner, outer = laplacian[:, unknown], laplacian[:, ~unknown]
    right = -(outer @ displacement[~unknown])
    # The least-squares rows reach one ring of vertices into the known part, which makes the slopes continuous.
    system, right = (inner.T @ inner, inner.T @ right) if smooth else (inner, right)
    displacement[unknown] = splu(system.tocsc()).solve(right)
