"""SyncNet (Chung & Zisserman 2016): how well lips and speech match, and by how much they are out of step.

Two networks map five video frames and the 0.2 s of speech that go with them to vectors whose distance is small where
they belong together. `SyncNet()` is the published model, key by key; a narrower one on smaller pictures has the same
layers, of which only the last convolution of the lip network covers fewer pixels.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import python_speech_features
import torch
from jaxtyping import Float, Float32, Float64, Real
from torch import Tensor, nn

from said.files.models import load_model, load_published, save_model
from said.reasons import NoValueError
from said.running.atomic import PathLike
from said.running.shapes import shaped

URL = "https://www.robots.ox.ac.uk/~vgg/software/lipsync/data/syncnet_v2.model"
"""Of the published weights."""
FRAME_RATE = 25
"""Video frames per second."""
SAMPLE_RATE = 16000
"""Hz of the speech."""
WINDOW = 5
"""Video frames of a sample."""
REACH = 15
"""Largest shift, in frames, of which distances are taken."""
_STEPS = 20  # columns of speech features in a sample
_STEPS_PER_FRAME = 4
_COEFFICIENTS = 13
_FIRST = 3  # modules of the first layer: convolution, normalisation, ReLU
_FORMAT = "said-syncnet"


class SyncNet(nn.Module):
    """The lip and the speech network.

    Args:
        width: share of the published number of channels; 1 is the published model.
        size: pixels a side of the pictures; 224 is the published model's, 64 the least.
        colours: channels of the pictures: 3 (blue, green, red), as published, or 1 (grey).

    Attributes:
        origin: where the weights came from; goes with every number that they give.
    """

    def __init__(self, width: float = 1.0, size: int = 224, colours: int = 3):
        super().__init__()
        self.width, self.size, self.colours = width, size, colours
        self.origin = "random weights"
        c64, c96, c192, c256, c384, c512, c1024 = (
            max(1, round(width * channels)) for channels in (64, 96, 192, 256, 384, 512, 1024)
        )
        left = _last_kernel(size)
        self.netcnnaud = nn.Sequential(
            *_convolution(nn.Conv2d(1, c64, 3, padding=1)),
            nn.MaxPool2d(1),
            *_convolution(nn.Conv2d(c64, c192, 3, padding=1)),
            nn.MaxPool2d(3, stride=(1, 2)),
            *_convolution(nn.Conv2d(c192, c384, 3, padding=1)),
            *_convolution(nn.Conv2d(c384, c256, 3, padding=1)),
            *_convolution(nn.Conv2d(c256, c256, 3, padding=1)),
            nn.MaxPool2d(3, stride=2),
            *_convolution(nn.Conv2d(c256, c512, (5, 4))),
        )
        self.netfcaud = _projection(c512, c1024)
        self.netcnnlip = nn.Sequential(
            *_convolution(nn.Conv3d(colours, c96, (WINDOW, 7, 7), stride=(1, 2, 2))),
            nn.MaxPool3d((1, 3, 3), stride=(1, 2, 2)),
            *_convolution(nn.Conv3d(c96, c256, (1, 5, 5), stride=(1, 2, 2), padding=(0, 1, 1))),
            nn.MaxPool3d((1, 3, 3), stride=(1, 2, 2), padding=(0, 1, 1)),
            *_convolution(nn.Conv3d(c256, c256, (1, 3, 3), padding=(0, 1, 1))),
            *_convolution(nn.Conv3d(c256, c256, (1, 3, 3), padding=(0, 1, 1))),
            *_convolution(nn.Conv3d(c256, c256, (1, 3, 3), padding=(0, 1, 1))),
            nn.MaxPool3d((1, 3, 3), stride=(1, 2, 2)),
            *_convolution(nn.Conv3d(c256, c512, (1, left, left))),
        )
        self.netfclip = _projection(c512, c1024)

    @shaped
    def embed_lips(self, pictures: Float[Tensor, "B colours T size size"]) -> Float[Tensor, "B W D"]:
        """Vectors of every five consecutive frames.

        The first layer alone looks along time, so that a whole clip costs each frame once.

        Args:
            pictures: (B, colours, T, size, size) in [0, 255].

        Returns:
            (B, T - 4, 1024 width).
        """
        if pictures.shape[1] != self.colours or pictures.shape[2] < WINDOW or pictures.shape[3:] != (self.size,) * 2:
            raise ValueError(
                f"expected pictures (B, {self.colours}, at least {WINDOW}, {self.size}, {self.size}), "
                f"got {tuple(pictures.shape)}"
            )
        hidden = _through(self.netcnnlip, pictures, torch.channels_last_3d)  # (B, C, T - 4, 1, 1)
        hidden = hidden[..., 0, 0].transpose(1, 2)  # (B, T - 4, C)
        return self.netfclip(hidden.flatten(0, 1)).unflatten(0, hidden.shape[:2])

    @shaped
    def embed_speech(self, features: Float[Tensor, "B 1 13 20"]) -> Float[Tensor, "B D"]:
        """(B, 1, 13, 20) features of 0.2 s of speech -> (B, 1024 width)."""
        if features.shape[1:] != (1, _COEFFICIENTS, _STEPS):
            raise ValueError(f"expected features (B, 1, {_COEFFICIENTS}, {_STEPS}), got {tuple(features.shape)}")
        return self.netfcaud(_through(self.netcnnaud, features, torch.channels_last).flatten(1))


def _through(network: nn.Sequential, maps: Tensor, layout: torch.memory_format) -> Tensor:
    """What a network gives, all but its first layer in a layout in which it is faster.

    The first layer has too few channels to lie beside each other.
    """
    first, others = network[:_FIRST], network[_FIRST:]
    return others(first(maps).contiguous(memory_format=layout))


def _convolution(layer: nn.Conv2d | nn.Conv3d) -> Iterator[nn.Module]:
    yield layer
    yield (nn.BatchNorm3d if isinstance(layer, nn.Conv3d) else nn.BatchNorm2d)(layer.out_channels)
    yield nn.ReLU(inplace=True)


def _projection(width: int, out: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width, width), nn.BatchNorm1d(width), nn.ReLU(), nn.Linear(width, out))


def _last_kernel(size: int) -> int:
    """Pixels a side that are left of a picture of `size` before the last convolution: 6 of 224."""
    left = size
    for kernel, padding in ((7, 0), (3, 0), (5, 1), (3, 1), (3, 0)):  # of the layers with stride 2
        left = (left + 2 * padding - kernel) // 2 + 1
    if left < 1:
        raise ValueError(f"pictures of {size} pixels a side are too small for SyncNet; 64 is enough")
    return left


def load_official(path: PathLike) -> SyncNet:
    """Read the published syncnet_v2.model, in evaluation mode; pickled code in it is not run.

    Raises:
        FileNotFoundError: says where to get the file.
        ValueError: lists every missing, unexpected and misshapen key.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(
            f"{path}: the published weights of SyncNet are not here. Fetch them from {URL}, or point "
            "lipsync.published to them; lipsync.weights=trained does without"
        )
    model = SyncNet()
    # The file may be older than these counters, which nothing here reads.
    counters = {name: value for name, value in model.state_dict().items() if name.endswith("num_batches_tracked")}
    model = load_published(path, lambda _: model, counters)
    model.origin = f"published, sha256 {hashlib.sha256(Path(path).read_bytes()).hexdigest()}"
    return model


