"""Training of VOCA (Cudeiro et al. 2019): pairs of frames that follow each other, from all clips at once."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from said.baselines.clips import MeshClip, Shared
from said.baselines.deepspeech import DeepSpeech
from said.baselines.hearing import Components, encoder_states
from said.baselines.methods.voca import HearingVoca, read_hearing
from said.baselines.voca import TensorFlowAdam, Voca, losses
from said.compute import Compute
from said.files.fingerprint import digest
from said.settings import Settings
from said.training.course import FitSettings, Step
from said.training.loop import fit, preserved_generators
from said.training.run import Run

_BASIS_FRAMES = 1000
"""Frames, evenly spread over the training clips, from which the output layer's basis is taken."""
_VALIDATION_PAIRS = 64


@dataclass(frozen=True)
class VocaSettings(Settings):
    """`baselines.voca` of config.yaml: how VOCA is trained."""

    hearing: Literal["deepspeech", "speech_encoder"] = "deepspeech"
    deepspeech: str = "deepspeech-0.1.0-models.tar.gz"
    components: int = 50
    epochs: int = 40
    batch_size: int = 64
    learning_rate: float = 1e-4
    schedule: Literal["constant", "cosine"] = "constant"
    velocity_weight: float = 10.0
    validate_every: int = 10
    selection: Literal["last", "best"] = "last"


@dataclass(frozen=True)
class _Heard:
    """A clip, its frames (N, V, 3), memory-mapped, and what VOCA hears of it: a window (16, 29) for each of them."""

    clip: MeshClip
    frames: NDArray[np.float32]
    windows: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.windows)


def train_voca(
    train: Sequence[MeshClip],
    validation: Sequence[MeshClip],
    settings: VocaSettings | Mapping,
    seed: int,
    *,
    shared: Shared,
    run: Run = Run("voca"),
) -> tuple[HearingVoca, list[dict]]:
    """Train VOCA.

    A training item is a frame with the one before it; the first frame of a clip is a pair with itself. The output layer
    starts from the principal components of the training clips' offsets. Validation is the mean loss of 64 pairs, always
    the same, in every style.

    Args:
        train, validation: clips of the two splits.
        settings: of the training, or a mapping of them.
        seed: decides the weights and the order of the pairs.
        shared: of the methods.
        run: under which name, where, and what it leaves beside the weights.

    Returns:
        VOCA with what it hears through, in evaluation mode; and the history.

    Raises:
        ValueError: there are no clips, or the meshes have too few frames for the basis.
        FloatingPointError: the loss is not finite.
        Stopped: a signal or the checkpoint's deadline asked for it, and the state is saved.
    """
    settings = VocaSettings.of(settings)
    if not train or not validation:
        raise ValueError(f"{len(train)} training and {len(validation)} validation clips: both need at least one")
    shared.encoder.to(run.compute.device)  # pyright: ignore[reportArgumentType]  # transformers wraps this method
    hearing = _hearing(train, settings, shared).to(run.compute.device)
    vertices, subjects = len(train[0].template), 1 + max(clip.style or 0 for clip in train)
    with preserved_generators(seed):
        network = Voca(vertices, subjects, settings.components, principal_components(train, settings.components))
    model = HearingVoca(network.to(run.compute.device), hearing, shared.encoder)
    heard, held_out = list(_listen(model, train)), list(_listen(model, validation))
    pairs = [(number, frame) for number, one in enumerate(heard) for frame in range(len(one))]
    fixed = _validation_pairs(held_out, seed)

    def terms_of(windows: Tensor, styles: Tensor, templates: Tensor, targets: Tensor) -> dict[str, Tensor]:
        with run.compute.autocast():
            predicted = network(windows, styles, templates)
        return losses(predicted.float(), targets, settings.velocity_weight)

    def objective(step: Step) -> tuple[Tensor, dict[str, Tensor]]:
        rows = [pairs[int(item)] for item in step.items]
        windows, templates, targets = _rows(heard, rows, run.compute)
        styles = torch.tensor([heard[number].clip.style or 0 for number, _ in rows]).repeat_interleave(2)
        terms = terms_of(windows, run.compute.move(styles), templates, targets)
        return terms.pop("loss"), terms

    def validate() -> float:
        windows, templates, targets = _rows(held_out, fixed, run.compute)
        every = (run.compute.move(torch.full((len(windows),), style)) for style in range(subjects))
        return float(np.mean([float(terms_of(windows, styles, templates, targets)["loss"]) for styles in every]))

    identity = {
        "voca": asdict(settings),
        "clips": digest({clip.name: clip.coefficients for clip in train}),
        "speech": digest({one.clip.name: one.windows for one in heard}),
    }
    with run.compute.arithmetic():
        history = fit(
            network,
            objective,
            validate,
            items=[f"{heard[number].clip.name} frame {frame}" for number, frame in pairs],
            settings=FitSettings.of({"weight_decay": 0.0} | asdict(settings)),
            seed=seed,
            optimizer_class=TensorFlowAdam,
            journal=run.journal(identity),
        )
    return model.eval(), history


