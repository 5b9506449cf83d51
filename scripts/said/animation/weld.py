"""The surface behind a file's vertices: seams closed, coarse triangles divided, landmarks on vertices of their own."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sparse
import trimesh
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.spatial import cKDTree  # pyright: ignore[reportAttributeAccessIssue]  # it is compiled and has no stub
from trimesh.geometry import faces_to_edges
from trimesh.graph import connected_component_labels

from said.landmarks import CHIN, LANDMARKS, LOWER_INNER_LIP, LOWER_LIP, NASION, UPPER_INNER_LIP, UPPER_LIP
from said.meshes import boundary_vertices, edge_graph, geodesic_distance

_SAME_PLACE = 2e-5  # of chin to nasion: 2 um on a face
_FINE = 2500  # vertices that a skin needs for 68 landmarks and lips that bend
_OFF_SKIN = 0.08  # of chin to nasion: how far from the skin a landmark may lie


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

    def lip_distances(self, landmarks: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(W,) ways along the surface to the outer landmarks of the upper lip, and (W,) to those of the lower."""
        upper, lower = landmarks[list(UPPER_LIP)], landmarks[list(LOWER_LIP)]
        first, second = (geodesic_distance(self.vertices, self.faces, ends) for ends in (upper, lower))
        return first, second

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
    placed = _assign(surface.vertices, candidates, points, {})
    upper, lower = surface.lip_distances(placed)
    inner = list(UPPER_INNER_LIP), list(LOWER_INNER_LIP)
    if not ((lower < upper)[placed[inner[0]]].any() or (upper < lower)[placed[inner[1]]].any()):
        return placed
    # Where the lips touch, a point does not tell which of them it is on; the way along the surface does.
    sides = candidates[(upper < lower)[candidates]], candidates[(lower < upper)[candidates]]
    if min(map(len, sides)) < LANDMARKS:
        return placed
    return _assign(surface.vertices, candidates, points, {n: sides[i] for i in range(2) for n in inner[i]})


def _assign(
    vertices: NDArray[np.float64],
    candidates: NDArray[np.int64],
    points: NDArray[np.float64],
    limits: Mapping[int, NDArray[np.int64]],
) -> NDArray[np.int64]:
    """(68,) vertices of their own for points, as near as the others allow: of the candidates, or what limits some."""
    count = min(40, len(candidates), *map(len, limits.values()))
    distances, near = cKDTree(vertices[candidates]).query(points, k=count)
    near = candidates[near]
    for number, own in limits.items():
        distances[number], places = cKDTree(vertices[own]).query(points[number], k=count)
        near[number] = own[places]
    choices, columns = np.unique(near, return_inverse=True)
    costs = np.full((LANDMARKS, len(choices)), 1e3)
    costs[np.repeat(np.arange(LANDMARKS), count), columns.ravel()] = distances.ravel() ** 2
    return choices[linear_sum_assignment(costs)[1]]
