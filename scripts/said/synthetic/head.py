"""The mean speaker's head: one mesh with eyeballs, ears, neck and a mouth that opens, the topology of all speakers."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from said.synthetic.anatomy import CENTIMETRE, EYE_CENTRE
from said.synthetic.landmarks import landmarks
from said.synthetic.sculpture import Sculpture, sculpt
from said.synthetic.triangulation import MIRROR_X, mirrored_indices

SKIN = np.array([0.83, 0.69, 0.61])
LIP = np.array([0.70, 0.45, 0.42])
BROW = np.array([0.36, 0.25, 0.20])
MOUTH = np.array([0.33, 0.12, 0.12])
LASHES = np.array([0.30, 0.20, 0.17])
SCLERA = np.array([0.93, 0.92, 0.90])
IRIS = np.array([0.33, 0.42, 0.44])
IRIS_BORDER = np.array([0.14, 0.18, 0.20])
PUPIL = np.array([0.03, 0.03, 0.03])
HAIRLINE = (
    (-9, -7), (-4, -6.5), (-2.5, -4), (-0.5, 1.0), (1.5, 2.2), (3.5, 4.6), (5.0, 6.2), (6.5, 7.2),
)  # fmt: skip
"""(z, y) in cm of the border of the cropped hair, from the nape over the ears to the forehead."""
IRIS_DEGREES, PUPIL_DEGREES = 29.0, 11.0
"""Half angles that the iris and the pupil subtend at the centre of the eyeball."""


@dataclass(frozen=True)
class Head:
    """A head, metres, x to the subject's left, y up, z forward, symmetric in x.

    vertices (V, 3) float64; faces (F, 3) int64, counter-clockwise from outside; regions (V,) str: skin, lip,
    mouth, lid, ear, neck, back or eyeball; colours (V, 3) sRGB in [0, 1]; landmarks (68,) int in iBUG order;
    lip_contacts (C, 2) int, pairs (upper, lower) that meet when the mouth is closed, from the subject's left to the
    right; anchors (V,) int, the lip vertex that each vertex inside the mouth follows, the vertex itself elsewhere.
    """

    vertices: NDArray[np.float64]
    faces: NDArray[np.int64]
    regions: NDArray[np.str_]
    colours: NDArray[np.float64]
    landmarks: NDArray[np.integer]
    lip_contacts: NDArray[np.integer]
    anchors: NDArray[np.integer]


def paint(sculpture: Sculpture) -> NDArray[np.float64]:
    """(V, 3) sRGB colours: skin, lips, brows, hair, lashes, and eyes with iris and pupil."""
    vertices, regions = sculpture.vertices, sculpture.regions
    colours = np.tile(SKIN, (len(vertices), 1))
    x, y, z = np.abs(vertices[:, 0]), vertices[:, 1], vertices[:, 2]
    arch = 1.80 + 0.30 * np.sin((x - 1.3) / 4.4 * np.pi)
    brow = np.exp(-(((y - arch) / 0.42) ** 2)) * np.clip((x - 0.9) / 0.5, 0, 1) * np.clip((5.3 - x) / 1.2, 0, 1)
    colours += 0.75 * (brow * (z > 4))[:, None] * (BROW - SKIN)
    hairline = np.interp(z, *np.array(HAIRLINE).T)
    scalp = np.isin(regions, ["skin", "back"]) & (y > -8)
    hair = scalp * np.clip((y - hairline) / 1.2 + 0.5, 0, 1)
    colours += 0.95 * hair[:, None] * (BROW - SKIN)
    colours[regions == "lip"] = LIP
    colours[sculpture.border] = 0.6 * LIP + 0.4 * SKIN
    colours[regions == "mouth"] = MOUTH
    colours[sculpture.slit] = 0.5 * LIP + 0.5 * MOUTH
    for ring in (sculpture.left_eye, sculpture.right_eye):
        upper = vertices[ring, 1] > vertices[ring[len(ring) // 2], 1]
        colours[ring] = np.where(upper[:, None], 0.25 * SKIN + 0.75 * LASHES, 0.6 * SKIN + 0.4 * LASHES)
    colours[sculpture.rims] = LASHES
    ball = regions == "eyeball"
    forward = np.c_[x, y, z][ball] - EYE_CENTRE
    angle = np.degrees(np.arccos(np.clip(forward[:, 2] / np.linalg.norm(forward, axis=1), -1, 1)))
    ring = np.clip((angle - 22) / 6, 0, 1)[:, None]
    iris = (1 - ring) * IRIS + ring * IRIS_BORDER
    colours[ball] = np.select(
        [angle[:, None] < PUPIL_DEGREES, angle[:, None] < IRIS_DEGREES], [np.tile(PUPIL, (len(angle), 1)), iris], SCLERA
    )
    return np.clip(colours, 0, 1)


def build_head(seed: int = 0) -> Head:
    """The mean head of all speakers; the same `seed` gives the same mesh, another seed another topology."""
    sculpture = sculpt(seed, coarseness=0.92, mouth_count=40, eye_count=24, ear_count=20)
    vertices = sculpture.vertices
    mirrored = mirrored_indices(vertices)
    vertices = (vertices + vertices[mirrored] * MIRROR_X) / 2  # symmetric to the last bit
    half = len(sculpture.slit) // 2
    steps = np.arange(1, half)
    contacts = np.c_[sculpture.slit[half + steps], sculpture.slit[half - steps]]
    return Head(
        vertices=vertices * CENTIMETRE,
        faces=sculpture.faces.astype(np.int64),
        regions=sculpture.regions,
        colours=paint(sculpture),
        landmarks=landmarks(sculpture),
        lip_contacts=contacts,
        anchors=sculpture.anchors,
    )
