"""Sound files of any kind and length, decoded block by block: what there is of them, with a word on what is missing.

`said.files.sound` reads a file whole or refuses it; this reads recordings of hours in constant memory, and of one that
is cut off what is there.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

import numpy as np
import soundfile
from numpy.typing import NDArray

from said.files import chunks, mp3
from said.files.container import AudioError, ContainerSound
from said.files.sound import LARGEST, kind_of
from said.running.atomic import PathLike

_BLOCK = 2**16
"""Samples of a block, where libsndfile reads."""
_HEAD = 2**16
"""Bytes at the beginning and the end of a file that say what it is."""
_EXACT = ("chunks", "ogg")
"""Kinds that libsndfile may read; where it does not, FFmpeg does."""

Block = tuple[NDArray[np.float32], int]
"""Samples (T, channels) with 1 for full scale, and their rate in Hz, the same for all blocks of a file."""


def decode_blocks(path: PathLike, warn: Callable[[str], None]) -> Iterator[Block]:
    """Decode a sound file, whatever its suffix, block by block.

    Args:
        path: the file.
        warn: gets what is wrong with a file of which something can be read all the same: that it is cut off.

    Yields:
        blocks, none of them empty.

    Raises:
        AudioError: it is in an unknown format, or holds no sound or values that are no sound.
        OSError: it cannot be opened.
    """
    start = _head(path)
    kind = kind_of(start)
    given = 0
    blocks = _exact_blocks(path, kind, start, warn) if kind in _EXACT else None
    for samples, rate in blocks if blocks is not None else _container_blocks(path, kind, start, warn):
        if not len(samples):
            continue
        if not np.all(np.abs(samples) <= LARGEST):
            place = int(np.argmax(~(np.abs(samples) <= LARGEST).all(axis=1)))
            raise AudioError(
                f"holds a value that is no sound, {samples[place].max()}, at {(given + place) / rate:.3f} s; export it "
                "again, as 16- or 24-bit wav"
            )
        given += len(samples)
        yield samples, rate


def _head(path: PathLike) -> bytes:
    """The first bytes of a file after its ID3 tags, which may hold pictures of any size."""
    position = 0
    with open(path, "rb") as file:
        while tag := mp3.skip_id3(file.read(10)):
            position += tag
            file.seek(position)
        file.seek(position)
        return file.read(_HEAD)


def _exact_blocks(path: PathLike, kind: str, start: bytes, warn: Callable[[str], None]) -> Iterator[Block] | None:
    """The blocks as libsndfile decodes them; None where it cannot open the file."""
    try:
        file = soundfile.SoundFile(os.fspath(path))
    except soundfile.LibsndfileError:
        return None
    if file.frames == 0 and Path(path).stat().st_size > _HEAD:  # a length that its writer did not know
        file.close()
        return None
    return _read_exactly(file, path, kind, start, warn)


def _read_exactly(
    file: soundfile.SoundFile, path: PathLike, kind: str, start: bytes, warn: Callable[[str], None]
) -> Iterator[Block]:
    with file:
        given = 0
        try:
            while len(block := file.read(_BLOCK, dtype="float32", always_2d=True)):
                given += len(block)
                yield cast(NDArray[np.float32], block), file.samplerate
        except soundfile.LibsndfileError as error:
            if not given:
                raise AudioError(f"it cannot be decoded ({error}); get or export it again") from None
        found = given / file.samplerate
        if kind == "chunks":
            size = Path(path).stat().st_size
            declared, present = chunks.stated(start, size) or (0, 0)
            if present < declared and present:
                warn(_cut(found * declared / present, found))
        elif not _ogg_is_ended(path):
            warn(f"it is cut off after {found:.3f} s; what is there is used")


def _container_blocks(path: PathLike, kind: str, start: bytes, warn: Callable[[str], None]) -> Iterator[Block]:
    """The blocks as FFmpeg decodes them."""
    if kind == "chunks":
        if start[8:12] != b"WAVE":
            raise AudioError("its sound cannot be decoded; convert it to wav or flac")
        kind = "wav"
    with open(path, "rb") as file:
        sound = ContainerSound(file, kind)
        try:
            for block in sound.blocks():
                yield block, sound.rate
        except AudioError as error:
            if not sound.length:
                raise AudioError(_no_index(error, kind)) from None
            warn(f"it is cut off: {error}".partition(";")[0] + "; what is there is used")
            return
    if sound.shortfall:
        warn(_cut(*sound.shortfall))
    elif kind == "mp3" and (stated := mp3.stated(start)) and stated - sound.length / sound.rate > 0.06:
        warn(_cut(stated, sound.length / sound.rate))


def _no_index(error: AudioError, kind: str) -> str:
    """What to say of a container of which nothing can be decoded."""
    if kind == "mov" and "Invalid data" in str(error):
        return "the index at its end is missing, as where a recording was cut off; get or export it again"
    return str(error)


def _cut(declared: float, found: float) -> str:
    return f"it is cut off: {declared:.3f} s were recorded, {found:.3f} s are there; what is there is used"


def _ogg_is_ended(path: PathLike) -> bool:
    """Whether the last page of an Ogg file is marked as the last one, and whole."""
    with open(path, "rb") as file:
        file.seek(-min(_HEAD + 2**12, Path(path).stat().st_size), os.SEEK_END)
        end = file.read()
    last = end.rfind(b"OggS")
    if last < 0 or last + 27 > len(end) or not end[last + 5] & 4:
        return False
    segments = end[last + 26]
    body = last + 27 + segments
    return body + sum(end[last + 27 : body]) <= len(end)
