"""Corners of the mouth that no expression turns inside out.

Where the lips meet, a triangle's one edge follows the upper lip and another the lower: an open jaw turns it over. There
the motion is replaced by the harmonic function that continues the motion around, over as small a region as will do.
"""

import numpy as np
import scipy.sparse as sparse
from numpy.typing import NDArray
from scipy.sparse.linalg import splu

from said.arkit import SPEECH_BLENDSHAPES
from said.deformation import flipped_faces
from said.meshes import edge_graph, geodesic_distance

_REACHES = (0.06, 0.09, 0.12, 0.15, 0.18)  # radii of the region, in widths of the mouth
_WATCHED = 0.3  # from the corners: where no triangle may turn over
_RINGS = range(1, 10)
_OPEN, _CLOSE = (SPEECH_BLENDSHAPES.index(name) for name in ("jawOpen", "mouthClose"))


def smooth_corners(
    vertices: NDArray[np.float64],
    faces: NDArray[np.int64],
    shapes: NDArray[np.float64],
    corners: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Shapes without triangles that turn over at the corners of the mouth, as far as that can be had.

    mouthClose, which brings the lips of an open jaw together and alone would push them past each other, is judged on
    top of jawOpen, and changed as jawOpen is, so that the two still cancel out between the lips.

    Args:
        vertices: (V, 3) at rest; faces: (F, 3) int.
        shapes: (32, V, 3) absolute positions.
        corners: (2,) the vertices of the corners.

    Returns:
        (32, V, 3).
    """
    width = float(np.linalg.norm(np.subtract(*vertices[corners])))
    apart = np.linalg.norm(vertices[:, None] - vertices[corners][None], axis=2).min(axis=1)
    along = geodesic_distance(vertices, faces, corners)
    watched = (apart < _WATCHED * width)[faces].any(axis=1)
    laplacian = _laplacian(vertices, faces)
    moves = shapes - vertices
    turned = _turned(vertices, faces, moves, watched)
    for reach in _REACHES:
        rows = np.flatnonzero(turned.any(axis=1))
        if not len(rows):
            return vertices + moves
        if np.isin((_OPEN, _CLOSE), rows).any():
            rows = np.union1d(rows, (_OPEN, _CLOSE))
        region = (apart < reach * width) & (along < 3 * reach * width)
        moves[rows] = _continued(laplacian, shapes[rows] - vertices, region)
        turned = _turned(vertices, faces, moves, watched)
    graph = laplacian != 0
    for rings in _RINGS:
        for row in np.setdiff1d(np.flatnonzero(turned.any(axis=1)), [_CLOSE]):
            region = np.zeros(len(vertices), bool)
            region[faces[turned[row]]] = True
            for _ in range(rings):
                region |= graph @ region
            rows = np.array([_OPEN, _CLOSE] if row == _OPEN else [row])
            moves[rows] = _continued(laplacian, moves[rows], region)
        turned = _turned(vertices, faces, moves, watched)
    return vertices + moves


def _turned(vertices: NDArray, faces: NDArray, moves: NDArray, watched: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(32, F) bool: the watched triangles that each of the displacements (32, V, 3) turns over."""
    poses = vertices + moves
    poses[_CLOSE] += moves[_OPEN]
    turned = np.zeros((len(moves), len(faces)), bool)
    turned[:, watched] = flipped_faces(vertices, faces[watched], poses)
    return turned


def _laplacian(vertices: NDArray, faces: NDArray) -> sparse.csr_matrix:
    weights = edge_graph(vertices, faces)
    weights.data = 1 / weights.data
    return sparse.csr_matrix(sparse.diags(np.asarray(weights.sum(axis=1)).ravel()) - weights)


def _continued(laplacian: sparse.csr_matrix, moves: NDArray[np.float64], region: NDArray[np.bool_]) -> NDArray:
    """Displacements (n, V, 3) with those in a region replaced by the harmonic continuation of those around it."""
    flat = moves.transpose(1, 0, 2).reshape(len(region), -1).copy()
    rows = laplacian[region]
    flat[region] = splu(rows[:, region].tocsc()).solve(-(rows[:, ~region] @ flat[~region]))
    return flat.reshape(len(region), -1, 3).transpose(1, 0, 2)
