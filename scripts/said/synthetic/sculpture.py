"""Builds a head mesh from the sculpture: the triangulated skin, rings of lips, lids and ears, and the eyeballs."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from said.synthetic.anatomy import (
    EAR_CENTRE,
    EYE_CENTRE,
    EYE_RADIUS,
    MOUTH_HALF_WIDTH,
    MOUTH_HEIGHT,
    eye_ring,
    frontal_directions,
    lip_arch,
    lip_line,
    mouth_ring,
    surface_points,
    unit,
)
from said.synthetic.triangulation import EAR_RADII, MIRROR_X, triangulate

MOUTH_LEVELS = (2.3, 1.75, 1.3, 1.0, 0.8, 0.5, 0.22, 0.0)
EYE_LEVELS = (2.0, 1.3, 0.75, 0.3, 0.0)
INNER_MOUTH = ((0.10, 0.30), (0.45, 0.85), (0.95, 1.7))
"""(away from the lip line, backwards) in cm, of the rings behind the lips."""
EAR_PROFILE = (
    (0.98, 0.0), (0.86, 0.25), (1.0, 0.72), (0.94, 0.98), (0.80, 0.55), (0.62, 0.66), (0.46, 0.05), (0.24, -0.22),
)  # fmt: skip
"""(radius, height) of the rings of the ear, from its root over the helix into the concha."""
EYEBALL_AZIMUTHS = 28
EYEBALL_POLAR_DEGREES = (5, 10, 12, 18, 24, 28, 30, 38, 48, 60, 75, 95, 120, 150)


@dataclass(frozen=True)
class Sculpture:
    """A head in canonical coordinates, before colours and units.

    vertices (V, 3) cm; faces (F, 3); regions (V,) str; anchors (V,) int, the vertex on the outside whose place
    decides how a vertex inside the mouth moves (itself elsewhere); border, slit (M,) and left_eye, right_eye (E,):
    indices of the rings of the lips' border, the line between the lips, and the lids' edges; rims (2 E,), vertices
    that close the lids towards the eyeballs.
    """

    vertices: NDArray[np.float64]
    faces: NDArray[np.integer]
    regions: NDArray[np.str_]
    anchors: NDArray[np.integer]
    border: NDArray[np.integer]
    slit: NDArray[np.integer]
    left_eye: NDArray[np.integer]
    right_eye: NDArray[np.integer]
    rims: NDArray[np.integer]


class _Mesh:
    """Vertices, faces and regions while they are being put together."""

    def __init__(self, vertices: NDArray[np.float64], faces: NDArray[np.integer], regions: NDArray[np.str_]):
        self.vertices, self.faces, self.regions = [vertices], [faces], [regions]
        self.count = len(vertices)

    def add(self, vertices: NDArray[np.float64], region: str) -> NDArray[np.integer]:
        self.vertices.append(vertices)
        self.regions.append(np.full(len(vertices), region))
        self.count += len(vertices)
        return np.arange(self.count - len(vertices), self.count)

    def loft(
        self,
        loop: NDArray[np.integer],
        rings: Sequence[NDArray[np.float64]],
        region: str,
        *,
        flip: bool = False,
        split: NDArray[np.bool_] | None = None,
    ) -> list[NDArray[np.integer]]:
        """Join `loop` to successive `rings` by bands of triangles; `split` (M,) bool picks each quad's diagonal."""
        indices = [loop]
        split = np.ones(len(loop), bool) if split is None else split
        for ring in rings:
            outer, inner = indices[-1], self.add(ring, region)
            outer_next, inner_next = np.roll(outer, -1), np.roll(inner, -1)
            first = np.where(split[:, None], np.c_[outer, outer_next, inner], np.c_[outer, outer_next, inner_next])
            second = np.where(split[:, None], np.c_[outer_next, inner_next, inner], np.c_[outer, inner_next, inner])
            band = np.concatenate([first, second])
            self.faces.append(band[:, ::-1] if flip else band)
            indices.append(inner)
        return indices[1:]


