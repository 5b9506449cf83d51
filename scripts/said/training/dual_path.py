"""Training of the dual-path network: on speech that a frozen encoder has heard, in the words of a frozen codebook."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from said.files.fingerprint import digest
from said.headpose.blocks import BLOCK
from said.headpose.dual_path import DualPath, dual_path_loss
from said.headpose.facial_vq import FacialVQ
from said.headpose.spoken_face import SpokenFace
from said.settings import Settings
from said.training.course import FitSettings, Step
from said.training.loop import fit, preserved_generators
from said.training.run import Run


@dataclass(frozen=True)
class DualPathSettings(Settings):
    """The key `face` of the section `headpose`; what the supplement states, then FaceFormer's and our values.

    Attributes:
        width, heads, feed_forward, layers, period, reach, dropout, hidden: see `DualPath`.
        interpreter, global_path, local_path, quantised: likewise; the ablations.
        velocity, latent, lip: weights in the loss, see `dual_path_loss`.
        batch_size: clips in a step, of which each is cut, at random, to the length of the shortest.
        window: most frames of a clip in a step; None: all, but for less than a block.
        learning_rate, weight_decay: of AdamW.
    """

    width: int = 512
    heads: int = 4
    feed_forward: int = 1024
    layers: int = 12
    period: int = 30
    reach: int = 1
    dropout: float = 0.1
    hidden: int = 512
    interpreter: Literal["lstm", "linear"] = "lstm"
    global_path: bool = True
    local_path: bool = True
    quantised: bool = True
    velocity: float = 0.5
    latent: float = 1.0
    lip: float = 1.0
    epochs: int = 250
    batch_size: int = 1
    window: int | None = None
    learning_rate: float = 1e-4
    weight_decay: float = 0.01
    schedule: Literal["constant", "cosine"] = "constant"
    gradient_clip: float | None = None
    validate_every: int = 10
    selection: Literal["best", "last"] = "last"

    def network(self) -> dict:
        """Keyword arguments of `DualPath`."""
        names = ("width", "heads", "feed_forward", "layers", "period", "reach", "dropout", "hidden")
        switches = ("interpreter", "global_path", "local_path", "quantised")
        return {name: getattr(self, name) for name in names + switches}


def train_dual_path(
    train: Sequence[SpokenFace],
    validation: Sequence[SpokenFace],
    vq: FacialVQ,
    settings: DualPathSettings | Mapping,
    seed: int,
    *,
    run: Run = Run("dual path"),
) -> tuple[DualPath, list[dict]]:
    """Train the dual-path network.

    Args:
        train: clips of the training speakers, each of whom is a style.
        validation: clips of others, measured whole, in the mean style.
        vq: the space of facial motion, which stays as it is and becomes a part of the model.
        settings: of the training, or a mapping of them.
        seed: decides the weights, the order of the clips, where they are cut, and dropout.
        run: under which name, where, and what it leaves beside the weights; bf16 has no effect.

    Returns:
        the model in evaluation mode; and the history, whose errors are in units of the coefficients' deviations.

    Raises:
        ValueError: there are no clips, a training clip has no style, or a clip is shorter than a block.
        FloatingPointError: the loss is not finite.
        Stopped: a signal or the checkpoint's deadline asked for it, and the state is saved.
    """
    settings = DualPathSettings.of(settings)
    styles = _require_clips(train, validation)
    with preserved_generators(seed):
        model = DualPath(vq, train[0].speech.shape[1], styles, **settings.network()).to(run.compute.device)
    weights = {"velocity": settings.velocity, "latent": settings.latent, "lip": settings.lip}
    move = run.compute.move

    def objective(step: Step) -> tuple[Tensor, dict[str, Tensor]]:
        clips = [train[int(index)] for index in step.items]
        speech, motion = _cut(clips, settings.window, step.random)
        numbers = torch.tensor([clip.style for clip in clips])
        terms = dual_path_loss(model, move(speech), move(motion), move(numbers), **weights)
        return terms.pop("loss"), terms

    def validate() -> float:
        def loss(clip: SpokenFace) -> float:
            speech, motion = _cut([clip], None, np.random.default_rng(0))
            return float(dual_path_loss(model, move(speech), move(motion), None, **weights)["loss"])

        return float(np.mean([loss(clip) for clip in validation]))

    identity = {
        "dual_path": asdict(settings),
        "clips": digest(
            {f"{clip.name} {part}": getattr(clip, part) for clip in train for part in ("motion", "speech")}
        ),
        "start": digest(model.state_dict()),
    }
    with run.compute.arithmetic():
        history = fit(
            model,
            objective,
            validate,
            items=[clip.name for clip in train],
            settings=FitSettings.of(asdict(settings)),
            seed=seed,
            journal=run.journal(identity),
        )
    return model.eval(), history


def _cut(clips: Sequence[SpokenFace], window: int | None, random: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Speech (B, N, H) and motion (B, N, 32) of clips, each from a random frame on: N whole blocks, all that go in."""
    shortest = min(len(clip.motion) for clip in clips)
    frames = min(shortest, window or shortest) // BLOCK * BLOCK
    starts = [int(random.integers(len(clip.motion) - frames + 1)) for clip in clips]

    def stack(parts: Sequence[NDArray]) -> Tensor:
        return torch.from_numpy(
            np.stack([part[start : start + frames] for part, start in zip(parts, starts, strict=True)])
        )

    return stack([clip.speech for clip in clips]), stack([clip.motion for clip in clips])


def _require_clips(train: Sequence[SpokenFace], validation: Sequence[SpokenFace]) -> int:
    """How many styles the training clips have."""
    if not train or not validation:
        raise ValueError(f"{len(train)} training and {len(validation)} validation clips: both need at least one")
    styles = [clip.style for clip in train if clip.style is not None]
    if len(styles) < len(train):
        raise ValueError("every training clip needs the number of its speaker, its style")
    for clip in (*train, *validation):
        if len(clip.motion) < BLOCK:
            raise ValueError(
                f"{clip.name}: {len(clip.motion)} frames at 30 per second are less than a block of {BLOCK}"
            )
    return 1 + max(styles)
