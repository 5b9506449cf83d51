"""What a study's ratings say: mean opinions, whether methods differ, how far participants agree.

The participant is the unit: ratings of one participant depend on each other, so that intervals and tests are over
participants' means, never over single ratings.
"""

from collections.abc import Sequence
from itertools import combinations
from typing import Any, NamedTuple

import krippendorff
import numpy as np
from numpy.typing import NDArray
from scipy import stats

from said.intervals import jackknife_interval
from said.study.questions import SCORES


class Opinion(NamedTuple):
    """A mean with its 95 % interval over participants; NaN where there is none."""

    count: int
    mean: float
    low: float
    high: float


class Friedman(NamedTuple):
    """Friedman's test: statistic, p, and Kendall's W, from 0, no agreement on the methods' order, to 1."""

    count: int
    statistic: float
    p: float
    concordance: float


class Pair(NamedTuple):
    """Two methods, by their numbers: mean difference, and p of Wilcoxon's test before and after Holm's correction."""

    first: int
    second: int
    count: int
    difference: float
    p: float
    corrected: float


def opinion(values: NDArray[np.floating], lowest: float = -np.inf, highest: float = np.inf) -> Opinion:
    """The mean of participants' values (P,), and Student's 95 % interval; NaN among them are left out."""
    known = values[np.isfinite(values)]
    if not len(known):
        return Opinion(0, np.nan, np.nan, np.nan)
    interval = jackknife_interval(np.mean, list(known), lowest=lowest, highest=highest)
    low, high = interval or (np.nan, np.nan)
    return Opinion(len(known), float(known.mean()), low, high)


def opinions(means: NDArray[np.floating]) -> list[Opinion]:
    """Mean opinion score of each method, of participants' means (P, M)."""
    return [opinion(column, SCORES[0], SCORES[-1]) for column in means.T]


def complete(means: NDArray[np.floating]) -> NDArray[np.floating]:
    """Of participants' means (P, M), those of participants who rated every method."""
    return means[np.isfinite(means).all(1)]


def friedman(means: NDArray[np.floating]) -> Friedman:
    """Whether methods differ at all, of the means (P, M) of complete participants.

    Kendall's W is the statistic over its largest value, P (M - 1). NaN for fewer than three methods or two
    participants, and where every participant rates all methods alike.
    """
    participants, methods = means.shape
    if methods < 3 or participants < 2 or (np.ptp(means, axis=1) == 0).all():
        return Friedman(participants, np.nan, np.nan, np.nan)
    statistic, p = stats.friedmanchisquare(*means.T)
    return Friedman(participants, float(statistic), float(p), float(statistic / (participants * (methods - 1))))


def pairs(means: NDArray[np.floating]) -> list[Pair]:
    """Which methods differ, of the means (P, M) of complete participants: Wilcoxon's signed ranks, zeros as Pratt's.

    p is exact without ties up to 50 participants and with ties up to 13, and normal beyond.
    """
    found = []
    for first, second in combinations(range(means.shape[1]), 2):
        # Means of thirds: equal differences must be equal numbers, or ties would not be ties.
        differences = np.round(means[:, first] - means[:, second], 9)
        p = 1.0
        if differences.any():
            result: Any = stats.wilcoxon(differences, zero_method="pratt", method="auto")
            p = float(result.pvalue)
        mean = float(differences.mean()) if len(differences) else np.nan
        found.append(Pair(first, second, len(differences), mean, p, np.nan))
    corrected = holm([pair.p for pair in found])
    return [pair._replace(corrected=value) for pair, value in zip(found, corrected, strict=True)]


def holm(p: Sequence[float]) -> list[float]:
    """p values corrected for their number (Holm 1979): the k-th smallest of m times m - k + 1, never falling."""
    order = np.argsort(p, kind="stable")
    scaled = np.asarray(p, float)[order] * np.arange(len(order), 0, -1)
    corrected = np.empty(len(order))
    corrected[order] = np.minimum(np.maximum.accumulate(scaled), 1.0) if len(order) else scaled
    return corrected.tolist()


def agreement(ratings: NDArray[np.floating]) -> float:
    """Krippendorff's alpha of ratings (P, items), NaN where there is none: 1 is agreement, 0 what chance gives.

    For ordinal scales (Krippendorff 2011). NaN where fewer than two ratings differ or can be paired.
    """
    paired = ratings[:, np.isfinite(ratings).sum(0) > 1]
    if not paired.size or len(np.unique(paired[np.isfinite(paired)])) < 2:
        return np.nan
    return float(krippendorff.alpha(paired, level_of_measurement="ordinal", value_domain=list(SCORES)))


def order_effect(ratings: NDArray[np.floating], positions: NDArray[np.floating]) -> Opinion:
    """By how much a rating rises from one position to the next: mean over participants of each one's slope.

    Args:
        ratings: (P, items), NaN where there is none. Of each, the item's mean is taken away before.
        positions: (P, items) at which they were shown.
    """
    known = np.isfinite(ratings)
    counts = known.sum(0)
    means = np.where(known, ratings, 0.0).sum(0) / np.maximum(counts, 1)
    slopes = np.full(len(ratings), np.nan)
    for row, (values, places, there) in enumerate(zip(ratings - means, positions, known, strict=True)):
        if there.any() and np.ptp(places[there]) > 0:
            moved = places[there] - places[there].mean()
            slopes[row] = (moved * values[there]).sum() / np.square(moved).sum()
    return opinion(slopes)
