"""Snakemake's limit of jobs per second, and what it costs a run that does not need it."""

from typing import Any

_DEFAULT = (100, 1)
"""Jobs and seconds of `--max-jobs-per-timespan`, where nobody gives it."""


def lift_default_limit(scheduler: Any) -> None:
    """Take the default limit of 100 jobs per second from Snakemake's scheduler; one that the user gave stays.

    Where there is a limit, Snakemake 9 looks for jobs anew a second after each look, and after each job's end besides:
    every job that ends adds a look per second for the rest of the run, and after a hundred jobs its process takes much
    of a core. No run here starts a hundred jobs in a second.

    Args:
        scheduler: of a workflow that has not run a job yet.
    """
    limiter = getattr(scheduler, "job_rate_limiter", None)
    if limiter is not None and (limiter.max_jobs, limiter.timespan) == _DEFAULT:
        scheduler.job_rate_limiter = None
