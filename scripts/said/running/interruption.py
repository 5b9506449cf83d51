"""Stops a training in time: before a batch system ends its job, or when it is asked to end."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping
from types import FrameType
from typing import Any

EXIT_CODE = 75
"""EX_TEMPFAIL of sysexits.h: unfinished, try again."""
MARGIN = 300.0
"""Seconds before the end of a job at which a training saves and ends; or a tenth of the remaining time, if less."""
REPEAT = 1.0
"""Seconds within which a second signal counts as the first: one sent to a process and to its group arrives twice."""
_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Stopped(SystemExit):
    """A training was stopped and its state saved; uncaught, it ends the process with EXIT_CODE and no traceback."""

    def __init__(self, message: str):
        super().__init__(EXIT_CODE)
        self.message = message

    def __str__(self) -> str:
        return self.message


class Interruption:
    """A block in which the first SIGTERM or SIGINT is noted instead of obeyed; a later one acts as usual.

    Slurm sends SIGTERM to the processes of a job at its time limit and when it is cancelled or preempted, and kills
    them half a minute later.

    Args:
        deadline: in seconds since the epoch; None: no limit.
    """

    def __init__(self, deadline: float | None = None):
        self.deadline = deadline
        self._received: str | None = None
        self._at = 0.0
        self._handlers: dict[signal.Signals, Any] = {}

    def __enter__(self) -> "Interruption":
        if threading.current_thread() is threading.main_thread():  # other threads cannot set handlers
            self._handlers = {number: signal.signal(number, self._note) for number in _SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        self._restore()

    @property
    def reason(self) -> str | None:
        """Why to stop now; None: no reason."""
        if self._received is None and self.deadline is not None and time.time() >= self.deadline:
            return "its time is up"
        return self._received

    def _note(self, number: int, _frame: FrameType | None) -> None:
        if self._received is None:
            self._received, self._at = f"it received {signal.Signals(number).name}", time.monotonic()
        elif time.monotonic() - self._at > REPEAT:
            self._restore()
            signal.raise_signal(number)

    def _restore(self) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self._handlers = {}


def job_deadline(
    runtime: float | None, environment: Mapping[str, str] = os.environ, now: float | None = None
) -> float | None:
    """When a training in a batch job should save and end.

    The end of a Slurm job is in its environment (SLURM_JOB_END_TIME), or Slurm is asked; where it does not answer, the
    end follows from `runtime`, as if the job had begun just now. Outside Slurm there is no deadline: nothing ends a
    local job, whose `runtime` is an estimate.

    Args:
        runtime: minutes that the rule asks for (`resources.runtime`).
        environment: variables of the process.
        now: in seconds since the epoch; None: the current time.

    Returns:
        seconds since the epoch; None: no limit.
    """
    now = time.time() if now is None else now
    job = environment.get("SLURM_JOB_ID")
    if job is None:
        return None
    # Slurm before 23.02 does not set the variable, and Snakemake's executor takes it from the job's steps.
    if end := environment.get("SLURM_JOB_END_TIME") or _end_of_job(job):
        remaining = float(end) - now
    elif runtime:
        remaining = 60.0 * runtime
    else:
        return None
    return now + remaining - min(MARGIN, 0.1 * remaining)


def _end_of_job(job: str) -> str | None:
    """When Slurm will end a job, in seconds since the epoch; None: it does not answer."""
    command = ["squeue", "--noheader", "--jobs", job, "--format", "%e"]
    environment = {**os.environ, "SLURM_TIME_FORMAT": "%s"}
    try:
        answer = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        return None
    return answer if answer.isdecimal() else None
