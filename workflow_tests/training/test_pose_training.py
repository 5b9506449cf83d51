"""Trainings of the head pose models: what is known is learnt, and a training that was cut off goes on as it was."""

import numpy as np
import pytest
import torch
from toy_clips import Cut, same_bytes, silent

from said.headpose.sampling import PoseModels, PoseSampling, sample_directions
from said.headpose.spoken import SpokenPoses
from said.training.checkpoint import Checkpoint
from said.training.pose_generator import GeneratorSettings, train_pose_generator
from said.training.pose_vq import PoseVQSettings, train_pose_vq
from said.training.run import Run

FRAMES = 24
VQ = {
    "components": 2, "codes": 8, "code_width": 4, "width": 16, "heads": 2, "feed_forward": 32, "layers": 1,
    "learning_rate": 1e-2, "schedule": "cosine", "batch_size": 8, "epochs": 3, "validate_every": 2,
}  # fmt: skip
GENERATOR = {
    "rhythm_input": "mel", "rhythm_channels": 8, "rhythm_width": 8, "fusion_width": 16, "width": 16, "heads": 2,
    "feed_forward": 32, "layers": 1, "learning_rate": 1e-2, "schedule": "cosine", "batch_size": 8, "epochs": 3,
    "validate_every": 2, "period": 3,
}  # fmt: skip


def spoken(count, seed):
    """Heads that nod as loud as the speech is: in the mel bands, and nowhere else."""
    rng = np.random.default_rng(seed)
    loud = np.zeros((count, FRAMES))
    for clip, start in ((clip, start) for clip in range(count) for start in (2, 10, 18)):
        loud[clip, start + rng.integers(0, 4)] = rng.choice([0.5, 1.0])
    loud = np.stack([np.convolve(row, np.hanning(7)[1:-1], "same") for row in loud])
    pitch, zero, one = 0.2 * loud, np.zeros_like(loud), np.ones_like(loud)
    directions = np.stack([zero, -pitch, one, zero, one, pitch], axis=-1)
    mel = loud[..., None] * np.linspace(0.5, 1.5, 40) + 0.05 * rng.normal(size=(count, FRAMES, 40))
    semantic = rng.normal(size=(count, FRAMES, 10))
    return SpokenPoses(
        [f"clip{number}" for number in range(count)],
        np.arange(count) % 2,
        directions.astype(np.float32),
        semantic.astype(np.float16),
        mel.astype(np.float32),
    )


TRAIN, HELD_OUT = spoken(32, 0), spoken(8, 1)


def train_vq(checkpoint=None, **settings):
    return train_pose_vq(
        TRAIN.directions, HELD_OUT.directions, {**VQ, **settings}, 0, clips=TRAIN.clips,
        run=Run("vq", checkpoint=checkpoint, report=silent),
    )  # fmt: skip


def train_generator(vq, checkpoint=None, **settings):
    return train_pose_generator(
        TRAIN, HELD_OUT, {**GENERATOR, **settings}, 0, vq=vq, run=Run("generator", checkpoint=checkpoint, report=silent)
    )


@pytest.fixture(scope="module")
def vq():
    return train_vq(epochs=60)


def test_the_published_settings_are_the_defaults():
    first, second = PoseVQSettings.of({}), GeneratorSettings.of({})
    assert (first.epochs, first.batch_size, first.learning_rate, first.selection) == (200, 32, 1e-4, "last")
    assert (second.epochs, second.batch_size, second.learning_rate, second.rhythm_input) == (200, 16, 1e-4, "waveform")
    with pytest.raises(ValueError, match="rhythm_input must be one of waveform, mel"):
        GeneratorSettings.of({"rhythm_input": "spectrum"})
    with pytest.raises(ValueError, match="no whole number of blocks of 5"):
        PoseVQSettings.of({"block": 5}).config(24)


def test_codes_of_a_motion_give_it_back(vq):
    model, history = vq
    directions = torch.from_numpy(HELD_OUT.directions)
    made = model.decode(model.encode(directions))
    assert (made - directions)[..., 1].std() < 0.35 * directions[..., 1].std()
    assert history[-1]["loss"] < 0.5 * history[0]["loss"]
    assert 1 <= history[-1]["perplexity"] <= 8


def follows(vq, generator) -> float:
    """Correlation of the mean of four samples with the truth, over the pitch of all clips held out."""
    models, made = PoseModels(vq, generator), []
    for clip in range(len(HELD_OUT.clips)):
        window = (torch.from_numpy(HELD_OUT.semantic[clip]).float(), torch.from_numpy(HELD_OUT.heard[clip]))
        made.append(sample_directions(models, [window], FRAMES, None, clip, PoseSampling(samples=4)).mean(0))
    return np.corrcoef(np.stack(made)[..., 5].ravel(), HELD_OUT.directions[..., 5].ravel())[0, 1]


def test_a_head_nods_where_the_speech_is_loud(vq):
    model, history = train_generator(vq[0], epochs=40)
    assert history[-1]["loss"] < 0.5 * history[0]["loss"]
    deaf, _ = train_generator(vq[0], epochs=20, rhythm=False)
    assert follows(vq[0], model) > 0.8 and follows(vq[0], deaf) < 0.5


def test_without_codes_motion_is_learnt_as_it_is(vq):
    model, _ = train_generator(vq[0], epochs=50, quantised=False)
    assert follows(vq[0], model) > 0.6


@pytest.mark.parametrize("kind", ["vq", "generator", "rhythm_only"])
def test_a_training_that_was_cut_off_ends_in_the_same_bytes(tmp_path, vq, kind):
    def train(checkpoint=None):
        if kind == "vq":
            return train_vq(checkpoint, least_use=0.5)
        return train_generator(vq[0], checkpoint, dropout=0.2, semantic=kind == "generator")

    whole, history = train()
    path = tmp_path / "checkpoint.safetensors"
    with pytest.raises(InterruptedError), Cut(path, 5) as checkpoint:
        train(checkpoint)
    with Checkpoint(path) as checkpoint:
        resumed, again = train(checkpoint)
    assert same_bytes(whole, resumed)
    assert [record["loss"] for record in history] == [record["loss"] for record in again]
    assert not list(tmp_path.glob("*.safetensors*"))


def test_validation_needs_a_speaker_who_is_known(vq):
    unknown = SpokenPoses(HELD_OUT.clips, np.full(8, -1), HELD_OUT.directions, HELD_OUT.semantic, HELD_OUT.heard)
    with pytest.raises(ValueError, match="no validation clip is of a training speaker"):
        train_pose_generator(TRAIN, unknown, GENERATOR, 0, vq=vq[0])
