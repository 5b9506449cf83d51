"""The reference face of the deformation transfer: a mask like ARKit's, with its own topology and all 52 expressions."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from said.arkit import BLENDSHAPES
from said.synthetic.anatomy import CENTIMETRE
from said.synthetic.expressions import displacements
from said.synthetic.identities import sample_identities, warp, warped_expressions
from said.synthetic.landmarks import landmarks
from said.synthetic.sculpture import Sculpture, sculpt

_IDENTITY_STREAM = 991
"""Keeps the source's identity apart from those of the speakers, whose seeds are small."""


@dataclass(frozen=True)
class SourceFace:
    """A mask without eyeballs, ears, neck and back of the head, in metres.

    neutral (Vs, 3); faces (Fs, 3) int; expressions (52, Vs, 3), absolute positions in the order of
    `said.arkit.BLENDSHAPES`; landmarks (68,) int in iBUG order.
    """

    neutral: NDArray[np.float64]
    faces: NDArray[np.int64]
    expressions: NDArray[np.float64]
    landmarks: NDArray[np.integer]


def _boundary_edges(faces: NDArray[np.integer]) -> NDArray[np.integer]:
    """(E, 2) directed edges that belong to one face only."""
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    _, first, counts = np.unique(np.sort(edges, axis=1), axis=0, return_index=True, return_counts=True)
    return edges[first[counts == 1]]


def _largest_component(faces: NDArray[np.integer]) -> NDArray[np.integer]:
    count = faces.max() + 1
    links = coo_matrix((np.ones(len(faces) * 2), (faces[:, [0, 0]].ravel(), faces[:, [1, 2]].ravel())), (count, count))
    _, component = connected_components(links, directed=False)
    return faces[component[faces[:, 0]] == np.bincount(component[faces[:, 0]]).argmax()]


def _crop(sculpture: Sculpture) -> tuple[NDArray[np.integer], NDArray[np.bool_]]:
    """Faces of the mask, without those that stick out of its rim; and (V,) bool, the vertices of eyes and mouth."""
    vertices = sculpture.vertices
    keep = np.isin(sculpture.regions, ["skin", "lip", "lid", "mouth"])
    keep &= vertices[:, 1] < 6.4 - 0.03 * vertices[:, 0] ** 2
    keep[sculpture.rims] = False
    faces = sculpture.faces[keep[sculpture.faces].all(1)]
    openings = np.zeros(len(vertices), bool)
    openings[np.concatenate([sculpture.left_eye, sculpture.right_eye])] = True
    openings |= sculpture.regions == "mouth"
    for _ in range(3):
        on_rim = {tuple(edge) for edge in _boundary_edges(faces).tolist() if not openings[edge].all()}
        free_edges = np.array([sum((int(f[k]), int(f[(k + 1) % 3])) in on_rim for k in range(3)) for f in faces])
        faces = faces[free_edges < 2]
    return _largest_component(faces), openings


def source_face(seed: int = 0) -> SourceFace:
    """The mask for `seed`; its topology and its identity differ from those of all speakers."""
    sculpture = sculpt(seed + 11, coarseness=1.25, mouth_count=32, eye_count=18, ear_count=16)
    faces, openings = _crop(sculpture)
    points = sculpture.vertices
    rim = _boundary_edges(faces)
    rim = rim[~openings[rim].all(1)]
    for _ in range(8):  # straighten the rim
        means = np.zeros_like(points)
        for a, b in (rim.T, rim.T[::-1]):
            np.add.at(means, a, points[b] / 2)
        on_rim = np.unique(rim)
        points[on_rim] = 0.5 * points[on_rim] + 0.5 * means[on_rim]
    used = np.unique(faces)
    candidates = np.zeros(len(points), bool)
    candidates[used] = sculpture.regions[used] == "skin"
    marks = landmarks(sculpture, candidates)
    new_index = np.full(len(points), -1)
    new_index[used] = np.arange(len(used))

    identity = 0.4 * sample_identities(1, _IDENTITY_STREAM + seed)[0]
    points, anchors = points[used], new_index[sculpture.anchors[used]]
    neutral = warp(points, identity)
    moves = warped_expressions(points, identity, displacements(points, BLENDSHAPES, anchors))
    return SourceFace(
        neutral=neutral * CENTIMETRE,
        faces=new_index[faces].astype(np.int64),
        expressions=(neutral + moves) * CENTIMETRE,
        landmarks=new_index[marks],
    )
