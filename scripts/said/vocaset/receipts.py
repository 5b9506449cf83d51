"""Receipts for files that others published or the user supplied: what they were when they were checked.

Rules that use such a file compare it with its receipt first, so that it cannot change unnoticed.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from said.files.text import read_json, write_json
from said.running.atomic import PathLike
from said.running.integrity import reading

LARGE = 100_000_000
"""Bytes from which a file is read again only if its size or date has changed: many jobs use the same archive."""


class ChangedFileError(RuntimeError):
    """A file has vanished or changed since it was checked; the message says what to remove."""


@dataclass(frozen=True)
class Receipt:
    """A file as it was.

    Attributes:
        path: where it is.
        bytes: its size.
        modified: its date, in nanoseconds since the epoch.
        sha256: its checksum, in hexadecimal.
        url: where it came from, if known.
    """

    path: str
    bytes: int
    modified: int
    sha256: str
    url: str | None = None


def describe(path: PathLike, url: str | None = None, sha256: str | None = None) -> Receipt:
    """The receipt for a file as it is now; it is read only if its `sha256` is not given."""
    status = Path(path).stat()
    digest = sha256 or digest_of(Path(path)).hexdigest()
    return Receipt(str(path), status.st_size, status.st_mtime_ns, digest, url)


def write_receipts(path: PathLike, receipts: Iterable[Receipt]) -> None:
    """Write receipts as a JSON list, with one object per file."""
    write_json(path, [asdict(receipt) for receipt in receipts])


def require_unchanged(paths: Iterable[PathLike]) -> None:
    """Check that every file still matches its receipt.

    Args:
        paths: files that `write_receipts` wrote.

    Raises:
        ChangedFileError: a file is missing, or its content has changed.
        ChangedError, UnreadableError: a receipt cannot be read, see `said.running.integrity`.
    """
    for path in paths:
        with reading(path):
            receipts = [Receipt(**receipt) for receipt in list.copy(read_json(path))]
        for receipt in receipts:
            file = Path(receipt.path)
            if not file.exists():
                raise ChangedFileError(f"{file} is gone, though {path} is its receipt: remove {path} and run again")
            status = file.stat()
            touched = (status.st_size, status.st_mtime_ns) != (receipt.bytes, receipt.modified)
            if (touched or receipt.bytes < LARGE) and digest_of(file).hexdigest() != receipt.sha256:
                fetched = "" if receipt.url is None else f"{file} and "
                raise ChangedFileError(
                    f"{file} no longer matches its receipt {path}: its sha256 is not {receipt.sha256}. Remove "
                    f"{fetched}{path} and run again"
                )


def digest_of(path: Path) -> "hashlib._Hash":
    """SHA-256 of a file, as an object of hashlib that more bytes can be added to."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256")
