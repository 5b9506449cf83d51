"""The figures of trainings show the records that they are drawn from."""

import numpy as np
import pytest
from matplotlib.axes import Axes

from said.denoising import BANDS
from said.figures.learning import learning
from said.figures.training import training


def record(step, scale, **previews):
    errors = {f"error/{band}dB": scale * 10 ** (-band / 40) for band in BANDS}
    errors |= {f"error_constant/{band}dB": errors[f"error/{band}dB"] / 2 for band in BANDS}
    linear = {f"error_linear/{band}dB": 0.01 + 0.001 * place for place, band in enumerate(BANDS)}
    return {"step": step, "loss": 1.0 / step, "validation": 2.0 / step, "error_mean": 0.05} | errors | linear | previews


HISTORIES = {
    "paper": [record(10, 0.2), record(20, 0.1, sample_jawOpen=0.5, sample_jitter=3.0)],
    "x0": [
        record(10, 0.1, sample_jawOpen=0.1, sample_jitter=9.0),
        record(20, 0.02, sample_jawOpen=0.7, sample_jitter=2.0),
    ],
}


def curves(axes: Axes):
    return {str(line.get_label()): (list(line.get_xdata()), list(line.get_ydata())) for line in axes.lines}


def test_the_error_by_noise_is_that_of_the_last_record_beside_its_references():
    error, constant, jaw, jitter, _ = learning(HISTORIES).axes
    found = curves(error)
    assert found["x0"] == (list(BANDS), [HISTORIES["x0"][-1][f"error/{band}dB"] for band in BANDS])
    assert found["optimal linear estimate"][1][-1] == pytest.approx(0.017) and found["mean of the data"][1][0] == 0.05
    assert curves(constant)["paper"][1] == [value / 2 for value in found["paper"][1]]
    assert error.xaxis_inverted() and error.get_yscale() == "log"
    assert curves(jaw) == {"paper": ([20], [0.5]), "x0": ([10, 20], [0.1, 0.7])}
    assert curves(jitter)["x0"] == ([10, 20], [9.0, 2.0])


def test_the_figure_of_all_trainings_shows_it_too():
    _, losses, error, constant = training([{"step": 5, "loss": 1.0, "validation": 2.0}], HISTORIES).axes
    assert curves(losses)["paper"] == ([10, 20], [0.1, 0.05])
    assert curves(error)["x0"][1] == [HISTORIES["x0"][-1][f"error/{band}dB"] for band in BANDS]
    assert curves(constant)["x0"][1] == [value / 2 for value in curves(error)["x0"][1]]


def test_the_largest_error_is_continued_along_its_trend():
    history = [record(step, 2 * step**-0.5) for step in range(100, 2100, 100)]
    worst = learning({"long": history, "short": history[:3]}).axes[-1]
    measured, trend, short, mean = worst.lines
    factor = 10 ** (35 / 40) / 0.05
    assert list(measured.get_xdata())[-1] == list(trend.get_xdata())[0] == 2000
    for line in (measured, trend, short):
        steps, values = (np.asarray(data) for data in line.get_data())
        assert values == pytest.approx(2 * factor * steps**-0.5)
    assert trend.get_xdata()[-1] == 20000 and mean.get_ydata() == [1, 1]
