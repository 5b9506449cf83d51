"""The training loop of every model here: Adam, warm-up, averaged weights, validation."""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from said.training.checkpoint import TrainingState
from said.training.course import Course, FitSettings, Step
from said.training.journal import Journal


def fit(
    model: nn.Module,
    objective: Callable[[Step], tuple[Tensor, dict[str, Tensor]]],
    validate: Callable[[], float],
    *,
    items: Sequence[str],
    settings: FitSettings,
    seed: int,
    journal: Journal,
    measure: Callable[[int], dict[str, float]] | None = None,
    learning_rates: Mapping[str, float] | None = None,
    weight_decays: Mapping[str, float] | None = None,
    optimizer_class: type[torch.optim.Adam] = torch.optim.AdamW,
    extra_state: Mapping[str, Tensor] | None = None,
) -> list[dict]:
    """Train `model` in place; it ends with the averaged weights that `settings.selection` chooses.

    Args:
        model: its parameters that require gradients are trained.
        objective: gives a step's loss and the terms to be recorded; runs with the model in training mode.
        validate: gives the validation loss; runs with the averaged weights and the model in evaluation mode.
        measure: gives what else the record of an epoch, counted from 1, holds; runs after `validate`, as that does.
        items: names of the training items; an epoch sees each once, in random order.
        journal: of this training; if it has a checkpoint of it, the training goes on from there.
        learning_rates: of parameters whose names begin with a key, instead of `settings.learning_rate`.
        weight_decays: likewise, instead of `settings.weight_decay`.
        optimizer_class: AdamW; or Adam, whose decay is part of the gradient.
        extra_state: tensors that `objective` changes in place and that belong to the state of the training.

    Returns:
        one record per validation: epoch, step, mean training loss and terms since the last record, validation loss,
        what `measure` gives, learning rate, seconds.

    Raises:
        FloatingPointError: the loss is not finite; names the step, its batch and the learning rate. The checkpoint
            holds the last finite state.
        Stopped: a signal or the checkpoint's deadline asked for it, and the state is saved.
    """
    course = Course(items, settings, seed)
    trained = {key: value for key, value in model.named_parameters() if value.requires_grad}
    optimizer, base_rates = _optimizer(trained, settings, optimizer_class, learning_rates or {}, weight_decays or {})
    average = {key: value.detach().clone() for key, value in trained.items()}
    state = TrainingState(model, optimizer, average, extra_state or {})
    with preserved_generators(), journal.keep(state, course):
        while state.step < course.steps:
            for group, base in zip(optimizer.param_groups, base_rates, strict=True):
                group["lr"] = base * course.rate(state.step)
            model.train()
            loss, terms = objective(course.step(state.step))
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            if settings.gradient_clip is not None:
                nn.utils.clip_grad_norm_(trained.values(), settings.gradient_clip)
            optimizer.step()
            state.step += 1
            _average(average, trained, ema_decay(state.step, settings.ema_decay, settings.ema_warmup))
            journal.add(loss, terms)
            if course.validates(state.step):
                journal.ensure_finite()
                with averaged_weights(model, average):
                    validation = validate()
                    measures = measure(state.step // course.steps_per_epoch) if measure is not None else {}
                if journal.record(validation, measures):
                    state.best = {**{key: value.clone() for key, value in average.items()}, **_buffers(model)}
            journal.end_step()
    with torch.no_grad():
        weights = model.state_dict()
        for key, value in state.best.items():
            weights[key].copy_(value)
    return state.history


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


def _optimizer(
    trained: Mapping[str, Tensor],
    settings: FitSettings,
    optimizer_class: type[torch.optim.Adam],
    learning_rates: Mapping[str, float],
    weight_decays: Mapping[str, float],
) -> tuple[torch.optim.Adam, list[float]]:
    def own(values: Mapping[str, float], key: str, default: float) -> float:
        return next((value for prefix, value in values.items() if key.startswith(prefix)), default)

    groups: dict[tuple[float, float], list[Tensor]] = {}
    for key, value in trained.items():
        rate = own(learning_rates, key, settings.learning_rate)
        groups.setdefault((rate, own(weight_decays, key, settings.weight_decay)), []).append(value)
    optimizer = optimizer_class(
        [{"params": values, "lr": rate, "weight_decay": decay} for (rate, decay), values in groups.items()],
        betas=settings.betas,
        fused=True,
    )
    return optimizer, [rate for rate, _ in groups]


@torch.no_grad()
def _average(average: Mapping[str, Tensor], trained: Mapping[str, Tensor], decay: float) -> None:
    new = [value.detach() for value in trained.values()]
    torch._foreach_lerp_(list(average.values()), new, 1 - decay)  # pyright: ignore[reportPrivateImportUsage]


def _buffers(model: nn.Module) -> dict[str, Tensor]:
    return {key: value.clone() for key, value in model.state_dict().items() if key in dict(model.named_buffers())}
