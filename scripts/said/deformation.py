"""Deformation transfer for triangle meshes (Sumner & Popovic 2004), the second half of Sec. 4.1.

Each target triangle is to deform as its source triangles do. With the fourth vertex of every triangle
eliminated, least squares over the target's vertices is a Poisson equation for the displacement
(Botsch et al. 2006, "Deformation transfer for detail-preserving surface editing", prove the equivalence):

    G' A G  d = G' A (S - I)

G is the gradient operator of the target, A the areas of its triangles, S the mean deformation gradient of
each triangle's partners, turned into the target's frame. One factorisation serves all expressions.
"""

import numpy as np
import scipy.sparse as sparse
from scipy.sparse.linalg import splu
from trimesh.geometry import faces_to_edges
from trimesh.graph import connected_component_labels

from said.correspondence import find_correspondence, register
from said.meshes import Similarity, fit_similarity
from said.plausibility import require_finite
from said.units import size_fault, size_of

__all__ = ["find_correspondence", "flipped_faces", "register", "transfer"]

_STILL = 1e-3  # of the largest displacement: what moves less anchors the translation


def transfer(source, deformed, target, correspondence) -> np.ndarray:
    """Give the target the deformations of the source.

    The solution is free up to a translation per connected component, which is chosen so that the parts whose
    partners stand still do so too; where nothing stands still, the mean displacement is that of the partners.
    Vertices without faces keep their place. The result does not depend on the unit of length, and follows rigid
    motions and uniform scalings of the target.

    Args:
        source: trimesh.Trimesh with Vs vertices, the neutral source face.
        deformed: (E, Vs, 3) absolute vertices of its E expressions.
        target: trimesh.Trimesh with Vt vertices, the neutral target face.
        correspondence: (P, 2) int pairs (source face, target face), each target face at least once.

    Returns:
        (E, Vt, 3) float64 absolute vertices of the target's expressions, in the target's unit.

    Raises:
        ValueError: wrong shapes, faces out of range or without a partner, values that are not finite, expressions
            in another unit of length than the source.
    """
    deformed, correspondence = _checked(source, deformed, target, correspondence)
    source_vertices, source_faces = np.asarray(source.vertices, float), np.asarray(source.faces)
    target_vertices, target_faces = np.asarray(target.vertices, float), np.asarray(target.faces)
    expressions, total = len(deformed), len(target_faces)

    partners = _partner_mean(correspondence, len(source_faces), total)
    frame = _frame(source_vertices, source_faces, target_vertices, target_faces, correspondence)

    change = deformation_gradients(source_vertices, source_faces, deformed) - np.eye(3)
    change = frame.rotation @ change @ frame.rotation.T
    change = partners @ change.transpose(1, 0, 2, 3).reshape(len(source_faces), -1)
    # Rows of G are (face, input axis); the right-hand side is wanted per (expression, output axis).
    change = change.reshape(total, expressions, 3, 3).transpose(0, 3, 1, 2).reshape(3 * total, -1)

    displacement = _solve_poisson(target_vertices, target_faces, change).reshape(-1, expressions, 3)
    displacement = displacement.transpose(1, 0, 2)

    motion = (deformed - source_vertices)[:, source_faces].mean(axis=2)  # of the source's faces
    motion = partners @ motion.transpose(1, 0, 2).reshape(len(source_faces), -1)
    motion = motion.reshape(total, expressions, 3).transpose(1, 0, 2) @ frame.rotation.T * frame.scale
    _anchor(displacement, motion, target_vertices, target_faces)
    return target_vertices + displacement


def deformation_gradients(vertices, faces, deformed) -> np.ndarray:
    """(E, F, 3, 3) affine maps of every triangle of (V, 3) vertices to each of (E, V, 3) deformed vertices.

    The third direction is the normal, scaled by the square root of the area as in Sumner & Popovic's Eq. 1.
    Collapsed triangles of the undeformed mesh get the identity.
    """
    rest = _frames(np.asarray(vertices)[None], faces)[0]
    determinant = np.linalg.det(rest)
    sound = determinant > 1e-9 * np.median(determinant)
    inverse = np.linalg.inv(np.where(sound[:, None, None], rest, np.eye(3)))
    gradients = _frames(np.asarray(deformed), faces) @ inverse
    gradients[:, ~sound] = np.eye(3)
    return gradients


