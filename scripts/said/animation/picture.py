"""A picture of curves: all coefficients over time, and the ones that move most."""

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from said.arkit import SPEECH_BLENDSHAPES
from said.corpus import FRAME_RATE

_CURVES = 3
_COLUMNS = 2400


def draw_curves(coefficients: NDArray[np.floating], title: str) -> Figure:
    """Coefficients (N, 32), 60 per second, as a map with time to the right, and below it the curves that move most."""
    step = max(1, len(coefficients) // _COLUMNS)
    shown = coefficients[::step]
    time = np.arange(len(shown)) * step / FRAME_RATE
    figure = Figure(figsize=(10, 7.5), layout="constrained")
    axes = figure.subplots(1 + _CURVES, 1, sharex=True, height_ratios=[5] + [1] * _CURVES)
    extent = (0, len(coefficients) / FRAME_RATE, len(SPEECH_BLENDSHAPES) - 0.5, -0.5)
    image = axes[0].imshow(shown.T, aspect="auto", cmap="cividis", vmin=0, vmax=1, extent=extent)
    axes[0].set_yticks(range(len(SPEECH_BLENDSHAPES)), SPEECH_BLENDSHAPES, fontsize=6.5)
    axes[0].set_title(title, parse_math=False)
    for panel, column in zip(axes[1:], np.argsort(-shown.std(0), kind="stable")[:_CURVES], strict=True):
        panel.plot(time, shown[:, column], color="#0072B2", linewidth=1.2)
        panel.set_ylim(0, max(0.1, 1.1 * float(shown[:, column].max())))
        panel.set_ylabel(SPEECH_BLENDSHAPES[column], rotation=0, ha="right", va="center", fontsize=8)
        panel.spines[["top", "right"]].set_visible(False)
    axes[-1].set_xlabel("time (s)")
    figure.colorbar(image, ax=axes[0], label="coefficient", pad=0.02)
    return figure
