"""The paper's figure 2: how BlendVOCA is made."""

from collections.abc import Mapping

import numpy as np
import trimesh
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from numpy.typing import NDArray

from said.arkit import SPEECH_BLENDSHAPES
from said.corpus import FRAME_RATE
from said.figures.style import BLUE, ORANGE, PAPER, SKY, heat_map, show_picture
from said.render import Renderer, frame
from said.rig import Rig

SHOWN_BLENDSHAPES = ("jawOpen", "mouthPucker", "mouthSmileLeft", "mouthFunnel")
GREY = "#B8B8B8"


def construction(
    source: trimesh.Trimesh,
    expressions: NDArray[np.floating],
    template: trimesh.Trimesh,
    parts: Mapping[str, NDArray[np.integer]],
    rig: Rig,
    recorded: NDArray[np.floating],
    coefficients: NDArray[np.floating],
) -> Figure:
    """Figure 2: how BlendVOCA is made, from the source face to the coefficients of a recording.

    Args:
        source: the source face.
        expressions: (32, Vs, 3) its blendshapes.
        template: the whole template of a speaker.
        parts: vertex indices of head, face and eyeballs, as the clean-up found them.
        rig: the speaker's rig.
        recorded: (N, V, 3) a sequence of the speaker.
        coefficients: (N, 32) fitted to it.
    """
    figure = Figure(figsize=(12, 12.2))
    columns = 1 + len(SHOWN_BLENDSHAPES)
    grid = figure.add_gridspec(
        4, columns, height_ratios=(1, 1, 1, 0.8),
        left=0.07, right=0.95, top=0.965, bottom=0.05, hspace=0.2, wspace=0.03,
    )  # fmt: skip
    chosen = [SPEECH_BLENDSHAPES.index(name) for name in SHOWN_BLENDSHAPES]

    source_view = frame(np.concatenate([source.vertices, *expressions[chosen]]), 1.04)
    draw = Renderer(source.faces, (420, 420), source_view, background=(1, 1, 1))
    for column, mesh in enumerate([source.vertices, *expressions[chosen]]):
        title = "source face" if column == 0 else SHOWN_BLENDSHAPES[column - 1]
        show_picture(figure.add_subplot(grid[0, column]), draw(mesh), title)

    cleaned = np.tile(to_rgb(ORANGE), (len(template.vertices), 1))  # what is left is the neck, which is removed
    for part, colour in (("head", GREY), ("face", SKY), ("eyeballs", "#F0E442")):
        cleaned[parts[part]] = to_rgb(colour)
    view = frame(np.concatenate([rig.template, *rig.blendshapes[chosen]]), 1.04)
    whole = frame(np.asarray(template.vertices), 1.02)
    render_whole = Renderer(template.faces, (420, 420), whole, colours=cleaned, background=(1, 1, 1), yaw=30)
    axes = figure.add_subplot(grid[1, 0])
    show_picture(axes, render_whole(template.vertices), "template, cleaned")
    for row, (text, colour) in enumerate(
        (("takes part", SKY), ("put back", "#8A8A8A"), ("never moves", "#B0A000"), ("removed", ORANGE))
    ):
        place = (0.04 + 0.52 * (row % 2), -0.06 - 0.08 * (row // 2))
        axes.text(*place, text, transform=axes.transAxes, color=colour, fontsize=9, weight="bold")
    draw = Renderer(rig.faces, (420, 420), view, **PAPER)
    for column, index in enumerate(chosen, start=1):
        show_picture(figure.add_subplot(grid[1, column]), draw(rig.blendshapes[index]), SPEECH_BLENDSHAPES[index])

    moments = np.linspace(0, len(recorded) - 1, columns + 2)[1:-1].round().astype(int)
    for column, moment in enumerate(moments):
        show_picture(figure.add_subplot(grid[2, column]), draw(recorded[moment]), f"{moment / FRAME_RATE:.1f} s")
    duration = len(coefficients) / FRAME_RATE
    heat = figure.add_subplot(grid[3, :])
    image = heat_map(heat, coefficients, "coefficients of the recording", duration, cmap="viridis", limits=(0, None))
    right = heat.get_position()
    figure.colorbar(image, cax=figure.add_axes((right.x1 + 0.008, right.y0, 0.012, right.height)))
    for moment in moments:
        heat.axvline(moment / FRAME_RATE, color="white", linewidth=0.8, linestyle=":")
    steps = ("source and blendshapes", "deformation transfer", "recording", "quadratic program")
    for row, step in enumerate(steps):
        box = grid[row, 0].get_position(figure)
        figure.text(0.022, (box.y0 + box.y1) / 2, step, rotation=90, ha="center", va="center", fontsize=12, color=BLUE)
    return figure
