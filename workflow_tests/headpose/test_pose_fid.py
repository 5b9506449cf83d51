"""The Frechet distance of head poses: its autoencoder as the source has it, what it tells apart, and its training."""

import numpy as np
import pytest
import torch
from torch import nn

from said.headpose import fid
from said.headpose.rotations import from_angles, relative_to_mean, to_directions
from said.training.pose_fid import train_pose_fid
from said.training.run import Run

QUIET = Run("pose FID", report=lambda line: None)
SETTINGS = {"epochs": 8, "batch_size": 32, "learning_rate": 2e-3, "schedule": "cosine", "validate_every": 4}


def poses(seed, count=40, scale=1.0):
    """Smooth heads: sums of a few slow waves."""
    rng = np.random.default_rng(seed)
    time = np.arange(200)[:, None] / 25
    return {
        f"{k:02d}": relative_to_mean(
            from_angles(
                scale
                * sum(
                    rng.normal(size=3) * np.array([2, 3, 1]) * np.sin(2 * np.pi * rng.uniform(0.2, 2) * time + phase)
                    for phase in rng.uniform(0, 6, 4)
                )
            )
        ).astype(np.float32)
        for k in range(count)
    }


@pytest.fixture(scope="module")
def trained():
    return train_pose_fid(poses(0, 24), poses(1, 6), SETTINGS, 3, run=QUIET)


def samples(clips):
    return {name: pose[None] for name, pose in clips.items()}


def test_the_encoder_has_the_layers_of_the_source():
    model = fid.PoseAutoencoder()
    kinds = [type(layer) for layer in model.encoder if not isinstance(layer, nn.LeakyReLU)]
    convolution, linear, normalisation = nn.Conv1d, nn.Linear, nn.BatchNorm1d
    assert kinds == [convolution] * 3 + [nn.Flatten] + [linear, normalisation, linear, normalisation, linear]
    lengths, hidden = [], torch.zeros(2, fid.CHANNELS, fid.WINDOW)
    for layer in model.encoder[:6]:
        hidden = layer(hidden)
        lengths += [hidden.shape[2]] * isinstance(layer, convolution)
    assert lengths == [50, 50, 25]
    mirrored = [type(layer) for layer in model.decoder if not isinstance(layer, nn.LeakyReLU)]
    expected = [linear, normalisation, linear, normalisation, linear, nn.Unflatten] + [nn.ConvTranspose1d] * 3
    assert mirrored == expected
    assert model.eval().decode(model.encode(torch.zeros(2, 50, 6))).shape == (2, 50, 6)


def test_windows_are_the_stretches_of_fifty_frames():
    pose = poses(0, 1)["00"]
    found = fid.windows(np.stack([pose, pose[::-1]]))
    assert found.shape == (32, 50, 6)
    np.testing.assert_allclose(found[3], to_directions(pose.astype(float))[30:80], atol=1e-6)
    np.testing.assert_allclose(found[16], to_directions(pose[::-1].astype(float))[:50], atol=1e-6)
    with pytest.raises(ValueError, match="49 frames are shorter than a window of 50"):
        fid.windows(np.zeros((1, 49, 3)))


def test_training_learns_more_than_the_mean(trained):
    model, history = trained
    held_out = np.concatenate([fid.windows(pose[None]) for pose in poses(1, 6).values()])
    offset = model.standardise(torch.from_numpy(held_out).float())
    of_the_mean = float(offset.abs().mean() + offset.diff(dim=1).abs().mean())  # .85; the training reaches .53
    assert history[-1]["validation"] < 0.75 * of_the_mean and not model.training


def test_training_repeats_itself():
    one, same, other = (
        train_pose_fid(poses(0, 6), poses(1, 2), SETTINGS | {"epochs": 1}, seed, run=QUIET)[0] for seed in (3, 3, 4)
    )
    weights = [model.state_dict()["encoder.0.weight"] for model in (one, same, other)]
    assert torch.equal(weights[0], weights[1]) and not torch.equal(weights[0], weights[2])


def test_the_distance_is_small_to_the_same_and_large_to_less_motion(trained):
    model, _ = trained
    real = poses(2)
    same, less, still = (
        fid.measure_fid(model, real, samples(other))
        for other in (poses(3), poses(3, scale=0.5), {name: 0 * pose for name, pose in real.items()})
    )
    assert fid.measure_fid(model, real, samples(real))["fid"] < 1e-6
    assert same["fid"] < less["fid"] / 5 and less["fid"] < still["fid"] / 2
    assert same["fid_interval"][0] <= same["fid"] <= same["fid_interval"][1]
    assert same["windows"] == 40 * 16 and not same["notes"]


def test_too_few_clips_are_said_to_be_doubtful(trained):
    one = poses(4, 2)
    assert (
        "rests on 32 real windows for 32 dimensions" in fid.measure_fid(trained[0], one, samples(one))["notes"]["fid"]
    )


def test_what_is_written_is_read(trained, tmp_path):
    model, _ = trained
    fid.save(tmp_path / "fid.safetensors", model)
    read = fid.load(tmp_path / "fid.safetensors")
    assert all(torch.equal(value, read.state_dict()[key]) for key, value in model.state_dict().items())
    pose = poses(5, 1)["00"][None]
    np.testing.assert_array_equal(fid.latents(read, pose), fid.latents(model, pose))


def test_no_clips_are_refused():
    with pytest.raises(ValueError, match="0 training and 6 validation clips"):
        train_pose_fid({}, poses(1, 6), SETTINGS, 0)
