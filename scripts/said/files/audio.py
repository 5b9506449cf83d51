"""Reading mono waveforms from sound files, which `said.files.sound` decodes, and writing them as 16-bit wav."""

import os
from typing import BinaryIO

import numpy as np
import soundfile
from numpy.typing import NDArray

from said.files.sound import AudioError, decode, mix
from said.running.atomic import PathLike, atomic
from said.running.integrity import reading

SILENCE = 1e-4
"""Standard deviation, in full scale, below which a file counts as silent: -80 dB, three steps of 16-bit audio."""


def read_audio(path: PathLike) -> tuple[NDArray[np.float32], int]:
    """Mono waveform (T,) in [-1, 1] and its sample rate in Hz, from a file of the workflow.

    Raises:
        ValueError: the file has no samples.
        UnreadableError: it is cut off, in an unknown format, or holds values that are no sound.
    """
    with reading(path):
        waveform, rate = _waveform(path)
    if len(waveform) == 0:
        raise ValueError(f"{path}: holds no samples")
    return waveform, rate


def read_recording(path: PathLike) -> tuple[NDArray[np.float32], int]:
    """Mono waveform (T,) in [-1, 1] and its sample rate in Hz, from a user's own file.

    Raises:
        AudioError: it cannot be decoded, is cut off or silent, or its channels cancel each other. The message names
            the file and the remedy.
    """
    try:
        waveform, rate = _waveform(path)
        if len(waveform) == 0:
            raise AudioError("holds no samples; record or export it again")
        if waveform.std(dtype=np.float64) < SILENCE:
            raise AudioError("is silent from beginning to end; choose the track or the microphone that has the speech")
    except AudioError as error:
        raise AudioError(f"{path}: {error}") from None
    return waveform, rate


def read_samples(file: PathLike | BinaryIO) -> tuple[NDArray[np.int16], int]:
    """Mono samples (T,) as integers of 16 bits, to which other formats are converted, and their rate in Hz.

    Raises:
        AudioError: the file is cut off, in an unknown format, or its channels cancel each other. The message names the
            file if `file` is a path.
    """
    try:
        sound = decode(file)
        exact = sound.samples.dtype == np.int16
        if exact and sound.samples.shape[1] == 1:
            return sound.samples[:, 0], sound.rate
        scaled = mix(sound.samples.astype(np.float64)) * (1 if exact else 2**15)
    except AudioError as error:
        raise (AudioError(f"{file}: {error}") if isinstance(file, str | os.PathLike) else error) from None
    return np.clip(np.round(scaled), -(2**15), 2**15 - 1).astype(np.int16), sound.rate


def _waveform(path: PathLike) -> tuple[NDArray[np.float32], int]:
    sound = decode(path)
    scale = 2.0**-15 if sound.samples.dtype == np.int16 else 1.0
    return mix(sound.samples.astype(np.float32) * np.float32(scale)), sound.rate


def write_audio(path: PathLike, waveform: NDArray, rate: int) -> None:
    """Write a waveform (T,) in [-1, 1], or int16 samples as they are, as 16-bit mono wav."""
    with atomic(path) as temporary:
        soundfile.write(temporary, waveform, rate, subtype="PCM_16", format="WAV")
