"""Measures of heads on motion whose measures are known."""

from dataclasses import replace

import numpy as np
import pytest

from said.headpose import beats
from said.headpose.clips import Clip, Truth
from said.headpose.known import known_poses
from said.headpose.measures import check, measure
from said.headpose.registry import KNOWN
from said.headpose.rotations import from_angles, relative_to_mean

TIMES = (np.arange(200) + 0.5) / 25


def speech(at):
    """Bursts of a tone at these moments, each twice as loud as the one before the last."""
    time = np.arange(128000) / 16000
    envelope = sum((1 + k % 3) * np.exp(-0.5 * ((time - moment) / 0.05) ** 2) for k, moment in enumerate(at))
    return np.round(4000 * np.sin(2 * np.pi * 220 * time) * (envelope + 1e-3)).astype(np.int16)


def nodding(at, depth=6.0, yaw=0.0, roll=0.0):
    """(200, 3) radians: a nod of 0.1 s and so many degrees at these moments; yaw and roll (200,) in degrees."""
    pitch = depth * sum((np.exp(-0.5 * ((TIMES - moment) / 0.1) ** 2) for moment in at), np.zeros(200))
    degrees = np.stack([pitch, yaw + np.zeros(200), roll + np.zeros(200)], axis=1)
    return relative_to_mean(from_angles(degrees)).astype(np.float32)


def clip(number):
    """A clip whose head nods at each beat, shakes at one moment, and tilts in its first half, a question."""
    rng = np.random.default_rng(number)
    at = np.cumsum(rng.uniform(0.55, 1.1, 8)) + 0.2
    at = at[at < 7.4]
    yaw = 5 * np.exp(-0.5 * ((TIMES - 5) / 0.2) ** 2) * np.sin(2 * np.pi * 2.6 * (TIMES - 5))
    pose = nodding(at, yaw=yaw, roll=-4.0 * (TIMES < 4))
    truth = Truth(
        takes=np.stack([nodding(at, depth) for depth in (4, 5, 6, 7, 8)]),
        stresses=np.stack([at, np.ones_like(at)], axis=1),
        questions=np.array([[0.0, 4.0]]),
        statements=np.array([[4.2, 8.0]]),
        nevers=np.array([5.0]),
        tilt=np.array(-4.0),
    )
    return Clip(pose, speech(at), truth)


@pytest.fixture(scope="module")
def clips():
    return {f"clip{k:02d}": clip(k) for k in range(24)}


@pytest.fixture(scope="module")
def measured(clips):
    return {method: measure(known_poses(method, clips), clips) for method in KNOWN}


def test_beats_are_found_where_they_are():
    at = np.array([1.0, 2.0, 3.2, 5.0])
    found, levels = beats.speech_beats(speech(at) / 2.0**15)
    np.testing.assert_allclose(found, at, atol=0.02)
    np.testing.assert_allclose(np.diff(levels[:3]), np.diff(2 * np.log10([1, 2, 3])), atol=0.05)
    np.testing.assert_allclose(beats.loudest(found, levels), [3.2], atol=0.02)
    rests = beats.head_beats(nodding(at))
    assert all(np.abs(rests - moment).min() <= 0.03 for moment in at)  # a nod rests where it is deepest
    assert len(beats.head_beats(np.zeros((200, 3)))) == 0


def test_alignment_is_that_of_its_formula():
    assert beats.alignment(np.array([1.0, 2.0]), np.array([1.1, 2.0, 9.0])) == pytest.approx((np.exp(-0.5) + 1) / 2)
    assert np.isnan(beats.alignment(np.zeros(0), np.array([1.0])))


def test_a_dip_is_its_depth_and_a_slope_is_none():
    pitch = 3.0 * np.exp(-0.5 * ((TIMES - 4.02) / 0.06) ** 2)
    assert beats.dips(pitch, np.array([4.02])) == pytest.approx([3.0], rel=0.15)
    assert beats.dips(np.linspace(-20, 20, 200), np.array([2.0, 4.0])) == pytest.approx([0, 0], abs=1e-9)
    assert beats.dips(pitch, np.array([0.1, 7.9])).shape == (0,)


def test_the_truth_responds_to_its_own_speech_alone(measured):
    true = measured["ground_truth"]
    assert true["beat_response"] > 4 and true["beat_response_z"] > 8
    assert abs(true["beat_response_shuffled"]) < 1
    assert true["beat_alignment_truth"] == pytest.approx(1)
    low, high = true["beat_response_interval"]
    assert low < true["beat_response"] < high
    assert true["speed"] == true["range"] == true["jitter"] == pytest.approx(1)
    assert true["diversity"] is None and "one sample" in true["notes"]["diversity"]


