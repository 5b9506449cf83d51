"""Sampling speech of any length: overlapping windows whose predictions are averaged at every step of the sampler.

Self-attention is quadratic in length, and a model that was trained on two seconds knows no more than a few. So a clip
is covered by windows. At each step every window predicts, predictions are averaged with a ramp where two windows
overlap, and all frames make the step together: neighbours agree before a frame is final, and no seam is left. (Joining
finished windows by Eq. 10 leaves one.)

A window is ahead of its left neighbour by two steps, so that only as many windows are at work at a time as two for each
step, whatever the length, and those of one tick are independent of each other:

    tick  window 0    1    2    3
       0  step   0
       1              0
       2         1         0
       3              1         0
       4         2         1
"""

import itertools
import json
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from said.corpus import FRAME_RATE
from said.diffusion import Course, Predictor
from said.files.arrays import read_arrays, write_arrays
from said.model import CHANNELS
from said.running.shapes import shaped
from said.sampling import Sampler, workers
from said.seeds import derive_seed

WINDOW = 240
"""Frames of a window: 4 s. A clip of at most this length is sampled in one piece."""
OVERLAP = 30
"""Frames that two neighbours share, which both predict: each tenth of a second of it costs a thirtieth of the time."""
_MOST_KEPT = 64
"""Steps up to which a window keeps what it prepared for all of them; with more, memory is worth more than time."""
_EVERY = 30.0
"""Seconds between records of an unfinished job."""
_ROWS = 3600
"""Frames that are looked at together, so that looking at an hour of them takes no second hour's memory."""


@runtime_checkable
class Features(Protocol):
    """Features of a clip, one per frame, see `said.animation.encoding.SpeechFeatures`."""

    def read(self, begin: int, end: int) -> Tensor:
        """(end - begin, H) features of the frames from `begin`."""
        ...


@dataclass(frozen=True)
class Kept:
    """What is kept of an earlier take (Eq. 10).

    Attributes:
        reference: (N, 32) its coefficients, in [0, 1].
        mask: (N, 32) bool, true where they are kept.
        strength: share of the steps that are made, in (0, 1]; below 1 they begin at the noised reference.
    """

    reference: NDArray[np.floating]
    mask: NDArray[np.bool_]
    strength: float = 1.0


