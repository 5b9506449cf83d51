"""Zip archives beyond 4 GiB that lack the Zip64 records for it: what is really where, and how long.

macOS's Archive Utility writes such archives: of each place and size they have what is left of it in 32 bits.
"""

import copy
import os
import struct
import zipfile
from typing import IO

_WRAP = 2**32
"""Where sizes and places begin again at 0."""
_GROWTH = 0.99
"""What cannot be packed becomes a little larger by packing: at least this share of it is there unpacked."""
_END, _LOCATOR, _HEADER = 22, 20, 30
"""Bytes of an archive's end, of Zip64's record before it, and of what is before each member's name."""


def restore(archive: zipfile.ZipFile) -> None:
    """Set each member's place and packed size to what they are, and its unpacked size to the least that it can be.

    Nothing changes in an archive with Zip64 records, or in one that needs none.

    Raises:
        LookupError: the member of this name was not found.
    """
    if _has_zip64(archive):
        return
    if archive.start_dir > _WRAP:
        _restore_places(archive)
    for info in archive.infolist():
        while info.file_size + _WRAP // 2 < _GROWTH * info.compress_size:
            info.file_size += _WRAP


def unbounded(info: zipfile.ZipInfo, ratio: int) -> zipfile.ZipInfo:
    """A member to be read to the end of its packed data, where its size may be only what is left of it in 32 bits.

    It is held to its checksum all the same, and to `ratio` times its packed size.
    """
    more = (ratio * info.compress_size - info.file_size) // _WRAP
    if more < 1 or info.compress_type == zipfile.ZIP_STORED:
        return info
    info = copy.copy(info)
    info.file_size += more * _WRAP
    return info


def _has_zip64(archive: zipfile.ZipFile) -> bool:
    file = _opened(archive)
    place = file.seek(0, os.SEEK_END) - _END - len(archive.comment) - _LOCATOR
    return file.seek(max(0, place)) == place and file.read(4) == b"PK\6\7"


def _opened(archive: zipfile.ZipFile) -> IO[bytes]:
    if archive.fp is None:
        raise ValueError("the archive is closed")
    return archive.fp


def _restore_places(archive: zipfile.ZipFile) -> None:
    """A member is where its name is; that the search begins after the member before it makes it one look for most."""
    end, starts = 0, {}
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
        if hasattr(info, "_end_offset"):  # newer versions of zipfile have derived it from the wrong places
            info._end_offset = follower


def _start(archive: zipfile.ZipFile, info: zipfile.ZipInfo, place: int) -> int | None:
    """Where a member's data begin, if the member begins at a place."""
    file = _opened(archive)
    file.seek(place)
    header = file.read(_HEADER)
    if len(header) < _HEADER or not header.startswith(b"PK\3\4"):
        return None
    name, extra = struct.unpack("<2H", header[26:])
    text = file.read(name).decode("utf-8" if info.flag_bits & 0x800 else "cp437", errors="replace")
    return place + _HEADER + name + extra if text == info.orig_filename else None
