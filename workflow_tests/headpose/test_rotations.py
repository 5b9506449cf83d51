"""Rotations of the head between their three forms, seen in a mirror, from their mean, and at other rates."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from said.headpose.rotations import (
    angles,
    from_angles,
    from_directions,
    mirror,
    relative_to_mean,
    resample,
    speed,
    to_directions,
)


@pytest.fixture(scope="module")
def poses():
    """Ten thousand rotations of up to 80 degrees, in all directions."""
    rng = np.random.default_rng(0)
    axes = rng.normal(size=(10_000, 3))
    return axes / np.linalg.norm(axes, axis=1, keepdims=True) * rng.uniform(0, np.radians(80), (10_000, 1))


def test_directions_and_angles_say_the_whole_rotation(poses):
    assert np.abs(from_directions(to_directions(poses)) - poses).max() < 1e-6
    assert np.abs(from_angles(angles(poses)) - poses).max() < 1e-6


def test_axes_and_signs_are_those_of_a_head():
    right = np.pi / 6
    down, left, lifted = to_directions(np.diag([right] * 3))
    np.testing.assert_allclose(to_directions(np.zeros(3)), [0, 0, 1, 0, 1, 0], atol=1e-12)
    np.testing.assert_allclose(down[:3], [0, -0.5, np.sqrt(0.75)], atol=1e-12)  # looks down
    np.testing.assert_allclose(left[:3], [0.5, 0, np.sqrt(0.75)], atol=1e-12)  # to the subject's left
    np.testing.assert_allclose(lifted, [0, 0, 1, -0.5, np.sqrt(0.75), 0], atol=1e-12)  # the crown to the right
    np.testing.assert_allclose(angles(np.diag([right] * 3)), 30 * np.eye(3), atol=1e-9)
    order = Rotation.from_rotvec(from_angles(np.array([10.0, 20.0, 30.0]))).as_matrix()
    yaw, pitch, roll = (
        Rotation.from_euler(axis, turn, degrees=True).as_matrix() for axis, turn in (("y", 20), ("x", 10), ("z", 30))
    )
    np.testing.assert_allclose(order, yaw @ pitch @ roll, atol=1e-12)


def test_directions_of_a_network_are_made_a_rotation():
    wanted = np.array([[0.2, -0.4, 0.1]])
    forward, up = np.split(to_directions(wanted), 2, axis=1)
    skewed = np.concatenate([3 * forward, 0.5 * up + 0.7 * forward], axis=1)
    np.testing.assert_allclose(from_directions(skewed), wanted, atol=1e-12)


@pytest.mark.parametrize("wrong", [[0, 0, 0, 0, 1, 0], [0, 0, 1, 0, 0, 2], [0, 0, np.nan, 0, 1, 0]])
def test_directions_that_say_no_rotation_are_refused(wrong):
    good = to_directions(np.zeros(3))
    with pytest.raises(ValueError, match="directions 1, counted from 0, are no two axes"):
        from_directions(np.stack([good, np.array(wrong, float)]))


def test_a_mirror_turns_yaw_and_roll_around(poses):
    small = poses[np.abs(angles(poses)[:, 0]) < 80]
    np.testing.assert_allclose(angles(mirror(small)), angles(small) * [1, -1, -1], atol=1e-8)
    plane = np.array([-1, 1, 1])
    np.testing.assert_allclose(to_directions(mirror(small)), to_directions(small) * np.tile(plane, 2), atol=1e-12)


def test_where_the_camera_stood_does_not_matter(poses):
    clip, camera = Rotation.from_rotvec(0.3 * poses[:200]), Rotation.from_rotvec([0.5, -0.9, 0.2])
    seen = relative_to_mean((camera * clip).as_rotvec())
    np.testing.assert_allclose(seen, relative_to_mean(clip.as_rotvec()), atol=1e-9)
    np.testing.assert_allclose(Rotation.from_rotvec(seen).mean().magnitude(), 0, atol=1e-9)


def test_a_steady_turn_is_steady_at_every_rate():
    def steady(rate, frames):
        return np.outer((np.arange(frames) + 0.5) / rate, [0.02, 0.1, -0.04])

    slow = steady(30, 240)
    np.testing.assert_allclose(resample(slow, 30, 60)[1:-1], steady(60, 480)[1:-1], atol=1e-9)
    np.testing.assert_allclose(resample(slow, 30, 25, frames=200), steady(25, 200), atol=1e-9)
    assert len(resample(slow, 30, 25)) == 200
    np.testing.assert_array_equal(resample(slow, 30, 30), slow)
    np.testing.assert_array_equal(resample(slow[:1], 30, 25, frames=3), np.repeat(slow[:1], 3, axis=0))
    expected = np.degrees(np.linalg.norm([0.02, 0.1, -0.04]))
    np.testing.assert_allclose(speed(slow, 30), expected, rtol=1e-9)


def test_no_frames_and_no_rate_are_refused():
    with pytest.raises(ValueError, match="must be above 0"):
        resample(np.zeros((0, 3)), 25, 30)
    with pytest.raises(ValueError, match="must be above 0"):
        resample(np.zeros((5, 3)), 0, 30)
