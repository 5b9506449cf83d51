"""The feature extractor of FD, WInD and multimodality (Section 11, Figure 7): a VAE on 120-frame windows."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from said.arkit import SPEECH_BLENDSHAPES
from said.checkpoint import Checkpoint, digest
from said.compute import Compute
from said.files.models import load_model, load_published, save_model
from said.io import PathLike, write_state_dict
from said.loop import FitSettings, Step, fit, preserved_generators

CHANNELS = len(SPEECH_BLENDSHAPES)
WINDOW = 120
"""Frames of a window."""
LATENT = 64
_FORMAT = "said-extractor"


class BlendshapeVAE(nn.Module):
    """Encoder and decoder adapted from Yoon et al. 2020; the latent mean is the feature."""

    def __init__(self):
        super().__init__()
        self.encoder = _Encoder()
        self.decoder = _Decoder()

    def encode(self, coefficients: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 120, 32) coefficients -> mean (B, 64) and logarithm of the variance (B, 64)."""
        if coefficients.shape[1:] != (WINDOW, CHANNELS):
            raise ValueError(f"expected windows (B, {WINDOW}, {CHANNELS}), got {tuple(coefficients.shape)}")
        return self.encoder(coefficients)

    def encode_sliding(self, coefficients: Tensor, stride: int = 1) -> Tensor:
        """Latent means of all windows of sequences, as `encode` gives them, at less than a fifth of its cost.

        The encoder's convolutions are unpadded, so that overlapping windows share their features: they are computed
        once per sequence. For evaluation mode, in which batch normalisation does not see the batch.

        Args:
            coefficients: (B, N, 32), N >= 120.
            stride: frames between the beginnings of windows.

        Returns:
            (B, W, 64), W = 1 + (N - 120) // stride.
        """
        if coefficients.ndim != 3 or coefficients.shape[2] != CHANNELS or coefficients.shape[1] < WINDOW:
            raise ValueError(f"expected sequences (B, N >= {WINDOW}, {CHANNELS}), got {tuple(coefficients.shape)}")
        return self.encoder.sliding_mean(coefficients, stride)

    def decode(self, latent: Tensor) -> Tensor:
        """(B, 64) -> (B, 120, 32) coefficients in [0, 1)."""
        return self.decoder(latent)


class _Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv_layers = nn.Sequential(
            nn.Conv1d(CHANNELS, 32, 3),
            nn.BatchNorm1d(32),
            nn.LeakyReLU(0.2),
            nn.Conv1d(32, 64, 3),
            nn.BatchNorm1d(64),
            nn.LeakyReLU(0.2),
            nn.Conv1d(64, 64, 4, stride=2),
            nn.BatchNorm1d(64),
            nn.LeakyReLU(0.2),
            nn.Conv1d(64, 32, 3),
            nn.Flatten(),
        )
        self.fc_layers = nn.Sequential(
            nn.Linear(32 * 55, 256),
            nn.BatchNorm1d(256),
            nn.LeakyReLU(),
            nn.Linear(256, 128),
            nn.BatchNorm1d(128),
            nn.LeakyReLU(),
            nn.Linear(128, LATENT),
        )
        self.fc_mu = nn.Linear(LATENT, LATENT)
        self.fc_logvar = nn.Linear(LATENT, LATENT)

    def forward(self, coefficients: Tensor) -> tuple[Tensor, Tensor]:
        hidden = self.conv_layers(coefficients.transpose(1, 2))  # (B, 32, 120) -> (B, 32 * 55)
        hidden = self.fc_layers(hidden)
        return self.fc_mu(hidden), self.fc_logvar(hidden)

    def sliding_mean(self, sequences: Tensor, stride: int) -> Tensor:
        before, halving, between, last = (self.conv_layers[part] for part in (slice(6), 6, slice(7, 9), 9))
        hidden = before(sequences.transpose(1, 2))  # (B, 64, N - 4)
        # Windows begin on even and on odd frames: the halved rate is kept at full rate, and read at every second place.
        hidden = between(functional.conv1d(hidden, halving.weight, halving.bias))  # (B, 64, N - 7)
        hidden = functional.conv1d(hidden, last.weight, last.bias, dilation=2)  # (B, 32, N - 11)
        places = hidden.unfold(2, 2 * 55 - 1, stride)[..., ::2]  # (B, 32, W, 55)
        batch, _, count, _ = places.shape
        features = self.fc_layers(places.transpose(1, 2).reshape(batch * count, -1))
        return self.fc_mu(features).view(batch, count, LATENT)


