"""Windows of the training clips, augmented, and the speech encoded for them (Sections 4.2 and 5.1)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, cast

import numpy as np
import torch
from jaxtyping import Bool, Float
from numpy.typing import NDArray
from torch import Tensor
from transformers import Wav2Vec2Model

from said.arkit import MIRROR
from said.compute import Compute
from said.corpus import FRAME_RATE
from said.landmarks import LIPS
from said.model import CHANNELS
from said.prediction import Prediction
from said.rig import Rig
from said.running.shapes import shaped
from said.settings import Settings
from said.speech import encode, encode_clip, normalise
from said.training.course import Selection
from said.waveforms import SAMPLE_RATE


@dataclass(frozen=True)
class SaidSettings(Settings):
    """The section `said` of config.yaml, but for `seeds`: a training has one."""

    width: int = 192
    channels_per_group: int = 6
    dropout: float = 0.1
    alignment_bias: int | None = 1
    alignment_schedule: Literal["constant", "linear", "geometric"] = "constant"
    encoder: Literal["frozen", "finetuned"] = "frozen"
    conditioning: Literal["window", "sentence"] = "window"
    encoder_mode: Literal["eval", "train"] = "eval"
    encoder_learning_rate: float = 1e-5
    prediction: Prediction = "epsilon"
    coefficient_scale: Literal["none", "std"] = "none"
    noise_schedule: Literal["squaredcos_cap_v2", "linear", "scaled_linear"] = "squaredcos_cap_v2"
    diffusion_steps: int = 1000
    offset_noise: float = 0.0
    loss: Literal["l1", "l2"] = "l1"
    loss_reduction: Literal["sum", "mean"] = "sum"
    loss_scale: Literal["none", "std"] = "none"
    snr_gamma: float | None = None
    velocity_weight: float = 1.0
    vertex_weight: float = 0.0
    condition_dropout: float = 0.1
    epochs: int = 50000
    warmup_epochs: int = 5000
    batch_size: int = 8
    learning_rate: float = 1e-5
    schedule: Literal["constant", "cosine"] = "constant"
    weight_decay: float = 0.01
    gradient_clip: float | None = None
    ema_decay: float = 0.9999
    ema_warmup: bool = True
    window: int = 120
    window_sampling: Literal["slice", "padded"] = "slice"
    shift_seconds: float = 0.0166667
    shift_probability: float = 0.5
    mirror_probability: float = 0.5
    mirror_persistent: bool = False
    selection: Selection = "best"
    validate_every: int = 200
    validation_repeats: int = 1
    validation_dropout: bool = False
    preview_every: int = 5
    preview_clips: int = 3
    preview_guidance: float = 2.0


Place = tuple[int, int, int]
"""Where a window lies: whose (the id of its `Windows`), the number of its clip and its first frame."""
Cut = tuple[int, int, float, bool]
"""A window to be cut: the number of its clip, its first frame, the shift of its speech in seconds, and whether it is
mirrored."""


@dataclass(frozen=True)
class Clip:
    """A sentence.

    Attributes:
        name: unique among the clips.
        coefficients: (N, 32) in [0, 1], 60 frames per second.
        waveform: (T,) in [-1, 1] at 16 kHz, beginning with the first frame.
        displacements: (32, 3 V) blendshapes of the speaker less the template; only the vertex loss needs them.
        lips: (32, L, 3) metres, those of the landmarks of the lips; only previews need them.
    """

    name: str
    coefficients: Float[np.ndarray, "N 32"]
    waveform: Float[np.ndarray, " T"]
    displacements: Float[np.ndarray, "32 V3"] | None = None
    lips: Float[np.ndarray, "32 L 3"] | None = None

    @classmethod
    def of(cls, name: str, coefficients: NDArray, waveform: NDArray, rig: Rig | None) -> "Clip":
        """With what losses and previews need of its speaker's rig, which knows its landmarks, if there is one."""
        values = np.asarray(coefficients, dtype=np.float32)
        if rig is None:
            return cls(name, values, waveform)
        landmarks = cast(NDArray, rig.landmarks)[LIPS]
        lips = (rig.blendshapes - rig.template)[:, landmarks]
        return cls(name, values, waveform, rig.displacements.astype(np.float32), lips)

    def __post_init__(self):
        if self.coefficients.ndim != 2 or self.coefficients.shape[1] != CHANNELS or len(self.coefficients) < 2:
            raise ValueError(f"{self.name}: coefficients are {self.coefficients.shape}, expected (N >= 2, {CHANNELS})")
        if self.waveform.ndim != 1 or len(self.waveform) == 0:
            raise ValueError(f"{self.name}: waveform is {self.waveform.shape}, expected (T,)")


@dataclass(frozen=True)
class Batch:
    """Windows of one length n, on the device.

    Attributes:
        coefficients: (B, n, 32).
        waveforms: (B, n * 16000 / 60); None where there are features.
        features: (B, n, H) cut from encoded sentences.
        displacements: (B, 32, 3 V) of each clip's speaker; None where no loss uses them.
        places: of the windows whose audio may be drawn again; None for the others.
    """

    coefficients: Float[Tensor, "B n 32"]
    waveforms: Float[Tensor, "B T"] | None
    features: Float[Tensor, "B n H"] | None
    displacements: Float[Tensor, "B 32 V3"] | None
    places: tuple[Place | None, ...]

    @property
    @shaped
    def normalised_waveforms(self) -> Float[Tensor, "B T"]:
        """The waveforms, each of zero mean and unit variance, as the speech encoder expects them.

        Raises:
            ValueError: the windows have features instead.
        """
        if self.waveforms is None:
            raise ValueError("these windows were cut from encoded sentences and have no waveforms")
        return normalise(self.waveforms)


