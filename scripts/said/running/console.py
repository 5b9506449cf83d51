"""A job's output: on the terminal and, line by line, in its log."""

import atexit
import contextlib
import difflib
import os
import re
import socket
import sys
import time
from collections.abc import Iterable, Iterator, Sized
from pathlib import Path
from traceback import walk_tb
from types import TracebackType
from typing import Any, TextIO, TypeVar

from said.running.integrity import remove_sums, verify, write_sums

Item = TypeVar("Item")


def nearest(name: str, names: Iterable[str]) -> str:
    """The hint to append to a message about an unknown name: the nearest known one; empty where none is near."""
    close = difflib.get_close_matches(name, list(names), n=1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else ""


class Tee:
    """A text stream that writes to several others."""

    def __init__(self, *streams: TextIO):
        self.streams = streams

    def write(self, text: str) -> int:
        for stream in self.streams:
            with contextlib.suppress(OSError):  # a full disk must not keep the text from the terminal
                stream.write(text)
        return len(text)

    def flush(self) -> None:
        for stream in self.streams:
            with contextlib.suppress(OSError):
                stream.flush()

    def isatty(self) -> bool:
        return False

    def __getattr__(self, name: str) -> Any:
        return getattr(self.streams[0], name)


def start(
    log: str | os.PathLike[str],
    inputs: Iterable[str | os.PathLike[str]] = (),
    outputs: Iterable[str | os.PathLike[str]] = (),
) -> None:
    """Begin a job: copy everything printed from here on, tracebacks included, to `log`.

    The log opens with what it means if it ends without an error; an error for lack of memory says what to do.

    Args:
        log: the file.
        inputs: files and folders that must match their checksums, see `said.running.integrity`.
        outputs: files and folders whose checksums are recorded when the process ends without an error.

    Raises:
        ChangedError: an input no longer matches its checksums.
    """
    Path(log).parent.mkdir(parents=True, exist_ok=True)
    file = Path(log).open("w", encoding="utf-8", buffering=1)
    with contextlib.suppress(OSError):
        file.write(_OPENING.format(host=socket.gethostname(), pid=os.getpid()))
    sys.excepthook = _report
    sys.stdout = Tee(sys.stdout, file)
    sys.stderr = Tee(sys.stderr, file)
    outputs = [*outputs]
    for output in outputs:
        remove_sums(output)
    verify(inputs)
    atexit.register(_finish, outputs)


def _finish(outputs: list[str | os.PathLike[str]]) -> None:
    """Record the checksums of a job's outputs; a job that failed, or stopped to resume later, has none."""
    try:
        for output in outputs:
            if os.path.exists(output):
                write_sums(output)
    except BaseException as error:  # otherwise Python would still exit with status 0
        _report(type(error), error, error.__traceback__)
        sys.stderr.flush()
        sys.stdout.flush()
        os._exit(1)


def _report(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Report an uncaught error as Python does, and say what to do where no library says it."""
    atexit.unregister(_finish)
    chain = [error]
    while (cause := chain[-1].__cause__ or chain[-1].__context__) is not None:
        chain.append(cause)
    if any(
        isinstance(link, MemoryError) or re.search("out of memory|can't allocate memory", str(link)) for link in chain
    ):
        error.add_note(_MEMORY)
    caches = [frame for frame, _ in walk_tb(trace) if frame.f_globals.get("__name__") == "numba.core.caching"]
    if caches:
        folder = getattr(caches[-1].f_locals.get("self"), "_cache_path", "__pycache__")
        error.add_note(f"{folder}: the cache of compiled code is damaged: `rm -r {folder}` and run again")
    sys.__excepthook__(kind, error, trace)


_MEMORY = (
    "Memory ran out: run fewer jobs at once (-c1), give the rule more mem_mb on Slurm (set-resources in "
    "slurm/config.yaml), or lower compute.window_cache_mb or sampling.memory_gb in config.yaml"
)
_OPENING = (
    "Process {pid} on {host}. If no error follows, it was killed, probably for lack of memory: run fewer jobs at once "
    "(-c1), or give the rule more mem_mb on Slurm. Run the same command again to continue\n"
)


@contextlib.contextmanager
def naming(place: str) -> Iterator[None]:
    """Re-raise any exception of the block as a RuntimeError whose message begins with `place`."""
    try:
        yield
    except Exception as error:
        raise RuntimeError(f"{place}: {error}") from error


def progress(items: Iterable[Item], unit: str, count: int | None = None, every: float = 5.0) -> Iterator[Item]:
    """Iterate over `items`, printing every few seconds a line that reads well on a terminal and in a log.

    Args:
        items: what to iterate over.
        unit: what the items are, in the plural.
        count: how many there are; needed where `items` has no length.
        every: seconds between lines.

    Raises:
        TypeError: `items` has no length, and no count is given.
    """
    if count is None:
        if not isinstance(items, Sized):
            raise TypeError("items without a length need a count")
        count = len(items)
    begin = last = time.monotonic()
    for done, item in enumerate(items, start=1):
        yield item
        now = time.monotonic()
        if now - last >= every or done == count:
            remaining = (now - begin) / done * (count - done)
            print(f"{done}/{count} {unit}, {duration(now - begin)}, {duration(remaining)} left", flush=True)
            last = now


def duration(seconds: float) -> str:
    """A time span in its two largest units: 42 s, 3 min 20 s, 8 h 12 min, 2 d 4 h."""
    seconds = round(seconds)
    units = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))
    for (large, size), (small, part) in zip(units, units[1:], strict=False):
        if seconds >= size:
            return f"{seconds // size} {large} {seconds % size // part} {small}"
    return f"{seconds} s"
