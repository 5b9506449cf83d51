"""The locks of a run, in its folder and wherever its results are, and who holds them.

The locks are the kernel's, which releases them when the process ends. A file beside each says who holds it: for the
message to another run, and, if the process is killed, for the next run.
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
"""Seconds between two signs of life of a run, given through its disk to hosts that do not see its lock."""
_SILENCE = 90.0
"""Seconds without a sign of life after which a run on another host is taken to have ended."""


class TakeoverError(RuntimeError):
    """A run cannot have its folder to itself; the message says what to do."""


@dataclass(frozen=True)
class Holder:
    """Who holds a lock, according to the file beside it.

    Attributes:
        pid: process of the run.
        host: machine it runs on.
        since: when it started.
        command: what started it.
        slurm: whether it, or a killed run whose jobs it has yet to cancel, submits jobs to Slurm; None: not known.
        settings: what its results depend on, or a digest of that.
        folder: where it runs.
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
    """The folders that hold the locks of a run: one in its own folder, and one wherever its results are.

    Raises:
        TakeoverError: `results` is not a folder.
    """
    results = folder / "results"
    try:
        results.mkdir(exist_ok=True)
    except FileExistsError:
        what = f"a link to {os.readlink(results)}, which does not exist" if results.is_symlink() else "not a folder"
        raise TakeoverError(f"{results}: is {what}; it must be a folder or a link to one") from None
    except PermissionError:
        require_writable(folder)
        raise
    return [folder / ".snakemake", *(place / ".run" for place in lying(results))]


def lying(results: Path) -> list[Path]:
    """The real folders of the results: their own, and those in it, each of which may be a link to a shared one."""
    below = [path for path in sorted(results.glob("[!.]*")) if path.is_dir()]
    return [*dict.fromkeys(path.resolve() for path in (results, *below))]


def require_writable(results: Path) -> None:
    """Check that a run can write to a folder and all folders in it.

    Raises:
        TakeoverError: names the first folder that it cannot write to.
    """
    for place, _, _ in os.walk(results):
        if not os.access(place, os.W_OK | os.X_OK):
            raise TakeoverError(
                f"{place}: cannot be written to. Nothing was changed. Mount it for writing, or give yourself the right "
                f"to write (`chmod -R u+w {place}`, or `chown` where it is another user's), and start again"
            )


def acquire(folder: Path, place: Path | None = None) -> filelock.BaseFileLock:
    """Take the lock of a folder in which the workflow runs.

    Args:
        folder: where the workflow runs.
        place: one of `places`; None: the first.

    Raises:
        TakeoverError: another process holds it, or the file system has no locks.
    """
    place = place or folder / ".snakemake"
    path = place / LOCK
    place.mkdir(exist_ok=True)
    # A soft lock would outlive a killed process; a lock of this thread alone would be lost with the thread.
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
    """Check that no run is active on another host, whose lock the file system may show to that host only.

    Raises:
        TakeoverError: one gave a sign of life within the last `_SILENCE` seconds.
    """
    for place, holder in found.items():
        if holder.host == socket.gethostname():
            continue
        os.utime(place / LOCK)  # by the clock of the file server
        silent = (place / LOCK).stat().st_mtime - (place / HOLDER).stat().st_mtime
        if silent < _SILENCE:
            raise TakeoverError(
                f"{_busy(folder, holder)}. Its last sign of life is {max(0.0, silent):.0f} s old; if it was killed, "
                f"start again in {_SILENCE - silent:.0f} s"
            )


def give_signs_of_life(places: Iterable[Path]) -> threading.Event:
    """Touch the file of this run at each place every few seconds, until the returned event is set."""
    ended = threading.Event()

    def beat() -> None:
        while not ended.wait(_BEAT):
            for place in places:
                with contextlib.suppress(OSError):
                    os.utime(place / HOLDER)

    threading.Thread(target=beat, daemon=True).start()
    return ended


def describe(folder: Path, slurm: bool, settings: str) -> Holder:
    """This process as the holder of a lock."""
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
    """Write beside the lock at a place who holds it."""
    with atomic(place / HOLDER) as temporary:
        temporary.write_text(json.dumps(asdict(holder), indent=2) + "\n")


def read_holder(folder: Path, place: Path, report: Callable[[str], None] | None = None) -> Holder | None:
    """Who holds or held the lock at a place; None where nobody did. If that file is damaged, an unknown holder.

    Args:
        folder: where the workflow runs.
        place: one of `places`.
        report: gets a line on a damaged file; without it such a file counts as none.
    """
    path = place / HOLDER
    try:
        content = json.loads(path.read_bytes())
        holder = Holder(**({"folder": str(folder)} | content))  # earlier versions did not write their folder
        if all(isinstance(getattr(holder, name), kind) for name, kind in get_type_hints(Holder).items()):
            return holder
        problem = "a value of the wrong type"
    except FileNotFoundError:
        return None
    except (ValueError, TypeError) as error:
        problem = error
    if report is None:
        return None
    report(
        f"{path}: does not say which run was here last ({problem}). It is taken to have been killed, and the file is "
        "rewritten"
    )
    return Holder(0, socket.gethostname(), "", "", None, "unknown", str(folder))


def _busy(folder: Path, holder: Holder | None) -> str:
    who, copy = "another process", "another copy of the folder"
    if holder is not None:
        who = str(holder)
        if holder.folder != str(folder):
            who, copy = f"{who}, in {holder.folder}, on the same results", "a folder whose results are its own"
    return (
        f"{folder}: another run is active here: {who}. Nothing was changed. Wait until it has finished, or end it "
        f"with Ctrl-C there, and start again; to run both at the same time, use {copy}"
    )
