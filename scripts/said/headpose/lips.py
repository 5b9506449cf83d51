"""What coefficients do to the lips: by it their errors are weighed, as CodeTalker's are by being those of vertices."""

from collections.abc import Iterable

import numpy as np
import trimesh
from jaxtyping import Float, Float32, Real
from numpy.typing import NDArray

from said.motion import face_regions
from said.rig import Rig
from said.running.shapes import shaped


def lip_matrix(
    rigs: Iterable[Rig], template: trimesh.Trimesh, landmarks: NDArray, skin: NDArray
) -> Float32[np.ndarray, "32 32"]:
    """A matrix L with which the length of e L says how far an error e (32,) of the coefficients moves the lips.

    It is the root of the mean square, over their vertices and over speakers, in millimetres.

    Args:
        rigs: of one topology, of which each says what vertices it has.
        template: a face of that topology, see `said.motion.face_regions` for it and the rest.
        landmarks: (68,) vertex indices, iBUG.
        skin: vertex indices of the face, without eyeballs and cavities.
    """
    lips, _ = face_regions(template, landmarks, skin)
    squares = []
    for rig in rigs:
        place = lips if rig.vertices is None else np.searchsorted(rig.vertices, lips)
        moved = 1e3 * (rig.blendshapes[:, place] - rig.template[place]).reshape(len(rig.blendshapes), -1)
        squares.append(moved @ moved.T / len(lips))
    values, vectors = np.linalg.eigh(np.mean(squares, axis=0))
    return (vectors * np.sqrt(values.clip(0)) @ vectors.T).astype(np.float32)


@shaped
def in_deviations(lips: Float[np.ndarray, "32 32"], frames: Real[np.ndarray, "N 32"]) -> Float32[np.ndarray, "32 32"]:
    """The same matrix, but in units of how far the lips are on average, root mean square, from their mean place."""
    moved = (frames - frames.mean(0)) @ lips
    return (lips / max(float(np.sqrt(np.square(moved).sum(1).mean())), 1e-6)).astype(np.float32)
