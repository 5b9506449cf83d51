"""The surface behind a file's vertices: seams closed, coarse triangles divided, landmarks on vertices of their own."""

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sparse
import trimesh
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.spatial import cKDTree  # pyright: ignore[reportAttributeAccessIssue]  # it is compiled and has no stub
from trimesh.geometry import faces_to_edges
from trimesh.graph import connected_component_labels

from said.landmarks import CHIN, LANDMARKS, LOWER_INNER_LIP, MOUTH_CORNERS, NASION, UPPER_INNER_LIP
from said.meshes import boundary_vertices, edge_graph, geodesic_distance

_SAME_PLACE = 2e-5  # of chin to nasion: 2 um on a face
_FINE = 2500  # vertices that a skin needs for 68 landmarks and lips that bend
_OFF_SKIN = 0.08  # of chin to nasion: how far from the skin a landmark may lie
_SEALED = 0.35  # of the mouth's width: the way from lip to lip along the surface, where there is no opening


@dataclass(frozen=True)
class Surface:
    """A head as one surface, with each seam's vertices made one.

    Attributes:
        vertices: (W, 3); faces: (F, 3) int.
        rows: (V,) which of them each of the file's vertices is.
    """

    vertices: NDArray[np.float64]
    faces: NDArray[np.int64]
    rows: NDArray[np.int64]

    @property
    def components(self) -> NDArray[np.int64]:
        """(W,) label of each vertex's connected component."""
        return connected_component_labels(faces_to_edges(self.faces), len(self.vertices))


def weld(vertices: NDArray[np.float64], faces: NDArray[np.int64], height: float) -> Surface:
    """Make the vertices one that lie in one place at edges of a single triangle, as at seams of texture or material.

    Args:
        vertices: (V, 3); faces: (F, 3) int.
        height: from chin to nasion, in the vertices' unit.
    """
    ends = boundary_vertices(faces)
    pairs = cKDTree(vertices[ends]).query_pairs(_SAME_PLACE * height, output_type="ndarray")
    links = sparse.coo_matrix((np.ones(len(pairs)), ends[pairs].T), (len(vertices), len(vertices)))
    _, labels = sparse.csgraph.connected_components(links, directed=False)
    # In the order of the file's first vertex in each place, so that a split mesh is the unsplit one.
    first = np.unique(labels, return_index=True)[1]
    inverse = np.searchsorted(np.unique(labels), labels)
    order = np.argsort(first, kind="stable")
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    rows = rank[inverse]
    merged = rows[faces]
    proper = (merged != np.roll(merged, 1, axis=1)).all(axis=1)
    return Surface(vertices[first[order]], merged[proper], rows)


def refine(surface: Surface, component: int) -> Surface:
    """Divide the triangles of a component until it has enough vertices; the first W vertices stay as they are."""
    vertices, faces = surface.vertices, surface.faces
    own = surface.components[faces[:, 0]] == component
    part, rest = faces[own], faces[~own]
    while len(np.unique(part)) < _FINE:
        vertices, part = trimesh.remesh.subdivide(vertices, part)[:2]
    return Surface(vertices, np.concatenate([part, rest]).astype(np.int64), surface.rows)


def place_landmarks(
    surface: Surface, skin: NDArray[np.bool_], points: NDArray[np.float64], given: NDArray[np.int64] | None
) -> NDArray[np.int64]:
    """(68,) distinct vertices of the skin for landmarks.

    Args:
        skin: (W,) bool.
        points: (68, 3) where they lie.
        given: (68,) the vertices that a user names; None where the user gives points.

    Raises:
        ValueError: one lies off the skin; names it and how far off.
    """
    height = float(np.linalg.norm(points[NASION] - points[CHIN]))
    candidates = np.flatnonzero(skin)
    distance, _ = cKDTree(surface.vertices[candidates]).query(points)
    edges = edge_graph(surface.vertices, surface.faces)
    allowed = max(_OFF_SKIN * height, 1.5 * float(np.median(edges.data)))
    far = np.flatnonzero(distance > allowed)
    if len(far):
        raise ValueError(
            f"landmark {far[0]} (iBUG, from 0) lies {1000 * distance[far[0]]:.0f} mm off the skin"
            + (f", and {len(far) - 1} more do" if len(far) > 1 else "")
            + "; give points in the file's own coordinates, or vertices of the skin, not of eyes, teeth or hair"
        )
    if given is not None and len(np.unique(given)) == LANDMARKS and skin[given].all():
        return given
    # Each gets a vertex of its own, as near to it as the others allow.
    count = min(40, len(candidates))
    distances, near = cKDTree(surface.vertices[candidates]).query(points, k=count)
    choices, columns = np.unique(near, return_inverse=True)
    costs = np.full((LANDMARKS, len(choices)), 1e3)
    costs[np.repeat(np.arange(LANDMARKS), count), columns.ravel()] = distances.ravel() ** 2
    return candidates[choices[linear_sum_assignment(costs)[1]]]


def require_mouth_opening(surface: Surface, landmarks: NDArray[np.int64]) -> None:
    """Refuse a face whose lips are one surface, so that no jaw can open it.

    Raises:
        ValueError: from each upper lip's landmark the way along the surface to the lower lip is short.
    """
    vertices = surface.vertices
    width = float(np.linalg.norm(np.subtract(*vertices[landmarks[list(MOUTH_CORNERS)]])))
    ways = [
        geodesic_distance(vertices, surface.faces, [landmarks[upper]])[landmarks[lower]]
        for upper, lower in zip(UPPER_INNER_LIP, reversed(LOWER_INNER_LIP), strict=True)
    ]
    if min(ways) < _SEALED * width:
        raise ValueError(
            "the face has no mouth opening: its upper lip runs on into the lower one. Cut the mesh along the line "
            "between the lips, and check that landmarks 61 to 63 lie on the upper lip and 65 to 67 on the lower"
        )
