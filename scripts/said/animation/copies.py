"""Two heads in one place, as a scene with levels of detail has them: seams cannot be told from the copies' own rims."""

import numpy as np
import scipy.sparse as sparse
from numpy.typing import NDArray
from scipy.spatial import cKDTree  # pyright: ignore[reportAttributeAccessIssue]  # it is compiled and has no stub

from said.animation.weld import Surface
from said.landmarks import CHIN, LANDMARKS, NASION

_NEAR = 0.03  # of chin to nasion: how far a head's vertices may lie from a landmark, where it is no coarser
_COVERED = 0.9  # of the landmarks: what has these is a head


def require_one_head(
    vertices: NDArray[np.float64],
    faces: NDArray[np.int64],
    names: NDArray[np.str_],
    surface: Surface,
    marks: NDArray[np.float64],
) -> None:
    """Refuse a surface of which two pieces, each held together by its own edges and seams, have all the landmarks.

    Args:
        vertices: (V, 3) of the file; faces: (F, 3) int; names: (V,) of the part that each belongs to.
        surface: of `said.animation.weld.weld`.
        marks: (68, 3) landmarks.

    Raises:
        ValueError: names both.
    """
    pieces = _pieces(faces, names, surface)
    height = float(np.linalg.norm(marks[NASION] - marks[CHIN]))
    whole = surface.components[surface.rows[faces[:, 0]]]
    heads: dict[int, int] = {}
    for piece in np.flatnonzero(np.bincount(pieces) >= LANDMARKS):
        own = faces[pieces == piece]
        corners = vertices[own]
        edge = float(np.median(np.linalg.norm(corners[:, 0] - corners[:, 1], axis=1)))
        distance, _ = cKDTree(vertices[np.unique(own)]).query(marks)
        if (distance < max(_NEAR * height, 2 * edge)).mean() < _COVERED:
            continue
        component = int(whole[pieces == piece][0])
        if component in heads:
            both = [_name(names[faces[pieces == one]]) for one in (heads[component], piece)]
            which = f" {both[0]} and {both[1]}" if all(both) and both[0] != both[1] else ""
            raise ValueError(f"two heads in one place{':' if which else ''}{which}; keep one, and export again")
        heads[component] = int(piece)


def _name(labels: NDArray[np.str_]) -> str:
    """The commonest of names, each of its words once, for it may be that of node, mesh and material."""
    found, counts = np.unique(labels, return_counts=True)
    return " ".join(dict.fromkeys(str(found[counts.argmax()]).split()))[:40]


def _pieces(faces: NDArray[np.int64], names: NDArray[np.str_], surface: Surface) -> NDArray[np.int64]:
    """(F,) which piece each triangle belongs to: joined by an edge of the file, or a seam's two that run opposite ways.

    Rims of two copies run the same way; of both copies' seams in one place, those of one name belong together.
    """
    tails, heads = faces.ravel(), np.roll(faces, -1, axis=1).ravel()
    owner = np.repeat(np.arange(len(faces)), 3)
    _, edge, users = np.unique(
        np.minimum(tails, heads) * len(names) + np.maximum(tails, heads), return_inverse=True, return_counts=True
    )
    first = np.unique(edge, return_index=True)[1]
    links = [np.stack([owner, owner[first][edge]])]
    a, b = surface.rows[tails], surface.rows[heads]
    place = np.minimum(a, b) * len(names) + np.maximum(a, b)
    open_ = np.flatnonzero((users[edge] == 1) & (a != b))
    numbers = np.unique(names, return_inverse=True)[1].ravel()
    for by_name in (True, False):
        keys = np.stack([place[open_], numbers[tails[open_]] if by_name else 0 * open_], axis=1)
        group, times = np.unique(keys, axis=0, return_inverse=True, return_counts=True)[1:]
        order = open_[np.argsort(group.ravel(), kind="stable")]
        begin = np.cumsum(times) - times
        one, other = order[begin[times == 2]], order[begin[times == 2] + 1]
        opposite = (a[one] < b[one]) != (a[other] < b[other])
        one, other = one[opposite], other[opposite]
        links.append(np.stack([owner[one], owner[other]]))
        open_ = np.setdiff1d(open_, np.concatenate([one, other]))
    rows, columns = np.concatenate(links, axis=1)
    graph = sparse.coo_matrix((np.ones(len(rows)), (rows, columns)), (len(faces), len(faces)))
    return sparse.csgraph.connected_components(graph, directed=False)[1].astype(np.int64)
