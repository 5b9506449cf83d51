"""What a job prints: to the terminal and, line by line, to its log."""

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
    """What to append to a message about an unknown name."""
    close = difflib.get_close_matches(name, list(names), n=1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else ""


class Tee:
    """A text stream that writes to several."""

    def __init__(self, *streams: TextIO):
        self.streams = streams

    def write(self, text: str) -> int:
        for stream in self.streams:
            with contextlib.suppress(OSError):  # a full disk takes no log, and must not hide what there is to say
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
    """Begin a job: send what is printed from here on, tracebacks included, to `log` as well as to the terminal.

    The log begins with what to think if it ends without an error; what is raised for want of memory says what to do.

    Args:
        log: the file.
        inputs: files and folders that must be what was written, see `said.running.integrity`.
        outputs: files and folders whose sums are noted when the process ends without an error.

    Raises:
        ChangedError: an input is not what was written.
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
    """Note the sums of what a job has made; one that failed, or stopped to go on later, has made nothing."""
    try:
        for output in outputs:
            if os.path.exists(output):
                write_sums(output)
    except BaseException as error:  # Python would end with status 0 all the same
        _report(type(error), error, error.__traceback__)
        sys.stderr.flush()
        sys.stdout.flush()
        os._exit(1)


def _report(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """As Python reports what nobody caught, and what to do where no library says it."""
    atexit.unregister(_finish)
    chain = [error]
    while (cause := chain[-1].__cause__ or chain[-1].__context__) is not None:
        chain.append(cause)
    if any(isinstance(one, MemoryError) or re.search("out of memory|can't allocate memory", str(one)) for one in chain):
        error.add_note(_MEMORY)
    caches = [frame for frame, _ in walk_tb(trace) if frame.f_globals.get("__name__") == "numba.core.caching"]
    if caches:
        folder = getattr(caches[-1].f_locals.get("self"), "_cache_path", "__pycache__")
        error.add_note(f"{folder}: the cache of compiled code is damaged: `rm -r {folder}` and run again")
    sys.__excepthook__(kind, error, trace)


_MEMORY = (
    "Memory ran out: run fewer jobs at once (-c1), on Slurm give the rule more mem_mb (set-resources in "
    "slurm/config.yaml), or lower compute.window_cache_mb or sampling.memory_gb in config.yaml"
)
_OPENING = (
    "Process {pid} on {host}. If nothing below tells of an error, it was killed: for want of memory, probably. Then "
    "run fewer jobs at once (-c1), or on Slurm give the rule more mem_mb; run the same command again to go on\n"
)


@contextlib.contextmanager
def naming(place: str) -> Iterator[None]:
    """Say where it happened in the message of whatever is raised in the block, as a RuntimeError."""
    try:
        yield
    except Exception as error:
        raise RuntimeError(f"{place}: {error}") from error


def progress(items: Iterable[Item], unit: str, count: int | None = None, every: float = 5.0) -> Iterator[Item]:
    """Iterate over `items`, printing a line every few seconds that reads well in a terminal and in a log.

    Args:
        items: what to iterate over.
        unit: what the items are, in the plural.
        count: how many there are, where `items` cannot tell.
        every: seconds between lines.
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
            left = (now - begin) / done * (count - done)
            print(f"{done}/{count} {unit}, {duration(now - begin)}, {duration(left)} left", flush=True)
            last = now


def duration(seconds: float) -> str:
    """A time span in its two largest units: 42 s, 3 min 20 s, 8 h 12 min, 2 d 4 h."""
    seconds = round(seconds)
    units = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))
    for (large, size), (small, part) in zip(units, units[1:], strict=False):
        if seconds >= size:
            return f"{seconds // size} {large} {seconds % size // part} {small}"
    return f"{seconds} s"
