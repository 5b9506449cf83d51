"""FaceFormer's training: it learns what is known, goes on from where it was, and takes the authors' steps."""

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

from said.baselines.faceformer import FaceFormer
from said.speech import normalise
from said.training import spoken_motion
from said.training.checkpoint import Checkpoint
from said.training.faceformer import FaceFormerSettings, fit_faceformer, train_faceformer
from said.training.run import Run

TINY = {
    "width": 16,
    "heads": 4,
    "feed_forward": 32,
    "learning_rate": 1e-2,
    "dropout": 0.0,
    "epochs": 12,
    "validate_every": 5,
}


def train(folder, settings, checkpoint=None, seed=0):
    clips, held_out = toy_corpus(folder)
    return train_faceformer(
        clips,
        held_out,
        {**TINY, **settings},
        seed,
        shared=toy_shared(),
        run=Run("faceformer", checkpoint=checkpoint, report=silent),
    )


def test_the_published_settings_are_the_defaults():
    settings = FaceFormerSettings()
    assert (settings.epochs, settings.batch_size, settings.learning_rate, settings.teach) == (101, 1, 1e-4, False)
    assert (settings.schedule, settings.selection, settings.gradient_clip) == ("constant", "last", None)


def test_a_mouth_opens_where_the_speech_is_loud(tmp_path):
    model, history = train(tmp_path, {"epochs": 20, "schedule": "cosine", "output_learning_rate": 1e-3})
    clip = toy_clip(tmp_path, "s2/new", None, 7, 90)
    motion = model.animate(normalise(torch.from_numpy(clip.waveform)), clip.template, [0, 1]).numpy()
    truth = clip.frames(30)[: motion.shape[1]] - clip.template
    for style in motion - clip.template:
        assert np.corrcoef(style.ravel(), truth[: len(style)].ravel())[0, 1] > 0.9
    assert history[-1]["loss"] < 0.5 * history[0]["loss"]


def test_a_training_that_was_cut_off_ends_in_the_same_bytes(tmp_path):
    settings = {"epochs": 3, "dropout": 0.1, "validate_every": 2}
    whole, history = train(tmp_path, settings)
    with pytest.raises(InterruptedError), Cut(tmp_path / "checkpoint.safetensors", writes=7) as checkpoint:
        train(tmp_path, settings, checkpoint)
    with Checkpoint(tmp_path / "checkpoint.safetensors") as checkpoint:
        resumed, again = train(tmp_path, settings, checkpoint)
    assert same_bytes(whole, resumed)
    assert [record["loss"] for record in history] == [record["loss"] for record in again]
    other, _ = train(tmp_path, settings, seed=1)
    assert not same_bytes(whole, other)


@pytest.mark.parametrize(("name", "teach"), [("ar", False), ("tf", True)])
def test_its_steps_are_the_authors(official, tmp_path, name, teach):
    golden = dict(np.load(official / "golden/faceformer_golden.npz").items())
    state = load_file(official / "golden/faceformer_weights.safetensors")
    model = without_dropout(FaceFormer.from_state_dict(state, quiet_config(str(golden["config_json"]))))
    convolutions = {key: value.clone() for key, value in model.state_dict().items() if ".feature_extractor." in key}
    clip = authors_clip(tmp_path, golden, golden["target"])
    settings = FaceFormerSettings(epochs=4, teach=teach, validate_every=1)
    _, history = fit_faceformer(model, [clip], [clip], settings, 0, run=Run("faceformer", report=silent))
    losses = [record["loss"] for record in history]
    torch.testing.assert_close(losses, golden[f"adam_losses_{name}"].tolist(), atol=1e-5, rtol=0)
    assert all(torch.equal(model.state_dict()[key], value) for key, value in convolutions.items())


def test_clips_without_a_style_are_refused(tmp_path):
    clips, held_out = toy_corpus(tmp_path)
    with pytest.raises(ValueError, match="style"):
        spoken_motion.require_clips(held_out, clips)
    with pytest.raises(ValueError, match="0 validation clips"):
        spoken_motion.require_clips(clips, [])
    assert spoken_motion.require_clips(clips, held_out) == 2