def save(path: PathLike, model: SyncNet) -> None:
    """The weights as safetensors, with the model's shape and where they came from."""
    shape = {"width": model.width, "size": model.size, "colours": model.colours}
    save_model(path, model, _FORMAT, {"origin": model.origin, "shape": shape})


def load(path: PathLike) -> SyncNet:
    """Read what `save` wrote, in evaluation mode.

    Raises:
        ValueError: the file is no such model.
    """

    def build(facts: dict) -> SyncNet:
        model = SyncNet(**facts["shape"])
        model.origin = facts["origin"]
        return model

    return load_model(path, _FORMAT, "a SyncNet", build)


@shaped
def speech_features(waveform: Real[np.ndarray, " T"]) -> Float32[np.ndarray, "13 M"]:
    """MFCCs of speech, one column every 10 ms: log energy and coefficients 1 to 12 of 26 mel filters.

    Args:
        waveform: (T,) in [-1, 1] at 16 kHz.

    Returns:
        (13, M), computed at the amplitudes of 16-bit audio, as the published model had them.
    """
    amplitudes = np.asarray(waveform, dtype=np.float64) * 32767
    return python_speech_features.mfcc(amplitudes, SAMPLE_RATE).T.astype(np.float32)


@shaped
def speech_windows(waveform: Real[np.ndarray, " T"], frames: int) -> Float32[np.ndarray, "W 1 13 20"]:
    """The features of speech, 20 columns for each window of five video frames.

    Args:
        waveform: (T,) in [-1, 1] at 16 kHz.
        frames: of the video.

    Returns:
        (W, 1, 13, 20). W = min(frames, T // 640) - 5: as published, the last five frames begin no window.

    Raises:
        NoValueError: less than six frames of video or speech.
    """
    common = min(frames, len(waveform) * FRAME_RATE // SAMPLE_RATE)
    if common <= WINDOW:
        raise NoValueError(f"{common} video frames with speech; SyncNet needs at least {WINDOW + 1}")
    windows = np.lib.stride_tricks.sliding_window_view(speech_features(waveform), _STEPS, axis=1)  # (13, M - 19, 20)
    return np.ascontiguousarray(windows[:, ::_STEPS_PER_FRAME].swapaxes(0, 1)[: common - WINDOW, None])


@shaped
def shift_distances(
    lips: Real[np.ndarray, "W D"], speech: Real[np.ndarray, "W D"], reach: int = REACH
) -> Float64[np.ndarray, " shifts"]:
    """Mean distance over a clip between lips and speech, for every shift between them.

    Args:
        lips, speech: (W, D) vectors of the same windows.
        reach: largest shift, in frames.

    Returns:
        (2 reach + 1,): entry j pairs window i of the lips with window i + j - reach of the speech; windows beyond
        the clip's ends are zero vectors.
    """
    lips, speech = np.asarray(lips, dtype=np.float64), np.asarray(speech, dtype=np.float64)
    if lips.shape != speech.shape or lips.ndim != 2 or not len(lips):
        raise ValueError(f"lips {lips.shape} and speech {speech.shape} must be vectors (W, D) of the same windows")
    padded = np.pad(speech, ((reach, reach), (0, 0)))
    shifts = range(2 * reach + 1)
    return np.array([np.linalg.norm(lips - padded[j : j + len(lips)], axis=1).mean() for j in shifts])


@shaped
def offset_and_confidence(distances: Real[np.ndarray, " shifts"]) -> tuple[int, float]:
    """AV offset and confidence from the distances of every shift (2 reach + 1,).

    Returns:
        frames by which the speech is ahead of the lips, as published: reach - argmin; and median - minimum.
    """
    reach = len(distances) // 2
    return reach - int(np.argmin(distances)), float(np.median(distances) - np.min(distances))
