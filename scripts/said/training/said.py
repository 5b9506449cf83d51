"""Training of SAiD (Sections 4.2 and 5.1): the objective that `said.training.loop` minimises."""

import copy
import importlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from types import ModuleType

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import Wav2Vec2Model

from said.diffusion import alphas_cumprod, training_losses
from said.files.fingerprint import digest
from said.model import ModelConfig, SAiD
from said.speech import encode, encode_clip
from said.training.course import FitSettings, Step
from said.training.loop import fit, preserved_generators
from said.training.run import Run
from said.training.windows import Batch, Clip, SaidSettings, WindowEncoder, Windows

SMALLEST_STD = 1e-3
"""Keeps the scale from blowing up a coefficient that hardly moves in the training set."""


def model_config(settings: SaidSettings | Mapping, encoder: Wav2Vec2Model) -> ModelConfig:
    """The model that the section `said` of config.yaml describes, for a speech encoder."""
    settings = SaidSettings.of(settings)
    return ModelConfig(
        width=settings.width,
        audio_width=encoder.config.hidden_size,
        dropout=settings.dropout,
        alignment_bias=settings.alignment_bias,
        alignment_schedule=settings.alignment_schedule,
        prediction=settings.prediction,
        noise_schedule=settings.noise_schedule,
        diffusion_steps=settings.diffusion_steps,
        scaled=settings.coefficient_scale == "std",
        channels_per_group=settings.channels_per_group,
    )


