"""What a run will cost before it starts: time of its jobs from recorded benchmarks and the work there is in each.

The time of a job is a sum over the quantities of its work (`said.work`), each at the seconds it took on the machine of
`said.reference_costs`. Recorded jobs of this project say how much slower or faster this machine is at a rule. So the
estimate of a job that ran before with the same settings is its own time, and one at another scale grows with its work.
"""

import statistics
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from said.benchmarks import Record
from said.reference_costs import CPU, GPU
from said.work import Job, work

MEASURED, RESCALED, ELSEWHERE, REFERENCE, COUNTED = (
    "this run",
    "this run, scaled",
    "{run}, scaled",
    "shipped, rough",
    "operations, rough",
)
"""Where a time comes from, the surest first."""


@dataclass(frozen=True)
class Expected:
    """How long a job will take, and where that comes from; None: not known."""

    job: Job
    seconds: float | None
    source: str


def reference_seconds(job: Job, config: Mapping) -> float | None:
    """Time of a job on the reference machine; None where its rule, or something that it does, was never measured.

    Raises:
        KeyError: the job's settings lack what its rule counts by.
    """
    costs = CPU.get(job.rule, {}) | (GPU if job.gpu else {})
    quantities = work(job, config)
    if quantities.keys() - costs.keys():
        return None
    return sum(amount * costs[quantity] for quantity, amount in quantities.items())


class Estimator:
    """Estimates jobs of a run.

    Args:
        config: of the run, resolved.
        records: jobs that this run has done.
        others: the same of other runs in this folder, by name, each with its configuration.
    """

    def __init__(
        self,
        config: Mapping,
        records: Sequence[Record] = (),
        others: Mapping[str, tuple[Mapping, Sequence[Record]]] | None = None,
    ):
        self.config = config
        self._own: dict[str, list[tuple[float, float]]] = {}
        self._rules: dict[tuple[str, bool], list[float]] = {}
        self._elsewhere: dict[tuple[str, bool], tuple[str, list[float]]] = {}
        self._plain: dict[tuple[str, bool], list[float]] = {}
        for record in records:
            kind = (record.job.rule, record.job.gpu)
            self._plain.setdefault(kind, []).append(record.seconds)
            reference = _reference_or_none(record.job, config)
            if reference:
                self._own.setdefault((record.job.name, record.job.gpu), []).append((record.seconds, reference))
                self._rules.setdefault(kind, []).append(record.seconds / reference)
        for run, (settings, done) in (others or {}).items():
            for record in done:
                kind, reference = (record.job.rule, record.job.gpu), _reference_or_none(record.job, settings)
                if reference and self._elsewhere.setdefault(kind, (run, []))[0] == run:
                    self._elsewhere[kind][1].append(record.seconds / reference)

    def __call__(self, job: Job) -> Expected:
        """The time of one job, from the surest source there is."""
        kind, reference = (job.rule, job.gpu), reference_seconds(job, self.config)
        if reference is None:
            seconds = statistics.fmean(self._plain[kind]) if kind in self._plain else None
            return Expected(job, seconds, MEASURED if seconds is not None else "")
        if own := self._own.get((job.name, job.gpu)):
            seconds, then = (statistics.fmean(column) for column in zip(*own, strict=True))
            same = abs(reference / then - 1) < 1e-9
            return Expected(job, seconds * reference / then, MEASURED if same else RESCALED)
        if kind in self._rules:
            return Expected(job, reference * statistics.median(self._rules[kind]), RESCALED)
        if kind in self._elsewhere:
            run, ratios = self._elsewhere[kind]
            return Expected(job, reference * statistics.median(ratios), ELSEWHERE.format(run=run))
        return Expected(job, reference, COUNTED if job.gpu else REFERENCE)


def _reference_or_none(job: Job, config: Mapping) -> float | None:
    """Of a recorded job, whose settings may be of a time when the workflow was another."""
    try:
        return reference_seconds(job, config)
    except (KeyError, TypeError, ValueError, AttributeError, ZeroDivisionError):
        return None


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


def core_hours(expected: Iterable[Expected]) -> float:
    """Reserved cores times time, of the jobs whose time is known."""
    return sum(one.job.threads * one.seconds for one in expected if one.seconds is not None) / 3600


def gpu_hours(expected: Iterable[Expected]) -> float:
    """Time of the jobs that have a GPU, one each."""
    return sum(one.seconds for one in expected if one.seconds is not None and one.job.gpu) / 3600


def table(expected: Sequence[Expected], at_least: float | None = None) -> str:
    """The estimate as text: a line per rule, the dearest first, and the total.

    Args:
        expected: of every job.
        at_least: seconds that the run takes however many machines there are.
    """
    known = [one for one in expected if one.seconds is not None]
    by_rule: dict[str, list[Expected]] = {}
    for one in known:
        by_rule.setdefault(one.job.rule, []).append(one)
    rules = sorted(by_rule, key=lambda rule: -sum(one.seconds for one in by_rule[rule]))
    lines = [(rule, by_rule[rule], _sources(by_rule[rule])) for rule in rules]
    cells = [("rule", "jobs", "core-hours", "GPU-hours", "longest job", "from")]
    for name, jobs, source in [*lines, ("total", known, "")]:
        longest = max((one.seconds for one in jobs), default=0.0)
        on_gpu = _two_digits(gpu_hours(jobs)) if any(one.job.gpu for one in jobs) else "-"
        cells.append((name, str(len(jobs)), _two_digits(core_hours(jobs)), on_gpu, _span(longest), source))
    widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]))]
    text = ["Expected cost (core-hours: time of a job x cores that it reserves):"]
    for row in cells:
        aligned = [cell.rjust(width) for cell, width in zip(row[1:5], widths[1:5], strict=True)]
        text.append("  ".join([row[0].ljust(widths[0]), *aligned, row[5]]).rstrip())
    if at_least is not None:
        text.append(f"The longest chain of jobs takes {_span(at_least)}; no number of machines makes it shorter.")
    if unknown := [one.job.rule for one in expected if one.seconds is None]:
        counts = ", ".join(f"{rule} ({unknown.count(rule)})" for rule in dict.fromkeys(unknown))
        text.append(f"Not counted, because never measured: {counts}.")
    if any("rough" in one.source for one in known):
        text.append("Rough numbers may be off by a factor of three; a run of your own at any scale makes them better.")
    return "\n".join(text)


def _sources(jobs: Iterable[Expected]) -> str:
    return "; ".join(sorted({one.source for one in jobs}))


def _two_digits(number: float) -> str:
    """Two significant digits, without an exponent; what is below a hundredth is shown as that."""
    if number < 0.01:
        return "<0.01" if number else "0"
    rounded = float(f"{number:.1e}")
    return f"{rounded:.0f}" if rounded >= 10 else f"{rounded:.1f}" if rounded >= 1 else f"{rounded:.2g}"


def _span(seconds: float) -> str:
    """A time span to two digits, in its largest unit."""
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size or (size < 86400 and seconds >= size):
            return f"{_two_digits(seconds / size)} {unit}"
    return f"{_two_digits(seconds)} s"
