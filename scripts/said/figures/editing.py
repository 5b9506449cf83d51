"""Figure 4: edits; what they keep is hatched."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from numpy.typing import NDArray

from said.arkit import SPEECH_BLENDSHAPES
from said.corpus import FRAME_RATE
from said.figures.style import PALETTE

_CURVES = 3


def draw_edits(edits: Mapping[str, Mapping[str, NDArray[Any]]]) -> Figure:
    """A column for each edit: all coefficients over time, and below them the curves that changed most.

    Args:
        edits: by title, the arrays of each: `values` (N, 32), `kept` (N, 32) bool, and `reference` (N, 32) if there
            is one.
    """
    figure = Figure(figsize=(1 + 5.6 * len(edits), 8.2), layout="constrained")
    columns = figure.subplots(1 + _CURVES, len(edits), squeeze=False, sharex="col", height_ratios=[5] + [1] * _CURVES)
    for index, ((title, arrays), axes) in enumerate(zip(edits.items(), columns.T, strict=True)):
        image = _coefficients(axes[0], arrays["values"], arrays["kept"])
        axes[0].set_title(title.replace("_", " ") + ("; hatched: kept" if arrays["kept"].any() else ""))
        _curves(axes[1:], arrays, legend=index == 0 and "reference" in arrays)
        axes[-1].set_xlabel("time (s)")
    figure.colorbar(image, ax=columns[0, -1], label="coefficient", pad=0.02)
    return figure


def _coefficients(axes: Axes, values: NDArray[np.floating], kept: NDArray[np.bool_]) -> AxesImage:
    extent = (0, len(values) / FRAME_RATE, len(SPEECH_BLENDSHAPES) - 0.5, -0.5)
    image = axes.imshow(values.T, aspect="auto", cmap="cividis", vmin=0, vmax=1, extent=extent, interpolation="nearest")
    _hatch(axes, np.kron(kept.T, np.ones((8, 2))), (*extent[:2], -0.5, extent[2]))
    axes.set_yticks(range(len(SPEECH_BLENDSHAPES)), SPEECH_BLENDSHAPES, fontsize=6.5)
    return image


def _hatch(axes: Axes, kept: NDArray[Any], extent: tuple[float, float, float, float]) -> None:
    """Draw white stripes over a mask (rows, columns) with the extent left, right, first and last row."""
    if not kept.any():
        return
    rows, columns = kept.shape
    across = np.linspace(*extent[:2], columns)
    down = np.linspace(*extent[2:], rows)
    stripes = axes.contourf(across, down, kept, levels=[0.5, 1.5], colors="none", hatches=["///"])
    stripes.set(edgecolor="white", linewidth=0)


def _curves(axes: Sequence[Axes], arrays: Mapping[str, NDArray[Any]], legend: bool) -> None:
    values, kept = arrays["values"], arrays["kept"]
    reference = arrays.get("reference")
    time = np.arange(len(values)) / FRAME_RATE
    change = np.ptp(values, axis=0) if reference is None else np.abs(values - reference).mean(0)
    shown = np.sort(np.argsort(-change, kind="stable")[:_CURVES])
    for panel, column in zip(axes, shown, strict=True):
        top = values[:, column].max()
        if reference is not None:
            panel.plot(time, reference[:, column], color="0.45", linestyle="--", linewidth=1.2, label="reference")
            top = max(top, reference[:, column].max())
        panel.plot(time, values[:, column], color=PALETTE[0], linewidth=1.4, label="SAiD")
        panel.fill_between(
            time, 0, 1, where=kept[:, column], transform=panel.get_xaxis_transform(), facecolor="none", edgecolor="0.7",
            hatch="///", linewidth=0,
        )  # fmt: skip
        panel.set_ylim(0, max(0.1, 1.1 * top))
        panel.set_ylabel(SPEECH_BLENDSHAPES[column], rotation=0, ha="right", va="center", fontsize=8)
        panel.spines[["top", "right"]].set_visible(False)
    if legend:
        axes[0].legend(frameon=False, fontsize=8, ncols=2, loc="lower center", bbox_to_anchor=(0.5, 0.97))
