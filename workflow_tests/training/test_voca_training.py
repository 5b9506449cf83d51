"""VOCA's training: it learns what is known, goes on from where it was, and starts from how the faces move."""

import numpy as np
import pytest
import torch
from toy_clips import JAW, VERTICES, Cut, same_bytes, silent, toy_clip, toy_corpus, toy_shared

from said.baselines.hearing import Components, encoder_states
from said.training.checkpoint import Checkpoint
from said.training.run import Run
from said.training.voca import VocaSettings, principal_components, train_voca

TINY = {"hearing": "speech_encoder", "components": 4, "batch_size": 32, "learning_rate": 3e-3, "validate_every": 1}


def train(folder, settings, checkpoint=None, seed=0):
    clips, held_out = toy_corpus(folder)
    settings = {**TINY, "epochs": 2, **settings}
    return train_voca(
        clips, held_out, settings, seed, shared=toy_shared(), run=Run("voca", checkpoint=checkpoint, report=silent)
    )


def test_the_published_settings_are_the_defaults():
    settings = VocaSettings()
    assert (settings.epochs, settings.batch_size, settings.learning_rate, settings.components) == (40, 64, 1e-4, 50)
    assert (settings.hearing, settings.velocity_weight, settings.schedule) == ("deepspeech", 10.0, "constant")


def test_a_mouth_opens_where_the_speech_is_loud(tmp_path):
    model, history = train(tmp_path, {"epochs": 25, "schedule": "cosine"})
    clip = toy_clip(tmp_path, "s2/new", None, 7, 90)
    motion = model.network.animate(model.hear(clip.waveform, clip.rate), clip.template, [0, 1]).numpy() - clip.template
    truth = clip.frames() - clip.template
    for style in motion:
        assert np.corrcoef(style.ravel(), truth[: len(style)].ravel())[0, 1] > 0.9
    assert history[-1]["loss"] < 0.2 * history[0]["loss"]
    assert {"position", "velocity"} <= history[-1].keys()


def test_a_training_that_was_cut_off_ends_in_the_same_bytes(tmp_path):
    whole, history = train(tmp_path, {})
    with pytest.raises(InterruptedError), Cut(tmp_path / "checkpoint.safetensors", writes=9) as checkpoint:
        train(tmp_path, {}, checkpoint)
    with Checkpoint(tmp_path / "checkpoint.safetensors") as checkpoint:
        resumed, again = train(tmp_path, {}, checkpoint)
    assert same_bytes(whole, resumed)
    assert [record["loss"] for record in history] == [record["loss"] for record in again]
    assert not same_bytes(whole, train(tmp_path, {}, seed=1)[0])


def test_the_basis_is_how_the_faces_move(tmp_path):
    clips, _ = toy_corpus(tmp_path, clips=3)
    basis = principal_components(clips, 2)
    offsets = np.concatenate([clip.offsets().reshape(-1, 3 * VERTICES) for clip in clips])
    axis, strength = JAW.ravel() / np.linalg.norm(JAW), np.sqrt(np.square(offsets).sum(1).mean())
    np.testing.assert_allclose(np.abs(basis[:, 0] @ axis), strength, rtol=1e-4)
    assert np.linalg.norm(basis[:, 1]) < 1e-3 * strength  # they move in one way only
    with pytest.raises(ValueError, match=r"180 frames have no 181 .*baselines\.voca\.components"):
        principal_components(clips, 181)


def test_the_stand_in_hears_the_strongest_components(tmp_path):
    clips, _ = toy_corpus(tmp_path, clips=3)
    states = [encoder_states(toy_shared().encoder, clip.waveform, clip.rate) for clip in clips]
    heard = torch.cat([Components.of(states)(one) for one in states]).double()
    assert heard.shape == (3 * 50, 29)
    torch.testing.assert_close(heard.mean(0), torch.zeros(29).double(), atol=1e-4, rtol=0)
    covariance = heard.T.cov(correction=0)
    torch.testing.assert_close(covariance.diagonal().mean(), torch.ones(()).double(), atol=1e-3, rtol=0)
    off = covariance - covariance.diagonal().diag()
    assert off.abs().max() < 1e-3 and (covariance.diagonal().diff() < 1e-4).all()
    with pytest.raises(ValueError, match="use a wider speech encoder"):
        Components(28)


def test_frames_beyond_the_shorter_of_speech_and_meshes_are_left_out(tmp_path):
    """A wav that ends early takes the frames after it out of the training, and no others."""
    clips, held_out = toy_corpus(tmp_path, clips=2)
    short = [type(clip)(**{**vars(clip), "waveform": clip.waveform[: clip.rate // 2]}) for clip in clips]
    steps = {}
    for name, some in {"whole": clips, "short": short}.items():
        settings = {**TINY, "epochs": 1, "batch_size": 30}
        _, history = train_voca(some, held_out, settings, 0, shared=toy_shared(), run=Run("voca", report=silent))
        steps[name] = history[-1]["step"]
    assert steps == {"whole": 4, "short": 2}  # of 30 pairs each
