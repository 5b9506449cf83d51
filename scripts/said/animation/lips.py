"""The lips of a head: an opening between them, and the landmarks of each on its own."""

import numpy as np
import scipy.sparse as sparse
from numpy.typing import NDArray
from scipy.sparse.csgraph import dijkstra
from trimesh.geometry import faces_to_edges

from said.animation.weld import Surface
from said.landmarks import LOWER_INNER_LIP, MOUTH_CORNERS, UPPER_INNER_LIP
from said.meshes import geodesic_distance

_SEALED = 0.35  # of the mouth's width: the way from lip to lip along the surface, where there is no opening


class NoOpening(ValueError):
    """The lips are one surface."""


def require_mouth_opening(surface: Surface, landmarks: NDArray[np.int64]) -> None:
    """Refuse a face whose lips are one surface, so that no jaw can open it.

    Raises:
        NoOpening: from each upper lip's landmark the way along the surface to the lower lip is short.
    """
    vertices = surface.vertices
    width = float(np.linalg.norm(np.subtract(*vertices[landmarks[list(MOUTH_CORNERS)]])))
    ways = [
        geodesic_distance(vertices, surface.faces, [landmarks[upper]])[landmarks[lower]]
        for upper, lower in zip(UPPER_INNER_LIP, reversed(LOWER_INNER_LIP), strict=True)
    ]
    if min(ways) < _SEALED * width:
        raise NoOpening(
            "the face has no mouth opening: its upper lip runs on into the lower one. Cut the mesh along the line "
            "between the lips (where it is cut and is not seen to be, move the two edges apart by 0.01 mm), and check "
            "that landmarks 61 to 63 lie on the upper lip and 65 to 67 on the lower"
        )


def require_lips_apart(surface: Surface, landmarks: NDArray[np.int64]) -> None:
    """Refuse inner landmarks on the wrong lip, with which the mouth would hardly open.

    Raises:
        ValueError: names those that are nearer to the other lip's outer landmarks, along the surface.
    """
    upper, lower = surface.lip_distances(landmarks)
    for numbers, wrong, lip, own in (
        (UPPER_INNER_LIP, lower < upper, "lower", "upper"),
        (LOWER_INNER_LIP, upper < lower, "upper", "lower"),
    ):
        found = [number for number in numbers if wrong[landmarks[number]]]
        if found:
            which = f"landmark {found[0]} lies" if len(found) == 1 else f"landmarks {found[0]} to {found[-1]} lie"
            raise ValueError(
                f"{which} on the {lip} lip: place {numbers[0]} to {numbers[-1]} on the edge of the {own} lip, where "
                "the lips meet; where two vertices lie in one place, that of the own lip's triangles"
            )


def cut_lips(surface: Surface, file_faces: NDArray[np.int64], marks: NDArray[np.float64]) -> Surface | None:
    """A surface that is open between the lips again, where the file has a cut whose edges lie in one place.

    Such a cut looks like a seam of texture, and is closed like one. Here the shortest way along closed edges from one
    corner of the mouth to the other is opened.

    Args:
        surface: of `said.animation.weld.weld`.
        file_faces: (F, 3) int, the file's triangles.
        marks: (68, 3) landmarks.

    Returns:
        None where no such way runs along the inner lips' landmarks.
    """
    merged = surface.rows[file_faces]
    proper = (merged != np.roll(merged, 1, axis=1)).all(axis=1)
    own = file_faces[proper]
    count = len(surface.vertices)
    closed = _closed_edges(own, surface.faces)
    width = float(np.linalg.norm(np.subtract(*marks[list(MOUTH_CORNERS)])))
    line = _along(marks[[60, *UPPER_INNER_LIP, 64]], 40), _along(marks[[60, *reversed(LOWER_INNER_LIP), 64]], 40)
    off = np.linalg.norm(surface.vertices[closed].mean(axis=1)[:, None] - np.concatenate(line), axis=2)
    closed = closed[off.min(axis=1, initial=np.inf) < 0.12 * width]
    if not len(closed):
        return None
    ends = np.unique(closed)
    lengths = np.linalg.norm(np.subtract(*surface.vertices[closed.T]), axis=1)
    graph = sparse.coo_matrix((np.maximum(lengths, 1e-9 * width), closed.T), (count, count)).tocsr()
    right, left = (ends[np.linalg.norm(surface.vertices[ends] - marks[n], axis=1).argmin()] for n in MOUTH_CORNERS)
    distance, before = dijkstra(graph, directed=False, indices=right, return_predecessors=True)
    if not 0.6 * width < distance[left] < 2 * width:
        return None
    way = [left]
    while way[-1] != right:
        way.append(before[way[-1]])
    return _opened(surface, own, np.sort(np.stack([way[:-1], way[1:]], axis=1), axis=1))


def _along(points: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """(count, 3) points along a line through others."""
    places = np.linspace(0, len(points) - 1, count)
    return np.stack([np.interp(places, np.arange(len(points)), column) for column in points.T], axis=1)


def _closed_edges(own: NDArray[np.int64], faces: NDArray[np.int64]) -> NDArray[np.int64]:
    """(n, 2) edges of the surface, lower vertex first, whose two triangles have no edge in common in the file."""
    joined = np.sort(faces_to_edges(faces), axis=1)
    _, place, times = np.unique(joined, axis=0, return_inverse=True, return_counts=True)
    original = np.sort(faces_to_edges(own), axis=1)
    _, which, users = np.unique(original, axis=0, return_inverse=True, return_counts=True)
    single = users[which.ravel()] == 1
    return np.unique(joined[single & (times[place.ravel()] == 2)], axis=0)


def _opened(surface: Surface, own: NDArray[np.int64], cut: NDArray[np.int64]) -> Surface:
    """A surface cut along edges (n, 2): each side of an inner vertex of the cut gets a vertex of its own."""
    faces = surface.faces.copy()
    total = len(surface.vertices)
    cut_keys = set(map(tuple, cut.tolist()))
    extra: list[int] = []
    for vertex in np.unique(cut).tolist():
        mine = np.flatnonzero((surface.faces == vertex).any(axis=1))
        # The triangles around a vertex, joined where they share an edge that is not cut.
        spokes: dict[int, list[int]] = {}
        for place, triangle in enumerate(surface.faces[mine].tolist()):
            for other in triangle:
                if other != vertex and (min(vertex, other), max(vertex, other)) not in cut_keys:
                    spokes.setdefault(other, []).append(place)
        pairs = np.array([(p[0], q) for p in spokes.values() for q in p], dtype=np.int64).reshape(-1, 2)
        links = sparse.coo_matrix((np.ones(len(pairs)), pairs.T), (len(mine), len(mine)))
        number, fans = sparse.csgraph.connected_components(links, directed=False)
        for fan in range(1, number):
            corners = faces[mine[fans == fan]]
            corners[corners == vertex] = total + len(extra)
            faces[mine[fans == fan]] = corners
            extra.append(vertex)
    rows = surface.rows.copy()
    rows[own] = faces
    return Surface(np.concatenate([surface.vertices, surface.vertices[extra]]), faces, rows)
