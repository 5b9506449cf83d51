"""A face that moves as a glTF file, which Blender, game engines and browsers play."""

import numpy as np
from numpy.typing import NDArray

from said.animation.faces import Face
from said.animation.head_motion import turn_document
from said.arkit import SPEECH_BLENDSHAPES
from said.files.gltf_morphs import animate_weights
from said.running.atomic import PathLike

ANIMATION = "speech"
"""Name of the animation in the file."""


def write_animation(
    path: PathLike,
    face: Face,
    coefficients: NDArray,
    fps: float,
    *,
    sound: str | None = None,
    head: NDArray[np.floating] | None = None,
) -> str | None:
    """Write a face with its speech as animation.glb: its own file, and one animation after those that it has.

    Every mesh that has targets with ARKit's names gets one channel of weights, with linear interpolation; targets with
    other names keep the weights that the file gives them. Nothing else changes: the binary chunk begins with the
    face's own, byte for byte.

    Args:
        coefficients: (N, 32), in the order of `said.arkit.SPEECH_BLENDSHAPES`.
        fps: frames per second; frame n is at n / fps seconds.
        sound: name of the file with the sound, which the animation's extras tell; glTF itself has no sound.
        head: (N, 3) rotation vectors in radians of the head, for one more channel, see `animate_head`; None: none.

    Returns:
        the name of the file's own node that is the head and turns, if it has one.

    Raises:
        ValueError: there is no frame, the coefficients have another shape or are not finite, or fps is not positive.
    """
    coefficients = np.asarray(coefficients)
    if coefficients.ndim != 2 or coefficients.shape[1] != len(SPEECH_BLENDSHAPES) or not len(coefficients):
        raise ValueError(f"coefficients must be (N, {len(SPEECH_BLENDSHAPES)}), N at least 1, got {coefficients.shape}")
    if not np.isfinite(coefficients).all():
        raise ValueError(f"frame {np.argwhere(~np.isfinite(coefficients))[0][0]} has a coefficient that is not finite")
    if not fps > 0:
        raise ValueError(f"fps is {fps}; it must be positive")
    column = {name: coefficients[:, number] for number, name in enumerate(SPEECH_BLENDSHAPES)}
    weights = {
        mesh: {target: column[name] for name, target in targets.items() if name in column}
        for mesh, targets in face.targets.items()
    }
    document = face.document.copy()
    extras = {} if sound is None else {"sound": sound}
    animate_weights(document, {mesh: curves for mesh, curves in weights.items() if curves}, fps, ANIMATION, extras)
    node = None if head is None else turn_document(document, face, np.asarray(head, np.float64), fps, ANIMATION)
    document.write(path)
    return node
