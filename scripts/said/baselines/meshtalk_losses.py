"""What MeshTalk (Richard et al., ICCV 2021) is trained on, in its two steps: encoder and decoder, then the prior."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Integer
from torch import Tensor

from said.baselines.log_mel import BANDS, STEPS
from said.baselines.meshtalk import MeshTalk, quantise
from said.running.shapes import shaped


@dataclass(frozen=True)
class Regions:
    """How much of each vertex, (V,) in [0, 1], belongs to the mouth, to the upper face, and to the eyelids."""

    mouth: Float[Tensor, " V"]
    upper: Float[Tensor, " V"]
    eyelids: Float[Tensor, " V"]


@shaped
def autoencoder_losses(
    model: MeshTalk,
    geometry: Float[Tensor, "B T V 3"],
    template: Float[Tensor, "B V 3"],
    log_mels: Float[Tensor, "B T 80 101"],
    regions: Regions,
    shifts: tuple[int, int],
    uniform: Float[Tensor, "3 B T heads classes"] | None = None,
) -> dict[str, Float[Tensor, ""]]:
    """What encoder and decoder are trained on: the first step.

    A face from another's expression and its own speech must have its own mouth, and from another's speech and its own
    expression its own upper face.

    Args:
        geometry: (B, T, V, 3) millimetres.
        template: (B, V, 3).
        log_mels: (B, T, 80, 101) of `log_mel`, of normalised audio.
        shifts: 1 to B - 1 each: row b is given the expression of row (b + shift) % B, and the speech of another such.
        uniform: (3, B, T, heads, classes) noise in [0, 1), for the own codes, others' expression, others' speech. None:
            classes are not drawn.

    Returns:
        recon, landmarks, modality_crossing, and loss, their sum.

    Raises:
        ValueError: shapes do not fit each other.
    """
    batch, count = geometry.shape[:2]
    if log_mels.shape != (batch, count, BANDS, STEPS) or template.shape != (batch, *geometry.shape[2:]):
        raise ValueError(
            f"expected log-mels ({batch}, {count}, {BANDS}, {STEPS}) and templates {(batch, *geometry.shape[2:])}, "
            f"got {tuple(log_mels.shape)} and {tuple(template.shape)}"
        )
    return coded_losses(model, geometry, template, model.encoder.audio_encoder(log_mels), regions, shifts, uniform)


@shaped
def coded_losses(
    model: MeshTalk,
    geometry: Float[Tensor, "B T V 3"],
    template: Float[Tensor, "B V 3"],
    audio: Float[Tensor, "B T 128"],
    regions: Regions,
    shifts: tuple[int, int],
    uniform: Float[Tensor, "3 B T heads classes"] | None = None,
) -> dict[str, Float[Tensor, ""]]:
    """As `autoencoder_losses`, from speech codes (B, T, 128); a shift of 0 gives a row its own."""
    batch = len(geometry)
    expression = model.encoder.expression_encoder(geometry)
    others_expression, others_audio = expression.roll(-shifts[0], 0), audio.roll(-shifts[1], 0)
    log_probabilities = model.encoder.fusion_model(
        torch.cat([expression, others_expression, expression]), torch.cat([audio, audio, others_audio])
    )
    one_hot = quantise(log_probabilities, None if uniform is None else uniform.flatten(0, 1))
    own, mouth, upper = model.geom_unet(template.repeat(3, 1, 1), one_hot).unflatten(0, (3, batch))
    parts = {
        "recon": (own - geometry).square().mean(),
        "landmarks": weighted_error(own, geometry, regions.eyelids),
        "modality_crossing": weighted_error(mouth, geometry, regions.mouth)
        + weighted_error(upper, geometry, regions.upper),
    }
    return {**parts, "loss": parts["recon"] + parts["landmarks"] + parts["modality_crossing"]}


@shaped
def weighted_error(
    predicted: Float[Tensor, "B T V 3"], target: Float[Tensor, "B T V 3"], weights: Float[Tensor, " V"]
) -> Float[Tensor, ""]:
    """Mean squared error of coordinates (B, T, V, 3) under weights (V,) of the vertices."""
    squares = (predicted - target).square() * weights[:, None]
    return squares.sum() / (weights.sum() * squares.shape[0] * squares.shape[1] * squares.shape[3])


@shaped
def prior_loss(
    model: MeshTalk, labels: Integer[Tensor, "B T heads"], audio: Float[Tensor, "B T 128"]
) -> Float[Tensor, ""]:
    """What the prior is trained on: the second step, in which nothing else learns.

    Args:
        labels: (B, T, heads) int64, the likeliest classes of `expression_labels`.
        audio: (B, T, 128) speech codes.

    Returns:
        the mean over heads and frames of minus the log-probability of the true class.
    """
    one_hot = F.one_hot(labels, model.context_model.classes).to(audio)
    log_probabilities = model.context_model(one_hot, audio)
    return -log_probabilities.gather(-1, labels[..., None]).mean()


@torch.no_grad()
@shaped
def expression_labels(
    model: MeshTalk, geometry: Float[Tensor, "B T V 3"], audio: Float[Tensor, "B T 128"]
) -> Integer[Tensor, "B T heads"]:
    """The likeliest classes (B, T, heads) of geometry (B, T, V, 3) with speech codes (B, T, 128)."""
    return model.encoder.fusion_model(model.encoder.expression_encoder(geometry), audio).argmax(-1)
