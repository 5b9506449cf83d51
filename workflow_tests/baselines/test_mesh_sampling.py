"""From a method's meshes to coefficients: sentence by sentence, style by style."""

from types import SimpleNamespace

import numpy as np
import pytest

from said.baselines.clips import Utterance
from said.baselines.floor import mean_motion
from said.baselines.sampling import Baseline, Solver, sample_baseline
from said.files.finished import Finished
from said.rig import Rig

RANDOM = np.random.default_rng(0)
TEMPLATE = RANDOM.uniform(-0.1, 0.1, (50, 3))
HEAD = np.arange(5, 45)
SHAPES = TEMPLATE[HEAD] + 0.01 * RANDOM.standard_normal((32, 40, 3))
RIG = Rig(TEMPLATE[HEAD], SHAPES, np.array([[0, 1, 2]]), HEAD)
SPEECH = [Utterance(f"sentence{n}", np.full(100 + n, 0.1, np.float32), 100) for n in range(3)]


def smooth(frames: int, style: int) -> np.ndarray:
    """(frames, 32) coefficients that the rig's constraints admit at 60 frames per second."""
    phase = np.linspace(0, 2 * np.pi, 32) + style
    return 0.5 + 0.4 * np.sin(np.arange(frames)[:, None] / 20 + phase)


def faces(coefficients: np.ndarray) -> np.ndarray:
    """All vertices of the corpus; those outside the head lie anywhere."""
    frames = np.array(RANDOM.uniform(-1, 1, (len(coefficients), 50, 3)))
    frames[:, HEAD] = RIG.move(coefficients)
    return frames


def method(rate: int | None, alive: list | None = None):
    """A method of three styles that knows the truth."""

    def animate(model, speech, template, styles, settings, seed):
        for style in styles:
            if alive is not None:
                alive.append((speech.name, style))
            truth = smooth(len(speech.waveform) * (rate or 60) // 60, style)
            yield truth if rate is None else faces(truth)

    return SimpleNamespace(frame_rate=lambda settings: rate, styles=lambda model: 3, animate=animate)


def sample(baseline, finished=None, speeches=SPEECH):
    return dict(sample_baseline(baseline, speeches, TEMPLATE, RIG, Solver(), finished or Finished(None, None)))


def test_meshes_give_back_the_coefficients_they_were_made_of():
    samples = sample(Baseline(method(60), None, {}))
    assert list(samples) == ["sentence0", "sentence1", "sentence2"]
    for number, values in enumerate(samples.values()):
        assert values.dtype == np.float32 and values.shape == (3, 100 + number, 32)
        for style in range(3):
            np.testing.assert_allclose(values[style], smooth(100 + number, style), atol=1e-5)


def test_a_slow_method_has_frames_in_between():
    values = sample(Baseline(method(30), None, {}))["sentence0"]
    assert values.shape == (3, 100, 32)
    np.testing.assert_allclose(values[1, ::2], smooth(50, 1), atol=1e-5)
    np.testing.assert_allclose(values[1, 1:-1:2], (smooth(50, 1)[1:] + smooth(50, 1)[:-1]) / 2, atol=1e-5)


def test_coefficients_are_taken_as_they_are():
    np.testing.assert_array_equal(
        sample(Baseline(method(None), None, {}))["sentence1"][2], smooth(101, 2).astype(np.float32)
    )


def test_as_many_styles_as_are_asked_for():
    assert len(sample(Baseline(method(None), None, {}, styles=2))["sentence0"]) == 2
    assert len(sample(Baseline(method(None), None, {}, styles=9))["sentence0"]) == 3


def test_a_sentence_at_a_time_and_none_twice(tmp_path):
    asked = []
    baseline = Baseline(method(60, asked), None, {}, styles=1)
    with pytest.raises(InterruptedError), Finished(tmp_path / "unfinished", "this") as finished:
        for name, _ in sample_baseline(baseline, SPEECH, TEMPLATE, RIG, Solver(), finished):
            assert asked[-1][0] == name  # nothing is asked for ahead of its time
            if name == "sentence1":
                raise InterruptedError
    with Finished(tmp_path / "unfinished", "this") as finished:
        samples = sample(baseline, finished)
    assert [name for name, _ in asked] == ["sentence0", "sentence1", "sentence2"]
    assert not (tmp_path / "unfinished").exists()
    whole = sample(Baseline(method(60), None, {}, styles=1))
    assert all(np.allclose(samples[name], whole[name], atol=1e-6) for name in whole)


def test_the_mean_motion_is_of_the_clips_that_last_that_long():
    clips = [np.full((2, 32), 0.2), np.full((4, 32), 0.6)]
    np.testing.assert_allclose(mean_motion(clips, 6)[:, 0], [0.4, 0.4, 0.6, 0.6, 0.6, 0.6], atol=1e-7)
    assert mean_motion(clips, 1).shape == (1, 32)
