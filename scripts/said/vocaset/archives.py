"""Folders and zip archives that others made: read in place, as trees of files, and checked before they are trusted.

Nothing is ever unpacked to disk. An archive is refused whole if a member could not be meant honestly: a path that leads
outside, a link, a size out of proportion.
"""

import os
import posixpath
import stat
import zipfile
import zlib
from collections import defaultdict
from pathlib import Path
from typing import BinaryIO, Protocol

from said.running.atomic import PathLike
from said.running.console import progress

LARGEST_RATIO = 100
"""Unpacked over packed size of a member; meshes and speech stay under 10, zip bombs begin near 1000."""
DEFAULT_LIMIT = 2**30
"""Bytes that an archive may unpack to where nothing else is said."""
_SMALL = 2**20  # bytes; a member that unpacks to less harms nobody, whatever its ratio
_CHUNK = 2**20
_JUNK = ("__MACOSX/", ".DS_Store", "Thumbs.db")


class ArchiveError(ValueError):
    """The archive is damaged or must not be trusted; the message names it, the member and the remedy."""


class LimitError(RuntimeError):
    """The archive unpacks to more than is allowed here. It may be genuine: nobody deletes it for that."""


class Tree(Protocol):
    """Files below a folder or in an archive, by relative paths with `/`."""

    root: Path

    def files(self, folder: str = "") -> list[str]:
        """Names of the files directly in a folder, sorted; empty where there is no such folder."""

    def folders(self, folder: str = "") -> list[str]:
        """Names of the folders directly in a folder, sorted; empty where there is no such folder."""

    def open(self, path: str) -> BinaryIO:
        """The file, for reading and seeking. Raises FileNotFoundError where there is none."""

    def where(self, path: str) -> str:
        """The path as messages name it."""


def open_tree(root: PathLike, limit: int = DEFAULT_LIMIT) -> Tree:
    """A folder or a zip archive as a tree.

    In a folder, the archive `x.zip` stands for the folder `x` where there is none. In an archive, a folder of the
    archive's own name around everything is left out, since some archives have it and some do not.

    Args:
        root: the folder or archive.
        limit: bytes that an archive may unpack to.

    Raises:
        FileNotFoundError: there is neither.
        ArchiveError, LimitError: see `check_members`.
    """
    root = Path(root)
    if root.is_dir():
        return _Folder(root, limit)
    if root.is_file():
        return _Zip(root, limit)
    raise FileNotFoundError(f"{root} is not there")


def find(tree: Tree, name: str) -> str | None:
    """The path of the file of this name, at the tree's top or one folder below it; None where there is none."""
    folders = ["", *tree.folders()]
    return next((posixpath.join(folder, name) for folder in folders if name in tree.files(folder)), None)


def check(path: PathLike, limit: int = DEFAULT_LIMIT) -> None:
    """Read a whole archive once: its list of members, their honesty and their checksums.

    Raises:
        ArchiveError: it is cut short or damaged.
        ArchiveError, LimitError: see `check_members`.
    """
    path = Path(path)
    with _open(path) as archive:
        members = check_members(archive, path, limit)
        for member in progress(members, f"members of {path.name}"):
            try:
                with archive.open(member) as file:
                    while file.read(_CHUNK):
                        pass
            except (zipfile.BadZipFile, EOFError, zlib.error, NotImplementedError) as error:
                raise ArchiveError(
                    f"{path}: {member.filename} is damaged ({error}); delete the archive and fetch it again"
                ) from None


def check_members(archive: zipfile.ZipFile, path: PathLike, limit: int) -> list[zipfile.ZipInfo]:
    """The files in an archive, by its own list, if all of them may be trusted.

    Raises:
        ArchiveError: a path is absolute or leads outside, a member is a link or no plain file, is encrypted or listed
            twice, or unpacks to more than `LARGEST_RATIO` times its size.
        LimitError: all unpack to more than `limit` bytes.
    """

    def refuse(member, reason):
        raise ArchiveError(f"{path}: member {member!r} {reason}; this archive is not what was published, do not use it")

    members = [info for info in archive.infolist() if not info.is_dir()]
    for info in archive.infolist():
        name = info.orig_filename
        if "\\" in name or "\0" in name or name.startswith("/") or ":" in name.split("/")[0] or ".." in name.split("/"):
            refuse(name, "leads outside")
        kind = stat.S_IFMT(info.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            refuse(name, "is a link or no plain file")
        if info.flag_bits & 1:
            refuse(name, "is encrypted")
        if info.file_size > max(_SMALL, LARGEST_RATIO * info.compress_size):
            refuse(name, f"unpacks from {info.compress_size} to {info.file_size} bytes, a zip bomb")
    names = [info.filename for info in members]
    if len(set(names)) < len(names):
        refuse(next(name for name in names if names.count(name) > 1), "is listed twice")
    total = sum(info.file_size for info in members)
    if total > limit:
        raise LimitError(
            f"{path}: unpacks to {total / 1e9:.1f} GB, {limit / 1e9:.1f} GB are allowed; if it is what was published, "
            "raise vocaset.unpacked_gigabytes in config.yaml and run again"
        )
    return members


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

    def _names(self, folder: str, kind) -> list[str]:
        if not (self.root / folder).is_dir():
            return []
        with os.scandir(self.root / folder) as entries:
            return sorted(entry.name for entry in entries if kind(entry))

    def _part(self, path: str) -> tuple[Tree, str]:
        """The archive that stands for the path's first folder and the path in it, or this folder and the path."""
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
        members = [
            info
            for info in check_members(self._zip, root, limit)
            if not info.filename.startswith(_JUNK) and not info.filename.endswith(_JUNK)
        ]
        around = f"{root.stem}/"
        prefix = around if members and all(info.filename.startswith(around) for info in members) else ""
        self._infos = {info.filename.removeprefix(prefix): info for info in members}
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
        return self._zip.open(self._infos[path])

    def where(self, path: str) -> str:
        return f"{self.root}:{path}"


def _open(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except zipfile.BadZipFile as error:
        raise ArchiveError(f"{path}: cut short, or no zip archive ({error}); delete it and fetch it again") from None
