"""Recordings with tracked poses: read in either layout, cut into clips, and refused by name where they are wrong."""

import shutil

import numpy as np
import pytest
from head_recordings import turning, write_recording
from scipy.spatial.transform import Rotation

from said.files.arrays import read_arrays, write_arrays
from said.files.audio import write_audio
from said.headpose.rotations import relative_to_mean
from said.headpose.voxceleb import cut, find_recordings, read_recording_of

NAME = "id00017/5MkXgwdrmJw/00001"
SECONDS = 17


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    """A recording of 17 seconds."""
    folder = tmp_path_factory.mktemp("release")
    write_recording(folder, NAME, SECONDS)
    return folder


@pytest.fixture
def folder(tmp_path, release):
    shutil.copytree(release, tmp_path, dirs_exist_ok=True)
    return tmp_path


def rewrite(folder, **changes):
    path = folder / f"{NAME}.npz"
    write_arrays(path, {key: value for key, value in (read_arrays(path) | changes).items() if value is not None})


def test_a_recording_gives_its_whole_clips_relative_to_their_means(folder):
    assert find_recordings(folder) == [NAME]
    poses, waveform = read_recording_of(folder, NAME)
    clips = list(cut(poses, waveform))
    assert len(clips) == 2  # of 17 seconds
    for number, clip in enumerate(clips):
        frames = turning(25, SECONDS)[200 * number : 200 * (number + 1)]
        np.testing.assert_allclose(clip.pose, relative_to_mean(frames), atol=1e-6)
        np.testing.assert_allclose(clip.waveform, waveform[128000 * number :][:128000], atol=2**-15)
        assert clip.truth is None


def test_matrices_at_another_rate_and_in_another_sound_format_say_the_same(folder):
    expected, waveform = read_recording_of(folder, NAME)
    rewrite(folder, pose=None, rotation=Rotation.from_rotvec(turning(30, SECONDS)).as_matrix(), fps=np.array([30.0]))
    other = 0.1 * np.random.default_rng(1).normal(size=SECONDS * 44100)
    write_audio(folder / f"{NAME}.wav", other, 44100)
    poses, resampled = read_recording_of(folder, NAME)
    assert poses.shape == expected.shape and len(resampled) == len(waveform)
    np.testing.assert_allclose(poses, expected, atol=2e-4)


BROKEN = turning(25, SECONDS)
BROKEN[37, 1] = np.nan
LEFT_HANDED = Rotation.from_rotvec(turning(25, SECONDS)).as_matrix()
LEFT_HANDED[5] *= -1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pose": BROKEN}, "pose of frame 37, counted from 0, is not finite, and 1 in all; where the tracker lost"),
        ({"pose": np.degrees(turning(25, SECONDS))}, "pose of frame .* more than half a turn; these may be degrees"),
        ({"fps": np.array(30)}, r"425 poses at fps 30 last 14.17 s, but 00001.wav 17.00 s; they would agree at 25 per"),
        ({"fps": None}, "has no fps; say how many poses"),
        ({"fps": np.array(0)}, "fps is 0; give one number from 5 to 240"),
        ({"fps": np.array("25")}, "fps is 25; give one number"),
        ({"pose": None}, r"has fps; it needs either pose \(N, 3\) or rotation"),
        ({"pose": turning(25, SECONDS)[:, :2]}, r"pose is float64 \(425, 2\); give numbers of the shape \(N, 3\)"),
        ({"pose": turning(25, SECONDS).astype(str)}, r"pose is <U.* give numbers"),
        ({"pose": None, "rotation": LEFT_HANDED}, "rotation of frame 5, counted from 0, is no rotation"),
        ({"pose": None, "rotation": 2 * np.tile(np.eye(3), (425, 1, 1))}, "rotation of frame 0, .* length 1"),
    ],
)  # fmt: skip
def test_a_wrong_recording_is_refused_with_file_place_and_remedy(folder, changes, message):
    rewrite(folder, **changes)
    with pytest.raises(ValueError, match=f"{NAME}.npz: {message}"):
        read_recording_of(folder, NAME)


def test_speech_that_is_missing_or_silent_is_named(folder):
    write_audio(folder / f"{NAME}.wav", np.zeros(SECONDS * 16000), 16000)
    with pytest.raises(ValueError, match="00001.wav: is silent"):
        read_recording_of(folder, NAME)
    (folder / f"{NAME}.wav").unlink()
    with pytest.raises(ValueError, match="00001.npz: its speech is missing; put 00001.wav or 00001.m4a beside it"):
        read_recording_of(folder, NAME)


def test_damage_and_an_empty_folder_are_named(folder, tmp_path_factory):
    path = folder / f"{NAME}.npz"
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(ValueError, match="00001.npz: cannot be used"):
        read_recording_of(folder, NAME)
    with pytest.raises(ValueError, match="holds no poses; headpose.clips.path names a folder"):
        find_recordings(tmp_path_factory.mktemp("empty"))
