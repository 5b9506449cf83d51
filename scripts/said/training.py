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
from said.checkpoint import Checkpoint, digest
from said.compute import Compute
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
    compute: Compute = Compute(),  # noqa: B008, it is immutable
    checkpoint: Checkpoint | None = None,
    events: Path | None = None,
    cache_bytes: int = 0,
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
        compute: device and arithmetic.
        checkpoint: keeps the state while training; a run that finds one goes on from there.
        events: TensorBoard file of the history.
        cache_bytes: memory for encoded windows, which changes the speed and nothing else; see `WindowEncoder`.
        report: gets progress, a line at a time.

    Returns:
        the averaged weights that `selection` chooses, in evaluation mode; and the history.

    Raises:
        ValueError: the settings contradict each other, or there are no clips.
        FloatingPointError: the loss is not finite.
        Stopped: a signal or the checkpoint's deadline asked for it, and the state is saved.
    """
    finetuned = settings["encoder"] == "finetuned"
    _check(train, validation, settings)
    encoder = copy.deepcopy(encoder).to(compute.device)
    with preserved_generators(seed):
        model = SAiD(model_config(settings, encoder), encoder if finetuned else None).to(compute.device)
    if model.config.scaled:
        model.coefficient_scale.copy_(torch.from_numpy(np.maximum(std, SMALLEST_STD)))
    if finetuned:
        # The convolutional part stays as pre-trained, as is the custom for wav2vec 2.0.
        encoder.freeze_feature_encoder()
    else:
        encoder.requires_grad_(False)
    alphas = alphas_cumprod(model.config).to(compute.device)
    # Features that change from step to step cannot be kept: neither those of an encoder that learns, nor random ones.
    fixed = not finetuned and settings["encoder_mode"] == "eval"
    sentences = encoder if fixed and settings["conditioning"] == "sentence" else None
    with compute.arithmetic():
        windows = Windows(train, settings, sentences, compute)
        held_out = Windows(validation, settings, sentences, compute)
    encode_windows = WindowEncoder(encoder, compute, cache_bytes)

    def audio_features(batch: "Batch", conditioned: Tensor) -> Tensor:
        if batch.features is not None:
            return batch.features
        if fixed:
            return encode_windows(batch, conditioned)
        encoder.train(model.training)
        with torch.set_grad_enabled(finetuned and torch.is_grad_enabled()):
            return encode(encoder, normalise(batch.waveforms), batch.coefficients.shape[1])

    def losses(batch: "Batch", conditioned: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        count = len(batch.coefficients)
        timesteps = torch.randint(model.config.diffusion_steps, (count,), generator=generator)
        noise = torch.randn(batch.coefficients.shape, generator=generator)
        with compute.autocast():
            error = prediction_error(
                model,
                batch.coefficients,
                audio_features(batch, conditioned),
                compute.move(conditioned),
                compute.move(timesteps),
                compute.move(noise),
                alphas=alphas,
            )
        kind = (settings["loss"], settings["loss_reduction"])
        terms = {"noise": loss_of(error, *kind), "velocity": loss_of(error.diff(dim=1), *kind)}
        if batch.displacements is not None:
            terms["vertex"] = vertex_loss(error, batch.displacements)
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
            for first in range(0, len(validation), settings["batch_size"]):
                batch = held_out.middle(range(first, min(first + settings["batch_size"], len(validation))))
                dropped = random.random(len(batch.coefficients)) < settings["condition_dropout"]
                conditioned = torch.from_numpy(~(dropped & settings["validation_dropout"]))
                values += [float(total(losses(batch, conditioned, generator)))] * len(batch.coefficients)
        return float(np.mean(values))

    with compute.arithmetic(), compute.compiled(model.denoiser.model):
        history = fit(
            model,
            objective,
            validate,
            items=[clip.name for clip in train],
            settings=FitSettings.of(settings),
            seed=seed,
            name=name,
            identity={
                "said": settings,
                "precision": compute.precision,
                "compile": compute.compile,
                "clips": digest({clip.name: clip.coefficients for clip in train}),
                "speech": digest({clip.name: clip.waveform for clip in train}),
                "encoder": digest(encoder.state_dict()),
            },
            learning_rates={"audio_encoder.": settings["encoder_learning_rate"]},
            extra_state={"mirrored": windows.mirrored},
            checkpoint=checkpoint,
            events=events,
            report=report,
        )
    return model.eval(), history


@dataclass(frozen=True)
class Batch:
    """Windows of one length n, on the device.

    Attributes:
        coefficients: (B, n, 32).
        waveforms: (B, n * 16000 / 60); None where there are features.
        features: (B, n, H) cut from encoded sentences.
        displacements: (B, 32, 3 V) of each clip's speaker; None where no loss looks at them.
        places: of each window whose audio may come again, what it is (clip and first frame); None for the others.
    """

    coefficients: Tensor
    waveforms: Tensor | None
    features: Tensor | None
    displacements: Tensor | None
    places: tuple[tuple | None, ...]


class Windows:
    """Windows of clips, random ones with augmentation (Section 5.1).

    Args:
        clips: of one split.
        settings: the section `said` of config.yaml.
        encoder: where given, whole sentences are encoded once and windows are cut from their features; otherwise a
            window carries its waveform.
    """

    def __init__(
        self,
        clips: Sequence[Clip],
        settings: dict,
        encoder: Wav2Vec2Model | None,
        compute: Compute = Compute(),  # noqa: B008
    ):
        self.clips = clips
        self.settings = settings
        self.compute = compute
        self.mirrored = torch.zeros(len(clips), dtype=torch.bool)
        """Which clips are mirrored for good, where `mirror_persistent`."""
        self.features = None
        """(all frames of all clips, H) features of the sentences, one after another."""
        self._lengths = np.array([len(clip.coefficients) for clip in clips])
        self._first_frames = np.cumsum(self._lengths) - self._lengths
        if encoder is not None:
            encoder.eval()
            self.features = torch.cat([encode_clip(encoder, c.waveform, len(c.coefficients)) for c in clips])

    def batch(self, indices: Sequence[int], random: np.random.Generator) -> Batch:
        """One random window of each of the clips."""
        length = self.settings["window"]
        padded = self.settings["window_sampling"] == "padded"
        if padded:
            length = int(random.integers(length, max(length, self._lengths[indices].min()) + 1))
        cuts = []
        for index in indices:
            frames = int(self._lengths[index])
            if padded:  # from half a window before the clip to where half of it is left over
                start = int(random.integers(-(length // 2), max(0, frames - length // 2 - 1) + 1))
            else:
                start = int(random.integers(max(0, frames - length) + 1))
            shift = 0.0
            if random.random() < self.settings["shift_probability"]:
                shift = random.uniform(-1, 1) * self.settings["shift_seconds"]
            cuts.append((int(index), start, shift, self._is_mirrored(index, random)))
        return self._cut(cuts, length)

    def middle(self, indices: Sequence[int]) -> Batch:
        """The window in the middle of each of the clips, as it is."""
        length = self.settings["window"]
        starts = [max(0, (int(self._lengths[index]) - length) // 2) for index in indices]
        return self._cut([(index, start, 0.0, False) for index, start in zip(indices, starts, strict=True)], length)

    def _is_mirrored(self, index: int, random: np.random.Generator) -> bool:
        flip = bool(random.random() < self.settings["mirror_probability"])
        if not self.settings["mirror_persistent"]:
            return flip
        self.mirrored[index] ^= flip
        return bool(self.mirrored[index])

    def _cut(self, cuts: Sequence[tuple[int, int, float, bool]], length: int) -> Batch:
        """Frames [start, start + length) of clips and their speech `shift` seconds later; both ends are repeated."""
        coefficients, waveforms = [], []
        for index, start, shift, mirrored in cuts:
            clip = self.clips[index]
            frames = np.clip(np.arange(start, start + length), 0, len(clip.coefficients) - 1)
            values = np.asarray(clip.coefficients, dtype=np.float32)[frames]
            coefficients.append(values[:, MIRROR] if mirrored else values)
            if self.features is None:
                first = start * SAMPLE_RATE // FRAME_RATE + round(shift * SAMPLE_RATE)
                samples = np.arange(first, first + length * SAMPLE_RATE // FRAME_RATE)
                waveforms.append(clip.waveform[np.clip(samples, 0, len(clip.waveform) - 1)])
        displacements = [self.clips[index].displacements for index, *_ in cuts]
        move = self.compute.move
        varied = self.settings["window_sampling"] == "padded"
        return Batch(
            move(torch.from_numpy(np.stack(coefficients))),
            move(torch.from_numpy(np.stack(waveforms).astype(np.float32))) if waveforms else None,
            None if self.features is None else self._interpolated(cuts, length),
            move(torch.from_numpy(np.stack(displacements))) if self.settings["vertex_weight"] else None,
            tuple(None if shift or varied else (id(self), index, start) for index, start, shift, _ in cuts),
        )

    def _interpolated(self, cuts, length: int) -> Tensor:
        """Features (B, length, H) at the cuts' fractional frames, linearly."""
        index, start, shift = (np.array([cut[column] for cut in cuts]) for column in range(3))
        last = self._lengths[index, None] - 1
        positions = np.clip(start[:, None] + np.arange(length), 0, last) + shift[:, None] * FRAME_RATE
        positions = np.clip(positions, 0, last)
        below = np.minimum(positions.astype(int), np.maximum(0, last - 1))
        share = self.compute.move(torch.from_numpy((positions - below).astype(np.float32)))[..., None]
        first = self._first_frames[index, None]
        lower, upper = (
            self.compute.move(torch.from_numpy(first + frames)) for frames in (below, np.minimum(below + 1, last))
        )
        return self.features[lower] * (1 - share) + self.features[upper] * share


