"""Training of end2end_AU_speech (Pham et al. 2018): spectrograms to coefficients, a few clips at a time."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np
import soxr
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from said.baselines.clips import MeshClip, Shared
from said.baselines.end2end import SAMPLE_RATE, End2End, losses, spectrograms
from said.compute import Compute
from said.corpus import FRAME_RATE
from said.files.fingerprint import digest
from said.settings import Settings
from said.training.course import FitSettings, Step
from said.training.loop import fit, preserved_generators
from said.training.run import Run
from said.training.said import SMALLEST_STD

_DROPS = ((1, 0.5), (3, 0.2), (7, 0.1), (15, 0.05), (31, 0.02))
"""The authors' schedule for networks with a memory: after so many epochs, the share of the first learning rate."""
_BETAS = (0.9, 0.99958)
"""Of Adam, over the authors' 300 frames."""


@dataclass(frozen=True)
class End2EndSettings(Settings):
    """The section `baselines.end2end` of config.yaml; the authors' values, but for the encoder, which is the paper's.

    Attributes:
        width, hidden, encoder, pooling, dropout: see `End2End`.
        output_start: of the last layer: random, as the authors have it; or mean, where a network that has not learnt
            gives the training set's mean.
        epochs: of `epoch_frames` frames each; None: of the frames of the training set.
        window: most frames of a clip in a step.
        learning_rate, weight_decay: of Adam, whose decay is part of the gradient.
        schedule: published: the authors' table, see `_DROPS`.
        sparsity: weight of the mean coefficient in the loss.
        normalised: whether errors are in units of each coefficient's deviation.
    """

    width: int = 32
    hidden: int = 256
    encoder: Literal["five", "eight"] = "five"
    pooling: int = 2
    dropout: float = 0.2
    output_start: Literal["random", "mean"] = "random"
    epochs: int = 300
    epoch_frames: int | None = 50_000
    batch_size: int = 1
    window: int = 300
    learning_rate: float = 5e-3
    weight_decay: float = 1e-4
    schedule: Literal["published", "constant", "cosine"] = "published"
    gradient_clip: float | None = None
    sparsity: float = 0.1
    normalised: bool = True
    validate_every: int = 1
    selection: Literal["best", "last"] = "best"


class SpectrogramClips:
    """Clips of one split, whose spectrograms are computed when they are first wanted, and kept in half precision."""

    def __init__(self, clips: Sequence[MeshClip], compute: Compute):
        self.clips = clips
        self.compute = compute
        self._kept: dict[int, NDArray[np.float16]] = {}

    def whole(self, index: int) -> tuple[Tensor, Tensor]:
        """Spectrograms (N, 128, 32) and coefficients (N, 32) of a clip."""
        return self.cut(index, slice(None))

    def cut(self, index: int, part: slice) -> tuple[Tensor, Tensor]:
        """As `whole`, of some frames."""
        if index not in self._kept:
            self._kept[index] = clip_spectrograms(self.clips[index]).astype(np.float16)
        target = np.ascontiguousarray(self.clips[index].coefficients[part], np.float32)
        move = self.compute.move
        return move(torch.from_numpy(self._kept[index][part]).float()), move(torch.from_numpy(target))


def clip_spectrograms(clip: MeshClip) -> Float[np.ndarray, "N 128 32"]:
    """What the network hears of a clip, frame by frame of its coefficients."""
    audio = soxr.resample(clip.waveform, clip.rate, SAMPLE_RATE)
    return spectrograms(audio, FRAME_RATE, len(clip.coefficients))


def train_end2end(
    train: Sequence[MeshClip],
    validation: Sequence[MeshClip],
    settings: End2EndSettings | Mapping,
    seed: int,
    *,
    shared: Shared,
    run: Run = Run("end2end"),
) -> tuple[End2End, list[dict]]:
    """Train the network on coefficients.

    Args:
        train, validation: clips of the two splits.
        settings: of the training, or a mapping of them.
        seed: decides the weights, the order of the clips, the frames of long ones, and dropout.
        shared: knows how much each coefficient varies in the training set.
        run: under which name, where, and what it leaves beside the weights; bf16 has no effect.

    Returns:
        the network in evaluation mode; and the history.

    Raises:
        ValueError: there are no clips.
        FloatingPointError: the loss is not finite.
        Stopped: a signal or the checkpoint's deadline asked for it, and the state is saved.
    """
    settings = End2EndSettings.of(settings)
    if not train or not validation:
        raise ValueError(f"{len(train)} training and {len(validation)} validation clips: both need at least one")
    clips, held_out = SpectrogramClips(train, run.compute), SpectrogramClips(validation, run.compute)
    with preserved_generators(seed):
        model = build(train, settings).to(run.compute.device)
    inverse_std = torch.from_numpy(1 / np.maximum(shared.std, SMALLEST_STD)).float().to(run.compute.device)
    if not settings.normalised:
        inverse_std = None

    def terms(parts: Sequence[tuple[Tensor, Tensor]]) -> dict[str, Tensor]:
        spectrogram, target = (torch.cat(values) for values in zip(*parts, strict=True))
        predicted = model(spectrogram, [len(part) for part, _ in parts])
        return losses(predicted, target, inverse_std, settings.sparsity)

    def objective(step: Step) -> tuple[Tensor, dict[str, Tensor]]:
        parts = []
        for index in map(int, step.items):
            spare = max(0, len(train[index].coefficients) - settings.window)
            start = int(step.random.integers(spare + 1))
            parts.append(clips.cut(index, slice(start, start + settings.window)))
        made = terms(parts)
        return made.pop("loss"), made

    def validate() -> float:
        values = [float(terms([held_out.whole(index)])["loss"]) for index in range(len(validation))]
        return float(np.average(values, weights=[len(clip.coefficients) for clip in validation]))

    identity = {
        "end2end": asdict(settings),
        "clips": digest({clip.name: clip.coefficients for clip in train}),
        "speech": digest({clip.name: clip.waveform for clip in train}),
        "std": digest({"std": shared.std}),
    }
    with run.compute.arithmetic():
        history = fit(
            model,
            objective,
            validate,
            items=[clip.name for clip in train],
            settings=fit_settings(settings, sum(len(clip.coefficients) for clip in train)),
            seed=seed,
            journal=run.journal(identity),
            optimizer_class=torch.optim.Adam,
        )
    return model.eval(), history


def build(train: Sequence[MeshClip], settings: End2EndSettings) -> End2End:
    """A fresh network for the coefficients of these clips."""
    targets = np.concatenate([clip.coefficients for clip in train])
    pooling: Literal[2, 3] = 3 if settings.pooling == 3 else 2
    model = End2End(targets.shape[1], settings.width, settings.hidden, settings.encoder, pooling, settings.dropout)
    if settings.output_start == "mean":
        mean = torch.from_numpy(targets.mean(0)).clamp(0.01, 0.99)
        with torch.no_grad():
            model.output.weight.mul_(0.1)
            model.output.bias.copy_(mean.logit())
    return model


def fit_settings(settings: End2EndSettings, frames: int) -> FitSettings:
    """The settings of the loop, an epoch of which is a pass over the `frames` of the training set."""
    passes = (frames if settings.epoch_frames is None else settings.epoch_frames) / frames
    published = settings.schedule == "published"
    return FitSettings.of(
        asdict(settings)
        | {
            "epochs": max(1, round(settings.epochs * passes)),
            "schedule": "constant" if published else settings.schedule,
            "drops": [(epoch * passes, share) for epoch, share in _DROPS] if published else (),
            "betas": _BETAS,
        }
    )
