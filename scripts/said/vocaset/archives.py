"""Folders and zip archives made by others: read in place, as trees of files, and checked before they are trusted.

Nothing is ever unpacked to disk. A whole archive is refused if one member looks malicious: a path that leads outside, a
link, a size out of proportion. Archives beyond 4 GiB are read with or without the Zip64 records that they should have,
see `said.vocaset.zip64`.
"""

import contextlib
import errno
import io
import os
import posixpath
import stat
import zipfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, BinaryIO, NoReturn, Protocol

from said.running.atomic import PathLike
from said.running.console import progress
from said.vocaset import zip64

LARGEST_RATIO = 100
"""Largest ratio of a member's unpacked to its packed size; meshes and speech stay below 10, zip bombs reach 1000."""
DEFAULT_LIMIT = 2**30
"""Bytes that an archive may unpack to by default."""
_SMALL = 2**20  # bytes; a member that unpacks to less is harmless, whatever its ratio
_CHUNK = 2**20
_DEEPEST = 100  # folders in a path; the release has four
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2)
_JUNK = ("__MACOSX", "Thumbs.db", "desktop.ini", "@eaDir")
"""What packers and file servers add, besides names that begin with a dot, as macOS's `._name` beside each file."""


class ArchiveError(ValueError):
    """An archive is damaged or cannot be trusted; the message names it, the member and the remedy."""


class LimitError(RuntimeError):
    """An archive unpacks to more than is allowed here; it may well be genuine, and is never to be deleted for that."""


class Tree(Protocol):
    """The files in a folder or an archive, by relative paths with `/`.

    Attributes:
        root: the folder or archive.
    """

    root: Path

    def files(self, folder: str = "") -> list[str]:
        """Names of the files directly in a folder, sorted; empty if there is no such folder."""
        ...

    def folders(self, folder: str = "") -> list[str]:
        """Names of the folders directly in a folder, sorted; empty if there is no such folder."""
        ...

    def open(self, path: str) -> BinaryIO:
        """The file, for reading and for seeking from its beginning.

        Raises:
            FileNotFoundError: there is no such file.
            ArchiveError: while it is read: the archive is damaged.
        """
        ...

    def where(self, path: str) -> str:
        """The name of a path in messages."""
        ...


def open_tree(root: PathLike, limit: int = DEFAULT_LIMIT) -> Tree:
    """A folder or a zip archive as a tree.

    In a folder, the archive `x.zip` stands in for a missing folder `x`. In an archive, a folder around everything that
    has the archive's own name is left out of the paths, since some archives have it and some do not.

    Args:
        root: the folder or archive.
        limit: bytes that an archive may unpack to.

    Raises:
        FileNotFoundError: there is neither at this path.
        ArchiveError, LimitError: see `check_members`.
    """
    root = Path(root)
    if root.is_dir():
        return _Folder(root, limit)
    if root.is_file():
        return _Zip(root, limit)
    raise FileNotFoundError(f"{root} is not there")


def find(tree: Tree, name: str) -> str | None:
    """The path of the file with a name, at the top of a tree or one folder down; None if there is none."""
    folders = ["", *tree.folders()]
    return next((posixpath.join(folder, name) for folder in folders if name in tree.files(folder)), None)


def check(path: PathLike, limit: int = DEFAULT_LIMIT) -> None:
    """Check an archive by reading it once: its list of members, whether they can be trusted, and their checksums.

    Raises:
        ArchiveError: it is cut short or damaged.
        ArchiveError, LimitError: see `check_members`.
    """
    path = Path(path)
    with _open(path) as archive:
        members = check_members(archive, path, limit)
        total = 0
        for member in progress(members, f"members of {path.name}"):
            with _naming(path, member), archive.open(zip64.unbounded(member, LARGEST_RATIO)) as file:
                while chunk := file.read(_CHUNK):
                    total += len(chunk)
            _require_limit(path, total, limit)


