"""Lip vertex error, upper-face dynamics and beat consistency on motion whose measures are known."""

import numpy as np
import pytest
import trimesh

from said.motion import (
    MEASURES,
    beat_consistency,
    face_regions,
    measure_clip,
    summarise,
    upper_face_dynamics_deviation,
)

RATE = 16000


def pulses(seconds=4.0, every=0.5, at=0.25):
    """Speech of one loud pulse per half second, and the times of their middles."""
    time = np.arange(int(seconds * RATE)) / RATE
    phase = (time - at + every / 2) % every - every / 2
    tone = np.sin(2 * np.pi * 200 * time) * (np.exp(-np.square(phase / 0.06) / 2) + 1e-3)
    return tone.astype(np.float32), np.arange(at, seconds, every)


def lips_that_rest(at, frames=240, every=0.5):
    """One vertex whose speed is least at times `at` + k `every`."""
    time = np.arange(frames) / 60
    position = (time - at) - every / (2 * np.pi) * np.sin(2 * np.pi * (time - at) / every) * 0.9
    return position[:, None, None] * np.array([0.0, 1.0, 0.0])


def test_dynamics_deviation_of_a_still_face_is_the_truths_own_deviation():
    template = np.ones((2, 3))
    distance = np.array([0.0, 2.0, 0.0, 2.0])
    truth = template + distance[:, None, None] * np.array([1.0, 0.0, 0.0])
    still = np.broadcast_to(template, truth.shape)
    assert upper_face_dynamics_deviation(truth, still, template) == pytest.approx(1)
    assert upper_face_dynamics_deviation(still, truth, template) == pytest.approx(-1)
    assert upper_face_dynamics_deviation(truth, truth, template) == 0


def test_lips_that_rest_on_the_beat_are_consistent_and_those_between_are_not():
    speech, _ = pulses()
    on = beat_consistency(lips_that_rest(0.25), speech, RATE)
    late = beat_consistency(lips_that_rest(0.25 + 3 / 60), speech, RATE)
    off = beat_consistency(lips_that_rest(0.5), speech, RATE)
    assert on > 0.95
    assert late == pytest.approx(np.exp(-0.5), abs=0.12)  # sigma is three frames
    assert off < 0.01


def test_motion_or_speech_without_beats_is_refused():
    speech, _ = pulses()
    with pytest.raises(ValueError, match="hardly move"):
        beat_consistency(np.zeros((240, 2, 3)), speech, RATE)
    with pytest.raises(ValueError, match="silent"):
        beat_consistency(lips_that_rest(0.25), np.zeros(4 * RATE, np.float32), RATE)


def test_a_clip_without_beats_has_the_other_measures_and_says_so():
    speech, _ = pulses()
    truth = np.concatenate([lips_that_rest(0.25), lips_that_rest(0.1)], axis=1)
    still = np.zeros((2, 240, 2, 3))
    row = measure_clip(truth, still, np.zeros((2, 3)), 1, speech, RATE)
    assert row["lip_vertex_error_mm"] == pytest.approx(1e3 * np.abs(truth[:, 0, 1]).mean())
    assert np.isnan(row["beat_consistency"])
    good = measure_clip(truth, truth[None, :-2], np.zeros((2, 3)), 1, speech, RATE)
    assert good["lip_vertex_error_mm"] == 0 and good["upper_face_dynamics_mm"] == 0
    summary = summarise({"still": row, "good": good})
    assert summary["beat_consistency"] == good["beat_consistency"]
    assert summary["notes"] == {"beat_consistency": "no value for 1 of 2 clips"}
    assert summary["beat_consistency_interval"] is None  # one clip says nothing about others
    low, high = summary["lip_vertex_error_mm_interval"]
    assert low == 0 and high > summary["lip_vertex_error_mm"]
    alone = summarise({"still": row})
    assert alone["beat_consistency"] is None and alone["beat_consistency_interval"] is None


def test_samples_that_are_not_finite_have_no_value():
    speech, _ = pulses()
    truth = lips_that_rest(0.25)
    row = measure_clip(truth, np.full((1, *truth.shape), np.nan), np.zeros((1, 3)), 1, speech, RATE)
    assert set(row) == set(MEASURES) and np.isnan(list(row.values())).all()


def test_regions_are_what_lies_nearest_to_their_landmarks():
    """On a flat grid with landmarks in rows, each region is the band around its row."""
    x, y = np.meshgrid(np.arange(20.0), np.arange(20.0))
    vertices = np.stack([x.ravel(), y.ravel(), np.zeros(400)], axis=1)
    corner = np.arange(380).reshape(19, 20)[:, :19].ravel()
    faces = [(first, first + a, first + b) for first in corner for a, b in ((1, 21), (21, 20))]
    template = trimesh.Trimesh(vertices, faces, process=False)
    rows = {"jaw": (0, 17, 0), "brows": (17, 31, 18), "nose": (31, 36, 12), "eyes": (36, 48, 15), "lips": (48, 68, 5)}
    landmarks = np.empty(68, int)
    for first, last, height in rows.values():
        landmarks[first:last] = 20 * height + np.arange(last - first) % 20
    landmarks[[48, 54]] = landmarks[[54, 48]]
    lips, upper = face_regions(template, landmarks, np.arange(200, 400))
    assert len(lips) == 0  # not on the skin that was named
    lips, upper = face_regions(template, landmarks, np.arange(400))
    assert set(vertices[lips, 1]) <= {4.0, 5.0, 6.0} and 5.0 in vertices[lips, 1]
    under_nose = vertices[upper, 0] < 5  # where the nose's landmarks, at 12, are nearer than the lips', at 5
    assert vertices[upper, 1].min() == 10 and vertices[upper[under_nose], 1].min() == 14
    assert vertices[upper, 1].max() == 19
