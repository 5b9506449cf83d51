"""The part of a file that has arrived so far."""

import json
import os
import stat
from pathlib import Path
from typing import Any, BinaryIO

from said.files.text import write_json


class Part:
    """The bytes of a file that have arrived so far, and what the server said about the whole.

    Others may be able to write to its folder: a link in its place is never followed, but removed.

    Attributes:
        target: path of the whole file.
        name: address of the file, as it may be shown.
        path: where the bytes are.
    """

    def __init__(self, path: Path, name: str):
        self.target, self.name = path, name
        self.path = path.with_name(f".{path.name}.part")
        self._facts = path.with_name(f".{path.name}.part.json")

    @property
    def size(self) -> int:
        """Bytes that have arrived."""
        try:
            status = self.path.lstat()
        except FileNotFoundError:
            return 0
        return status.st_size if stat.S_ISREG(status.st_mode) and status.st_nlink == 1 else 0

    def facts(self) -> dict[str, Any]:
        """`total` size and `validator` (strong ETag) of the whole file; empty: fetch it from the beginning."""
        try:
            facts = json.loads(self._facts.read_text(encoding="utf-8"))
            return facts if self.size and facts["url"] == self.name and {"total", "validator"} < {*facts} else {}
        except (OSError, ValueError, TypeError, LookupError):
            return {}

    def begin(self, total: int | None, validator: str | None) -> None:
        """Start over, with nothing arrived yet."""
        self.discard()
        os.close(os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o666))
        write_json(self._facts, {"url": self.name, "total": total, "validator": validator})

    def append(self) -> BinaryIO:
        """The file of the bytes, to write further ones to its end."""
        return open(self.path, "ab", opener=lambda path, _: os.open(path, os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW))

    def finish(self) -> None:
        """Move the complete file to its target."""
        self.path.replace(self.target)
        self._facts.unlink(missing_ok=True)

    def discard(self) -> None:
        """Delete what has arrived."""
        self.path.unlink(missing_ok=True)
        self._facts.unlink(missing_ok=True)
