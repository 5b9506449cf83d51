"""The training loop of every model here: AdamW, warm-up, averaged weights, validation, checkpoints.

Nothing random is carried from step to step: the order of an epoch, the windows and the noise of a step follow from
(seed, epoch or step) alone. So a run that was interrupted goes on exactly as if it had not been.
"""

import contextlib
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from said.running.console import duration
from said.running.interruption import Stopped
from said.training.checkpoint import Checkpoint, TrainingState
from said.training.history import History

_EPOCH_STREAM, _STEP_STREAM = 1, 2
_CHECK_EVERY = 50
"""Steps between two looks at the loss for values that are not finite."""
_LINE_EVERY = 30.0
"""Seconds between two progress lines, besides those at each validation."""


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
    items: Sequence[str],
    settings: FitSettings,
    seed: int,
    name: str,
    identity: dict,
    learning_rates: Mapping[str, float] | None = None,
    extra_state: Mapping[str, Tensor] | None = None,
    checkpoint: Checkpoint | None = None,
    events: Path | None = None,
    report: Callable[[str], None] = print,
) -> list[dict]:
    """Train `model` in place; it ends with the averaged weights that `settings.selection` chooses.

    Args:
        model: its parameters that require gradients are trained.
        objective: gives a step's loss and the terms to be recorded; runs with the model in training mode.
        validate: gives the validation loss; runs with the averaged weights and the model in evaluation mode.
        items: names of the training items; an epoch sees each once, in random order.
        learning_rates: of parameters whose names begin with a key, instead of `settings.learning_rate`.
        name: stands in progress lines.
        identity: what the weights follow from besides the seed; a checkpoint of another one is not continued.
        extra_state: tensors that `objective` changes in place and that belong to the state of the training.
        checkpoint: keeps the state; a training that finds one goes on from there.
        events: TensorBoard file of the history.
        report: gets progress, a line at a time.

    Returns:
        one record per validation: epoch, step, mean training loss and terms since the last record, validation loss,
        learning rate, seconds.

    Raises:
        FloatingPointError: the loss is not finite; names the step, its batch and the learning rate. The checkpoint
            holds the last finite state.
        Stopped: a signal or the checkpoint's deadline asked for it, and the state is saved.
    """
    steps_per_epoch = math.ceil(len(items) / settings.batch_size)
    last_step = settings.epochs * steps_per_epoch
    trained = {key: value for key, value in model.named_parameters() if value.requires_grad}
    optimizer, base_rates = _optimizer(trained, settings, learning_rates or {})
    average = {key: value.detach().clone() for key, value in trained.items()}
    state = TrainingState(model, optimizer, average, extra_state or {})
    if checkpoint is not None and checkpoint.restore(state, {"name": name, "seed": seed, **identity}, report):
        report(f"{name}: continues after step {state.step} of {last_step}, epoch {state.step // steps_per_epoch}")

    clock = _Clock(state.seconds, state.step)
    written = shown = time.monotonic()
    # The first step whose loss was not finite, kept on the device: looking at it makes the CPU wait for a GPU.
    faulty = torch.full((), -1, device=next(iter(trained.values())).device)

    def rate(step: int) -> float:
        return learning_rate_factor(step, settings.warmup_epochs * steps_per_epoch, last_step, settings.schedule)

    def ensure_finite() -> None:
        sound = torch.stack(torch._foreach_norm([value.detach() for value in trained.values()])).isfinite().all()
        step = int(faulty) if int(faulty) >= 0 else state.step - 1
        if int(faulty) < 0 and sound:
            return
        epoch, position = divmod(step, steps_per_epoch)
        batch = ", ".join(items[index] for index in _items(epoch, position, len(items), settings, seed))
        what = "the loss is" if int(faulty) >= 0 else "the weights are"
        raise FloatingPointError(
            f"{name}: {what} not finite at step {step + 1} (epoch {epoch + 1}, learning rate "
            f"{settings.learning_rate * rate(step):.3g}, batch {batch}); lower learning_rate or set gradient_clip"
        )

    def save() -> None:
        nonlocal written
        if checkpoint is not None:
            state.seconds = clock.seconds
            checkpoint.write(state)
        written = time.monotonic()

    with contextlib.ExitStack() as stack:
        # The global generators (dropout, SpecAugment) are seeded at each step; the caller's are put back at the end.
        stack.enter_context(preserved_generators())
        interruption = stack.enter_context(checkpoint.interruption()) if checkpoint is not None else None
        log = History(events, state.history, state.seconds) if events is not None else None
        if log is not None:
            stack.callback(log.close)
        while state.step < last_step:
            epoch, position = divmod(state.step, steps_per_epoch)
            factor = rate(state.step)
            for group, base in zip(optimizer.param_groups, base_rates, strict=True):
                group["lr"] = base * factor
            model.train()
            loss, terms = objective(_step(state.step, epoch, position, last_step, len(items), settings, seed))
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            if settings.gradient_clip is not None:
                nn.utils.clip_grad_norm_(trained.values(), settings.gradient_clip)
            optimizer.step()
            faulty = torch.where((faulty < 0) & ~loss.detach().isfinite(), state.step, faulty)
            state.step += 1
            _average(average, trained, ema_decay(state.step, settings.ema_decay, settings.ema_warmup))
            for key, value in {"loss": loss, **terms}.items():
                state.sums[key] = state.sums[key] + value.detach() if key in state.sums else value.detach()

            now = time.monotonic()
            finished = state.step == last_step
            epoch_ends = position + 1 == steps_per_epoch
            validates = finished or (epoch_ends and (epoch + 1) % settings.validate_every == 0)
            stops = interruption.reason if interruption is not None and not finished else None
            saves = checkpoint is not None and now - written >= checkpoint.save_every
            if validates or stops or saves or state.step % _CHECK_EVERY == 0:
                ensure_finite()
            if validates:
                with averaged_weights(model, average):
                    validation = validate()
                if not math.isfinite(validation):
                    raise FloatingPointError(f"{name}: the validation loss is not finite after step {state.step}")
                _record(state, epoch + 1, validation, clock)
                losses = [record["validation"] for record in state.history]
                if settings.selection == "last" or validation <= min(losses):
                    state.best = {**{key: value.clone() for key, value in average.items()}, **_buffers(model)}
                if log is not None:
                    log.write(state.history[-1])
                report(progress_line(name, state, settings.epochs, last_step, clock))
                shown = now
            elif now - shown >= _LINE_EVERY:
                report(progress_line(name, state, settings.epochs, last_step, clock))
                shown = now
            if validates or stops or saves:
                save()
            if stops:
                message = f"{name}: stopped at step {state.step} of {last_step}, because {stops}; run again to continue"
                report(message)
                raise Stopped(message)
    with torch.no_grad():
        weights = model.state_dict()
        for key, value in state.best.items():
            weights[key].copy_(value)
    return state.history


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
    """A block after which the global generators are as before; in it torch's begin at `seed`."""
    numpy_state = np.random.get_state()  # noqa: NPY002
    with torch.random.fork_rng(range(torch.cuda.device_count())):
        try:
            if seed is not None:
                torch.manual_seed(seed)
            yield
        finally:
            np.random.set_state(numpy_state)  # noqa: NPY002


