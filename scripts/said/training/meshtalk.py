"""Training of MeshTalk (Richard et al. 2021): what makes and reads classes, then what finds them from speech alone."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from said.attention import zero_initialised
from said.baselines.clips import MeshClip, Shared
from said.baselines.log_mel import Centres
from said.baselines.meshtalk import MeshTalk
from said.baselines.meshtalk_losses import Regions, coded_losses, expression_labels, prior_loss
from said.baselines.meshtalk_regions import find_regions
from said.baselines.prior import Mask
from said.files.fingerprint import digest
from said.settings import Settings
from said.training.course import FitSettings, Step
from said.training.data_start import standardise_outputs
from said.training.loop import fit, preserved_generators
from said.training.run import Run
from said.training.segments import Segment, Segments
from said.training.spoken_motion import clips_digest
from said.training.stages import one_history

_DROP = 0.1
"""Share of the learning rate after `drop_at` iterations."""
_SEGMENTS = 32
"""On which the start that depends on data is measured."""
_FRAMES_OF_A_CLIP = 16
"""From which the mean and the spread of faces are taken."""


@dataclass(frozen=True)
class PriorSettings(Settings):
    """The key `prior` of the section; the authors' values.

    Attributes:
        width: channels of a head.
        mask: see `Prior`.
        iterations: with batches of `batch_size` segments of so many `frames`.
        drop_at: iterations after which the learning rate is a tenth; None: never.
        learning_rate: of Adam.
        selection: best: of lowest validation loss, as on a corpus as small as VOCASET it rises again; or last.
    """

    width: int = 64
    mask: Mask = "published"
    iterations: int = 15_000
    drop_at: int | None = 10_000
    batch_size: int = 8
    frames: int = 64
    learning_rate: float = 1e-4
    schedule: Literal["constant", "cosine"] = "constant"
    gradient_clip: float | None = None
    validate_every: int = 5
    selection: Literal["best", "last"] = "best"


@dataclass(frozen=True)
class MeshTalkSettings(Settings):
    """The section `baselines.meshtalk` of config.yaml; the authors' values, at VOCASET's frame rate.

    Attributes:
        heads, classes, expression, detail: see `MeshTalk`.
        fps, centres: of the frames, see `MeshTalk.encode_speech`.
        normalisation: what geometry is divided by: each coordinate's variance in the training set, in square
            millimetres, as the authors' files seem to have it, at least 1; or its deviation.
        speech: raw; or standardised: each mel band has zero mean and unit variance while training, which the first
            convolution takes over in the end.
        start: published; or data: layers begin with outputs that vary, see `said.training.data_start`, and the
            decoder's last layer at zero, so that before it has learnt it gives the template.
        iterations, drop_at, batch_size, frames, learning_rate, schedule: as in `PriorSettings`, of the first step.
        encoder_learning_rate: of what makes classes of speech and geometry; None: as the decoder's.
        input_learning_rate: of the two layers that see all vertices, where a step of the same size as elsewhere is
            large: their outputs are sums of thousands. None: as encoder and decoder.
        decoder_decay: L2 of the decoder's weights, part of the gradient.
        prior: of the second step; a mapping is made into its settings.
    """

    heads: int = 16
    classes: int = 128
    expression: int = 256
    detail: int = 512
    fps: int = 60
    centres: Centres = "published"
    normalisation: Literal["variance", "deviation"] = "variance"
    speech: Literal["raw", "standardised"] = "raw"
    start: Literal["published", "data"] = "published"
    iterations: int = 50_000
    drop_at: int | None = 40_000
    batch_size: int = 8
    frames: int = 32
    learning_rate: float = 1e-4
    encoder_learning_rate: float | None = None
    input_learning_rate: float | None = None
    decoder_decay: float = 1e-3
    schedule: Literal["constant", "cosine"] = "constant"
    gradient_clip: float | None = None
    validate_every: int = 25
    selection: Literal["best", "last"] = "last"
    prior: PriorSettings = PriorSettings()

    def __post_init__(self):
        super().__post_init__()
        object.__setattr__(self, "prior", PriorSettings.of(self.prior))


def train_meshtalk(
    train: Sequence[MeshClip],
    validation: Sequence[MeshClip],
    settings: MeshTalkSettings | Mapping,
    seed: int,
    *,
    shared: Shared,
    run: Run = Run("meshtalk"),
) -> tuple[MeshTalk, list[dict]]:
    """Train both steps of a MeshTalk; its geometry is in millimetres.

    Args:
        train, validation: clips of the two splits.
        settings: of the training, or a mapping of them.
        seed: decides the weights, the segments, what is exchanged between them, the drawn classes and dropout.
        shared: knows the faces' triangles and landmarks.
        run: under which name, where, and what it leaves beside the weights; bf16 has no effect. The first step's
            checkpoint and events lie in the folder `autoencoder` beside those of the second.

    Returns:
        the model in evaluation mode; and the history of both steps, whose records say which.

    Raises:
        ValueError: there are no clips, or one is shorter than a frame.
        FloatingPointError: the loss is not finite.
        Stopped: a signal or the checkpoint's deadline asked for it, and the state is saved.
    """
    settings = MeshTalkSettings.of(settings)
    if not train or not validation:
        raise ValueError(f"{len(train)} training and {len(validation)} validation clips: both need at least one")
    clips, held_out = (Segments(part, settings.fps, settings.centres, run.compute) for part in (train, validation))
    with preserved_generators(seed):
        model = build(train, settings)
    model.to(run.compute.device)
    regions = find_regions(shared.topology, train[0].template * 1000)
    regions = Regions(*(weights.to(run.compute.device) for weights in (regions.mouth, regions.upper, regions.eyelids)))
    if settings.speech == "standardised":
        clips.standardise()
        held_out.standard = clips.standard
    if settings.start == "data":
        random = np.random.default_rng((seed, 0))
        start_from_data(model, clips.random(np.arange(min(_SEGMENTS, len(train))), settings.frames, random), regions)
    learnt = fit_autoencoder(model, clips, held_out, regions, settings, seed, run=run.stage("autoencoder"))
    history = fit_prior(model, clips, held_out, settings.prior, seed, run=run)
    clips.take_over(model.encoder.audio_encoder.convert_dimensions)
    return model.eval(), one_history({"autoencoder": learnt, "prior": history})


def build(train: Sequence[MeshClip], settings: MeshTalkSettings) -> MeshTalk:
    """A fresh model, which knows the mean and the spread of these clips' faces."""
    model = MeshTalk(
        len(train[0].template),
        settings.heads,
        settings.classes,
        settings.prior.width,
        settings.prior.mask,
        expression=settings.expression,
        detail=settings.detail,
    )
    some = [clip.frames()[:: max(1, len(clip.coefficients) // _FRAMES_OF_A_CLIP)] for clip in train]
    total = sum(len(frames) for frames in some)
    mean = sum(frames.sum(0, dtype=np.float64) for frames in some) / total * 1000
    variance = sum(np.square(frames * 1000.0 - mean).sum(0) for frames in some) / total
    spread = np.maximum(variance if settings.normalisation == "variance" else np.sqrt(variance), 1)
    for part in (model.geom_unet, model.encoder.expression_encoder):
        part.mean.copy_(torch.from_numpy(mean))
        part.stddev.copy_(torch.from_numpy(spread))
    return model


def start_from_data(model: MeshTalk, part: Segment, regions: Regions) -> None:
    """Let all layers of encoder and decoder begin with outputs that vary, but the last, which begins at zero.

    A network that begins as published has classes that hardly depend on what it sees and hears, and a decoder that
    hardly depends on the classes; a short training ends in a still face.
    """
    audio, expression, decoder = model.encoder.audio_encoder, model.encoder.expression_encoder, model.geom_unet
    layers = [
        *(audio.convert_dimensions, *audio.convs, audio.code, *expression.layers, expression.code),
        *(layer for layer in model.encoder.fusion_model.mlp if isinstance(layer, nn.Linear)),
        *(decoder.fusion, *decoder.decoder[:-1]),
    ]
    model.eval()
    standardise_outputs(
        layers,  # pyright: ignore[reportArgumentType]: they are linear layers and convolutions
        lambda: coded_losses(model, part.geometry, part.template, part.codes(audio), regions, (1, 1)),
    )
    zero_initialised(decoder.decoder[-1])


def fit_autoencoder(
    model: MeshTalk,
    clips: Segments,
    held_out: Segments,
    regions: Regions,
    settings: MeshTalkSettings,
    seed: int,
    *,
    run: Run = Run("meshtalk autoencoder"),
) -> list[dict]:
    """The first step, from the weights that the model, on its device, has; else as `train_meshtalk`."""

    def losses(part: Segment, shifts: tuple[int, int], uniform: Tensor | None) -> dict[str, Tensor]:
        audio = part.codes(model.encoder.audio_encoder)
        return coded_losses(model, part.geometry, part.template, audio, regions, shifts, uniform)

    def objective(step: Step) -> tuple[Tensor, dict[str, Tensor]]:
        part = clips.random(step.items, settings.frames, step.random)
        batch, count = part.geometry.shape[:2]
        first, second = step.random.integers(1, batch, 2) if batch > 1 else (0, 0)
        shape = (3, batch, count, settings.heads, settings.classes)
        uniform = run.compute.move(torch.rand(shape, generator=step.generator))
        terms = losses(part, (int(first), int(second)), uniform)
        return terms.pop("loss"), terms

    def validate() -> float:
        """On the middle of each clip, without drawing."""
        parts = held_out.middles(settings.batch_size, settings.frames)
        shifts = [(1, 1) if len(part.geometry) > 1 else (0, 0) for part in parts]
        values = [float(losses(part, shift, None)["loss"]) for part, shift in zip(parts, shifts, strict=True)]
        return float(np.average(values, weights=[len(part.geometry) for part in parts]))

    model.requires_grad_(True)
    model.context_model.requires_grad_(False)
    identity = {
        "meshtalk": {key: value for key, value in asdict(settings).items() if key != "prior"},
        "clips": clips_digest(clips.clips),
        "start": digest(model.state_dict()),
    }
    with run.compute.arithmetic():
        return fit(
            model,
            objective,
            validate,
            items=[clip.name for clip in clips.clips],
            settings=fit_settings(settings, len(clips.clips)),
            seed=seed,
            journal=run.journal(identity),
            learning_rates=_learning_rates(settings),
            weight_decays={"geom_unet.": settings.decoder_decay},
            optimizer_class=torch.optim.Adam,
        )


def fit_prior(
    model: MeshTalk,
    clips: Segments,
    held_out: Segments,
    settings: PriorSettings,
    seed: int,
    *,
    run: Run = Run("meshtalk"),
) -> list[dict]:
    """The second step, in which nothing but the prior learns; else as `fit_autoencoder`."""
    model.eval().requires_grad_(False)
    model.context_model.requires_grad_(True)

    def loss(part: Segment) -> Tensor:
        with torch.no_grad():
            audio = part.codes(model.encoder.audio_encoder)
            labels = expression_labels(model, part.geometry, audio)
        return prior_loss(model, labels, audio)

    def objective(step: Step) -> tuple[Tensor, dict[str, Tensor]]:
        return loss(clips.random(step.items, settings.frames, step.random)), {}

    def validate() -> float:
        parts = held_out.middles(settings.batch_size, settings.frames)
        return float(np.average([float(loss(part)) for part in parts], weights=[len(part.geometry) for part in parts]))

    identity = {
        "prior": asdict(settings),
        "clips": clips_digest(clips.clips),
        "start": digest(model.state_dict()),
    }
    with run.compute.arithmetic():
        history = fit(
            model.context_model,
            objective,
            validate,
            items=[clip.name for clip in clips.clips],
            settings=fit_settings(settings, len(clips.clips)),
            seed=seed,
            journal=run.journal(identity),
            optimizer_class=torch.optim.Adam,
        )
    model.requires_grad_(True)
    return history


def _learning_rates(settings: MeshTalkSettings) -> dict[str, float]:
    """By what names of weights begin with, of which the first counts."""
    layers = ("geom_unet.encoder.0.", "encoder.expression_encoder.layers.0.")
    inputs = settings.input_learning_rate
    encoder = settings.encoder_learning_rate or settings.learning_rate
    return ({} if inputs is None else dict.fromkeys(layers, inputs)) | {"encoder.": encoder}


def fit_settings(settings: MeshTalkSettings | PriorSettings, clips: int) -> FitSettings:
    """The settings of the loop, an epoch of which is a segment of each of so many clips."""
    steps = -(-clips // settings.batch_size)
    return FitSettings.of(
        asdict(settings)
        | {
            "epochs": max(1, round(settings.iterations / steps)),
            "drops": () if settings.drop_at is None else ((settings.drop_at / steps, _DROP),),
            "weight_decay": 0.0,
        }
    )
