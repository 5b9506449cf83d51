"""The feature extractor: the authors' weights and values, its loss, its training."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch

from said import extractor
from said.extractor import BlendshapeVAE
from said.training.extractor import ExtractorSettings, cyclical_beta, extractor_losses, train_extractor
from said.training.run import Run

SETTINGS = ExtractorSettings(
    epochs=12, warmup_epochs=1, learning_rate=0.002, schedule="cosine", ema_decay=0.9, beta_cycles=2, validate_every=4
)


def clips(count, frames=150, seed=0):
    """Two sinusoids of each clip's own phase, mixed differently into every blendshape."""
    rng = np.random.default_rng(seed)
    mix = np.abs(np.random.default_rng(99).normal(size=(2, 32)))
    time = np.arange(frames)[:, None] / 60
    phases = rng.uniform(0, 2 * np.pi, (count, 1, 2))
    return [((np.sin(2 * np.pi * time * [1.0, 2.3] + phase) + 1) @ mix * 0.05).astype(np.float32) for phase in phases]


@pytest.fixture(scope="module")
def authors(official):
    return extractor.load_official(official / "vae.pth")


@torch.no_grad()
@pytest.mark.parametrize(("precision", "largest"), [(torch.float64, 1e-5), (torch.float32, 1e-4)])
def test_the_extractor_is_the_authors(authors, official, precision, largest):
    """In double precision but for their rounding, and in single with room for that of any processor."""
    golden = {key: torch.from_numpy(value) for key, value in np.load(official / "golden/vae_golden.npz").items()}
    vae = copy.deepcopy(authors).to(precision)
    mean, log_variance = vae.encode(golden["x"].to(precision))
    decoded = vae.decode(golden["mean"].to(precision))
    for reached, name in ((mean, "mean"), (log_variance, "log_var"), (decoded, "reconst_from_mean")):
        torch.testing.assert_close(reached, golden[name], atol=largest, rtol=0, check_dtype=False)


def test_the_size_and_the_keys_are_the_published(official):
    lines = (official / "vae_keys.txt").read_text(encoding="utf-8").splitlines()
    published = {name: eval(shape) for name, shape in (line.split("\t") for line in lines)}
    vae = BlendshapeVAE()
    assert {name: tuple(value.shape) for name, value in vae.state_dict().items()} == published
    assert sum(parameter.numel() for parameter in vae.parameters()) == 674_928


def test_wrong_keys_are_listed(tmp_path):
    state = BlendshapeVAE().state_dict()
    state["encoder.fc_mu.bias"] = torch.zeros(3)
    state["head.weight"] = state.pop("encoder.fc_logvar.bias")
    torch.save(state, tmp_path / "vae.pth")
    with pytest.raises(ValueError) as raised:
        extractor.load_official(tmp_path / "vae.pth")
    for part in ("missing: encoder.fc_logvar.bias", "unexpected: head.weight", "wrong shape: encoder.fc_mu.bias"):
        assert part in str(raised.value)


def test_windows_of_other_shapes_are_refused():
    with pytest.raises(ValueError, match="120"):
        BlendshapeVAE().encode(torch.zeros(1, 119, 32))


def test_what_is_saved_is_read_back(tmp_path):
    vae = BlendshapeVAE()
    extractor.save(tmp_path / "vae.safetensors", vae)
    read = extractor.load(tmp_path / "vae.safetensors")
    assert not read.training
    assert all(torch.equal(value, read.state_dict()[name]) for name, value in vae.state_dict().items())


@torch.no_grad()
def test_the_loss_of_known_values():
    vae = BlendshapeVAE().eval()
    vae.encoder.fc_mu.weight.zero_(), vae.encoder.fc_logvar.weight.zero_()
    vae.encoder.fc_mu.bias.fill_(2.0), vae.encoder.fc_logvar.bias.fill_(0.0)
    vae.decoder.conv_layers[7].weight.zero_(), vae.decoder.conv_layers[7].bias.fill_(np.arctanh(0.5))
    windows = torch.full((3, 120, 32), 0.3)
    windows[:, 60:] = 0.4
    std = torch.full((32,), 0.1)
    losses = extractor_losses(vae, windows, std, torch.zeros(3, 64))
    assert losses["reconstruction"].item() == pytest.approx((2**2 + 1**2) / 2, rel=1e-5)
    assert losses["velocity"].item() == pytest.approx(1 / 119, rel=1e-4)
    assert losses["kl"].item() == pytest.approx(64 * 2 / (120 * 32), rel=1e-5)


def test_beta_rises_and_holds_in_each_cycle():
    assert cyclical_beta(0.0, 4, 2.0) == 0
    assert cyclical_beta(1 / 16, 4, 2.0) == pytest.approx(1.0)
    assert cyclical_beta(0.2, 4, 2.0) == 2.0
    assert cyclical_beta(0.25, 4, 2.0) == 0
    assert cyclical_beta(1.0, 4, 2.0) == 2.0


@pytest.fixture(scope="module")
def trained():
    train = clips(24)
    return train_extractor(
        train, clips(4, seed=1), np.concatenate(train).std(0), SETTINGS, 0, run=Run("extractor", report=lambda _: None)
    )


def test_training_learns(trained):
    vae, history = trained
    assert [record["epoch"] for record in history] == [4, 8, 12]
    assert history[-1]["validation"] < 0.7 * history[0]["loss"]
    assert {"loss", "reconstruction", "velocity", "kl", "learning_rate", "seconds", "step"} <= history[0].keys()
    assert not vae.training


def test_a_still_decoder_does_not_stay_at_zero(trained):
    vae, _ = trained
    with torch.no_grad():
        mean, _ = vae.encode(torch.from_numpy(np.stack([clip[:120] for clip in clips(4, seed=2)])))
        assert (vae.decode(mean).mean((0, 1)) > 0).float().mean() > 0.75


def test_the_same_seed_gives_the_same_weights(trained):
    train = clips(24)
    again, _ = train_extractor(
        train, clips(4, seed=1), np.concatenate(train).std(0), SETTINGS, 0, run=Run("extractor", report=lambda _: None)
    )
    assert all(torch.equal(value, again.state_dict()[name]) for name, value in trained[0].state_dict().items())


def test_clips_shorter_than_a_window_are_usable():
    short = clips(3, frames=40)
    settings = replace(SETTINGS, epochs=1)
    vae, _ = train_extractor(short, short, np.full(32, 0.1), settings, 0, run=Run("extractor", report=lambda _: None))
    assert all(torch.isfinite(value).all() for value in vae.state_dict().values())
