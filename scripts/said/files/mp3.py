"""MPEG audio (MP3, MP2): whether a file has all of its frames. Decoders play what is left, without a warning."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

_RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}
_LOW = (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)  # kbit/s of MPEG 2 and 2.5
_BITRATES = {
    (True, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (True, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (False, 3): _LOW,
    (False, 2): _LOW,
}


@dataclass(frozen=True)
class Extent:
    """How many frames a file should have, and how many it has.

    Attributes:
        declared: number of frames that the file states; None where it states none.
        present: number of whole frames.
        broken: whether the last frame is cut off.
        seconds: length of a frame.
    """

    declared: int | None
    present: int
    broken: bool
    seconds: float


@dataclass(frozen=True)
class _Frame:
    kind: tuple[int, int, int]  # version, layer and rate: the same in all frames
    begin: int
    length: int
    samples: int


def measure(content: bytes) -> Extent:
    """How many frames a file should have, and how many it has.

    Raises:
        ValueError: it has none.
    """
    frames = list(_frames(content))
    if not frames:
        raise ValueError("it holds no frames of MPEG audio")
    first, last = frames[0], frames[-1]
    broken = last.begin + last.length > len(content)
    declared = _declared(content[first.begin : first.begin + first.length])
    present = len(frames) - broken - (declared is not None)
    return Extent(declared, present, broken, first.samples / first.kind[2])


def stated(start: bytes) -> float | None:
    """Seconds of sound that a file states in its first frame, told from its beginning; None where it does not."""
    first = next(_frames(start), None)
    frames = first and _declared(start[first.begin : first.begin + first.length])
    return None if first is None or frames is None else frames * first.samples / first.kind[2]


def skip_id3(content: bytes) -> int:
    """Position of the first byte after a file's ID3 tags."""
    position = 0
    while content[position : position + 3] == b"ID3" and len(content) >= position + 10:
        size = 0
        for byte in content[position + 6 : position + 10]:
            size = size << 7 | byte & 127
        position += size + (20 if content[position + 5] & 16 else 10)
    return position


def _frames(content: bytes) -> Iterator[_Frame]:
    """The frames, of which the last may be cut off; bytes between frames that belong to none are skipped."""
    position, kind = skip_id3(content), None
    while position + 1 < len(content):
        frame = _parse(content, position)
        if frame is None or kind not in (None, frame.kind) or not _goes_on(content, frame):
            if content.startswith((b"TAG", b"APETAGEX", b"LYRICSBEGIN"), position):
                return
            position = content.find(b"\xff", position + 1)
            if position < 0:
                return
            continue
        kind = frame.kind
        yield frame
        position = frame.begin + frame.length


def _goes_on(content: bytes, frame: _Frame) -> bool:
    """Whether a frame is followed by another one, a tag, zeros, or the end of the file."""
    end = frame.begin + frame.length
    rest = content[end : end + 4]
    if len(rest) < 4 or not any(rest) or rest.startswith((b"TAG", b"APET", b"LYRI")):
        return True
    following = _parse(content, end)
    return following is not None and following.kind == frame.kind


def _parse(content: bytes, position: int) -> _Frame | None:
    head = content[position : position + 4].ljust(4, b"\0")
    if head[0] != 255 or head[1] & 0xE0 != 0xE0:
        return None
    version, layer, bitrate, rate = head[1] >> 3 & 3, 4 - (head[1] >> 1 & 3), head[2] >> 4, head[2] >> 2 & 3
    if version == 1 or layer not in (2, 3) or bitrate in (0, 15) or rate == 3:
        return None
    hertz = _RATES[version][rate]
    samples = 576 if layer == 3 and version != 3 else 1152
    length = samples // 8 * 1000 * _BITRATES[version == 3, layer][bitrate - 1] // hertz + (head[2] >> 1 & 1)
    return _Frame((version, layer, hertz), position, length, samples)


def _declared(frame: bytes) -> int | None:
    """Number of the file's frames that its first frame states, if it is a table of contents."""
    for name, skipped in ((b"Xing", 8), (b"Info", 8), (b"VBRI", 14)):
        place = frame.find(name, 4, 48)
        if place >= 0 and len(frame) >= place + skipped + 4:
            if name != b"VBRI" and not frame[place + 7] & 1:
                return None
            return struct.unpack_from(">I", frame, place + skipped)[0]
    return None
