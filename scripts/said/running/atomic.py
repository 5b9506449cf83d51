"""Files and folders that have their name only when they are whole, whatever happens to the process that writes them."""

import contextlib
import errno
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

_PARTIAL = ".partial"
"""In the name of whatever is not whole; what a killed process leaves is known by it."""
_TEMPORARY = re.compile(rf"(?<=/)\.([^/]+)-[^/-]{{8}}{re.escape(_PARTIAL)}(?=/)")
"""A folder's temporary name in the path of a file, and in it the name that it will have."""
_LITTLE = 2**18
"""Bytes: an error while a disk has no more than these is for want of room, whatever its library says."""


class DiskFullError(OSError):
    """There is no room for a file; says for which, and what to do."""


@contextlib.contextmanager
def atomic(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A temporary path beside `path` that takes its name when the block ends without an exception.

    Raises:
        DiskFullError: in the place of whatever the block raises for want of room.
    """
    path = Path(path)
    with contextlib.ExitStack() as stack, naming_full_disk(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.stem}-", suffix=f"{_PARTIAL}{path.suffix}", dir=path.parent)
        os.close(handle)
        temporary = Path(name)
        stack.callback(temporary.unlink, missing_ok=True)
        yield temporary
        if not _room(path):  # not every library says so
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        temporary.chmod(0o666 & ~_umask())
        _flush(temporary)
        temporary.replace(path)


@contextlib.contextmanager
def atomic_folder(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A temporary folder beside `path` that takes its name, and the place of what has it, when the block ends well."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}-", suffix=_PARTIAL, dir=path.parent))
    try:
        yield temporary
        temporary.chmod(0o777 & ~_umask())
        shutil.rmtree(path, ignore_errors=True)
        temporary.replace(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextlib.contextmanager
def naming_full_disk(path: str | os.PathLike[str]) -> Iterator[None]:
    """A block that writes `path`, by whatever library: an error for want of room names it, as a DiskFullError."""
    try:
        yield
    except DiskFullError:
        raise
    except Exception as error:
        if not _wants_room(error) and _room(path) > _LITTLE:
            raise
        named = Path(_TEMPORARY.sub(r"\1", str(path)))
        raise DiskFullError(
            f"{named}: the disk is full. Make room on the disk of {named.parent}, and run the same command again: "
            "what is finished is kept"
        ) from error


def remove_partial(folder: str | os.PathLike[str]) -> None:
    """Remove from a folder and all below it what killed processes have left unfinished there.

    To be called when nobody writes there.
    """
    for path in list(Path(folder).rglob(f"*{_PARTIAL}*")):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _room(path: str | os.PathLike[str]) -> int:
    """Bytes that the disk of a file has left."""
    return shutil.disk_usage(Path(path).parent).free


def _wants_room(error: BaseException) -> bool:
    """Whether an error tells of a full disk or quota; some libraries keep its number, others its text alone."""
    full = (errno.ENOSPC, errno.EDQUOT)
    return getattr(error, "errno", None) in full or any(os.strerror(number) in str(error) for number in full)


def _flush(path: Path) -> None:
    """Wait until the file is on the disk: after a power cut, a name must not stand for less than the whole."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _umask() -> int:
    """Temporary files and folders are private; results are as readable as any other file of the user."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


PathLike = str | os.PathLike[str]