class _Decoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc_layers = nn.Sequential(
            nn.Linear(LATENT, 2 * WINDOW),
            nn.BatchNorm1d(2 * WINDOW),
            nn.LeakyReLU(),
            nn.Linear(2 * WINDOW, 4 * WINDOW),
            nn.Unflatten(1, (4, WINDOW)),
        )
        self.conv_layers = nn.Sequential(
            nn.ConvTranspose1d(4, 32, 3),
            nn.BatchNorm1d(32),
            nn.LeakyReLU(0.2),
            nn.ConvTranspose1d(32, 32, 3),
            nn.BatchNorm1d(32),
            nn.LeakyReLU(0.2),
            nn.Conv1d(32, 32, 3),
            nn.Conv1d(32, CHANNELS, 3),
            nn.ReLU(),
            nn.Tanh(),
        )

    def forward(self, latent: Tensor) -> Tensor:
        return self.conv_layers(self.fc_layers(latent)).transpose(1, 2)


def load_official(path: PathLike) -> BlendshapeVAE:
    """Read the authors' vae.pth, in evaluation mode; pickled code in it is not run.

    Raises:
        ValueError: lists every missing, unexpected and misshapen key.
    """
    return load_published(path, lambda _: BlendshapeVAE())


def export_official(path: PathLike, vae: BlendshapeVAE) -> None:
    """Write the extractor as the authors' vae.pth, for their evaluation."""
    write_state_dict(path, vae.state_dict())


def save(path: PathLike, vae: BlendshapeVAE) -> None:
    """The weights as safetensors."""
    save_model(path, vae, _FORMAT)


def load(path: PathLike) -> BlendshapeVAE:
    """Read what `save` wrote, in evaluation mode.

    Raises:
        ValueError: the file is no such extractor.
    """
    return load_model(path, _FORMAT, "a feature extractor", lambda _: BlendshapeVAE())


def extractor_losses(vae: BlendshapeVAE, windows: Tensor, std: Tensor, latent_noise: Tensor) -> dict[str, Tensor]:
    """The terms of the extractor's loss (Section 11), averaged over the batch and per entry of a window.

    Args:
        windows: (B, 120, 32) coefficients.
        std: (32,) each coefficient's standard deviation over the training set.
        latent_noise: (B, 64) standard normal; zero reconstructs from the mean.

    Returns:
        reconstruction: squared error divided by std^2; velocity: the same on first differences; kl: divergence of the
        posterior from the standard normal.
    """
    mean, log_variance = vae.encode(windows)
    error = (vae.decode(mean + (0.5 * log_variance).exp() * latent_noise) - windows) / std
    divergence = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(-1)
    return {
        "reconstruction": error.square().mean(),
        "velocity": error.diff(dim=1).square().mean(),
        "kl": divergence.mean() / (WINDOW * CHANNELS),
    }


def cyclical_beta(progress: float, cycles: int, largest: float) -> float:
    """Weight of the KL term (Fu et al. 2019): in each cycle it rises linearly for half of it, then stays.

    Args:
        progress: share of the training done, in [0, 1].
    """
    within = (progress * cycles) % 1.0 if progress < 1 else 1.0
    return largest * min(1.0, 2 * within)


