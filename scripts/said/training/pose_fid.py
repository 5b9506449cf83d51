"""Training of the autoencoder in whose latents the Frechet distance of head poses is taken."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from said.compute import Compute
from said.files.fingerprint import digest
from said.headpose.fid import WINDOW, PoseAutoencoder, windows
from said.headpose.rotations import to_directions
from said.settings import Settings
from said.training.course import FitSettings, Step
from said.training.loop import fit, preserved_generators
from said.training.run import Run


@dataclass(frozen=True)
class PoseFidSettings(Settings):
    """The section `headpose.fid` of config.yaml."""

    epochs: int = 100
    batch_size: int = 64
    learning_rate: float = 1e-4
    schedule: Literal["constant", "cosine"] = "constant"
    weight_decay: float = 0.01
    velocity_weight: float = 1.0
    validate_every: int = 5
    selection: Literal["last", "best"] = "last"


def train_pose_fid(
    train: Mapping[str, NDArray],
    validation: Mapping[str, NDArray],
    settings: PoseFidSettings | Mapping,
    seed: int,
    *,
    run: Run = Run("pose FID"),
) -> tuple[PoseAutoencoder, list[dict]]:
    """Train the autoencoder on all windows of the training clips: L1 of the directions and of their differences.

    A training item is a clip; a step sees all windows of its clips.

    Args:
        train, validation: clip -> (N, 3) rotation vectors in radians.
        settings: of the training, or a mapping of them.
        seed: decides weights and order.
        run: under which name, where, and what it leaves beside the weights.

    Returns:
        the autoencoder in evaluation mode, and the history.

    Raises:
        ValueError: there are no clips, or one is shorter than a window.
    """
    settings = PoseFidSettings.of(settings)
    if not train or not validation:
        raise ValueError(f"{len(train)} training and {len(validation)} validation clips: both need at least one")
    known = np.concatenate([to_directions(np.asarray(pose, np.float64)) for pose in train.values()])
    with preserved_generators(seed):
        model = PoseAutoencoder(known.mean(0).tolist(), known.std(0).clip(1e-3).tolist()).to(run.compute.device)
    items = [windows(pose[None]) for pose in train.values()]
    held_out = _tensor([windows(pose[None]) for pose in validation.values()], run.compute)

    def terms_of(batch: Tensor) -> dict[str, Tensor]:
        wanted = model.standardise(batch)
        with run.compute.autocast():
            made = model.decode(model.encode(batch))
        difference = made.float() - wanted
        return {
            "reconstruction": functional.l1_loss(difference, torch.zeros_like(difference)),
            "velocity": difference.diff(dim=1).abs().mean(),
        }

    def total(terms: Mapping[str, Tensor]) -> Tensor:
        return terms["reconstruction"] + settings.velocity_weight * terms["velocity"]

    def objective(step: Step) -> tuple[Tensor, dict[str, Tensor]]:
        terms = terms_of(_tensor([items[int(item)] for item in step.items], run.compute))
        return total(terms), terms

    per_clip = len(items[0])
    # The section counts windows; an item is a clip.
    chosen = asdict(settings) | {"batch_size": max(1, settings.batch_size // per_clip)}
    identity = {"pose_fid": asdict(settings), "clips": digest(dict(train))}
    with run.compute.arithmetic():
        history = fit(
            model,
            objective,
            lambda: float(total(terms_of(held_out))),
            items=list(train),
            settings=FitSettings.of(chosen),
            seed=seed,
            journal=run.journal(identity),
        )
    return model.eval(), history


def _tensor(parts: Sequence[NDArray], compute: Compute) -> Tensor:
    return compute.move(torch.from_numpy(np.concatenate(parts).reshape(-1, WINDOW, parts[0].shape[2])))