def train_said(
    train: Sequence[Clip],
    validation: Sequence[Clip],
    encoder: Wav2Vec2Model,
    settings: SaidSettings | Mapping,
    seed: int,
    *,
    std: NDArray,
    run: Run = Run("said"),
    cache_bytes: int = 0,
) -> tuple[SAiD, list[dict]]:
    """Train a SAiD model.

    Args:
        train, validation: clips of the two splits.
        encoder: speech encoder; left as it is, a finetuned one is a copy inside the model.
        settings: of the training, or a mapping of them.
        seed: decides the weights, the windows, the augmentation and the noise.
        std: (32,) standard deviation of each coefficient over the training set.
        run: under which name, where, and what it leaves beside the weights.
        cache_bytes: memory for encoded windows, which changes the speed and nothing else; see `WindowEncoder`.

    Returns:
        the averaged weights that `selection` chooses, in evaluation mode; and the history.

    Raises:
        ValueError: the settings contradict each other, or there are no clips.
        FloatingPointError: the loss is not finite.
        Stopped: a signal or the checkpoint's deadline asked for it, and the state is saved.
    """
    settings = SaidSettings.of(settings)
    finetuned = settings.encoder == "finetuned"
    if not train or not validation:
        raise ValueError(f"{len(train)} training and {len(validation)} validation clips: both need at least one")
    if settings.selection == "sample_fd" and not settings.preview_every:
        raise ValueError("selection sample_fd needs previews: set preview_every")
    if settings.vertex_weight and any(clip.displacements is None for clip in [*train, *validation]):
        raise ValueError("vertex_weight needs clips that know their speaker's blendshapes")
    encoder = copy.deepcopy(encoder)
    encoder.to(run.compute.device)  # pyright: ignore[reportArgumentType]  # transformers wraps this method
    with preserved_generators(seed):
        model = SAiD(model_config(settings, encoder), encoder if finetuned else None).to(run.compute.device)
    scale = torch.from_numpy(np.maximum(std, SMALLEST_STD)).float().to(run.compute.device)
    if model.config.scaled:
        model.coefficient_scale.copy_(scale)
    if finetuned:
        # The convolutional part stays as pre-trained, as is the custom for wav2vec 2.0.
        encoder.freeze_feature_encoder()
    else:
        encoder.requires_grad_(False)
    # Of the errors: where coefficients are scaled, errors of v and of x0 are so already.
    loss_scale = scale / model.coefficient_scale if settings.loss_scale == "std" else None
    alphas = alphas_cumprod(model.config).to(run.compute.device)
    # Features that change from step to step cannot be kept: neither those of an encoder that learns, nor random ones.
    fixed = not finetuned and settings.encoder_mode == "eval"
    sentences = encoder if fixed and settings.conditioning == "sentence" else None
    with run.compute.arithmetic():
        windows = Windows(train, settings, sentences, run.compute)
        held_out = Windows(validation, settings, sentences, run.compute)
    encode_windows = WindowEncoder(encoder, run.compute, cache_bytes)

    def audio_features(batch: Batch, conditioned: Tensor) -> Tensor:
        if batch.features is not None:
            return batch.features
        if fixed:
            return encode_windows(batch, conditioned)
        encoder.train(model.training)
        with torch.set_grad_enabled(finetuned and torch.is_grad_enabled()):
            return encode(encoder, batch.normalised_waveforms, batch.coefficients.shape[1])

    def losses(batch: Batch, conditioned: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        count = len(batch.coefficients)
        timesteps = torch.randint(model.config.diffusion_steps, (count,), generator=generator)
        noise = torch.randn(batch.coefficients.shape, generator=generator)
        if settings.offset_noise:
            noise = noise + settings.offset_noise * torch.randn(count, 1, noise.shape[2], generator=generator)
        with run.compute.autocast():
            terms = training_losses(
                model,
                batch.coefficients,
                audio_features(batch, conditioned),
                run.compute.move(conditioned),
                run.compute.move(timesteps),
                run.compute.move(noise),
                settings.loss,
                reduction=settings.loss_reduction,
                std=loss_scale,
                snr_gamma=settings.snr_gamma,
                alphas=alphas,
                displacements=batch.displacements,
            )
        return dict(zip(("noise", "velocity", "vertex"), terms, strict=False))

    def total(terms: dict[str, Tensor]) -> Tensor:
        weighted = terms["noise"] + settings.velocity_weight * terms["velocity"]
        return weighted + settings.vertex_weight * terms["vertex"] if "vertex" in terms else weighted

    def objective(step: Step) -> tuple[Tensor, dict[str, Tensor]]:
        batch = windows.batch(step.items, step.random)
        conditioned = torch.from_numpy(step.random.random(len(step.items)) >= settings.condition_dropout)
        terms = losses(batch, conditioned, step.generator)
        return total(terms), terms

    def validate() -> float:
        """The same windows, timesteps and noise each time, so that its values can be compared."""
        random = np.random.default_rng((seed, 3))
        generator = torch.Generator().manual_seed(seed)
        values = []
        for _ in range(settings.validation_repeats):
            for first in range(0, len(validation), settings.batch_size):
                batch = held_out.middle(range(first, min(first + settings.batch_size, len(validation))))
                dropped = random.random(len(batch.coefficients)) < settings.condition_dropout
                conditioned = torch.from_numpy(~(dropped & settings.validation_dropout))
                values += [float(total(losses(batch, conditioned, generator)))] * len(batch.coefficients)
        return float(np.mean(values))

    def hear(batch: Batch) -> Tensor:
        return audio_features(batch, torch.ones(len(batch.coefficients), dtype=torch.bool))

    observe = _observation().Observer(
        model,
        windows,
        held_out,
        settings,
        seed,
        hear=hear,
        encode=lambda clip: encode_clip(encoder.eval(), clip.waveform, len(clip.coefficients)),
        std=scale.cpu().numpy(),
        compute=run.compute,
        tell=lambda text: run.report(f"{run.name}: {text}"),
    )

    identity = {
        "said": asdict(settings),
        "compile": run.compute.compile,
        "clips": digest({clip.name: clip.coefficients for clip in train}),
        "speech": digest({clip.name: clip.waveform for clip in train}),
        "encoder": digest(encoder.state_dict()),
    }
    with run.compute.arithmetic(), run.compute.compiled(model.denoiser.model):
        history = fit(
            model,
            objective,
            validate,
            measure=observe,
            items=[clip.name for clip in train],
            settings=FitSettings.of(asdict(settings)),
            seed=seed,
            journal=run.journal(identity),
            learning_rates={"audio_encoder.": settings.encoder_learning_rate},
            extra_state={"mirrored": windows.mirrored},
        )
    return model.eval(), history


def _observation() -> ModuleType:
    return importlib.import_module("said.training.observation")
