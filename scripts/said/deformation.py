"""Deformation transfer for triangle meshes (Sumner & Popovic 2004), the second half of Sec. 4.1.

Each target triangle is to deform like its partners on the source. With the fourth vertex of every triangle
eliminated, least squares over the target's vertices becomes a Poisson equation for the displacement
(Botsch et al. 2006, "Deformation transfer for detail-preserving surface editing", prove the equivalence):

    G' A G  d = G' A (S - I)

G is the gradient operator of the target, A holds the areas of its triangles, S the mean deformation gradient of
each triangle's partners, rotated into the target's frame. One factorisation serves all expressions.
"""

from collections.abc import Sequence

import numpy as np
import scipy.sparse as sparse
import trimesh
from jaxtyping import Float64, Integer, Real
from numpy.typing import ArrayLike, NDArray
from scipy.sparse.linalg import splu
from trimesh.geometry import faces_to_edges
from trimesh.graph import connected_component_labels

from said.correspondence import find_correspondence, register
from said.meshes import Similarity, dissected, edge_graph, fit_similarity
from said.plausibility import require_finite
from said.running.shapes import shaped
from said.units import size_fault, size_of

__all__ = ["find_correspondence", "flipped_faces", "register", "transfer"]

_STILL = 1e-3  # of the largest displacement: triangles that move less anchor the translation
_MANY = 20_000  # vertices from which an order of their own pays
_TIE = 1e-6  # of the weight of a sound triangle


@shaped
def transfer(
    source: trimesh.Trimesh,
    deformed: Real[np.ndarray, "E Vs 3"] | Sequence,
    target: trimesh.Trimesh,
    correspondence: Integer[np.ndarray, "P 2"] | Sequence,
) -> Float64[np.ndarray, "E Vt 3"]:
    """Give the target the deformations of the source.

    The equations leave a translation of each connected component open. It is chosen so that the parts whose partners
    stand still do so too; where none of them does, the mean displacement is that of the partners. Vertices without
    faces keep their place. The result does not depend on the unit of length, and follows rigid motions and uniform
    scalings of the target.

    Args:
        source: the neutral source face, with Vs vertices.
        deformed: (E, Vs, 3) absolute vertices of its E expressions.
        target: the neutral target face, with Vt vertices.
        correspondence: (P, 2) int pairs (source face, target face), with every target face at least once.

    Returns:
        (E, Vt, 3) float64 absolute vertices of the target's expressions, in the target's unit.

    Raises:
        ValueError: wrong shapes, faces out of range or without a partner, values that are not finite, expressions
            in another unit of length than the source.
    """
    expressions, pairs = _checked(source, deformed, target, correspondence)
    source_vertices, source_faces = np.asarray(source.vertices, float), np.asarray(source.faces)
    target_vertices, target_faces = np.asarray(target.vertices, float), np.asarray(target.faces)
    count, total = len(expressions), len(target_faces)

    partners = _partner_mean(pairs, len(source_faces), total)
    frame = _frame(source_vertices, source_faces, target_vertices, target_faces, pairs)

    change = deformation_gradients(source_vertices, source_faces, expressions) - np.eye(3)
    change = frame.rotation @ change @ frame.rotation.T
    change = partners @ change.transpose(1, 0, 2, 3).reshape(len(source_faces), -1)
    # Rows of G are (face, input axis); the right-hand side is wanted per (expression, output axis).
    change = change.reshape(total, count, 3, 3).transpose(0, 3, 1, 2).reshape(3 * total, -1)

    displacement = _solve_poisson(target_vertices, target_faces, change).reshape(-1, count, 3)
    displacement = displacement.transpose(1, 0, 2)

    motion = (expressions - source_vertices)[:, source_faces].mean(axis=2)  # of the source's faces
    motion = partners @ motion.transpose(1, 0, 2).reshape(len(source_faces), -1)
    motion = motion.reshape(total, count, 3).transpose(1, 0, 2) @ frame.rotation.T * frame.scale
    _anchor(displacement, motion, target_vertices, target_faces)
    return target_vertices + displacement


def deformation_gradients(vertices: ArrayLike, faces: NDArray, deformed: ArrayLike) -> NDArray[np.float64]:
    """The affine map of every triangle to its deformed form.

    The third direction is the normal, divided by the square root of its length as in Sumner & Popovic's Eq. 1.
    Collapsed triangles of the undeformed mesh get the identity.

    Args:
        vertices: (V, 3).
        faces: (F, 3) int.
        deformed: (E, V, 3).

    Returns:
        (E, F, 3, 3).
    """
    rest = _frames(np.asarray(vertices)[None], faces)[0]
    determinant = np.linalg.det(rest)
    sound = determinant > 1e-9 * np.median(determinant)
    inverse = np.linalg.inv(np.where(sound[:, None, None], rest, np.eye(3)))
    gradients = _frames(np.asarray(deformed), faces) @ inverse
    gradients[:, ~sound] = np.eye(3)
    return gradients


