"""AV offset and confidence of animations: a frontal film of the mouth or the face, and SyncNet's view of it.

The camera does not search for faces: the picture is cut from the projected mesh, whose landmarks are known.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from said import syncnet
from said.checkpoint import digest
from said.console import progress
from said.corpus import FRAME_RATE, Topology
from said.finished import Finished
from said.intervals import jackknife_interval
from said.io import PathLike, read_arrays
from said.render import Framing, Renderer, triangles_in_view
from said.speech import prepare_waveform
from said.syncnet import SyncNet

_CHIN, _BROWS, _JAW, _LIPS, _MOUTH_CORNERS = 8, slice(17, 27), slice(0, 17), slice(48, 68), (48, 54)


@dataclass(frozen=True)
class Face:
    """A speaker's face and how it moves.

    Attributes:
        template: (V, 3) metres, x to the subject's left, y up, z forward.
        blendshapes: (32, V, 3), absolute.
        faces: (F, 3) vertex indices.
        landmarks: (68,) vertex indices.
    """

    template: NDArray
    blendshapes: NDArray
    faces: NDArray
    landmarks: NDArray


def read_faces(blendshapes: Iterable[PathLike], topology: Topology) -> dict[str, Face]:
    """Speakers' faces from the files of their blendshapes, by name.

    Raises:
        ValueError: a mesh that blendshapes are of lacks a landmark.
    """
    return {Path(path).stem: _read_face(path, topology) for path in blendshapes}


def _read_face(blendshapes: PathLike, topology: Topology) -> Face:
    arrays = read_arrays(blendshapes)
    place = {int(vertex): index for index, vertex in enumerate(arrays["vertices"])}
    missing = [number for number, vertex in enumerate(topology.landmarks) if int(vertex) not in place]
    if missing:
        raise ValueError(f"{blendshapes}: the mesh lacks the vertices of the landmarks {missing}")
    landmarks = np.array([place[int(vertex)] for vertex in topology.landmarks])
    return Face(arrays["template"], arrays["blendshapes"], arrays["faces"], landmarks)


def mouth_in_view(face: Face) -> Framing:
    """The lower face: a square of 1.8 widths of the mouth at rest, its centre a quarter width below the lips'."""
    points = face.template[face.landmarks]
    width = np.linalg.norm(np.subtract(*points[list(_MOUTH_CORNERS)]))
    x, y, z = points[_LIPS].mean(0)
    return Framing((float(x), float(y - 0.25 * width), float(z)), float(0.9 * width))


def face_in_view(face: Face) -> Framing:
    """The published crop: a detector's box from hairline to chin, widened by 0.40 as SyncNet's pipeline does.

    The hairline lies half the distance from chin to brows above the brows (the canon of equal thirds). Half the box's
    longer side is s; the picture spans 1.4 s to either side, s above and 1.8 s below the box's centre.
    """
    points = face.template[face.landmarks]
    chin, brows = points[_CHIN, 1], points[_BROWS, 1].mean()
    top = brows + 0.5 * (brows - chin)
    s = max(top - chin, np.ptp(points[_JAW, 0])) / 2
    x, y, z = points[_JAW, 0].mean(), (top + chin) / 2 - 0.4 * s, points[:, 2].mean()
    return Framing((float(x), float(y), float(z)), float(1.4 * s))


def at_video_rate(coefficients: NDArray, speed: float = 1.0) -> NDArray[np.float64]:
    """Coefficients (N, 32) at 60 frames per second, linearly interpolated to SyncNet's 25.

    Args:
        speed: the animation plays that much faster.
    """
    coefficients = np.asarray(coefficients, dtype=np.float64)
    step = speed * FRAME_RATE / syncnet.FRAME_RATE
    position = np.minimum(np.arange(int(len(coefficients) / step + 1e-9)) * step, len(coefficients) - 1)
    before = np.minimum(position.astype(int), max(0, len(coefficients) - 2))
    share = (position - before)[:, None]
    return (1 - share) * coefficients[before] + share * coefficients[np.minimum(before + 1, len(coefficients) - 1)]


class Camera:
    """Films one face from the front, in even grey clay or in colour.

    Args:
        face: who.
        framing: what is in view, at rest and in motion.
        size: pixels a side.
        colours: channels of the pictures: 1, grey, or 3, blue, green and red.
    """

    def __init__(self, face: Face, framing: Framing, size: int, colours: int):
        faces = face.faces[triangles_in_view(face.template, face.faces, framing)]
        used = np.unique(faces)
        self.template = face.template[used]
        self.offsets = (face.blendshapes[:, used] - self.template).reshape(len(face.blendshapes), -1)
        self.renderer = Renderer(np.searchsorted(used, faces), size, framing)
        self.colours = colours

    def film(self, coefficients: NDArray) -> NDArray[np.uint8]:
        """(T, 32) coefficients -> (T, size, size, colours) pictures."""
        meshes = (coefficients @ self.offsets).reshape(len(coefficients), -1, 3) + self.template
        return np.stack([self.renderer(mesh)[..., ::-1][..., : self.colours] for mesh in meshes])


def camera_for(model: SyncNet, face: Face, margin: float = 1.0) -> Camera:
    """The camera that gives a model the pictures it knows: grey mouths, or faces in colour for the published one."""
    framing = face_in_view(face) if model.colours == 3 else mouth_in_view(face)
    framing = Framing(framing.centre, framing.half_height * margin)
    return Camera(face, framing, round(model.size * margin), model.colours)


