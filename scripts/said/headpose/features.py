"""What the pose networks hear of a clip: the speech encoder's states for meaning, a mel spectrogram for rhythm."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import Wav2Vec2Model

from said.files.arrays import read_arrays, write_arrays
from said.headpose.clips import FRAME_RATE
from said.running.atomic import PathLike
from said.speech import encode, normalise
from said.waveforms import SAMPLE_RATE, fit_length

BANDS = 40
_HOP = SAMPLE_RATE // FRAME_RATE
_WINDOW = 1024
_LOWEST, _HIGHEST = 60.0, 7600.0  # Hz
_FLOOR = 1e-4


def features_of(
    waveform: NDArray[np.float32], encoder: Wav2Vec2Model, frames: int
) -> tuple[NDArray[np.float16], NDArray[np.float32]]:
    """What is heard of speech, 25 times a second; frame n is centred at (n + 1/2) / 25 seconds.

    Args:
        waveform: (T,) at 16 kHz; cut, or filled with silence, to the frames.
        encoder: the speech encoder, on any device.
        frames: N.

    Returns:
        (N, H) the encoder's states, and (N, 40) logarithms of the energy in mel bands.
    """
    fitted = fit_length(waveform, frames * _HOP)
    device = next(encoder.parameters()).device
    with torch.no_grad():
        semantic = encode(encoder, normalise(torch.from_numpy(fitted).to(device)[None]), frames)[0]
    return semantic.to(torch.float16).cpu().numpy(), log_mel(fitted)


def log_mel(waveform: NDArray) -> NDArray[np.float32]:
    """(N, 40) natural logarithms of the energy in mel bands from 60 to 7600 Hz, 25 frames a second, of (T,) at 16 kHz.

    A frame sees 64 ms through a Hann window.
    """
    frames = len(waveform) // _HOP
    padded = np.pad(np.asarray(waveform, np.float64), ((_WINDOW - _HOP) // 2, _WINDOW))
    windows = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)[: frames * _HOP : _HOP]
    power = np.abs(np.fft.rfft(windows * np.hanning(_WINDOW), axis=1)) ** 2
    return np.log(np.maximum(power @ _bands().T, _FLOOR)).astype(np.float32)


def read_features(folder: PathLike, name: str) -> tuple[NDArray[np.float16], NDArray[np.float32]]:
    """What `features_of` gave for a clip.

    Raises:
        UnreadableError: the file is damaged.
        ValueError: it holds something else.
    """
    path = Path(folder) / f"{name}.npz"
    arrays = read_arrays(path)
    if arrays.keys() != {"semantic", "mel"} or len(arrays["semantic"]) != len(arrays["mel"]):
        raise ValueError(f"{path}: holds no features of speech, or of different lengths; make it anew")
    return arrays["semantic"], arrays["mel"]


def write_features(folder: PathLike, name: str, semantic: NDArray, mel: NDArray) -> None:
    """Write what `read_features` reads."""
    write_arrays(Path(folder) / f"{name}.npz", {"semantic": semantic, "mel": mel})


def _bands() -> NDArray[np.float64]:
    """(40, 513) weights of the frequencies in each band: triangles whose corners are evenly spaced in mel."""
    lowest, highest = (2595 * np.log10(1 + hertz / 700) for hertz in (_LOWEST, _HIGHEST))
    corners = 700 * (10 ** (np.linspace(lowest, highest, BANDS + 2) / 2595) - 1)
    frequencies = np.fft.rfftfreq(_WINDOW, 1 / SAMPLE_RATE)
    left, middle, right = corners[:-2, None], corners[1:-1, None], corners[2:, None]
    rising, falling = (frequencies - left) / (middle - left), (right - frequencies) / (right - middle)
    return np.clip(np.minimum(rising, falling), 0, None)
