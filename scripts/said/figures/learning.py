"""How trainings learn: what they denoise at each level of noise, what their previews are like, and where it leads."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from said.figures.style import PALETTE
from said.figures.training import Records, by_noise, draw_references
from said.training.extrapolation import worst_error, worst_trend

PREVIEWS = {"sample_jawOpen": "correlation of jawOpen", "sample_jitter": "jitter, times the real one"}


def learning(histories: Mapping[str, Records]) -> Figure:
    """Denoising error by SNR and its constant part at the last validation; measures of the previews over steps.

    Below, over steps, the error at the level of noise where it is largest, over the error of the data's mean; dashed,
    what the trend of its second half gives for ten times the steps.

    Args:
        histories: by training, its history, with the errors of `said.denoising.Probe`; previews may be lacking.
    """
    figure = Figure(figsize=(11, 12), layout="constrained")
    grid = figure.add_gridspec(3, 2)
    error, constant, *previews = (figure.add_subplot(grid[row, column]) for row in (0, 1) for column in (0, 1))
    worst = figure.add_subplot(grid[2, :])
    for (name, history), colour in zip(histories.items(), PALETTE * (1 + len(histories) // len(PALETTE)), strict=False):
        style: dict[str, Any] = {"color": colour, "label": name, "marker": "o"}
        by_noise(error, history[-1], "error", **style)
        by_noise(constant, history[-1], "error_constant", **style)
        for axes, measure in zip(previews, PREVIEWS, strict=True):
            drawn = [(record["step"], record[measure]) for record in history if measure in record]
            axes.plot([step for step, _ in drawn], [value for _, value in drawn], markersize=3, **style)
        _draw_trend(worst, history, {"color": colour, "label": name})
    for axes, title in ((error, "Denoising error"), (constant, "its constant part")):
        draw_references(axes, next(iter(histories.values()))[-1])
        axes.set(title=title, xlabel="SNR (dB); sampling begins at the right", ylabel="rms error of clean coefficients")
        axes.set(yscale="log")
        axes.invert_xaxis()
    for axes, (measure, label) in zip(previews, PREVIEWS.items(), strict=True):
        axes.set(title="Previews", xlabel="step", ylabel=label, yscale="log" if "jitter" in measure else "linear")
    worst.axhline(1, color="black", linestyle=":", label="mean of the data")
    worst.set(title="Where the error is largest", xlabel="step", ylabel="error over that of the data's mean")
    worst.set(xscale="log", yscale="log")
    error.legend(frameon=False, fontsize=8)
    for axes in (error, constant, *previews, worst):
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.25)
    return figure


def _draw_trend(axes: Axes, history: Records, style: dict[str, Any]) -> None:
    mean, steps = history[-1]["error_mean"], [record["step"] for record in history]
    axes.plot(steps, [worst_error(record) / mean for record in history], marker="o", markersize=2, **style)
    try:
        trend = worst_trend(history)
    except ValueError:  # too few records
        return
    later = np.geomspace(steps[-1], 10 * steps[-1], 20)
    axes.plot(later, [trend.at(step).value / mean for step in later], linestyle="--", color=style["color"])
