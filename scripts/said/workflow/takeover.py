"""One run at a time in a folder, and nothing still running there that a killed run left behind.

A run holds a lock that the kernel releases when its process ends, however it ends, so nobody ever has to remove a lock.
Whoever takes the lock first ends what the previous run left: its processes, and its jobs in Slurm's queue.
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
"""Environment variable with the folder of a run, set in all processes that it starts."""


class SlurmError(TakeoverError):
    """Slurm does not answer; `problem` says how."""

    def __init__(self, problem: str):
        super().__init__(
            f"{problem}. A killed run may have left jobs in the queue, which must be checked first: start again when "
            "`squeue --me` works"
        )
        self.problem = problem


def take_over(
    folder: str | os.PathLike[str], slurm: bool = False, settings: str = "", report: Callable[[str], None] = print
) -> str | None:
    """Make this process the only run in a folder, and on its results, until it ends.

    From then on its children are marked as this run's, and SIGTERM is passed on to them. Results that are links are
    locked where they really are, so that two copies of the workflow that share them cannot run at the same time.

    Args:
        folder: where the workflow runs.
        slurm: whether this run submits jobs to Slurm.
        settings: what its results depend on, or a digest of that.
        report: gets a line on everything that was left behind and ended.

    Returns:
        the settings of the previous run in this folder, if it was killed; else None.

    Raises:
        TakeoverError: another run is active here or on these results, what a killed one left cannot be ended, or a
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
        killed = {place: holder for place in places if (holder := locks.read_holder(folder, place, report))}
        locks.require_ended(killed, folder)
        own = locks.describe(folder, slurm, settings)
        leaving.callback(locks.give_signs_of_life(places).set)
        with _restoring(killed, places):
            for place in places:  # if this run is killed before all has ended, the next one must know about it
                before = killed.get(place, replace(own, slurm=False))
                holder = replace(own, slurm=before.slurm, settings=before.settings, folder=before.folder)
                locks.write_holder(place, holder)
            _end_leftovers(folder, [*dict.fromkeys(killed.values())], slurm, places, report)
        for place in places:
            leaving.callback((place / locks.HOLDER).unlink, missing_ok=True)
            locks.write_holder(place, own)
        for place in locks.lying(results):
            remove_partial(place)
        atexit.register(leaving.pop_all().close)  # the run lasts as long as this process
    os.environ[VARIABLE] = str(folder)
    _pass_on(signal.SIGTERM)
    return killed[places[0]].settings if places[0] in killed else None


@contextlib.contextmanager
def _restoring(killed: Mapping[Path, Holder], places: Iterable[Path]) -> Iterator[None]:
    """A block that ends what killed runs left. If it fails, their records are written back for the next run."""
    try:
        yield
    except BaseException:
        for place in places:
            if place in killed:
                locks.write_holder(place, killed[place])
            else:
                (place / locks.HOLDER).unlink(missing_ok=True)
        raise


def _end_leftovers(
    folder: Path, killed: list[Holder], slurm: bool, places: list[Path], report: Callable[[str], None]
) -> None:
    """End the processes and jobs of killed runs, in this folder or in another one with the same results."""
    for holder in killed:
        if holder.host != socket.gethostname():
            report(
                f"The last run here was killed on {holder.host}. Whether any process of it still runs there cannot be "
                f"seen from {socket.gethostname()}; if so, end them there before you continue here"
            )
    folders = [*dict.fromkeys((folder, *(Path(holder.folder) for holder in killed)))]
    submitted = {Path(holder.folder) for holder in killed if holder.slurm}
    unknown = {Path(holder.folder) for holder in killed if holder.slurm is None}
    for place in folders:  # jobs first: Slurm would start more of them as soon as some have ended
        try:
            if place in submitted or place in unknown or (slurm and place == folder):
                cancel_jobs(place, report=report)
        except SlurmError as error:
            if place in submitted:
                records = shlex.join(str(locked / locks.HOLDER) for locked in places)
                raise TakeoverError(
                    f"{error}; or, if Slurm and its jobs are gone for good, after `rm -f {records}`"
                ) from None
            if slurm:
                raise TakeoverError(
                    f"{error.problem}. Nothing was changed. Start again where `squeue --me` works, or without "
                    "`--profile slurm`"
                ) from None
    for place in folders:
        end_processes(place, report=report)


