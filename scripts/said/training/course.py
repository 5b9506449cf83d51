"""The course of a training: what each of its steps works on, and at what learning rate.

Nothing random is carried from step to step: the order of an epoch, the windows and the noise of a step follow from
(seed, epoch or step) alone. So a run that was interrupted goes on exactly as if it had not been.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray

Selection = Literal["best", "last", "sample_fd"]
"""Which averaged weights are kept: those of the lowest validation loss, the last, those whose samples have the lowest
`sample_fd`."""

_EPOCH_STREAM, _STEP_STREAM = 1, 2


@dataclass(frozen=True)
class FitSettings:
    """How a model is optimised; the keys of config.yaml.

    Attributes:
        drops: (epoch, share) pairs in order: from that epoch on, learning rates are multiplied by that share. An epoch
            may be a fraction.
        betas: how much of the gradients' mean and of their mean square an optimiser step keeps.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    warmup_epochs: int = 0
    schedule: str = "constant"
    weight_decay: float = 0.01
    gradient_clip: float | None = None
    ema_decay: float = 0.0
    ema_warmup: bool = True
    validate_every: int = 1
    selection: Selection = "best"
    drops: Sequence[tuple[float, float]] = ()
    betas: tuple[float, float] = (0.9, 0.999)

    def __post_init__(self):
        if self.schedule not in ("constant", "cosine"):
            raise ValueError(f"schedule must be constant or cosine, not {self.schedule!r}")
        if self.selection not in (allowed := get_args(Selection)):
            raise ValueError(f"selection must be one of {', '.join(allowed)}, not {self.selection!r}")
        if min(self.epochs, self.batch_size, self.validate_every) < 1:
            raise ValueError("epochs, batch_size and validate_every must be at least 1")

    @classmethod
    def of(cls, section: Mapping) -> "FitSettings":
        """From a section of config.yaml, whose other keys are not of the loop."""
        return cls(**{name: section[name] for name in cls.__dataclass_fields__ if name in section})


@dataclass(frozen=True)
class Step:
    """What one optimisation step works on.

    Attributes:
        number: of the step, from 0.
        epoch: from 0.
        progress: share of the training done, in [0, 1).
        items: indices of the training items in this batch.
        random, generator: of this step alone, for numpy and for torch.
    """

    number: int
    epoch: int
    progress: float
    items: NDArray[np.int64]
    random: np.random.Generator
    generator: torch.Generator = field(repr=False)


@dataclass(frozen=True)
class Course:
    """All steps of a training.

    Attributes:
        items: names of the training items; an epoch sees each once, in random order.
        settings: how the model is optimised.
        seed: that everything random follows from.
    """

    items: Sequence[str]
    settings: FitSettings
    seed: int

    @property
    def steps_per_epoch(self) -> int:
        return math.ceil(len(self.items) / self.settings.batch_size)

    @property
    def steps(self) -> int:
        """Of the whole training."""
        return self.settings.epochs * self.steps_per_epoch

    def rate(self, step: int) -> float:
        """Share of the learning rates at a step, which are counted from 0."""
        settings, per_epoch = self.settings, self.steps_per_epoch
        dropped = [share for epoch, share in settings.drops if step >= epoch * per_epoch]
        factor = learning_rate_factor(step, settings.warmup_epochs * per_epoch, self.steps, settings.schedule)
        return factor * dropped[-1] if dropped else factor

    def step(self, number: int) -> Step:
        """What a step works on. The global generators (dropout, SpecAugment) begin anew at a seed of its own."""
        random = np.random.default_rng((self.seed, _STEP_STREAM, number))
        global_seed, own_seed = (int(value) for value in random.integers(2**32, size=2))
        torch.manual_seed(global_seed)
        np.random.seed(global_seed)  # noqa: NPY002, SpecAugment of transformers draws from numpy's global generator
        generator = torch.Generator().manual_seed(own_seed)
        return Step(number, number // self.steps_per_epoch, number / self.steps, self._batch(number), random, generator)

    def validates(self, done: int) -> bool:
        """Whether the model is validated after so many steps: at the end of an epoch that is due, or of the last."""
        epoch, within = divmod(done, self.steps_per_epoch)
        return within == 0 and (epoch % self.settings.validate_every == 0 or epoch == self.settings.epochs)

    def describe(self, step: int) -> str:
        """Epoch, learning rate and batch of a step, for messages."""
        return (
            f"epoch {step // self.steps_per_epoch + 1}, learning rate "
            f"{self.settings.learning_rate * self.rate(step):.3g}, batch "
            f"{', '.join(self.items[int(index)] for index in self._batch(step))}"
        )

    def _batch(self, step: int) -> NDArray[np.int64]:
        """Indices of the items of a step."""
        epoch, position = divmod(step, self.steps_per_epoch)
        order = np.random.default_rng((self.seed, _EPOCH_STREAM, epoch)).permutation(len(self.items))
        return order[position * self.settings.batch_size : (position + 1) * self.settings.batch_size]


def learning_rate_factor(step: int, warmup_steps: int, steps: int, schedule: str) -> float:
    """Share of the learning rate at a step: linear warm-up, then constant or half a cosine to zero."""
    if step < warmup_steps:
        return (step + 1) / (warmup_steps + 1)
    if schedule == "constant":
        return 1.0
    return 0.5 * (1 + math.cos(math.pi * (step - warmup_steps) / max(1, steps - warmup_steps)))
