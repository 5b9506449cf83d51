"""Samples of a model for whole clips: audio encoded once, every sample with its own seed and its own bytes.

Matrix products of another shape round differently, so a sample that shares a batch is not the sample made alone. On a
CPU each is therefore made alone, in one thread, and `threads` of them at a time; a batch would not be faster there. On
a GPU as many are made together as `memory_gb` allows; all batches of a clip have one shape, the last one is filled up.
"""

import contextlib
import math
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float, Float32
from numpy.typing import NDArray
from torch import Tensor
from transformers import Wav2Vec2Model

from said.diffusion import guided, sample
from said.files.fingerprint import digest
from said.files.finished import Finished
from said.guidance import GuidedDenoiser
from said.model import CHANNELS, ModelConfig, SAiD
from said.running.shapes import shaped
from said.seeds import derive_seed
from said.settings import Settings
from said.speech import encode_clip

# What `sample_bytes` counts, in maps of a sample's N frames.
_FEED_FORWARD = 8 + 4 + 4
"""Maps of C channels at the fullest moment of a step: the gated projection, the gate after its GELU, their product."""
_WAITING = 9
"""Maps that wait meanwhile: a transformer's input, four of its residuals and normalisations and the feed-forward's own
input; outside it, the input of the residual block before and both skips."""
_CROSS_ATTENTIONS = 4
_SAMPLER = 5
"""Arrays (N, 32) of the sampler: noise, state, prediction and what a step makes of them."""
_SAFETY = 1.5
"""For what kernels take for themselves and what an allocator cannot reuse."""


@dataclass(frozen=True)
class SamplingSettings(Settings):
    """The section `sampling` of config.yaml."""

    sampler: Literal["ddim", "ddpm", "dpmsolver++"] = "ddim"
    steps: int = 1000
    guidance: float = 2.0
    guidance_off_at_one: bool = False
    eta: float = 0.0
    clip: Literal["symmetric", "unit"] = "symmetric"
    frame_count: Literal["exact", "truncated"] = "exact"
    samples: int = 72
    memory_gb: float = 4.0


@dataclass(frozen=True)
class Speech:
    """A sentence to be animated.

    Attributes:
        name: decides, with the seed and the number of a repeat, the noise that a sample starts from.
        waveform: (T,) in [-1, 1] at 16 kHz.
        frames: how many to make, 60 per second.
    """

    name: str
    waveform: NDArray[np.float32]
    frames: int


class Sampler:
    """A model with its speech encoder and the settings of sampling, on one device.

    Args:
        model: its own encoder is used where it was finetuned.
        encoder: the frozen speech encoder.
        settings: of sampling, or a mapping of them.
        seed: of the noise. Two models given the same seed start from the same noise, so that they can be compared.
    """

    def __init__(
        self,
        model: SAiD,
        encoder: Wav2Vec2Model,
        settings: SamplingSettings | Mapping,
        seed: int,
        device: str = "cpu",
    ):
        self.model = model.to(device).eval()
        self.encoder = model.audio_encoder or encoder
        self.encoder.to(device).eval()  # pyright: ignore[reportArgumentType]  # transformers wraps this method
        self.settings, self.seed, self.device = SamplingSettings.of(settings), seed, device
        off = self.settings.guidance_off_at_one and self.settings.guidance <= 1
        self.guidance = 0.0 if off else self.settings.guidance
        # A band that changes from step to step is not among what can be prepared once.
        constant = model.config.alignment_schedule == "constant"
        self.predictor = GuidedDenoiser if constant else guided

    @shaped
    def encode(self, speech: Speech) -> Float[Tensor, "N D"]:
        """(N, D) features of the sentence."""
        return encode_clip(self.encoder, speech.waveform, speech.frames)

    @shaped
    def draw(
        self, name: str, audio: Float[Tensor, "N D"], repeats: Sequence[int], **editing: Any
    ) -> Float32[np.ndarray, "S N 32"]:
        """Samples of some repeats of a sentence.

        Args:
            name: of the sentence.
            audio: (N, D) its features.
            repeats: numbers of the repeats, from 0.
            editing: reference, mask and strength of `said.diffusion.sample`.

        Returns:
            (len(repeats), N, 32) in [0, 1].
        """
        seeds = [derive_seed(self.seed, name, repeat) for repeat in repeats]
        samples = sample(
            self.model,
            audio.expand(len(repeats), -1, -1),
            steps=self.settings.steps,
            guidance=self.guidance,
            generator=[torch.Generator().manual_seed(value) for value in seeds],
            eta=self.settings.eta,
            sampler=self.settings.sampler,
            clip=self.settings.clip,
            predictor=self.predictor,
            **editing,
        )
        return samples.cpu().numpy()

    def identity(self) -> dict:
        """Everything that decides the samples, besides the speech."""
        weights = digest(self.model.state_dict())
        own = self.encoder is self.model.audio_encoder
        return {
            "model": asdict(self.model.config) | {"weights": weights},
            "scale": self.model.coefficient_scale.tolist(),
            "encoder": weights if own else digest(self.encoder.state_dict()),
            "settings": asdict(self.settings),
            "seed": self.seed,
        }


