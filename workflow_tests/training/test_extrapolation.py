"""What more training will give follows from what a training has reached, and says how sure it is."""

import math

import numpy as np
import pytest

from said.training.extrapolation import Trend, beats_mean, learning_table, worst_trend

STEPS = np.arange(1, 41) * 100


def history(errors, mean=0.05):
    """With two bands, of which the second is ten times better."""
    pairs = zip(STEPS, errors, strict=False)
    return [{"step": int(s), "error/-25dB": e, "error/5dB": e / 10, "error_mean": mean} for s, e in pairs]


def test_a_power_law_is_continued_exactly_and_without_doubt():
    trend = Trend.of(STEPS, 3.0 * STEPS**-0.5)
    for step in (1.0, 4000.0, 2e6):
        expected = trend.at(step)
        assert expected.value == pytest.approx(3 * step**-0.5)
        assert expected.high - expected.low == pytest.approx(0, abs=1e-9)
    assert trend.reaches(0.003).value == pytest.approx(1e6)


def test_a_training_that_flattens_is_in_doubt_on_the_right_side():
    """The last quarter is flatter than the last half, so it reaches a value later; the true curve never does."""
    trend = Trend.of(STEPS, 0.1 + 3.0 * STEPS**-0.5)
    reached = trend.reaches(0.1)
    assert STEPS[-1] < reached.low < reached.value < reached.high
    later = trend.at(10 * STEPS[-1])
    assert later.low < later.value < later.high < 0.1 + 3.0 * (10 * STEPS[-1]) ** -0.5


def test_what_does_not_fall_is_never_reached():
    assert Trend.of(STEPS, np.full(40, 2.0)).reaches(1.0).value == math.inf
    assert Trend.of(STEPS, 1.0 * STEPS).reaches(1.0).low == math.inf


def test_the_whole_second_half_counts_not_only_its_ends():
    """Least squares: noise whose logarithms sum to nothing and have no trend changes nothing."""
    part = STEPS >= STEPS[-1] / 2
    noise = np.zeros(len(STEPS))
    centred = np.log(STEPS[part]) - np.log(STEPS[part]).mean()
    pattern = np.random.default_rng(0).normal(size=part.sum())
    pattern -= pattern.mean() + centred * (pattern @ centred) / (centred @ centred)
    noise[part] = 0.1 * pattern
    assert Trend.of(STEPS, STEPS**-0.3 * np.exp(noise)).at(1e5).value == pytest.approx(1e5**-0.3)


@pytest.mark.parametrize(
    ("steps", "values", "message"),
    [([1, 2, 3], [1, 1, 1], "1 records in the last quarter"), (STEPS, np.zeros(40), "above 0")],
)
def test_too_little_to_go_by_is_said(steps, values, message):
    with pytest.raises(ValueError, match=message):
        Trend.of(steps, values)


def test_the_first_step_counts_after_which_no_level_of_noise_is_lost_again():
    assert beats_mean(history([0.2, 0.04, 0.06, 0.04, 0.03])) == 400
    assert beats_mean(history([0.2, 0.04, 0.06])) is None
    one = [record | {"error/5dB": 0.07} for record in history([0.01, 0.01])]
    assert beats_mean(one) is None


def test_the_worst_level_of_noise_has_the_trend():
    assert worst_trend(history(3.0 * STEPS**-0.5)).reaches(0.003).value == pytest.approx(1e6)


def test_the_table_has_a_row_for_each_training():
    long, short = history(3.0 * STEPS**-0.5, mean=0.06), history([0.2, 0.1])
    short[-1]["sample_jawOpen"] = 0.5
    table = learning_table({"long": long, "short": short})
    assert list(table["training"]) == ["long", "short"] and list(table["step"]) == [4000, 200]
    assert table["beats_mean"][0] == 2500 and table["beats_mean"].isna()[1]
    assert table["expected"][0] == pytest.approx(2500) and table["expected_high"].isna()[1]
    assert table["sample_jawOpen"].isna().tolist() == [True, False]
