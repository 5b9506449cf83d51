"""The Frechet distance of head poses: the source's autoencoder (Section 3.2), and the distance of its latents.

It sees how poses are distributed, neither what was said to them nor a little jitter.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor, nn

from said.files.models import load_model, save_model
from said.headpose.rotations import to_directions
from said.intervals import Moments, jackknife_interval
from said.metrics import frechet_distance
from said.reasons import NoValueError
from said.running.atomic import PathLike
from said.running.shapes import shaped

WINDOW, STRIDE = 50, 10
"""Frames of a window, and from one to the next."""
CHANNELS, LATENT = 6, 32
_FORMAT = "said-pose-autoencoder"
_SLOPE = 0.2


class PoseAutoencoder(nn.Module):
    """Windows of direction vectors in 32 numbers and back.

    As the source has it, the encoder is three Conv1d, of which the last halves the time, and three linear layers with
    two batch normalisations between them; the decoder is its mirror. Widths and strides are those of Yoon et al. 2020.

    Args:
        mean, std: (6,) of each direction over the training clips; windows are standardised.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Sequence[float] = (0.0,) * CHANNELS, std: Sequence[float] = (1.0,) * CHANNELS):
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32))
        self.register_buffer("std", torch.tensor(std, dtype=torch.float32))
        flat = 64 * WINDOW // 2
        self.encoder = nn.Sequential(
            nn.Conv1d(CHANNELS, 32, 3, padding=1),
            nn.LeakyReLU(_SLOPE),
            nn.Conv1d(32, 64, 3, padding=1),
            nn.LeakyReLU(_SLOPE),
            nn.Conv1d(64, 64, 4, stride=2, padding=1),
            nn.LeakyReLU(_SLOPE),
            nn.Flatten(),
            nn.Linear(flat, 256),
            nn.BatchNorm1d(256),
            nn.LeakyReLU(_SLOPE),
            nn.Linear(256, 128),
            nn.BatchNorm1d(128),
            nn.LeakyReLU(_SLOPE),
            nn.Linear(128, LATENT),
        )
        self.decoder = nn.Sequential(
            nn.Linear(LATENT, 128),
            nn.BatchNorm1d(128),
            nn.LeakyReLU(_SLOPE),
            nn.Linear(128, 256),
            nn.BatchNorm1d(256),
            nn.LeakyReLU(_SLOPE),
            nn.Linear(256, flat),
            nn.Unflatten(1, (64, WINDOW // 2)),
            nn.ConvTranspose1d(64, 64, 4, stride=2, padding=1),
            nn.LeakyReLU(_SLOPE),
            nn.ConvTranspose1d(64, 32, 3, padding=1),
            nn.LeakyReLU(_SLOPE),
            nn.ConvTranspose1d(32, CHANNELS, 3, padding=1),
        )

    @shaped
    def encode(self, directions: Float[Tensor, "B 50 6"]) -> Float[Tensor, "B 32"]:
        """Latents of windows of direction vectors (B, 50, 6), see `said.headpose.rotations.to_directions`."""
        return self.encoder(self.standardise(directions).transpose(1, 2))

    def decode(self, latent: Tensor) -> Tensor:
        """(B, 32) latents -> (B, 50, 6) standardised directions."""
        return self.decoder(latent).transpose(1, 2)

    def standardise(self, directions: Tensor) -> Tensor:
        """Directions (..., 6) in units of their deviation."""
        return (directions - self.mean) / self.std


def save(path: PathLike, model: PoseAutoencoder) -> None:
    """Write the weights as safetensors."""
    save_model(path, model, _FORMAT)


def load(path: PathLike) -> PoseAutoencoder:
    """Read what `save` wrote, in evaluation mode.

    Raises:
        ValueError: the file holds no such autoencoder, or its tensors do not fit.
    """
    return load_model(path, _FORMAT, "an autoencoder of head poses", lambda _: PoseAutoencoder())


def windows(poses: NDArray, stride: int = STRIDE) -> NDArray[np.float32]:
    """All windows (W, 50, 6) of direction vectors of the samples (S, N, 3), rotation vectors, of a clip.

    Raises:
        ValueError: the samples are shorter than a window.
    """
    if poses.shape[1] < WINDOW:
        raise ValueError(f"poses of {poses.shape[1]} frames are shorter than a window of {WINDOW}")
    directions = to_directions(np.asarray(poses, np.float64)).astype(np.float32)
    sliding = np.lib.stride_tricks.sliding_window_view(directions, WINDOW, axis=1)[:, ::stride]
    return np.ascontiguousarray(sliding.transpose(0, 1, 3, 2)).reshape(-1, WINDOW, CHANNELS)


@torch.no_grad()
def latents(model: PoseAutoencoder, poses: NDArray) -> NDArray[np.float32]:
    """(W, 32) latents of all windows of the samples (S, N, 3) of a clip; the model is in evaluation mode."""
    device = next(model.parameters()).device
    return model.encode(torch.from_numpy(windows(poses)).to(device)).cpu().numpy()


def measure_fid(model: PoseAutoencoder, real: Mapping[str, NDArray], generated: Mapping[str, NDArray]) -> dict:
    """The distance of a method's poses from the true ones, in the autoencoder's latents.

    Args:
        model: in evaluation mode.
        real: clip -> (200, 3) rotation vectors.
        generated: the same clips -> (S, 200, 3).

    Returns:
        fid, or None; fid_interval, 95 % over clips by the jackknife; windows: of the method; notes. The distance of two
        finite sets is biased upwards: only those of as many clips can be compared, and another true take is the floor.
    """
    names = sorted(real)
    true = [Moments.of(latents(model, real[name][None])) for name in names]
    made = [Moments.of(latents(model, generated[name])) for name in names]
    count = int(sum(moments.count for moments in true))
    notes = {}
    if count <= LATENT:
        notes["fid"] = f"rests on {count} real windows for {LATENT} dimensions: singular covariances"
    try:
        value, interval = _distance(true, made), jackknife_interval(_distance, true, made, lowest=0)
    except NoValueError as error:
        value, interval, notes = None, None, {"fid": str(error)}
    windows_made = int(sum(moments.count for moments in made))
    return {"fid": value, "fid_interval": interval, "windows": windows_made, "notes": notes}


def _distance(real: Sequence[Moments], generated: Sequence[Moments]) -> float:
    return frechet_distance(*sum(real, Moments.none()).gaussian(), *sum(generated, Moments.none()).gaussian())
