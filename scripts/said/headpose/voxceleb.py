"""Recordings of people with tracked head poses, as of VoxCeleb2: read, checked, and cut into clips.

A folder <speaker>/<video>/ has for each utterance <utterance>.npz, with the poses of any tracker, and beside it the
sound, as wav or m4a. The npz holds `fps` and either `pose` (N, 3), rotation vectors in radians, or `rotation`
(N, 3, 3), matrices from the head's axes to the camera's: x to the subject's left, y up, z forward.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from said.files.arrays import read_arrays
from said.files.audio import read_recording
from said.headpose.clips import FRAME_RATE, FRAMES, SAMPLE_RATE, SAMPLES, Clip
from said.headpose.rotations import relative_to_mean, resample
from said.running.atomic import PathLike
from said.running.integrity import reading_own
from said.waveforms import fit_length, prepare_waveform

_SOUNDS = (".wav", ".m4a")
_TOLERANCE = 0.5  # seconds by which poses and speech of a recording may differ in length
_RATES = (5.0, 240.0)  # frames per second that a camera may have


def find_recordings(folder: PathLike) -> list[str]:
    """Names <speaker>/<video>/<utterance> of all recordings, sorted.

    Raises:
        ValueError: there is none.
    """
    root = Path(folder)
    names = sorted(path.relative_to(root).with_suffix("").as_posix() for path in root.glob("*/*/*.npz"))
    if not names:
        raise ValueError(
            f"{folder}: holds no poses; headpose.clips.path names a folder of <speaker>/<video>/<utterance>.npz, with "
            "the sound of each beside it"
        )
    return names


def read_recording_of(folder: PathLike, name: str) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """A recording: (N, 3) rotation vectors at 25 per second, and its speech (T,) at 16 kHz.

    Raises:
        ValueError: an array is missing or has another shape; a pose is not finite, no rotation, or seems to be in
            degrees; the frame rate is missing, or does not fit the length of the speech; the sound is missing or cannot
            be decoded. The message names the file, the place in it, and the remedy.
    """
    path = Path(folder) / f"{name}.npz"
    with reading_own():
        arrays = read_arrays(path)
    poses, rate = _poses(arrays, path), _rate(arrays, path)
    sound = next((path.with_suffix(suffix) for suffix in _SOUNDS if path.with_suffix(suffix).exists()), None)
    if sound is None:
        raise ValueError(f"{path}: its speech is missing; put {path.stem}.wav or {path.stem}.m4a beside it")
    waveform = prepare_waveform(*read_recording(sound))
    seconds, spoken = len(poses) / rate, len(waveform) / SAMPLE_RATE
    if abs(seconds - spoken) > _TOLERANCE:
        raise ValueError(
            f"{path}: {len(poses)} poses at fps {rate:g} last {seconds:.2f} s, but {sound.name} {spoken:.2f} s; they "
            f"would agree at {len(poses) / spoken:.4g} per second: correct fps, or cut the one that is longer"
        )
    return resample(poses, rate, FRAME_RATE), waveform


def cut(poses: NDArray, waveform: NDArray) -> Iterator[Clip]:
    """The clips of 8 seconds of a recording, one after the other; what remains at the end is dropped."""
    for number in range(min(len(poses) // FRAMES, -(-len(waveform) // SAMPLES))):
        speech = fit_length(waveform[number * SAMPLES :], SAMPLES)
        audio = np.clip(np.round(speech * 2.0**15), -(2**15), 2**15 - 1).astype(np.int16)
        pose = relative_to_mean(np.asarray(poses[number * FRAMES : (number + 1) * FRAMES], np.float64))
        yield Clip(pose.astype(np.float32), audio)


def _poses(arrays: Mapping[str, NDArray], path: Path) -> NDArray[np.float64]:
    if ("pose" in arrays) == ("rotation" in arrays):
        raise ValueError(
            f"{path}: has {', '.join(arrays) or 'nothing'}; it needs either pose (N, 3) or rotation (N, 3, 3)"
        )
    kind = "pose" if "pose" in arrays else "rotation"
    values, shape = arrays[kind], (3,) if kind == "pose" else (3, 3)
    if values.ndim != 1 + len(shape) or values.shape[1:] != shape or values.dtype.kind not in "fiu" or not len(values):
        wanted = "(N, 3)" if kind == "pose" else "(N, 3, 3)"
        raise ValueError(f"{path}: {kind} is {values.dtype} {values.shape}; give numbers of the shape {wanted}")
    values = values.astype(np.float64)
    broken = np.flatnonzero(~np.isfinite(values).reshape(len(values), -1).all(1))
    if len(broken):
        raise ValueError(
            f"{path}: {kind} of frame {broken[0]}, counted from 0, is not finite, and {len(broken)} in all; where the "
            "tracker lost the head, fill the gap or cut the recording"
        )
    return _in_radians(values, path) if kind == "pose" else _of_matrices(values, path)


def _in_radians(poses: NDArray[np.float64], path: Path) -> NDArray[np.float64]:
    turned = np.linalg.norm(poses, axis=1)
    if turned.max() > np.pi + 1e-3:
        raise ValueError(
            f"{path}: pose of frame {turned.argmax()}, counted from 0, turns by {turned.max():.4g}, more than half a "
            "turn; these may be degrees: give rotation vectors, axis times angle in radians"
        )
    return poses


def _of_matrices(matrices: NDArray[np.float64], path: Path) -> NDArray[np.float64]:
    apart = np.abs(matrices @ matrices.transpose(0, 2, 1) - np.eye(3)).max((1, 2))
    wrong = np.flatnonzero((apart > 1e-2) | (np.linalg.det(matrices) < 0))
    if len(wrong):
        raise ValueError(
            f"{path}: rotation of frame {wrong[0]}, counted from 0, is no rotation: its rows are not perpendicular, "
            "not of length 1, or left-handed; give the matrix from the head's axes to the camera's"
        )
    return Rotation.from_matrix(matrices).as_rotvec()


def _rate(arrays: Mapping[str, NDArray], path: Path) -> float:
    if "fps" not in arrays:
        raise ValueError(f"{path}: has no fps; say how many poses there are in a second")
    rate = arrays["fps"]
    if rate.size != 1 or rate.dtype.kind not in "fiu" or not _RATES[0] <= float(rate.reshape(-1)[0]) <= _RATES[1]:
        raise ValueError(f"{path}: fps is {rate}; give one number from {_RATES[0]:g} to {_RATES[1]:g}")
    return float(rate.reshape(-1)[0])
