"""What a microphone hears, as speech that is read while it is spoken. Needs sounddevice, an optional package."""

import importlib
import threading

import numpy as np
from numpy.typing import NDArray

from said.waveforms import SAMPLE_RATE

_KEPT = 20 * SAMPLE_RATE
"""Samples that can still be read: far more than a window of the model."""
_PATIENCE = 2.0
"""Seconds for which samples are waited for."""


class Heard:
    """Speech at 16 kHz that arrives block by block, of which the last 20 seconds are kept."""

    def __init__(self):
        self.samples, self.listening = 0, False
        self._ring = np.zeros(_KEPT, np.float32)
        self._arrived = threading.Condition()

    def start(self) -> None:
        """Hear from now on; before, all is silence."""
        self.listening = True

    def hear(self, block: NDArray[np.float32]) -> None:
        """Append samples (n,), n at most 20 seconds."""
        with self._arrived:
            self._ring[np.arange(self.samples, self.samples + len(block)) % _KEPT] = block
            self.samples += len(block)
            self._arrived.notify_all()

    def read(self, begin: int, end: int) -> NDArray[np.float32]:
        """(end - begin,) samples; waits until they are there, and takes silence for what does not come."""
        with self._arrived:
            self._arrived.wait_for(lambda: self.samples >= end or not self.listening, _PATIENCE)
            places = np.arange(begin, end)
            there = (places < self.samples) & (places >= self.samples - _KEPT)
            return np.where(there, self._ring[places % _KEPT], np.float32(0))


class Microphone(Heard):
    """The system's microphone, open within a `with` block.

    Raises:
        ValueError: sounddevice is not installed, or there is no microphone; says what to do.
    """

    def __enter__(self) -> "Microphone":
        try:
            sounddevice = importlib.import_module("sounddevice")
        except (ImportError, OSError) as error:  # OSError: its library PortAudio is missing
            raise ValueError(
                f"a microphone needs the package sounddevice: pip install sounddevice; on Linux also apt install "
                f"libportaudio2 ({error})"
            ) from None
        try:
            self._stream = sounddevice.InputStream(SAMPLE_RATE, channels=1, dtype="float32", callback=self._hear)
        except sounddevice.PortAudioError as error:
            raise ValueError(f"there is no microphone that hears at {SAMPLE_RATE} Hz ({error})") from None
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()

    def start(self) -> None:
        self._stream.start()
        super().start()

    def _hear(self, block: NDArray[np.float32], *_: object) -> None:
        self.hear(block[:, 0])
