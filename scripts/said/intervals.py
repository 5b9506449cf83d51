"""Intervals over clips: how much a number owes to which sentences were said."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit


@dataclass(frozen=True)
class Moments:
    """Count, sum and sum of outer products of vectors; they add up, so that clips need not be kept to be left out.

    Attributes:
        count: of vectors.
        total: (D,) their sum.
        outer: (D, D) the sum of their outer products.
    """

    count: float
    total: NDArray | float
    outer: NDArray | float

    @classmethod
    def of(cls, values: NDArray) -> "Moments":
        """Of the rows of (n, D), in double precision."""
        values = np.asarray(values, dtype=np.float64)
        return cls(len(values), values.sum(0), values.T @ values)

    @classmethod
    def none(cls) -> "Moments":
        """Of no vectors."""
        return cls(0, 0.0, 0.0)

    def __add__(self, other: "Moments") -> "Moments":
        return Moments(self.count + other.count, self.total + other.total, self.outer + other.outer)

    def gaussian(self) -> tuple[NDArray, NDArray]:
        """Mean (D,) and covariance (D, D), unbiased; that of one vector is 0."""
        mean = np.asarray(self.total) / self.count
        return mean, (self.outer - self.count * np.outer(mean, mean)) / max(1, self.count - 1)


def jackknife_interval(
    statistic: Callable[..., float],
    *columns: Sequence,
    lowest: float = -np.inf,
    highest: float = np.inf,
    level: float = 0.95,
) -> list[float] | None:
    """Interval of a statistic of clips by its values without one of them each (Tukey 1958), by Student's t.

    Of a mean it is Student's interval. It is as good for a statistic that is biased, such as the distance of two
    estimated distributions, which is larger the fewer clips they are estimated from: resamples hold fewer different
    clips, so that their quantiles may all lie above the statistic itself; here it is the middle.

    Args:
        statistic: takes as many sequences as there are columns.
        columns: one entry per clip each; the same clip is left out of all.
        lowest, highest: value that the statistic can have; the interval ends there at the latest.
        level: of confidence.

    Returns:
        the lower and the upper end; None for fewer than two clips, which say nothing about others.
    """
    count = len(columns[0])
    if count < 2:
        return None
    without = [statistic(*([*column[:k], *column[k + 1 :]] for column in columns)) for k in range(count)]
    middle, error = statistic(*columns), np.sqrt((count - 1) * np.var(without))
    half = stdtrit(count - 1, (1 + level) / 2) * error
    return np.clip([middle - half, middle + half], lowest, highest).tolist()