@torch.no_grad()
def start_at_mean(vae: BlendshapeVAE, mean: Tensor) -> None:
    """Let a fresh decoder begin near the mean coefficients (32,).

    Coefficients are small and the decoder ends in a ReLU: from a random start the first steps push most of its outputs
    below zero, where no gradient brings them back.
    """
    last = vae.decoder.conv_layers[7]
    last.weight.mul_(0.1)
    last.bias.copy_(torch.atanh(mean.clamp(0.01, 0.9)))


def train_extractor(
    train: Sequence[NDArray],
    validation: Sequence[NDArray],
    std: NDArray,
    settings: dict,
    seed: int,
    *,
    names: Sequence[str] | None = None,
    compute: Compute = Compute(),  # noqa: B008, it is immutable
    checkpoint: Checkpoint | None = None,
    events: Path | None = None,
    report: Callable[[str], None] = print,
) -> tuple[BlendshapeVAE, list[dict]]:
    """Train the feature extractor (Section 11) on random windows, one per clip and epoch.

    Args:
        train, validation: clips, each (N, 32) coefficients.
        std: (32,) standard deviation of each coefficient over the training set.
        settings: the section `extractor` of config.yaml.
        seed: decides weights, windows and noise.
        names: of the training clips, for error messages; by default their numbers.
        compute: device and arithmetic.
        checkpoint: keeps the state while training; a run that finds one goes on from there.
        events: TensorBoard file of the history.
        report: gets progress, a line at a time.

    Returns:
        the averaged weights of the epoch with the lowest validation loss, in evaluation mode; and the history.
    """
    clips = [edge_padded(clip) for clip in train]
    held_out = torch.from_numpy(np.stack([clip[:WINDOW] for clip in map(edge_padded, validation)])).to(compute.device)
    scale = torch.from_numpy(np.maximum(std, 1e-3).astype(np.float32)).to(compute.device)
    with preserved_generators(seed):
        vae = BlendshapeVAE().to(compute.device)
    start_at_mean(vae, torch.from_numpy(np.concatenate(clips).mean(0)).to(compute.device))

    def objective(step: Step) -> tuple[Tensor, dict[str, Tensor]]:
        windows = []
        for index in step.items:
            start = step.random.integers(len(clips[index]) - WINDOW + 1)
            windows.append(clips[index][start : start + WINDOW])
        batch = compute.move(torch.from_numpy(np.stack(windows)))
        noise = compute.move(torch.randn(len(batch), LATENT, generator=step.generator))
        with compute.autocast():
            terms = extractor_losses(vae, batch, scale, noise)
        beta = cyclical_beta(step.progress, settings["beta_cycles"], settings["beta"])
        return _total(terms, settings, beta), terms

    def validate() -> float:
        noise = torch.zeros(len(held_out), LATENT, device=compute.device)
        return float(_total(extractor_losses(vae, held_out, scale, noise), settings, settings["beta"]))

    with compute.arithmetic():
        history = fit(
            vae,
            objective,
            validate,
            items=list(map(str, range(len(clips)))) if names is None else names,
            settings=FitSettings.of(settings),
            seed=seed,
            name="extractor",
            identity={
                "extractor": settings,
                "precision": compute.precision,
                "clips": digest(dict(enumerate(clips))),
            },
            checkpoint=checkpoint,
            events=events,
            report=report,
        )
    return vae.eval(), history


def _total(terms: dict[str, Tensor], settings: dict, beta: float) -> Tensor:
    return terms["reconstruction"] + settings["velocity_weight"] * terms["velocity"] + beta * terms["kl"]


def edge_padded(clip: NDArray) -> NDArray[np.float32]:
    """A clip (N, 32) of at least one window: a shorter one holds its last frame."""
    clip = np.asarray(clip, dtype=np.float32)
    if clip.ndim != 2 or clip.shape[1] != CHANNELS or len(clip) == 0:
        raise ValueError(f"expected clips (N, {CHANNELS}), got {clip.shape}")
    return np.pad(clip, ((0, max(0, WINDOW - len(clip))), (0, 0)), mode="edge")
