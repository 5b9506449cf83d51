"""Does the lip-sync measure work? Offset and confidence of held-out real clips while their speech is shifted."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from said.lipsync.validation import CHANCE, OTHER, OWN, SHIFTS

_BLUE, _ORANGE = "#0072B2", "#D55E00"


def draw(measured: pd.DataFrame, origin: str) -> Figure:
    """Left, offsets over shifts, as dots with the number of clips as area; right, confidences, with the chance level.

    Args:
        measured: the table that `prove` returns.
        origin: where the weights of the model come from.
    """
    figure = Figure(figsize=(10, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    own, other, chance = (measured[measured["speech"] == whose] for whose in (OWN, OTHER, CHANCE))
    counts = own.groupby(["shift", "offset"], as_index=False).agg(clips=("speech", "size"))
    left.fill_between(SHIFTS, [s - 1 for s in SHIFTS], [s + 1 for s in SHIFTS], color="0.9", label="within one frame")
    area = 260 * counts["clips"] / counts["clips"].max()
    left.scatter(counts["shift"], counts["offset"], s=area, color=_BLUE, label="clips")
    within = (np.abs(own["offset"] - own["shift"]) <= 1).mean()
    left.set(
        title=f"{within:.1%} within one frame", xlabel="speech moved ahead by (frames)", ylabel="AV offset (frames)"
    )
    left.legend(frameon=False, loc="upper left")
    still = own[own["shift"] == 0]
    bins = np.linspace(0, measured["confidence"].max(), 31)
    for clips, colour, label in ((still, _BLUE, "own speech"), (other, _ORANGE, "another clip's speech")):
        label += f", mean {clips['confidence'].mean():.2f}"
        right.hist(clips["confidence"], bins, color=colour, alpha=0.85, label=label)
    level = chance["confidence"].mean()
    right.axvline(level, color="0.2", linestyle="--", linewidth=1, label=f"by chance, mean {level:.2f}")
    right.set(title="confidence in real clips", xlabel="AV confidence", ylabel="clips")
    right.legend(frameon=False)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    figure.supxlabel(f"SyncNet, {origin}", fontsize=7, color="0.4")
    return figure
