"""Checksums of results: recorded beside each one, and compared by every job with its inputs before it does anything.

The checksums of `folder/result`, a file or a folder, are in `folder/.sums/result`: a line per file, in the format of
sha256sum, with paths relative to `folder`. They depend on the contents alone, so they hold for every copy. A file
without them is not ours, or is older than this record, and is taken as it is.
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
"""Seconds for which a node may still see the old state of a shared file system (NFS: acdirmax)."""


class ChangedError(ValueError):
    """A result no longer matches its checksums: a bit flipped, it was cut off, or somebody changed it.

    Attributes:
        path: the file that differs.
        problem: what is wrong with it.
        made: the result, file or folder, that it is or belongs to: what a job rebuilds.
        sums: the record of its checksums.
    """

    def __init__(self, path: PathLike, problem: str, made: PathLike, sums: PathLike):
        super().__init__(path, problem, made, sums)
        self.path, self.problem, self.made, self.sums = path, problem, made, sums

    def __str__(self) -> str:
        return (
            f"{self.path}: {self.problem} since it was written. If you did not change it, `rm -r {self.made}` and run "
            f"again, with {self.made} as a target, to rebuild it. If you did, and want to use it as it is now, "
            f"`rm {self.sums}` and run again"
        )


class UnreadableError(ValueError):
    """A file that cannot be read, whoever made it: the workflow or the user."""

    def __init__(self, path: PathLike, problem: object):
        super().__init__(path, problem)
        self.path, self.problem = path, problem

    def __str__(self) -> str:
        ours = "; if the workflow made it, run again with `--forcerun` and the name of this result"
        advice = ours if "results" in Path(self.path).parts else ""
        return f"{self.path}: cannot be read ({self.problem}). If it is yours, replace it with a whole copy{advice}"


@contextlib.contextmanager
def reading(path: PathLike) -> Iterator[None]:
    """A block that reads `path`: whatever a library raises about its content becomes an error that names the file.

    Raises:
        ChangedError: the file is a result that no longer matches its checksums.
        UnreadableError: in all other cases.
    """
    try:
        yield
    except (FileNotFoundError, PermissionError, IsADirectoryError, MemoryError, ChangedError, UnreadableError):
        raise
    except Exception as error:  # each library raises its own
        verify([path])
        text = str(error).strip()
        raise UnreadableError(path, text.splitlines()[0] if text else type(error).__name__) from error


@contextlib.contextmanager
def reading_own() -> Iterator[None]:
    """A block that reads a user's own file, which only the user can repair.

    Raises:
        ValueError: in place of an UnreadableError.
    """
    try:
        yield
    except UnreadableError as error:
        raise ValueError(f"{error.path}: cannot be used ({error.problem}); save or export it again") from error


def write_sums(path: PathLike) -> None:
    """Record the checksums of a result, a file or a folder."""
    path = Path(path)
    lines = [f"{_sha256(file)}  {file.relative_to(path.parent).as_posix()}\n" for file in _files(path)]
    with atomic(_sums_of(path)) as temporary:
        temporary.write_text("".join(lines), encoding="utf-8")


def remove_sums(path: PathLike) -> None:
    """Forget the checksums of a result that is about to be rebuilt."""
    _sums_of(Path(path)).unlink(missing_ok=True)


def has_sums(path: PathLike) -> bool:
    """Whether checksums are recorded for a result, or for the result that it belongs to."""
    return _find_sums(Path(path)) is not None


def verify(paths: Iterable[PathLike], latency: float | None = None) -> None:
    """Compare the contents of files and folders with their recorded checksums; those without any are skipped.

    Args:
        paths: results, or parts of them.
        latency: seconds after its last change during which a result that differs is checked again, since the result
            or its checksums may not be visible here yet. None: as for a shared file system in a Slurm job, else 0.

    Raises:
        ChangedError: names the first result that differs.
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
    """The results in a folder, at any depth, that no longer match their checksums; missing ones are left out."""
    for sums in sorted(Path(folder).rglob(f"{_SUMS}/*")):
        result = sums.parent.parent / sums.name
        if result.exists() and not sums.name.startswith("."):
            try:
                _compare(result)
            except ChangedError as error:
                yield error


def missing_below(folder: PathLike) -> Iterator[Path]:
    """The results in a folder, at any depth, of which there are checksums and nothing else."""
    for sums in sorted(Path(folder).rglob(f"{_SUMS}/*")):
        result = sums.parent.parent / sums.name
        if not (result.exists() or sums.name.startswith(".")):
            yield result


def _compare(path: Path) -> None:
    record = _find_sums(path)
    if record is None:
        return
    made, sums = record
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
            raise ChangedError(present[key], f"was added to {made}" if made != path else "has changed", made, sums)
        if listed[key] != _sha256(present[key]):
            raise ChangedError(present[key], "has changed", made, sums)


def _sums_of(path: Path) -> Path:
    return path.parent / _SUMS / path.name


def _find_sums(path: Path) -> tuple[Path, Path] | None:
    """The result that a path is or belongs to, and the record of its checksums; None where there is none."""
    for made in (path, *path.parents):
        if made.name and _sums_of(made).is_file():
            return made, _sums_of(made)
    return None


def _files(path: Path) -> list[Path]:
    """A file, or all in a folder at any depth, sorted; without hidden ones, as NFS, macOS and Snakemake leave them."""
    if not path.is_dir():
        return [path] if path.exists() else []
    visible = (file for file in path.rglob("[!.]*") if file.is_file())
    return sorted(file for file in visible if not any(part.startswith(".") for part in file.relative_to(path).parts))


def _changed(error: ChangedError) -> float:
    """When the file that differs, or its checksums, last changed, in seconds since the epoch."""
    return max((os.stat(path).st_mtime for path in (error.path, error.sums) if os.path.exists(path)), default=0.0)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
