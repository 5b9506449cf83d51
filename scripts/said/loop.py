"""The training loop of every model here: AdamW, warm-up, averaged weights, validation, checkpoints.

Nothing random is carried from step to step: the order of an epoch, the windows and the noise of a step follow from
(seed, epoch or step) alone. So a run that was interrupted goes on exactly as if it had not been.
"""

import contextlib
import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from said.checkpoint import Checkpoint

_EPOCH_STREAM, _STEP_STREAM = 1, 2


@dataclass(frozen=True)
class FitSettings:
    """How a model is optimised; the keys of config.yaml."""

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
    selection: str = "best"

    def __post_init__(self):
        if self.schedule not in ("constant", "cosine"):
            raise ValueError(f"schedule must be constant or cosine, not {self.schedule!r}")
        if self.selection not in ("best", "last"):
            raise ValueError(f"selection must be best or last, not {self.selection!r}")
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
    items: np.ndarray
    random: np.random.Generator
    generator: torch.Generator = field(repr=False)


def fit(
    model: nn.Module,
    objective: Callable[[Step], tuple[Tensor, dict[str, Tensor]]],
    validate: Callable[[], float],
    *,
    items: int,
    settings: FitSettings,
    seed: int,
    name: str,
    identity: dict,
    learning_rates: Mapping[str, float] | None = None,
    extra_state: Mapping[str, Tensor] | None = None,
    checkpoint: Path | None = None,
    report: Callable[[str], None] = print,
) -> list[dict]:
    """Train `model` in place; it ends with the averaged weights that `settings.selection` chooses.

    Args:
        model: its parameters that require gradients are trained.
        objective: gives a step's loss and the terms to be recorded; runs with the model in training mode.
        validate: gives the validation loss; runs with the averaged weights and the model in evaluation mode.
        items: number of training items; an epoch sees each once, in random order.
        learning_rates: of parameters whose names begin with a key, instead of `settings.learning_rate`.
        name: stands in progress lines.
        identity: what the weights follow from besides the seed; a checkpoint of another one is not continued.
        extra_state: tensors that `objective` changes in place and that belong to the state of the training.
        checkpoint: file that holds the state while training runs; removed at the end.
        report: gets progress, a line at a time.

    Returns:
        one record per validation: epoch, step, seconds, learning rate, mean training loss and terms since the last
        record, validation loss.

    Raises:
        FloatingPointError: the loss is not finite; names the step and the learning rate.
    """
    steps_per_epoch = math.ceil(items / settings.batch_size)
    last_step = settings.epochs * steps_per_epoch
    trained = {key: value for key, value in model.named_parameters() if value.requires_grad}
    optimizer, base_rates = _optimizer(trained, settings, learning_rates or {})
    average = {key: value.detach().clone() for key, value in trained.items()}
    best: dict[str, Tensor] = {}
    history: list[dict] = []
    step = 0

    store = Checkpoint(checkpoint, {"name": name, "seed": seed, **identity}, report)
    if state := store.read():
        step, history = state.restore(model, optimizer, average, best, extra_state or {})
        report(f"{name}: continues after epoch {step // steps_per_epoch} of {settings.epochs}")

    began = time.monotonic() - (history[-1]["seconds"] if history else 0.0)
    sums: dict[str, Tensor] = {}
    # The global generators (dropout, SpecAugment) are seeded at each step; the caller's are put back at the end.
    with preserved_generators():
        while step < last_step:
            epoch, position = divmod(step, steps_per_epoch)
            rate = learning_rate_factor(step, settings.warmup_epochs * steps_per_epoch, last_step, settings.schedule)
            for group, base in zip(optimizer.param_groups, base_rates, strict=True):
                group["lr"] = base * rate
            model.train()
            loss, terms = objective(_step(step, epoch, position, step / last_step, items, settings, seed))
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            if settings.gradient_clip is not None:
                nn.utils.clip_grad_norm_(trained.values(), settings.gradient_clip)
            optimizer.step()
            step += 1
            _average(average, trained, ema_decay(step, settings.ema_decay, settings.ema_warmup))
            for key, value in {"loss": loss, **terms}.items():
                sums[key] = sums.get(key, 0.0) + value.detach()
            # Looking at the loss makes a GPU wait, so it is looked at now and then.
            if (step % 50 == 0 or position + 1 == steps_per_epoch) and not torch.isfinite(sums["loss"]):
                raise FloatingPointError(
                    f"{name}: the loss is not finite at step {step} (epoch {epoch + 1}, learning rate "
                    f"{optimizer.param_groups[0]['lr']:.3g}); lower learning_rate or set gradient_clip"
                )

            finished = step == last_step
            if position + 1 < steps_per_epoch or ((epoch + 1) % settings.validate_every and not finished):
                continue
            since = step - (history[-1]["step"] if history else 0)
            with averaged_weights(model, average):
                validation = validate()
            history.append(
                {
                    "epoch": epoch + 1,
                    "step": step,
                    **{key: float(value) / since for key, value in sums.items()},
                    "validation": validation,
                    "learning_rate": optimizer.param_groups[0]["lr"],
                    "seconds": round(time.monotonic() - began, 2),
                }
            )
            sums = {}
            if settings.selection == "last" or validation <= min(record["validation"] for record in history):
                best = {**{key: value.clone() for key, value in average.items()}, **_buffers(model)}
            report(progress_line(name, history[-1], settings.epochs))
            if not finished:
                store.write(model, optimizer, average, best, extra_state or {}, step, history)
    with torch.no_grad():
        state = model.state_dict()
        for key, value in best.items():
            state[key].copy_(value)
    store.remove()
    return history


