"""The training loop: what it does with a loss, and what survives an interruption."""

import numpy as np
import pytest
import torch
from helpers import train

from said.compute import find_device
from said.running.console import duration
from said.training.checkpoint import Checkpoint
from said.training.course import Course, FitSettings, learning_rate_factor
from said.training.journal import Journal
from said.training.loop import averaged_weights, ema_decay, fit


def test_learning_rate_warms_up_then_holds_or_falls():
    rates = [learning_rate_factor(step, 10, 100, "cosine") for step in range(100)]
    assert rates[0] == pytest.approx(1 / 11)
    assert rates[10] == 1
    assert rates[55] == pytest.approx(0.5)
    assert rates[99] < 1e-3
    assert all(a < b for a, b in zip(rates[:10], rates[1:11], strict=True))
    assert learning_rate_factor(99, 10, 100, "constant") == 1


def test_learning_rates_drop_at_their_epochs():
    settings = FitSettings(epochs=6, batch_size=4, learning_rate=1.0, drops=((1, 0.5), (2.5, 0.1)))
    course = Course(list("abcdefgh"), settings, 0)
    assert [course.rate(step) for step in range(12)] == [1, 1, 0.5, 0.5, 0.5, *[0.1] * 7]


@pytest.mark.parametrize("kind", [torch.optim.Adam, torch.optim.AdamW])
def test_parameters_have_decays_of_their_own(kind):
    """Where nothing pulls, AdamW takes away a share of a weight, and Adam goes a step of the learning rate."""
    model = torch.nn.Linear(3, 2)
    before = model.weight.detach().clone()
    bias = model.bias.detach().clone()
    fit(
        model,
        lambda step: (0 * sum(value.sum() for value in model.parameters()), {}),
        lambda: 0.0,
        items=["only"],
        settings=FitSettings(epochs=1, batch_size=1, learning_rate=0.01, weight_decay=0.0),
        seed=0,
        journal=Journal("still", {}, report=lambda _: None),
        weight_decays={"weight": 0.5},
        optimizer_class=kind,
    )
    expected = before * (1 - 0.01 * 0.5) if kind is torch.optim.AdamW else before - 0.01 * before.sign()
    torch.testing.assert_close(model.weight, expected, atol=1e-6, rtol=0)
    assert torch.equal(model.bias, bias)


def test_a_checkpoint_keeps_the_stages_before_it_until_all_are_done(tmp_path):
    def train(checkpoint, name):
        model = torch.nn.Linear(1, 1)
        steps = []

        def objective(step):
            steps.append(step)
            return model(torch.ones(1, 1)).square().mean(), {}

        settings = FitSettings(epochs=3, batch_size=1, learning_rate=0.1)
        journal = Journal(name, {}, checkpoint=checkpoint, report=lambda _: None)
        fit(model, objective, lambda: 0.0, items=["only"], settings=settings, seed=0, journal=journal)
        return len(steps), model.weight.item()

    path = tmp_path / "checkpoint.safetensors"
    with pytest.raises(InterruptedError), Checkpoint(path) as checkpoint:
        first = train(checkpoint.beside("first"), "first")
        raise InterruptedError
    assert first[0] == 3
    with Checkpoint(path) as checkpoint:
        assert train(checkpoint.beside("first"), "first") == (0, first[1])
        assert train(checkpoint, "second")[0] == 3
        assert len(list(tmp_path.glob("*.safetensors"))) == 2
    assert not list(tmp_path.iterdir())


def test_ema_decay_warms_up():
    assert ema_decay(1, 0.99, True) == pytest.approx(2 / 11)
    assert ema_decay(10_000, 0.99, True) == 0.99
    assert ema_decay(1, 0.99, False) == 0.99


def test_devices_are_found_or_named():
    assert find_device("cpu") == "cpu"
    assert find_device("auto") == ("cuda" if torch.cuda.is_available() else "cpu")
    if not torch.cuda.is_available():
        with pytest.raises(ValueError, match="no GPU"):
            find_device("cuda")


def test_durations_read_well():
    spans = {42.4: "42 s", 59.6: "1 min 0 s", 200: "3 min 20 s", 29_520: "8 h 12 min", 187_200: "2 d 4 h"}
    assert {seconds: duration(seconds) for seconds in spans} == spans


def off(model) -> float:
    return abs(model.weight.item() - 3) + abs(model.bias.item())


def line(**changes):
    """Fit y = 3 x with the loop."""
    torch.manual_seed(0)
    model = torch.nn.Linear(1, 1)
    seen = []

    def objective(step):
        seen.append(step)
        x = torch.randn(len(step.items), 1, generator=step.generator)
        loss = (model(x) - 3 * x).square().mean()
        return loss, {"half": loss / 2}

    def validate():
        assert not model.training and not torch.is_grad_enabled()
        return off(model)

    settings = FitSettings(
        **{
            "epochs": 60,
            "batch_size": 4,
            "learning_rate": 0.1,
            "weight_decay": 0.0,
            "schedule": "cosine",
            "validate_every": 25,
            **changes,
        }
    )
    arguments = {
        "items": list("abcdefghij"),
        "settings": settings,
        "seed": 0,
        "journal": Journal("line", {}, report=lambda _: None),
    }
    history = fit(model, objective, validate, **arguments)
    return model, history, seen


def test_the_loop_fits_a_line_and_records_it():
    model, history, seen = line()
    assert model.weight.item() == pytest.approx(3, abs=0.05)
    assert [record["epoch"] for record in history] == [25, 50, 60]
    assert [record["step"] for record in history] == [75, 150, 180]
    assert history[-1]["half"] == pytest.approx(history[-1]["loss"] / 2)
    assert [step.number for step in seen] == list(range(180))
    for epoch in range(60):  # each item once an epoch, in another order
        assert sorted(np.concatenate([step.items for step in seen if step.epoch == epoch])) == list(range(10))
    assert list(seen[0].items) != list(seen[3].items)


def test_selection_keeps_the_best_or_the_last():
    schedules = {"learning_rate": 3.0, "schedule": "constant", "epochs": 9, "validate_every": 1}
    best, history, _ = line(**schedules, selection="best")
    error = off(best)
    assert error == pytest.approx(min(record["validation"] for record in history), rel=1e-5)
    last, history, _ = line(**schedules, selection="last")
    error = off(last)
    assert error == pytest.approx(history[-1]["validation"], rel=1e-5)


def test_averaged_weights_are_lent_only():
    model = torch.nn.Linear(2, 2)
    own = model.weight.detach().clone()
    with averaged_weights(model, {"weight": torch.ones(2, 2)}):
        assert model.weight.eq(1).all() and not model.training
    assert torch.equal(model.weight, own) and model.training


def test_a_loss_that_is_not_finite_stops_the_training(encoder):
    with pytest.raises(FloatingPointError, match=r"said: .* step \d+ .*learning rate"):
        train(encoder, learning_rate=1e30, gradient_clip=None)


def test_wrong_loop_settings_are_named():
    for key, value in (("schedule", "linear"), ("selection", "worst"), ("epochs", 0)):
        with pytest.raises(ValueError, match=key):
            FitSettings(**{"epochs": 1, "batch_size": 1, "learning_rate": 0.1, key: value})