def test_other_takes_respond_and_other_speech_does_not(measured):
    assert measured["oracle"]["beat_response"] == pytest.approx(measured["ground_truth"]["beat_response"], rel=0.1)
    assert abs(measured["shuffled"]["beat_response_z"]) < 3
    assert measured["shuffled"]["range"] == pytest.approx(1)
    assert measured["oracle"]["nod_correlation"] > 0.95 > 0.5 > abs(measured["shuffled"]["nod_correlation"])


def test_a_head_that_is_still_has_no_beats_and_says_so(measured):
    still = measured["still"]
    assert still["beat_alignment"] is None and "does not move" in still["notes"]["beat_alignment"]
    assert still["beat_response"] == still["speed"] == still["nod_correlation"] == still["diversity_audio"] == 0
    assert still["beat_response_z"] is None and still["shake_ratio"] is None and still["tilt_auc"] == 0.5


def test_meaning_shows_in_shakes_and_tilts(measured):
    assert measured["ground_truth"]["shake_ratio"] > 20 and measured["ground_truth"]["tilt_auc"] == 1
    assert measured["oracle"]["tilt_auc"] == pytest.approx(0.5, abs=0.1)  # these takes do not tilt
    assert measured["ground_truth"]["notes"].keys() == {"diversity"}


def test_to_shake_where_never_may_come_is_not_to_shake_at_the_word(clips):
    without = list(clips)[::2]
    known = clips | {
        name: replace(clips[name], truth=replace(clips[name].truth, nevers=np.zeros(0))) for name in without
    }
    always = {name: one.pose[None] for name, one in clips.items()}
    understood = always | {name: clips[name].truth.takes[2:3] for name in without}  # these do not shake
    blind, knowing = (measure(poses, known) for poses in (always, understood))
    assert blind["shake_ratio"] > 20 and knowing["shake_ratio"] > 20
    assert blind["shake_in_place"] == pytest.approx(
        3, rel=0.1
    )  # a third of the other sentences are shaken at: 12 of 36
    low, high = blind["shake_in_place_interval"]
    assert low < 3 < high < 20 < knowing["shake_in_place"]
    alike = measure(always, clips)  # no statement lacks the word, questions are never shaken at
    assert alike["shake_in_place"] > 20
    assert measure({name: np.zeros_like(poses) for name, poses in always.items()}, known)["shake_in_place"] is None


def test_diversity_is_the_mean_angle_between_samples(clips):
    small = dict(list(clips.items())[:3])
    samples = {name: np.stack([from_angles(np.tile([0.0, yaw, 0.0], (200, 1))) for yaw in (0, 3, 9)]) for name in small}
    result = measure(samples, small)
    assert result["diversity"] == pytest.approx((3 + 6 + 9) / 3)
    assert result["samples"] == 3 and result["diversity_audio"] == pytest.approx(0, abs=1e-6)


def test_clips_of_people_have_the_measures_that_need_no_truth(clips):
    people = {name: replace(one, truth=None) for name, one in clips.items()}
    result = measure(known_poses("ground_truth", people), people)
    assert result["beat_response_z"] > 8 and "nod_correlation" not in result
    with pytest.raises(ValueError, match="recorded people have one take alone"):
        known_poses("oracle", people)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda poses: poses[:, :199], r"clip01 has the shape \(1, 199, 3\)"),
        (lambda poses: poses[0], r"clip01 has the shape \(200, 3\)"),
        (
            lambda poses: np.where(np.arange(200)[:, None] == 7, np.nan, poses),
            "clip01 is not finite .* frame 7, counted",
        ),
        (lambda poses: np.degrees(poses) + 9, "clip01 turns by .* if these are degrees, multiply"),
    ],
)
def test_poses_of_others_are_checked(clips, edit, message):
    small = dict(list(clips.items())[:2])
    samples = known_poses("ground_truth", small)
    with pytest.raises(ValueError, match=message):
        check(samples | {"clip01": edit(samples["clip01"])}, small)
    with pytest.raises(ValueError, match="lacks the clips .'clip01'. and has the unknown .'clip07'."):
        check({"clip00": samples["clip00"], "clip07": samples["clip01"]}, small)
