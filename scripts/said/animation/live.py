"""A face that speaks while it is heard: Live Link Face's packets, 60 per second, in step with the sound.

Speech comes in steps of `STEP` frames. When a step has been heard, the window that ends with it is sampled, with all
that was made before kept (Eq. 10), and its frames are sent during the next step. So a frame leaves one step and the
time of sampling after its sound: play the sound with that delay, stated at the start, and face and sound are together.
"""

import socket
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import Wav2Vec2Model

from said.animation import livelink
from said.animation.encoding import Samples
from said.animation.inputs import Recording
from said.animation.microphone import Microphone
from said.animation.models import default_guidance
from said.animation.recordings import LONGEST, decode
from said.animation.rest import REST, LiveRest
from said.animation.windows import WINDOW
from said.corpus import FRAME_RATE
from said.diffusion import sample
from said.model import CHANNELS, SAiD
from said.running.atomic import PathLike
from said.sampling import Sampler, one_thread
from said.seeds import derive_seed
from said.speech import encode_clip
from said.waveforms import SAMPLE_RATE

STEP = 30
"""Frames that are made at a time: half a second."""


def live_frames(
    sampler: Sampler,
    speech: Samples,
    frames: int,
    seed: int,
    *,
    step: int = STEP,
    window: int = WINDOW,
    rest: float = REST,
) -> Iterator[NDArray[np.float32]]:
    """Coefficients of speech as it is heard.

    Args:
        sampler: the model and the settings of sampling.
        speech: at 16 kHz; of it only what was heard is read: for frame n of a step, no more than the end of the step.
        frames: how many to make.
        seed: of the noise.
        step: frames at a time.
        window: frames that the model looks at; those before a step were made and are kept.
        rest: seconds of silence after half of which the face comes to rest, see `said.animation.rest.LiveRest`.

    Yields:
        (step, 32) in [0, 1], the last of them perhaps shorter.
    """
    earlier: deque[NDArray[np.float32]] = deque(maxlen=window)
    noises: deque[torch.Tensor] = deque(maxlen=window)
    resting = LiveRest(rest)
    for begin in range(0, frames, step):
        end = min(frames, begin + step)
        generator = torch.Generator().manual_seed(derive_seed(seed, "live", begin // step))
        noises.extend(torch.randn(end - begin, CHANNELS, generator=generator))
        first = max(0, end - window)
        heard = speech.read(first * SAMPLE_RATE // FRAME_RATE, end * SAMPLE_RATE // FRAME_RATE)
        with one_thread():
            audio = encode_clip(sampler.encoder, heard, end - first)[None]
            editing: dict[str, Any] = {}
            if begin > first:
                reference = torch.zeros(end - first, CHANNELS)
                reference[: begin - first] = torch.from_numpy(np.stack(list(earlier)[-(begin - first) :]))
                mask = torch.zeros_like(reference)
                mask[: begin - first] = 1
                editing = {"reference": reference.to(audio.device), "mask": mask.to(audio.device)}
            values = sample(
                sampler.model,
                audio,
                steps=sampler.settings.steps,
                guidance=sampler.guidance,
                sampler=sampler.settings.sampler,
                clip=sampler.settings.clip,
                eta=sampler.settings.eta,
                generator=generator,
                initial_noise=torch.stack(list(noises)[-(end - first) :])[None].to(audio.device),
                predictor=sampler.predictor,
                **editing,
            )
        made = values[0, begin - first :].cpu().numpy()
        earlier.extend(made)  # as the model has it: what rests in silence changes no speech after it
        yield resting(made, speech, begin)


class Live:
    """A model whose animation is sent to one address.

    Args:
        address: host and port that Unreal listens at.
        settings: sampler, steps and guidance; a guidance of None is the one that goes with the model.
        subject: name of the face there.
        rest: see `live_frames`.
        report: gets the latency and what was sent, a line at a time.
    """

    def __init__(
        self,
        address: tuple[str, int],
        model: SAiD,
        encoder: Wav2Vec2Model,
        settings: Mapping[str, Any],
        *,
        seed: int = 0,
        subject: str = "said",
        device: str = "cpu",
        rest: float = REST,
        report: Callable[[str], None] = print,
    ):
        if rest < 0:
            raise ValueError(f"rest must be at least 0 s, not {rest:g}")
        guidance = default_guidance(model) if settings.get("guidance") is None else settings["guidance"]
        self.sampler = Sampler(model, encoder, {**settings, "guidance": guidance}, seed, device)
        self.address, self.seed, self.subject, self.rest, self.report = address, seed, subject, rest, report

    def send_recording(self, path: PathLike) -> dict[str, float]:
        """Animate a recording as if it were heard now, and send it.

        Returns:
            frames; latency, seconds from a sound to its frame that are kept throughout; slowest, seconds that the
            slowest step took to be made; late, how many frames left more than a frame after their time.

        Raises:
            RecordingError: no animation can be made of the recording.
            OSError: the address does not exist.
        """
        with TemporaryDirectory() as folder:
            decoded = decode(Recording(Path(path), "live"), Path(folder) / "speech.f32", Path(folder) / "sound.wav")
            return self._send(decoded.waveform, decoded.frames, derive_seed(self.seed, decoded.digest))

    def send_microphone(self) -> dict[str, float]:
        """Animate what a microphone hears, and send it, until the process is interrupted or four hours are over.

        Returns:
            what `send_recording` does.

        Raises:
            ValueError: the package sounddevice is not installed, or there is no microphone.
            OSError: the address does not exist.
        """
        with Microphone() as microphone:
            return self._send(microphone, int(LONGEST) * FRAME_RATE, self.seed, microphone.start)

    def _send(
        self, speech: Samples, frames: int, seed: int, listen: Callable[[], None] = lambda: None
    ) -> dict[str, float]:
        """Send speech frame by frame, as it is heard from the call of `listen` on."""
        with (
            socket.socket(socket.getaddrinfo(*self.address)[0][0], socket.SOCK_DGRAM) as target,
            ThreadPoolExecutor(1) as pool,
        ):
            cold = next(live_frames(self.sampler, speech, min(STEP, frames), seed))
            del cold
            begin = time.monotonic()  # warm: the longest window that there will be
            whole = min(WINDOW, frames)
            encode_and_sample = live_frames(self.sampler, speech, whole, seed, step=whole)
            next(encode_and_sample)
            latency = STEP / FRAME_RATE + 1.5 * (time.monotonic() - begin)
            self.report(f"frames leave {latency:.2f} s after their sound: play the sound with that delay")
            steps = live_frames(self.sampler, speech, frames, seed, rest=self.rest)
            listen()
            start, frame, late, slowest = time.monotonic(), 0, 0, 0.0

            def make(begin: int) -> tuple[NDArray[np.float32], float]:
                heard = start + min(frames, begin + STEP) / FRAME_RATE
                time.sleep(max(0.0, heard - time.monotonic()))
                began = time.monotonic()
                return next(steps), time.monotonic() - began

            following = pool.submit(make, frame)
            while frame < frames:
                made, seconds = following.result()
                slowest = max(slowest, seconds)
                if frame + len(made) < frames:
                    following = pool.submit(make, frame + len(made))
                for packet in livelink.packets(made, self.subject, frame):
                    due = start + latency + frame / FRAME_RATE
                    now = time.monotonic()
                    late += now > due + 1 / FRAME_RATE
                    time.sleep(max(0.0, due - now))
                    target.sendto(packet, self.address)
                    frame += 1
        self.report(f"sent {frame} frames; the slowest step took {slowest:.2f} s, {late} frames were late")
        return {"frames": frame, "latency": latency, "slowest": slowest, "late": late}