@torch.no_grad()
def embed_speech(model: SyncNet, waveform: NDArray, sample_rate: float, frames: int) -> NDArray[np.float32]:
    """(W, D) vectors of the speech (T,) in [-1, 1] that goes with `frames` pictures."""
    windows = torch.from_numpy(syncnet.speech_windows(prepare_waveform(waveform, sample_rate), frames))
    return model.embed_speech(windows.to(_device(model))).cpu().numpy()


@torch.no_grad()
def embed_lips(model: SyncNet, pictures: NDArray, batch: int = 64) -> NDArray[np.float32]:
    """(T - 4, D) vectors of every five of (T, H, W, colours) pictures, `batch` windows at a time."""
    film = torch.from_numpy(np.ascontiguousarray(np.moveaxis(pictures, 3, 0)))  # (colours, T, H, W)
    last = film.shape[1] - syncnet.WINDOW + 1
    pieces = [film[None, :, first : first + batch + syncnet.WINDOW - 1] for first in range(0, last, batch)]
    return torch.cat([model.embed_lips(piece.to(_device(model)).float())[0] for piece in pieces]).cpu().numpy()


def synchrony(lips: NDArray, speech: NDArray) -> tuple[int, float]:
    """AV offset in frames and confidence of a clip's vectors (W, D); where one has more windows, its first count."""
    common = min(len(lips), len(speech))
    return syncnet.offset_and_confidence(syncnet.shift_distances(lips[:common], speech[:common]))


def measure_method(
    model: SyncNet,
    faces: Mapping[str, Face],
    generated: Mapping[str, NDArray],
    speech: Mapping[str, tuple[NDArray, int]],
    samples: int | None = None,
    *,
    finished: Finished | None = None,
) -> dict:
    """AV offset and confidence of a method (Section 10).

    Args:
        model: in evaluation mode.
        faces: of each speaker.
        generated: "<speaker>/<sentence>" -> (S, N, 32) coefficients of S samples.
        speech: the same names -> waveform (T,) and its rate in Hz.
        samples: of each clip that are rendered, the first ones; None: all.
        finished: where clips are kept until the job is done, and found again after an interruption.

    Returns:
        av_offset, av_confidence: means over clips of their samples' means, or None where no clip could be measured;
        av_offset_interval, av_confidence_interval: 95 % intervals over clips, or None; weights: where the
        model's came from; clips: the offsets and confidences of each clip's samples; notes: under av, how many clips
        are left out and why the first of them is.
    """
    cameras = {speaker: camera_for(model, face) for speaker, face in faces.items()}
    finished = finished or Finished(None, None)
    given = {name: (generated[name][:samples], *speech[name]) for name in sorted(generated)}
    keys = {name: _key(name, *clip) for name, clip in given.items()}
    done = {name: kept for name, key in keys.items() if (kept := finished.read(key)) is not None}
    if done:
        print(f"{len(done)} of {len(given)} clips were finished before the interruption")
    clips, left_out = {}, []
    for name in progress(given, "clips"):
        if name not in done:
            try:
                done[name] = _measure_clip(model, cameras[name.split("/")[0]], *given[name])
            except ValueError as error:
                left_out.append(f"{name}: {error}")
                continue
            finished.write(keys[name], done[name])
        offsets, confidences = done[name].T
        clips[name] = {"offsets": offsets.astype(int).tolist(), "confidences": confidences.tolist()}
    offsets, confidences = ([np.mean(clip[key]) for clip in clips.values()] for key in ("offsets", "confidences"))
    notes = {"av": f"no value for {len(left_out)} of {len(generated)} clips; {left_out[0]}"} if left_out else {}
    return {
        "av_offset": float(np.mean(offsets)) if clips else None,
        "av_confidence": float(np.mean(confidences)) if clips else None,
        "av_offset_interval": jackknife_interval(np.mean, offsets) if clips else None,
        "av_confidence_interval": jackknife_interval(np.mean, confidences) if clips else None,
        "weights": model.origin,
        "clips": clips,
        "notes": notes,
    }


def identity(model: SyncNet, faces: Mapping[str, Face]) -> dict:
    """What the numbers of a clip follow from, besides its samples and its speech."""
    return {
        "weights": digest(model.state_dict()),
        "size": model.size,
        "faces": {speaker: digest(vars(face)) for speaker, face in faces.items()},
    }


def _key(name: str, samples: NDArray, waveform: NDArray, rate: float) -> str:
    return f"{name}-{digest({'samples': samples, 'waveform': waveform, 'rate': np.array(rate)})}"


def _measure_clip(
    model: SyncNet, camera: Camera, samples: NDArray, waveform: NDArray, rate: float
) -> NDArray[np.float64]:
    """Offset and confidence (S, 2) of the samples (S, N, 32) of one clip.

    Raises:
        ValueError: samples are not finite, or they or the speech are too short.
    """
    if not np.isfinite(samples).all():
        raise ValueError("samples hold values that are not finite")
    films = [at_video_rate(sample) for sample in samples]
    voice = embed_speech(model, waveform, rate, len(films[0]))
    return np.array([synchrony(embed_lips(model, camera.film(film)), voice) for film in films])


def _device(model: SyncNet) -> torch.device:
    return next(model.parameters()).device
