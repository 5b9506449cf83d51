"""Training of the space of facial motion: blocks drawn from motion in eight emotions."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from said.baselines.quantiser import CodeRenewal
from said.files.fingerprint import digest
from said.headpose.blocks import INNER, with_neighbours
from said.headpose.facial_vq import CHANNELS, FacialVQ, facial_vq_loss
from said.headpose.lips import in_deviations
from said.headpose.split import draw_blocks
from said.settings import Settings
from said.training.course import FitSettings, Step
from said.training.facial_vq_start import begin_at_components, settle
from said.training.loop import fit, preserved_generators
from said.training.run import Run

_VALIDATION_BLOCKS = 512
_BEGIN_BLOCKS = 2048
"""Of which codes are made before the first step."""


@dataclass(frozen=True)
class FacialVQSettings(Settings):
    """The key `facial_vq` of the section `headpose`; what the supplement states, then CodeTalker's values.

    Attributes:
        blocks: of 8 frames, drawn for training from all that there are.
        width, heads, feed_forward, layers, codes, code_width, components, dropout: see `FacialVQ`.
        quantiser, velocity, lip: weights in the loss, see `facial_vq_loss`.
        learning_rate, weight_decay: of AdamW.
    """

    blocks: int = 7609
    width: int = 1024
    heads: int = 8
    feed_forward: int = 1536
    layers: int = 6
    codes: int = 256
    code_width: int = 64
    components: int = 16
    dropout: float = 0.0
    quantiser: float = 1.0
    velocity: float = 0.5
    lip: float = 1.0
    epochs: int = 250
    batch_size: int = 64
    learning_rate: float = 1e-4
    weight_decay: float = 0.01
    schedule: Literal["constant", "cosine"] = "constant"
    gradient_clip: float | None = None
    validate_every: int = 10
    selection: Literal["best", "last"] = "last"


def train_facial_vq(
    train: Mapping[str, NDArray],
    validation: Mapping[str, NDArray],
    lips: NDArray,
    settings: FacialVQSettings | Mapping,
    seed: int,
    *,
    run: Run = Run("facial VQ-VAE"),
) -> tuple[FacialVQ, list[dict]]:
    """Train the VQ-VAE of facial motion.

    Args:
        train: sequences (N, 32) of coefficients at 30 frames per second, by name.
        validation: others, of whose blocks some are measured.
        lips: (32, 32) what coefficients do to the lips, see `said.headpose.lips.lip_matrix`.
        settings: of the training, or a mapping of them.
        seed: decides the weights, the order of the blocks and which of them revive codes; not which are drawn.
        run: under which name, where, and what it leaves beside the weights; bf16 has no effect.

    Returns:
        the model in evaluation mode; and the history, whose errors are in units of the coefficients' deviations.

    Raises:
        ValueError: there is no whole block.
        FloatingPointError: the loss is not finite.
        Stopped: a signal or the checkpoint's deadline asked for it, and the state is saved.
    """
    settings = FacialVQSettings.of(settings)
    blocks, held_out = _drawn(train, settings.blocks), _drawn(validation, _VALIDATION_BLOCKS)
    with preserved_generators(seed):
        vq = build(blocks[:, INNER].reshape(-1, CHANNELS), lips, settings).to(run.compute.device)
    data, held = (run.compute.move(torch.from_numpy(part)) for part in (blocks, held_out))
    weights = {"quantiser": settings.quantiser, "velocity": settings.velocity, "lip": settings.lip}

    renewal = CodeRenewal(vq.quantiser)
    with run.compute.arithmetic():
        begin(vq.eval(), renewal, data[:_BEGIN_BLOCKS], settings.lip, seed)

    def objective(step: Step) -> tuple[Tensor, dict[str, Tensor]]:
        batch = data[torch.from_numpy(step.items).to(data.device)]
        features = vq.encode(batch)
        renewal(features[:, INNER].detach(), step.generator)
        terms = facial_vq_loss(vq, batch, features, **weights)
        return terms.pop("loss"), terms

    def validate() -> float:
        return float(facial_vq_loss(vq, held, **weights)["loss"])

    identity = {
        "facial_vq": asdict(settings),
        "blocks": digest({"blocks": blocks}),
        "start": digest(vq.state_dict()),
    }
    with run.compute.arithmetic():
        history = fit(
            vq,
            objective,
            validate,
            items=[str(number) for number in range(len(blocks))],
            settings=FitSettings.of(asdict(settings)),
            seed=seed,
            journal=run.journal(identity),
            extra_state={"use": renewal.use},
        )
    return vq.eval(), history


def build(frames: NDArray, lips: NDArray, settings: FacialVQSettings) -> FacialVQ:
    """A fresh model for frames (N, 32) such as these; lips as for `train_facial_vq`."""
    return FacialVQ(
        frames.mean(0),
        frames.std(0),
        in_deviations(lips, frames),
        width=settings.width,
        heads=settings.heads,
        feed_forward=settings.feed_forward,
        layers=settings.layers,
        codes=settings.codes,
        code_width=settings.code_width,
        components=settings.components,
        dropout=settings.dropout,
    )


@torch.no_grad()
def begin(vq: FacialVQ, renewal: CodeRenewal, blocks: Tensor, lip: float, seed: int) -> None:
    """Start a model and its codes from some blocks between their neighbours (B, 24, 32); lip: weight in the loss."""
    in_lips = lip * vq.std[:, None] * vq.lips
    metric = torch.eye(CHANNELS, device=vq.lips.device) + CHANNELS * in_lips @ in_lips.T
    begin_at_components(vq, blocks[:, INNER].flatten(0, 1), metric)
    vectors = vq.encode(blocks)[:, INNER].flatten(0, 1)
    renewal.begin(vectors, torch.Generator().manual_seed(seed))
    settle(vq.quantiser, vectors)


def _drawn(sequences: Mapping[str, NDArray], count: int) -> NDArray[np.float32]:
    """(B, 24, 32): some of the blocks of sequences, each between its neighbours."""
    blocks = [block for name in sorted(sequences) for block in with_neighbours(sequences[name])]
    if not blocks:
        raise ValueError(f"{len(sequences)} sequences hold no whole block of 8 frames at 30 per second")
    drawn = draw_blocks(len(blocks), min(count, len(blocks)))
    return np.stack([blocks[number] for number in drawn]).astype(np.float32)
