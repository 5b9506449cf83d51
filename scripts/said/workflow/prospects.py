"""What a training of the paper's own setting will have learnt at its end, said before it is submitted.

The paper predicts noise on raw coefficients. An error of the noise is one of the clean coefficients divided by the root
of the signal-to-noise ratio, so that such a model is for long worse than the mean face where sampling begins, while its
loss looks fine and its samples are good. The numbers are those of docs/learning.md: width 192, the embedded corpus,
extrapolated by `said.training.extrapolation`.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from said.workflow.work import Job, work

WIDTH, RATE, STEPS = 192, 1e-3, 2160
"""Of the measured training: the model's width, the learning rate and the length. Narrower models learn this later."""
MEAN = 0.076
"""Error of the mean face."""
ERRORS = {-5: (0.106, (0.23, 0.29)), -15: (0.27, (0.31, 0.36)), -25: (0.86, (0.30, 0.39)), -35: (2.8, (0.32, 0.41))}
"""By SNR in dB, the error after `STEPS`, and the least and the largest exponent of its fall over two seeds."""
SLOWER = (0.6, 0.95)
"""Exponents of the learning rate by which steps count for less: a tenth of the rate took 4 times the steps between 1e-3
and 1e-4, and 9 times between 1e-4 and 1e-5."""


def worth(steps: float, rate: float) -> tuple[float, float]:
    """To how many steps at `RATE` these are equal at their own learning rate: the least and the largest number."""
    slower, slowest = (steps * (rate / RATE) ** exponent for exponent in SLOWER)
    return min(slower, slowest), max(slower, slowest)


def error_ratio(decibels: int, steps: tuple[float, float]) -> tuple[float, float]:
    """The expected error at an SNR of `ERRORS` over that of the mean face, after so many steps at `RATE`: a range."""
    error, exponents = ERRORS[decibels]
    ratios = [error / MEAN * (count / STEPS) ** -exponent for count in steps for exponent in exponents]
    return min(ratios), max(ratios)


def prospects(jobs: Iterable[Job], config: Mapping[str, Any]) -> list[str]:
    """A line for each length and learning rate of trainings in the paper's setting and width; none for other jobs."""
    found: dict[tuple[float, float], list[str]] = {}
    for job in jobs:
        if job.rule != "train_said":
            continue
        settings = job.params["settings"]
        if settings["width"] < WIDTH or settings["prediction"] != "epsilon" or settings["coefficient_scale"] != "none":
            continue
        steps = sum(count for unit, count in work(job, config).items() if unit.endswith("step"))
        found.setdefault((steps, settings["learning_rate"]), []).append(job.wildcards["variant"])
    return [_line(sorted(names), *key) for key, names in sorted(found.items(), reverse=True)]


def _line(names: list[str], steps: float, rate: float) -> str:
    equal = worth(steps, rate)
    line = (
        f"{', '.join(names)}: {steps:,.0f} steps at a learning rate of {rate:g} are worth {_range(*equal)} at {RATE:g}"
    )
    if equal[1] < STEPS:
        return f"{line}; fewer than {STEPS:,}, from which on samples followed speech (docs/learning.md)."
    ratios = {decibels: error_ratio(decibels, equal) for decibels in ERRORS}
    won = [decibels for decibels, (_, high) in ratios.items() if high <= 1]
    lost = [f"{_range(*ratio)} times it at {decibels} dB" for decibels, ratio in ratios.items() if ratio[1] > 1]
    better = f"below the mean face's from {min(won)} dB up" if won else ""
    errors = ", ".join(filter(None, [better, *lost]))
    return (
        f"{line}, where {STEPS:,} gave samples that follow speech (docs/learning.md). Expected denoising error: "
        f"{errors}; samples are good long before it is below everywhere."
    )


def _range(low: float, high: float) -> str:
    low, high = (float(f"{value:.2g}") for value in (low, high))
    return f"{low:,.10g}" if low == high else f"{low:,.10g} to {high:,.10g}"
