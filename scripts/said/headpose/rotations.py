"""Rotations of the head: as vectors in files, as directions in networks and measures, as angles for people.

A rotation takes the head's axes to the world's: x to the subject's left, y up, z forward, right-handed. Files hold
rotation vectors, axis times angle in radians, as FLAME's global pose does.
"""

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation, Slerp

from said.running.shapes import shaped


@shaped
def to_directions(rotations: Float[np.ndarray, "*F 3"]) -> Float[np.ndarray, "*F 6"]:
    """The head's forward axis and then its up axis, unit vectors, for rotation vectors in radians.

    The source measures "direction vectors"; with the second axis, roll is in them too. They are two columns of the
    rotation's matrix, the continuous representation of Zhou et al. 2019.
    """
    matrices = Rotation.from_rotvec(_rows(rotations)).as_matrix()
    return np.concatenate([matrices[:, :, 2], matrices[:, :, 1]], axis=1).reshape(*rotations.shape[:-1], 6)


@shaped
def from_directions(directions: Float[np.ndarray, "*F 6"]) -> Float[np.ndarray, "*F 3"]:
    """Rotation vectors in radians whose forward axis is that given; the up axis is made perpendicular to it.

    What a network gives is neither of unit length nor perpendicular: Gram and Schmidt, the forward axis first.

    Raises:
        ValueError: an axis is not finite, has no length, or both are parallel: they say no rotation.
    """
    rows = np.asarray(directions, np.float64).reshape(-1, 6)
    forward, length = _unit(rows[:, :3])
    up, height = _unit(rows[:, 3:] - (rows[:, 3:] * forward).sum(1, keepdims=True) * forward)
    wrong = np.flatnonzero(~((length > 1e-9) & (height > 1e-9)))
    if len(wrong):
        raise ValueError(f"directions {wrong[0]}, counted from 0, are no two axes: {rows[wrong[0]]}")
    matrices = np.stack([np.cross(up, forward), up, forward], axis=2)
    return Rotation.from_matrix(matrices).as_rotvec().reshape(*directions.shape[:-1], 3)


@shaped
def angles(rotations: Float[np.ndarray, "*F 3"]) -> Float[np.ndarray, "*F 3"]:
    """Pitch, yaw and roll in degrees of rotation vectors in radians.

    The head turns by its yaw, then, about its own axes, by its pitch and its roll. Positive are pitch downwards, yaw to
    the subject's left, and roll that lifts the left ear. A pitch of 90 degrees leaves yaw and roll undecided.
    """
    yaw, pitch, roll = Rotation.from_rotvec(_rows(rotations)).as_euler("YXZ", degrees=True).T
    return np.stack([pitch, yaw, roll], axis=1).reshape(rotations.shape)


@shaped
def from_angles(degrees: Float[np.ndarray, "*F 3"]) -> Float[np.ndarray, "*F 3"]:
    """The inverse of `angles`: rotation vectors in radians of pitch, yaw and roll in degrees."""
    pitch, yaw, roll = _rows(degrees).T
    turned = Rotation.from_euler("YXZ", np.stack([yaw, pitch, roll], axis=1), degrees=True)
    return turned.as_rotvec().reshape(degrees.shape)


@shaped
def relative_to_mean(rotations: Float[np.ndarray, "N 3"]) -> Float[np.ndarray, "N 3"]:
    """The rotations of a clip seen from its mean rotation, as where the camera stood is not known.

    The mean is the rotation nearest to all of them, by the sum of squared distances between matrices.
    """
    turned = Rotation.from_rotvec(np.asarray(rotations, np.float64))
    return (turned.mean().inv() * turned).as_rotvec()


@shaped
def mirror(rotations: Float[np.ndarray, "*F 3"]) -> Float[np.ndarray, "*F 3"]:
    """The rotations in a mirror: pitch stays, yaw and roll change their sign."""
    return rotations * np.array([1, -1, -1], rotations.dtype)


@shaped
def resample(
    rotations: Float[np.ndarray, "N 3"], rate: float, new_rate: float, frames: int | None = None
) -> Float[np.ndarray, "M 3"]:
    """Rotation vectors at another rate, along the shortest turn between neighbours (Slerp).

    Frame n is the pose at (n + 1/2) / rate seconds. Before the first and after the last frame the head rests.

    Args:
        rotations: radians.
        rate, new_rate: frames per second.
        frames: M; by default, as many as the clip is long.

    Raises:
        ValueError: a rate is not above 0, or there are no frames.
    """
    if not (rate > 0 and new_rate > 0 and len(rotations)):
        raise ValueError(f"{len(rotations)} frames, from {rate} to {new_rate} per second: all three must be above 0")
    frames = int(len(rotations) * new_rate / rate + 1e-6) if frames is None else frames
    if len(rotations) == 1 or (rate == new_rate and frames == len(rotations)):
        return np.repeat(rotations[:1], frames, axis=0) if len(rotations) == 1 else np.array(rotations)
    known = (np.arange(len(rotations)) + 0.5) / rate
    wanted = np.clip((np.arange(frames) + 0.5) / new_rate, known[0], known[-1])
    turned = Rotation.from_rotvec(np.asarray(rotations, np.float64))
    return Slerp(known, turned)(wanted).as_rotvec()


@shaped
def speed(rotations: Float[np.ndarray, "N 3"], rate: float) -> Float[np.ndarray, " M"]:
    """(N - 1,) degrees per second of rotation vectors in radians: the turn from each frame to the next."""
    turned = Rotation.from_rotvec(np.asarray(rotations, np.float64))
    return np.degrees((turned[:-1].inv() * turned[1:]).magnitude()) * rate


def _rows(values: NDArray) -> NDArray[np.float64]:
    return np.asarray(values, np.float64).reshape(-1, 3)


def _unit(vectors: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(N, 3) unit vectors and (N,) the lengths that they had; those of no length are left."""
    length = np.linalg.norm(vectors, axis=1)
    return vectors / np.maximum(length, 1e-300)[:, None], length
