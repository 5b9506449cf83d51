"""Pictures of sequences side by side, for videos."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from said.figures.style import draw_caption
from said.render import Renderer, frame


def side_by_side(
    sequences: Sequence[NDArray[np.floating]],
    captions: Sequence[str],
    faces: NDArray[np.integer],
    colours: NDArray[np.floating] | None,
    size: int,
    columns: int | None = None,
) -> Iterator[NDArray[np.uint8]]:
    """The frames of a video that shows sequences of one topology side by side.

    Args:
        sequences: (N, V, 3) metres each; the shortest determines the length.
        captions: a text above each.
        faces: (F, 3) vertex indices of all.
        colours: (V, 3) sRGB in [0, 1] of all; None: clay.
        size: pixels on a side of each view, even.
        columns: most views per row, in as even rows as may be; by default all are in one. Unused places are white.

    Yields:
        images (H, W, 3) of one size, with a strip for the caption above each view.
    """
    rows = -(-len(sequences) // (columns or len(sequences)))
    columns = -(-len(sequences) // rows)
    seen = np.concatenate([np.asarray(sequence[::10]).reshape(-1, 3) for sequence in sequences])
    view = frame(seen, margin=1.08)
    renderers = [Renderer(faces, size, view, colours=colours) for _ in sequences]
    strip = max(20, size // 20 * 2)
    sheet = Image.new("RGB", (size * columns, (size + strip) * rows), "white")
    corners = [(index // columns * (size + strip), index % columns * size) for index in range(len(sequences))]
    for (top, left), caption in zip(corners, captions, strict=True):
        draw_caption(sheet, caption, left + size // 2, top + strip // 2, strip * 0.6)
    image = np.array(sheet)
    for frames in zip(*sequences, strict=False):
        for (top, left), renderer, vertices in zip(corners, renderers, frames, strict=True):
            image[top + strip : top + strip + size, left : left + size] = renderer(vertices)
        yield image.copy()
