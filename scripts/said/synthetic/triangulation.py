"""Triangulates the skin: graded points on the sphere of directions around the head, symmetric in x.

The mouth, the eyes, the ears and the base of the neck are left open; `said.synthetic.head` fills them with rings.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.path import Path
from numpy.typing import NDArray
from scipy.spatial import ConvexHull, KDTree

from said.synthetic.anatomy import (
    EAR_CENTRE,
    EYE_CENTRE,
    MOUTH_HEIGHT,
    RAY_ORIGIN,
    eye_ring,
    frontal_directions,
    mouth_ring,
    signed_distance,
    surface_points,
    unit,
)

MIRROR_X = np.array([-1.0, 1.0, 1.0])
OUTER_MOUTH_LEVEL = 3.0
OUTER_EYE_LEVEL = 2.8
NECK_HEIGHT = -15.5
EAR_RADII = np.array([2.95, 1.65])
"""Half height and half depth of the ears."""
OUTER_EAR_LEVEL = 1.22


@dataclass(frozen=True)
class SkinTriangulation:
    """Directions (D, 3) from the ray origin, faces (F, 3) into them, and the open loops' indices in order."""

    directions: NDArray[np.float64]
    faces: NDArray[np.integer]
    mouth: NDArray[np.integer]
    left_eye: NDArray[np.integer]
    right_eye: NDArray[np.integer]
    left_ear: NDArray[np.integer]
    right_ear: NDArray[np.integer]
    neck: NDArray[np.integer]


def edge_length(points: NDArray[np.float64], coarseness: float) -> NDArray[np.float64]:
    """Wanted edge length (P,) in cm: fine at the mouth, nose and eyes, coarse at the back of the head."""
    x, y, z = np.abs(points[:, 0]), points[:, 1], points[:, 2]

    def near(cx: float, cy: float, cz: float, radius: float) -> NDArray[np.float64]:
        return np.exp(-((x - cx) ** 2 + (y - cy) ** 2 + (z - cz) ** 2) / radius**2)

    front = 1 / (1 + np.exp(2.5 - z))
    face = front / (1 + np.exp(y - 4))
    length = 1.4 - 0.4 * front - 0.42 * face - 0.36 * near(0, -3.0, 9, 2.6) - 0.22 * near(0, -6.7, 8, 3.4)
    length = length - 0.22 * near(3.1, 0, 7.5, 3.2) - 0.15 * front * np.exp(-((y / 7) ** 2))
    return np.clip(length - 0.35 * near(7.4, -1.3, -1.3, 3.6), 0.27, 2) * coarseness


def _neck_loop(count: int) -> NDArray[np.float64]:
    """Directions (count, 3) of the horizontal cut through the neck."""
    axis, steps, loop = np.array([0, NECK_HEIGHT, -2.4]), np.linspace(0, 9, 900), []
    for angle in 2 * np.pi * np.arange(count) / count:
        outwards = np.array([np.sin(angle), 0, np.cos(angle)])
        inside = signed_distance(axis + steps[:, None] * outwards) < 0
        loop.append(axis + outwards * steps[np.flatnonzero(inside).max()])
    loop = np.array(loop)
    loop = (loop + np.roll(loop[::-1], 1, axis=0) * MIRROR_X) / 2  # symmetric in spite of the steps
    return unit(loop - RAY_ORIGIN)


def _seam(loops: NDArray[np.float64], mouth: NDArray[np.float64], coarseness: float) -> NDArray[np.float64]:
    """Points (S, 3) in the plane of symmetry, spaced by the wanted edge length."""
    angle = np.linspace(-np.pi, np.pi, 6000, endpoint=False)
    points = surface_points(np.c_[0 * angle, np.sin(angle), np.cos(angle)])
    length = edge_length(points, coarseness)
    in_mouth = (points[:, 2] > 5) & (np.abs(points[:, 1] - mouth[:, 1].mean()) < np.ptp(mouth[:, 1]) / 2 + 0.1)
    accepted: list[NDArray[np.float64]] = []
    for index in np.flatnonzero((points[:, 1] > NECK_HEIGHT + 0.35 * length) & ~in_mouth):
        others = np.array([*loops, *accepted[:1], *accepted[-1:]])
        limits = np.r_[np.full(len(loops), 0.6), np.full(len(others) - len(loops), 0.75)] * length[index]
        if (np.linalg.norm(others - points[index], axis=1) >= limits).all():
            accepted.append(points[index])
    return np.array(accepted)


