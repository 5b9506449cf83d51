"""One run at a time in a folder, and nothing at work there that a killed run has left behind.

A run holds a lock that the kernel releases when its process ends, however it ends; so no lock is ever left for a person
to remove. Whoever gets the lock first ends what the run before it left: its processes, and its jobs in Slurm's queue.
"""

import atexit
import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import filelock
import psutil

from said.running.atomic import atomic, remove_partial

VARIABLE = "SAID_RUN"
"""Environment variable that holds the folder of a run in all processes that it starts."""
_LOCK, _HOLDER = ".snakemake/run.lock", ".snakemake/run.json"


class TakeoverError(RuntimeError):
    """A run cannot have its folder for itself; says what to do."""


def take_over(
    folder: str | os.PathLike[str], slurm: bool = False, settings: str = "", report: Callable[[str], None] = print
) -> str | None:
    """Make this process the only run of a folder until it ends, and its children known as this run's.

    SIGTERM to it reaches them from then on.

    Args:
        folder: in which the workflow runs.
        slurm: whether this run submits jobs to Slurm.
        settings: what its results follow from, or a digest of it.
        report: gets a line on each thing that was left and ended.

    Returns:
        the settings of the run before, if that was killed.

    Raises:
        TakeoverError: another run is at work here, what a killed one left cannot be ended, or a folder of the results
            cannot be written to.
    """
    folder = Path(folder).resolve()
    require_writable(folder / "results")
    lock = acquire(folder)
    killed = _read_holder(folder)  # a run that ends by itself removes it
    _write_holder(folder, slurm or killed.get("slurm", False), killed.get("settings", settings))
    atexit.register(lock.release)  # keeps it as long as there is this process
    if killed and killed["host"] != socket.gethostname():
        report(
            f"The last run here was killed on {killed['host']}, and what it may have left at work there cannot be seen "
            f"from {socket.gethostname()}. If it has: end its processes there before you go on here"
        )
    if slurm or killed.get("slurm"):  # first, because Slurm would start the next ones as soon as some have ended
        cancel_jobs(folder, report=report)
    end_processes(folder, report=report)
    _write_holder(folder, slurm, settings)
    remove_partial(folder / "results")
    atexit.register((folder / _HOLDER).unlink, missing_ok=True)
    os.environ[VARIABLE] = str(folder)
    _pass_on(signal.SIGTERM)
    return killed.get("settings")


def require_writable(results: Path) -> None:
    """See that a run can write into a folder and all below it.

    Raises:
        TakeoverError: names the first one that it cannot write into.
    """
    for place, _, _ in os.walk(results):
        if not os.access(place, os.W_OK | os.X_OK):
            raise TakeoverError(
                f"{place}: cannot be written to. Nothing was changed. Mount it for writing, or give yourself the right "
                f"to it (`chmod -R u+w {place}`, or `chown` where it is another user's), and start again"
            )


def acquire(folder: Path) -> filelock.BaseFileLock:
    """The lock of a folder, held.

    Raises:
        TakeoverError: another process has it, or the file system has no locks.
    """
    path = folder / _LOCK
    path.parent.mkdir(exist_ok=True)
    # A soft lock would outlive a killed process, and a lock of this thread alone would be lost with it.
    lock = filelock.FileLock(path, timeout=0, thread_local=False, fallback_to_soft=False)
    try:
        lock.acquire()
    except filelock.Timeout:
        raise TakeoverError(_busy(folder, _read_holder(folder))) from None
    except (OSError, NotImplementedError) as error:
        raise TakeoverError(
            f"{path}: cannot be locked ({error}). Where this file system has no locks (NFS without lockd, Lustre "
            "mounted without flock), run the workflow from another one"
        ) from None
    return lock


def end_processes(folder: Path, patience: float = 20.0, report: Callable[[str], None] = print) -> None:
    """End the processes that a killed run of this folder left: SIGTERM, on which trainings save, then SIGKILL.

    They are known by `VARIABLE` in the environment that they started with. Left alone are other users' processes, this
    one, its ancestors and its descendants.

    Args:
        patience: seconds between the two signals.

    Raises:
        TakeoverError: one is still there ten seconds after SIGKILL.
    """
    asked, began, killed = set(), time.monotonic(), False
    while left := _leftovers(folder):
        if new := [process for process in left if process not in asked]:
            report(f"A run that was killed has left processes at work: {_pids(new)}. They are asked to save and end")
            asked.update(new)
            _send(new, psutil.Process.terminate)
        waited = time.monotonic() - began
        if waited > patience and not killed:
            report(f"Still at work after {patience:.0f} s, killed now: {_pids(left)}")
        if waited > patience:
            killed = True
            _send(left, psutil.Process.kill)
        if waited > patience + 10:
            raise TakeoverError(
                f"{_pids(left)}, left by a run that was killed, cannot be ended: waiting for a disk or a network that "
                "does not answer, probably. Start again when they have ended"
            )
        time.sleep(0.1)


