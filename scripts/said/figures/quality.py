"""A page for each speaker: how well the blendshapes explain the recorded frames."""

from collections.abc import Sequence
from typing import cast

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axes._secondary_axes import SecondaryAxis
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure, SubFigure
from numpy.typing import NDArray

from said.arkit import SPEECH_BLENDSHAPES
from said.figures.style import PALETTE
from said.quality import Residuals
from said.render import Renderer, frame

_HEAT = "YlOrRd"  # readable with any colour vision, and pale where errors are small, so that the shading stays visible


def sheet(
    speaker: str,
    residuals: Residuals,
    shares: NDArray[np.floating],
    template: NDArray[np.floating],
    faces: NDArray[np.integer],
    frame_rate: int,
) -> Figure:
    """A page for one speaker: error over time, error on the face, and how often each coefficient is at a limit.

    Args:
        speaker: name.
        residuals: of all sentences.
        shares: as `said.quality.limit_shares` returns them.
        template: (V, 3) metres.
        faces: (F, 3) vertex indices.
        frame_rate: frames per second.
    """
    figure = Figure(figsize=(13, 9), layout="constrained")
    over_time, below = cast("Sequence[SubFigure]", figure.subfigures(2, 1, height_ratios=(1, 2.2)))
    on_face, at_limits = cast("Sequence[SubFigure]", below.subfigures(1, 2, width_ratios=(1.5, 1)))
    overall = 1e3 * np.sqrt((residuals.frame_rms**2).mean())
    figure.suptitle(
        f"{speaker}: {len(residuals.sentences)} sentences, {residuals.frames.sum() / frame_rate:.0f} s, "
        f"vertex error {overall:.2f} mm rms",
        fontsize=13,
    )
    _draw_time(over_time.subplots(), residuals, overall, frame_rate)
    _draw_face(on_face, residuals, template, faces)
    _draw_limits(at_limits.subplots(), shares)
    return figure


def _draw_time(axes: Axes, residuals: Residuals, overall: float, frame_rate: int) -> None:
    ends = np.cumsum(residuals.frames) / frame_rate
    starts = ends - residuals.frames / frame_rate
    for index in range(0, len(starts), 2):
        axes.axvspan(starts[index], ends[index], color="0.93", linewidth=0)
    for start, error in zip(starts, np.split(residuals.frame_rms, np.cumsum(residuals.frames)[:-1]), strict=True):
        axes.plot(start + np.arange(len(error)) / frame_rate, 1e3 * error, color=PALETTE[0], linewidth=0.8)
    axes.axhline(overall, color=PALETTE[1], linewidth=1, linestyle="--")
    axes.annotate("rms", (1.003, overall), xycoords=("axes fraction", "data"), color=PALETTE[1], va="center")
    axes.set(xlim=(0, ends[-1]), ylabel="vertex error, mm", xlabel="time, s; one sentence after another")
    axes.set_ylim(bottom=0)
    _label_some(axes.secondary_xaxis("top"), (starts + ends) / 2, residuals.sentences)
    axes.spines[["top", "right"]].set_visible(False)


def _label_some(axis: SecondaryAxis, places: NDArray[np.floating], names: NDArray[np.str_], most: int = 10) -> None:
    """Label evenly chosen places, at most `most`, so that the names fit."""
    every = -(-len(places) // most)
    axis.set_xticks(places[::every], names[::every], fontsize=8)
    axis.tick_params(length=0)
    axis.spines["top"].set_visible(False)


def _draw_face(
    figure: SubFigure, residuals: Residuals, template: NDArray[np.floating], faces: NDArray[np.integer]
) -> None:
    error = 1e3 * residuals.vertex_rms
    colours = ScalarMappable(Normalize(0, np.quantile(error, 0.99)), _HEAT)
    painted = colours.to_rgba(error)[:, :3]
    view = frame(template, margin=1.04)
    widths = (600, 800)
    panels = figure.subplots(1, 2, width_ratios=widths)
    for axes, yaw, width in zip(panels, (0, 50), widths, strict=True):
        renderer = Renderer(faces, (800, width), view, gloss=0.0, yaw=yaw, background=(1, 1, 1))
        axes.imshow(renderer(template, painted))
        axes.set_axis_off()
    bar = figure.colorbar(colours, ax=panels, location="bottom", shrink=0.8, aspect=35, extend="max")
    bar.set_label(f"error of a vertex over all frames, mm rms (largest: {error.max():.2f})")


def _draw_limits(axes: Axes, shares: NDArray[np.floating]) -> None:
    places = np.arange(len(SPEECH_BLENDSHAPES))
    left = np.zeros(len(places))
    for share, label, colour in zip(100 * shares, ("at 0", "at 1", "else at the step limit"), PALETTE, strict=False):
        axes.barh(places, share, left=left, color=colour, label=label)
        left += share
    axes.set_yticks(places, SPEECH_BLENDSHAPES, fontsize=8)
    axes.set(ylim=(len(places) - 0.4, -0.6), xlim=(0, 100), xlabel="share of frames, %")
    axes.legend(frameon=False, fontsize=9, ncols=3, loc="lower left", bbox_to_anchor=(0, 1))
    axes.grid(axis="x", alpha=0.3)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
