"""Sound files: mono waveforms in, 16-bit wav out."""

from typing import BinaryIO

import numpy as np
import soundfile
from numpy.typing import NDArray

from said.running.atomic import PathLike, atomic
from said.running.integrity import reading, require_whole_wav


class AudioError(ValueError):
    """A sound file cannot be read."""


def read_audio(path: PathLike) -> tuple[NDArray[np.float32], int]:
    """Mono waveform (T,) in [-1, 1] and its sample rate in Hz.

    Raises:
        ValueError: the file is empty.
        DamagedError: it is shorter than it says, or in no known format.
    """
    with reading(path):
        require_whole_wav(path)
        waveform, rate = soundfile.read(path, dtype="float32", always_2d=True)
    if len(waveform) == 0:
        raise ValueError(f"{path}: holds no samples")
    return waveform.mean(axis=1), rate


def read_samples(file: PathLike | BinaryIO) -> tuple[NDArray[np.int16], int]:
    """Mono samples (T,) as 16-bit files hold them, and their rate in Hz. Other formats are converted.

    Raises:
        AudioError: the file is damaged or in no known format.
    """
    try:
        with soundfile.SoundFile(file) as sound:
            exact = sound.subtype == "PCM_16"
            samples = sound.read(dtype="int16" if exact else "float32", always_2d=True)
            rate = sound.samplerate
    except soundfile.LibsndfileError as error:
        raise AudioError(error.error_string) from None
    if exact and samples.shape[1] == 1:
        return samples[:, 0], rate
    scaled = samples.astype(np.float64).mean(axis=1) * (1 if exact else 2**15)
    return np.clip(np.round(scaled), -(2**15), 2**15 - 1).astype(np.int16), rate


def write_audio(path: PathLike, waveform: NDArray, rate: int) -> None:
    """Waveform (T,) in [-1, 1], or int16 samples, which stay as they are, as 16-bit mono wav."""
    with atomic(path) as temporary:
        soundfile.write(temporary, waveform, rate, subtype="PCM_16", format="WAV")
