"""CodeTalker's training: both stages learn what is known, go on from where they were, and take the authors' steps."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from toy_clips import (
    Cut,
    authors_clip,
    quiet_config,
    same_bytes,
    silent,
    toy_clip,
    toy_corpus,
    toy_shared,
    without_dropout,
)

from said.baselines.codetalker import CodeTalker
from said.baselines.motion_autoencoder import MotionAutoencoder
from said.speech import normalise
from said.training.checkpoint import Checkpoint
from said.training.codetalker import (
    AutoencoderSettings,
    CodeTalkerSettings,
    build_autoencoder,
    fit_autoencoder,
    fit_predictor,
    train_codetalker,
)
from said.training.run import Run

FIRST = {
    "width": 16,
    "heads": 2,
    "feed_forward": 24,
    "layers": 1,
    "codes": 16,
    "code_width": 4,
    "dropout": 0.0,
    "learning_rate": 3e-3,
    "epochs": 3,
    "schedule": "cosine",
    "validate_every": 2,
    "halve_every": None,
}
TINY = {
    "autoencoder": FIRST,
    "width": 16,
    "heads": 4,
    "feed_forward": 32,
    "layers": 1,
    "dropout": 0.0,
    "learning_rate": 1e-2,
    "epochs": 3,
    "schedule": "cosine",
    "validate_every": 2,
}


def train(folder, checkpoint=None, first=None, seed=0, **settings):
    clips, held_out = toy_corpus(folder)
    settings = {**TINY, **settings, "autoencoder": {**FIRST, **(first or {})}}
    return train_codetalker(
        clips,
        held_out,
        settings,
        seed,
        shared=toy_shared(),
        run=Run("codetalker", checkpoint=checkpoint, report=silent),
    )


def test_the_published_settings_are_the_defaults():
    settings = CodeTalkerSettings.of({})
    first = settings.autoencoder
    assert (first.epochs, first.learning_rate, first.weight_decay, first.halve_every) == (200, 1e-4, 0.01, 20)
    assert (settings.epochs, settings.learning_rate, settings.width, settings.layers) == (100, 1e-4, 1024, 6)
    with pytest.raises(ValueError, match="output_start must be one of random, zero"):
        CodeTalkerSettings.of({"autoencoder": {"output_start": "one"}})


def test_a_mouth_opens_where_the_speech_is_loud(tmp_path):
    model, history = train(tmp_path, first={"epochs": 40, "learning_rate": 1e-2}, epochs=15)
    clip = toy_clip(tmp_path, "s2/new", None, 7, 90)
    motion = model.animate(normalise(torch.from_numpy(clip.waveform)), clip.template, [0, 1]).numpy()
    truth = clip.frames(30)[: motion.shape[1]] - clip.template
    for style in motion - clip.template:
        assert np.corrcoef(style.ravel(), truth[: len(style)].ravel())[0, 1] > 0.8
    for stage in ("autoencoder", "predictor"):
        losses = [record["loss"] for record in history if record["stage"] == stage]
        assert losses[-1] < 0.6 * losses[0]
    seconds = [record["seconds"] for record in history]
    assert seconds == sorted(seconds)


@pytest.mark.parametrize("stage", ["autoencoder", "checkpoint"])  # the first, and the second
def test_a_training_that_was_cut_off_ends_in_the_same_bytes(tmp_path, stage):
    whole, history = train(tmp_path, dropout=0.1)
    path = tmp_path / "checkpoint.safetensors"
    with pytest.raises(InterruptedError), Cut(path, 5, stage) as checkpoint:
        train(tmp_path, checkpoint, dropout=0.1)
    with Checkpoint(path) as checkpoint:
        resumed, again = train(tmp_path, checkpoint, dropout=0.1)
    assert same_bytes(whole, resumed)
    assert [record["loss"] for record in history] == [record["loss"] for record in again]
    assert not list(tmp_path.glob("*.safetensors*"))


def test_an_autoencoder_that_starts_at_zero_does_not_move():
    torch.manual_seed(0)
    settings = AutoencoderSettings.of({**FIRST, "output_start": "zero"})
    autoencoder = build_autoencoder(5, settings).eval()
    assert not autoencoder(torch.randn(1, 4, 15))[0].any()


def test_the_steps_of_the_first_stage_are_the_authors(official, tmp_path):
    golden = dict(np.load(official / "golden/codetalker_golden.npz").items())
    state = load_file(official / "golden/codetalker_stage1_weights.safetensors")
    autoencoder = without_dropout(MotionAutoencoder.from_state_dict(state, heads=4))
    clip = authors_clip(tmp_path, golden, golden["vq_x1"])
    settings = AutoencoderSettings(epochs=4, validate_every=1)
    _, history = fit_autoencoder(autoencoder, [clip], [clip], settings, 0, run=Run("codetalker", report=silent))
    losses = [record["loss"] for record in history]
    torch.testing.assert_close(losses, golden["vq_adamw_losses"].tolist(), atol=2e-5, rtol=0)


def test_the_learning_rate_of_the_first_stage_is_halved(tmp_path):
    _, history = train(tmp_path, first={"epochs": 5, "halve_every": 2, "schedule": "constant", "validate_every": 1})
    rates = [record["learning_rate"] for record in history if record["stage"] == "autoencoder"]
    assert rates == pytest.approx([3e-3, 3e-3, 1.5e-3, 1.5e-3, 0.75e-3])


def test_the_steps_of_the_second_stage_are_the_authors_and_leave_the_first_alone(official, tmp_path):
    golden = dict(np.load(official / "golden/codetalker_golden.npz").items())
    parts = [load_file(official / f"golden/codetalker_stage{stage}_weights.safetensors") for stage in (1, 2)]
    model = without_dropout(CodeTalker.from_state_dicts(*parts, quiet_config(str(golden["config_json"])), vq_heads=4))
    before = {key: value.clone() for key, value in model.autoencoder.state_dict().items()}
    clip = authors_clip(tmp_path, golden, golden["vq_x1"])
    settings = CodeTalkerSettings(epochs=4, validate_every=1)
    _, history = fit_predictor(model, [clip], [clip], settings, 0, run=Run("codetalker", report=silent))
    losses = [record["loss"] for record in history]
    torch.testing.assert_close(losses, golden["adam_losses"].tolist(), atol=1e-4, rtol=0)
    assert all(torch.equal(model.autoencoder.state_dict()[key], value) for key, value in before.items())