class Windows:
    """Windows of clips, random ones with augmentation (Section 5.1).

    Args:
        clips: of one split.
        settings: of the training, or a mapping of them.
        encoder: where given, whole sentences are encoded once and windows are cut from their features; otherwise a
            window carries its waveform.
    """

    def __init__(
        self,
        clips: Sequence[Clip],
        settings: SaidSettings | Mapping,
        encoder: Wav2Vec2Model | None,
        compute: Compute = Compute(),
    ):
        self.clips = clips
        self.settings = SaidSettings.of(settings)
        self.compute = compute
        self.mirrored = torch.zeros(len(clips), dtype=torch.bool)
        """Which clips are mirrored for good, where `mirror_persistent`."""
        self.features: Tensor | None = None
        """(all frames of all clips, H) features of the sentences, one after another."""
        self._lengths = np.array([len(clip.coefficients) for clip in clips])
        self._first_frames = np.cumsum(self._lengths) - self._lengths
        if encoder is not None:
            encoder.eval()
            self.features = torch.cat([encode_clip(encoder, c.waveform, len(c.coefficients)) for c in clips])

    def batch(self, indices: Sequence[int] | NDArray[np.int64], random: np.random.Generator) -> Batch:
        """One random window of each of the clips."""
        length = self.settings.window
        padded = self.settings.window_sampling == "padded"
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
            if random.random() < self.settings.shift_probability:
                shift = random.uniform(-1, 1) * self.settings.shift_seconds
            cuts.append((int(index), start, shift, self._is_mirrored(index, random)))
        return self._cut(cuts, length)

    def middle(self, indices: Sequence[int]) -> Batch:
        """The window in the middle of each of the clips, as it is."""
        length = self.settings.window
        starts = [max(0, (int(self._lengths[index]) - length) // 2) for index in indices]
        return self._cut([(index, start, 0.0, False) for index, start in zip(indices, starts, strict=True)], length)

    def every(self, stride: int) -> NDArray[np.float32]:
        """(W, n, 32) coefficients of windows of all clips, `stride` frames apart, as they are."""
        length = self.settings.window
        found = []
        for clip in self.clips:
            values = np.asarray(clip.coefficients, dtype=np.float32)
            values = np.pad(values, ((0, max(0, length - len(values))), (0, 0)), mode="edge")
            found += [values[start : start + length] for start in range(0, len(values) - length + 1, stride)]
        return np.stack(found)

    def _is_mirrored(self, index: int, random: np.random.Generator) -> bool:
        flip = bool(random.random() < self.settings.mirror_probability)
        if not self.settings.mirror_persistent:
            return flip
        self.mirrored[index] ^= flip
        return bool(self.mirrored[index])

    def _cut(self, cuts: Sequence[Cut], length: int) -> Batch:
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
        varied = self.settings.window_sampling == "padded"
        return Batch(
            move(torch.from_numpy(np.stack(coefficients))),
            move(torch.from_numpy(np.stack(waveforms).astype(np.float32))) if waveforms else None,
            None if self.features is None else self._interpolated(self.features, cuts, length),
            move(torch.from_numpy(np.stack(cast(list[np.ndarray], displacements))))
            if self.settings.vertex_weight
            else None,
            tuple(None if shift or varied else (id(self), index, start) for index, start, shift, _ in cuts),
        )

    def _interpolated(self, features: Tensor, cuts: Sequence[Cut], length: int) -> Tensor:
        """Features (B, length, H), of those of all frames (F, H), at the cuts' fractional frames, linearly."""
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
        return features[lower] * (1 - share) + features[upper] * share


class WindowEncoder:
    """Encodes windows of audio with a frozen encoder, and keeps those that may be drawn again.

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
        self._kept: dict[Place, Tensor] = {}

    @torch.no_grad()
    @shaped
    def __call__(self, batch: Batch, conditioned: Bool[Tensor, " B"]) -> Float[Tensor, "B n H"]:
        """Features (B, n, H) of the windows that are `conditioned` (B,) bool; zero for the others."""
        frames = batch.coefficients.shape[1]
        features = torch.zeros(len(conditioned), frames, self.encoder.config.hidden_size, device=self.compute.device)
        wanted = np.flatnonzero(conditioned.numpy()).tolist()
        known = {row: place for row in wanted if (place := batch.places[row]) in self._kept}
        missing = [row for row in wanted if row not in known]
        self.encoder.eval()
        waveforms = batch.normalised_waveforms
        for rows in [[row] for row in missing] if self.compute.device == "cpu" else [missing] if missing else []:
            index = self._index(rows)
            features[index] = encode(self.encoder, waveforms[index], frames).to(features.dtype)
        if known:
            kept = torch.stack([self._kept[place] for place in known.values()])
            features[self._index(list(known))] = self.compute.move(kept)
        self._keep({place: row for row in missing if (place := batch.places[row]) is not None}, features)
        return features

    def _index(self, rows: list[int]) -> Tensor:
        """Rows as a tensor of the device: for a list of them, PyTorch would wait for the GPU."""
        return self.compute.move(torch.tensor(rows))

    def _keep(self, rows: dict[Place, int], features: Tensor) -> None:
        """Keep as many of these rows of (B, n, H) features as there is room for, in one transfer."""
        size = features[0].numel() * features.element_size()
        rows = dict(list(rows.items())[: self.free_bytes // size])
        if rows:
            self._kept |= zip(rows, features[self._index(list(rows.values()))].cpu(), strict=True)
            self.free_bytes -= size * len(rows)
