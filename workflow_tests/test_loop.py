"""The training loop: what it does with a loss, and what survives an interruption."""

import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from test_training import ENCODER, same, train

from said import model as models
from said.io import read_tensors
from said.loop import FitSettings, averaged_weights, ema_decay, find_device, fit, learning_rate_factor
from said.speech import build_stand_in


@pytest.fixture(scope="module")
def encoder():
    torch.manual_seed(0)
    return build_stand_in(ENCODER).eval()


def test_learning_rate_warms_up_then_holds_or_falls():
    rates = [learning_rate_factor(step, 10, 100, "cosine") for step in range(100)]
    assert rates[0] == pytest.approx(1 / 11)
    assert rates[10] == 1
    assert rates[55] == pytest.approx(0.5)
    assert rates[99] < 1e-3
    assert all(a < b for a, b in zip(rates[:10], rates[1:11], strict=True))
    assert learning_rate_factor(99, 10, 100, "constant") == 1


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
    arguments = {"items": 10, "settings": settings, "seed": 0, "name": "line", "identity": {}, "report": lambda _: None}
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


# Interruption

SCRIPT = """
    import sys, time
    sys.path[:0] = [{scripts!r}, {tests!r}]
    import torch
    from test_training import ENCODER, train
    from said import model
    from said.speech import build_stand_in
    torch.manual_seed(0)
    encoder = build_stand_in(ENCODER).eval()
    def report(text):
        print(text, flush=True)
        time.sleep(0.05)
    trained, _ = train(encoder, epochs=12, mirror_persistent=True, checkpoint={checkpoint!r}, report=report)
    model.save({output!r}, trained)
"""


def run(folder: Path, kill_after: int | None = None) -> str:
    """Train in a process of its own; kill it once so many lines were reported."""
    tests = Path(__file__).parent
    script = textwrap.dedent(SCRIPT).format(
        scripts=str(tests.parent / "scripts"),
        tests=str(tests),
        checkpoint=str(folder / "checkpoint.safetensors"),
        output=str(folder / "model.safetensors"),
    )
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    lines = []
    for text in process.stdout:
        lines.append(text)
        if kill_after is not None and len(lines) == kill_after:
            time.sleep(0.06)
            process.send_signal(signal.SIGKILL)
    process.wait()
    assert (process.returncode == 0) == (kill_after is None), "".join(lines)
    return "".join(lines)


def test_a_killed_training_ends_as_if_it_had_not_been(encoder, tmp_path):
    run(tmp_path, kill_after=3)
    assert "continues after epoch" in run(tmp_path)
    assert not list(tmp_path.glob("checkpoint*")), "a finished training leaves no checkpoint behind"
    whole, _ = train(encoder, epochs=12, mirror_persistent=True)
    assert same(models.load(tmp_path / "model.safetensors"), whole)


def test_a_training_interrupted_often_ends_as_if_it_had_not_been(encoder, tmp_path):
    path = tmp_path / "checkpoint.safetensors"
    settings = {"epochs": 8, "dropout": 0.3, "encoder": "finetuned", "validate_every": 2}
    for _ in range(3):
        with pytest.raises(Stop):
            train(encoder, checkpoint=path, report=stop_after(2), **settings)
    assert same(train(encoder, checkpoint=path, **settings)[0], train(encoder, **settings)[0])


class Stop(Exception):
    pass


def stop_after(lines):
    said = []

    def report(text):
        said.append(text)
        if len(said) == lines:
            raise Stop

    return report


@pytest.fixture
def interrupted(encoder, tmp_path):
    path = tmp_path / "checkpoint.safetensors"
    with pytest.raises(Stop):
        train(encoder, checkpoint=path, report=stop_after(3))
    return path


def test_a_checkpoint_of_other_settings_is_named_and_not_continued(encoder, interrupted):
    said = []
    model, _ = train(encoder, checkpoint=interrupted, report=said.append, learning_rate=1e-3, loss="l2")
    assert any("said.learning_rate, said.loss" in text and "starts anew" in text for text in said)
    assert same(model, train(encoder, learning_rate=1e-3, loss="l2")[0])


def test_a_damaged_checkpoint_gives_way_to_the_one_before(encoder, interrupted):
    interrupted.write_bytes(interrupted.read_bytes()[:5000])
    said = []
    model, _ = train(encoder, checkpoint=interrupted, report=said.append)
    assert any("damaged" in text for text in said)
    assert any("continues after epoch 1 of 4" in text for text in said)
    assert same(model, train(encoder)[0])


def test_a_checkpoint_holds_no_pickle(interrupted):
    tensors, metadata = read_tensors(interrupted)
    assert metadata["step"] == 4 and len(metadata["history"]) == 2
    assert {"model", "average", "best", "optimizer", "extra"} == {key.split("/")[0] for key in tensors}