def end_processes(folder: Path, patience: float = 20.0, report: Callable[[str], None] = print) -> None:
    """End the processes that a killed run in this folder left: by SIGTERM, on which trainings save, then by SIGKILL.

    They are recognised by `VARIABLE` in the environment that they started with. Other users' processes, this one, its
    ancestors and its descendants are left alone.

    Args:
        folder: where the run was.
        patience: seconds between the two signals.
        report: gets a line on what is ended.

    Raises:
        TakeoverError: a process is still there ten seconds after SIGKILL.
    """
    asked, began, killed = set(), time.monotonic(), False
    while leftovers := _leftovers(folder):
        if new := [process for process in leftovers if process not in asked]:
            report(f"A killed run left processes behind: {_pids(new)}. They are asked to save and end")
            asked.update(new)
            _send(new, psutil.Process.terminate)
        waited = time.monotonic() - began
        if waited > patience and not killed:
            report(f"Still running after {patience:.0f} s, killed now: {_pids(leftovers)}")
        if waited > patience:
            killed = True
            _send(leftovers, psutil.Process.kill)
        if waited > patience + 10:
            raise TakeoverError(
                f"{_pids(leftovers)}, left by a killed run, cannot be ended, probably because they wait for a disk or "
                "a network that does not answer. Start again when they have ended"
            )
        time.sleep(0.1)


def cancel_jobs(folder: Path, patience: float = 300.0, report: Callable[[str], None] = print) -> None:
    """Cancel the jobs that a killed run in this folder left in Slurm's queue, and wait until they have ended.

    They are recognised by their user, their working directory, and the comment that Snakemake's executor gives them:
    rule_... or group_.... The job that this process runs in is left alone.

    Args:
        folder: where the run was.
        patience: seconds until they must be gone from the queue; Slurm itself waits for KillWait between its signals.
        report: gets a line on what is cancelled.

    Raises:
        TakeoverError: Slurm does not answer, or a job does not end.
    """
    deadline, cancelled = time.monotonic() + patience, set()
    while leftovers := {job.array for job in _jobs(folder)}:
        if new := leftovers - cancelled:
            report(f"A killed run left jobs in Slurm's queue: {_listed(new)}. They are cancelled")
            _slurm("scancel", *sorted(new))
            cancelled |= new
        if time.monotonic() > deadline:
            raise TakeoverError(
                f"{_listed(leftovers)}: left by a killed run, still in Slurm's queue {patience:.0f} s after scancel. "
                "Start again when `squeue --me` no longer shows them"
            )
        time.sleep(1.0)


def cancel_held(folder: Path, report: Callable[[str], None] = print) -> None:
    """Cancel this folder's jobs that Slurm could not launch and would hold until somebody releases them.

    That happens when the prolog of a node fails, or the node itself at that moment. Retries replace the jobs.

    Args:
        folder: where the run is.
        report: gets a line on what is cancelled.

    Raises:
        TakeoverError: Slurm does not answer.
    """
    if held := {job.id for job in _jobs(folder) if "launch failed" in job.reason}:
        report(
            f"Slurm could not launch {_listed(held)} and would hold them for ever. They are cancelled, to be retried"
        )
        _slurm("scancel", *sorted(held))


def _pass_on(number: signal.Signals) -> None:
    """Pass a signal to this process on to its children, so that trainings save and end."""
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
    leftovers = []
    for process in psutil.process_iter():
        try:
            if process.uids().real == os.getuid() and process.environ().get(VARIABLE) == str(folder):
                leftovers.append(process)
        except (psutil.Error, OSError):  # it has ended meanwhile, or is not ours
            continue
    return [process for process in leftovers if process not in kin]


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
    """Id of its array; for a job outside any array, its own."""
    id: str
    reason: str
    """Why it waits, if it does."""


def _jobs(folder: Path) -> list[_Job]:
    """This user's jobs in the queue that runs in this folder have submitted."""
    own = {os.environ.get(name) for name in ("SLURM_JOB_ID", "SLURM_ARRAY_JOB_ID")}
    listing = _slurm("squeue", "--noheader", "--user", str(os.getuid()), "--format", "%F|%i|%r|%Z|%k")
    jobs = []
    for line in listing.splitlines():
        *job, place, comment = line.strip().split("|", 4)
        if comment.startswith(("rule_", "group_")) and job[0] not in own and Path(place).resolve() == folder:
            jobs.append(_Job(*job))
    return jobs


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
