"""Bootstrap intervals over clips (Efron 1979): how much a number owes to which sentences were said."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Moments:
    """Count, sum and sum of outer products of vectors; they add up, so that a set need not be kept to be resampled.

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
        return cls(0, 0.0, 0.0)

    def __add__(self, other: "Moments") -> "Moments":
        return Moments(self.count + other.count, self.total + other.total, self.outer + other.outer)

    def gaussian(self) -> tuple[NDArray, NDArray]:
        """Mean (D,) and covariance (D, D), unbiased; that of one vector is 0."""
        mean = self.total / self.count
        return mean, (self.outer - self.count * np.outer(mean, mean)) / max(1, self.count - 1)


def bootstrap(
    statistic: Callable[..., float], *columns: Sequence, repeats: int, seed: int, level: float = 0.95
) -> list[float]:
    """Percentile interval of a statistic of clips, which are drawn with replacement.

    Args:
        statistic: takes as many sequences as there are columns.
        columns: one entry per clip each; the same clips are drawn from all.
        repeats: number of resamples.
        level: share of the resamples between the two ends.

    Returns:
        the lower and the upper end.
    """
    count = len(columns[0])
    values = []
    for drawn in np.random.default_rng(seed).integers(count, size=(repeats, count)):
        values.append(statistic(*([column[index] for index in drawn] for column in columns)))
    return np.quantile(values, [(1 - level) / 2, (1 + level) / 2]).tolist()