def flipped_faces(vertices: ArrayLike, faces: NDArray, deformed: ArrayLike) -> NDArray[np.bool_]:
    """Which faces a deformation turns by 90 degrees or more, or collapses to less than 1 % of their area.

    Faces that are collapsed at rest have no side to turn, and are none of them.

    Args:
        vertices: (V, 3).
        faces: (F, 3) int.
        deformed: (E, V, 3).

    Returns:
        (E, F) bool.
    """
    rest = _area_vectors(np.asarray(vertices), faces)
    moved = _area_vectors(np.asarray(deformed), faces)
    size = np.linalg.norm(rest, axis=-1)
    flipped = ((moved * rest).sum(axis=-1) <= 0) | (np.linalg.norm(moved, axis=-1) < 0.01 * size)
    return flipped & _sound(size)


def _checked(
    source: trimesh.Trimesh, deformed: ArrayLike, target: trimesh.Trimesh, correspondence: ArrayLike
) -> tuple[NDArray[np.float64], NDArray]:
    deformed = np.asarray(deformed, float)
    correspondence = np.asarray(correspondence)
    if deformed.ndim != 3 or deformed.shape[1:] != source.vertices.shape:
        raise ValueError(f"deformed must be (E, {len(source.vertices)}, 3) as the source, got {deformed.shape}")
    if not np.isfinite(deformed).all():
        expression, vertex, _ = (int(i[0]) for i in np.nonzero(~np.isfinite(deformed)))
        raise ValueError(f"expression {expression}: vertex {vertex} is not finite")
    expected = float(size_of(source.vertices))
    for expression, size in enumerate(size_of(deformed)):
        if fault := size_fault(size, expected):
            raise ValueError(f"expression {expression}, beside the neutral source, {fault}")
    if correspondence.ndim != 2 or correspondence.shape[1] != 2:
        raise ValueError(f"correspondence must be (P, 2) pairs of faces, got {correspondence.shape}")
    for column, (name, mesh) in enumerate((("source", source), ("target", target))):
        require_finite(mesh.vertices, f"{name}: ")
        faces = correspondence[:, column]
        if len(faces) and (faces.min() < 0 or faces.max() >= len(mesh.faces)):
            raise ValueError(f"correspondence names a {name} face outside [0, {len(mesh.faces)})")
    lacking = np.setdiff1d(np.arange(len(target.faces)), correspondence[:, 1])
    if len(lacking):
        raise ValueError(f"{len(lacking)} target faces have no partner (the first is {lacking[0]})")
    return deformed, correspondence


def _partner_mean(correspondence: NDArray, sources: int, targets: int) -> sparse.csr_matrix:
    """(target faces, source faces) matrix that averages over the partners of each target face."""
    pairs = np.unique(correspondence, axis=0)
    share = 1.0 / np.bincount(pairs[:, 1], minlength=targets)[pairs[:, 1]]
    return sparse.csr_matrix((share, (pairs[:, 1], pairs[:, 0])), shape=(targets, sources))


def _frame(
    source_vertices: NDArray[np.float64],
    source_faces: NDArray,
    target_vertices: NDArray[np.float64],
    target_faces: NDArray,
    correspondence: NDArray,
) -> Similarity:
    """The similarity that carries the source onto the target, from the centroids of paired triangles."""
    source_centroids = source_vertices[source_faces[correspondence[:, 0]]].mean(axis=1)
    target_centroids = target_vertices[target_faces[correspondence[:, 1]]].mean(axis=1)
    weights = np.linalg.norm(_area_vectors(target_vertices, target_faces), axis=1)[correspondence[:, 1]]
    return fit_similarity(source_centroids, target_centroids, weights)


def _area_vectors(vertices: NDArray, faces: NDArray) -> NDArray[np.float64]:
    """(..., F, 3) normals of the triangles of (..., V, 3) vertices, twice their area long."""
    first = vertices[..., faces[:, 0], :]
    return np.cross(vertices[..., faces[:, 1], :] - first, vertices[..., faces[:, 2], :] - first)


def _sound(areas: NDArray[np.float64]) -> NDArray[np.bool_]:
    """(F,) which triangles are not collapsed, by their areas or the lengths of their normals."""
    return areas > 1e-9 * np.median(areas) if len(areas) else np.zeros(0, bool)


def _frames(vertices: NDArray, faces: NDArray) -> NDArray[np.float64]:
    """(E, F, 3, 3): columns are two edges and the scaled normal of every triangle."""
    first = vertices[:, faces[:, 0]]
    edge, next_edge = vertices[:, faces[:, 1]] - first, vertices[:, faces[:, 2]] - first
    normal = np.cross(edge, next_edge)
    length = np.linalg.norm(normal, axis=-1, keepdims=True)
    normal /= np.sqrt(np.where(length > 0, length, 1.0))
    return np.stack([edge, next_edge, normal], axis=-1)


