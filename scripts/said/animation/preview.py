"""preview.mp4: the face that speaks, with its sound."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from said.animation.faces import Face
from said.animation.head_motion import pivot
from said.files import video
from said.render import Renderer, film, frame
from said.running.atomic import PathLike


def write_preview(
    path: PathLike,
    face: Face,
    coefficients: NDArray,
    fps: int,
    sound: tuple[NDArray[np.floating] | Iterable[NDArray[np.floating]], int] | None = None,
    size: int = 384,
    head: NDArray[np.floating] | None = None,
    threads: int = 1,
) -> None:
    """Write a film of a face.

    Args:
        coefficients: (N, 32), in the order of `said.arkit.SPEECH_BLENDSHAPES`.
        fps: frames per second.
        sound: waveform (T,) in [-1, 1], or parts of it in turn, and its rate in Hz; None for silence.
        size: pixels a side, even.
        head: (N, 3) rotation vectors in radians, by which the head turns; None: it is still.
        threads: frames that are drawn at a time; they change no byte.

    Raises:
        ValueError: there is no frame, or the size is odd.
    """
    draw = Renderer(face.faces, size, frame(face.neutral), colours=face.colours, hollow=True)
    from said.headpose.film import turn

    turns = None if head is None else np.asarray(head, np.float64)
    centre = None if head is None else pivot(face)

    def picture(number: int) -> NDArray[np.uint8]:
        vertices = face.move(np.asarray(coefficients[number : number + 1], np.float64))
        if turns is not None and centre is not None:
            vertices = turn(vertices, turns[number : number + 1], centre)
        return draw(vertices[0])

    waveform, rate = sound or (np.zeros(round(len(coefficients) / fps * 16000), np.float32), 16000)
    with threadpool_limits(1):  # the frames are what is shared among threads
        video.write(path, film(picture, len(coefficients), threads), fps, waveform, rate)
