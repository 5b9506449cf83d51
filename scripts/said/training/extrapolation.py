"""What more training will give: a measure of a training, extrapolated as a power law of its steps.

Errors of networks fall as powers of the training's length over orders of magnitude, to some floor that a short training
does not show. So a fit says what happens if nothing changes, and how far fits to different parts of the same training
disagree says how little that may be worth.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

_PARTS = (1 / 2, 1 / 4, 3 / 4)
"""Where the fitted parts of a training begin, as shares of its steps; all end with it."""
_LEAST = 3
"""Records that the shortest part needs."""
_FLAT = 1e-6
"""A slope that does not count as a fall: a hundred thousandth over all steps that anybody trains."""


@dataclass(frozen=True)
class Extrapolation:
    """A value, from the fit to the second half of a training, and the range of the fits to all parts."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Trend:
    """Power laws value = exp(offset) * step ** slope, fitted to the last parts of a training.

    Attributes:
        slopes, offsets: (P,), the first that of the second half.
    """

    slopes: NDArray[np.float64]
    offsets: NDArray[np.float64]

    @classmethod
    def of(cls, steps: ArrayLike, values: ArrayLike) -> "Trend":
        """Fitted by least squares of logarithms.

        Args:
            steps: (R,) at which the training was measured, > 0, rising.
            values: (R,) what was measured, > 0.

        Raises:
            ValueError: fewer than 3 records lie in the last quarter, or a value is not positive.
        """
        steps, values = np.asarray(steps, dtype=np.float64), np.asarray(values, dtype=np.float64)
        if not ((steps > 0).all() and (values > 0).all()):
            raise ValueError("a power law needs steps and values above 0")
        parts = [steps >= share * steps[-1] for share in _PARTS]
        if (fewest := min(part.sum() for part in parts)) < _LEAST:
            raise ValueError(f"{fewest} records in the last quarter of a training; a trend needs {_LEAST}")
        fits = [np.polyfit(np.log(steps[part]), np.log(values[part]), 1) for part in parts]
        slopes, offsets = np.transpose(fits)
        return cls(slopes, offsets)

    def at(self, step: float) -> Extrapolation:
        """The value after so many steps, if it goes on like this."""
        return _ranged(np.exp(self.offsets + self.slopes * np.log(step)))

    def reaches(self, value: float) -> Extrapolation:
        """The step from which the falling value is at most this; inf where a fit does not fall."""
        falling = self.slopes < -_FLAT
        with np.errstate(over="ignore"):
            steps = np.exp((np.log(value) - self.offsets) / np.where(falling, self.slopes, 1))
        return _ranged(np.where(falling, steps, np.inf))


def worst_error(record: Mapping[str, float]) -> float:
    """The error of the clean coefficients at the level of noise where it is largest.

    Args:
        record: of a training's history, with the errors of `said.denoising.Probe`.
    """
    return max(value for key, value in record.items() if key.startswith("error/"))


def worst_trend(history: Sequence[Mapping[str, float]]) -> Trend:
    """The trend of `worst_error` over the records of a training.

    Raises:
        ValueError: the history is too short, see `Trend.of`.
    """
    return Trend.of([record["step"] for record in history], [worst_error(record) for record in history])


def beats_mean(history: Sequence[Mapping[str, float]]) -> float | None:
    """The first step from which on a training denoises better than the mean of the data at every level of noise.

    Returns:
        None if it does not at its last record.
    """
    since = None
    for record in history:
        if worst_error(record) > record["error_mean"]:
            since = None
        elif since is None:
            since = record["step"]
    return since


def learning_table(histories: Mapping[str, Sequence[Mapping[str, float]]]) -> pd.DataFrame:
    """What each training has reached, and what it will take, a row each.

    Args:
        histories: by training, its history, with the errors of `said.denoising.Probe`.

    Returns:
        columns `training`; `beats_mean`, the step of `beats_mean`; `expected`, the same by `worst_trend`, with
        `expected_low` and `expected_high`; then those of the last record. What a training lacks, such as previews or
        records enough for a trend, is empty.
    """
    rows = []
    for name, history in histories.items():
        try:
            expected = vars(worst_trend(history).reaches(history[-1]["error_mean"]))
        except ValueError:
            expected = {}
        rows.append(
            {
                "training": name,
                "beats_mean": beats_mean(history),
                "expected": expected.get("value"),
                "expected_low": expected.get("low"),
                "expected_high": expected.get("high"),
                **history[-1],
            }
        )
    return pd.DataFrame(rows)


def _ranged(values: NDArray[np.float64]) -> Extrapolation:
    return Extrapolation(float(values[0]), float(values.min()), float(values.max()))
