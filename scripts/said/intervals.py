"""Intervals over clips: how much a number depends on which sentences were spoken."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit


@dataclass(frozen=True)
class Moments:
    """Count, mean and scatter of vectors. Moments of clips can be added up without one of the clips.

    The scatter is about the vectors' own mean (Chan, Golub and LeVeque 1979): as the difference of two sums it would be
    rounding alone where vectors hardly differ, and no covariance.

    Attributes:
        count: number of vectors.
        mean: (D,); 0 for none.
        scatter: (D, D) sum of the outer products of their deviations from the mean; 0 for none.
    """

    count: float
    mean: NDArray | float
    scatter: NDArray | float

    @classmethod
    def of(cls, values: NDArray) -> "Moments":
        """The moments of the rows of (n, D), in double precision."""
        values = np.asarray(values, dtype=np.float64)
        if not len(values):
            return cls.none()
        mean = values.mean(0)
        return cls(len(values), mean, (values - mean).T @ (values - mean))

    @classmethod
    def none(cls) -> "Moments":
        """The moments of no vectors."""
        return cls(0, 0.0, 0.0)

    def __add__(self, other: "Moments") -> "Moments":
        count = self.count + other.count
        share = other.count / max(1, count)
        apart = np.atleast_1d(np.asarray(other.mean) - self.mean)
        between = self.count * share * np.outer(apart, apart)
        return Moments(count, self.mean + share * apart, self.scatter + other.scatter + between)

    def gaussian(self) -> tuple[NDArray, NDArray]:
        """Mean (D,) and unbiased covariance (D, D), which is 0 for a single vector."""
        return np.asarray(self.mean), np.asarray(self.scatter) / max(1, self.count - 1)


def jackknife_interval(
    statistic: Callable[..., float],
    *columns: Sequence,
    lowest: float = -np.inf,
    highest: float = np.inf,
    level: float = 0.95,
) -> list[float] | None:
    """Jackknife interval of a statistic of clips (Tukey 1958), from its values without each clip, by Student's t.

    For a mean it is Student's interval. It works as well for a biased statistic, such as the distance of two estimated
    distributions, which is the larger the fewer clips they are estimated from. A bootstrap would not: its resamples
    hold fewer different clips, so that their quantiles may all lie above the statistic, which here is the middle.

    Args:
        statistic: takes as many sequences as there are columns.
        columns: each has an entry per clip; a clip is left out of all of them.
        lowest, highest: the smallest and the largest value that the statistic can have; the interval ends there.
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
