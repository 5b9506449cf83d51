"""What a run will cost before it starts: time of its jobs from recorded benchmarks and the units of work in each.

The time of a job is a sum over its units (`said.workflow.work`), each at the seconds it took on the machine of
`said.workflow.reference_costs`. Recorded jobs of this project say how much slower or faster this machine is at a rule.
So the estimate of a job that ran before with the same settings is its own time, and one at another scale grows with
its work.
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
"""Where a time comes from: a job's own time, or the table of reference costs. Between them stand the times of other
jobs, "scaled", and of jobs with a model of another size, "rough"."""


@dataclass(frozen=True)
class Expected:
    """How long a job will take, and where that comes from; None: not known."""

    job: Job
    seconds: float | None
    source: str


def reference_seconds(job: Job, config: Mapping[str, Any]) -> tuple[float, float] | None:
    """Time of a job on the reference machine, and the part of it that a job without work takes.

    None where its rule, or something that it does, was never measured.

    Raises:
        KeyError: the job's settings lack what its rule counts by.
    """
    costs = CPU.get(job.rule, {}) | (GPU if job.gpu else {})
    units = work(job, config)
    if units.keys() - costs.keys():
        return None
    return sum(amount * costs[unit] for unit, amount in units.items()), costs["job"]


@dataclass(frozen=True)
class _Measured:
    """A recorded job: its time, and what `reference_seconds` says of it."""

    name: str
    seconds: float
    reference: float
    idle: float
    units: frozenset[str]

    def is_comparable(self, reference: float) -> bool:
        """Whether a job of that reference time can be judged by this one.

        Not where it would grow and this one did little but start, import its packages and read its files.
        """
        return reference <= 2 * self.reference or 2 * self.idle <= self.reference


class Estimator:
    """Estimates jobs of a run.

    Args:
        config: of the run, resolved.
        records: jobs that this run has done.
        others: the same of other runs in this folder, by name, each with its configuration.
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
        """The time of one job, from the surest source there is."""
        reference = reference_seconds(job, self._config)
        if reference is None:
            known = self._plain.get(_kind(job))
            return Expected(job, statistics.fmean(known), MEASURED) if known else Expected(job, None, "")
        seconds, _ = reference
        run, jobs = MEASURED, _comparable(self._here, job, seconds)
        jobs = [measured for measured in jobs if measured.name == job.name] or jobs
        if not jobs and self._elsewhere:  # the run with the largest jobs
            found = {other: _comparable(measured, job, seconds) for other, measured in self._elsewhere.items()}
            run = max(found, key=lambda other: max((job.reference for job in found[other]), default=0.0))
            jobs = found[run]
        if not jobs:
            return Expected(job, seconds, REFERENCE)
        if any(measured.units != work(job, self._config).keys() for measured in jobs):
            run += ", rough"
        elif run != MEASURED or not all(math.isclose(measured.reference, seconds) for measured in jobs):
            run += ", scaled"
        return Expected(job, seconds * _slowness(jobs), run)


def _kind(job: Job) -> tuple[str, bool]:
    """Jobs whose times can be compared: those of a rule, on the same kind of processor."""
    return job.rule, job.gpu


def _measured(config: Mapping[str, Any], records: Iterable[Record]) -> dict[tuple[str, bool], list[_Measured]]:
    found: dict[tuple[str, bool], list[_Measured]] = {}
    for record in records:
        try:
            reference = reference_seconds(record.job, config)
        except (KeyError, TypeError, ValueError, AttributeError, ZeroDivisionError):
            continue  # settings of a time when the workflow was another
        if reference is not None and reference[0] > 0:
            measured = _Measured(record.job.name, record.seconds, *reference, frozenset(work(record.job, config)))
            found.setdefault(_kind(record.job), []).append(measured)
    return found


def _comparable(
    measured: Mapping[tuple[str, bool], Sequence[_Measured]], job: Job, reference: float
) -> list[_Measured]:
    return [one for one in measured.get(_kind(job), ()) if one.is_comparable(reference)]


