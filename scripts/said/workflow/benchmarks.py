"""What Snakemake measured for every job: the files that `benchmark:` writes.

It imports no packages, so that a dry run can read these files and stay quick.
"""

import ast
import csv
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from said.workflow.work import Job


@dataclass(frozen=True)
class Record:
    """A finished job and its time in seconds."""

    job: Job
    seconds: float


def read_benchmarks(folder: str | os.PathLike[str]) -> list[dict[str, str]]:
    """One row per job: the columns of its benchmark file, as text, and

    * rule: the name of its rule;
    * name: the path of the file in the folder, without its suffix.

    Files without a row that holds a time, as an interrupted job may leave them, are left out.

    Args:
        folder: holds <rule>.tsv, or <rule>/**/<wildcards>.tsv.
    """
    benchmarks = []
    for path in sorted(Path(folder).rglob("*.tsv")):
        name = path.relative_to(folder).with_suffix("").as_posix()
        with path.open(encoding="utf-8", errors="replace", newline="") as file:
            rows = csv.DictReader((line.replace("\0", "") for line in file), delimiter="\t", quoting=csv.QUOTE_NONE)
            benchmarks += [row | {"rule": name.split("/")[0], "name": name} for row in rows if _is_time(row.get("s"))]
    return benchmarks


def read_records(folder: str | os.PathLike[str], planned: Mapping[str, Job], gpu_here: bool) -> list[Record]:
    """The jobs behind benchmark files, with the settings they ran with.

    Extended benchmarks (`benchmark-extended` in profiles/default) hold the settings. Any other file is taken to be
    of the job planned under its name, or else of a job without settings. The benchmark of a training that resumed
    after an interruption has only the time since; its history has the whole.

    Args:
        folder: see `read_benchmarks`.
        planned: jobs of the same run, by name.
        gpu_here: whether this machine has a GPU, for jobs that may use one and reserve none.
    """
    records = []
    for row in read_benchmarks(folder):
        job = _job(row, planned, gpu_here)
        records.append(Record(job, max(float(row["s"]), _training_seconds(job.params.get("checkpoint")))))
    return records


def uses_gpu(params: Mapping[str, Any], resources: Mapping[str, Any], gpu_here: bool) -> bool:
    """Whether a job computes on a GPU: its settings allow it, and it reserves one or runs where there is one."""
    if params.get("device", "cpu") == "cpu":
        return False
    return params["device"] == "cuda" or gpu_here or reserves_gpu(resources)


def gpu_is_here() -> bool:
    """Whether this machine has a GPU that CUDA or ROCm can use."""
    return any(Path(device).exists() for device in ("/dev/nvidia0", "/dev/kfd"))


def reserves_gpu(resources: Mapping[str, Any]) -> bool:
    """Whether resources ask a scheduler for a GPU, in any way that Snakemake's executors understand."""
    counts = (resources.get(key) for key in ("gpu", "gpus", "nvidia_gpu", "gpus_per_task"))
    return any(str(count) not in ("None", "0", "") for count in counts) or any(
        "gpu" in str(resources.get(key, "")) for key in ("gres", "slurm_extra")
    )


def _is_time(text: str | None) -> bool:
    try:
        return 0 <= float(text or "") < float("inf")
    except ValueError:
        return False


def _job(row: Mapping[str, str], planned: Mapping[str, Job], gpu_here: bool) -> Job:
    params = _literal(row.get("params"))
    if not params:
        return replace(planned.get(row["name"]) or Job(row["rule"], row["name"]), threads=_threads(row))
    gpu = uses_gpu(params, _literal(row.get("resources")), gpu_here)
    return Job(row["rule"], row["name"], _literal(row.get("wildcards")), params, _threads(row), gpu)


def _threads(row: Mapping[str, str]) -> int:
    threads = row.get("threads") or ""
    return max(1, int(threads)) if threads.isdecimal() else 1


def _literal(text: str | None) -> dict[str, Any]:
    """The dict that Python printed as this text; empty where it is none, or holds more than literals."""
    try:
        value = ast.literal_eval(text or "")
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _training_seconds(checkpoint: str | None) -> float:
    """Seconds of a training, all its attempts together; 0 where they are not known."""
    if checkpoint is None:
        return 0.0
    try:
        last = Path(checkpoint).with_name("history.jsonl").read_text(encoding="utf-8").splitlines()[-1]
        return float(json.loads(last)["seconds"])
    except (OSError, IndexError, KeyError, TypeError, ValueError):
        return 0.0
