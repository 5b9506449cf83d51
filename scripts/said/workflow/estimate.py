"""The cost of a run before it starts, from recorded benchmarks and the units of work in each job.

The time of a job is the sum over its units (`said.workflow.work`) of the seconds that each takes on the reference
machine (`said.workflow.reference_costs`). Recorded jobs of this project show how much slower or faster this machine is
at each rule. So a job that ran before with the same settings is expected to take the same time again, and a job at
another scale takes longer in proportion to its work.
"""

import math
import statistics
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from said.workflow.benchmarks import Record
from said.workflow.reference_costs import CPU, GPU
from said.workflow.work import Job, work

MEASURED, REFERENCE = "this run", "shipped, rough"
"""Where a time comes from: the job's own record, or the table of reference costs. In between are the times of other
jobs, "scaled", and of jobs with a model of another size, "rough"."""


@dataclass(frozen=True)
class Expected:
    """How long a job will take, in seconds (None: not known), and where that comes from."""

    job: Job
    seconds: float | None
    source: str


def reference_seconds(job: Job, config: Mapping[str, Any]) -> tuple[float, float] | None:
    """Seconds of a job on the reference machine, and those that it would take without any work.

    None where its rule, or one of its units, was never measured.

    Raises:
        KeyError: the settings of the job lack what its work is counted from.
    """
    costs = CPU.get(job.rule, {}) | (GPU if job.gpu else {})
    units = work(job, config)
    if units.keys() - costs.keys():
        return None
    return sum(amount * costs[unit] for unit, amount in units.items()), costs["job"]


@dataclass(frozen=True)
class _Measured:
    """A recorded job: its time, what `reference_seconds` gives for it, and its units."""

    name: str
    seconds: float
    reference: float
    idle: float
    units: frozenset[str]

    def is_comparable(self, reference: float) -> bool:
        """Whether this job says how long one of that reference time will take.

        It does not where the other is larger and this one did little but start, import packages and read files.
        """
        return reference <= 2 * self.reference or 2 * self.idle <= self.reference


class Estimator:
    """Estimates the jobs of a run.

    Args:
        config: of the run, resolved.
        records: the finished jobs of this run.
        others: those of the other runs in this folder, by the name of the run, each with its configuration.
    """

    def __init__(
        self,
        config: Mapping[str, Any],
        records: Sequence[Record] = (),
        others: Mapping[str, tuple[Mapping[str, Any], Sequence[Record]]] | None = None,
    ):
        self._config = config
        self._here = _measured(config, records)
        self._elsewhere = {run: _measured(*pair) for run, pair in (others or {}).items()}
        self._plain: dict[tuple[str, bool], list[float]] = {}
        for record in records:
            self._plain.setdefault(_kind(record.job), []).append(record.seconds)

    def __call__(self, job: Job) -> Expected:
        """The time of a job, from the best source available."""
        reference = reference_seconds(job, self._config)
        if reference is None:
            known = self._plain.get(_kind(job))
            return Expected(job, statistics.fmean(known), MEASURED) if known else Expected(job, None, "")
        seconds, _ = reference
        run, jobs = MEASURED, _comparable(self._here, job, seconds)
        jobs = [measured for measured in jobs if measured.name == job.name] or jobs
        if not jobs and self._elsewhere:  # the run with the largest jobs
            candidates = {other: _comparable(measured, job, seconds) for other, measured in self._elsewhere.items()}
            run = max(candidates, key=lambda other: max((job.reference for job in candidates[other]), default=0.0))
            jobs = candidates[run]
        if not jobs:
            return Expected(job, seconds, REFERENCE)
        if any(measured.units != work(job, self._config).keys() for measured in jobs):
            run += ", rough"
        elif run != MEASURED or not all(math.isclose(measured.reference, seconds) for measured in jobs):
            run += ", scaled"
        return Expected(job, seconds * _slowness(jobs), run)


def _kind(job: Job) -> tuple[str, bool]:
    """What jobs with comparable times share: the rule and the kind of processor."""
    return job.rule, job.gpu


def _measured(config: Mapping[str, Any], records: Iterable[Record]) -> dict[tuple[str, bool], list[_Measured]]:
    jobs: dict[tuple[str, bool], list[_Measured]] = {}
    for record in records:
        try:
            reference = reference_seconds(record.job, config)
        except (KeyError, TypeError, ValueError, AttributeError, ZeroDivisionError):
            continue  # the settings are those of an older version of the workflow
        if reference is not None and reference[0] > 0:
            measured = _Measured(record.job.name, record.seconds, *reference, frozenset(work(record.job, config)))
            jobs.setdefault(_kind(record.job), []).append(measured)
    return jobs


def _comparable(
    measured: Mapping[tuple[str, bool], Sequence[_Measured]], job: Job, reference: float
) -> list[_Measured]:
    return [other for other in measured.get(_kind(job), ()) if other.is_comparable(reference)]


