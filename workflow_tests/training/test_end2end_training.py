"""end2end_AU_speech's training: it learns what is known, goes on from where it was, and keeps the authors' schedule."""

import numpy as np
import pytest
import torch
from toy_clips import Cut, same_bytes, silent, toy_clip, toy_corpus, toy_shared

from said.compute import Compute
from said.training.checkpoint import Checkpoint
from said.training.course import Course
from said.training.end2end import (
    End2EndSettings,
    SpectrogramClips,
    build,
    clip_spectrograms,
    fit_settings,
    train_end2end,
)
from said.training.run import Run

TINY = {
    "width": 2,
    "hidden": 16,
    "output_start": "mean",
    "epochs": 3,
    "epoch_frames": None,
    "batch_size": 2,
    "learning_rate": 1e-2,
    "schedule": "cosine",
    "validate_every": 2,
}


def train(folder, checkpoint=None, **settings):
    clips, held_out = toy_corpus(folder)
    return train_end2end(
        clips,
        held_out,
        {**TINY, **settings},
        0,
        shared=toy_shared(),
        run=Run("end2end", checkpoint=checkpoint, report=silent),
    )


def test_the_published_settings_are_the_defaults():
    """15 million frames in all; the learning rate falls after 1, 3, 7, 15 and 31 times 50,000."""
    settings = fit_settings(End2EndSettings(), 84_000)
    assert settings.epochs == round(15_000_000 / 84_000)
    assert (settings.batch_size, settings.weight_decay, settings.betas) == (1, 1e-4, (0.9, 0.99958))
    course = Course([str(n) for n in range(320)], settings, 0)
    frames_of_a_step = 84_000 / 320
    for epoch, rate in (
        (0, 5e-3),
        (1, 2.5e-3),
        (2, 2.5e-3),
        (3, 1e-3),
        (7, 5e-4),
        (15, 2.5e-4),
        (31, 1e-4),
        (200, 1e-4),
    ):
        step = round((epoch + 0.5) * 50_000 / frames_of_a_step)
        assert settings.learning_rate * course.rate(step) == pytest.approx(rate)


def test_a_mouth_opens_where_the_speech_is_loud(tmp_path):
    model, history = train(tmp_path, epochs=40, dropout=0.0, sparsity=0.0)
    clip = toy_clip(tmp_path, "s2/new", None, 7, 90)
    with torch.no_grad():
        reached = model(torch.from_numpy(clip_spectrograms(clip))).numpy()
    assert np.corrcoef(reached[:, 17], clip.coefficients[:, 17])[0, 1] > 0.6
    assert history[-1]["loss"] < 0.5 * history[0]["loss"]


def test_a_training_that_was_cut_off_ends_in_the_same_bytes(tmp_path):
    settings = {"window": 40}  # of 60: which frames are seen is drawn as well
    whole, history = train(tmp_path, **settings)
    with pytest.raises(InterruptedError), Cut(tmp_path / "checkpoint.safetensors", 4) as checkpoint:
        train(tmp_path, checkpoint, **settings)
    with Checkpoint(tmp_path / "checkpoint.safetensors") as checkpoint:
        resumed, again = train(tmp_path, checkpoint, **settings)
    assert same_bytes(whole, resumed)
    assert [record["loss"] for record in history] == [record["loss"] for record in again]


def test_a_network_that_starts_at_the_mean_gives_it(tmp_path):
    clips, _ = toy_corpus(tmp_path)
    model = build(clips, End2EndSettings.of(TINY)).eval()
    mean = np.concatenate([clip.coefficients for clip in clips]).mean(0)
    with torch.no_grad():
        reached = model(torch.from_numpy(clip_spectrograms(clips[0]))).mean(0).numpy()
    assert reached[17] == pytest.approx(mean[17], abs=0.05)
    assert np.abs(reached - mean.clip(0.01)).max() < 0.05


def test_spectrograms_are_kept_in_half_precision(tmp_path):
    clips, _ = toy_corpus(tmp_path)
    kept = SpectrogramClips(clips, Compute())
    spectrogram, target = kept.cut(2, slice(10, 30))
    exact = clip_spectrograms(clips[2])[10:30]
    torch.testing.assert_close(spectrogram, torch.from_numpy(exact), atol=3e-4, rtol=0)
    assert np.array_equal(target, clips[2].coefficients[10:30])


def test_a_network_without_clips_is_refused(tmp_path):
    clips, _ = toy_corpus(tmp_path)
    with pytest.raises(ValueError, match="0 validation clips"):
        train_end2end(clips, [], TINY, 0, shared=toy_shared())
