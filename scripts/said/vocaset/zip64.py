"""Zip archives beyond 4 GiB that lack the Zip64 records they need: finds the true places and sizes.

macOS's Archive Utility writes such archives: they hold each place and size modulo 2^32.
"""

import copy
import os
import struct
import zipfile
from typing import IO

_WRAP = 2**32
"""Where sizes and places wrap to 0."""
_GROWTH = 0.99
"""Incompressible data grow a little when packed: the unpacked size is at least this share of the packed one."""
_END, _LOCATOR, _HEADER = 22, 20, 30
"""Bytes of the record at the end of an archive, of Zip64's before it, and of a member's header before its name."""


def restore(archive: zipfile.ZipFile) -> None:
    """Set the place and packed size of each member to the true ones, and its unpacked size to the least possible.

    An archive that has Zip64 records, or needs none, is left as it is.

    Raises:
        LookupError: a member was not found; the argument is its name.
    """
    if _has_zip64(archive):
        return
    if archive.start_dir > _WRAP:
        _restore_places(archive)
    for info in archive.infolist():
        while info.file_size + _WRAP // 2 < _GROWTH * info.compress_size:
            info.file_size += _WRAP


def unbounded(info: zipfile.ZipInfo, ratio: int) -> zipfile.ZipInfo:
    """A member that can be read to the end of its packed data, even if its listed size has wrapped.

    Its checksum is still verified, and it may unpack to no more than `ratio` times its packed size.
    """
    more = (ratio * info.compress_size - info.file_size) // _WRAP
    if more < 1 or info.compress_type == zipfile.ZIP_STORED:
        return info
    info = copy.copy(info)
    info.file_size += more * _WRAP
    return info


def _has_zip64(archive: zipfile.ZipFile) -> bool:
    file = _file(archive)
    place = file.seek(0, os.SEEK_END) - _END - len(archive.comment) - _LOCATOR
    return file.seek(max(0, place)) == place and file.read(4) == b"PK\6\7"


def _file(archive: zipfile.ZipFile) -> IO[bytes]:
    if archive.fp is None:
        raise ValueError("the archive is closed")
    return archive.fp


def _restore_places(archive: zipfile.ZipFile) -> None:
    """Find each member by its name; as the search starts after the previous one, most need a single look."""
    end = 0
    starts: dict[int, int] = {}
    for info in archive.infolist():
        places = range(info.header_offset % _WRAP, archive.start_dir, _WRAP)
        later = max(0, -(-(end - places.start) // _WRAP))
        for place in (*places[later:], *places[:later]):
            if start := _start(archive, info, place):
                break
        else:
            raise LookupError(info.filename)
        info.header_offset, starts[place] = place, start
        end = start + info.compress_size
    infos = sorted(archive.infolist(), key=lambda info: info.header_offset)
    followers = [*(info.header_offset for info in infos[1:]), archive.start_dir]
    for info, follower in zip(infos, followers, strict=True):
        room = follower - starts[info.header_offset] - info.compress_size
        info.compress_size += max(0, room // _WRAP) * _WRAP
        if info.compress_type == zipfile.ZIP_STORED:
            info.file_size = info.compress_size
        if hasattr(info, "_end_offset"):  # newer versions of zipfile have computed it from the wrong places
            info._end_offset = follower


def _start(archive: zipfile.ZipFile, info: zipfile.ZipInfo, place: int) -> int | None:
    """Where the data of a member begin, if the member itself begins at a place; else None."""
    file = _file(archive)
    file.seek(place)
    header = file.read(_HEADER)
    if len(header) < _HEADER or not header.startswith(b"PK\3\4"):
        return None
    name, extra = struct.unpack("<2H", header[26:])
    text = file.read(name).decode("utf-8" if info.flag_bits & 0x800 else "cp437", errors="replace")
    return place + _HEADER + name + extra if text == info.orig_filename else None
