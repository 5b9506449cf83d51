"""Training of the feature extractor (Section 11)."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Literal, cast

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor, nn

from said.extractor import CHANNELS, LATENT, WINDOW, BlendshapeVAE, edge_padded
from said.files.fingerprint import digest
from said.running.shapes import shaped
from said.settings import Settings
from said.training.course import FitSettings, Step
from said.training.loop import fit, preserved_generators
from said.training.run import Run


@dataclass(frozen=True)
class ExtractorSettings(Settings):
    """The section `extractor` of config.yaml."""

    epochs: int = 100000
    warmup_epochs: int = 5000
    batch_size: int = 8
    learning_rate: float = 1e-4
    schedule: Literal["constant", "cosine"] = "constant"
    weight_decay: float = 0.01
    gradient_clip: float | None = None
    ema_decay: float = 0.99
    ema_warmup: bool = True
    velocity_weight: float = 1.0
    beta: float = 1.0
    beta_cycles: int = 4
    validate_every: int = 200


@shaped
def extractor_losses(
    vae: BlendshapeVAE,
    windows: Float[Tensor, "B 120 32"],
    std: Float[Tensor, "32"],
    latent_noise: Float[Tensor, "B 64"],
) -> dict[str, Float[Tensor, ""]]:
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
@shaped
def start_at_mean(vae: BlendshapeVAE, mean: Float[Tensor, "32"]) -> None:
    """Let a fresh decoder begin near the mean coefficients (32,).

    Coefficients are small and the decoder ends in a ReLU: from a random start the first steps push most of its outputs
    below zero, where no gradient brings them back.
    """
    last = cast(nn.Conv1d, vae.decoder.conv_layers[7])
    last.weight.mul_(0.1)
    assert last.bias is not None
    last.bias.copy_(torch.atanh(mean.clamp(0.01, 0.9)))


def train_extractor(
    train: Sequence[NDArray],
    validation: Sequence[NDArray],
    std: NDArray,
    settings: ExtractorSettings | Mapping,
    seed: int,
    *,
    names: Sequence[str] | None = None,
    run: Run = Run("extractor"),
) -> tuple[BlendshapeVAE, list[dict]]:
    """Train the feature extractor (Section 11) on random windows, one per clip and epoch.

    Args:
        train, validation: clips, each (N, 32) coefficients.
        std: (32,) standard deviation of each coefficient over the training set.
        settings: of the training, or a mapping of them.
        seed: decides weights, windows and noise.
        names: of the training clips, for error messages; by default their numbers.
        run: under which name, where, and what it leaves beside the weights.

    Returns:
        the averaged weights of the epoch with the lowest validation loss, in evaluation mode; and the history.
    """
    settings = ExtractorSettings.of(settings)
    compute, clips = run.compute, [edge_padded(clip) for clip in train]
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
        beta = cyclical_beta(step.progress, settings.beta_cycles, settings.beta)
        return _total(terms, settings, beta), terms

    def validate() -> float:
        noise = torch.zeros(len(held_out), LATENT, device=compute.device)
        return float(_total(extractor_losses(vae, held_out, scale, noise), settings, settings.beta))

    identity = {"extractor": asdict(settings), "clips": digest(dict(enumerate(clips)))}
    with compute.arithmetic():
        history = fit(
            vae,
            objective,
            validate,
            items=list(map(str, range(len(clips)))) if names is None else names,
            settings=FitSettings.of(asdict(settings)),
            seed=seed,
            journal=run.journal(identity),
        )
    return vae.eval(), history


def _total(terms: dict[str, Tensor], settings: ExtractorSettings, beta: float) -> Tensor:
    return terms["reconstruction"] + settings.velocity_weight * terms["velocity"] + beta * terms["kl"]
