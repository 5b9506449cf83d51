"""Measures of a face in closed form, and the table that says whether two paths are better than one."""

import numpy as np
import pytest

from said.headpose.blocks import BLOCK, at_60
from said.headpose.face_measures import border_acceleration, measure_clip, squared_lip_error, summarise
from said.headpose.face_table import COLUMNS, face_page, tabulate_faces


def walk(frames: int = 160) -> np.ndarray:
    """(frames, 32) a smooth random motion in [0, 1], 60 per second."""
    angles = np.random.default_rng(0).uniform(0, 6, 32)
    return 0.5 + 0.4 * np.sin(0.15 * np.arange(frames)[:, None] + angles)


def test_the_squared_error_is_of_the_worst_vertex():
    truth = np.zeros((2, 3, 3))
    sample = truth.copy()
    sample[0, 1] = (0, 3, 4)
    sample[1, 2, 0] = 1
    sample[1, 0, 0] = -0.5
    assert squared_lip_error(truth, sample) == pytest.approx((25 + 1) / 2)


def test_a_jump_between_blocks_shows_and_one_within_does_not():
    still = np.random.default_rng(0).normal(size=(81, 1)) * 1e-3
    jump = np.repeat(np.arange(10) % 2, BLOCK)[:80, None] * 1.0
    between, within = (at_60(part, 2 * len(part)) for part in (still[:80] + jump, still[:80] + np.roll(jump, 4)))
    assert border_acceleration(between) > 50
    assert border_acceleration(within) < 0.05
    assert np.isnan(border_acceleration(np.zeros((160, 32)))) and np.isnan(border_acceleration(walk(10)))


def test_the_truth_itself_measures_as_it_should():
    real = walk()
    lips = np.random.default_rng(1).normal(size=(160, 5, 3))
    clip = measure_clip(real, np.stack([real, real]), lips, [lips, lips[:158]])
    assert clip == {"lve_squared_mm2": 0.0, "block_jump": pytest.approx(1.0)}
    moved = lips + np.array([0.001, 0, 0])
    assert measure_clip(real, real[None], lips, [moved])["lve_squared_mm2"] == pytest.approx(1.0)
    summary = summarise({"a": clip, "b": clip}, {"a": real[None], "b": real[None]}, {"a": real, "b": real})
    assert summary["jitter"] == pytest.approx(1) and summary["jaw_correlation"] == pytest.approx(1)
    assert summary["block_jump_interval"] == pytest.approx([1, 1]) and summary["notes"] == {}


def test_what_has_no_value_is_noted():
    clips = {"a": {"lve_squared_mm2": 1.0, "block_jump": np.nan}}
    summary = summarise(clips, {"a": walk()[None]}, {"a": walk()})
    assert summary["block_jump"] is None and summary["block_jump_interval"] is None
    assert summary["notes"] == {"block_jump": "no value for 1 of 1 clips"}


@pytest.mark.parametrize(("error", "verdict"), [(2.0, "lowers"), (4.0, "does not lower")])
def test_the_page_says_whether_a_path_helps(error, verdict):
    errors = {"base": {**dict.fromkeys(COLUMNS, 1.0), "lip_vertex_error_mm": error, "notes": {}}}
    errors["headpose_global_only"] = {"lip_vertex_error_mm": 3.0, "fd": None, "notes": {"fd": "too few"}}
    table = tabulate_faces(errors, {"headpose_global_only": "global_only"})
    assert list(table["face"]) == ["base", "global_only"] and np.isnan(table.loc[1, "fd"])
    text = face_page(table, errors).markdown({key: "x" for key in ("dataset", "scale", "preset", "seed", "version")})
    assert f"The local path {verdict} the lip vertex error: {error:.3f} mm with both paths, 3.000 mm without" in text
    assert "headpose_global_only, fd: too few" in text and "reconstruction" in text
