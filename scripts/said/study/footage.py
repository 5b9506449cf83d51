"""Films of this run's methods for the study: one head, nothing written on it."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from said.corpus import FRAME_RATE
from said.render import Renderer, frame
from said.rig import Rig

FPS = 30
"""Frames per second of the films."""
_STILL, _MOVING = 1.2, 1.3  # heights of the face in view; a head that turns needs room


def in_turn(number: int, speakers: Sequence[str]) -> tuple[str, int]:
    """Speaker and number of the sentence of an audio: speakers take turns, so that few audios are of many."""
    return speakers[number % len(speakers)], number // len(speakers)


def face_film(rig: Rig, coefficients: NDArray[np.floating], size: int) -> Iterator[NDArray[np.uint8]]:
    """A `film`, at `FPS`, of a face that does not turn, from coefficients (N, 32) at 60 frames per second."""
    return film(rig, rig.move(coefficients[:: FRAME_RATE // FPS]), size)


def film(
    rig: Rig, frames: Iterable[NDArray[np.floating]], size: int, turns: bool = False
) -> Iterator[NDArray[np.uint8]]:
    """Pictures of a head, framed alike whatever it does.

    Args:
        rig: of the speaker.
        frames: (V, 3) vertices each.
        size: pixels on a side, even.
        turns: the head turns, and needs room.

    Yields:
        images (size, size, 3).
    """
    view = frame(rig.template, _MOVING if turns else _STILL)
    renderer = Renderer(rig.faces, size, view, colours=rig.colours)
    for vertices in frames:
        yield renderer(vertices)
