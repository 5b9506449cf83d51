"""Turns blendshape coefficients into moving meshes, with what a linear blendshape model lacks of real scans."""

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

from said.arkit import SPEECH_BLENDSHAPES
from said.synthetic.contact import separate_lips
from said.synthetic.identities import Face

MEMORY = 0.95
"""Correlation of the smooth noise from one frame (1/60 s) to the next."""


def perform(
    face: Face,
    coefficients: NDArray[np.float64],
    rng: np.random.Generator | None = None,
    *,
    smooth_noise: float = 1.2e-4,
    white_noise: float = 4e-5,
) -> NDArray[np.float32]:
    """Meshes (N, V, 3) float32 in metres of `face` with `coefficients` (N, 32) in the order of `SPEECH_BLENDSHAPES`.

    Linear blendshapes, correctives for pairs of them, smooth motion that no blendshape explains (`smooth_noise`,
    metres per mode), scanner noise (`white_noise`, metres per coordinate); then the lips are kept from passing
    through each other. Eyeballs stay. Without `rng` there is no noise; zeros then give the template.

    Raises ValueError for coefficients of another shape, or that are not finite.
    """
    coefficients = np.asarray(coefficients, dtype=np.float64)
    if coefficients.ndim != 2 or coefficients.shape[1] != len(SPEECH_BLENDSHAPES):
        raise ValueError(
            f"coefficients have shape {coefficients.shape}; give (frames, {len(SPEECH_BLENDSHAPES)}), one column per "
            "name of said.arkit.SPEECH_BLENDSHAPES"
        )
    if not np.isfinite(coefficients).all():
        raise ValueError("coefficients hold NaN or infinite values; give numbers, usually in [0, 1]")
    first, second = face.corrective_pairs.T
    products = coefficients[:, first] * np.where(first == second, 1 - coefficients[:, second], coefficients[:, second])
    amounts, shapes = [coefficients, products], [face.blendshapes - face.template, face.correctives]
    if rng is not None:
        steps = rng.normal(size=(len(coefficients), len(face.noise_modes)))
        if len(steps):
            steps[1:] *= np.sqrt(1 - MEMORY**2)  # the first frame has the same variance as all others
        amounts.append(smooth_noise * np.asarray(lfilter([1.0], [1.0, -MEMORY], steps, axis=0)))
        shapes.append(face.noise_modes)
    amounts = np.concatenate(amounts, axis=1).astype(np.float32)
    shapes = np.concatenate(shapes).reshape(amounts.shape[1], -1).astype(np.float32)
    frames = (amounts @ shapes).reshape(len(amounts), -1, 3)
    frames += face.template.astype(np.float32)
    if rng is not None:
        moving = np.flatnonzero(~face.still)
        noise = rng.standard_normal((len(frames), len(moving), 3), dtype=np.float32)
        frames[:, moving] += np.float32(white_noise) * noise
    separate_lips(frames, face.lips)
    return frames
