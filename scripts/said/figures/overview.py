"""The paper's figure 1: speech and noise in, coefficients out."""

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from said.corpus import FRAME_RATE
from said.figures.style import BLUE, ORANGE, PAPER, arrow, box, canvas, heat_map, show_picture
from said.render import Renderer, frame
from said.rig import Rig


def overview(waveform: NDArray[np.floating], rate: int, coefficients: NDArray[np.floating], rig: Rig) -> Figure:
    """Figure 1: speech and noise in, coefficients out, and the face that they move.

    Args:
        waveform: (T,) in [-1, 1].
        rate: its sample rate in Hz.
        coefficients: (N, 32) in [0, 1], a sample of the model for this speech.
        rig: the face that shows it.
    """
    figure = Figure(figsize=(12, 6.2))
    grid = figure.add_gridspec(
        2, 3, width_ratios=(1, 0.36, 1), height_ratios=(1, 1.15),
        left=0.06, right=0.985, top=0.93, bottom=0.03, hspace=0.42,
    )  # fmt: skip
    left = grid[0, 0].subgridspec(2, 1, height_ratios=(1, 1.25), hspace=0.75)
    duration = len(coefficients) / FRAME_RATE
    sound = figure.add_subplot(left[0])
    sound.plot(np.arange(len(waveform)) / rate, waveform, color=BLUE, linewidth=0.4)
    sound.set(xlim=(0, duration), yticks=[], title="speech")
    sound.spines[["top", "right", "left"]].set_visible(False)
    noise = np.random.default_rng(0).normal(size=coefficients.shape)
    heat_map(figure.add_subplot(left[1]), noise, "noise", duration, cmap="Greys", limits=(-3, 3))

    middle = figure.add_subplot(grid[0, 1])
    canvas(middle, 1, 1)
    box(middle, 0.12, 0.3, 0.76, 0.4, "SAiD:\ndenoising,\nstep by step", ORANGE, size=12)
    arrow(middle, (-0.4, 0.85), (0.12, 0.62))
    arrow(middle, (-0.4, 0.2), (0.12, 0.38))
    arrow(middle, (0.88, 0.5), (1.26, 0.5))

    result = figure.add_subplot(grid[0, 2])
    heat_map(result, coefficients, "blendshape coefficients", duration, cmap="viridis", limits=(0, None))
    moments = np.linspace(0, len(coefficients) - 1, 9)[1:-1].round().astype(int)
    meshes = rig.move(coefficients[moments])
    strip = grid[1, :].subgridspec(1, len(moments), wspace=0.02)
    renderer = Renderer(rig.faces, (420, 330), frame(meshes.reshape(-1, 3), 1.04), colours=rig.colours, **PAPER)
    for column, (moment, mesh) in enumerate(zip(moments, meshes, strict=True)):
        show_picture(figure.add_subplot(strip[column]), renderer(mesh), f"{moment / FRAME_RATE:.1f} s")
        result.axvline(moment / FRAME_RATE, color="white", linewidth=0.8, linestyle=":")
    return figure
