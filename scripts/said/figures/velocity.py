"""Figures 5 and 9: the effect of the velocity loss, on two samples from the same noise."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from said.arkit import SPEECH_BLENDSHAPES
from said.corpus import FRAME_RATE
from said.figures.style import PALETTE

_WINDOW = 30
_LABELS = ("with velocity loss", "without")


@dataclass(frozen=True)
class Jitter:
    """Half a second of one blendshape with more jitter in the second sequence than in the first.

    Attributes:
        blendshape: its index.
        start: the first frame.
        excess: how much larger the mean absolute second difference is.
    """

    blendshape: int
    start: int
    excess: float


def find_jitter(smooth: NDArray[np.floating], rough: NDArray[np.floating]) -> list[Jitter]:
    """For each blendshape, the stretch where `rough` (N, 32) has most jitter beyond `smooth` (N, 32); worst first."""
    excess = np.abs(np.diff(rough, 2, axis=0)) - np.abs(np.diff(smooth, 2, axis=0))  # (N - 2, 32)
    window = min(_WINDOW, len(excess))
    means = np.lib.stride_tricks.sliding_window_view(excess, window, axis=0).mean(-1)  # (starts, 32)
    starts = means.argmax(0)
    stretches = [Jitter(k, int(start), float(means[start, k])) for k, start in enumerate(starts)]
    return sorted(stretches, key=lambda jitter: -jitter.excess)


def draw_excerpt(smooth: NDArray[np.floating], rough: NDArray[np.floating], count: int = 3) -> Figure:
    """Figure 5: the `count` blendshapes with most jitter, with the velocity loss on the left, without on the right.

    Args:
        smooth: (N, 32) sample with the velocity loss.
        rough: (N, 32) sample without it.
        count: rows of the figure.
    """
    figure = Figure(figsize=(10, 1 + 1.7 * count), layout="constrained")
    axes = figure.subplots(count, 2, sharex=True, sharey="row", squeeze=False)
    time = np.arange(len(smooth)) / FRAME_RATE
    for row, jitter in zip(axes, find_jitter(smooth, rough)[:count], strict=True):
        for panel, values, colour in zip(row, (smooth, rough), PALETTE, strict=False):
            panel.plot(time, values[:, jitter.blendshape], color=colour, linewidth=1.1)
            box(panel, jitter, smooth, rough)
        row[0].set_ylabel(SPEECH_BLENDSHAPES[jitter.blendshape])
    for panel, title in zip(axes[0], _LABELS, strict=True):
        panel.set_title(title)
    for panel in axes[-1]:
        panel.set_xlabel("time (s)")
    _tidy(axes.flat)
    return figure


def draw_all(smooth: NDArray[np.floating], rough: NDArray[np.floating], boxes: int = 6) -> Figure:
    """Figure 9: all 32 blendshapes, with both samples in each panel and boxes around the worst jitter.

    Args:
        smooth: (N, 32) sample with the velocity loss.
        rough: (N, 32) sample without it.
        boxes: how many boxes.
    """
    figure = Figure(figsize=(13, 14), layout="constrained")
    axes = figure.subplots(8, 4, sharex=True)
    time = np.arange(len(smooth)) / FRAME_RATE
    for panel, name, pair in zip(axes.flat, SPEECH_BLENDSHAPES, zip(smooth.T, rough.T, strict=True), strict=True):
        for values, colour, label, order in zip(pair, PALETTE, _LABELS, (2.2, 2.1), strict=False):
            panel.plot(time, values, color=colour, linewidth=order - 1.3, label=label, zorder=order)
        panel.set_title(name, fontsize=9, pad=3)
        panel.set_ylim(0, max(0.1, 1.12 * max(values.max() for values in pair)))
    for jitter in find_jitter(smooth, rough)[:boxes]:
        box(axes.flat[jitter.blendshape], jitter, smooth, rough)
    for panel in axes[-1]:
        panel.set_xlabel("time (s)")
    figure.legend(*axes.flat[0].get_legend_handles_labels(), loc="outside upper center", ncols=2, frameon=False)
    _tidy(axes.flat)
    return figure


def box(axes: Axes, jitter: Jitter, smooth: NDArray[np.floating], rough: NDArray[np.floating]) -> None:
    """Draw a box around both curves of a stretch of jitter."""
    stretch = slice(jitter.start, jitter.start + _WINDOW)
    both = np.concatenate([smooth[stretch, jitter.blendshape], rough[stretch, jitter.blendshape]])
    margin = 0.01 + 0.1 * np.ptp(both)
    bottom, top = max(0.0, both.min() - margin), both.max() + margin
    corner = (jitter.start / FRAME_RATE, bottom)
    box = Rectangle(corner, _WINDOW / FRAME_RATE, top - bottom, fill=False, edgecolor="black", zorder=3, clip_on=False)
    axes.add_patch(box)


def _tidy(axes: Iterable[Axes]) -> None:
    for panel in axes:
        panel.spines[["top", "right"]].set_visible(False)
        panel.grid(alpha=0.25)
        panel.margins(x=0.01)