def flipped_faces(vertices, faces, deformed) -> np.ndarray:
    """(E, F) bool: faces that a deformation turns by more than 90 degrees or collapses to 1 % of their area."""
    rest = _area_vectors(np.asarray(vertices), faces)
    moved = _area_vectors(np.asarray(deformed), faces)
    size = np.linalg.norm(rest, axis=-1)
    return ((moved * rest).sum(axis=-1) <= 0) | (np.linalg.norm(moved, axis=-1) < 0.01 * size)


def _checked(source, deformed, target, correspondence):
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


def _partner_mean(correspondence, sources, targets):
    """(Ft, Fs) matrix that averages over the partners of each target face."""
    pairs = np.unique(correspondence, axis=0)
    share = 1.0 / np.bincount(pairs[:, 1], minlength=targets)[pairs[:, 1]]
    return sparse.csr_matrix((share, (pairs[:, 1], pairs[:, 0])), shape=(targets, sources))


def _frame(source_vertices, source_faces, target_vertices, target_faces, correspondence) -> Similarity:
    """The similarity that carries the source onto the target, from the centroids of paired triangles."""
    source_centroids = source_vertices[source_faces[correspondence[:, 0]]].mean(axis=1)
    target_centroids = target_vertices[target_faces[correspondence[:, 1]]].mean(axis=1)
    weights = np.linalg.norm(_area_vectors(target_vertices, target_faces), axis=1)[correspondence[:, 1]]
    return fit_similarity(source_centroids, target_centroids, weights)


def _area_vectors(vertices, faces):
    first = vertices[..., faces[:, 0], :]
    return np.cross(vertices[..., faces[:, 1], :] - first, vertices[..., faces[:, 2], :] - first)


def _frames(vertices, faces):
    """(E, F, 3, 3): columns are two edges and the scaled normal of every triangle."""
    first = vertices[:, faces[:, 0]]
    one, two = vertices[:, faces[:, 1]] - first, vertices[:, faces[:, 2]] - first
    normal = np.cross(one, two)
    length = np.linalg.norm(normal, axis=-1, keepdims=True)
    normal /= np.sqrt(np.where(length > 0, length, 1.0))
    return np.stack([one, two, normal], axis=-1)


def gradient_operator(vertices, faces):
    """((3F, V) gradients of a function on the vertices, stacked per face; (F,) areas).

    Collapsed triangles get the gradient zero, hence no say.
    """
    normals = _area_vectors(vertices, faces)
    double_area = np.linalg.norm(normals, axis=1)
    sound = double_area > 1e-9 * np.median(double_area)
    scaled = np.where(sound[:, None], normals, 0) / np.where(sound, double_area, 1)[:, None] ** 2
    # The gradient of a corner's hat function: the opposite edge turned by 90 degrees, over twice the area.
    corners = [np.cross(scaled, vertices[faces[:, (i + 2) % 3]] - vertices[faces[:, (i + 1) % 3]]) for i in range(3)]
    blocks = np.stack(corners, axis=1)  # (F, corner, axis)
    rows = np.broadcast_to(3 * np.arange(len(faces))[:, None, None] + np.arange(3), blocks.shape)
    columns = np.broadcast_to(faces[:, :, None], blocks.shape)
    operator = sparse.csr_matrix((blocks.ravel(), (rows.ravel(), columns.ravel())), (3 * len(faces), len(vertices)))
    return operator, double_area / 2


def _components(faces, count):
    """(V,) label of every vertex's connected component, and the vertices that have faces."""
    return connected_component_labels(faces_to_edges(faces), count), np.unique(faces)


def _solve_poisson(vertices, faces, change):
    """(V, n) displacements whose gradients come closest to `change` (3F, n), one vertex per component held."""
    operator, areas = gradient_operator(vertices, faces)
    weighted = operator.T @ sparse.diags(np.repeat(areas, 3))
    laplacian, right = weighted @ operator, weighted @ change
    labels, used = _components(faces, len(vertices))
    held = used[np.unique(labels[used], return_index=True)[1]]
    free = np.setdiff1d(used, held)
    # cotangent weights are dimensionless, so the system is the same in every unit
    factor = splu(
        laplacian[free][:, free].tocsc(),
        permc_spec="MMD_AT_PLUS_A",
        diag_pivot_thresh=0.0,
        options=dict(SymmetricMode=True),
    )
    displacement = np.zeros((len(vertices), change.shape[1]))
    displacement[free] = factor.solve(right[free])
    return displacement


def _anchor(displacement, motion, vertices, faces):
    """Shift each component of (E, V, 3) displacements, in place; `motion` (E, F, 3) is that of the partners."""
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