def cancel_jobs(folder: Path, patience: float = 300.0, report: Callable[[str], None] = print) -> None:
    """Cancel the jobs that a killed run of this folder left in Slurm's queue, and wait until they have ended.

    They are known by user, working directory, and the comment that Snakemake's executor gives its jobs: rule_... or
    group_.... The job that this process runs in is left alone.

    Args:
        patience: seconds until the queue must be free of them; Slurm itself waits for KillWait between its signals.

    Raises:
        TakeoverError: Slurm does not answer, or a job does not end.
    """
    deadline, cancelled = time.monotonic() + patience, set()
    while left := {job.array for job in _jobs(folder)}:
        if new := left - cancelled:
            report(f"A run that was killed has left jobs in Slurm's queue: {_listed(new)}. They are cancelled")
            _slurm("scancel", *sorted(new))
            cancelled |= new
        if time.monotonic() > deadline:
            raise TakeoverError(
                f"{_listed(left)}: jobs of a run that was killed are in Slurm's queue {patience:.0f} s after scancel. "
                "Start again when `squeue --me` does not show them"
            )
        time.sleep(1.0)


def cancel_held(folder: Path, report: Callable[[str], None] = print) -> None:
    """Cancel this folder's jobs that Slurm could not launch and holds until somebody releases them.

    So it does when a node's prolog fails, or the node fails in that moment. Retries replace them.

    Raises:
        TakeoverError: Slurm does not answer.
    """
    if held := {job.id for job in _jobs(folder) if "launch failed" in job.reason}:
        report(
            f"Slurm could not launch {_listed(held)}, and holds what nobody will release. Cancelled, to be tried anew"
        )
        _slurm("scancel", *sorted(held))


def _pass_on(number: signal.Signals) -> None:
    """Let a signal to this process, which waits for its children, reach them: trainings then save and end."""
    before = signal.getsignal(number)

    def handle(received, frame) -> None:
        _send(psutil.Process().children(recursive=True), psutil.Process.terminate)
        if callable(before):
            before(received, frame)
        else:
            signal.signal(received, before)
            signal.raise_signal(received)

    signal.signal(number, handle)


def _leftovers(folder: Path) -> list[psutil.Process]:
    own = psutil.Process()
    kin = {own, *own.parents(), *own.children(recursive=True)}
    found = []
    for process in psutil.process_iter():
        try:
            if process.uids().real == os.getuid() and process.environ().get(VARIABLE) == str(folder):
                found.append(process)
        except (psutil.Error, OSError):  # it has ended meanwhile, or is none of ours
            continue
    return [process for process in found if process not in kin]


def _send(processes: Iterable[psutil.Process], send: Callable[[psutil.Process], None]) -> None:
    for process in processes:
        try:
            send(process)
        except psutil.NoSuchProcess:
            continue


def _pids(processes: Iterable[psutil.Process]) -> str:
    return "process " + ", ".join(str(pid) for pid in sorted(process.pid for process in processes))


class _Job(NamedTuple):
    array: str
    """Of a job that is no part of an array, its own id."""
    id: str
    reason: str
    """Why it waits, if it does."""


def _jobs(folder: Path) -> list[_Job]:
    """This user's jobs in the queue that a run of this folder has submitted."""
    own = {os.environ.get(name) for name in ("SLURM_JOB_ID", "SLURM_ARRAY_JOB_ID")}
    listing = _slurm("squeue", "--noheader", "--user", str(os.getuid()), "--format", "%F|%i|%r|%Z|%k")
    found = []
    for line in listing.splitlines():
        *job, place, comment = line.strip().split("|", 4)
        if comment.startswith(("rule_", "group_")) and job[0] not in own and Path(place).resolve() == folder:
            found.append(_Job(*job))
    return found


def _slurm(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    except FileNotFoundError:
        problem = "is not installed here, or not on PATH"
    except subprocess.TimeoutExpired:
        problem = "does not answer"
    else:
        if done.returncode == 0:
            return done.stdout
        problem = (done.stderr.strip().splitlines() or [f"ended with status {done.returncode}"])[-1]
    raise TakeoverError(
        f"{command[0]}: {problem}. A run that was killed may have left jobs in the queue, which has to be seen first: "
        "start again when `squeue --me` works"
    )


def _listed(jobs: Iterable[str]) -> str:
    return "job " + ", ".join(sorted(jobs))


def _busy(folder: Path, holder: dict) -> str:
    who = "another process"
    if holder:
        who = f"process {holder['pid']} on {holder['host']}, since {holder['since']} (`{holder['command']}`)"
    return (
        f"{folder}: another run is at work here: {who}. Nothing was changed. Wait until it has finished, or end it "
        "with Ctrl-C there, and start again; for a second run at the same time use another copy of the folder"
    )


def _write_holder(folder: Path, slurm: bool, settings: str) -> None:
    holder = {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "since": datetime.now().astimezone().isoformat(sep=" ", timespec="seconds"),
        "command": shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        "slurm": slurm,
        "settings": settings,
    }
    with atomic(folder / _HOLDER) as temporary:
        temporary.write_text(json.dumps(holder, indent=2) + "\n")


def _read_holder(folder: Path) -> dict:
    try:
        return json.loads((folder / _HOLDER).read_text())
    except FileNotFoundError:
        return {}
