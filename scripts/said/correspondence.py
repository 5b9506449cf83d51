"""Triangle correspondence between two faces (Sumner & Popovic 2004, Sec. 4.1).

The source is deformed onto the target: landmarks are hard constraints, and smoothness, identity and closest-point
terms are minimised, the weight of the closest points rising over a few rounds. Then each triangle is paired with those
whose centroids are nearest, among those with compatible normals. Lengths are measured in mean edges of the source, so
that nothing depends on the unit of length.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sparse
import trimesh
from jaxtyping import Integer
from numpy.typing import ArrayLike, NDArray
from scipy.sparse.linalg import splu
from scipy.spatial import cKDTree  # pyright: ignore[reportAttributeAccessIssue]  # it is compiled and has no stub

from said.landmarks import LANDMARKS, LOWER_INNER_LIP, MOUTH_CORNERS, UPPER_INNER_LIP
from said.meshes import (
    Similarity,
    boundary_vertices,
    fit_similarity,
    geodesic_distance,
    unique_edges,
    vertex_normals,
)  # fmt: skip
from said.plausibility import (
    require_finite,
    require_landmarks,
    require_one_winding,
    require_outward,
    require_same_side,
    require_similar_landmarks,
)  # fmt: skip
from said.running.shapes import shaped

_SMOOTHNESS, _IDENTITY = 1.0, 1e-3
_CLOSEST_WEIGHTS = (0.0, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0)  # per vertex, with distances in mean edges
_NEIGHBOURS = 24  # candidates among which a compatible normal is sought
_PARTNERS, _PARTNER_REACH = 6, 0.7  # the most source faces of a target face, and their largest distance in mean edges
_PARTNER_RATIO, _EXACT = 4.0, 1e-6  # the same in distances of the nearest one, and what counts as no distance
_BACK_REACH = 1.5  # the largest distance of a source face's target face, in mean edges of the target


@shaped
def find_correspondence(
    source: trimesh.Trimesh,
    target: trimesh.Trimesh,
    source_landmarks: Integer[np.ndarray, " L"] | Sequence,
    target_landmarks: Integer[np.ndarray, " L"] | Sequence,
) -> Integer[np.ndarray, "P 2"]:
    """Pairs of corresponding triangles on two faces.

    Args:
        source, target: neutral faces, with any meshes, units of length and poses.
        source_landmarks, target_landmarks: (L,) int vertex indices of the same L >= 4 points; 68 are taken for those
            of the iBUG scheme, whose inner lips then keep the upper lip apart from the lower.

    Returns:
        (P, 2) int, pairs (source face, target face), many to many, sorted by target face. Every target face
        occurs at least once, with a source face whose normal is less than 90 degrees away wherever one is near.
        Meshes that differ by a similarity alone are paired one to one.

    Raises:
        ValueError: landmarks that differ in number, are repeated, out of range or in the wrong places or order;
            meshes that are not finite, or whose triangles face inwards.
    """
    landmarks = _checked_landmarks(source, target, source_landmarks, target_landmarks)
    registered, scene = _register(source, target, *landmarks)
    return _pair_faces(registered, scene, np.asarray(source.faces), np.asarray(target.faces))


def register(
    source: trimesh.Trimesh, target: trimesh.Trimesh, source_landmarks: ArrayLike, target_landmarks: ArrayLike
) -> NDArray[np.float64]:
    """(Vs, 3) vertices of the source, deformed onto the target; arguments and errors are `find_correspondence`'s."""
    landmarks = _checked_landmarks(source, target, source_landmarks, target_landmarks)
    registered, scene = _register(source, target, *landmarks)
    return scene.to_target(registered)


# ------------------------------------------------------------------------------------------ registration


