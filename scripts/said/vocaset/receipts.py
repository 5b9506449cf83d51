"""Receipts of files that others published or the user brought: what they were when they were checked.

The rules that use such a file compare it with its receipt first, so that it cannot change unnoticed.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from said.files.text import read_json, write_json
from said.running.atomic import PathLike
from said.running.integrity import reading

LARGE = 100_000_000
"""Bytes from which on a file is read again only if its size or its date changed: many jobs use the same archive."""


class ChangedFileError(RuntimeError):
    """A file is not there any more, or is another than the one that was checked; the message says what to remove."""


@dataclass(frozen=True)
class Receipt:
    """What lies at a path: its size in bytes, its date (nanoseconds), its sha256 and, where known, its address."""

    path: str
    bytes: int
    modified: int
    sha256: str
    url: str | None = None


def describe(path: PathLike, url: str | None = None, sha256: str | None = None) -> Receipt:
    """What lies at a path; it is read, unless its `sha256` is known."""
    status = Path(path).stat()
    digest = sha256 or digest_of(Path(path)).hexdigest()
    return Receipt(str(path), status.st_size, status.st_mtime_ns, digest, url)


def write_receipts(path: PathLike, receipts: Iterable[Receipt]) -> None:
    """A JSON list, one object per file."""
    write_json(path, [asdict(receipt) for receipt in receipts])


def require_unchanged(paths: Iterable[PathLike]) -> None:
    """Check that every file still matches its receipt.

    Args:
        paths: of what `write_receipts` wrote.

    Raises:
        ChangedFileError: a file is missing, or its content is another.
        DamagedError: a receipt cannot be read.
    """
    for path in paths:
        with reading(path):
            receipts = [Receipt(**receipt) for receipt in list.copy(read_json(path))]
        for then in receipts:
            file = Path(then.path)
            if not file.exists():
                raise ChangedFileError(f"{file} is not there, though {path} tells of it: remove {path} and run again")
            status = file.stat()
            touched = (status.st_size, status.st_mtime_ns) != (then.bytes, then.modified)
            if (touched or then.bytes < LARGE) and digest_of(file).hexdigest() != then.sha256:
                fetched = "" if then.url is None else f"{file} and "
                raise ChangedFileError(
                    f"{file} is not the file that {path} tells of: its sha256 is not {then.sha256}. Remove "
                    f"{fetched}{path} and run again"
                )


def digest_of(path: Path) -> "hashlib._Hash":
    """SHA-256 of a file, to read or to go on from."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256")
