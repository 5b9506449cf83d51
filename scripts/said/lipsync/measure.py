"""AV offset and confidence of animations (Section 10): a film of the face, and SyncNet's view of it."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Float32, Real
from numpy.typing import NDArray

from said.files.fingerprint import digest
from said.files.finished import Finished
from said.intervals import jackknife_interval
from said.lipsync import syncnet
from said.lipsync.film import Camera, at_video_rate, camera_for
from said.lipsync.syncnet import SyncNet
from said.reasons import NoValueError
from said.rig import Rig
from said.running.console import progress
from said.running.shapes import shaped
from said.waveforms import prepare_waveform

_SEEN = ("template", "blendshapes", "faces", "landmarks")
"""What a film shows of a rig."""


@torch.no_grad()
@shaped
def embed_speech(
    model: SyncNet, waveform: Real[np.ndarray, " T"], sample_rate: float, frames: int
) -> Float32[np.ndarray, "W D"]:
    """(W, D) vectors of the speech (T,) in [-1, 1] that goes with `frames` pictures."""
    windows = torch.from_numpy(syncnet.speech_windows(prepare_waveform(waveform, sample_rate), frames))
    return model.embed_speech(windows.to(_device(model))).cpu().numpy()


@torch.no_grad()
@shaped
def embed_lips(
    model: SyncNet, pictures: Real[np.ndarray, "T H W colours"], batch: int = 64
) -> Float32[np.ndarray, "windows D"]:
    """(T - 4, D) vectors of every five of (T, H, W, colours) pictures, `batch` windows at a time."""
    film = torch.from_numpy(np.ascontiguousarray(np.moveaxis(pictures, 3, 0)))  # (colours, T, H, W)
    last = film.shape[1] - syncnet.WINDOW + 1
    pieces = [film[None, :, first : first + batch + syncnet.WINDOW - 1] for first in range(0, last, batch)]
    return torch.cat([model.embed_lips(piece.to(_device(model)).float())[0] for piece in pieces]).cpu().numpy()


@shaped
def synchrony(lips: Real[np.ndarray, "W1 D"], speech: Real[np.ndarray, "W2 D"]) -> tuple[int, float]:
    """AV offset in frames and confidence of a clip's vectors (W, D); of the longer, only the first windows count."""
    common = min(len(lips), len(speech))
    return syncnet.offset_and_confidence(syncnet.shift_distances(lips[:common], speech[:common]))


def measure_clips(
    model: SyncNet,
    rigs: Mapping[str, Rig],
    generated: Mapping[str, NDArray],
    speech: Mapping[str, tuple[NDArray, int]],
    samples: int | None = None,
    *,
    finished: Finished | None = None,
) -> dict:
    """AV offset and confidence of a method's clips (Section 10).

    Args:
        model: in evaluation mode.
        rigs: of each speaker, with landmarks.
        generated: "<speaker>/<sentence>" -> (S, N, 32) coefficients of S samples.
        speech: the same names -> waveform (T,) and its rate in Hz.
        samples: how many of each clip's samples are rendered, the first ones; None: all.
        finished: keeps measured clips until the job is done, so that it resumes after an interruption.

    Returns:
        weights: where the model's came from; clips: by name, the offsets and confidences of each clip's samples;
        left_out: by name, why a clip has none.
    """
    cameras = {speaker: camera_for(model, rig) for speaker, rig in rigs.items()}
    finished = finished or Finished(None, None)
    given = {name: (generated[name][:samples], *speech[name]) for name in sorted(generated)}
    keys = {name: _key(name, *clip) for name, clip in given.items()}
    done = {name: kept for name, key in keys.items() if (kept := finished.read(key)) is not None}
    if done:
        print(f"{len(done)} of {len(given)} clips were finished before the interruption")
    clips, left_out = {}, {}
    for name in progress(given, "clips"):
        if name not in done:
            try:
                done[name] = _measure_clip(model, cameras[name.split("/")[0]], *given[name])
            except NoValueError as error:
                left_out[name] = str(error)
                continue
            finished.write(keys[name], done[name])
        offsets, confidences = done[name].T
        clips[name] = {"offsets": offsets.astype(int).tolist(), "confidences": confidences.tolist()}
    return {"weights": model.origin, "clips": clips, "left_out": left_out}


def part_of(names: Iterable[str], part: int, parts: int) -> list[str]:
    """The clips of one of several jobs that share a method's: every `parts`-th, so that all have as much to do."""
    return sorted(names)[part::parts]


def summarise(measured: Sequence[Mapping]) -> dict:
    """AV offset and confidence of a method, from what `measure_clips` gave for its clips, in one or several parts.

    Returns:
        av_offset, av_confidence: means over clips of their samples' means, or None where no clip could be measured;
        av_offset_interval, av_confidence_interval: 95 % intervals over clips, or None; weights: where the
        model's came from; clips: the offsets and confidences of each clip's samples; notes: under av, how many clips
        are left out, and the reason for the first of them.

    Raises:
        ValueError: the parts were measured with different weights.
    """
    if len(origins := {part["weights"] for part in measured}) > 1:
        raise ValueError(f"parts were measured with different weights: {', '.join(sorted(origins))}")
    clips = {name: clip for part in measured for name, clip in part["clips"].items()}
    clips = {name: clips[name] for name in sorted(clips)}
    left_out = sorted(item for part in measured for item in part["left_out"].items())
    offsets, confidences = ([np.mean(clip[key]) for clip in clips.values()] for key in ("offsets", "confidences"))
    first = ": ".join(left_out[0]) if left_out else ""
    notes = {"av": f"no value for {len(left_out)} of {len(clips) + len(left_out)} clips; {first}"} if left_out else {}
    return {
        "av_offset": float(np.mean(offsets)) if clips else None,
        "av_confidence": float(np.mean(confidences)) if clips else None,
        "av_offset_interval": jackknife_interval(np.mean, offsets),
        "av_confidence_interval": jackknife_interval(np.mean, confidences, lowest=0),
        "weights": measured[0]["weights"],
        "clips": clips,
        "notes": notes,
    }


def identity(model: SyncNet, rigs: Mapping[str, Rig]) -> dict:
    """Everything that decides a clip's numbers, besides its samples and its speech."""
    return {
        "weights": digest(model.state_dict()),
        "size": model.size,
        "rigs": {speaker: digest({part: getattr(rig, part) for part in _SEEN}) for speaker, rig in rigs.items()},
    }


def _key(name: str, samples: NDArray, waveform: NDArray, rate: float) -> str:
    return f"{name}-{digest({'samples': samples, 'waveform': waveform, 'rate': np.array(rate)})}"


def _measure_clip(
    model: SyncNet, camera: Camera, samples: NDArray, waveform: NDArray, rate: float
) -> NDArray[np.float64]:
    """Offset and confidence (S, 2) of the samples (S, N, 32) of one clip.

    Raises:
        NoValueError: samples are not finite, or they or the speech are too short.
    """
    if not np.isfinite(samples).all():
        raise NoValueError("samples hold values that are not finite")
    films = [at_video_rate(sample) for sample in samples]
    voice = embed_speech(model, waveform, rate, len(films[0]))
    return np.array([synchrony(embed_lips(model, camera.film(film)), voice) for film in films])


def _device(model: SyncNet) -> torch.device:
    return next(model.parameters()).device
