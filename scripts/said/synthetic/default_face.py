"""The faces that the package ships: the one that speaks where nobody brings another, and the source of transfers.

    python -m said.synthetic.default_face scripts/said/animation/default_face.npz

The first is the mean of the synthetic speakers, a whole head with ARKit's 52 expressions; the second the mask from
which heads of one's own get theirs. Displacements are stored in steps of two micrometres.
"""

import sys

import numpy as np
from numpy.typing import NDArray

from said.arkit import BLENDSHAPES
from said.running.atomic import atomic
from said.synthetic.anatomy import CENTIMETRE
from said.synthetic.expressions import displacements
from said.synthetic.head import build_head
from said.synthetic.source import source_face

STEP = 2e-6
"""Metres, of the stored displacements."""


def default_face_arrays() -> dict[str, NDArray]:
    """What `said.animation.faces` reads: of the head and, with "source_" before it, of the mask.

    Returns:
        vertices (V, 3) float32 metres; faces (F, 3) uint16; displacements (52, V, 3) int16 of `STEP` metres, in the
        order of `said.arkit.BLENDSHAPES`; landmarks (68,) uint16; colours (V, 3) uint8, of the head alone.
    """
    head, mask = build_head(), source_face()
    still = head.regions == "eyeball"
    moves = displacements(head.vertices / CENTIMETRE, BLENDSHAPES, head.anchors, still) * CENTIMETRE
    return {
        **_stored("", head.vertices, head.faces, moves, head.landmarks),
        "colours": np.round(255 * head.colours).astype(np.uint8),
        **_stored("source_", mask.neutral, mask.faces, mask.expressions - mask.neutral, mask.landmarks),
    }


def _stored(prefix: str, vertices: NDArray, faces: NDArray, moves: NDArray, landmarks: NDArray) -> dict[str, NDArray]:
    steps = np.round(moves / STEP)
    if np.abs(steps).max() > np.iinfo(np.int16).max:
        raise ValueError(f"an expression moves {np.abs(moves).max():.3f} m, more than can be stored")
    return {
        f"{prefix}vertices": vertices.astype(np.float32),
        f"{prefix}faces": faces.astype(np.uint16),
        f"{prefix}displacements": steps.astype(np.int16),
        f"{prefix}landmarks": np.asarray(landmarks).astype(np.uint16),
    }


if __name__ == "__main__":
    with atomic(sys.argv[1]) as temporary:
        np.savez_compressed(temporary, allow_pickle=False, **default_face_arrays())
