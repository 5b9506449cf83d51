"""What a training in the paper's setting will have learnt is said in ranges that follow from what was measured."""

import pytest

from said.workflow.prospects import ERRORS, MEAN, RATE, STEPS, error_ratio, prospects, worth
from said.workflow.work import Job

PAPER = {
    "width": 192,
    "prediction": "epsilon",
    "coefficient_scale": "none",
    "encoder": "frozen",
    "conditioning": "window",
    "epochs": 50000,
    "batch_size": 8,
    "learning_rate": 1e-5,
}
CONFIG = {
    "dataset": "vocaset",
    "speech_encoder": {"source": "pretrained"},
    "vocaset": {"sentences": 40, "split": {"train": [f"F{n}" for n in range(8)], "validation": ["M1"], "test": ["M2"]}},
}


def training(variant, **changes):
    return Job("train_said", f"train_said/{variant}", {"variant": variant}, {"settings": PAPER | changes})


def test_steps_at_the_measured_rate_are_worth_themselves_and_others_a_power_of_their_rate():
    assert worth(5000, RATE) == (5000, 5000)
    assert worth(4e6, RATE / 10) == pytest.approx((4e6 * 10**-0.95, 4e6 * 10**-0.6))
    low, high = worth(100, 2 * RATE)
    assert 100 * 2**0.6 == pytest.approx(low) and 100 * 2**0.95 == pytest.approx(high)


def test_the_error_after_the_measured_steps_is_the_measured_one_and_falls_from_there():
    for decibels, (error, exponents) in ERRORS.items():
        assert error_ratio(decibels, (STEPS, STEPS)) == pytest.approx((error / MEAN, error / MEAN))
        low, high = error_ratio(decibels, (16 * STEPS, 16 * STEPS))
        assert [low, high] == pytest.approx([error / MEAN * 16**-exponent for exponent in exponents[::-1]])
    assert error_ratio(-15, (STEPS, 4 * STEPS))[1] == pytest.approx(ERRORS[-15][0] / MEAN)


def test_trainings_of_one_length_share_a_line_and_others_have_none():
    jobs = [training("base"), training("no_velocity"), training("short", epochs=50, learning_rate=RATE)]
    jobs += [training("x0", prediction="x0"), training("scaled", coefficient_scale="std"), training("narrow", width=64)]
    jobs.append(Job("train_extractor", "train_extractor", {}, {"settings": {"epochs": 3}}))
    both, short = prospects(jobs, CONFIG)
    assert both.startswith(
        "base, no_velocity: 2,000,000 steps at a learning rate of 1e-05 are worth 25,000 to 130,000 "
    )
    assert "below the mean face's from -5 dB up" in both and "times it at -35 dB" in both
    assert short.startswith("short: 2,000 steps") and "fewer than 2,160" in short
    assert prospects(jobs[3:], CONFIG) == []