def progress_line(name: str, state: TrainingState, epochs: int, last_step: int, clock: "_Clock") -> str:
    """Where a training is, as one line of a log: after a validation with its loss, otherwise with the loss so far."""
    record = state.history[-1] if state.history and state.history[-1]["step"] == state.step else None
    if record is None:
        since = state.step - (state.history[-1]["step"] if state.history else 0)
        losses = f"loss {float(state.sums['loss']) / since:.4f}"
    else:
        best = min(entry["validation"] for entry in state.history) == record["validation"]
        losses = f"loss {record['loss']:.4f}  validation {record['validation']:.4f}{' (best)' if best else ''}"
    speed = clock.steps_per_second(state.step)
    epoch = state.step * epochs // last_step
    return (
        f"{name}: epoch {epoch}/{epochs} ({state.step / last_step:.0%})  {losses}  "
        f"lr {state.optimizer.param_groups[0]['lr']:.2e}  {speed:.3g} steps/s  {duration(clock.seconds)}, "
        f"{duration((last_step - state.step) / speed)} left"
    )


class _Clock:
    """Seconds of a training over all its processes, and the speed of this one."""

    def __init__(self, seconds: float, step: int):
        self._before, self._first_step, self._began = seconds, step, time.monotonic()

    @property
    def seconds(self) -> float:
        return self._before + time.monotonic() - self._began

    def steps_per_second(self, step: int) -> float:
        return max(1, step - self._first_step) / max(1e-9, time.monotonic() - self._began)


def _record(state: TrainingState, epoch: int, validation: float, clock: _Clock) -> None:
    """Close the history's current record."""
    since = state.step - (state.history[-1]["step"] if state.history else 0)
    state.history.append(
        {
            "epoch": epoch,
            "step": state.step,
            **{key: float(value) / since for key, value in state.sums.items()},
            "validation": validation,
            "learning_rate": state.optimizer.param_groups[0]["lr"],
            "seconds": round(clock.seconds, 2),
        }
    )
    state.sums = {}


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


def _step(number, epoch, position, last_step, count, settings, seed) -> Step:
    random = np.random.default_rng((seed, _STEP_STREAM, number))
    global_seed, own_seed = (int(value) for value in random.integers(2**32, size=2))
    torch.manual_seed(global_seed)
    np.random.seed(global_seed)  # noqa: NPY002, SpecAugment of transformers draws from numpy's global generator
    batch = _items(epoch, position, count, settings, seed)
    return Step(number, epoch, number / last_step, batch, random, torch.Generator().manual_seed(own_seed))


def _items(epoch, position, count, settings, seed) -> np.ndarray:
    """Indices of the items in a batch of an epoch."""
    order = np.random.default_rng((seed, _EPOCH_STREAM, epoch)).permutation(count)
    return order[position * settings.batch_size : (position + 1) * settings.batch_size]


@torch.no_grad()
def _average(average: dict[str, Tensor], trained: dict[str, Tensor], decay: float) -> None:
    torch._foreach_lerp_(list(average.values()), [value.detach() for value in trained.values()], 1 - decay)


def _buffers(model: nn.Module) -> dict[str, Tensor]:
    return {key: value.clone() for key, value in model.state_dict().items() if key in dict(model.named_buffers())}
