"""Sound files of any kind, decoded completely or refused.

libsndfile reads the formats that it reads exactly, FFmpeg, through PyAV, the others. Both read what is left of a file
that is cut off, without a warning. So the length that the file states is compared with what is there.
"""

import io
import os
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import soundfile
from numpy.typing import NDArray

from said.files import chunks, mp3, ogg
from said.files.container import AGAIN, AudioError, ContainerSound
from said.running.atomic import PathLike

FORMATS = "wav, aiff, au, caf, flac, ogg, opus, mp3, aac, m4a, mp4, mov, webm and mkv"
"""The formats that are read, for messages."""
_MAGIC = {b"OggS": "ogg", b"fLaC": "flac", b"\x1aE\xdf\xa3": "matroska", b"NIST_1A": "nistsphere"}
CANCELLED = 1e-2
"""Share of the channels' energy that must remain when they are mixed."""
LARGEST = 2.0**31
"""Full scale of 32-bit integers, which some programs write as floating point."""


@dataclass(frozen=True)
class Sound:
    """The sound of a file.

    Attributes:
        samples: (T, channels), int16 where the file holds 16-bit integers, else float32 with 1 for full scale.
        rate: samples per second.
    """

    samples: NDArray
    rate: int


def decode(file: PathLike | BinaryIO) -> Sound:
    """Decode a sound file, whatever its suffix.

    Raises:
        AudioError: it is cut off, in an unknown format, or holds no sound or values that are no sound.
    """
    content = Path(file).read_bytes() if isinstance(file, str | os.PathLike) else file.read()
    kind = kind_of(content)
    try:
        if kind == "chunks":
            sound = _decode_chunks(content)
        elif kind == "ogg":
            ogg.require_whole(content)
            sound = _decode_exactly(content) or _decode_stream(content, kind)
        elif kind == "mp3":
            _require_frames(content)
            sound = _decode_stream(content, kind)
        else:
            sound = _decode_stream(content, kind)
    except AudioError:
        raise
    except ValueError as error:
        raise AudioError(f"{error}; {AGAIN}") from None
    if sound.samples.dtype != np.int16 and not np.all(np.abs(sound.samples) <= LARGEST):
        place = int(np.argmax(~(np.abs(sound.samples) <= LARGEST).all(axis=1)))
        raise AudioError(
            f"holds a value that is no sound, {sound.samples[place].max()}, at {place / sound.rate:.3f} s; export it "
            "again"
        )
    return sound


def mix(samples: NDArray) -> NDArray[np.float32]:
    """(T,) mean of the channels of (T, channels).

    Raises:
        AudioError: the channels cancel each other.
    """
    mixed = samples.mean(axis=1)
    if samples.shape[1] > 1 and len(samples):
        energy = np.mean(np.square(samples, dtype=np.float64))
        if np.mean(np.square(mixed, dtype=np.float64)) < CANCELLED * energy:
            raise AudioError(
                f"its {samples.shape[1]} channels cancel each other, as if one of them were turned over; export one "
                "of them as a mono file"
            )
    return mixed


def _cut(expected: float, found: float) -> AudioError:
    return AudioError(f"it is cut off: {expected:.3f} s were recorded, {found:.3f} s are there; {AGAIN}")


def kind_of(content: bytes) -> str:
    """How a file is to be read, told from its beginning: "chunks", "ogg", or FFmpeg's name of its format.

    Raises:
        AudioError: it is empty, or in an unknown format.
    """
    start = content[mp3.skip_id3(content) :][:16]
    if start[:4] in (b"RIFF", b"RIFX", b"RF64", b"BW64") and start[8:12] == b"WAVE":
        return "chunks"
    if start[:4] == b"FORM" and start[8:12] in (b"AIFF", b"AIFC"):
        return "chunks"
    if start[:4] in (b".snd", b"dns.", b"caff") or start[:8] == b"riff\x2e\x91\xcf\x11":
        return "chunks"
    if start[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"):
        return "mov"
    for magic, kind in _MAGIC.items():
        if start.startswith(magic):
            return kind
    if len(start) > 1 and start[0] == 255 and start[1] & 0xE0 == 0xE0:
        return "aac" if start[1] & 0xF6 == 0xF0 else "mp3"
    if not content:
        raise AudioError("it is empty")
    raise AudioError(f"in no format that can be read here, which are {FORMATS}; convert it to wav or flac")


def _decode_chunks(content: bytes) -> Sound:
    extent = chunks.measure(content)
    sound = _decode_exactly(extent.content)
    if sound is None and content[8:12] == b"WAVE":
        sound = _decode_stream(extent.content, "wav")
    if sound is None:
        raise ValueError("its sound cannot be decoded")
    if extent.declared is not None and extent.present < extent.declared:
        found = len(sound.samples) / sound.rate
        if not extent.present:
            raise ValueError(f"it is cut off: none of its {extent.declared} bytes of sound are there")
        raise _cut(found * extent.declared / extent.present, found)
    return sound


def _decode_exactly(content: bytes) -> Sound | None:
    """The sound as libsndfile decodes it; None where it cannot."""
    try:
        with soundfile.SoundFile(io.BytesIO(content)) as file:
            kind = "int16" if file.subtype == "PCM_16" else "float32"
            frames = file.frames
            samples = file.read(dtype=kind, always_2d=True)
            rate = file.samplerate
    except soundfile.LibsndfileError:
        return None
    if len(samples) < frames:
        raise _cut(frames / rate, len(samples) / rate)
    return Sound(samples, rate)


def _require_frames(content: bytes) -> None:
    extent = mp3.measure(content)
    found = extent.present * extent.seconds
    if extent.declared is not None and extent.present + 1 < extent.declared:
        raise _cut(extent.declared * extent.seconds, found)
    if extent.broken:
        raise ValueError(f"it is cut off within a frame, after {found:.3f} s")


def _decode_stream(content: bytes, kind: str) -> Sound:
    """The first audio stream of a container, as FFmpeg decodes it, with the container's timing."""
    stream = ContainerSound(io.BytesIO(content), kind)
    blocks = list(stream.blocks())
    if stream.shortfall:
        raise _cut(*stream.shortfall)
    samples = np.concatenate(blocks) if blocks else np.zeros((0, 1), np.float32)
    if kind == "mov" and stream.declared:  # the padding of the last frame is no sound
        samples = samples[: max(1, round(stream.declared * stream.rate))]
    return Sound(np.ascontiguousarray(samples, dtype=np.float32), stream.rate)
