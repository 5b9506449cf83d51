"""The tables of the paper, from what was measured of each method."""

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

COLUMNS = ("multimodality", "fd", "wind_mean", "wind_std")
"""Columns of Tables 1 and 2 that are computed from coefficients."""


def tabulate(measurements: Mapping[str, Mapping], label: str) -> pd.DataFrame:
    """One row per method, in the given order: its name under `label`, and `COLUMNS`."""
    rows = [{label: name} | {column: measured[column] for column in COLUMNS} for name, measured in measurements.items()]
    return pd.DataFrame(rows, columns=[label, *COLUMNS])


def tabulate_truth(
    measurements: Mapping[str, Mapping], correlations: Mapping[str, Mapping[str, float]], jitter: Mapping[str, float],
    blendshapes: Iterable[str],
) -> pd.DataFrame:  # fmt: skip
    """What only a corpus with a known truth allows to say of each method.

    Args:
        measurements: per method, as `said.evaluation.evaluate_method` gives it.
        correlations: per method and blendshape, with the true coefficients.
        jitter: per method, relative to the truth's.
        blendshapes: those with a column of their own; `mean` is over all 32.
    """
    rows = []
    for name, measured in measurements.items():
        chosen = {f"correlation_{blendshape}": correlations[name][blendshape] for blendshape in blendshapes}
        mean = float(np.nanmean(list(correlations[name].values())))
        rows.append(
            {"variant": name, "fd": measured["fd"]} | chosen | {"correlation_mean": mean, "jitter": jitter[name]}
        )
    return pd.DataFrame(rows)
