"""The table of faces of the second source: a row per method, what measures Table 1 and what `face_measures` adds."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from said.tables import Comparison

COLUMNS = (
    "lip_vertex_error_mm", "lve_squared_mm2", "upper_face_dynamics_mm", "av_offset", "av_confidence", "fd", "jitter",
    "block_jump", "jaw_correlation", "correlation_mean", "beat_consistency",
)  # fmt: skip
"""Columns, in their order."""
_ERROR = "lip_vertex_error_mm"


def tabulate_faces(measurements: Mapping[str, Mapping], names: Mapping[str, str]) -> pd.DataFrame:
    """The table: a row per method, `face` its name, then `COLUMNS`. NaN stands for what could not be computed.

    Args:
        measurements: per method, as `said.tables.join` gives them.
        names: what rows are called that are not called as the method.
    """
    rows = [
        [names.get(name, name), *(_number(one, column) for column in COLUMNS)] for name, one in measurements.items()
    ]
    return pd.DataFrame(rows, columns=["face", *COLUMNS])


def face_page(table: pd.DataFrame, measurements: Mapping[str, Mapping]) -> Comparison:
    """The table as a page, with what must be said of it: whether two paths are better than one."""
    cells = table.copy().astype(object)
    for row, measured in zip(cells.index, measurements.values(), strict=True):
        for column in COLUMNS:
            interval = measured.get(f"{column}_interval")
            text = "–" if np.isnan(table.loc[row, column]) else f"{table.loc[row, column]:.3f}"
            cells.loc[row, column] = f"{text} [{interval[0]:.3f}, {interval[1]:.3f}]" if interval else text
    notes = [f"{name}, {key}: {note}" for name, one in measurements.items() for key, note in one["notes"].items()]
    remarks = [
        "A reconstruction from a supplement: the source's own numbers are not known, and none here can be compared "
        "with another paper's. In brackets: 95 % intervals over the test clips, by the jackknife. The row vq is the "
        "truth in the words of the codebook; block_jump and jitter are 1 for the truth.",
        *_verdicts(table),
    ]
    return Comparison(cells, [], remarks + notes)


def _verdicts(table: pd.DataFrame) -> list[str]:
    errors = dict(zip(table["face"], table[_ERROR], strict=True))
    if "base" not in errors:
        return []
    verdicts = []
    for other, path in (("global_only", "local"), ("local_only", "global")):
        if other in errors:
            better = errors["base"] < errors[other]
            verdicts.append(
                f"The {path} path {'lowers' if better else 'does not lower'} the lip vertex error: "
                f"{errors['base']:.3f} mm with both paths, {errors[other]:.3f} mm without it."
            )
    return verdicts


def _number(measured: Mapping[str, Any], column: str) -> float:
    value = measured.get(column)
    return np.nan if value is None else float(value)