class WindowEncoder:
    """Encodes windows of audio with a frozen encoder, and keeps those that may come again.

    A window whose audio is not shifted is one of few (at most as many as its clip has frames), so that over thousands
    of epochs each is drawn again and again. Windows under the null condition are not encoded. On the CPU each window is
    encoded by itself, so that its features do not depend on what else is in the batch and which windows are kept.

    Args:
        cache_bytes: memory for kept features; once it is full, what is kept stays.
    """

    def __init__(self, encoder: Wav2Vec2Model, compute: Compute, cache_bytes: int):
        self.encoder = encoder
        self.compute = compute
        self.free_bytes = cache_bytes
        self._kept: dict[tuple, Tensor] = {}

    @torch.no_grad()
    def __call__(self, batch: Batch, conditioned: Tensor) -> Tensor:
        """Features (B, n, H) of the windows that are `conditioned` (B,) bool; zero for the others."""
        frames = batch.coefficients.shape[1]
        features = torch.zeros(len(conditioned), frames, self.encoder.config.hidden_size, device=self.compute.device)
        wanted = np.flatnonzero(conditioned.numpy()).tolist()
        known = [row for row in wanted if batch.places[row] in self._kept]
        missing = [row for row in wanted if batch.places[row] not in self._kept]
        self.encoder.eval()
        waveforms = normalise(batch.waveforms)
        for rows in [[row] for row in missing] if self.compute.device == "cpu" else [missing] if missing else []:
            index = self._index(rows)
            features[index] = encode(self.encoder, waveforms[index], frames).to(features.dtype)
        if known:
            kept = torch.stack([self._kept[batch.places[row]] for row in known])
            features[self._index(known)] = self.compute.move(kept)
        self._keep({batch.places[row]: row for row in missing if batch.places[row] is not None}, features)
        return features

    def _index(self, rows: list[int]) -> Tensor:
        """Rows as a tensor of the device: for a list of them, PyTorch would wait for the GPU."""
        return self.compute.move(torch.tensor(rows))

    def _keep(self, rows: dict[tuple, int], features: Tensor) -> None:
        """Keep as many of these rows of (B, n, H) features as there is room for, in one transfer."""
        size = features[0].numel() * features.element_size()
        rows = dict(list(rows.items())[: self.free_bytes // size])
        if rows:
            self._kept |= zip(rows, features[self._index(list(rows.values()))].cpu(), strict=True)
            self.free_bytes -= size * len(rows)


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