def gradient_operator(vertices: NDArray, faces: NDArray) -> tuple[sparse.csr_matrix, NDArray[np.float64]]:
    """The gradient on each face of a function that is given at the vertices.

    Args:
        vertices: (V, 3).
        faces: (F, 3) int.

    Returns:
        (3F, V) operator, three rows per face, and the (F,) areas. Collapsed triangles get the gradient zero, so that
        they have no influence.
    """
    normals = _area_vectors(vertices, faces)
    double_area = np.linalg.norm(normals, axis=1)
    sound = _sound(double_area)
    scaled = np.where(sound[:, None], normals, 0) / np.where(sound, double_area, 1)[:, None] ** 2
    # The gradient of a corner's hat function: the opposite edge turned by 90 degrees, over twice the area.
    corners = [np.cross(scaled, vertices[faces[:, (i + 2) % 3]] - vertices[faces[:, (i + 1) % 3]]) for i in range(3)]
    blocks = np.stack(corners, axis=1)  # (F, corner, axis)
    rows = np.broadcast_to(3 * np.arange(len(faces))[:, None, None] + np.arange(3), blocks.shape)
    columns = np.broadcast_to(faces[:, :, None], blocks.shape)
    operator = sparse.csr_matrix((blocks.ravel(), (rows.ravel(), columns.ravel())), (3 * len(faces), len(vertices)))
    return operator, double_area / 2


def _components(faces: NDArray, count: int) -> tuple[NDArray, NDArray]:
    """(V,) label of each vertex's connected component, and the vertices that have faces."""
    return connected_component_labels(faces_to_edges(faces), count), np.unique(faces)


def _solve_poisson(vertices: NDArray[np.float64], faces: NDArray, change: NDArray[np.float64]) -> NDArray[np.float64]:
    """(V, n) displacements whose gradients come closest to `change` (3F, n), with one vertex per component fixed."""
    operator, areas = gradient_operator(vertices, faces)
    weighted = operator.T @ sparse.diags(np.repeat(areas, 3))
    laplacian, right = weighted @ operator, weighted @ change
    ties = _ties(vertices, faces, areas)
    if ties is not None:
        laplacian = laplacian + ties
    labels, used = _components(faces, len(vertices))
    held = used[np.unique(labels[used], return_index=True)[1]]
    free = np.setdiff1d(used, held)
    # Cotangent weights have no dimension, so that the system is the same in every unit.
    system = laplacian[free][:, free]
    own_order = "MMD_AT_PLUS_A"
    if len(free) > _MANY:
        order, own_order = dissected(system, vertices[free]), "NATURAL"
        system, free = system[order][:, order], free[order]
    factor = splu(system.tocsc(), permc_spec=own_order, diag_pivot_thresh=0.0, options=dict(SymmetricMode=True))
    displacement = np.zeros((len(vertices), change.shape[1]))
    displacement[free] = factor.solve(right[free])
    return displacement


def _ties(vertices: NDArray[np.float64], faces: NDArray, areas: NDArray[np.float64]) -> sparse.csr_matrix | None:
    """What holds together what collapsed triangles alone connect, so that it moves alike; None where nothing hangs so.

    Such triangles have no gradient, and the equations would leave a vertex open that has no others.
    """
    sound = _sound(areas)
    if sound.all():
        return None
    pieces, used = _components(faces[sound], len(vertices))[0], np.unique(faces)
    if len(np.unique(pieces[used])) == len(np.unique(_components(faces, len(vertices))[0][used])):
        return None
    lengths = edge_graph(vertices, faces[~sound]).tocoo()
    # Weak beside the triangles' own weights of about 1, but firm where two vertices lie in one place.
    weights = _TIE * np.median(lengths.data) / np.maximum(lengths.data, _TIE * np.median(lengths.data))
    springs = sparse.csr_matrix((weights, (lengths.row, lengths.col)), lengths.shape)
    return sparse.csr_matrix(sparse.diags(np.asarray(springs.sum(axis=1)).ravel()) - springs)


def _anchor(
    displacement: NDArray[np.float64], motion: NDArray[np.float64], vertices: NDArray[np.float64], faces: NDArray
) -> None:
    """Translate each component of (E, V, 3) displacements, in place, by the partners' `motion` (E, F, 3)."""
    labels, used = _components(faces, len(vertices))
    areas = np.linalg.norm(_area_vectors(vertices, faces), axis=1)
    of_face = displacement[:, faces].mean(axis=2)
    speed = np.linalg.norm(motion, axis=2)
    still = speed <= _STILL * speed.max(axis=1, keepdims=True)
    for label in np.unique(labels[used]):
        own = labels[faces[:, 0]] == label
        for expression in range(len(displacement)):
            chosen = own & still[expression]
            if areas[chosen].sum() < 0.02 * areas[own].sum():
                chosen = own
            weight = areas[chosen] / areas[chosen].sum()
            shift = weight @ (motion[expression, chosen] - of_face[expression, chosen])
            displacement[expression, (labels == label)] += shift