def sample_speech(
    sampler: Sampler,
    speeches: Sequence[Speech],
    *,
    threads: int = 1,
    finished: Finished | None = None,
    report: Callable[[str], None] = print,
) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """Sample coefficients for every sentence several times.

    The bytes of a sample follow from the sampler, the sentence and the number of the repeat alone, not from what is
    sampled beside it, in which order, or by how many threads. On a GPU they follow from `samples` and `memory_gb` as
    well, which decide how many are made together.

    Args:
        sampler: the model and its settings.
        speeches: of any lengths and of different names.
        threads: samples made at a time on a CPU.
        finished: where sentences are kept until the job is done, and found again after an interruption.
        report: gets progress, a line at a time.

    Yields:
        name of a sentence, (S, N, 32) float32 samples in [0, 1], in the order given.
    """
    finished = finished or Finished(None, None)
    count = sampler.settings.samples
    done = {speech.name: kept for speech in speeches if (kept := finished.read(_key(speech))) is not None}
    progress = _Progress(count * (len(speeches) - len(done)), report)
    if done:
        report(f"{len(done)} of {len(speeches)} sentences were finished before the interruption")
    with workers(threads if sampler.device == "cpu" else 1) as submit:
        waiting: deque[tuple[Speech, list[Future]]] = deque()

        def collect() -> tuple[str, NDArray[np.float32]]:
            speech, futures = waiting.popleft()
            if not futures:
                return speech.name, done.pop(speech.name)
            for future in futures:
                progress.add(min(len(future.result()), progress.count - progress.done))
            samples = np.concatenate([future.result() for future in futures])[:count]
            finished.write(_key(speech), samples)
            return speech.name, samples

        for speech in speeches:
            futures = []
            if speech.name not in done:
                audio = submit(sampler.encode, speech).result()
                futures = [
                    submit(sampler.draw, speech.name, audio, batch) for batch in _batches(sampler, speech.frames)
                ]
            waiting.append((speech, futures))
            # Wait for a sentence only when those after it keep every thread busy.
            while sum(len(behind) for _, behind in list(waiting)[1:]) >= threads:
                yield collect()
        while waiting:
            yield collect()


def _batches(sampler: Sampler, frames: int) -> list[list[int]]:
    """Repeats that are sampled together: one on a CPU; on a GPU as many as fit in memory."""
    fitting = 1
    if sampler.device != "cpu":
        budget = sampler.settings.memory_gb * 1e9
        fitting = int(budget // sample_bytes(sampler.model.config, frames, sampler.guidance))
    return batches(sampler.settings.samples, fitting)


def _key(speech: Speech) -> str:
    return f"{speech.name}-{speech.frames}-{digest({'waveform': speech.waveform})}"


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """A block in which PyTorch's operations use one thread, on whose number their rounding depends."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextlib.contextmanager
def workers(threads: int) -> Iterator[Callable[..., Future]]:
    """Threads that each work on one sample."""
    with one_thread():
        pool = ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,))
        try:
            yield pool.submit
        finally:
            pool.shutdown(cancel_futures=True)


class _Progress:
    """A line every ten seconds and at the end."""

    def __init__(self, count: int, report: Callable[[str], None]):
        self.count, self.report, self.done = count, report, 0
        self.began = self.reported = time.monotonic()

    def add(self, samples: int) -> None:
        self.done += samples
        now = time.monotonic()
        if now - self.reported > 10 or self.done == self.count:
            elapsed = now - self.began
            left = elapsed / self.done * (self.count - self.done)
            self.report(f"sampled {self.done}/{self.count} sequences, {elapsed:.0f} s, {left:.0f} s left")
            self.reported = now


def sample_bytes(config: ModelConfig, frames: int, guidance: float) -> int:
    """Memory that one sample takes at its peak, besides weights and encoded speech: an estimate on the safe side.

    It counts the float32 numbers that live at once, each frame's share of them being the same, C the model's width:

    * 25 C for each branch, with and without audio, in the last feed-forward layer;
    * where the band is constant, keys and values of the four cross-attentions, which `said.guidance` keeps from step to
      step: 8 C for each audio frame that a frame attends to, and C more while it attends. These may be more than the
      feed-forward layer's. Without a band each audio frame is kept once;
    * where the band changes from step to step, the audio of both branches and a mask of N numbers.

    Args:
        config: of the model.
        frames: N, of the sequence.
        guidance: gamma of Eq. 9; 0: one branch.
    """
    branches = 1 if guidance == 0 else 2
    waiting = _FEED_FORWARD + _WAITING
    if config.alignment_schedule == "constant":
        seen = 1 if config.alignment_bias is None else min(2 * config.alignment_bias + 1, frames)
        kept = 2 * _CROSS_ATTENTIONS * seen * config.width
        fullest = max(branches * waiting, waiting + seen) * config.width
    else:
        kept = branches * (config.audio_width + frames)
        fullest = branches * waiting * config.width
    return int(_SAFETY * 4 * frames * (kept + fullest + _SAMPLER * CHANNELS))


def batches(samples: int, fitting: int) -> list[list[int]]:
    """Numbers of the samples that are made together: as few batches as can be, and as even.

    Args:
        samples: how many there are to be, at least 1.
        fitting: how many fit in memory at a time; one is made even if none fits.

    Returns:
        consecutive numbers from 0, equally many in each batch: the last may go past the last sample.
    """
    count = math.ceil(samples / max(1, fitting))
    size = math.ceil(samples / count)
    return [list(range(first, first + size)) for first in range(0, samples, size)]
