"""The 68 facial landmarks of the iBUG scheme (Sagonas et al. 2013) on meshes made from the sculpture."""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from said.synthetic.anatomy import MOUTH_HALF_WIDTH, RAY_ORIGIN, frontal_directions, surface_points, unit
from said.synthetic.sculpture import Sculpture


def _skin_targets() -> NDArray[np.float64]:
    """(36, 3) cm: jaw line 0-16, brows 17-26 and nose 27-35, from the subject's right to the left."""
    turn = np.linspace(-1, 1, 17) * np.pi / 2
    jaw = np.c_[7.0 * np.sin(0.98 * turn), -2.0 - 8.8 * np.cos(turn) ** 0.85, 2.0 + 5.5 * np.cos(turn)]
    across = np.linspace(1.3, 4.9, 5)
    brow = np.c_[across, 1.7 + 0.45 * np.sin((across - 1.3) / 3.6 * np.pi)]
    bridge = np.c_[np.zeros(4), [0.5, -0.8, -2.1, -3.4]]
    base = np.c_[[-1.3, -0.65, 0, 0.65, 1.3], np.full(5, -4.4)]
    frontal = np.concatenate([brow[::-1] * [-1, 1], brow, bridge, base])
    return np.concatenate([surface_points(unit(jaw - RAY_ORIGIN)), surface_points(frontal_directions(frontal))])


def _nearest_on_ring(ring: NDArray[np.integer], fractions: tuple[float, ...]) -> list[int]:
    """The ring's vertices nearest to fractions of its length."""
    return [int(ring[round(fraction * len(ring)) % len(ring)]) for fraction in fractions]


def _on_lips(
    vertices: NDArray[np.float64], ring: NDArray[np.integer], upper: tuple[float, ...], lower: tuple[float, ...]
) -> list[int]:
    """Right corner, upper lip from right to left, left corner, lower lip from left to right; x in mouth widths."""
    count = len(ring)
    bottom, top = ring[1 : count // 2], ring[count // 2 + 1 :]

    def nearest(side: NDArray[np.integer], places: tuple[float, ...]) -> list[int]:
        x = vertices[side, 0] / MOUTH_HALF_WIDTH
        return [int(side[np.argmin(np.abs(x - place))]) for place in places]

    return [int(ring[0]), *nearest(top, upper), int(ring[count // 2]), *nearest(bottom, lower)]


def landmarks(sculpture: Sculpture, candidates: NDArray[np.bool_] | None = None) -> NDArray[np.integer]:
    """(68,) distinct vertex indices in iBUG order: 0-16 jaw, 17-26 brows, 27-35 nose, 36-47 eyes, 48-67 mouth.

    candidates: (V,) bool, the vertices that those of jaw, brows and nose may take, by default all of the skin.
    """
    vertices = sculpture.vertices
    skin = np.flatnonzero(sculpture.regions == "skin" if candidates is None else candidates)
    costs = ((vertices[skin][None] - _skin_targets()[:, None]) ** 2).sum(2)
    on_skin = skin[linear_sum_assignment(costs)[1]]
    # the left eye's ring begins at its inner corner and runs below; a sixth of it lies between two landmarks
    right = _nearest_on_ring(sculpture.right_eye, (1 / 2, 2 / 3, 5 / 6, 0, 1 / 6, 1 / 3))
    left = _nearest_on_ring(sculpture.left_eye, (0, 5 / 6, 2 / 3, 1 / 2, 1 / 3, 1 / 6))
    arch = (-0.62, -0.25, 0, 0.25, 0.62)
    outer = _on_lips(vertices, sculpture.border, arch, arch[::-1])
    inner = _on_lips(vertices, sculpture.slit, (-0.45, 0, 0.45), (0.45, 0, -0.45))
    indices = np.array([*on_skin, *right, *left, *outer, *inner])
    if len(set(indices.tolist())) != 68:
        raise ValueError("two landmarks fell on one vertex; mesh the head more finely")
    return indices