def _slowness(measured: Sequence[_Measured]) -> float:
    """How many times longer the jobs took than on the reference machine, weighted by their size."""
    return sum(job.seconds for job in measured) / sum(job.reference for job in measured)


def longest_chain(seconds: Mapping[Hashable, float], needs: Mapping[Hashable, Iterable[Hashable]]) -> float:
    """Seconds of the longest chain of jobs that wait for each other.

    Args:
        seconds: time of each job, listed after the jobs that it needs.
        needs: the jobs that each job waits for; those without a time take none.
    """
    ends: dict[Hashable, float] = {}
    for job, own in seconds.items():
        ends[job] = own + max((ends.get(needed, 0.0) for needed in needs.get(job, ())), default=0.0)
    return max(ends.values(), default=0.0)


def _seconds(expected: Expected) -> float:
    """Time of a job; 0 where it is not known."""
    return expected.seconds or 0.0


def _core_seconds(expected: Iterable[Expected]) -> float:
    return sum(estimate.job.threads * _seconds(estimate) for estimate in expected)


def table(expected: Sequence[Expected], at_least: float | None = None) -> str:
    """The estimate as text: a line per rule, most expensive first, the cheapest (1 % in all) as one, and the total.

    Args:
        expected: the estimates of all jobs.
        at_least: seconds that the run takes on any number of machines.
    """
    known = [estimate for estimate in expected if estimate.seconds is not None]
    unit, size = ("hours", 3600) if _core_seconds(known) >= 3600 else ("minutes", 60)
    cells = [("rule", "jobs", f"core-{unit}", f"GPU-{unit}", "longest job", "from")]
    cells += [_line(name, jobs, size) for name, jobs in _dearest(known)]
    cells.append((*_line("total", known, size)[:-1], ""))
    widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]))]
    text = [f"Expected cost (core-{unit}: the time of a job times the cores it reserves):"]
    for name, *numbers, source in cells:
        aligned = [cell.rjust(width) for cell, width in zip(numbers, widths[1:-1], strict=True)]
        text.append("  ".join([name.ljust(widths[0]), *aligned, source]).rstrip())
    if at_least is not None:
        text.append(f"The longest chain of jobs takes {_span(at_least)}, on any number of machines.")
    if unknown := [estimate.job.rule for estimate in expected if estimate.seconds is None]:
        counts = ", ".join(f"{rule} ({unknown.count(rule)})" for rule in dict.fromkeys(unknown))
        text.append(f"Not counted, because never measured: {counts}.")
    if any("rough" in estimate.source for estimate in known):
        text.append("Rough numbers may be off by a factor of three; a run of your own at any scale makes them better.")
    return "\n".join(text)


def _dearest(known: Iterable[Expected]) -> list[tuple[str, list[Expected]]]:
    """Jobs by rule, most expensive first; the cheapest rules, which take a hundredth of the time together, as one."""
    rules: dict[str, list[Expected]] = {}
    for estimate in known:
        rules.setdefault(estimate.job.rule, []).append(estimate)
    times = {rule: sum(_seconds(job) for job in jobs) for rule, jobs in rules.items()}
    rest = 0.0
    cheap: list[str] = []
    for rule in sorted(rules, key=times.__getitem__):
        rest += times[rule]
        if rest > 0.01 * sum(times.values()):
            break
        cheap.append(rule)
    lines = [(rule, rules[rule]) for rule in sorted(rules.keys() - set(cheap), key=lambda rule: (-times[rule], rule))]
    if len(cheap) == 1:
        lines.append((cheap[0], rules[cheap[0]]))
    elif cheap:
        lines.append((f"{len(cheap)} others", [job for rule in cheap for job in rules[rule]]))
    return lines


def _line(name: str, jobs: Sequence[Expected], size: float) -> tuple[str, ...]:
    longest = max(map(_seconds, jobs), default=0.0)
    gpu = [_seconds(estimate) for estimate in jobs if estimate.job.gpu]
    on_gpu = _two_digits(sum(gpu) / size) if gpu else "-"
    sources = "; ".join(sorted({estimate.source for estimate in jobs}))
    return name, str(len(jobs)), _two_digits(_core_seconds(jobs) / size), on_gpu, _span(longest), sources


def _two_digits(number: float) -> str:
    """A number with two significant digits and no exponent."""
    rounded = float(f"{number:.1e}")
    decimals = 0 if rounded == 0 else max(0, 1 - math.floor(math.log10(rounded)))
    return f"{rounded:.{decimals}f}"


def _span(seconds: float) -> str:
    """A time span with two digits, in the largest unit of which it has at least two."""
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{_two_digits(seconds / size)} {unit}"
    return f"{_two_digits(seconds)} s"
