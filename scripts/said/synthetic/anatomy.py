"""The sculpture: the mean head as an implicit surface, and the curves of its lips and eyelids.

Canonical coordinates, used by all of `said.synthetic` until meshes leave it: centimetres, x to the subject's left,
y up, z forward, the origin between the eyes inside the head. The surface is symmetric in x.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

CENTIMETRE = 0.01
"""Metres per canonical unit."""

RAY_ORIGIN = np.array([0.0, -2.5, 0.0])
"""The head is star-shaped about this point: every ray from it meets the skin once."""

FACE_WIDTH = 13.6
EYE_CENTRE = np.array([3.15, 0.0, 7.22])
"""Centre of the left eyeball."""
EYE_RADIUS = 1.22
MOUTH_HALF_WIDTH = 2.45
MOUTH_HEIGHT = -6.75
"""y of the line between the lips."""
EAR_CENTRE = np.array([-1.3, -1.3])
"""(y, z) of the ears."""


def unit(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Vectors (..., 3) scaled to length 1."""
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def _length(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.sqrt(np.einsum("...i,...i->...", vectors, vectors))


def _ellipsoid(points: NDArray[np.float64], centre: ArrayLike, radii: ArrayLike) -> NDArray[np.float64]:
    offset = points - np.asarray(centre, float)
    radii = np.asarray(radii, float)
    first = _length(offset / radii)
    second = _length(offset / (radii * radii)) + 1e-9
    return first * (first - 1) / second


def _capsule(
    points: NDArray[np.float64], start: ArrayLike, end: ArrayLike, start_radius: float, end_radius: float
) -> NDArray[np.float64]:
    start, axis = np.asarray(start, float), np.asarray(end, float) - np.asarray(start, float)
    along = np.clip((points - start) @ axis / (axis @ axis), 0, 1)
    return _length(points - start - along[..., None] * axis) - (start_radius + along * (end_radius - start_radius))


def _union(first: NDArray[np.float64], second: NDArray[np.float64], blend: float) -> NDArray[np.float64]:
    """Smooth union of two signed distances, rounded over `blend` centimetres."""
    overlap = np.maximum(blend - np.abs(first - second), 0) / blend
    return np.minimum(first, second) - overlap**3 * blend / 6


def _carve(first: NDArray[np.float64], second: NDArray[np.float64], blend: float) -> NDArray[np.float64]:
    """Smooth removal of the second shape from the first."""
    return -_union(-first, second, blend)


def signed_distance(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Approximate signed distance (...,) in cm from `points` (..., 3) to the skin, negative inside."""
    points = points.copy()
    points[..., 0] = np.abs(points[..., 0])
    d = _ellipsoid(points, (0, 2.6, -1.2), (7.35, 8.4, 9.4))  # cranium
    d = _union(d, _ellipsoid(points, (0, 3.4, 2.0), (6.3, 6.0, 6.6)), 2.5)  # forehead
    d = _union(d, _ellipsoid(points, (0, -3.6, 2.2), (6.0, 6.8, 6.3)), 2.2)  # middle of the face
    d = _union(d, _capsule(points, (4.3, -6.3, 0.8), (1.7, -9.6, 5.9), 1.55, 1.4), 3.4)  # jaw
    d = _union(d, _ellipsoid(points, (0, -9.75, 6.55), (1.75, 1.5, 1.6)), 2.2)  # chin
    d = _union(d, _ellipsoid(points, (4.35, -2.0, 5.0), (1.9, 1.3, 1.8)), 2.6)  # cheekbone
    d = _union(d, _ellipsoid(points, (2.9, -4.3, 5.9), (2.3, 2.6, 1.9)), 2.4)  # cheek
    d = _union(d, _ellipsoid(points, (4.5, -4.6, 2.4), (2.0, 3.6, 3.0)), 2.4)  # masseter and parotid gland
    d = _union(d, _ellipsoid(points, (0, -6.6, 5.75), (2.9, 2.5, 2.95)), 1.8)  # muzzle
    d = _union(d, _capsule(points, (1.3, 1.75, 7.5), (4.3, 1.95, 6.2), 0.75, 0.65), 1.8)  # brow ridge
    d = _union(d, _capsule(points, (0, 1.9, 7.5), (0, 0.6, 7.6), 1.0, 0.8), 1.2)  # glabella
    d = _carve(d, _ellipsoid(points, (2.9, 0.42, 9.3), (1.95, 1.05, 2.0)), 1.9)  # orbit
    d = _union(d, _ellipsoid(points, (3.15, -0.02, 7.2), (1.85, 1.35, 1.42)), 1.3)  # eyelids
    d = _union(d, _ellipsoid(points, (3.1, -1.9, 6.75), (1.9, 1.2, 1.0)), 2.0)  # fills the hollow below the eyes
    d = _union(d, _capsule(points, (0, 0.6, 8.0), (0, -3.1, 9.6), 0.46, 0.66), 1.8)  # bridge of the nose
    d = _union(d, _ellipsoid(points, (0, -3.40, 9.75), (0.88, 0.80, 0.86)), 0.9)  # tip
    d = _union(d, _capsule(points, (0, -3.9, 9.7), (0, -4.5, 8.6), 0.34, 0.40), 0.7)  # columella
    d = _union(d, _ellipsoid(points, (1.08, -3.78, 8.7), (0.58, 0.62, 0.92)), 0.8)  # wings of the nose
    d = _carve(d, _ellipsoid(points, (0.62, -4.52, 9.15), (0.28, 0.30, 0.50)), 0.35)  # nostrils
    d = _carve(d, _capsule(points, (2.0, -4.2, 8.6), (3.1, -6.4, 8.0), 0.18, 0.10), 1.1)  # nasolabial folds
    d = _carve(d, _capsule(points, (0, -5.3, 9.28), (0, -5.9, 9.35), 0.16, 0.22), 0.5)  # philtrum
    d = _carve(d, _capsule(points, (-0.01, -8.25, 9.0), (1.3, -8.15, 8.6), 0.30, 0.22), 1.2)  # above the chin
    d = _union(d, _capsule(points, (0, -6, -2.0), (0, -19, -2.8), 4.4, 5.1), 2.6)  # neck
    return _union(d, _ellipsoid(points, (0, -10.4, 2.8), (2.4, 1.0, 3.0)), 2.0)  # floor of the mouth


def surface_distance(directions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distance (R,) from `RAY_ORIGIN` to the skin along unit `directions` (R, 3), by sphere tracing inwards."""
    distance = np.full(len(directions), 17.0)
    tracing = np.arange(len(directions))
    for _ in range(60):
        outside = signed_distance(RAY_ORIGIN + distance[tracing, None] * directions[tracing])
        distance[tracing] = np.maximum(distance[tracing] - 0.85 * np.clip(outside, -1, 2), 0.5)
        tracing = tracing[np.abs(outside) > 1e-9]
        if not len(tracing):
            break
    return distance


def surface_points(directions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Points (R, 3) where the rays along unit `directions` (R, 3) meet the skin."""
    return RAY_ORIGIN + surface_distance(directions)[:, None] * directions


def frontal_directions(positions: NDArray[np.float64], depth: float = 8.5) -> NDArray[np.float64]:
    """Rays (R, 3) that meet the front of the head at the given (R, 2) x and y; `depth` is a first guess of z."""
    depths = np.full(len(positions), depth)
    for _ in range(8):
        directions = unit(np.c_[positions[:, 0], positions[:, 1] - RAY_ORIGIN[1], depths])
        depths = 0.5 * depths + 0.5 * surface_points(directions)[:, 2]
    return directions


def lip_line(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """y of the line between the lips at `x`: a cupid's bow that droops a little at the corners."""
    across = np.minimum(np.abs(x), MOUTH_HALF_WIDTH)
    bow = -0.04 * np.exp(-((across / 0.7) ** 2)) + 0.03 * np.exp(-(((across - 1.3) / 0.7) ** 2))
    return MOUTH_HEIGHT + bow - 0.10 * (across / MOUTH_HALF_WIDTH) ** 3


def lip_arch(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 in the middle of the mouth, falling as an ellipse to 0 at its corners and beyond."""
    return np.sqrt(np.clip(1 - (x / MOUTH_HALF_WIDTH) ** 2, 0, 1))


def lip_heights(x: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Heights in cm of the red of the upper and the lower lip at `x`."""
    across, arch = np.abs(x), lip_arch(x)
    upper = 0.74 * arch**1.3 - 0.10 * np.exp(-((across / 0.28) ** 2))
    upper = upper + 0.05 * np.exp(-(((across - 0.62) / 0.3) ** 2)) * arch**2
    return np.maximum(upper, 0), 0.95 * arch**1.1 - 0.06 * np.exp(-((across / 0.7) ** 2))


def mouth_ring(level: float, count: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """One closed curve around the mouth, by frontal position (count, 2) and angle (count,).

    Level 0 is the line between the lips, 1 the border of the red, more lies on the skin around it. The angle is 0
    at the left corner, positive along the upper lip. The points are a little denser towards the corners.
    """
    angle = 2 * np.pi * (np.arange(count) - count // 2) / count
    angle = angle + 0.10 * np.sin(2 * angle)
    angle[[0, count // 4, count // 2, 3 * count // 4]] = [-np.pi, -np.pi / 2, 0, np.pi / 2]
    red, beyond = min(level, 1.0), max(level - 1, 0)
    width = MOUTH_HALF_WIDTH + 0.10 * red + 0.5 * beyond
    x = width * np.cos(angle)
    x[[count // 4, 3 * count // 4]] = 0
    canonical = np.clip(np.abs(x) / width, 0, 1) * MOUTH_HALF_WIDTH
    line, gap = lip_line(canonical), 0.10 * lip_arch(canonical)
    upper, lower = lip_heights(canonical)
    rise = np.sin(angle)
    y_upper = line + gap * (1 - red) + upper * red + beyond * 0.55 * rise
    y_lower = line - gap * (1 - red) - lower * red + beyond * 0.62 * rise
    y = np.where(rise >= 0, y_upper, y_lower)
    y[[0, count // 2]] = line[[0, count // 2]]
    return np.c_[x, y], angle


def eye_ring(level: float, count: int) -> NDArray[np.float64]:
    """Closed curve (count, 2) around the left eye: level 0 is the edge of the lids, 2.8 the rim of the orbit.

    Begins at the inner corner and runs below the eye to the outer one.
    """
    angle = -np.pi + 2 * np.pi * np.arange(count) / count
    rise = np.sin(angle)
    height = np.where(rise > 0, 0.53 + 0.25 * level, 0.46 + 0.23 * level)
    y = height * np.sign(rise) * np.abs(rise) ** 1.1 + 0.10 * np.cos(angle) / (1 + level)
    return EYE_CENTRE[:2] + np.c_[(1.42 + 0.30 * level) * np.cos(angle), y]