def _lip_relief(points: NDArray[np.float64], level: float, angle: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give a ring of lip points the roundness of lips, and tuck in the corners of the mouth."""
    x, arch = points[:, 0], lip_arch(points[:, 0])
    rise = np.sin(angle)
    if level <= 1:
        fullness = np.where(rise >= -1e-9, 0.30, 0.40) * np.sin(np.pi * (0.18 + 0.82 * level)) ** 0.8
        height = -0.18 * (1 - level) ** 2 + fullness + 0.07 * level
    else:
        height = np.full(len(x), 0.07 * np.exp(-(level - 1) / 0.5))
    height = height * (0.25 + 0.75 * arch)
    outwards = np.clip(x / MOUTH_HALF_WIDTH, -1, 1)
    points = points + height[:, None] * np.c_[0.25 * outwards, 0 * x, np.ones_like(x)]
    if level < 1:  # close the gap that the rings have in projection
        points[:, 1] -= np.sign(np.where(np.abs(rise) < 1e-9, 0, rise)) * 0.09 * arch * (1 - level)
    if level == 0:  # exactly on either side of the line, which tells the upper lip from the lower
        side = np.where(np.abs(rise) < 1e-9, 0, np.sign(rise))
        points[:, 1] = lip_line(points[:, 0]) + side * np.maximum(0.01 * lip_arch(points[:, 0]), 1e-4)
    corner = ((np.abs(x) - MOUTH_HALF_WIDTH) / 0.35) ** 2 + ((points[:, 1] - MOUTH_HEIGHT) / 0.5) ** 2
    points[:, 2] -= 0.22 * np.exp(-corner)
    return points


def _mouth_rings(count: int) -> tuple[list[NDArray[np.float64]], list[NDArray[np.float64]]]:
    """Rings of the skin around the mouth and of the lips, and rings behind the lips."""
    rings = []
    for level in MOUTH_LEVELS:
        positions, angle = mouth_ring(level, count)
        rings.append(_lip_relief(surface_points(frontal_directions(positions)), level, angle))
    slit = rings[-1]
    side = np.sign(np.where(np.abs(np.sin(angle)) < 1e-9, 0, np.sin(angle)))
    arch = lip_arch(slit[:, 0])
    # the vestibule widens behind the lips, so that it stays out of sight when the mouth opens
    inner = [
        np.c_[slit[:, 0] * (1 + 0.10 * depth), slit[:, 1] + side * away * arch, slit[:, 2] - depth]
        for away, depth in INNER_MOUTH
    ]
    return rings, inner


def _eye_rings(count: int) -> list[NDArray[np.float64]]:
    """Rings of the left eye's lids, fitted to the eyeball, and the rim that turns inwards."""
    rings = []
    for level in EYE_LEVELS:
        points = surface_points(frontal_directions(eye_ring(level, count), 7.9))
        distance = np.linalg.norm(points - EYE_CENTRE, axis=1)
        fit = np.exp(-level / 0.45)
        scale = (1 - fit) + fit * (EYE_RADIUS + 0.16) / distance
        rings.append(EYE_CENTRE + (points - EYE_CENTRE) * scale[:, None])
    return rings


def _ear_rings(count: int) -> list[NDArray[np.float64]]:
    angle = 2 * np.pi * np.arange(count) / count
    up, forward = np.cos(angle), np.sin(angle)
    rings = []
    for radius, height in EAR_PROFILE:
        lobe = 1 - 0.32 * np.maximum(-up, 0) + 0.06 * np.maximum(up, 0)
        back = 0.5 - 0.5 * forward
        y = EAR_CENTRE[0] + radius * 2.75 * up + 0.1
        z = EAR_CENTRE[1] + radius * 1.6 * forward * lobe - 0.20 * radius * EAR_RADII[0] * up
        root = 7.0 - 0.03 * (z + 1.5) ** 2 - 0.02 * (y + 1) ** 2
        flare = height * (0.25 + 0.75 * back) * 1.2 * (1 - 0.45 * np.clip(-up - 0.3, 0, 1))
        rings.append(np.c_[root + flare, y, z - 0.45 * height * back])
    rings.append(np.tile(rings[-1].mean(0), (1, 1)))
    return rings


def _eyeball() -> tuple[NDArray[np.float64], NDArray[np.integer]]:
    """Vertices and faces of a sphere whose pole looks forward, its rings at the borders of pupil and iris."""
    polar = np.radians(EYEBALL_POLAR_DEGREES)[:, None]
    azimuth = 2 * np.pi * np.arange(EYEBALL_AZIMUTHS)[None] / EYEBALL_AZIMUTHS
    rings = np.stack(
        [np.sin(polar) * np.cos(azimuth), np.sin(polar) * np.sin(azimuth), np.cos(polar) + 0 * azimuth], axis=-1
    )
    vertices = EYE_RADIUS * np.concatenate([[[0, 0, 1.0]], rings.reshape(-1, 3), [[0, 0, -1.0]]])
    grid = 1 + np.arange(rings.shape[0] * EYEBALL_AZIMUTHS).reshape(rings.shape[0], EYEBALL_AZIMUTHS)
    after = np.roll(grid, -1, axis=1)
    front = np.c_[np.zeros(EYEBALL_AZIMUTHS, int), grid[0], after[0]]
    back = np.c_[np.full(EYEBALL_AZIMUTHS, len(vertices) - 1), after[-1], grid[-1]]
    near, far = (grid[:-1].ravel(), after[:-1].ravel()), (grid[1:].ravel(), after[1:].ravel())
    bands = np.concatenate([np.c_[near[0], far[0], far[1]], np.c_[near[0], far[1], near[1]]])
    return vertices + EYE_CENTRE, np.concatenate([front, bands, back])


def _smooth(
    vertices: NDArray[np.float64], faces: NDArray[np.integer], free: NDArray[np.integer], steps: Sequence[float]
) -> None:
    """Laplacian smoothing of the `free` vertices; alternating signs keep the volume (Taubin 1995)."""
    start = np.r_[faces[:, 0], faces[:, 1], faces[:, 2]]
    end = np.r_[faces[:, 1], faces[:, 2], faces[:, 0]]
    ones = np.ones(len(start))
    adjacency = scipy.sparse.coo_matrix((ones, (start, end)), (len(vertices),) * 2).tocsr()
    adjacency = ((adjacency + adjacency.T) > 0).astype(float)
    degree = np.asarray(adjacency.sum(1))
    for step in steps:
        vertices[free] += step * ((adjacency @ vertices) / degree - vertices)[free]


def sculpt(seed: int, coarseness: float, mouth_count: int, eye_count: int, ear_count: int) -> Sculpture:
    """The mean head in canonical coordinates, meshed with the given density; see `triangulation.triangulate`."""
    skin = triangulate(seed, coarseness, mouth_count, eye_count, ear_count)
    mesh = _Mesh(surface_points(skin.directions), skin.faces, np.full(len(skin.directions), "skin", dtype="<U7"))
    free = np.ones(mesh.count, bool)
    for loop in (skin.mouth, skin.left_eye, skin.right_eye, skin.left_ear, skin.right_ear, skin.neck):
        free[loop] = False

    rings, inner = _mouth_rings(mouth_count)
    quadrant = np.arange(mouth_count) * 4 // mouth_count  # diagonals that mirror one another left and right
    split = (quadrant == 0) | (quadrant == 3)
    border_at = MOUTH_LEVELS.index(1.0)
    around = mesh.loft(skin.mouth, rings[:border_at], "skin", split=split)[-1]
    lips = mesh.loft(around, rings[border_at:], "lip", split=split)
    inside = mesh.loft(lips[-1], inner, "mouth", split=split)

    rings = _eye_rings(eye_count)
    rim = EYE_CENTRE + unit(rings[-1] - EYE_CENTRE) * (EYE_RADIUS - 0.02) - [0, 0, 0.05]
    eyes, eye_skin, rims = [], [], []
    for loop, mirror in ((skin.left_eye, 1.0), (skin.right_eye, MIRROR_X)):
        lids = mesh.loft(loop, [ring * mirror for ring in rings], "lid", flip=mirror is MIRROR_X)
        rims += mesh.loft(lids[-1], [rim * mirror], "lid", flip=mirror is MIRROR_X)
        eyes.append(lids[-1])
        eye_skin += [loop, *lids[:3]]
    ears = _ear_rings(ear_count)
    for loop, mirror in ((skin.left_ear, 1.0), (skin.right_ear, MIRROR_X)):
        last = mesh.loft(loop, [ring * mirror for ring in ears[:-1]], "ear", flip=mirror is MIRROR_X)[-1]
        hub = mesh.add(ears[-1] * mirror, "ear")
        fan = np.c_[last, np.roll(last, -1), np.full(ear_count, hub[0])]
        mesh.faces.append(fan[:, ::-1] if mirror is MIRROR_X else fan)
    ball, ball_faces = _eyeball()
    for mirror in (1.0, MIRROR_X):
        first = mesh.add(ball * mirror, "eyeball")[0]
        mesh.faces.append(first + (ball_faces[:, ::-1] if mirror is MIRROR_X else ball_faces))

    vertices, faces = np.concatenate(mesh.vertices), np.concatenate(mesh.faces)
    regions = np.concatenate(mesh.regions)
    _smooth(vertices, faces, np.flatnonzero(free), (0.5, -0.35, 0.5, -0.35, 0.5, -0.25))
    _smooth(vertices, faces, np.concatenate(eye_skin), (0.5, 0.5, 0.5))
    skin_only = regions == "skin"
    regions[skin_only & (vertices[:, 2] < 1.0)] = "back"
    regions[skin_only & (vertices[:, 1] < -11.3) & (vertices[:, 2] < 5)] = "neck"
    anchors = np.arange(len(vertices))
    for ring in inside:
        anchors[ring] = lips[-1]
    return Sculpture(vertices, faces, regions, anchors, lips[0], lips[-1], eyes[0], eyes[1], np.concatenate(rims))