def _poisson_points(
    candidates: NDArray[np.float64], lengths: NDArray[np.float64], taken: Sequence[NDArray[np.float64]]
) -> NDArray[np.float64]:
    """Greedy dart throwing: the candidates (P, 3) that keep their distance from `taken` points and from each other."""
    cell = 0.8
    grid: dict[tuple[int, ...], list[NDArray[np.float64]]] = {}

    def key(point: NDArray[np.float64]) -> tuple[int, ...]:
        return tuple(np.floor(point / cell).astype(int).tolist())

    for point in taken:
        grid.setdefault(key(point), []).append(point)
    accepted = []
    for point, length in zip(candidates, lengths, strict=True):
        i, j, k = key(point)
        reach = range(-int(np.ceil(length)), int(np.ceil(length)) + 1)
        near = [p for di in reach for dj in reach for dk in reach for p in grid.get((i + di, j + dj, k + dk), ())]
        if near and ((np.array(near) - point) ** 2).sum(1).min() < (0.8 * length) ** 2:
            continue
        accepted.append(point)
        grid.setdefault((i, j, k), []).append(point)
    return np.array(accepted)


def _hull_faces(directions: NDArray[np.float64]) -> NDArray[np.integer]:
    """Spherical Delaunay triangulation: faces of the convex hull, oriented outwards."""
    faces = ConvexHull(directions).simplices
    a, b, c = (directions[faces[:, k]] for k in range(3))
    inwards = (np.cross(b - a, c - a) * (a + b + c)).sum(1) < 0
    faces[inwards] = faces[inwards][:, ::-1]
    return faces


def _seam_crossings(
    directions: NDArray[np.float64], faces: NDArray[np.integer], loop_of: NDArray[np.integer]
) -> NDArray[np.float64]:
    """Directions (C, 3) in the plane of symmetry where edges between left and right cross it, outside the loops."""
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    edges = np.unique(np.sort(edges, axis=1), axis=0)
    loop_of = np.r_[loop_of, np.full(len(directions) - len(loop_of), -1)]
    within = (loop_of[edges[:, 0]] == loop_of[edges[:, 1]]) & (loop_of[edges[:, 0]] >= 0)
    across = (directions[edges, 0].min(1) < -1e-9) & (directions[edges, 0].max(1) > 1e-9) & ~within
    start, end = directions[edges[across, 0]], directions[edges[across, 1]]
    share = start[:, :1] / (start[:, :1] - end[:, :1])
    points = start + share * (end - start)
    points[:, 0] = 0
    # a quad around the plane may be crossed by both of its diagonals' mirror images: keep one point of each
    accepted = []
    for point in unit(points):
        if all(np.linalg.norm(point - other) > 0.01 for other in accepted):
            accepted.append(point)
    return np.array(accepted).reshape(-1, 3)


def _neighbour_means(directions: NDArray[np.float64], faces: NDArray[np.integer]) -> NDArray[np.float64]:
    """Mean (D, 3) of each point's neighbours."""
    start = np.r_[faces[:, 0], faces[:, 1], faces[:, 2]]
    end = np.r_[faces[:, 1], faces[:, 2], faces[:, 0]]
    sums = np.stack([np.bincount(start, directions[end, k], len(directions)) for k in range(3)], axis=1)
    return sums / np.bincount(start, minlength=len(directions))[:, None]