@dataclass(frozen=True)
class _Scene:
    """Both meshes in the source's frame, in its mean edges, and on which side of the mouth each vertex lies."""

    source: NDArray[np.float64]
    target: NDArray[np.float64]
    source_side: NDArray[np.float64]
    target_side: NDArray[np.float64]
    normalise: Similarity
    align: Similarity

    def to_target(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Points (n, 3) of the scene in the target's own frame and unit."""
        normalise, align = self.normalise, self.align
        points = (points - normalise.translation) / normalise.scale
        return (points - align.translation) @ align.rotation / align.scale


def _checked_landmarks(
    source: trimesh.Trimesh, target: trimesh.Trimesh, source_landmarks: ArrayLike, target_landmarks: ArrayLike
) -> tuple[NDArray, NDArray]:
    source_landmarks, target_landmarks = np.asarray(source_landmarks), np.asarray(target_landmarks)
    if source_landmarks.shape != target_landmarks.shape or source_landmarks.ndim != 1 or source_landmarks.size < 4:
        raise ValueError(
            "both meshes need the same number of landmarks, at least 4, "
            f"got {source_landmarks.shape} and {target_landmarks.shape}"
        )
    for name, mesh, marks in (("source", source, source_landmarks), ("target", target, target_landmarks)):
        if not np.issubdtype(marks.dtype, np.integer) or marks.min() < 0 or marks.max() >= len(mesh.vertices):
            raise ValueError(f"the {name}'s landmarks must be vertex indices in [0, {len(mesh.vertices)})")
        if len(np.unique(marks)) < len(marks):
            repeated = np.nonzero(np.bincount(marks) > 1)[0]
            raise ValueError(f"the {name}'s landmarks name vertex {repeated[0]} twice")
        require_finite(mesh.vertices, f"{name}: ", marks)
        if len(marks) == LANDMARKS:
            require_landmarks(mesh.vertices, marks, f"{name}: ")
            require_outward(mesh.vertices, np.asarray(mesh.faces), marks, f"{name}: ")
        require_one_winding(np.asarray(mesh.faces), f"{name}: ")
    if len(source_landmarks) != LANDMARKS:
        _check_alike(source, target, source_landmarks, target_landmarks)
    return source_landmarks, target_landmarks


def _check_alike(
    source: trimesh.Trimesh, target: trimesh.Trimesh, source_landmarks: NDArray, target_landmarks: NDArray
) -> None:
    """Refuse landmarks of no known scheme that lie in other places of one mesh than of the other."""
    source_vertices, target_vertices = np.asarray(source.vertices), np.asarray(target.vertices)
    source_points, target_points = source_vertices[source_landmarks], target_vertices[target_landmarks]
    require_similar_landmarks(source_points, target_points)
    turn = fit_similarity(source_points, target_points).rotation
    source_normals = vertex_normals(source_vertices, np.asarray(source.faces))[source_landmarks]
    target_normals = vertex_normals(target_vertices, np.asarray(target.faces))[target_landmarks]
    require_same_side(source_normals @ turn.T, target_normals)


def _register(
    source: trimesh.Trimesh, target: trimesh.Trimesh, source_landmarks: NDArray, target_landmarks: NDArray
) -> tuple[NDArray[np.float64], _Scene]:
    """(Vs, 3) vertices of the source deformed onto the target, in the scene's frame, and the scene."""
    scene = _scene(source, target, source_landmarks, target_landmarks)
    faces = np.asarray(source.faces)
    count = len(scene.source)
    gradient = _full_gradient(scene.source, faces)
    smoothness = _face_differences(faces) @ gradient
    identity = np.tile(np.eye(3), (len(faces), 1))
    quadratic = _SMOOTHNESS * (smoothness.T @ smoothness) + _IDENTITY * (gradient.T @ gradient)
    linear = _IDENTITY * (gradient.T @ identity)

    target_faces = np.asarray(target.faces)
    target_normals = vertex_normals(scene.target, target_faces)
    on_boundary = np.zeros(len(scene.target), bool)
    on_boundary[boundary_vertices(target_faces)] = True
    used = np.unique(target_faces)
    tree = cKDTree(_features(scene.target[used], scene.target_side[used]))

    unknown = np.setdiff1d(np.arange(quadratic.shape[0]), source_landmarks)
    pinned = scene.target[target_landmarks]
    moving = np.unique(faces)
    positions = scene.source
    for weight in _CLOSEST_WEIGHTS:
        valid, points = moving[:0], np.empty((0, 3))
        if weight > 0:
            valid, points = _closest_points(positions, faces, moving, scene, used, tree, target_normals, on_boundary)
        diagonal = np.zeros(quadratic.shape[0])
        diagonal[valid] = weight
        right = linear.copy()
        right[valid] += weight * points
        system = (quadratic + sparse.diags(diagonal)).tocsc()
        right = right[unknown] - system[unknown][:, source_landmarks] @ pinned
        answer = np.empty((quadratic.shape[0], 3))
        answer[source_landmarks] = pinned
        # Unused vertices have empty rows; the shift keeps them from making the system singular.
        shifted = system[unknown][:, unknown] + 1e-12 * sparse.eye(len(unknown))
        answer[unknown] = splu(shifted.tocsc(), permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0,
                               options=dict(SymmetricMode=True)).solve(right)  # fmt: skip
        positions = answer[:count]
    return positions, scene


def _scene(
    source: trimesh.Trimesh, target: trimesh.Trimesh, source_landmarks: NDArray, target_landmarks: NDArray
) -> _Scene:
    source_vertices, target_vertices = np.asarray(source.vertices), np.asarray(target.vertices)
    align = fit_similarity(target_vertices[target_landmarks], source_vertices[source_landmarks])
    edges = unique_edges(np.asarray(source.faces))
    edge = np.linalg.norm(source_vertices[edges[:, 0]] - source_vertices[edges[:, 1]], axis=1).mean()
    centre = source_vertices[source_landmarks].mean(axis=0)
    normalise = Similarity(1 / edge, np.eye(3), -centre / edge)
    return _Scene(
        normalise(source_vertices),
        normalise(align(target_vertices)),
        _mouth_side(source, source_landmarks),
        _mouth_side(target, target_landmarks),
        normalise,
        align,
    )


def _mouth_side(mesh: trimesh.Trimesh, landmarks: NDArray) -> NDArray[np.float64]:
    """(V,) in [-1, 1]: how far below or above the mouth each vertex lies, by distances along the surface.

    By distance through space, the upper lip would be matched with the lower where they touch.
    """
    vertices, faces = np.asarray(mesh.vertices), np.asarray(mesh.faces)
    if len(landmarks) != LANDMARKS:
        return np.zeros(len(vertices))
    width = np.linalg.norm(np.subtract(*vertices[landmarks[list(MOUTH_CORNERS)]]))
    upper = geodesic_distance(vertices, faces, landmarks[list(UPPER_INNER_LIP)])
    lower = geodesic_distance(vertices, faces, landmarks[list(LOWER_INNER_LIP)])
    unreachable = ~np.isfinite(upper) | ~np.isfinite(lower)
    difference = np.where(unreachable, 0.0, np.where(unreachable, 0, lower) - np.where(unreachable, 0, upper))
    return np.clip(difference / (0.15 * width), -1, 1)


def _features(points: NDArray[np.float64], side: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n, 4) points with the side of the mouth as fourth coordinate, which puts three mean edges between the lips."""
    return np.column_stack([points, 1.5 * side])


def _closest_points(
    positions: NDArray[np.float64],
    faces: NDArray,
    moving: NDArray,
    scene: _Scene,
    used: NDArray,
    tree: cKDTree,
    target_normals: NDArray[np.float64],
    on_boundary: NDArray[np.bool_],
) -> tuple[NDArray, NDArray[np.float64]]:
    """Source vertices with a valid closest point on the target, and these points, each on the plane of a vertex there.

    A point is valid if the normals are less than 90 degrees apart and it is not on the target's boundary, where the
    surface merely ends.
    """
    normals = vertex_normals(positions, faces)[moving]
    _, near = tree.query(_features(positions[moving], scene.source_side[moving]), k=8)
    near = used[near]
    compatible = np.einsum("vkc,vc->vk", target_normals[near], normals) > 0
    first = compatible.argmax(axis=1)
    chosen = near[np.arange(len(moving)), first]
    valid = compatible.any(axis=1) & ~on_boundary[chosen]
    offset = positions[moving] - scene.target[chosen]
    normal = target_normals[chosen]
    tangential = offset - (offset * normal).sum(axis=1, keepdims=True) * normal
    # Sliding along the plane is free near the vertex; farther away the plane departs from the surface.
    reach = np.linalg.norm(tangential, axis=1, keepdims=True)
    points = scene.target[chosen] + tangential * np.minimum(1, 0.7 / np.maximum(reach, 1e-12))
    return moving[valid], points[valid]


def _full_gradient(vertices: NDArray[np.float64], faces: NDArray) -> sparse.csr_matrix:
    """(3F, V + F) operator from the vertices and an apex of each face to the transposed deformation gradients, stacked.

    The apex is Sumner & Popovic's fourth vertex, which gives a triangle's affine map its third direction.
    """
    first = vertices[faces[:, 0]]
    edge, next_edge = vertices[faces[:, 1]] - first, vertices[faces[:, 2]] - first
    normal = np.cross(edge, next_edge)
    normal /= np.maximum(np.linalg.norm(normal, axis=1), 1e-12)[:, None] ** 0.5
    frame = np.stack([edge, next_edge, normal], axis=2)
    inverse = np.linalg.pinv(frame, rcond=1e-9)  # (F, 3, 3): T = [e1 e2 e4] inverse
    count, total = len(vertices), len(faces)
    corners = np.concatenate([faces, count + np.arange(total)[:, None]], axis=1)
    blocks = np.concatenate([-inverse.sum(axis=1, keepdims=True), inverse], axis=1)  # (F, 4, 3)
    rows = np.broadcast_to(3 * np.arange(total)[:, None, None] + np.arange(3), blocks.shape)
    columns = np.broadcast_to(corners[:, :, None], blocks.shape)
    return sparse.csr_matrix((blocks.ravel(), (rows.ravel(), columns.ravel())), (3 * total, count + total))


def _face_differences(faces: NDArray) -> sparse.csr_matrix:
    """(3A, 3F) differences of the gradients of faces that share an edge."""
    edges = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), axis=1)
    owner = np.tile(np.arange(len(faces)), 3)
    order = np.lexsort(edges.T)
    edges, owner = edges[order], owner[order]
    same = (edges[1:] == edges[:-1]).all(axis=1)
    face, neighbour = owner[:-1][same], owner[1:][same]
    rows = np.arange(len(face))
    shape = (len(face), len(faces))
    pairs = sparse.csr_matrix((np.ones(len(face)), (rows, face)), shape)
    pairs = pairs - sparse.csr_matrix((np.ones(len(face)), (rows, neighbour)), shape)
    return sparse.csr_matrix(sparse.kron(pairs, sparse.eye(3), format="csr"))


# ------------------------------------------------------------------------------------------ pairing


def _pair_faces(
    registered: NDArray[np.float64], scene: _Scene, source_faces: NDArray, target_faces: NDArray
) -> NDArray[np.int64]:
    source = _face_features(registered, scene.source_side, source_faces)
    target = _face_features(scene.target, scene.target_side, target_faces)
    source_normals = trimesh.Trimesh(registered, source_faces, process=False).face_normals
    target_normals = trimesh.Trimesh(scene.target, target_faces, process=False).face_normals

    partner, _ = _nearest_compatible(target, target_normals, source, source_normals)
    nearest = np.stack([partner, np.arange(len(target_faces))], axis=1)
    # The mean deformation of several partners within reach is smoother than that of the nearest.
    distance, near = cKDTree(source).query(target, k=min(_PARTNERS, len(source)))
    compatible = np.einsum("tkc,tc->tk", source_normals[near], target_normals) > 0
    comparable = distance < np.minimum(_PARTNER_REACH, _PARTNER_RATIO * distance[:, :1] + _EXACT)
    face, rank = np.nonzero(compatible & comparable)
    within_reach = np.stack([near[face, rank], face], axis=1)
    # And from the source to the target, so that no triangle's motion is lost where the source is the finer mesh.
    partner, distance = _nearest_compatible(source, source_normals, target, target_normals)
    close = distance < _BACK_REACH * _mean_edge(scene.target, target_faces)
    back = np.stack([np.arange(len(source_faces)), partner], axis=1)[close]
    pairs = np.unique(np.concatenate([nearest, within_reach, back]), axis=0)
    return pairs[np.lexsort((pairs[:, 0], pairs[:, 1]))]


def _face_features(vertices: NDArray[np.float64], side: NDArray[np.float64], faces: NDArray) -> NDArray[np.float64]:
    return _features(vertices[faces].mean(axis=1), side[faces].mean(axis=1))


def _mean_edge(vertices: NDArray[np.float64], faces: NDArray) -> float:
    edges = unique_edges(faces)
    return np.linalg.norm(vertices[edges[:, 0]] - vertices[edges[:, 1]], axis=1).mean()


def _nearest_compatible(
    queries: NDArray[np.float64],
    query_normals: NDArray[np.float64],
    points: NDArray[np.float64],
    normals: NDArray[np.float64],
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Index of the nearest point whose normal is less than 90 degrees away, and its distance, inf where there is none.

    Where there is none, the index is that of the candidate with the least opposed normal.
    """
    neighbours = min(_NEIGHBOURS, len(points))
    distance, near = cKDTree(points).query(queries, k=neighbours)
    distance, near = distance.reshape(len(queries), -1), near.reshape(len(queries), -1)
    agreement = np.einsum("qkc,qc->qk", normals[near], query_normals)
    compatible = agreement > 0
    chosen = np.where(compatible.any(axis=1), compatible.argmax(axis=1), agreement.argmax(axis=1))
    row = np.arange(len(queries))
    return near[row, chosen], np.where(compatible.any(axis=1), distance[row, chosen], np.inf)
