"""Training of the pose VQ-VAE (supplement, Section 2.2)."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from said.baselines.quantiser import CodeRenewal
from said.files.fingerprint import digest
from said.headpose.pose_vq import PoseVQ, PoseVQConfig, pose_vq_loss, standardise
from said.settings import Settings
from said.training.course import FitSettings, Step
from said.training.loop import fit, preserved_generators
from said.training.run import Run

_TOGETHER = 64
"""Clips in a batch where nothing is learnt."""


@dataclass(frozen=True)
class PoseVQSettings(Settings):
    """The section `headpose.pose_vq` of config.yaml.

    Attributes:
        block, components, codes, code_width, width, heads, feed_forward, layers, dropout: see `PoseVQConfig`.
        velocity: weight of the error of the change from frame to frame.
        quantiser: weight of the quantiser's loss.
        least_use: a code whose share is below this part of the uniform share is moved to where motion is; 0: none is.
        learning_rate, weight_decay: of AdamW.
    """

    block: int = 4
    components: int = 4
    codes: int = 64
    code_width: int = 12
    width: int = 256
    heads: int = 4
    feed_forward: int = 512
    layers: int = 6
    dropout: float = 0.0
    velocity: float = 4.0
    quantiser: float = 1.0
    least_use: float = 0.02
    epochs: int = 200
    batch_size: int = 32
    learning_rate: float = 1e-4
    warmup_epochs: int = 0
    schedule: Literal["constant", "cosine"] = "constant"
    weight_decay: float = 0.01
    gradient_clip: float | None = None
    validate_every: int = 10
    selection: Literal["best", "last"] = "last"

    def config(self, frames: int) -> PoseVQConfig:
        """Sizes of the model for clips of so many frames.

        Raises:
            ValueError: they are no whole number of blocks.
        """
        if frames % self.block:
            raise ValueError(f"a clip's {frames} frames are no whole number of blocks of {self.block}")
        own = {field.name for field in fields(PoseVQConfig)}
        shared = {name: value for name, value in asdict(self).items() if name in own}
        return PoseVQConfig(tokens=frames // self.block, **shared)


def train_pose_vq(
    train: NDArray[np.float32],
    validation: NDArray[np.float32],
    settings: PoseVQSettings | Mapping,
    seed: int,
    *,
    clips: Sequence[str],
    run: Run = Run("pose VQ-VAE"),
) -> tuple[PoseVQ, list[dict]]:
    """Train a pose VQ-VAE.

    Args:
        train: (C, N, 6) directions of the training clips.
        validation: (D, N, 6) of others.
        settings: of the training, or a mapping of them.
        seed: decides the weights, the order of the clips, dropout, and where idle codes are moved to.
        clips: (C,) names of the training clips.
        run: under which name, where, and what it leaves beside the weights; bf16 has no effect.

    Returns:
        the model in evaluation mode; and the history, in which `perplexity` is that of the codebook least in use.

    Raises:
        ValueError: a clip is no whole number of blocks.
        FloatingPointError: the loss is not finite.
        Stopped: a signal or the checkpoint's deadline asked for it, and the state is saved.
    """
    settings = PoseVQSettings.of(settings)
    weights = {"velocity": settings.velocity, "quantiser": settings.quantiser}
    clipped, held_out = (run.compute.move(torch.from_numpy(part)) for part in (train, validation))
    with preserved_generators(seed):
        model = PoseVQ(settings.config(train.shape[1]))
    standardise(model, train)
    model = model.to(run.compute.device)
    renewal = CodeRenewal(model.quantiser, settings.least_use)
    with run.compute.arithmetic():
        generator = torch.Generator().manual_seed(seed)
        drawn = torch.randperm(len(train), generator=generator)[:_TOGETHER]
        model.eval()
        with torch.no_grad():
            renewal.begin(model.vectors(clipped[drawn]), generator)

    def objective(step: Step) -> tuple[Tensor, dict[str, Tensor]]:
        directions = clipped[torch.from_numpy(step.items)]
        if settings.least_use:
            with torch.no_grad():
                renewal(model.vectors(directions), step.generator)
        return pose_vq_loss(model, directions, **weights)

    def validate() -> float:
        losses = [float(pose_vq_loss(model, part, **weights)[0]) * len(part) for part in held_out.split(_TOGETHER)]
        return sum(losses) / len(held_out)

    def measure(_: int) -> dict[str, float]:
        codes = torch.cat([model.encode(part) for part in held_out.split(_TOGETHER)])
        return {"perplexity": float(model.quantiser.perplexity(codes).min())}

    identity = {
        "pose_vq": asdict(settings),
        "clips": digest({"directions": train}),
        "start": digest(model.state_dict()),
    }
    with run.compute.arithmetic():
        history = fit(
            model,
            objective,
            validate,
            items=clips,
            settings=FitSettings.of(asdict(settings)),
            seed=seed,
            journal=run.journal(identity),
            measure=measure,
            extra_state={"use": renewal.use},
        )
    return model.eval(), history
