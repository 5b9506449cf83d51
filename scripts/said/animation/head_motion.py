"""The head that moves while the face speaks: poses by the second system (`said.headpose`), for all that shows them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from said.animation.faces import Face, speaking
from said.animation.inputs import HeadFiles
from said.corpus import FRAME_RATE
from said.files.gltf_document import Document
from said.files.gltf_scene import read_scene
from said.files.gltf_turns import animate_head
from said.meshes import fit_similarity
from said.running.console import nearest
from said.running.shapes import shaped

if TYPE_CHECKING:
    from transformers import Wav2Vec2Model

    from said.headpose.sampling import PoseModels

ANGLES = ("headPitch", "headYaw", "headRoll")
"""Columns of head.csv, in radians."""
_ABOVE, _BEHIND = 0.27, 0.78  # of the pivot, from the middle of the mouth, in widths of what moves of a face


@dataclass(frozen=True)
class HeadMotion:
    """What moves the head.

    Attributes:
        models: of poses.
        encoder: the speech encoder that they were trained with.
        style: number of one of their training speakers; None: the mean of all.
        name: for the reports.
    """

    models: "PoseModels"
    encoder: "Wav2Vec2Model"
    style: int | None = None
    name: str = ""

    def poses(self, waveform: NDArray[np.float32], frames: int, seed: int) -> NDArray[np.float64]:
        """(N, 3) rotation vectors in radians at 60 frames per second, from where the head rests, of (T,) at 16 kHz."""
        from said.headpose.clips import FRAME_RATE as POSE_RATE
        from said.headpose.rotations import resample
        from said.headpose.sampling import poses_of

        made = poses_of(waveform, self.style, seed, models=self.models, encoder=self.encoder)
        return resample(made[0].astype(np.float64), POSE_RATE, FRAME_RATE, frames)


def load_head_motion(files: HeadFiles, device: str = "cpu", style: str | None = None) -> HeadMotion:
    """The models that move the head.

    Args:
        style: name of one of the speakers that they were trained on; None: the mean of all.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: one is something else, they do not belong together, or there is no such speaker.
    """
    from said import model
    from said.headpose.sampling import PoseModels
    from said.speech import load_encoder

    for path in files.all:
        if not path.exists():
            raise FileNotFoundError(f"{path}: is not there; `snakemake -c2 headpose` makes what moves heads")
    models, speakers = PoseModels.load(files.vq, files.generator, device)
    if style is not None and style not in speakers:
        raise ValueError(f"head style: {style!r} is none of {', '.join(speakers)}{nearest(style, speakers)}")
    encoder = load_encoder(files.encoder) if files.encoder.is_dir() else model.load(files.encoder).audio_encoder
    if encoder is None or encoder.config.hidden_size != models.generator.config.hearing:
        raise ValueError(f"{files.encoder}: is not the speech encoder that {files.generator} was trained with")
    encoder.to(device)  # pyright: ignore[reportArgumentType]  # transformers wraps this method
    return HeadMotion(models, encoder, None if style is None else speakers.index(style), files.name)


@shaped
def euler(rotations: Float[np.ndarray, "N 3"]) -> Float[np.ndarray, "N 3"]:
    """Pitch, yaw and roll in radians, as head.csv, Live Link Face and most rigs have them, of rotation vectors.

    Positive are pitch downwards, yaw to the subject's left, and roll towards the left shoulder. The head turns by its
    yaw, then, about its own axes, by its pitch and its roll.
    """
    from said.headpose.rotations import angles

    return np.radians(angles(rotations) * np.array([1, 1, -1]))


def quaternions(head: NDArray[np.floating]) -> NDArray[np.float64]:
    """(N, 4) x, y, z, w of pitch, yaw and roll (N, 3) in radians: the inverse of `euler`."""
    pitch, yaw, roll = np.asarray(head, np.float64).T
    return Rotation.from_euler("YXZ", np.stack([yaw, pitch, -roll], axis=1)).as_quat()


def pivot(face: Face) -> NDArray[np.float64]:
    """(3,) metres, about where a face without a skeleton turns: the joint of skull and neck.

    It is found from what moves when the face speaks, since a user's face has no landmarks: from the middle of the mouth
    up and back, by shares of the moving part's width that fit the package's own face.
    """
    moves = np.linalg.norm(face.displacements, axis=2)
    reach = moves.max(axis=0)
    moving = face.neutral[reach > 0.1 * reach.max()]
    weights = moves[[row for row, name in enumerate(face.names) if name.startswith("mouth")] or slice(None)].sum(axis=0)
    mouth = weights @ face.neutral / weights.sum()
    return mouth + np.ptp(moving[:, 0]) * np.array([0.0, _ABOVE, -_BEHIND])


def turn_document(document: Document, face: Face, rotations: NDArray[np.float64], fps: float, name: str) -> str | None:
    """Let the head of a face's document turn in the animation of that name; see `animate_head`."""
    scene = read_scene(document, speaking(face.targets)).vertices
    if len(scene) != len(face.neutral):
        raise ValueError(f"{face.name}: its file and its face have different vertices, so its head cannot be turned")
    place = fit_similarity(face.neutral, scene)
    centre = place(pivot(face)[None])[0]
    reach = place.scale * float(np.ptp(face.neutral[:, 1]))
    return animate_head(document, rotations @ place.rotation.T, fps, centre, reach, name)


def columns(rotations: NDArray[np.float64]) -> Mapping[str, NDArray[np.float64]]:
    """The columns of head.csv."""
    return dict(zip(ANGLES, euler(rotations).T, strict=True))
