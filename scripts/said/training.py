"""Training of SAiD (Sections 4.2 and 5.1): clips, augmentation, and the objective that `said.loop` minimises."""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import Wav2Vec2Model

from said.arkit import MIRROR
from said.checkpoint import digest
from said.corpus import FRAME_RATE
from said.diffusion import alphas_cumprod, loss_of, prediction_error, vertex_loss
from said.loop import FitSettings, Step, fit, preserved_generators
from said.model import CHANNELS, ModelConfig, SAiD
from said.speech import SAMPLE_RATE, encode, encode_clip, normalise

SMALLEST_STD = 1e-3
"""A coefficient that hardly moves in the training set is not blown up by its scale."""


@dataclass(frozen=True)
class Clip:
    """A sentence.

    Attributes:
        name: unique among the clips.
        coefficients: (N, 32) in [0, 1], 60 frames per second.
        waveform: (T,) in [-1, 1] at 16 kHz, beginning with the first frame.
        displacements: (32, 3 V) blendshapes of the speaker less the template; the vertex loss alone needs them.
    """

    name: str
    coefficients: NDArray[np.float32]
    waveform: NDArray[np.float32]
    displacements: NDArray[np.float32] | None = None

    def __post_init__(self):
        if self.coefficients.ndim != 2 or self.coefficients.shape[1] != CHANNELS or len(self.coefficients) < 2:
            raise ValueError(f"{self.name}: coefficients are {self.coefficients.shape}, expected (N >= 2, {CHANNELS})")
        if self.waveform.ndim != 1 or len(self.waveform) == 0:
            raise ValueError(f"{self.name}: waveform is {self.waveform.shape}, expected (T,)")


def model_config(settings: dict, encoder: Wav2Vec2Model) -> ModelConfig:
    """The model that the section `said` of config.yaml describes, for a speech encoder."""
    return ModelConfig(
        width=settings["width"],
        audio_width=encoder.config.hidden_size,
        dropout=settings["dropout"],
        alignment_bias=settings["alignment_bias"],
        alignment_schedule=settings["alignment_schedule"],
        prediction=settings["prediction"],
        noise_schedule=settings["noise_schedule"],
        diffusion_steps=settings["diffusion_steps"],
        scaled=settings["coefficient_scale"] == "std",
    )


