"""Videos for the browser: H.264 and AAC in MP4, written by PyAV."""

import io
import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction

import av
import numpy as np
import soxr
from numpy.typing import NDArray

from said.files.provenance import sentence
from said.running.atomic import PathLike, atomic
from said.running.integrity import reading

AUDIO_RATE = 48000
"""Hz of the AAC track; every player supports it."""
AAC = {"aac_coder": "fast"}
"""Of the encoder of sound: less than half the time of the usual one, and at these rates nearer to what was recorded."""
_FRAME = 1024
"""Samples in a frame of AAC."""
_PART = 2**16
"""Samples that are resampled together."""
# The macroblock tree of x264's assembly depends on uninitialised memory, and threads depend on their timing.
# The preset takes half the time of the usual one, for films as large, .4 dB of which is lost.
_H264 = {"crf": "22", "threads": "1", "preset": "veryfast", "x264-params": "mbtree=0"}


def write(
    path: PathLike,
    images: Iterable[NDArray[np.uint8]],
    frame_rate: int,
    waveform: NDArray[np.floating] | Iterable[NDArray[np.floating]],
    sample_rate: int,
    provenance: Mapping[str, object] | None = None,
) -> None:
    """Write an MP4 of images with sound, in constant memory. The same input gives the same bytes.

    Args:
        path: the file; it takes its name only when it is complete.
        images: (H, W, 3) uint8, one per frame, H and W even.
        frame_rate: frames per second.
        waveform: (T,) in [-1, 1], or an iterable of parts of it.
        sample_rate: Hz.
        provenance: which run the file says it is from, see `said.files.provenance`.

    Raises:
        ValueError: there is no image, or its size is odd, which H.264 does not allow.
    """
    # bitexact: the file has no library version and no date.
    options = {"movflags": "faststart", "fflags": "bitexact"}
    with atomic(path) as temporary, av.open(str(temporary), "w", format="mp4", options=options) as container:
        if provenance is not None:
            container.metadata["comment"] = sentence(provenance)
        video, count = None, 0
        audio = container.add_stream("aac", rate=AUDIO_RATE, layout="mono", options=AAC)
        audio.codec_context.bit_rate = 96000
        sound = _audio_frames(_parts(waveform) if isinstance(waveform, np.ndarray) else waveform, sample_rate)
        heard = 0
        for image in images:
            if video is None:
                height, width = image.shape[:2]
                if height % 2 or width % 2:
                    raise ValueError(f"images of {width} x {height} pixels: H.264 needs even sizes")
                video = container.add_stream("libx264", rate=frame_rate, options=_H264)
                video.width, video.height, video.pix_fmt = width, height, "yuv420p"
                video.codec_context.time_base = Fraction(1, frame_rate)
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
            frame.pts = count
            count += 1
            container.mux(video.encode(frame))
            # Sound lies beside its pictures: a player need not seek, and nothing waits for the end.
            while heard * frame_rate < count * AUDIO_RATE and (block := next(sound, None)) is not None:
                container.mux(audio.encode(block))
                heard += block.samples
        if video is None:
            raise ValueError("a video needs at least one image")
        container.mux(video.encode(None))
        for block in (*sound, None):
            container.mux(audio.encode(block))


def _parts(waveform: NDArray[np.floating]) -> Iterator[NDArray[np.floating]]:
    for begin in range(0, len(waveform), _PART):
        yield waveform[begin : begin + _PART]


def _audio_frames(parts: Iterable[NDArray[np.floating]], rate: int) -> Iterator[av.AudioFrame]:
    """A waveform at `AUDIO_RATE` in frames of `_FRAME` samples; the last may be shorter."""
    stream = soxr.ResampleStream(rate, AUDIO_RATE, 1, dtype="float32")
    kept, begin = np.zeros(0, np.float32), 0
    for part in itertools.chain(parts, [None]):
        given = np.zeros(0, np.float32) if part is None else np.asarray(part, np.float32)
        kept = np.concatenate([kept, stream.resample_chunk(given, last=part is None)])
        ready = len(kept) if part is None else len(kept) // _FRAME * _FRAME
        for first in range(0, ready, _FRAME):
            frame = av.AudioFrame.from_ndarray(kept[None, first : first + _FRAME], format="fltp", layout="mono")
            frame.sample_rate, frame.pts = AUDIO_RATE, begin + first
            frame.time_base = Fraction(1, AUDIO_RATE)
            yield frame
        kept, begin = kept[ready:], begin + ready


@dataclass(frozen=True)
class Bare:
    """A film without words about itself.

    Attributes:
        content: of an MP4 that all browsers play.
        seconds: its length.
        width, height: in pixels.
    """

    content: bytes
    seconds: float
    width: int
    height: int


def bare(path: PathLike) -> Bare:
    """An MP4 with pictures and sound as they are, and nothing that says whose they are: no title, no comment, no date.

    Raises:
        ValueError: its pictures are not H.264 in yuv420p, or its sound is not AAC, which not all browsers play.
        UnreadableError: the file is damaged, or no film.
    """
    target = io.BytesIO()
    with reading(path), av.open(str(path)) as film:
        videos, sounds = film.streams.video, film.streams.audio
        found = [stream.codec_context.name for stream in (*videos, *sounds)]
        if found == ["h264", "aac"] and videos[0].codec_context.pix_fmt == "yuv420p":
            with av.open(target, mode="w", format="mp4", options={"fflags": "bitexact"}) as container:
                copies = {stream.index: container.add_stream_from_template(stream) for stream in (videos[0], sounds[0])}
                for copy in copies.values():
                    copy.metadata.clear()
                for packet in film.demux(videos[0], sounds[0]):
                    if packet.dts is not None:
                        packet.stream = copies[packet.stream.index]
                        container.mux(packet)
            context = videos[0].codec_context
            return Bare(target.getvalue(), float((film.duration or 0) / av.time_base), context.width, context.height)
    raise ValueError(
        f"{path}: has the streams {' and '.join(found) or 'none'}; browsers play one of H.264 and one of AAC: "
        f"`ffmpeg -i {path} -c:v libx264 -pix_fmt yuv420p -c:a aac other.mp4`"
    )
