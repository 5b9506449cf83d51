"""What the pose networks hear of a clip: the speech encoder's states for meaning, a mel spectrogram for rhythm."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter1d

from said.files.arrays import read_arrays, write_arrays
from said.headpose.clips import FRAME_RATE
from said.running.atomic import PathLike
from said.waveforms import SAMPLE_RATE, fit_length

if TYPE_CHECKING:
    from transformers import Wav2Vec2Model

SemanticInput = Literal["speech", "levelled"]
"""What the speech encoder is given: the speech as it is, or levelled, so that how loud a word is said is not in it."""
BANDS = 40
_HOP = SAMPLE_RATE // FRAME_RATE
_WINDOW = 1024
_LOWEST, _HIGHEST = 60.0, 7600.0  # Hz
_FLOOR = 1e-4
_LEVELLED_OVER = 1600  # samples, of each of three running means: a standard deviation of 50 ms
_QUIET = 1e-3  # of the greatest power: what is more than 30 dB below it stays quiet


def features_of(
    waveform: NDArray[np.float32], encoder: "Wav2Vec2Model", frames: int, given: SemanticInput = "speech"
) -> tuple[NDArray[np.float16], NDArray[np.float32]]:
    """(N, H) the states that `states_of` gives, and the (N, 40) `log_mel` of the speech as it is."""
    return states_of(waveform, encoder, frames, given), log_mel(fit_length(waveform, frames * _HOP))


def states_of(
    waveform: NDArray[np.float32], encoder: "Wav2Vec2Model", frames: int, given: SemanticInput = "speech"
) -> NDArray[np.float16]:
    """(N, H) states of the speech encoder, 25 a second; frame n is centred at (n + 1/2) / 25 seconds.

    Args:
        waveform: (T,) at 16 kHz; cut, or filled with silence, to the frames.
        encoder: on any device.
        frames: N.
        given: to the encoder.
    """
    from said.speech import encode, normalise  # seconds, for those who only read features

    fitted = fit_length(waveform, frames * _HOP)
    device = next(encoder.parameters()).device
    heard = level(fitted) if given == "levelled" else fitted
    with torch.no_grad():
        semantic = encode(encoder, normalise(torch.from_numpy(heard).to(device)[None]), frames)[0]
    return semantic.to(torch.float16).cpu().numpy()


def level(waveform: NDArray) -> NDArray[np.float32]:
    """Speech (T,) at 16 kHz divided by its own running loudness: what is said stays, how loud each word was is gone."""
    signal = np.asarray(waveform, np.float64)
    power = np.square(signal)
    for _ in range(3):
        power = uniform_filter1d(power, _LEVELLED_OVER, mode="constant")
    return (signal / np.sqrt(power + _QUIET * power.max(initial=0.0) + 1e-12)).astype(np.float32)


def log_mel(waveform: NDArray) -> NDArray[np.float32]:
    """(N, 40) natural logarithms of the energy in mel bands from 60 to 7600 Hz, 25 frames a second, of (T,) at 16 kHz.

    A frame sees 64 ms through a Hann window.
    """
    frames = len(waveform) // _HOP
    padded = np.pad(np.asarray(waveform, np.float64), ((_WINDOW - _HOP) // 2, _WINDOW))
    windows = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)[: frames * _HOP : _HOP]
    power = np.abs(np.fft.rfft(windows * np.hanning(_WINDOW), axis=1)) ** 2
    return np.log(np.maximum(power @ _bands().T, _FLOOR)).astype(np.float32)


def read_features(
    folder: PathLike, name: str, given: SemanticInput = "speech"
) -> tuple[NDArray[np.float16], NDArray[np.float32]]:
    """What `features_of` gave for a clip.

    Raises:
        UnreadableError: the file is damaged.
        ValueError: it holds something else, or nothing of what is `given` to the encoder.
    """
    path = Path(folder) / f"{name}.npz"
    arrays = read_arrays(path)
    if not {given, "mel"} <= arrays.keys() <= {*get_args(SemanticInput), "mel"}:
        raise ValueError(f"{path}: lacks the features of speech as it is given ({given}); make it anew")
    if len(arrays[given]) != len(arrays["mel"]):
        raise ValueError(f"{path}: holds features of different lengths; make it anew")
    return arrays[given], arrays["mel"]


def write_features(folder: PathLike, name: str, semantic: Mapping[SemanticInput, NDArray], mel: NDArray) -> None:
    """Write what `read_features` reads; `semantic` by what the encoder was given."""
    write_arrays(Path(folder) / f"{name}.npz", {**semantic, "mel": mel})


def _bands() -> NDArray[np.float64]:
    """(40, 513) weights of the frequencies in each band: triangles whose corners are evenly spaced in mel."""
    lowest, highest = (2595 * np.log10(1 + hertz / 700) for hertz in (_LOWEST, _HIGHEST))
    corners = 700 * (10 ** (np.linspace(lowest, highest, BANDS + 2) / 2595) - 1)
    frequencies = np.fft.rfftfreq(_WINDOW, 1 / SAMPLE_RATE)
    left, middle, right = corners[:-2, None], corners[1:-1, None], corners[2:, None]
    rising, falling = (frequencies - left) / (middle - left), (right - frequencies) / (right - middle)
    return np.clip(np.minimum(rising, falling), 0, None)