def train_said(
    train: Sequence[Clip],
    validation: Sequence[Clip],
    encoder: Wav2Vec2Model,
    settings: dict,
    seed: int,
    *,
    std: NDArray,
    name: str = "said",
    device: str = "cpu",
    checkpoint: Path | None = None,
    report: Callable[[str], None] = print,
) -> tuple[SAiD, list[dict]]:
    """Train a SAiD model.

    Args:
        train, validation: clips of the two splits.
        encoder: speech encoder; left as it is, a finetuned one is a copy inside the model.
        settings: the section `said` of config.yaml.
        seed: decides the weights, the windows, the augmentation and the noise.
        std: (32,) standard deviation of each coefficient over the training set.
        name: of the variant, for progress lines.
        checkpoint: where the state is kept while training; a run that finds one goes on from there.
        report: gets progress, a line at a time.

    Returns:
        the averaged weights that `selection` chooses, in evaluation mode; and the history.

    Raises:
        ValueError: the settings contradict each other, or there are no clips.
        FloatingPointError: the loss is not finite.
    """
    finetuned = settings["encoder"] == "finetuned"
    _check(train, validation, settings)
    encoder = copy.deepcopy(encoder).to(device)
    with preserved_generators(seed):
        model = SAiD(model_config(settings, encoder), encoder if finetuned else None).to(device)
    if model.config.scaled:
        model.coefficient_scale.copy_(torch.from_numpy(np.maximum(std, SMALLEST_STD)))
    if finetuned:
        # The convolutional part stays as pre-trained, as is the custom for wav2vec 2.0.
        encoder.freeze_feature_encoder()
    else:
        encoder.requires_grad_(False)
    alphas = alphas_cumprod(model.config).to(device)
    # Features that change from step to step cannot be kept: `sentence` is for an encoder that stays as it is.
    kept = settings["conditioning"] == "sentence" and not finetuned and settings["encoder_mode"] == "eval"
    windows = Windows(train, settings, encoder if kept else None)
    held_out = [(windows.held_out(clip), clip.name) for clip in validation]

    def audio_features(batch: "Batch") -> Tensor:
        if batch.features is not None:
            return batch.features.to(device)
        encoder.train(model.training and (finetuned or settings["encoder_mode"] == "train"))
        with torch.set_grad_enabled(finetuned and torch.is_grad_enabled()):
            return encode(encoder, normalise(batch.waveforms.to(device)), batch.coefficients.shape[1])

    def losses(batch: "Batch", conditioned: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        count = len(batch.coefficients)
        timesteps = torch.randint(model.config.diffusion_steps, (count,), generator=generator)
        noise = torch.randn(batch.coefficients.shape, generator=generator)
        error = prediction_error(
            model,
            batch.coefficients.to(device),
            audio_features(batch),
            conditioned.to(device),
            timesteps.to(device),
            noise.to(device),
            alphas=alphas,
        )
        kind = (settings["loss"], settings["loss_reduction"])
        terms = {"noise": loss_of(error, *kind), "velocity": loss_of(error.diff(dim=1), *kind)}
        if batch.displacements is not None:
            terms["vertex"] = vertex_loss(error, batch.displacements.to(device))
        return terms

    def total(terms: dict[str, Tensor]) -> Tensor:
        weighted = terms["noise"] + settings["velocity_weight"] * terms["velocity"]
        return weighted + settings["vertex_weight"] * terms["vertex"] if "vertex" in terms else weighted

    def objective(step: Step) -> tuple[Tensor, dict[str, Tensor]]:
        batch = windows.batch(step.items, step.random)
        conditioned = torch.from_numpy(step.random.random(len(step.items)) >= settings["condition_dropout"])
        terms = losses(batch, conditioned, step.generator)
        return total(terms), terms

    def validate() -> float:
        """The same windows, timesteps and noise each time, so that its values can be compared."""
        random = np.random.default_rng((seed, 3))
        generator = torch.Generator().manual_seed(seed)
        values = []
        for _ in range(settings["validation_repeats"]):
            for first in range(0, len(held_out), settings["batch_size"]):
                batch = Batch.of([window for window, _ in held_out[first : first + settings["batch_size"]]])
                dropped = random.random(len(batch.coefficients)) < settings["condition_dropout"]
                conditioned = torch.from_numpy(~(dropped & settings["validation_dropout"]))
                values += [float(total(losses(batch, conditioned, generator)))] * len(batch.coefficients)
        return float(np.mean(values))

    history = fit(
        model,
        objective,
        validate,
        items=len(train),
        settings=FitSettings.of(settings),
        seed=seed,
        name=name,
        identity={
            "said": settings,
            "clips": digest({clip.name: clip.coefficients for clip in train}),
            "speech": digest({clip.name: clip.waveform for clip in train}),
            "encoder": digest(encoder.state_dict()),
        },
        learning_rates={"audio_encoder.": settings["encoder_learning_rate"]},
        extra_state={"mirrored": windows.mirrored},
        checkpoint=checkpoint,
        report=report,
    )
    return model.eval(), history


@dataclass(frozen=True)
class Window:
    """A cut of a clip: coefficients (n, 32), and waveform (n * 16000 / 60,) or features (n, H)."""

    coefficients: Tensor
    waveform: Tensor | None = None
    features: Tensor | None = None
    displacements: Tensor | None = None


@dataclass(frozen=True)
class Batch:
    """Windows of one length, stacked."""

    coefficients: Tensor
    waveforms: Tensor | None
    features: Tensor | None
    displacements: Tensor | None

    @classmethod
    def of(cls, windows: Sequence[Window]) -> "Batch":
        def stack(name: str) -> Tensor | None:
            parts = [getattr(window, name) for window in windows]
            return None if parts[0] is None else torch.stack(parts)

        return cls(stack("coefficients"), stack("waveform"), stack("features"), stack("displacements"))


class Windows:
    """Random windows of clips, augmented (Section 5.1).

    Args:
        clips: of the training set.
        settings: the section `said` of config.yaml.
        encoder: where given, whole sentences are encoded once and windows are cut from their features; otherwise a
            window carries its waveform.
    """

    def __init__(self, clips: Sequence[Clip], settings: dict, encoder: Wav2Vec2Model | None):
        self.clips = clips
        self.settings = settings
        self.encoder = encoder
        self.mirrored = torch.zeros(len(clips), dtype=torch.bool)
        """Which clips are mirrored for good, where `mirror_persistent`."""
        self.features = [self._encode(clip) for clip in clips]

    def batch(self, indices: Sequence[int], random: np.random.Generator) -> Batch:
        """One window of each of the clips."""
        length = self.settings["window"]
        padded = self.settings["window_sampling"] == "padded"
        if padded:
            shortest = min(len(self.clips[index].coefficients) for index in indices)
            length = int(random.integers(length, max(length, shortest) + 1))
        windows = []
        for index in indices:
            frames = len(self.clips[index].coefficients)
            if padded:  # from half a window before the clip to where half of it is left over
                start = int(random.integers(-(length // 2), max(0, frames - length // 2 - 1) + 1))
            else:
                start = int(random.integers(max(0, frames - length) + 1))
            shift = 0.0
            if random.random() < self.settings["shift_probability"]:
                shift = random.uniform(-1, 1) * self.settings["shift_seconds"]
            windows.append(self._cut(index, start, length, shift, self._is_mirrored(index, random)))
        return Batch.of(windows)

    def held_out(self, clip: Clip) -> Window:
        """The window in the middle of a validation clip, as it is."""
        length = self.settings["window"]
        start = max(0, (len(clip.coefficients) - length) // 2)
        return _window(clip, self._encode(clip), start, length, 0.0, False)

    def _encode(self, clip: Clip) -> Tensor | None:
        if self.encoder is None:
            return None
        return encode_clip(self.encoder.eval(), clip.waveform, len(clip.coefficients)).cpu()

    def _cut(self, index: int, start: int, length: int, shift: float, mirrored: bool) -> Window:
        return _window(self.clips[index], self.features[index], start, length, shift, mirrored)

    def _is_mirrored(self, index: int, random: np.random.Generator) -> bool:
        flip = bool(random.random() < self.settings["mirror_probability"])
        if not self.settings["mirror_persistent"]:
            return flip
        self.mirrored[index] ^= flip
        return bool(self.mirrored[index])


def _window(clip: Clip, features: Tensor | None, start: int, length: int, shift: float, mirrored: bool) -> Window:
    """Frames [start, start + length) of a clip and its speech `shift` seconds later; both ends are repeated."""
    frames = np.clip(np.arange(start, start + length), 0, len(clip.coefficients) - 1)
    coefficients = torch.from_numpy(np.asarray(clip.coefficients, dtype=np.float32)[frames])
    if mirrored:
        coefficients = coefficients[:, MIRROR]
    displacements = None if clip.displacements is None else torch.from_numpy(clip.displacements)
    if features is not None:
        features = _interpolate(features, frames + shift * FRAME_RATE)
        return Window(coefficients, features=features, displacements=displacements)
    first = start * SAMPLE_RATE // FRAME_RATE + round(shift * SAMPLE_RATE)
    samples = np.clip(np.arange(first, first + length * SAMPLE_RATE // FRAME_RATE), 0, len(clip.waveform) - 1)
    waveform = torch.from_numpy(np.asarray(clip.waveform, dtype=np.float32)[samples])
    return Window(coefficients, waveform, displacements=displacements)


def _interpolate(features: Tensor, positions: NDArray) -> Tensor:
    """Features (N, H) at fractional frames (n,), linearly."""
    positions = np.clip(positions, 0, len(features) - 1)
    below = np.minimum(positions.astype(int), max(0, len(features) - 2))
    share = torch.from_numpy((positions - below).astype(np.float32))[:, None]
    return features[below] * (1 - share) + features[np.minimum(below + 1, len(features) - 1)] * share


def _check(train, validation, settings: dict) -> None:
    if not train or not validation:
        raise ValueError(f"{len(train)} training and {len(validation)} validation clips: both need at least one")
    if settings["vertex_weight"] and any(clip.displacements is None for clip in [*train, *validation]):
        raise ValueError("vertex_weight needs clips that know their speaker's blendshapes")
    for key, allowed in (
        ("encoder", ("frozen", "finetuned")),
        ("encoder_mode", ("eval", "train")),
        ("coefficient_scale", ("none", "std")),
        ("window_sampling", ("slice", "padded")),
        ("conditioning", ("window", "sentence")),
    ):
        if settings[key] not in allowed:
            raise ValueError(f"{key} must be one of {', '.join(allowed)}, not {settings[key]!r}")