def _slowness(measured: Sequence[_Measured]) -> float:
    """How many times longer the jobs took than on the reference machine, the large ones counting most."""
    return sum(one.seconds for one in measured) / sum(one.reference for one in measured)


def longest_chain(seconds: Mapping[Hashable, float], needs: Mapping[Hashable, Iterable[Hashable]]) -> float:
    """Time of the longest chain of jobs that wait for each other.

    Args:
        seconds: of each job, every job after those that it needs.
        needs: jobs that a job waits for; those without a time take none.
    """
    ends: dict[Hashable, float] = {}
    for job, own in seconds.items():
        ends[job] = own + max((ends.get(needed, 0.0) for needed in needs.get(job, ())), default=0.0)
    return max(ends.values(), default=0.0)


def _seconds(expected: Expected) -> float:
    """Time of a job; 0 where it is not known."""
    return expected.seconds or 0.0


def _core_seconds(expected: Iterable[Expected]) -> float:
    return sum(one.job.threads * _seconds(one) for one in expected)


def table(expected: Sequence[Expected], at_least: float | None = None) -> str:
    """The estimate as text: a line per rule, most expensive first; rules below 1 % share one line; and the total.

    Args:
        expected: of every job.
        at_least: seconds that the run takes however many machines there are.
    """
    known = [one for one in expected if one.seconds is not None]
    unit, size = ("hours", 3600) if _core_seconds(known) >= 3600 else ("minutes", 60)
    cells = [("rule", "jobs", f"core-{unit}", f"GPU-{unit}", "longest job", "from")]
    cells += [_line(name, jobs, size) for name, jobs in _dearest(known)]
    cells.append((*_line("total", known, size)[:-1], ""))
    widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]))]
    text = [f"Expected cost (core-{unit}: time of a job x cores that it reserves):"]
    for name, *numbers, source in cells:
        aligned = [cell.rjust(width) for cell, width in zip(numbers, widths[1:-1], strict=True)]
        text.append("  ".join([name.ljust(widths[0]), *aligned, source]).rstrip())
    if at_least is not None:
        text.append(f"The longest chain of jobs takes {_span(at_least)}, on any number of machines.")
    if unknown := [one.job.rule for one in expected if one.seconds is None]:
        counts = ", ".join(f"{rule} ({unknown.count(rule)})" for rule in dict.fromkeys(unknown))
        text.append(f"Not counted, because nothing was ever measured: {counts}.")
    if any("rough" in one.source for one in known):
        text.append("Rough numbers may be off by a factor of three; a run of your own at any scale makes them better.")
    return "\n".join(text)


def _dearest(known: Iterable[Expected]) -> list[tuple[str, list[Expected]]]:
    """Jobs by rule, by falling time; rules that together with all cheaper ones are below a hundredth, as one."""
    rules: dict[str, list[Expected]] = {}
    for one in known:
        rules.setdefault(one.job.rule, []).append(one)
    times = {rule: sum(_seconds(one) for one in jobs) for rule, jobs in rules.items()}
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
        lines.append((f"{len(cheap)} others", [one for rule in cheap for one in rules[rule]]))
    return lines


def _line(name: str, jobs: Sequence[Expected], size: float) -> tuple[str, ...]:
    longest = max((_seconds(one) for one in jobs), default=0.0)
    gpu = [_seconds(one) for one in jobs if one.job.gpu]
    on_gpu = _two_digits(sum(gpu) / size) if gpu else "-"
    sources = "; ".join(sorted({one.source for one in jobs}))
    return name, str(len(jobs)), _two_digits(_core_seconds(jobs) / size), on_gpu, _span(longest), sources


def _two_digits(number: float) -> str:
    """Two significant digits, without an exponent."""
    rounded = float(f"{number:.1e}")
    decimals = 0 if rounded == 0 else max(0, 1 - math.floor(math.log10(rounded)))
    return f"{rounded:.{decimals}f}"


def _span(seconds: float) -> str:
    """A time span to two digits, in the largest unit of which it has two."""
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{_two_digits(seconds / size)} {unit}"
    return f"{_two_digits(seconds)} s"
