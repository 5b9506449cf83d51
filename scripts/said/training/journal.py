"""What a training leaves beside its weights: progress lines, history, events and checkpoints. It changes no weight."""

import contextlib
import math
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

import torch
from torch import Tensor

from said.running.console import duration
from said.running.interruption import Interruption, Stopped
from said.training.checkpoint import Checkpoint, TrainingState
from said.training.course import Course
from said.training.history import History

_CHECK_EVERY = 50
"""Steps between two looks at the loss for values that are not finite."""
_LINE_EVERY = 30.0
"""Seconds between two progress lines, besides those at each validation."""


class Journal:
    """The journal of one training; a progress line, a record and a save cost no step and change no weight.

    Args:
        name: stands in progress lines.
        identity: what the weights follow from besides the seed; a checkpoint of another one is not continued.
        checkpoint: keeps the state; a training that finds one goes on from there.
        events: TensorBoard file of the history.
        report: gets progress, a line at a time.
    """

    def __init__(
        self,
        name: str,
        identity: dict,
        *,
        checkpoint: Checkpoint | None = None,
        events: Path | None = None,
        report: Callable[[str], None] = print,
    ):
        self.name = name
        self.identity = identity
        self.checkpoint = checkpoint
        self.events = events
        self.report = report

    @contextlib.contextmanager
    def keep(self, state: TrainingState, course: Course) -> Iterator[None]:
        """A block around the steps of a training, which begin where the checkpoint left `state`."""
        self._state, self._course = state, course
        identity = {"name": self.name, "seed": course.seed, **self.identity}
        if self.checkpoint is not None and self.checkpoint.restore(state, identity, self.report):
            epoch = state.step // course.steps_per_epoch
            self.report(f"{self.name}: continues after step {state.step} of {course.steps}, epoch {epoch}")
        self._clock = _Clock(state.seconds, state.step)
        self._saved = self._shown = time.monotonic()
        # The first step whose loss was not finite, kept on the device: looking at it makes the CPU wait for a GPU.
        self._faulty = torch.full((), -1, device=next(iter(state.average.values())).device)
        with contextlib.ExitStack() as stack:
            self._interruption: Interruption | None = None
            if self.checkpoint is not None:
                self._interruption = stack.enter_context(self.checkpoint.interruption())
            self._log: History | None = None
            if self.events is not None:
                self._log = stack.enter_context(contextlib.closing(History(self.events, state.history, state.seconds)))
            yield

    def add(self, loss: Tensor, terms: dict[str, Tensor]) -> None:
        """Count the step that `state.step` has just passed into the current record."""
        state = self._state
        self._faulty = torch.where((self._faulty < 0) & ~loss.detach().isfinite(), state.step - 1, self._faulty)
        for key, value in {"loss": loss, **terms}.items():
            state.sums[key] = state.sums[key] + value.detach() if key in state.sums else value.detach()

    def record(self, validation: float, measures: Mapping[str, float] = MappingProxyType({})) -> bool:
        """Close the current record with a validation loss and what else was measured.

        Returns:
            whether its weights are to be kept: those of the best record so far, or of the last, as `selection` says.

        Raises:
            FloatingPointError: it is not finite.
        """
        state = self._state
        if not math.isfinite(validation):
            raise FloatingPointError(f"{self.name}: the validation loss is not finite after step {state.step}")
        since = self._steps_since_the_last_record()
        state.history.append(
            {
                "epoch": state.step // self._course.steps_per_epoch,
                "step": state.step,
                **{key: float(value) / since for key, value in state.sums.items()},
                "validation": validation,
                **measures,
                "learning_rate": state.optimizer.param_groups[0]["lr"],
                "seconds": round(self._clock.seconds, 2),
            }
        )
        state.sums = {}
        if self._log is not None:
            self._log.write(state.history[-1])
        selection = self._course.settings.selection
        measure = "sample_fd" if selection == "sample_fd" else "validation"
        values = [record[measure] for record in state.history if measure in record]
        return selection == "last" or (measure in state.history[-1] and values[-1] <= min(values))

    def end_step(self) -> None:
        """Do what is due after a step: show it, save it, stop the training.

        Raises:
            FloatingPointError: the loss or the weights are not finite; the checkpoint holds the last finite state.
            Stopped: a signal or the checkpoint's deadline asked for it, and the state is saved.
        """
        state, steps, now = self._state, self._course.steps, time.monotonic()
        recorded = bool(state.history) and state.history[-1]["step"] == state.step
        stops = self._interruption.reason if self._interruption is not None and state.step < steps else None
        saves = self.checkpoint is not None and now - self._saved >= self.checkpoint.save_every
        if stops or saves or state.step % _CHECK_EVERY == 0:
            self.ensure_finite()
        if recorded or now - self._shown >= _LINE_EVERY:
            self.report(self._progress_line())
            self._shown = now
        if recorded or stops or saves:
            self._save()
        if stops:
            message = f"{self.name}: stopped at step {state.step} of {steps}, because {stops}; run again to continue"
            self.report(message)
            raise Stopped(message)

    def ensure_finite(self) -> None:
        """Check that the loss and all weights are finite; the error names step, batch and learning rate.

        Raises:
            FloatingPointError: one is not; the checkpoint holds the last finite state.
        """
        weights = [value.detach() for key, value in self._state.model.named_parameters() if key in self._state.average]
        norms = torch._foreach_norm(weights)  # pyright: ignore[reportPrivateImportUsage]  # one kernel for all
        sound = torch.stack(norms).isfinite().all()
        faulty = int(self._faulty)
        if faulty < 0 and sound:
            return
        what = "the loss is" if faulty >= 0 else "the weights are"
        step = faulty if faulty >= 0 else self._state.step - 1
        raise FloatingPointError(
            f"{self.name}: {what} not finite at step {step + 1} ({self._course.describe(step)}); lower learning_rate "
            "or set gradient_clip"
        )

    def _save(self) -> None:
        if self.checkpoint is not None:
            self._state.seconds = self._clock.seconds
            self.checkpoint.write(self._state)
        self._saved = time.monotonic()

    def _steps_since_the_last_record(self) -> int:
        return self._state.step - (self._state.history[-1]["step"] if self._state.history else 0)

    def _progress_line(self) -> str:
        """Where the training is: after a validation with its loss, otherwise with the loss so far."""
        state, steps, epochs = self._state, self._course.steps, self._course.settings.epochs
        record = state.history[-1] if state.history and state.history[-1]["step"] == state.step else None
        if record is None:
            losses = f"loss {float(state.sums['loss']) / self._steps_since_the_last_record():.4g}"
        else:
            best = min(entry["validation"] for entry in state.history) == record["validation"]
            losses = f"loss {record['loss']:.4g}  validation {record['validation']:.4g}{' (best)' if best else ''}"
        speed = self._clock.steps_per_second(state.step)
        return (
            f"{self.name}: epoch {state.step * epochs // steps}/{epochs} ({state.step / steps:.0%})  {losses}  "
            f"lr {state.optimizer.param_groups[0]['lr']:.2e}  {speed:.3g} steps/s  {duration(self._clock.seconds)}, "
            f"{duration((steps - state.step) / speed)} left"
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
