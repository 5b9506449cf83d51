"""Atomic writes: a file or folder takes its name only when it is complete, whatever becomes of the writing process."""

import contextlib
import errno
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

_PARTIAL = ".partial"
"""In the name of everything incomplete; it marks what a killed process leaves behind."""
_TEMPORARY = re.compile(rf"(?<=/)\.([^/]+)-[^/-]{{8}}{re.escape(_PARTIAL)}(?=/)")
"""A folder's temporary name within the path of a file; the group is the name that the folder will have."""
_NEARLY_FULL = 2**18
"""Bytes: with no more than this free, any error is put down to the full disk, whatever the library says."""


class DiskFullError(OSError):
    """The disk is full; the message names the file and says what to do."""


@contextlib.contextmanager
def atomic(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A temporary path beside `path` that takes its name when the block ends without an exception.

    Raises:
        DiskFullError: the disk is full; replaces whatever the block raised because of it.
    """
    path = Path(path)
    with contextlib.ExitStack() as stack, naming_full_disk(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.stem}-", suffix=f"{_PARTIAL}{path.suffix}", dir=path.parent)
        os.close(handle)
        temporary = Path(name)
        stack.callback(temporary.unlink, missing_ok=True)
        yield temporary
        if not _free_bytes(path):  # not every library reports it
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        temporary.chmod(0o666 & ~_umask())
        _flush(temporary)
        temporary.replace(path)


@contextlib.contextmanager
def atomic_folder(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A temporary folder beside `path` that replaces it when the block ends without an exception."""
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
    """A block that writes `path` with any library: an error caused by a full disk becomes a DiskFullError naming it."""
    try:
        yield
    except DiskFullError:
        raise
    except Exception as error:
        if not _is_full_disk(error) and _free_bytes(path) > _NEARLY_FULL:
            raise
        named = Path(_TEMPORARY.sub(r"\1", str(path)))
        raise DiskFullError(
            f"{named}: the disk is full. Make room on the disk of {named.parent}, and run the same command again: "
            "what is finished is kept"
        ) from error


def remove_partial(folder: str | os.PathLike[str]) -> None:
    """Remove what killed processes left unfinished in a folder, at any depth.

    Call it only while nobody writes there.
    """
    for path in list(Path(folder).rglob(f"*{_PARTIAL}*")):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _free_bytes(path: str | os.PathLike[str]) -> int:
    """Free bytes on the disk of a file."""
    return shutil.disk_usage(Path(path).parent).free


def _is_full_disk(error: BaseException) -> bool:
    """Whether an error comes from a full disk or quota; some libraries keep its number, others only its text."""
    full = (errno.ENOSPC, errno.EDQUOT)
    return getattr(error, "errno", None) in full or any(os.strerror(number) in str(error) for number in full)


def _flush(path: Path) -> None:
    """Wait until the file is on the disk, so that a power cut cannot leave its name on half of it."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _umask() -> int:
    """The process's umask: temporary files are private, but results are as readable as the user's other files."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


PathLike = str | os.PathLike[str]
