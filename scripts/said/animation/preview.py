"""preview.mp4: the face that speaks, with its sound."""

import numpy as np
from numpy.typing import NDArray

from said.animation.faces import Face
from said.files import video
from said.render import Renderer, frame
from said.running.atomic import PathLike


def write_preview(
    path: PathLike,
    face: Face,
    coefficients: NDArray,
    fps: int,
    sound: tuple[NDArray[np.floating], int] | None = None,
    size: int = 384,
) -> None:
    """Write a film of a face.

    Args:
        coefficients: (N, 32), in the order of `said.arkit.SPEECH_BLENDSHAPES`.
        fps: frames per second.
        sound: waveform (T,) in [-1, 1] and its rate in Hz; None for silence.
        size: pixels a side, even.

    Raises:
        ValueError: there is no frame, or the size is odd.
    """
    coefficients = np.asarray(coefficients, np.float64)
    draw = Renderer(face.faces, size, frame(face.neutral), colours=face.colours, hollow=True)
    images = (draw(face.move(row[None])[0]) for row in coefficients)
    waveform, rate = sound or (np.zeros(round(len(coefficients) / fps * 16000), np.float32), 16000)
    video.write(path, images, fps, waveform, rate)