def segments(frames: int, window: int = WINDOW, overlap: int = OVERLAP) -> list[tuple[int, int]]:
    """First and last frame (exclusive) of the part that each window has to itself or shares with the one before.

    Window k covers segment k and the first `overlap` frames of the next one.
    """
    if not 0 < overlap <= window // 2:
        raise ValueError(f"overlap must be in [1, {window // 2}], not {overlap}")
    hop = window - overlap
    count = 1 if frames <= window else -(-(frames - overlap) // hop)
    return [(k * hop, frames if k == count - 1 else (k + 1) * hop) for k in range(count)]


class _Segment:
    """A segment on its way: features, and for each take a course and what the window before adds to the prediction."""

    def __init__(self, sampler: Sampler, number: int, features: Tensor, seeds: Sequence[int], kept: Kept | None):
        self.features = features
        self.tails: list[Tensor | None] = [None] * len(seeds)
        self.predictor: Predictor | None = None
        device, count, settings = features.device, len(features), sampler.settings
        self.courses = []
        for seed in seeds:
            generator = torch.Generator().manual_seed(derive_seed(seed, "segment", number))
            noise = torch.randn((1, count, CHANNELS), generator=generator).to(device)
            reference = mask = None
            if kept is not None:
                reference, mask = (
                    torch.tensor(values[None], dtype=torch.float32, device=device)
                    for values in (kept.reference, kept.mask)
                )
            self.courses.append(
                Course(
                    sampler.model,
                    noise,
                    steps=settings.steps,
                    sampler=settings.sampler,
                    clip=settings.clip,
                    eta=settings.eta,
                    generator=generator,
                    reference=reference,
                    mask=mask,
                    strength=1.0 if kept is None else kept.strength,
                )
            )


@shaped
def sample_windows(
    sampler: Sampler,
    features: Features,
    frames: int,
    seeds: Sequence[int],
    *,
    kept: Kept | None = None,
    threads: int = 1,
    window: int = WINDOW,
    overlap: int = OVERLAP,
    record: Path | None = None,
    identity: object = None,
    report: Callable[[str], None] = print,
) -> Float[np.ndarray, "takes {frames} 32"]:
    """Sample coefficients for speech of any length (Eq. 9), or edit an earlier take (Eq. 10).

    Time is linear in the length, and memory constant but for the result. The bytes of a take follow from the sampler,
    the features and its seed; neither from other takes nor from `threads`.

    Args:
        sampler: the model and the settings of sampling; its own seed and number of samples are not used.
        features: of the speech.
        frames: N, of the clip.
        seeds: one for each take, of the noise.
        kept: of an earlier take, N frames long; None: nothing is kept.
        threads: windows that are at work at a time on a CPU.
        window, overlap: see `WINDOW` and `OVERLAP`. A clip of at most a window is sampled in one piece.
        record: where an unfinished job keeps what it has, and finds it after an interruption.
        identity: JSON-able, all that the result depends on; a record of another identity is ignored.
        report: gets progress, a line at a time.

    Returns:
        (takes, N, 32) float32 in [0, 1].
    """
    work = _Work(sampler, features, frames, seeds, kept, window, overlap)
    text = json.dumps(identity, sort_keys=True)
    if record is not None and work.restore(record, text):
        report(f"continues after {work.finished / FRAME_RATE:.1f} s of speech")
    began = reported = recorded = time.monotonic()
    before = work.finished
    with workers(threads if sampler.device == "cpu" else 1) as submit:
        for tick in range(work.tick, work.ticks):
            work.advance(tick, submit)
            now = time.monotonic()
            if now - reported > 10 and work.finished > before:
                left = (now - began) / (work.finished - before) * (frames - work.finished)
                report(
                    f"sampled {work.finished / FRAME_RATE:.0f} of {frames / FRAME_RATE:.0f} s of speech, "
                    f"{now - began:.0f} s, {left:.0f} s left"
                )
                reported = now
            if record is not None and now - recorded > _EVERY:
                work.write(record, text)
                recorded = now
    if record is not None:
        record.unlink(missing_ok=True)
    return work.result


class _Work:
    """The windows that are at work, and what is finished."""

    def __init__(
        self,
        sampler: Sampler,
        features: Features,
        frames: int,
        seeds: Sequence[int],
        kept: Kept | None,
        window: int,
        overlap: int,
    ):
        self.sampler, self.features, self.seeds, self.kept, self.overlap = sampler, features, seeds, kept, overlap
        self.bounds = segments(frames, window, overlap)
        self.result = np.zeros((len(seeds), frames, CHANNELS), np.float32)
        self.finished, self.tick = 0, 0
        self.live: dict[int, _Segment] = {}
        strength = 1.0 if kept is None else kept.strength
        self.steps = min(max(int(sampler.settings.steps * strength), 1), sampler.settings.steps)
        self.ticks = len(self.bounds) + 2 * (self.steps - 1)
        self.ramp = ((torch.arange(overlap) + 0.5) / overlap)[:, None].to(sampler.device)

    def advance(self, tick: int, submit: Callable[..., Future]) -> None:
        """Make what is due in a tick: a step of every second window that is at work."""
        for number in (tick, tick + 1):
            if number < len(self.bounds) and number not in self.live:
                self.live[number] = submit(self._segment, number).result()
        # The next one is prepared beside the steps; encoding takes as long as some of them.
        ahead = tick + 2
        preparing = submit(self._segment, ahead) if ahead < len(self.bounds) and ahead not in self.live else None
        due = [(tick - 2 * step, step) for step in range(self.steps) if 0 <= tick - 2 * step < len(self.bounds)]
        list(map(Future.result, [submit(self._prepare, number) for number, _ in due]))
        takes = range(len(self.seeds))
        jobs = [submit(self._step, number, step, take) for (number, step), take in itertools.product(due, takes)]
        for job in jobs:
            job.result()
        for number, step in due:
            if self.steps > _MOST_KEPT:
                self.live[number].predictor = None
            if step == self.steps - 1:
                self._finish(number)
        if preparing is not None:
            self.live[ahead] = preparing.result()
        self.tick = tick + 1

    @torch.no_grad()  # in each thread, which has a setting of its own
    def _segment(self, number: int) -> _Segment:
        begin, end = self.bounds[number]
        kept = self.kept
        if kept is not None:
            kept = Kept(kept.reference[begin:end], kept.mask[begin:end], kept.strength)
        return _Segment(self.sampler, number, self.features.read(begin, end), self.seeds, kept)

    @torch.no_grad()
    def _prepare(self, number: int) -> None:
        """Have a window's predictor, which all takes share."""
        segment = self.live[number]
        if segment.predictor is None:
            parts = [segment.features]
            if number + 1 < len(self.bounds):
                parts.append(self.live[number + 1].features[: self.overlap])
            timesteps = segment.courses[0].timesteps.to(self.sampler.device)
            segment.predictor = self.sampler.predictor(
                self.sampler.model, torch.cat(parts)[None], timesteps, self.sampler.guidance
            )

    @torch.no_grad()
    def _step(self, number: int, step: int, take: int) -> None:
        segment, following = self.live[number], self.live.get(number + 1)
        course, predictor = segment.courses[take], segment.predictor
        assert predictor is not None
        count = course.values.shape[1]
        values = course.values
        if following is not None:
            values = torch.cat([values, following.courses[take].values[:, : self.overlap]], dim=1)
        predicted = predictor(values, step)
        own = predicted[:, :count]
        if (tail := segment.tails[take]) is not None:
            head = tail + self.ramp * own[:, : self.overlap]
            own = torch.cat([head, own[:, self.overlap :]], dim=1)
        if following is not None:
            following.tails[take] = (1 - self.ramp) * predicted[:, count:]
        course.advance(own)

    @torch.no_grad()
    def _finish(self, number: int) -> None:
        begin, end = self.bounds[number]
        for take, course in enumerate(self.live.pop(number).courses):
            self.result[take, begin:end] = course.result()[0].cpu().numpy()
        self.finished = end

    def write(self, path: Path, identity: str) -> None:
        """Record what there is."""
        arrays = {"identity": np.array(identity), "tick": np.array(self.tick)}
        arrays["finished"] = self.result[:, : self.finished]
        for number, segment in self.live.items():
            for take, (course, tail) in enumerate(zip(segment.courses, segment.tails, strict=True)):
                state = course.state() | ({} if tail is None else {"tail": tail})
                arrays |= {f"{number} {take} {name}": value.cpu().numpy() for name, value in state.items()}
        write_arrays(path, arrays)

    def restore(self, path: Path, identity: str) -> bool:
        """Go on from a record, if there is one of this job; whether there is."""
        try:
            arrays = read_arrays(path)
        except Exception:  # absent or not whole: the job begins anew
            return False
        if str(arrays.pop("identity", None)) != identity:
            return False
        self.tick, finished = int(arrays.pop("tick")), arrays.pop("finished")
        self.finished = finished.shape[1]
        self.result[:, : self.finished] = finished
        states: dict[int, dict[int, dict[str, Tensor]]] = {}
        for key, value in arrays.items():
            number, take, name = key.split(" ")
            states.setdefault(int(number), {}).setdefault(int(take), {})[name] = torch.from_numpy(value)
        for number in sorted(states):
            self.live[number] = segment = self._segment(number)
            for take, state in states[number].items():
                tail = state.pop("tail", None)
                segment.tails[take] = None if tail is None else tail.to(self.sampler.device)
                segment.courses[take].restore(state)
        return True


def seams(
    values: Float[np.ndarray, "N 32"], window: int = WINDOW, overlap: int = OVERLAP
) -> Mapping[str, float | int | None]:
    """How the largest change of a frame at the windows' borders ranks among those of all frames.

    Returns:
        their number, and the mean and the largest share of frames that change less; None without a border. Where
        borders do not show, the mean is about .5.
    """
    starts = range(0, len(values) - 1, _ROWS)
    changes = [np.abs(np.diff(values[start : start + _ROWS + 1], axis=0)).max(1) for start in starts]
    change = np.concatenate([*changes, np.zeros(0, values.dtype)])
    borders = [
        place
        for begin, _ in segments(len(values), window, overlap)[1:]
        for place in (begin - 1, begin + overlap - 1)  # the first frame of an overlap, and the first after it
        if place < len(change)
    ]
    if not borders:
        return {"borders": 0, "mean_percentile": None, "largest_percentile": None}
    ranks = np.searchsorted(np.sort(change), change[borders], side="left") / len(change)
    return {
        "borders": len(borders),
        "mean_percentile": round(float(ranks.mean()), 4),
        "largest_percentile": round(float(ranks.max()), 4),
    }