def triangulate(seed: int, coarseness: float, mouth_count: int, eye_count: int, ear_count: int) -> SkinTriangulation:
    """Triangulate the skin with loops of the given lengths; `mouth_count` is a multiple of 4, the others even."""
    generator = np.random.default_rng(seed)
    mouth, _ = mouth_ring(OUTER_MOUTH_LEVEL, mouth_count)
    eye = eye_ring(OUTER_EYE_LEVEL, eye_count)
    angle = 2 * np.pi * np.arange(ear_count) / ear_count
    ear = EAR_CENTRE + OUTER_EAR_LEVEL * EAR_RADII * np.c_[np.cos(angle), np.sin(angle)]
    mouth_rays = frontal_directions(mouth)
    eye_rays = frontal_directions(eye, 7.9)
    ear_rays = unit(np.c_[np.full(ear_count, 7.4), ear[:, 0] - RAY_ORIGIN[1], ear[:, 1]])
    neck_rays = _neck_loop(int(13 / coarseness) * 2)
    loops = [mouth_rays, eye_rays, eye_rays * MIRROR_X, ear_rays, ear_rays * MIRROR_X, neck_rays]
    fixed = np.concatenate(loops)
    ends = np.cumsum([0, *map(len, loops)])
    indices = [np.arange(start, end) for start, end in zip(ends[:-1], ends[1:], strict=True)]
    on_loops = surface_points(fixed)
    seam = _seam(on_loops, mouth, coarseness)

    rays = generator.normal(size=(int(26000 / coarseness**2), 3))
    rays[:, 0] = np.abs(rays[:, 0])
    points = surface_points(unit(rays))
    lengths = edge_length(points, coarseness)
    front = points[:, 2] > 3
    in_eye = front & Path(EYE_CENTRE[:2] + 1.06 * (eye - EYE_CENTRE[:2])).contains_points(points[:, :2])
    middle = np.array([0, MOUTH_HEIGHT])
    in_mouth = front & Path(middle + 1.05 * (mouth - middle)).contains_points(points[:, :2])
    in_ear = (points[:, 0] > 4) & Path(EAR_CENTRE + 1.05 * (ear - EAR_CENTRE)).contains_points(points[:, 1:])
    # the edges of the seam stay in the triangulation if no other point is within half an edge of it
    free = (points[:, 1] > NECK_HEIGHT + 0.5 * lengths) & (points[:, 0] > 0.5 * lengths)
    free &= ~(in_eye | in_mouth | in_ear)
    points = _poisson_points(points[free], lengths[free], [*on_loops[on_loops[:, 0] > -0.5], *seam])
    half, middle_line = unit(points - RAY_ORIGIN), unit(seam - RAY_ORIGIN)
    loop_of = np.repeat(np.arange(len(loops)), [len(loop) for loop in loops])
    for _ in range(15):  # relax: each free point towards the mean of its neighbours
        directions = np.concatenate([fixed, middle_line, half, half * MIRROR_X])
        faces = _hull_faces(directions)
        crossings = _seam_crossings(directions, faces, loop_of)
        if len(crossings):
            middle_line = np.concatenate([middle_line, crossings])
            directions = np.concatenate([fixed, middle_line, half, half * MIRROR_X])
            faces = _hull_faces(directions)
        means = _neighbour_means(directions, faces)
        first_seam, first_half = len(fixed), len(fixed) + len(middle_line)
        half = unit(0.4 * half + 0.6 * means[first_half : first_half + len(half)])
        on_seam = means[first_seam:first_half]
        on_seam[:, 0] = 0
        middle_line = unit(0.4 * middle_line + 0.6 * on_seam)
    directions = np.concatenate([fixed, middle_line, half, half * MIRROR_X])
    faces = _hull_faces(directions)
    if len(_seam_crossings(directions, faces, loop_of)):
        raise ValueError(f"seed {seed} leaves a hole in the plane of symmetry; take another one")
    # one half and its mirror image: quads that Delaunay splits arbitrarily come out symmetric
    mirrored = mirrored_indices(directions)
    faces = faces[(directions[faces, 0] > -1e-9).all(1)]
    faces = np.concatenate([faces, mirrored[faces][:, ::-1]])
    loop_of = np.r_[loop_of, np.full(len(directions) - len(loop_of), -1)]
    spans_loop = (loop_of[faces] == loop_of[faces][:, :1]).all(1) & (loop_of[faces[:, 0]] >= 0)
    return SkinTriangulation(directions, faces[~spans_loop], *indices)


def mirrored_indices(points: NDArray[np.float64]) -> NDArray[np.integer]:
    """(P,) int: index of each point's mirror image in x; ValueError where the points are not symmetric."""
    distances, indices = map(np.asarray, KDTree(points).query(points * MIRROR_X))
    if distances.max() > 1e-6 or (indices[indices] != np.arange(len(points))).any():
        raise ValueError(f"points are not symmetric in x: one has no mirror image within {distances.max():.2e}")
    return indices
