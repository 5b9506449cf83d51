"""Files that are no longer what was written: every one is named, with what has to be removed to have it made anew."""

import contextlib
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from said.running.atomic import atomic

_CHECKSUMS = "SHA256SUMS"


class DamagedError(ValueError):
    """A file is not what was once written: cut off, or changed.

    Attributes:
        made: the output that it is, or is part of: what has to be removed to have it made anew.
    """

    def __init__(self, path: str | os.PathLike[str], problem: object):
        super().__init__(path, problem)
        self.path, self.problem, self.made = path, problem, path

    def __str__(self) -> str:
        return (
            f"{self.path}: damaged or incomplete ({self.problem}). If the workflow made it: `rm -r {self.made}` and "
            "run again, and it is made anew; if it is yours, replace it"
        )


@contextlib.contextmanager
def reading(path: str | os.PathLike[str]) -> Iterator[None]:
    """A block that reads `path`: what a library raises on its content names the file, as a DamagedError."""
    try:
        yield
    except (FileNotFoundError, PermissionError, IsADirectoryError, MemoryError, DamagedError):
        raise
    except Exception as error:  # each library has its own kinds
        text = str(error).strip()
        raise DamagedError(path, text.splitlines()[0] if text else type(error).__name__) from error


@contextlib.contextmanager
def reading_from(folder: str | os.PathLike[str]) -> Iterator[None]:
    """A block that reads from a folder that is one output: a damaged file means that the folder is to be made anew."""
    try:
        yield
    except DamagedError as error:
        error.made = folder
        raise


def write_checksums(folder: str | os.PathLike[str]) -> None:
    """SHA256SUMS of the files in a folder, as sha256sum writes it; folders in it are left out."""
    sums = {path.name: _sha256(path) for path in _files(folder)}
    with atomic(Path(folder) / _CHECKSUMS) as temporary:
        temporary.write_text("".join(f"{digest}  {name}\n" for name, digest in sums.items()), encoding="utf-8")


def verify_checksums(folder: str | os.PathLike[str]) -> None:
    """Compare a folder with its SHA256SUMS.

    Raises:
        DamagedError: a file is missing, not listed, or not the one that was written; or the list is missing or none.
    """
    path = Path(folder) / _CHECKSUMS
    if not path.exists():
        raise DamagedError(path, "missing")
    with reading(path):
        listed = {name: digest for digest, name in (line.split("  ", 1) for line in path.read_text().splitlines())}
    present = {file.name for file in _files(folder)} - {_CHECKSUMS}
    for name in sorted(present | listed.keys()):
        if name not in present or listed.get(name) != _sha256(path.with_name(name)):
            raise DamagedError(path.with_name(name), f"not what {path} says was written")


def require_whole_wav(path: str | os.PathLike[str]) -> None:
    """Refuse a wav that is shorter than it says: libsndfile reads what there is of it, and says nothing.

    Raises:
        ValueError: bytes are missing.
    """
    with Path(path).open("rb") as file:
        head = file.read(8)
    size = int.from_bytes(head[4:], "little") + 8
    if head[:4] == b"RIFF" and Path(path).stat().st_size < size < 2**31:  # more: of a stream, which knew no size
        raise ValueError(f"{size} bytes were written")


def _files(folder: str | os.PathLike[str]) -> list[Path]:
    """Files directly in a folder, in order, but for hidden ones: NFS may have some of its own."""
    return [path for path in sorted(Path(folder).glob("[!.]*")) if path.is_file()]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
