"""Previews: what is measured of samples while a model is trained."""

import numpy as np
import pytest
import torch
from helpers import Oracle, small

from said.training.previews import frame_distance, preview
from said.training.windows import Clip


def clips():
    for number, frames in enumerate((40, 55)):
        rng = np.random.default_rng(number)
        course = 0.5 + 0.3 * np.sin(np.arange(frames) / 6 + number)
        values = np.clip(course[:, None] * np.linspace(0.2, 1, 32) + 0.01 * rng.normal(size=(frames, 32)), 0.05, 0.95)
        lips = 1e-3 * rng.normal(size=(32, 20, 3))
        yield Clip(f"clip{number}", values.astype(np.float32), np.ones(100, np.float32), lips=lips)


@pytest.mark.parametrize("error", [0.0, 0.05])
def test_a_model_that_knows_the_clip_draws_it(error):
    model, (clip, _) = small(prediction="x0", alignment_schedule="geometric"), clips()
    drawn = torch.from_numpy(clip.coefficients)[None] - error
    model.denoiser = Oracle(model, drawn)
    found = preview(model, lambda _: torch.zeros(40, 32), [clip], np.ones(32), 0, guidance=1.0)
    assert found["sample_jawOpen"] == pytest.approx(1, abs=1e-3) and found["sample_jitter"] == pytest.approx(
        1, abs=1e-3
    )
    # All means are off by the error, everything else is right.
    assert found["sample_fd"] == pytest.approx(32 * error**2, abs=1e-4)
    expected = 1e3 * np.linalg.norm(error * clip.lips.sum(0), axis=1).max()
    assert found["sample_lip_error_mm"] == pytest.approx(expected, rel=1e-3, abs=0.02)


def test_samples_repeat_and_clips_do_not_know_each_other():
    model, both = small(), list(clips())

    def draw(chosen, seed=0):
        return preview(
            model, lambda clip: torch.ones(len(clip.coefficients), 32), chosen, np.ones(32), seed, guidance=2.0
        )

    assert draw(both) == draw(both) != draw(both, seed=1)
    without = [Clip(one.name, one.coefficients, one.waveform) for one in both]
    assert "sample_lip_error_mm" not in draw(without)
    assert draw(without).items() <= draw(both).items()


def test_the_distance_of_frames_is_frechets():
    clip = next(clips()).coefficients
    std = np.linspace(0.1, 0.4, 32)
    assert frame_distance([clip], [clip], std) == pytest.approx(0, abs=1e-9)
    assert frame_distance([clip], [clip + 0.2 * std], std) == pytest.approx(32 * 0.04, rel=1e-6)
    assert frame_distance([clip], [clip[::-1]], std) > 1e-4  # the same frames, moving the other way
