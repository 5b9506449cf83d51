"""What is wrong with transferred blendshapes, and how far they are from the truth where it is known."""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from said.arkit import SPEECH_BLENDSHAPES
from said.deformation import flipped_faces

MILLIMETRES = 1e3


def health(template: ArrayLike, blendshapes: ArrayLike, faces: NDArray, chin: int) -> pd.DataFrame:
    """The signs of a transfer that went wrong: inverted triangles, spikes, a jaw that opens too little.

    Args:
        template: (V, 3) metres.
        blendshapes: (32, V, 3) metres, absolute, in the paper's order.
        faces: (F, 3).
        chin: index of the chin's vertex.

    Returns:
        One row per blendshape: largest_mm, the largest displacement; chin_mm, the chin's displacement; flipped, the
        number of inverted or collapsed triangles (see `said.deformation.flipped_faces`); flipped_share, their share.

    Raises:
        ValueError: shapes that do not fit.
    """
    template, blendshapes = _checked(template, blendshapes)
    displacement = MILLIMETRES * np.linalg.norm(blendshapes - template, axis=2)
    flipped = flipped_faces(template, faces, blendshapes)
    return pd.DataFrame(
        {
            "blendshape": SPEECH_BLENDSHAPES,
            "largest_mm": displacement.max(axis=1),
            "chin_mm": displacement[:, chin],
            "flipped": flipped.sum(axis=1),
            "flipped_share": flipped.mean(axis=1),
        }
    )


def truth_error(template: ArrayLike, blendshapes: ArrayLike, truth: ArrayLike) -> pd.DataFrame:
    """The distance of transferred blendshapes from the true ones of the same head.

    Args:
        template: (V, 3) metres.
        blendshapes, truth: (32, V, 3) metres, absolute, in the paper's order.

    Returns:
        One row per blendshape: rms_mm and max_mm, the error over the vertices; motion_rms_mm, the true displacement;
        share, rms_mm / motion_rms_mm.

    Raises:
        ValueError: shapes that do not fit, or a true blendshape that does not move.
    """
    template, blendshapes = _checked(template, blendshapes)
    template, truth = _checked(template, truth)
    error = MILLIMETRES * np.linalg.norm(blendshapes - truth, axis=2)
    motion = MILLIMETRES * np.linalg.norm(truth - template, axis=2)
    rms, motion_rms = (np.sqrt((values**2).mean(axis=1)) for values in (error, motion))
    if (still := np.flatnonzero(motion_rms == 0)).size:
        raise ValueError(f"the true {SPEECH_BLENDSHAPES[still[0]]} does not move")
    return pd.DataFrame(
        {
            "blendshape": SPEECH_BLENDSHAPES,
            "rms_mm": rms,
            "max_mm": error.max(axis=1),
            "motion_rms_mm": motion_rms,
            "share": rms / motion_rms,
        }
    )


def _checked(template: ArrayLike, blendshapes: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    template, blendshapes = np.asarray(template, float), np.asarray(blendshapes, float)
    expected = (len(SPEECH_BLENDSHAPES), *template.shape)
    if blendshapes.shape != expected:
        raise ValueError(f"blendshapes have shape {blendshapes.shape}, expected {expected} as the template has")
    return template, blendshapes
