"""How trainings learn: what they denoise at each level of noise, and what their previews are like."""

from collections.abc import Mapping

from matplotlib.figure import Figure

from said.figures.style import PALETTE
from said.figures.training import Records, by_noise, draw_references

PREVIEWS = {"sample_jawOpen": "correlation of jawOpen", "sample_jitter": "jitter, times the real one"}


def learning(histories: Mapping[str, Records]) -> Figure:
    """Denoising error by SNR and its constant part at the last validation; measures of the previews over steps.

    Args:
        histories: by training, its history, with the errors of `said.denoising.Probe`; previews may be lacking.
    """
    figure = Figure(figsize=(11, 8), layout="constrained")
    (error, constant), previews = figure.subplots(2, 2)
    for (name, history), colour in zip(histories.items(), PALETTE * (1 + len(histories) // len(PALETTE)), strict=False):
        style = {"color": colour, "label": name, "marker": "o"}
        by_noise(error, history[-1], "error", **style)
        by_noise(constant, history[-1], "error_constant", **style)
        for axes, measure in zip(previews, PREVIEWS, strict=True):
            drawn = [(record["step"], record[measure]) for record in history if measure in record]
            axes.plot([step for step, _ in drawn], [value for _, value in drawn], markersize=3, **style)
    for axes, title in ((error, "Denoising error"), (constant, "its constant part")):
        draw_references(axes, next(iter(histories.values()))[-1])
        axes.set(title=title, xlabel="SNR (dB); sampling begins at the right", ylabel="rms error of clean coefficients")
        axes.set(yscale="log")
        axes.invert_xaxis()
    for axes, (measure, label) in zip(previews, PREVIEWS.items(), strict=True):
        axes.set(title="Previews", xlabel="step", ylabel=label, yscale="log" if "jitter" in measure else "linear")
    error.legend(frameon=False, fontsize=8)
    for axes in (error, constant, *previews):
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.25)
    return figure
