"""The loss curves of all trainings, and the denoising error of each variant by noise level."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from said.figures.style import PALETTE

Records = Sequence[Mapping[str, Any]]


def training(extractor: Records, variants: Mapping[str, Records]) -> Figure:
    """Loss over steps of the extractor and of each variant: training as a line, validation as points.

    Below, by SNR, the error of the clean coefficients at the last validation and its constant part, and two references.

    Args:
        extractor: its history, as the training loop writes it: a record per validation with step, loss and validation.
        variants: by variant, its history, with the errors of `said.denoising.Probe` as well.
    """
    figure = Figure(figsize=(11, 8), layout="constrained")
    (left, right), (error, constant) = figure.subplots(2, 2)
    _curve(left, extractor, PALETTE[0], None)
    left.set(title="VAE feature extractor", xlabel="step", ylabel="loss", yscale="log")
    for (name, history), colour in zip(variants.items(), PALETTE * (1 + len(variants) // len(PALETTE)), strict=False):
        _curve(right, history, colour, name)
        by_noise(error, history[-1], "error", color=colour, label=name, marker="o")
        by_noise(constant, history[-1], "error_constant", color=colour, label=name, marker="o")
    right.set(title="SAiD", xlabel="step", ylabel="loss (each variant's own)", yscale="log")
    for axes in (left, right):
        axes.annotate("line: training, points: validation", (0.02, 0.02), xycoords="axes fraction", fontsize=8)
    for axes, title in ((error, "Denoising error at the last validation"), (constant, "its constant part")):
        draw_references(axes, next(iter(variants.values()))[-1])
        axes.set(title=title, xlabel="SNR (dB); sampling begins at the right", ylabel="rms error of clean coefficients")
        axes.set(yscale="log")
        axes.invert_xaxis()
    right.legend(frameon=False, fontsize=8)
    error.legend(frameon=False, fontsize=8)
    for axes in (left, right, error, constant):
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.25)
    return figure


def draw_references(axes: Axes, record: Mapping[str, Any]) -> None:
    """The mean of the data and the optimal linear estimate, which know no speech."""
    axes.axhline(record["error_mean"], color="black", linestyle=":", label="mean of the data")
    by_noise(axes, record, "error_linear", color="black", linestyle="--", label="optimal linear estimate")


def by_noise(axes: Axes, record: Mapping[str, Any], measure: str, **style: Any) -> None:
    """A measure of `said.denoising.Probe` over the bands of the SNR."""
    keys = [key for key in record if key.startswith(f"{measure}/")]
    bands = [int(key.removeprefix(f"{measure}/").removesuffix("dB")) for key in keys]
    axes.plot(bands, [record[key] for key in keys], **{"linewidth": 1.2, "markersize": 3} | style)


def _curve(axes: Axes, history: Records, colour: str, label: str | None) -> None:
    steps = [record["step"] for record in history]
    axes.plot(steps, [record["loss"] for record in history], color=colour, label=label, linewidth=1.2)
    axes.plot(steps, [record["validation"] for record in history], "o", color=colour, markersize=3)
