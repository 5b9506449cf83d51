"""Results that are what was written: each has its sums beside it, and every job compares its inputs with theirs first.

The sums of `folder/result`, a file or a folder, are `folder/.sums/result`: a line for each file, as sha256sum writes
and reads it, with names that begin in `folder`. They hold nothing but contents, and so travel with every copy. What has
no sums is not ours, or older than they are, and is taken as it is.
"""

import contextlib
import hashlib
import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from said.running.atomic import PathLike, atomic

_SUMS = ".sums"
_LATENCY = 60.0
"""Seconds for which a shared file system may show a node what lay there before (NFS: acdirmax)."""


class ChangedError(ValueError):
    """A result is not what was written: a bit has flipped, it was cut off, or somebody changed it.

    Attributes:
        path: the file.
        made: the result that it is or is part of, file or folder: what a job makes anew.
    """

    def __init__(self, path: PathLike, problem: str, made: PathLike, sums: PathLike):
        super().__init__(path, problem, made, sums)
        self.path, self.problem, self.made, self.sums = path, problem, made, sums

    def __str__(self) -> str:
        return (
            f"{self.path}: {self.problem} since it was written. If that was not you: `rm -r {self.made}` and run "
            f"again, and it is made anew. If it was, and is to be used as it is now: `rm {self.sums}` and run again"
        )


class UnreadableError(ValueError):
    """A file is not what its reader takes; it may be anybody's."""

    def __init__(self, path: PathLike, problem: object):
        super().__init__(path, problem)
        self.path, self.problem = path, problem

    def __str__(self) -> str:
        ours = "; if the workflow made it, run again with `--forcerun` and the name of this result"
        advice = ours if "results" in Path(self.path).parts else ""
        return f"{self.path}: cannot be read ({self.problem}). If it is yours, replace it with a whole copy{advice}"


@contextlib.contextmanager
def reading(path: PathLike) -> Iterator[None]:
    """A block that reads `path`: what a library raises on its content names the file.

    Raises:
        ChangedError: the file is a result, and not what was written.
        UnreadableError: in all other cases.
    """
    try:
        yield
    except (FileNotFoundError, PermissionError, IsADirectoryError, MemoryError, ChangedError, UnreadableError):
        raise
    except Exception as error:  # each library has its own kinds
        verify([path])
        text = str(error).strip()
        raise UnreadableError(path, text.splitlines()[0] if text else type(error).__name__) from error


@contextlib.contextmanager
def reading_own() -> Iterator[None]:
    """A block that reads a file of the user's: nobody but the user can mend it.

    Raises:
        ValueError: in place of an UnreadableError.
    """
    try:
        yield
    except UnreadableError as error:
        raise ValueError(f"{error.path}: cannot be used ({error.problem}); save or export it again") from error


def write_sums(path: PathLike) -> None:
    """Note what a result, a file or a folder, is now."""
    path = Path(path)
    lines = [f"{_sha256(file)}  {file.relative_to(path.parent).as_posix()}\n" for file in _files(path)]
    with atomic(_sums_of(path)) as temporary:
        temporary.write_text("".join(lines), encoding="utf-8")


def remove_sums(path: PathLike) -> None:
    """Forget what a result was: it is about to be made anew."""
    _sums_of(Path(path)).unlink(missing_ok=True)


def has_sums(path: PathLike) -> bool:
    """Whether it is known what a result, or the one that it is part of, was when it was written."""
    return _find_sums(Path(path)) is not None


def verify(paths: Iterable[PathLike], latency: float | None = None) -> None:
    """Compare files and folders with their sums, content by content; those without are passed over.

    Args:
        paths: results, or parts of them.
        latency: seconds after its last change for which what differs is looked at again, as its sums, or itself, may
            yet be to appear here. None: those of a shared file system in a job of Slurm, 0 elsewhere.

    Raises:
        ChangedError: names the first that is not what was written.
    """
    if latency is None:
        latency = _LATENCY if "SLURM_JOB_ID" in os.environ else 0.0
    end = time.monotonic() + latency
    for path in map(Path, paths):
        while True:
            try:
                _compare(path)
                break
            except ChangedError as error:
                if time.monotonic() > end or time.time() > _changed(error) + latency:
                    raise
            time.sleep(1.0)


def changed_below(folder: PathLike) -> Iterator[ChangedError]:
    """The results in a folder and all below it that are not what was written, those that are not there left out."""
    for sums in sorted(Path(folder).rglob(f"{_SUMS}/*")):
        result = sums.parent.parent / sums.name
        if result.exists() and not sums.name.startswith("."):
            try:
                _compare(result)
            except ChangedError as error:
                yield error


def _compare(path: Path) -> None:
    found = _find_sums(path)
    if found is None:
        return
    made, sums = found
    try:
        text = sums.read_text(encoding="utf-8")
        listed = {name: digest for digest, name in (line.split("  ", 1) for line in text.splitlines())}
    except ValueError:
        raise ChangedError(sums, "has changed", made, sums) from None
    present = {file.relative_to(made.parent).as_posix(): file for file in _files(path)}
    name = path.relative_to(made.parent).as_posix()
    missing = {key for key in listed if key == name or key.startswith(f"{name}/")} - present.keys()
    if not (missing or present):
        missing = {name}
    for key in sorted(missing | present.keys()):
        if key in missing:
            raise ChangedError(made.parent / key, "has vanished", made, sums)
        if key not in listed:
            raise ChangedError(present[key], f"has come into {made}" if made != path else "has changed", made, sums)
        if listed[key] != _sha256(present[key]):
            raise ChangedError(present[key], "has changed", made, sums)


def _sums_of(path: Path) -> Path:
    return path.parent / _SUMS / path.name


def _find_sums(path: Path) -> tuple[Path, Path] | None:
    """The result that a path is, or is part of, and its sums; None without any."""
    for made in (path, *path.parents):
        if made.name and _sums_of(made).is_file():
            return made, _sums_of(made)
    return None


def _files(path: Path) -> list[Path]:
    """A file, or those in a folder and all below it, in order, but for hidden ones: NFS and macOS have some of their
    own, and Snakemake's timestamp is one."""
    if not path.is_dir():
        return [path] if path.exists() else []
    visible = (file for file in path.rglob("[!.]*") if file.is_file())
    return sorted(file for file in visible if not any(part.startswith(".") for part in file.relative_to(path).parts))


def _changed(error: ChangedError) -> float:
    """When what differs, or its sums, last changed, in seconds of the epoch."""
    return max((os.stat(path).st_mtime for path in (error.path, error.sums) if os.path.exists(path)), default=0.0)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
