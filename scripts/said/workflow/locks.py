"""The locks of a run, in its folder and where its results lie, and who holds them.

A lock is one of the kernel, which ends with its process. Beside each lies what tells who holds it: for the message that
another run gets, and, when the process was killed, for the run that comes after it.
"""

import contextlib
import json
import os
import shlex
import socket
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import get_type_hints

import filelock

from said.running.atomic import atomic

LOCK, HOLDER = "run.lock", "run.json"
_BEAT = 15.0
"""Seconds between two signs of life that a run gives on its disk, for hosts that do not see its lock."""
_SILENCE = 90.0
"""Seconds without one after which a run of another host is taken for ended."""


class TakeoverError(RuntimeError):
    """A run cannot have its folder for itself; says what to do."""


@dataclass(frozen=True)
class Holder:
    """Who holds a lock, as a file beside it tells.

    Attributes:
        pid: of the run's process.
        host: where it runs.
        since: when it began.
        command: that started it.
        slurm: whether it, or a killed one whose jobs it has yet to cancel, submits jobs to Slurm; None: not known.
        settings: what its results follow from, or a digest of it.
        folder: in which it runs.
    """

    pid: int
    host: str
    since: str
    command: str
    slurm: bool | None
    settings: str
    folder: str

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}, since {self.since} (`{self.command}`)"


def places(folder: Path) -> list[Path]:
    """Folders with the locks of a run: one in its folder, and one wherever its results lie.

    Raises:
        TakeoverError: `results` is no folder.
    """
    results = folder / "results"
    try:
        results.mkdir(exist_ok=True)
    except FileExistsError:
        what = f"a link to {os.readlink(results)}, which is not there" if results.is_symlink() else "not a folder"
        raise TakeoverError(f"{results}: is {what}; it has to be a folder, or a link to one") from None
    except PermissionError:
        require_writable(folder)
        raise
    return [folder / ".snakemake", *(place / ".run" for place in lying(results))]


def lying(results: Path) -> list[Path]:
    """Where results really lie: their folder, and the folders in it, each of which may be shared by links."""
    below = [path for path in sorted(results.glob("[!.]*")) if path.is_dir()]
    return [*dict.fromkeys(path.resolve() for path in (results, *below))]


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


def acquire(folder: Path, place: Path | None = None) -> filelock.BaseFileLock:
    """The lock of a folder in which the workflow runs, held.

    Args:
        folder: in which the workflow runs.
        place: one of `places`; None: the first.

    Raises:
        TakeoverError: another process has it, or the file system has no locks.
    """
    place = place or folder / ".snakemake"
    path = place / LOCK
    place.mkdir(exist_ok=True)
    # A soft lock would outlive a killed process, and a lock of this thread alone would be lost with it.
    lock = filelock.FileLock(path, timeout=0, thread_local=False, fallback_to_soft=False)
    try:
        lock.acquire()
    except filelock.Timeout:
        raise TakeoverError(_busy(folder, read_holder(folder, place))) from None
    except (OSError, NotImplementedError) as error:
        raise TakeoverError(
            f"{path}: cannot be locked ({error}). Where this file system has no locks (NFS without lockd, Lustre "
            "mounted without flock), run the workflow from another one"
        ) from None
    return lock


def require_ended(found: Mapping[Path, Holder], folder: Path) -> None:
    """See that no run of another host is at work, whose lock a file system may keep to that host alone.

    Raises:
        TakeoverError: one has given a sign of life within `_SILENCE`.
    """
    for place, holder in found.items():
        if holder.host == socket.gethostname():
            continue
        os.utime(place / LOCK)  # by the clock of that disk
        silent = (place / LOCK).stat().st_mtime - (place / HOLDER).stat().st_mtime
        if silent < _SILENCE:
            raise TakeoverError(
                f"{_busy(folder, holder)}. Its last sign of life is {max(0.0, silent):.0f} s old; if it was killed, "
                f"start again in {_SILENCE - silent:.0f} s"
            )


def give_signs_of_life(places: Iterable[Path]) -> threading.Event:
    """Touch what tells of this run at each place, until the event is set."""
    ended = threading.Event()

    def beat() -> None:
        while not ended.wait(_BEAT):
            for place in places:
                with contextlib.suppress(OSError):
                    os.utime(place / HOLDER)

    threading.Thread(target=beat, daemon=True).start()
    return ended


def describe(folder: Path, slurm: bool, settings: str) -> Holder:
    return Holder(
        pid=os.getpid(),
        host=socket.gethostname(),
        since=datetime.now().astimezone().isoformat(sep=" ", timespec="seconds"),
        command=shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        slurm=slurm,
        settings=settings,
        folder=str(folder),
    )


def write_holder(place: Path, holder: Holder) -> None:
    with atomic(place / HOLDER) as temporary:
        temporary.write_text(json.dumps(asdict(holder), indent=2) + "\n")


def read_holder(folder: Path, place: Path, report: Callable[[str], None] | None = None) -> Holder | None:
    """Who holds or held the lock at a place; where the file that tells it is damaged, somebody."""
    path = place / HOLDER
    try:
        told = json.loads(path.read_bytes())
        holder = Holder(**({"folder": str(folder)} | told))  # those of before did not tell their folder
        if all(isinstance(getattr(holder, name), kind) for name, kind in get_type_hints(Holder).items()):
            return holder
        problem = "a value of another kind"
    except FileNotFoundError:
        return None
    except (ValueError, TypeError) as error:
        problem = error
    if report is None:
        return None
    report(
        f"{path}: does not tell which run was here last ({problem}). It is taken for one that was killed, and the file "
        "is written anew"
    )
    return Holder(0, socket.gethostname(), "", "", None, "unknown", str(folder))


def _busy(folder: Path, holder: Holder | None) -> str:
    who, copy = "another process", "another copy of the folder"
    if holder is not None:
        who = str(holder)
        if holder.folder != str(folder):
            who, copy = f"{who}, in {holder.folder}, on the same results", "a folder whose results are its own"
    return (
        f"{folder}: another run is at work here: {who}. Nothing was changed. Wait until it has finished, or end it "
        f"with Ctrl-C there, and start again; for a second run at the same time use {copy}"
    )
