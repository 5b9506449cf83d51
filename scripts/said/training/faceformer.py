"""Training of FaceFormer (Fan et al. 2022): on whole clips, and on what it made of them itself."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor
from transformers import Wav2Vec2Model

from said.baselines.clips import MeshClip, Shared
from said.baselines.faceformer import FaceFormer, motion_loss
from said.files.fingerprint import digest
from said.settings import Settings
from said.training.course import FitSettings, Step
from said.training.loop import fit, preserved_generators
from said.training.run import Run
from said.training.spoken_motion import SpokenMotion, clips_digest, require_clips


@dataclass(frozen=True)
class FaceFormerSettings(Settings):
    """The section `baselines.faceformer` of config.yaml; the authors' values for VOCASET.

    Attributes:
        width, heads, feed_forward, layers, period, dropout: of the decoder, see `FaceFormer`.
        teach: feed the truth back in training, not what the model made.
        learning_rate: of Adam, without decay of the weights.
        output_learning_rate: of the layer that gives vertices, where a step of the same size as elsewhere is large: its
            weights are metres. None: as the others.
    """

    width: int = 64
    heads: int = 4
    feed_forward: int = 128
    layers: int = 1
    period: int = 30
    dropout: float = 0.1
    teach: bool = False
    epochs: int = 101
    batch_size: int = 1
    learning_rate: float = 1e-4
    output_learning_rate: float | None = None
    warmup_epochs: int = 0
    schedule: Literal["constant", "cosine"] = "constant"
    gradient_clip: float | None = None
    validate_every: int = 25
    selection: Literal["best", "last"] = "last"


def train_faceformer(
    train: Sequence[MeshClip],
    validation: Sequence[MeshClip],
    settings: FaceFormerSettings | Mapping,
    seed: int,
    *,
    shared: Shared,
    run: Run = Run("faceformer"),
) -> tuple[FaceFormer, list[dict]]:
    """Train a FaceFormer, with the speech encoder but for its convolutions.

    Args:
        train: clips of the training speakers, each of whom is a style.
        validation: clips of others.
        settings: of the training, or a mapping of them.
        seed: decides the weights, the order of the clips, dropout and the masking of speech.
        shared: holds the speech encoder, which is left as it is: the model gets a copy.
        run: under which name, where, and what it leaves beside the weights; bf16 has no effect.

    Returns:
        the model in evaluation mode; and the history, whose losses are in square metres.

    Raises:
        ValueError: there are no clips, or a training clip has no style.
        FloatingPointError: the loss is not finite.
        Stopped: a signal or the checkpoint's deadline asked for it, and the state is saved.
    """
    settings = FaceFormerSettings.of(settings)
    styles = require_clips(train, validation)
    with preserved_generators(seed):
        model = build(shared.encoder, len(train[0].template), styles, settings).to(run.compute.device)
    return fit_faceformer(
        model,
        train,
        validation,
        settings,
        seed,
        run=run,
    )


def build(encoder: Wav2Vec2Model, vertices: int, styles: int, settings: FaceFormerSettings) -> FaceFormer:
    """A fresh model with a copy of the speech encoder."""
    return FaceFormer(
        copy.deepcopy(encoder),
        vertices,
        styles,
        width=settings.width,
        heads=settings.heads,
        feed_forward=settings.feed_forward,
        layers=settings.layers,
        period=settings.period,
        dropout=settings.dropout,
    )


def fit_faceformer(
    model: FaceFormer,
    train: Sequence[MeshClip],
    validation: Sequence[MeshClip],
    settings: FaceFormerSettings,
    seed: int,
    *,
    run: Run = Run("faceformer"),
) -> tuple[FaceFormer, list[dict]]:
    """As `train_faceformer`, from the weights that the model, on its device, has."""
    with run.compute.arithmetic():
        clips, held_out = (SpokenMotion(part, model.audio_encoder, run.compute) for part in (train, validation))

    def objective(step: Step) -> tuple[Tensor, dict[str, Tensor]]:
        losses = [motion_loss(model, *clips[int(index)], teach=settings.teach) for index in step.items]
        return torch.stack(losses).mean(), {}

    def validate() -> float:
        """With the truth fed back, in every style, as the authors do."""
        styles = model.obj_vector.in_features
        clips = map(held_out.in_every_style, range(len(validation)), [styles] * len(validation))
        return float(np.mean([float(motion_loss(model, *clip, teach=True)) for clip in clips]))

    identity = {
        "faceformer": asdict(settings),
        "clips": clips_digest(train),
        "start": digest(model.state_dict()),
    }
    with run.compute.arithmetic():
        history = fit(
            model,
            objective,
            validate,
            items=[clip.name for clip in train],
            settings=FitSettings.of(asdict(settings) | {"weight_decay": 0.0}),
            seed=seed,
            journal=run.journal(identity),
            learning_rates={"vertice_map_r.": settings.output_learning_rate or settings.learning_rate},
            optimizer_class=torch.optim.Adam,
        )
    return model.eval(), history
