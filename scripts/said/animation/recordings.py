"""The sound of a user's recordings, in constant memory."""

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from said.animation.inputs import Recording
from said.corpus import FRAME_RATE
from said.files.audio import SILENCE
from said.files.blocks import decode_blocks
from said.files.container import AudioError
from said.files.sound import CANCELLED
from said.running.atomic import PathLike, atomic
from said.waveforms import SAMPLE_RATE, frame_count

SHORTEST, LONGEST = 0.1, 4 * 3600.0
"""Seconds that a recording may last."""
SOUND_RATE = 48000
"""The highest rate, in Hz, of the sound beside an animation."""


class RecordingError(ValueError):
    """A recording of which no animation can be made; the message is one line, with the file's name and the remedy."""


class Waveform:
    """Speech at 16 kHz as a file of float32 numbers, of which any part is read in turn.

    Args:
        path: the file.
        samples: how many it holds.
    """

    def __init__(self, path: PathLike, samples: int):
        self.path, self.samples = Path(path), samples

    def read(self, begin: int, end: int) -> NDArray[np.float32]:
        """(end - begin,) samples in [-1, 1]; silence beyond the end."""
        values = np.zeros(end - begin, np.float32)
        count = min(end, self.samples) - begin
        if count > 0:
            values[:count] = np.fromfile(self.path, np.float32, count, offset=4 * begin)
        return values

    def mapped(self) -> NDArray[np.float32]:
        """(samples,) all of it, which the system reads from the file where it is looked at."""
        return np.memmap(self.path, np.float32, "r", shape=(self.samples,))


@dataclass(frozen=True)
class Decoded:
    """A recording that was read to its end.

    Attributes:
        waveform: its speech at 16 kHz.
        frames: how many animation frames it has, 60 per second.
        seconds: how long it is.
        digest: sha256 of its file, hexadecimal.
        warnings: what is wrong with it; it can be used all the same.
    """

    waveform: Waveform
    frames: int
    seconds: float
    digest: str
    warnings: tuple[str, ...]


def decode(recording: Recording, speech: PathLike, sound: PathLike) -> Decoded:
    """Read a recording block by block.

    Args:
        recording: of any kind, rate and depth; channels are mixed.
        speech: where its waveform at 16 kHz is kept.
        sound: where its sound is written, as mono wav of 16 bits, at its own rate or at `SOUND_RATE`.

    Raises:
        RecordingError: it cannot be opened or decoded, is silent, too short or too long, or its channels cancel.
    """
    path, warnings = recording.path, []
    try:
        if path.is_dir():
            raise AudioError("is a folder; name the recordings in it, or the folder above")
        if not path.stat().st_size:
            raise AudioError("is empty; record or export it again")
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        with atomic(speech) as partial, atomic(sound) as wav, partial.open("wb") as raw:
            samples, count, rate = _copy(decode_blocks(path, warnings.append), raw, wav)
    except AudioError as error:
        raise RecordingError(f"{path}: {error}") from None
    except OSError as error:
        if error.filename is not None and Path(os.fsdecode(error.filename)) != path:
            raise  # the disk is full, or the folder of the results cannot be written to
        raise RecordingError(f"{path}: cannot be opened ({error.strerror}); check its permissions") from None
    frames = frame_count(count, rate)
    return Decoded(Waveform(speech, samples), frames, count / rate, digest, tuple(warnings))


def _copy(blocks: Iterator[tuple[NDArray[np.float32], int]], speech: BinaryIO, wav: Path) -> tuple[int, int, int]:
    """Write the sound of blocks at 16 kHz to `speech` and as it is to `wav`.

    Returns:
        samples at 16 kHz, samples as recorded, and the rate of those.
    """
    totals = _Totals()
    first = next(blocks, None)
    if first is None:
        raise AudioError("holds no samples; record or export it again")
    rate = first[1]
    sound_rate = min(rate, SOUND_RATE)
    to_speech = soxr.ResampleStream(rate, SAMPLE_RATE, 1, dtype="float32")
    to_sound = soxr.ResampleStream(rate, sound_rate, 1, dtype="float32")
    written = 0
    with soundfile.SoundFile(wav, "w", sound_rate, 1, "PCM_16", format="WAV") as sound:
        block: NDArray | None = first[0]
        while block is not None:
            following = next(blocks, None)
            mono = block.mean(axis=1)
            totals.add(block, mono)
            if totals.samples > LONGEST * rate:
                raise AudioError(f"is longer than {LONGEST / 3600:g} hours; cut it into parts")
            last = following is None
            written += _write(speech, mono if rate == SAMPLE_RATE else to_speech.resample_chunk(mono, last))
            kept = mono if rate == sound_rate else to_sound.resample_chunk(mono, last)
            sound.write(np.clip(kept, -1, 1))
            block = None if following is None else following[0]
    totals.require_speech(rate)
    return written, totals.samples, rate


def _write(file, values: NDArray) -> int:
    file.write(np.ascontiguousarray(values, np.float32).tobytes())
    return len(values)


class _Totals:
    """What is known of a recording when all of it was seen."""

    def __init__(self):
        self.samples, self.channels = 0, 1
        self.sum = self.mixed = self.energy = 0.0

    def add(self, block: NDArray, mono: NDArray) -> None:
        self.samples, self.channels = self.samples + len(mono), block.shape[1]
        self.sum += float(mono.sum(dtype=np.float64))
        self.mixed += float(np.square(mono, dtype=np.float64).sum())
        self.energy += float(np.square(block, dtype=np.float64).sum()) / block.shape[1]

    def require_speech(self, rate: int) -> None:
        if frame_count(self.samples, rate) < SHORTEST * FRAME_RATE:
            raise AudioError(f"lasts {self.samples / rate:.3f} s, and {SHORTEST} s are needed; record more")
        if self.channels > 1 and self.mixed < CANCELLED * self.energy:
            raise AudioError(
                f"its {self.channels} channels cancel each other, as if one of them were turned over; export one of "
                "them as a mono file"
            )
        if max(0.0, self.mixed / self.samples - (self.sum / self.samples) ** 2) < SILENCE**2:
            raise AudioError("is silent from beginning to end; choose the track or the microphone that has the speech")