def find_device(name: str) -> str:
    """The PyTorch device of a configured name: auto is a GPU where there is one.

    Raises:
        ValueError: cuda is asked for, and there is none.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise ValueError("compute.device is cuda, but PyTorch sees no GPU here; set it to auto or cpu")
    return "cuda" if name != "cpu" and torch.cuda.is_available() else "cpu"


def learning_rate_factor(step: int, warmup_steps: int, steps: int, schedule: str) -> float:
    """Share of the learning rate at a step: linear warm-up, then constant or half a cosine to zero."""
    if step < warmup_steps:
        return (step + 1) / (warmup_steps + 1)
    if schedule == "constant":
        return 1.0
    return 0.5 * (1 + math.cos(math.pi * (step - warmup_steps) / max(1, steps - warmup_steps)))


def ema_decay(step: int, decay: float, warmup: bool) -> float:
    """Decay of the averaged weights after `step` updates; with warm-up min(decay, (1 + step) / (10 + step))."""
    return min(decay, (1 + step) / (10 + step)) if warmup else decay


@contextlib.contextmanager
def averaged_weights(model: nn.Module, average: Mapping[str, Tensor]) -> Iterator[None]:
    """A block in which the model holds its averaged weights, in evaluation mode and without gradients."""
    parameters = {key: value for key, value in model.named_parameters() if key in average}
    own = {key: value.detach().clone() for key, value in parameters.items()}
    training = model.training
    with torch.no_grad():
        try:
            for key, value in parameters.items():
                value.copy_(average[key])
            model.eval()
            yield
        finally:
            for key, value in parameters.items():
                value.copy_(own[key])
            model.train(training)


@contextlib.contextmanager
def preserved_generators(seed: int | None = None) -> Iterator[None]:
    """A block after which the global generators are as before; in it torch's begins at `seed`."""
    numpy_state, torch_state = np.random.get_state(), torch.get_rng_state()  # noqa: NPY002
    try:
        if seed is not None:
            torch.manual_seed(seed)
        yield
    finally:
        np.random.set_state(numpy_state)  # noqa: NPY002
        torch.set_rng_state(torch_state)


def progress_line(name: str, record: dict, epochs: int) -> str:
    """A record as one line of a log, with the time left."""
    left = record["seconds"] * (epochs - record["epoch"]) / record["epoch"]
    return (
        f"{name}: epoch {record['epoch']}/{epochs}  loss {record['loss']:.4f}  validation {record['validation']:.4f}  "
        f"lr {record['learning_rate']:.2e}  {record['seconds']:.0f} s, {left:.0f} s left"
    )


def _optimizer(trained, settings, learning_rates) -> tuple[torch.optim.AdamW, list[float]]:
    groups: dict[float, list[Tensor]] = {}
    for key, value in trained.items():
        rates = [rate for prefix, rate in learning_rates.items() if key.startswith(prefix)]
        groups.setdefault(rates[0] if rates else settings.learning_rate, []).append(value)
    optimizer = torch.optim.AdamW(
        [{"params": values, "lr": rate} for rate, values in groups.items()],
        betas=(0.9, 0.999),
        weight_decay=settings.weight_decay,
        fused=True,
    )
    return optimizer, list(groups)


def _step(number, epoch, position, progress, items, settings, seed) -> Step:
    order = np.random.default_rng((seed, _EPOCH_STREAM, epoch)).permutation(items)
    random = np.random.default_rng((seed, _STEP_STREAM, number))
    global_seed, own_seed = (int(value) for value in random.integers(2**32, size=2))
    torch.manual_seed(global_seed)
    np.random.seed(global_seed)  # noqa: NPY002, SpecAugment of transformers draws from numpy's global generator
    batch = order[position * settings.batch_size : (position + 1) * settings.batch_size]
    return Step(number, epoch, progress, batch, random, torch.Generator().manual_seed(own_seed))


@torch.no_grad()
def _average(average: dict[str, Tensor], trained: dict[str, Tensor], decay: float) -> None:
    torch._foreach_lerp_(list(average.values()), [value.detach() for value in trained.values()], 1 - decay)


def _buffers(model: nn.Module) -> dict[str, Tensor]:
    return {key: value.clone() for key, value in model.state_dict().items() if key in dict(model.named_buffers())}
