"""Training of CodeTalker (Xing et al. 2023): the autoencoder of motion, then what predicts its features from speech."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from said.attention import zero_initialised
from said.baselines.clips import MeshClip, Shared
from said.baselines.codetalker import CodeTalker, Predictor, predictor_loss
from said.baselines.motion_autoencoder import MotionAutoencoder, autoencoder_loss
from said.baselines.speech_decoder import FRAME_RATE
from said.files.fingerprint import digest
from said.settings import Settings
from said.training.course import FitSettings, Step
from said.training.loop import fit, preserved_generators
from said.training.run import Run
from said.training.spoken_motion import SpokenMotion, clips_digest, require_clips
from said.training.stages import one_history


@dataclass(frozen=True)
class AutoencoderSettings(Settings):
    """The key `autoencoder` of the section; the authors' values for VOCASET.

    Attributes:
        width, heads, feed_forward, layers, codes, code_width, dropout: see `MotionAutoencoder`.
        output_start: of the layer that gives vertices; zero: an autoencoder that has not learnt does not move.
        quantiser: weight of the quantiser's loss.
        learning_rate, weight_decay: of AdamW.
        output_learning_rate: of the layer that gives vertices, where a step of the same size as elsewhere is large: its
            weights are metres. None: as the others.
        halve_every: epochs, after each of which the learning rate is halved; None: never.
    """

    width: int = 1024
    heads: int = 8
    feed_forward: int = 1536
    layers: int = 6
    codes: int = 256
    code_width: int = 64
    dropout: float = 0.1
    output_start: Literal["random", "zero"] = "random"
    quantiser: float = 1.0
    epochs: int = 200
    batch_size: int = 1
    learning_rate: float = 1e-4
    output_learning_rate: float | None = None
    weight_decay: float = 0.01
    halve_every: int | None = 20
    schedule: Literal["constant", "cosine"] = "constant"
    gradient_clip: float | None = None
    validate_every: int = 10
    selection: Literal["best", "last"] = "last"


@dataclass(frozen=True)
class CodeTalkerSettings(Settings):
    """The section `baselines.codetalker` of config.yaml; the authors' values for VOCASET.

    Attributes:
        autoencoder: of the first stage; a mapping is made into its settings.
        width, heads, feed_forward, layers, period, dropout: of the predictor, see `Predictor`.
        motion, latent: weights of its two errors.
        learning_rate: of Adam, without decay of the weights.
    """

    autoencoder: AutoencoderSettings = AutoencoderSettings()
    width: int = 1024
    heads: int = 4
    feed_forward: int = 2048
    layers: int = 6
    period: int = 30
    dropout: float = 0.1
    motion: float = 1.0
    latent: float = 1.0
    epochs: int = 100
    batch_size: int = 1
    learning_rate: float = 1e-4
    schedule: Literal["constant", "cosine"] = "constant"
    gradient_clip: float | None = None
    validate_every: int = 10
    selection: Literal["best", "last"] = "last"

    def __post_init__(self):
        super().__post_init__()
        object.__setattr__(self, "autoencoder", AutoencoderSettings.of(self.autoencoder))


def train_codetalker(
    train: Sequence[MeshClip],
    validation: Sequence[MeshClip],
    settings: CodeTalkerSettings | Mapping,
    seed: int,
    *,
    shared: Shared,
    run: Run = Run("codetalker"),
) -> tuple[CodeTalker, list[dict]]:
    """Train both stages of a CodeTalker, the second with the speech encoder but for its convolutions.

    Args:
        train: clips of the training speakers, each of whom is a style.
        validation: clips of others.
        settings: of the training, or a mapping of them.
        seed: decides the weights, the order of the clips, dropout and the masking of speech.
        shared: holds the speech encoder, which is left as it is: the model gets a copy.
        run: under which name, where, and what it leaves beside the weights; bf16 has no effect. The first stage's
            checkpoint and events lie in the folder `autoencoder` beside those of the second.

    Returns:
        the model in evaluation mode; and the history of both stages, whose records say which.

    Raises:
        ValueError: there are no clips, a training clip has no style, or sizes do not go together.
        FloatingPointError: the loss is not finite.
        Stopped: a signal or the checkpoint's deadline asked for it, and the state is saved.
    """
    settings = CodeTalkerSettings.of(settings)
    styles, vertices = require_clips(train, validation), len(train[0].template)
    first = settings.autoencoder
    with preserved_generators(seed):
        autoencoder = build_autoencoder(vertices, first).to(run.compute.device)
        predictor = Predictor(
            copy.deepcopy(shared.encoder),
            vertices,
            styles,
            out=first.width,
            width=settings.width,
            heads=settings.heads,
            feed_forward=settings.feed_forward,
            layers=settings.layers,
            period=settings.period,
            dropout=settings.dropout,
        ).to(run.compute.device)
    stage = run.stage("autoencoder")
    autoencoder, learnt = fit_autoencoder(autoencoder, train, validation, first, seed, run=stage)
    model, history = fit_predictor(CodeTalker(autoencoder, predictor), train, validation, settings, seed, run=run)
    return model, one_history({"autoencoder": learnt, "predictor": history})


def build_autoencoder(vertices: int, settings: AutoencoderSettings) -> MotionAutoencoder:
    """A fresh autoencoder."""
    autoencoder = MotionAutoencoder(
        vertices,
        width=settings.width,
        heads=settings.heads,
        feed_forward=settings.feed_forward,
        layers=settings.layers,
        codes=settings.codes,
        code_width=settings.code_width,
        dropout=settings.dropout,
    )
    if settings.output_start == "zero":
        zero_initialised(autoencoder.decoder.vertice_map_reverse)
    return autoencoder


def fit_autoencoder(
    autoencoder: MotionAutoencoder,
    train: Sequence[MeshClip],
    validation: Sequence[MeshClip],
    settings: AutoencoderSettings,
    seed: int,
    *,
    run: Run = Run("codetalker autoencoder"),
) -> tuple[MotionAutoencoder, list[dict]]:
    """The first stage, from the weights that the autoencoder, on its device, has; else as `train_codetalker`."""

    def losses(clip: MeshClip) -> dict[str, Tensor]:
        offsets = run.compute.move(torch.from_numpy(clip.offsets(FRAME_RATE)).flatten(1))[None]
        terms = autoencoder_loss(autoencoder, offsets, settings.quantiser)
        return dict(zip(("loss", "motion", "quantiser"), terms, strict=True))

    def objective(step: Step) -> tuple[Tensor, dict[str, Tensor]]:
        terms = _mean([losses(train[int(index)]) for index in step.items])
        return terms.pop("loss"), terms

    def validate() -> float:
        return float(np.mean([float(losses(clip)["loss"]) for clip in validation]))

    identity = {
        "autoencoder": asdict(settings),
        "clips": clips_digest(train),
        "start": digest(autoencoder.state_dict()),
    }
    halvings = range(1, settings.epochs // settings.halve_every + 1) if settings.halve_every else ()
    with run.compute.arithmetic():
        history = fit(
            autoencoder,
            objective,
            validate,
            items=[clip.name for clip in train],
            settings=FitSettings.of(
                asdict(settings) | {"drops": [(times * (settings.halve_every or 0), 0.5**times) for times in halvings]}
            ),
            seed=seed,
            journal=run.journal(identity),
            learning_rates={
                "decoder.vertice_map_reverse.": settings.output_learning_rate or settings.learning_rate,
            },
        )
    return autoencoder.eval(), history


def fit_predictor(
    model: CodeTalker,
    train: Sequence[MeshClip],
    validation: Sequence[MeshClip],
    settings: CodeTalkerSettings,
    seed: int,
    *,
    run: Run = Run("codetalker"),
) -> tuple[CodeTalker, list[dict]]:
    """The second stage, from the weights that the model, on its device, has; else as `train_codetalker`."""
    encoder = model.predictor.audio_encoder
    with run.compute.arithmetic():
        clips, held_out = (SpokenMotion(part, encoder, run.compute) for part in (train, validation))
    weights = {"motion": settings.motion, "latent": settings.latent}

    def objective(step: Step) -> tuple[Tensor, dict[str, Tensor]]:
        made = [predictor_loss(model, *clips[int(index)], **weights) for index in step.items]
        terms = _mean([dict(zip(("loss", "motion", "latent"), one, strict=True)) for one in made])
        return terms.pop("loss"), terms

    def validate() -> float:
        """With the truth fed back, in every style."""
        styles = model.predictor.learnable_style_emb.num_embeddings
        clips = map(held_out.in_every_style, range(len(validation)), [styles] * len(validation))
        return float(np.mean([float(predictor_loss(model, *clip, **weights)[0]) for clip in clips]))

    identity = {
        "codetalker": asdict(settings),
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
            optimizer_class=torch.optim.Adam,
        )
    return model.eval(), history


def _mean(terms: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    return {key: torch.stack([one[key] for one in terms]).mean() for key in terms[0]}
