"""Training of SyncNet on films of the training speakers, for want of the published weights.

The speech that belongs to five frames must be told from that of other moments of the same clip and of other clips, and
the other way round. With the distances as negative logits of that choice, a difference of distances of 1, the unit of
the confidence, is a factor e in its odds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Float32
from numpy.typing import NDArray
from torch import Tensor

from said.files.fingerprint import digest
from said.lipsync import syncnet
from said.lipsync.film import at_video_rate, camera_for
from said.lipsync.syncnet import SyncNet
from said.rig import Rig
from said.running.console import progress
from said.running.shapes import shaped
from said.settings import Settings
from said.training.course import FitSettings, Step
from said.training.loop import fit, preserved_generators
from said.training.run import Run
from said.waveforms import prepare_waveform

_MARGIN = 1.125
"""Pictures are rendered that much wider than the model sees, so that they can be shifted."""


@dataclass(frozen=True)
class SyncNetSettings(Settings):
    """The keys of the section `lipsync` of config.yaml that describe a SyncNet to be trained."""

    width: float = 0.25
    size: int = 64
    segment: int = 16
    speed: float = 0.15
    epochs: int = 40
    batch_size: int = 16
    learning_rate: float = 3e-3


@dataclass(frozen=True)
class Recording:
    """A clip as the corpus has it: whose it is, (N, 32) coefficients, the waveform (T,) in [-1, 1] and its rate."""

    speaker: str
    coefficients: NDArray
    waveform: NDArray
    sample_rate: int


@dataclass(frozen=True)
class Film:
    """A clip as SyncNet sees it: (W + 4, H, W', colours) uint8 pictures and (W, 1, 13, 20) speech windows."""

    pictures: NDArray
    speech: NDArray


def train_syncnet(
    rigs: Mapping[str, Rig],
    train: Sequence[Recording],
    validation: Sequence[Recording],
    settings: SyncNetSettings | Mapping,
    seed: int,
    *,
    run: Run = Run("SyncNet"),
) -> tuple[SyncNet, list[dict]]:
    """Train a SyncNet to tell synchronous lips and speech.

    Args:
        rigs: with landmarks, of every speaker in `train` and `validation`.
        settings: of the model and its training, or a mapping of them.
        seed: decides weights, films and segments.
        run: under which name, where, and what it leaves beside the weights; bf16 has no effect.

    Returns:
        the averaged weights of the epoch with the lowest validation loss, in evaluation mode; and the history.
    """
    settings, device = SyncNetSettings.of(settings), run.compute.device
    with preserved_generators(seed):
        model = SyncNet(settings.width, settings.size, colours=1).to(device)
    films = varied_films(model, rigs, train, settings.speed, seed)
    held_out = [film(model, rigs[clip.speaker], clip) for clip in validation]

    def objective(step: Step) -> tuple[Tensor, dict[str, Tensor]]:
        cuts = [segment(films[item], settings.segment, settings.size, step.random) for item in step.items]
        shortest = min(len(speech) for _, speech in cuts)
        pictures = np.stack([pictures[: shortest + syncnet.WINDOW - 1] for pictures, _ in cuts])
        speech = np.concatenate([speech[:shortest] for _, speech in cuts])
        return matching_loss(model, torch.from_numpy(pictures).to(device), torch.from_numpy(speech).to(device)), {}

    def validate() -> float:
        losses = []
        for clip in held_out:
            pictures = torch.from_numpy(np.moveaxis(clip.pictures, 3, 0)[None].astype(np.float32)).to(device)
            losses.append(float(matching_loss(model, pictures, torch.from_numpy(clip.speech).to(device))))
        return float(np.mean(losses))

    identity = {"lipsync": asdict(settings), "films": digest({n: clip.pictures for n, clip in enumerate(films)})}
    history = fit(
        model,
        objective,
        validate,
        items=[f"film {number} ({clip.speaker})" for number, clip in enumerate(train)],
        settings=FitSettings(
            epochs=settings.epochs,
            batch_size=settings.batch_size,
            learning_rate=settings.learning_rate,
            warmup_epochs=1 if settings.epochs > 1 else 0,
            schedule="cosine",
            gradient_clip=10.0,
            ema_decay=0.95,
            validate_every=max(1, settings.epochs // 10),
        ),
        seed=seed,
        journal=run.journal(identity),
    )
    model.origin = f"trained on films of {', '.join(dict.fromkeys(clip.speaker for clip in train))}"
    return model.eval(), history


@shaped
def matching_loss(
    model: SyncNet, pictures: Float[Tensor, "B colours T size size"], speech: Float[Tensor, "windows 1 13 20"]
) -> Float[Tensor, ""]:
    """Cross-entropy of finding each window's speech among all, and each speech's window among all.

    Args:
        pictures: (B, colours, T, size, size) in [0, 255].
        speech: (B (T - 4), 1, 13, 20), in the order of the windows.
    """
    lips, voice = model.embed_lips(pictures).flatten(0, 1), model.embed_speech(speech)
    squared = lips.square().sum(1)[:, None] + voice.square().sum(1) - 2 * lips @ voice.T
    logits = -squared.clamp_min(1e-6).sqrt()
    own = torch.arange(len(logits), device=logits.device)
    return (F.cross_entropy(logits, own) + F.cross_entropy(logits.T, own)) / 2


def film(model: SyncNet, rig: Rig, clip: Recording, speed: float = 1.0, margin: float = 1.0) -> Film:
    """Film a clip on a face, speech and motion `speed` times as fast and the voice as much higher."""
    motion = at_video_rate(clip.coefficients, speed)
    speech = syncnet.speech_windows(prepare_waveform(clip.waveform, clip.sample_rate * speed), len(motion))
    return Film(camera_for(model, rig, margin).film(motion[: len(speech) + syncnet.WINDOW - 1]), speech)


def varied_films(
    model: SyncNet, rigs: Mapping[str, Rig], clips: Sequence[Recording], speed: float, seed: int
) -> list[Film]:
    """Film each clip on a face between two training speakers' and at its own speed, to prepare the model for new ones.

    Args:
        speed: the largest change of speed, as a share; pitch and formants of the voice change with it.
    """
    speakers = sorted({clip.speaker for clip in clips})
    films = []
    for number, clip in enumerate(progress(clips, "films")):
        rng = np.random.default_rng((seed, number))
        first, second = (rigs[speakers[index]] for index in rng.integers(len(speakers), size=2))
        rig = between(first, second, rng.uniform())
        films.append(film(model, rig, clip, (1 + speed) ** rng.uniform(-1, 1), _MARGIN))
    return films


def between(first: Rig, second: Rig, share: float) -> Rig:
    """The rig that lies `share` of the way from one to another; both of one topology."""
    if not np.array_equal(first.faces, second.faces):
        raise ValueError("faces of different topologies have none between them")
    template = (1 - share) * first.template + share * second.template
    blendshapes = (1 - share) * first.blendshapes + share * second.blendshapes
    return replace(first, template=template, blendshapes=blendshapes)


@shaped
def segment(
    clip: Film, length: int, size: int, rng: np.random.Generator
) -> tuple[Float32[np.ndarray, "colours T {size} {size}"], Float32[np.ndarray, "W 1 13 20"]]:
    """A random stretch of a film, each time with another shift, mirroring, lighting and loudness.

    Args:
        length: windows; fewer where the film is shorter.
        size: pixels a side.

    Returns:
        (colours, length + 4, size, size) float32 pictures and (length, 1, 13, 20) speech.
    """
    length = min(length, len(clip.speech))
    start = int(rng.integers(len(clip.speech) - length + 1))
    row, column = rng.integers(clip.pictures.shape[1] - size + 1, size=2)
    stretch = clip.pictures[start : start + length + syncnet.WINDOW - 1, row : row + size, column : column + size]
    if rng.random() < 0.5:
        stretch = stretch[:, :, ::-1]
    contrast, brightness = rng.uniform(0.8, 1.25), rng.uniform(-25, 25)
    pictures = (np.moveaxis(stretch, 3, 0).astype(np.float32) - 128) * np.float32(contrast)
    speech = clip.speech[start : start + length].copy()
    speech[:, :, 0] += rng.normal()  # log energy: loudness
    return pictures + np.float32(128 + brightness), speech
