"""Heads that turn: about their pivot, rigidly, when the poses say so."""

import numpy as np
import pandas as pd
import pytest

from said.files.arrays import write_arrays
from said.headpose.film import FPS, animate, pivot, shown, turn
from said.headpose.poses import find_poses, read_poses
from said.headpose.rotations import from_angles
from said.landmarks import CHIN, LEFT_EAR, NASION, RIGHT_EAR, TYPICAL
from said.rig import Rig
from said.study.footage import film


@pytest.fixture(scope="module")
def rig():
    """The 68 landmarks as a face, in metres; the first blendshape moves the chin."""
    template = TYPICAL / 1000
    moved = np.repeat(template[None], 32, axis=0)
    moved[0, CHIN, 1] -= 0.01
    return Rig(
        template, moved, np.array([[RIGHT_EAR, CHIN, LEFT_EAR], [RIGHT_EAR, LEFT_EAR, NASION]]), landmarks=np.arange(68)
    )


def test_the_pivot_is_below_and_behind_the_middle_between_the_ears(rig):
    """The ears are at (-72, 28, -66) mm and its mirror image, 144 mm apart."""
    np.testing.assert_allclose(pivot(rig), [0, 0.028 - 0.036, -0.066 - 0.0144], atol=1e-12)
    with pytest.raises(ValueError, match="has no landmarks"):
        pivot(Rig(rig.template, rig.blendshapes, rig.faces))


def test_turning_is_rigid_and_leaves_the_pivot_where_it_is(rig):
    rng = np.random.default_rng(0)
    centre = pivot(rig)
    frames = np.concatenate([np.repeat(rig.template[None], 20, axis=0), np.broadcast_to(centre, (20, 1, 3))], axis=1)
    turned = turn(frames, rng.normal(size=(20, 3)), centre)
    np.testing.assert_allclose(turned[:, -1], np.broadcast_to(centre, (20, 3)), atol=1e-12)
    distances = [np.linalg.norm(one[:, :, None] - one[:, None], axis=-1) for one in (frames, turned)]
    np.testing.assert_allclose(*distances, atol=1e-12)
    np.testing.assert_array_equal(turn(frames, np.zeros((20, 3)), centre), frames - centre + centre)


@pytest.mark.parametrize(
    ("angles", "axis", "sign"), [((10, 0, 0), 1, -1), ((0, 10, 0), 0, 1)], ids=["pitch is down", "yaw is to the left"]
)
def test_a_nose_goes_where_the_angles_say(rig, angles, axis, sign):
    rest, turned = (
        animate(rig, np.zeros((480, 32)), from_angles(np.tile(np.array(one, float), (200, 1))))[0, 30]
        for one in ((0, 0, 0), angles)
    )
    assert sign * (turned - rest)[axis] > 0.01


def test_a_film_is_as_long_as_the_speech_and_face_and_head_keep_time(rig):
    """At 4 s a jaw opens and the head turns: in the same frame of 30 per second."""
    coefficients, angles = np.zeros((480, 32)), np.zeros((200, 3))
    coefficients[240:, 0] = 1
    angles[100:, 1] = 10
    moved = animate(rig, coefficients, from_angles(angles))
    assert moved.shape == (240, 68, 3) and FPS == 30
    turning = np.flatnonzero(np.abs(np.diff(moved[:, NASION, 0])) > 1e-9)
    opening = np.flatnonzero(np.abs(np.diff(np.linalg.norm(moved[:, CHIN] - moved[:, NASION], axis=1))) > 1e-9)
    assert opening.tolist() == [119] and 118 <= turning.min() <= turning.max() <= 120
    still = animate(rig, coefficients, np.zeros((200, 3)))
    np.testing.assert_allclose(still, rig.move(coefficients[1::2]), atol=1e-12)


def test_a_turned_head_looks_turned_and_stays_in_the_picture(rig):
    frames = animate(rig, np.zeros((480, 32)), from_angles(np.tile([5.0, 25.0, 10.0], (200, 1))))[:1]
    rest = next(film(rig, rig.template[None], 64, turns=True))
    turned = next(film(rig, frames, 64, turns=True))
    assert turned.shape == (64, 64, 3) and (rest != turned).any(-1).sum() > 20
    assert not turned[[0, -1]].any() and not turned[:, [0, -1]].any()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda poses: poses * np.float32(180 / np.pi),
            r"turns by \d+.* radians, .* if these are degrees, multiply them",
        ),
        (lambda poses: np.where(poses == poses[0, 0, 0], np.nan, poses), "is not finite in sample 0, frame 0"),
        (lambda poses: poses[:, :100], r"has the shape \(5, 100, 3\), not \(samples, 200, 3\)"),
        (lambda poses: poses[0], r"has the shape \(200, 3\)"),
        (lambda poses: poses[:0], r"has the shape \(0, 200, 3\)"),
    ],
)
def test_poses_that_are_none_are_refused(tmp_path, change, message):
    poses = np.random.default_rng(0).normal(0, 0.1, (5, 200, 3)).astype(np.float32)
    write_arrays(tmp_path / "base.npz", {"a": poses})
    assert read_poses(tmp_path / "base.npz")["a"].shape == (5, 200, 3)
    with pytest.raises(ValueError, match="base.npz: holds no poses of aa; did you mean 'a'"):
        find_poses(tmp_path / "base.npz", "aa")
    write_arrays(tmp_path / "base.npz", {"a": change(poses).astype(np.float32)})
    with pytest.raises(ValueError, match=f"base.npz: a {message}"):
        read_poses(tmp_path / "base.npz")


def test_speakers_of_the_shown_clips_take_turns():
    rows = [
        ("a0", "anna", "test"),
        ("a1", "anna", "test"),
        ("b9", "ben", "train"),
        ("b0", "ben", "test"),
        ("c0", "cy", "test"),
    ]
    index = pd.DataFrame(rows, columns=["clip", "speaker", "split"])
    assert shown(index, [0, 1, 2, 3]) == ["a0", "b0", "c0", "a1"]
    with pytest.raises(ValueError, match="clip 4: there are 4 test clips, counted from 0"):
        shown(index, [4])
