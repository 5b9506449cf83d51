"""One run at a time in a folder, and nothing at work there that a killed run has left behind.

A run holds a lock that the kernel releases when its process ends, however it ends; so no lock is ever left for a person
to remove. Whoever gets the lock first ends what the run before it left: its processes, and its jobs in Slurm's queue.
"""

import atexit
import contextlib
import os
import shlex
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import NamedTuple

import psutil

from said.running.atomic import remove_partial
from said.workflow import locks
from said.workflow.locks import Holder, TakeoverError

VARIABLE = "SAID_RUN"
"""Environment variable that holds the folder of a run in all processes that it starts."""


class SlurmError(TakeoverError):
    """Slurm does not answer. `problem` says how."""

    def __init__(self, problem: str):
        super().__init__(
            f"{problem}. A run that was killed may have left jobs in the queue, which has to be seen first: start "
            "again when `squeue --me` works"
        )
        self.problem = problem


def take_over(
    folder: str | os.PathLike[str], slurm: bool = False, settings: str = "", report: Callable[[str], None] = print
) -> str | None:
    """Make this process the only run of a folder, and of its results, until it ends.

    Its children are known as this run's; SIGTERM to it reaches them from then on. Results that are links are locked
    where they lie, so that two copies of the workflow that share them do not run at once.

    Args:
        folder: in which the workflow runs.
        slurm: whether this run submits jobs to Slurm.
        settings: what its results follow from, or a digest of it.
        report: gets a line on each thing that was left and ended.

    Returns:
        the settings of the run before in this folder, if that was killed.

    Raises:
        TakeoverError: another run is at work here or on these results, what a killed one left cannot be ended, or a
            folder of the results cannot be written to.
    """
    folder = Path(folder).resolve()
    results = folder / "results"
    places = locks.places(folder)
    locks.require_writable(results)
    with contextlib.ExitStack() as leaving:
        for place in places:
            lock = locks.acquire(folder, place)
            leaving.callback(lock.release)
        found = {place: holder for place in places if (holder := locks.read_holder(folder, place, report))}
        locks.require_ended(found, folder)
        own = locks.describe(folder, slurm, settings)
        leaving.callback(locks.give_signs_of_life(places).set)
        with _until_done(found, places):
            for place in places:  # until all is ended, whoever finds this has as much to end
                before = found.get(place, replace(own, slurm=False))
                kept = {"slurm": before.slurm, "settings": before.settings, "folder": before.folder}
                locks.write_holder(place, replace(own, **kept))
            _end_what_was_left(folder, [*dict.fromkeys(found.values())], slurm, places, report)
        for place in places:
            leaving.callback((place / locks.HOLDER).unlink, missing_ok=True)
            locks.write_holder(place, own)
        for place in locks.lying(results):
            remove_partial(place)
        atexit.register(leaving.pop_all().close)  # there is a run here as long as there is this process
    os.environ[VARIABLE] = str(folder)
    _pass_on(signal.SIGTERM)
    return found[places[0]].settings if places[0] in found else None


@contextlib.contextmanager
def _until_done(found: Mapping[Path, Holder], places: Iterable[Path]) -> Iterator[None]:
    """A block in which this run ends what others left. Where it cannot, the next one needs what it found."""
    try:
        yield
    except BaseException:
        for place in places:
            if place in found:
                locks.write_holder(place, found[place])
            else:
                (place / locks.HOLDER).unlink(missing_ok=True)
        raise


def _end_what_was_left(
    folder: Path, killed: list[Holder], slurm: bool, places: list[Path], report: Callable[[str], None]
) -> None:
    """End processes and jobs of runs that were killed, in this folder or in another one with the same results."""
    for holder in killed:
        if holder.host != socket.gethostname():
            report(
                f"The last run here was killed on {holder.host}, and what it may have left at work there cannot be "
                f"seen from {socket.gethostname()}. If it has: end its processes there before you go on here"
            )
    folders = [*dict.fromkeys((folder, *(Path(holder.folder) for holder in killed)))]
    submitted = {Path(holder.folder) for holder in killed if holder.slurm}
    unknown = {Path(holder.folder) for holder in killed if holder.slurm is None}
    for left in folders:  # first, because Slurm would start the next ones as soon as some have ended
        try:
            if left in submitted or left in unknown or (slurm and left == folder):
                cancel_jobs(left, report=report)
        except SlurmError as error:
            if left in submitted:
                told = shlex.join(str(place / locks.HOLDER) for place in places)
                raise TakeoverError(
                    f"{error}; or, if Slurm is gone from here and its jobs with it, after `rm -f {told}`"
                ) from None
            if slurm:
                raise TakeoverError(
                    f"{error.problem}. Nothing was changed. Start again where `squeue --me` works, or without "
                    "`--profile slurm`"
                ) from None
    for left in folders:
        end_processes(left, report=report)


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

    def handle(received: int, frame: FrameType | None) -> None:
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
    raise SlurmError(f"{command[0]}: {problem}")


def _listed(jobs: Iterable[str]) -> str:
    return "job " + ", ".join(sorted(jobs))
