"""Training of the pose generator (supplement, Section 2.2), on the codes that a trained VQ-VAE gives the clips."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from said.compute import Compute
from said.files.fingerprint import digest
from said.headpose.features import SemanticInput
from said.headpose.generator import GeneratorConfig, PoseGenerator, generator_loss
from said.headpose.pose_vq import PoseVQ
from said.headpose.rhythm import RhythmInput, as_heard
from said.headpose.spoken import SpokenPoses
from said.settings import Settings
from said.training.course import FitSettings, Step
from said.training.loop import fit, preserved_generators
from said.training.run import Run

_TOGETHER = 64


@dataclass(frozen=True)
class GeneratorSettings(Settings):
    """The section `headpose.generator` of config.yaml; `headpose.variants` change keys of it.

    Attributes:
        semantic_input, rhythm_input, rhythm_channels, rhythm_width, fusion_width, width, heads, feed_forward, layers,
            period, alignment, dropout, semantic, rhythm, style, quantised: see `GeneratorConfig`.
        learning_rate, weight_decay: of AdamW.
    """

    semantic_input: SemanticInput = "speech"
    rhythm_input: RhythmInput = "waveform"
    rhythm_channels: int = 128
    rhythm_width: int = 64
    fusion_width: int = 256
    width: int = 256
    heads: int = 4
    feed_forward: int = 512
    layers: int = 6
    period: int = 25
    alignment: int = 1
    dropout: float = 0.1
    semantic: bool = True
    rhythm: bool = True
    style: bool = True
    quantised: bool = True
    epochs: int = 200
    batch_size: int = 16
    learning_rate: float = 1e-4
    warmup_epochs: int = 0
    schedule: Literal["constant", "cosine"] = "constant"
    weight_decay: float = 0.01
    gradient_clip: float | None = None
    validate_every: int = 10
    selection: Literal["best", "last"] = "last"

    def config(self, vq: PoseVQ, styles: int, hearing: int) -> GeneratorConfig:
        """Sizes of the model.

        Args:
            vq: whose codes it gives.
            styles: training speakers.
            hearing: width of the speech encoder's features.
        """
        own = {field.name for field in fields(GeneratorConfig)}
        codes = {name: getattr(vq.config, name) for name in ("block", "tokens", "components", "codes")}
        shared = {name: value for name, value in asdict(self).items() if name in own}
        return GeneratorConfig(styles=styles, hearing=hearing, **codes, **shared)


class _Material:
    """Clips on the device, as the loss takes them."""

    def __init__(self, spoken: SpokenPoses, vq: PoseVQ, settings: GeneratorSettings, compute: Compute):
        self.compute = compute
        self.semantic, self.heard = torch.from_numpy(spoken.semantic), torch.from_numpy(spoken.heard)
        self.speakers = torch.from_numpy(spoken.speakers)
        make = vq.encode if settings.quantised else vq.blocks
        parts = torch.from_numpy(spoken.directions).split(_TOGETHER)
        with torch.no_grad():
            self.truth = torch.cat([make(compute.move(part)) for part in parts])

    def __len__(self) -> int:
        return len(self.truth)

    def __call__(self, clips: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Truth, semantic features, what the rhythm encoder is given, and styles, of clips (B,) by number."""
        return (
            self.truth[clips.to(self.truth.device)],
            self.compute.move(self.semantic[clips].float()),
            as_heard(self.compute.move(self.heard[clips])),
            self.compute.move(self.speakers[clips]),
        )


def train_pose_generator(
    train: SpokenPoses,
    validation: SpokenPoses,
    settings: GeneratorSettings | Mapping,
    seed: int,
    *,
    vq: PoseVQ,
    run: Run = Run("pose generator"),
) -> tuple[PoseGenerator, list[dict]]:
    """Train a pose generator.

    Args:
        train: clips of the training speakers, each of whom is a style.
        validation: others; those of other speakers are left out.
        settings: of the training, or a mapping of them.
        seed: decides the weights, the order of the clips, and dropout.
        vq: gives the codes; it stays as it is.
        run: under which name, where, and what it leaves beside the weights; bf16 has no effect.

    Returns:
        the model in evaluation mode; and the history, whose losses are nats per code, or for a model without codes
        the mean absolute error in standard deviations.

    Raises:
        ValueError: no validation clip is of a training speaker.
        FloatingPointError: the loss is not finite.
        Stopped: a signal or the checkpoint's deadline asked for it, and the state is saved.
    """
    settings = GeneratorSettings.of(settings)
    vq = vq.to(run.compute.device).eval()
    known = torch.from_numpy(np.flatnonzero(validation.speakers >= 0))
    if not len(known):
        raise ValueError("no validation clip is of a training speaker, so that none has a style")
    with preserved_generators(seed):
        model = PoseGenerator(settings.config(vq, 1 + int(train.speakers.max()), train.semantic.shape[-1]))
    standardise(model, train)
    model = model.to(run.compute.device)
    with run.compute.arithmetic():
        clips, held_out = (_Material(part, vq, settings, run.compute) for part in (train, validation))

    def objective(step: Step) -> tuple[Tensor, dict[str, Tensor]]:
        return generator_loss(model, *clips(torch.from_numpy(step.items))), {}

    def validate() -> float:
        losses = [float(generator_loss(model, *held_out(part))) * len(part) for part in known.split(_TOGETHER)]
        return sum(losses) / len(known)

    identity = {
        "pose_generator": asdict(settings),
        "clips": digest(
            {name: getattr(train, name) for name in ("directions", "semantic", "heard", "speakers")}
            | {"truth": clips.truth}
        ),
        "start": digest(model.state_dict()),
    }
    with run.compute.arithmetic():
        history = fit(
            model,
            objective,
            validate,
            items=train.clips,
            settings=FitSettings.of(asdict(settings)),
            seed=seed,
            journal=run.journal(identity),
        )
    return model.eval(), history


def standardise(model: PoseGenerator, train: SpokenPoses) -> None:
    """Take the mean and the deviation of what the model hears from the training clips; of a waveform, its loudness."""
    semantic = train.semantic.reshape(-1, train.semantic.shape[-1])
    model.semantic_mean.copy_(torch.from_numpy(semantic.mean(0, dtype=np.float64)))
    model.semantic_deviation.copy_(torch.from_numpy(semantic.std(0, dtype=np.float64).clip(1e-3)))
    heard = as_heard(torch.from_numpy(train.heard)).flatten(0, 1)
    if heard.ndim == 2:
        model.rhythm_mean.copy_(heard.double().mean(0))
    model.rhythm_deviation.copy_(heard.double().std(0, correction=0).clamp_min(1e-3))
