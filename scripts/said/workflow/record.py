"""The record of a run: its configuration, the versions of its software, and what its jobs cost."""

import html
import platform
from collections.abc import Callable, Iterable, Mapping
from importlib import metadata
from typing import Any

import pandas as pd
import yaml

from said.files.pages import page


def cost(benchmarks: pd.DataFrame, stages: Mapping[str, Iterable[str]]) -> pd.DataFrame:
    """Time and memory of a run's jobs, summed by rule in the order of the workflow, and their total.

    Args:
        benchmarks: one row per job: rule, and Snakemake's columns s, cpu_time (seconds) and max_rss (MiB).
        stages: stage -> its rules, both in order. Rules without jobs are left out.

    Returns:
        a table of stage, rule, jobs, wall_seconds, cpu_seconds, peak_mib; the last row is the total, with the
        largest peak.
    """
    rows = []
    for stage, rules in stages.items():
        for rule in rules:
            jobs = benchmarks.loc[benchmarks["rule"] == rule]
            if len(jobs):
                rows.append((stage, rule, *_sums(jobs)))
    known = benchmarks.loc[benchmarks["rule"].isin([rule for rules in stages.values() for rule in rules])]
    rows.append(("total", "", *_sums(known)))
    return pd.DataFrame(rows, columns=["stage", "rule", "jobs", "wall_seconds", "cpu_seconds", "peak_mib"])


def _sums(jobs: pd.DataFrame) -> tuple[Any, ...]:
    # A job that ends before Snakemake first looks at it has "NA" for load and memory.
    numbers = jobs[["s", "cpu_time", "max_rss"]].apply(pd.to_numeric, errors="coerce").fillna(0.0)
    return len(jobs), numbers["s"].sum(), numbers["cpu_time"].sum(), numbers["max_rss"].max() if len(jobs) else 0.0


def versions(requirements: str) -> dict[str, str]:
    """Versions of Python, of the platform and of each package in the text of a requirements file."""
    installed = {"Python": platform.python_version(), "platform": platform.platform()}
    for line in requirements.splitlines():
        name = line.split("#")[0].split("==")[0].strip()
        if name:
            try:
                installed[name] = metadata.version(name)
            except metadata.PackageNotFoundError:
                installed[name] = "not installed"
    return installed


def record_page(
    config: Mapping[str, Any],
    costs: pd.DataFrame,
    software: Mapping[str, str],
    provenance: Mapping[str, object] | None = None,
) -> str:
    """The record as an HTML page: what was run, what it cost, with which software, and the whole configuration."""
    total = costs.iloc[-1]
    summary = (
        f"Dataset {config['dataset']}, scale {config['scale']}, preset {config['preset']}, seed {config['seed']}: "
        f"{total['jobs']} jobs, {_duration(total['wall_seconds'])} of job time, {_duration(total['cpu_seconds'])} of "
        "CPU time. Jobs that ran at the same time are counted separately."
    )
    formatters: dict[str | int, Callable[..., str]] = {
        name: "{:.1f}".format for name in ("wall_seconds", "cpu_seconds", "peak_mib")
    }
    table = costs.to_html(index=False, border=0, formatters=formatters)
    packages = pd.DataFrame(software.items(), columns=["software", "version"]).to_html(index=False, border=0)
    configuration = html.escape(yaml.safe_dump(_plain(config), sort_keys=False, width=120))
    return page(
        f"<p>{html.escape(summary)}</p>\n<h2>Time and memory</h2>\n{table}\n<h2>Software</h2>\n{packages}\n"
        f"<h2>Configuration</h2>\n<pre>{configuration}</pre>",
        provenance,
    )


def _duration(seconds: float) -> str:
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min" if minutes else f"{seconds:.0f} s"


def _plain(value: Any) -> Any:
    """A copy of dicts and lists alone, which YAML writes without tags."""
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return value