def principal_components(clips: Sequence[MeshClip], count: int) -> NDArray[np.float32]:
    """Directions in which faces move, (3 V, count): principal axes of offsets, each as long as they deviate along it.

    The sign of an axis is that of its largest part.

    Raises:
        ValueError: the clips have too few frames.
    """
    total = sum(len(clip.frames()) for clip in clips)
    step = max(1, -(-total // _BASIS_FRAMES))
    offsets = np.concatenate(
        [(clip.frames()[::step] - clip.template).reshape(-1, clip.template.size) for clip in clips]
    )
    if len(offsets) < count:
        raise ValueError(f"{len(offsets)} frames have no {count} principal components; lower baselines.voca.components")
    _, vectors = np.linalg.eigh(offsets.astype(np.float64) @ offsets.T.astype(np.float64))
    # With X = U S W', X X' = U S^2 U': the axes W are X' U / S, their deviations S / sqrt(frames).
    axes = offsets.T @ vectors[:, ::-1][:, :count] / np.sqrt(len(offsets))
    signs = np.sign(axes[np.abs(axes).argmax(0), np.arange(count)])
    return (axes * signs).astype(np.float32)


def _hearing(train: Sequence[MeshClip], settings: VocaSettings, shared: Shared) -> DeepSpeech | Components:
    if settings.hearing == "deepspeech":
        return read_hearing(Path(settings.deepspeech))
    return Components.of(encoder_states(shared.encoder, clip.waveform, clip.rate) for clip in train)


def _listen(model: HearingVoca, clips: Sequence[MeshClip]) -> Iterator[_Heard]:
    """Clips with their windows, both as long as the shorter."""
    for clip in clips:
        windows = model.hear(clip.waveform, clip.rate)
        frames = clip.frames()
        yield _Heard(clip, frames, windows[: len(frames)].astype(np.float32))


def _validation_pairs(clips: Sequence[_Heard], seed: int) -> list[tuple[int, int]]:
    random = np.random.default_rng((seed, 3))
    numbers = random.integers(len(clips), size=_VALIDATION_PAIRS)
    return [(int(number), int(random.integers(len(clips[number])))) for number in numbers]


def _rows(clips: Sequence[_Heard], pairs: Sequence[tuple[int, int]], compute: Compute) -> tuple[Tensor, Tensor, Tensor]:
    """Windows (2 P, 16, 29), templates and frames (2 P, V, 3) of pairs: a clip's number and the later frame's."""
    chosen = [(clips[number], at) for number, frame in pairs for at in (max(0, frame - 1), frame)]
    windows = np.stack([one.windows[at] for one, at in chosen])
    templates = np.stack([one.clip.template for one, _ in chosen])
    frames = np.stack([one.frames[at] for one, at in chosen])
    return tuple(compute.move(torch.from_numpy(rows)) for rows in (windows, templates, frames))  # pyright: ignore[reportReturnType]
