"""Uncompressed sound in chunks: WAV, RF64, W64, AIFF, CAF, and AU, which is one chunk.

libsndfile reads what is left of a file that is cut off, without a warning. So the length that the file states for its
sound is compared with the bytes that are there. Programs that write into a pipe do not know the length, and state 0 or
the largest number: then the sound extends to the end of the file.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

_SLACK = 2**16
"""Bytes by which a number that stands for an unknown length may differ from a power of two."""
_PLAIN = (1, 3, 6, 7, 0xFFFE)
"""Formats of WAV in which the number of bytes gives the number of samples."""


@dataclass(frozen=True)
class Extent:
    """How much sound a file should hold, and how much it holds.

    Attributes:
        content: the file, with lengths that are true.
        declared: bytes of sound that the file states; None where its writer did not know.
        present: bytes of sound that are there.
    """

    content: bytes
    declared: int | None
    present: int


@dataclass(frozen=True)
class _Layout:
    """How a format writes its chunks.

    Attributes:
        first: where the first chunk begins.
        name: number of bytes of a chunk's name.
        size: format of a chunk's size, in the notation of `struct`.
        align: the next chunk begins at a multiple of this number of bytes, counted from the content of a chunk.
        inclusive: whether a chunk's size includes its name and the size itself.
        sound: name of the chunk with the sound.
        preface: number of bytes in that chunk before the sound.
    """

    first: int
    name: int
    size: str
    align: int
    inclusive: bool
    sound: bytes
    preface: int

    @property
    def header(self) -> int:
        """Bytes of a chunk before its content."""
        return self.name + struct.calcsize(self.size)


_LAYOUTS = {
    b"RIFF": _Layout(12, 4, "<I", 2, False, b"data", 0),
    b"RIFX": _Layout(12, 4, ">I", 2, False, b"data", 0),
    b"RF64": _Layout(12, 4, "<I", 2, False, b"data", 0),
    b"BW64": _Layout(12, 4, "<I", 2, False, b"data", 0),
    b"FORM": _Layout(12, 4, ">I", 2, False, b"SSND", 8),
    b"riff": _Layout(40, 16, "<Q", 8, True, b"data", 0),
    b"caff": _Layout(8, 4, ">q", 1, False, b"data", 4),
}


@dataclass(frozen=True)
class _Chunk:
    """A chunk: its name, where its size is written, where its content begins, and its size."""

    name: bytes
    size_at: int
    begin: int
    size: int


def measure(content: bytes) -> Extent:
    """How much sound a file in one of these formats should hold, and how much it holds.

    Raises:
        ValueError: it has no sound, or more bytes than it states.
    """
    if content[:4] in (b".snd", b"dns."):
        return _measure_au(content)
    layout = _LAYOUTS[content[:4]]
    chunks = {}
    for chunk in _chunks(content, layout, layout.first):
        chunks.setdefault(chunk.name[:4], chunk)
        if chunk.name[:4] == layout.sound:
            break
    else:
        raise ValueError(f"it ends before its sound: it has no chunk {layout.sound.decode()!r}")
    begin, size = chunk.begin + layout.preface, chunk.size - layout.preface
    if b"ds64" in chunks and chunk.size == 2**32 - 1 and len(content) >= chunks[b"ds64"].begin + 16:
        size = struct.unpack_from("<Q", content, chunks[b"ds64"].begin + 8)[0]
    available = max(0, len(content) - begin)
    end = begin + max(0, size)
    follows = _follows(content, {end, end + -max(0, chunk.size) % layout.align}, layout)
    unknown = _stands_for_unknown(size, available) or (size <= 0 and available > 0 and follows != "chunks")
    if not unknown and size < available and follows == "something else":
        raise ValueError(
            f"it says that it holds {size} bytes of sound, and {available - size} more follow that are something else"
        )
    present = available if unknown else min(size, available)
    sound = content[begin : begin + present]
    if layout.align == 2 and layout.sound == b"data":
        content = _wav(content, layout, chunks, sound)
    elif unknown:
        true = present + layout.preface + layout.inclusive * layout.header
        content = _patched(content, chunk.size_at, layout.size, true)
    return Extent(content, None if unknown else size, present)


def stated(start: bytes, size: int) -> tuple[int, int] | None:
    """Bytes of sound that a file states, and those that are there, told from its beginning alone.

    Args:
        start: the beginning of the file.
        size: bytes of the whole file.

    Returns:
        None where the file does not say, or not at its beginning.
    """
    if start[:4] in (b".snd", b"dns.") or start[:4] not in _LAYOUTS:
        return None
    layout = _LAYOUTS[start[:4]]
    for chunk in _chunks(start, layout, layout.first):
        if chunk.name[:4] == layout.sound:
            begin, declared = chunk.begin + layout.preface, chunk.size - layout.preface
            available = max(0, size - begin)
            unknown = declared <= 0 or _stands_for_unknown(declared, available)
            return None if unknown else (declared, min(declared, available))
    return None


def _measure_au(content: bytes) -> Extent:
    order = ">" if content[:4] == b".snd" else "<"
    if len(content) < 24:
        raise ValueError("it ends within its header")
    begin, size = struct.unpack_from(f"{order}II", content, 4)
    available = max(0, len(content) - begin)
    unknown = _stands_for_unknown(size, available) or size == 0
    if not unknown and available > size + 8:
        raise ValueError(f"it says that it holds {size} bytes of sound, and {available} follow")
    present = available if unknown else min(size, available)
    return Extent(_patched(content, 8, f"{order}I", present), None if unknown else size, present)


def _chunks(content: bytes, layout: _Layout, position: int) -> Iterator[_Chunk]:
    while position + layout.header <= len(content):
        name = content[position : position + layout.name]
        size = struct.unpack_from(layout.size, content, position + layout.name)[0]
        begin = position + layout.header
        size -= layout.header * layout.inclusive
        yield _Chunk(name, position + layout.name, begin, size)
        end = begin + max(0, size)
        position = end + -max(0, size) % layout.align
        # Some programs leave out the byte that makes a chunk's length even.
        if layout.align == 2 and position > end and not _is_name(content[position : position + 4]):
            position = end if _is_name(content[end : end + 4]) else position


def _follows(content: bytes, positions: set[int], layout: _Layout) -> str:
    """What follows at one of `positions`: "chunks" up to the end of the file, "cut chunks" where the last one should be
    longer, "nothing", or "something else"."""
    for position in positions:
        found = list(_chunks(content, layout, position))
        if found and all(_is_name(chunk.name[:4]) for chunk in found):
            return "chunks" if found[-1].begin + found[-1].size <= len(content) else "cut chunks"
    for position in positions:
        rest = content[position:]
        if len(rest) < layout.header or not rest.strip(b"\0") or rest.startswith((b"ID3", b"TAG", b"APETAGEX")):
            return "nothing"
    return "something else"


def _is_name(name: bytes) -> bool:
    return len(name) == 4 and all(byte in b" _-" or chr(byte).isalnum() and byte < 128 for byte in name)


def _stands_for_unknown(size: int, available: int) -> bool:
    near = any(abs(size - 2**bits) <= _SLACK for bits in (31, 32, 63, 64)) or size < 0
    return near and not 0 <= size <= available


def _wav(content: bytes, layout: _Layout, chunks: dict[bytes, _Chunk], sound: bytes) -> bytes:
    """The same sound as a plain WAV, with lengths that are true."""
    if b"fmt " not in chunks:
        raise ValueError("it does not say how its sound is written: it has no chunk 'fmt '")
    if len(sound) >= 2**32 - _SLACK:
        return content
    order = layout.size[0]
    kinds = [b"fmt "]
    begin = chunks[b"fmt "].begin
    if struct.unpack_from(f"{order}H", content.ljust(begin + 2, b"\0"), begin)[0] not in _PLAIN and b"fact" in chunks:
        kinds.append(b"fact")
    body = b"".join(
        _chunk(name, content[chunks[name].begin : chunks[name].begin + chunks[name].size], order) for name in kinds
    )
    body += _chunk(b"data", sound, order)
    return (b"RIFX" if order == ">" else b"RIFF") + struct.pack(f"{order}I", len(body) + 4) + b"WAVE" + body


def _chunk(name: bytes, body: bytes, order: str) -> bytes:
    return name + struct.pack(f"{order}I", len(body)) + body + b"\0" * (len(body) % 2)


def _patched(content: bytes, place: int, form: str, value: int) -> bytes:
    return content[:place] + struct.pack(form, value) + content[place + struct.calcsize(form) :]
