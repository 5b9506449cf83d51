"""The feature extractor of FD, WInD and multimodality (Section 11, Figure 7): a VAE on 120-frame windows."""

from typing import cast

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from said.arkit import SPEECH_BLENDSHAPES
from said.files.models import load_model, load_published, save_model
from said.files.tensors import write_state_dict
from said.running.atomic import PathLike
from said.running.shapes import shaped

CHANNELS = len(SPEECH_BLENDSHAPES)
WINDOW = 120
"""Frames of a window."""
LATENT = 64
_FORMAT = "said-extractor"


class BlendshapeVAE(nn.Module):
    """An encoder and a decoder, adapted from Yoon et al. 2020; the mean of the latent is the feature."""

    def __init__(self):
        super().__init__()
        self.encoder = _Encoder()
        self.decoder = _Decoder()

    @shaped
    def encode(self, coefficients: Float[Tensor, "B 120 32"]) -> tuple[Float[Tensor, "B 64"], Float[Tensor, "B 64"]]:
        """(B, 120, 32) coefficients in [0, 1] -> mean (B, 64) and logarithm of the variance (B, 64) of the latent.

        Raises:
            ValueError: the windows have another shape.
        """
        if coefficients.shape[1:] != (WINDOW, CHANNELS):
            raise ValueError(f"expected windows (B, {WINDOW}, {CHANNELS}), got {tuple(coefficients.shape)}")
        return self.encoder(coefficients)

    def encode_sliding(self, coefficients: Tensor, stride: int = 1) -> Tensor:
        """Latent means of all windows of sequences, as `encode` gives them, at less than a fifth of its cost.

        The encoder's convolutions have no padding, so that overlapping windows share their features, which are computed
        once per sequence. For evaluation mode, in which batch normalisation does not depend on the batch.

        Args:
            coefficients: (B, N, 32), N >= 120.
            stride: frames from the beginning of a window to that of the next.

        Returns:
            (B, W, 64), W = 1 + (N - 120) // stride.

        Raises:
            ValueError: the sequences have another shape.
        """
        if coefficients.ndim != 3 or coefficients.shape[2] != CHANNELS or coefficients.shape[1] < WINDOW:
            raise ValueError(f"expected sequences (B, N >= {WINDOW}, {CHANNELS}), got {tuple(coefficients.shape)}")
        return self.encoder.sliding_mean(coefficients, stride)

    def decode(self, latent: Tensor) -> Tensor:
        """(B, 64) latents -> (B, 120, 32) coefficients in [0, 1)."""
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
        """(B, N, 32) -> (B, W, 64), see `BlendshapeVAE.encode_sliding`."""
        before, between = self.conv_layers[:6], self.conv_layers[7:9]
        halving, last = (cast(nn.Conv1d, self.conv_layers[place]) for place in (6, 9))
        hidden = before(sequences.transpose(1, 2))  # (B, 64, N - 4)
        # Windows begin at even and at odd frames: the strided layer runs at full rate, and every second value is read.
        hidden = between(functional.conv1d(hidden, halving.weight, halving.bias))  # (B, 64, N - 7)
        hidden = functional.conv1d(hidden, last.weight, last.bias, dilation=2)  # (B, 32, N - 11)
        windows = hidden.unfold(2, 2 * 55 - 1, stride)[..., ::2]  # (B, 32, W, 55)
        batch, _, count, _ = windows.shape
        features = self.fc_layers(windows.transpose(1, 2).reshape(batch * count, -1))
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
    """Write the weights as safetensors."""
    save_model(path, vae, _FORMAT)


def load(path: PathLike) -> BlendshapeVAE:
    """Read what `save` wrote, in evaluation mode.

    Raises:
        ValueError: the file holds no such extractor, or its keys or shapes are wrong.
    """
    return load_model(path, _FORMAT, "a feature extractor", lambda _: BlendshapeVAE())


def edge_padded(clip: NDArray) -> NDArray[np.float32]:
    """A clip (N, 32), whose last frame is repeated where it is shorter than a window.

    Raises:
        ValueError: it is empty, or has another shape.
    """
    clip = np.asarray(clip, dtype=np.float32)
    if clip.ndim != 2 or clip.shape[1] != CHANNELS or len(clip) == 0:
        raise ValueError(f"expected clips (N, {CHANNELS}), got {clip.shape}")
    return np.pad(clip, ((0, max(0, WINDOW - len(clip))), (0, 0)), mode="edge")
