"""The loss curves of all trainings."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from said.figures.style import PALETTE


def training(extractor: Sequence[Mapping[str, Any]], variants: Mapping[str, Sequence[Mapping[str, Any]]]) -> Figure:
    """Loss over steps of the extractor and of each variant: training as a line, validation as points.

    Args:
        extractor: its history, as the training loop writes it: a record per validation with step, loss and validation.
        variants: by variant, its history.
    """
    figure = Figure(figsize=(11, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    _curve(left, extractor, PALETTE[0], None)
    left.set(title="VAE feature extractor", xlabel="step", ylabel="loss", yscale="log")
    for (name, history), colour in zip(variants.items(), PALETTE * (1 + len(variants) // len(PALETTE)), strict=False):
        _curve(right, history, colour, name)
    right.set(title="SAiD", xlabel="step", ylabel="loss (each variant's own)", yscale="log")
    right.legend(frameon=False, fontsize=8)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.25)
        axes.annotate("line: training, points: validation", (0.02, 0.02), xycoords="axes fraction", fontsize=8)
    return figure


def _curve(axes: Axes, history: Sequence[Mapping[str, Any]], colour: str, label: str | None) -> None:
    steps = [record["step"] for record in history]
    axes.plot(steps, [record["loss"] for record in history], color=colour, label=label, linewidth=1.2)
    axes.plot(steps, [record["validation"] for record in history], "o", color=colour, markersize=3)