def check_members(archive: zipfile.ZipFile, path: PathLike, limit: int) -> list[zipfile.ZipInfo]:
    """The files in an archive, according to its own list, if all of them can be trusted.

    Args:
        archive: opened for reading.
        path: the archive, for messages.
        limit: bytes that it may unpack to.

    Raises:
        ArchiveError: a path is absolute or leads outside; or a member is a link or no plain file, is encrypted, packed
            by a method that is not supported, or listed twice, or unpacks to more than `LARGEST_RATIO` times its size.
        LimitError: the members together unpack to more than `limit` bytes.
    """

    def refuse(member: str, reason: str) -> NoReturn:
        raise ArchiveError(f"{path}: member {member!r} {reason}; this archive is not what was published, do not use it")

    members = [info for info in archive.infolist() if not info.filename.endswith("/")]
    for info in archive.infolist():
        name = info.orig_filename
        for given in (name, info.filename):  # the two may come from different fields
            parts = given.split("/")
            if "\\" in given or "\0" in given or given.startswith("/") or ":" in parts[0] or ".." in parts:
                refuse(name, "leads outside")
            if not given:
                refuse(name, "has no name")
            if len(parts) > _DEEPEST:
                refuse(f"{name[:60]}...", f"lies {len(parts) - 1} folders deep")
        kind = stat.S_IFMT(info.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            refuse(name, "is a link or no plain file")
        if info.flag_bits & 1:
            refuse(name, "is encrypted")
        if not 0 <= info.header_offset <= archive.start_dir - info.compress_size:
            raise ArchiveError(f"{path}: cut short or damaged: {name!r} goes on beyond its end; use a whole copy of it")
        if info.file_size > max(_SMALL, LARGEST_RATIO * info.compress_size):
            refuse(name, f"unpacks from {info.compress_size} to {info.file_size} bytes, a zip bomb")
        if info.compress_type not in _METHODS:
            raise ArchiveError(
                f"{path}: member {name!r} is packed by the method {info.compress_type}, which is not supported; unpack "
                "the archive beside it, or pack its content again with the method deflate"
            )
    name, count = max(Counter(_plain(info) for info in members).items(), key=lambda item: item[1], default=("", 0))
    if count > 1:
        refuse(name, "is listed twice")
    _require_limit(path, sum(info.file_size for info in members), limit)
    return members


def _require_limit(path: PathLike, total: int, limit: int) -> None:
    if total > limit:
        raise LimitError(
            f"{path}: unpacks to {total / 1e9:.1f} GB, but only {limit / 1e9:.1f} GB are allowed; if it is genuine, "
            "raise vocaset.unpacked_gigabytes in config.yaml and run again"
        )


def _plain(info: zipfile.ZipInfo) -> str:
    """The path of a member without the leading `./` of some packers."""
    return posixpath.normpath(info.filename)


def _is_junk(path: str) -> bool:
    return any(part.startswith(".") or part in _JUNK for part in path.split("/"))


class _Folder:
    def __init__(self, root: Path, limit: int):
        self.root, self._limit = root, limit
        self._archives: dict[str, _Zip] = {}

    def files(self, folder: str = "") -> list[str]:
        tree, folder = self._part(folder)
        return tree.files(folder) if tree is not self else self._names(folder, os.DirEntry.is_file)

    def folders(self, folder: str = "") -> list[str]:
        tree, inner = self._part(folder)
        if tree is not self:
            return tree.folders(inner)
        packed = {name[:-4] for name in self.files(folder) if name.endswith(".zip")} if folder == "" else set()
        return sorted(packed.union(self._names(folder, os.DirEntry.is_dir)))

    def open(self, path: str) -> BinaryIO:
        tree, path = self._part(path)
        return tree.open(path) if tree is not self else (self.root / path).open("rb")

    def where(self, path: str) -> str:
        tree, path = self._part(path)
        return tree.where(path) if tree is not self else str(self.root / path)

    def _names(self, folder: str, kind: Callable[[os.DirEntry[str]], bool]) -> list[str]:
        if not (self.root / folder).is_dir():
            return []
        with os.scandir(self.root / folder) as entries:
            return sorted(entry.name for entry in entries if kind(entry) and not _is_junk(entry.name))

    def _part(self, path: str) -> tuple[Tree, str]:
        """The archive that stands in for the first folder, and the path in it; else this tree and the path."""
        first, _, rest = path.partition("/")
        if first in self._archives:
            return self._archives[first], rest
        packed = self.root / f"{first}.zip"
        if first and packed.is_file() and not (self.root / first).exists():
            self._archives[first] = _Zip(packed, self._limit)
            return self._archives[first], rest
        return self, path


class _Zip:
    def __init__(self, root: Path, limit: int):
        self.root = root
        self._zip = _open(root)
        members = {_plain(info): info for info in check_members(self._zip, root, limit)}
        members = {path: info for path, info in members.items() if not _is_junk(path)}
        around = f"{root.stem}/"
        prefix = around if members and all(path.startswith(around) for path in members) else ""
        self._infos = {path.removeprefix(prefix): info for path, info in members.items()}
        self._files: dict[str, list[str]] = defaultdict(list)
        self._folders: dict[str, set[str]] = defaultdict(set)
        for path in self._infos:
            folder, name = posixpath.split(path)
            self._files[folder].append(name)
            while folder:
                folder, name = posixpath.split(folder)
                self._folders[folder].add(name)

    def files(self, folder: str = "") -> list[str]:
        return sorted(self._files.get(folder, ()))

    def folders(self, folder: str = "") -> list[str]:
        return sorted(self._folders.get(folder, ()))

    def open(self, path: str) -> BinaryIO:
        if path not in self._infos:
            raise FileNotFoundError(f"{self.where(path)} is not there")
        info = self._infos[path]
        with _naming(self.root, info):
            file = self._zip.open(zip64.unbounded(info, LARGEST_RATIO))
        return io.BufferedReader(_Member(file, self.root, info), _CHUNK)

    def where(self, path: str) -> str:
        return f"{self.root}:{path}"


class _Member(io.RawIOBase):
    """A member of an archive as a file; every error in it names both."""

    def __init__(self, file: IO[bytes], path: Path, info: zipfile.ZipInfo):
        self._file, self._names = file, (path, info)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:
        with _naming(*self._names):
            content = self._file.read(len(buffer))
        buffer[: len(content)] = content
        return len(content)

    def readall(self) -> bytes:
        with _naming(*self._names):
            return self._file.read()

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        with _naming(*self._names):
            return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def close(self) -> None:
        self._file.close()
        super().close()


@contextlib.contextmanager
def _naming(path: Path, info: zipfile.ZipInfo) -> Iterator[None]:
    """A block that reads a member: whatever a decoder raises about its content becomes an ArchiveError naming it."""
    try:
        yield
    except MemoryError:
        raise
    except Exception as error:
        if _is_of_the_disk(error):
            raise
        raise ArchiveError(
            f"{path}: {info.filename} is damaged ({error or type(error).__name__}): this copy of the archive is not "
            "intact, use another"
        ) from None


def _is_of_the_disk(error: Exception) -> bool:
    """Whether an error comes from the disk; EINVAL does not: it comes from seeking to an impossible place."""
    return isinstance(error, OSError) and error.errno not in (None, errno.EINVAL)


def _open(path: Path) -> zipfile.ZipFile:
    """An archive with the true place and size of every member, even where it is wrong about those beyond 4 GiB.

    Raises:
        ArchiveError: it is cut short, damaged or not a zip archive.
    """
    try:
        archive = zipfile.ZipFile(path)
    except MemoryError:
        raise
    except Exception as error:  # a damaged list of members may raise anything
        if _is_of_the_disk(error):
            raise
        raise ArchiveError(
            f"{path}: cut short, or no zip archive ({error or type(error).__name__}); use a whole copy of it"
        ) from None
    try:
        zip64.restore(archive)
    except LookupError as error:
        archive.close()
        raise ArchiveError(
            f"{path}: is larger than 4 GiB without the Zip64 records for it, and {error.args[0]} was not found in it; "
            "7z may be able to unpack it (`7z x`); then use the folder in its place"
        ) from None
    return archive
