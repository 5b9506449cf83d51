"""From a recording to all files of its animation: what `snakemake animate` and `python -m said animate` both call."""

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import av
import numpy as np
import pandas as pd
import soundfile
from numpy.typing import NDArray

from said import edits
from said.animation import livelink
from said.animation.curves import NAME_MAPS, SCALES, read_names, renamed, resample, shape_curves
from said.animation.encoding import SpeechFeatures
from said.animation.faces import Face
from said.animation.head_motion import HeadMotion, columns, euler
from said.animation.inputs import COMPRESSED_SOUND, HEAD, REPORT, SPEECH_SOUND, Recording
from said.animation.models import default_guidance
from said.animation.picture import draw_curves
from said.animation.preview import write_preview
from said.animation.recordings import Decoded, RecordingError, decode
from said.animation.rest import REST, heard, rest
from said.animation.scene import write_animation
from said.animation.windows import Kept, sample_windows, seams
from said.arkit import OTHER_BLENDSHAPES, SPEECH_BLENDSHAPES
from said.corpus import FRAME_RATE
from said.files.finished import Finished
from said.files.images import write_figure
from said.files.tables import read_columns, write_coefficients, write_table
from said.files.text import write_json
from said.files.video import AAC, AUDIO_RATE
from said.model import SAiD
from said.running.atomic import PathLike, atomic, atomic_folder
from said.running.integrity import reading_own
from said.running.memory import release
from said.sampling import Sampler, SamplingSettings
from said.seeds import derive_seed
from said.settings import Settings

FORMATS = ("coefficients", "livelink", "curves", "vrm", "unity", "glb", "sound", "picture", "preview")
"""What is written of an animation."""


@dataclass(frozen=True)
class AnimateSettings(Settings):
    """The section `animate` of config.yaml, as far as it decides what an animation is like.

    Attributes:
        takes: how many different animations of each recording.
        seed: from which, with the recording's content and the take, the noise is drawn.
        sampler, steps: see `said.diffusion.sample`.
        guidance: gamma of Eq. 9; None: what goes with the model, see `default_guidance`.
        fps: frames per second of all files but Live Link Face's, which has 60; 24 to 60.
        rest: seconds that a silence must last for the face to come to rest in it, see `said.animation.rest`; 0: never.
        gain, smooth: see `shape_curves`.
        names: of `curves.json`, see `read_names`.
        formats: those of `FORMATS` that are written.

    Raises:
        ValueError: a format is unknown, or a number out of range.
    """

    takes: int = 1
    seed: int = 0
    sampler: Literal["ddim", "ddpm", "dpmsolver++"] = "dpmsolver++"
    steps: int = 25
    guidance: float | None = None
    fps: int = FRAME_RATE
    rest: float = REST
    gain: float | Mapping[str, float] = 1.0
    smooth: float = 0.0
    names: str = "arkit"
    formats: Sequence[str] = field(default=FORMATS)

    def __post_init__(self):
        super().__post_init__()
        if unknown := [name for name in self.formats if name not in FORMATS]:
            raise ValueError(f"formats: {unknown[0]!r} is none of {', '.join(FORMATS)}")
        if not 24 <= self.fps <= 60:
            raise ValueError(f"fps must be 24 to 60, not {self.fps}")
        if self.takes < 1 or self.steps < 1:
            raise ValueError("takes and steps must be at least 1")
        if self.rest < 0:
            raise ValueError(f"rest must be at least 0 s, not {self.rest:g}")


class Animator:
    """A model, and how it animates.

    Args:
        model, encoder: see `said.animation.models.load_model`.
        settings: of the animations.
        face: that speaks in them.
        device: cpu or cuda.
        threads: windows, and frames of the film, that are at work at a time on a CPU; they change no byte.
        model_name: for the reports.
        head: what moves the head; None: it is still.
    """

    def __init__(
        self,
        model: SAiD,
        encoder,
        settings: AnimateSettings,
        face: Face | None = None,
        *,
        device: str = "cpu",
        threads: int = 1,
        model_name: str = "",
        head: HeadMotion | None = None,
    ):
        self.settings, self.face, self.threads, self.model_name = settings, face, threads, model_name
        self.head = head
        self.names = read_names(settings.names)
        shape_curves(
            np.zeros((1, len(SPEECH_BLENDSHAPES))), settings.gain, settings.smooth
        )  # a wrong name, before hours
        guidance = default_guidance(model) if settings.guidance is None else settings.guidance
        sampling = SamplingSettings(settings.sampler, settings.steps, guidance)
        self.sampler = Sampler(model, encoder, sampling, settings.seed, device)
        self._identity = self.sampler.identity()

    def animate(
        self,
        recording: Recording,
        folder: PathLike,
        unfinished: PathLike,
        *,
        keep: Mapping[str, Any] | None = None,
        report: Callable[[str], None] = print,
    ) -> dict[str, Any]:
        """Write all files of a recording's animation; the folder appears when all of them are there.

        Args:
            recording: see `find_recordings`.
            folder: of the animation. The first take is in it, others in its folders `take2` and so on.
            unfinished: folder of what an interrupted job has done; gone when the job is done.
            keep: what is kept of an earlier take (Eq. 10): `reference`, the path of its coefficients.csv, and `frames`,
                `blendshapes`, `mask` or `strength` as in an entry of `edits`.
            report: gets progress and warnings, a line at a time.

        Returns:
            what report.json says.

        Raises:
            RecordingError: no animation can be made of it, or what is to be kept does not fit it; one line, with its
                name and the remedy.
        """
        folder, unfinished = Path(folder), Path(unfinished)
        with atomic_folder(folder) as made:
            try:
                decoded = decode(recording, unfinished / "speech.f32", made / SPEECH_SOUND)
            except ValueError:
                shutil.rmtree(unfinished, ignore_errors=True)
                raise
            for warning in decoded.warnings:
                report(f"{recording.path}: {warning}")
            kept = _kept(recording, keep, decoded.frames)
            takes = [*self._sample(recording, decoded, unfinished, kept, report)]
            release()  # what the windows needed, a film of hours need not have beside its own
            sound = heard(decoded.waveform, decoded.frames)
            facts = self._facts(recording, decoded)
            facts["takes"] = []
            for number in range(1, len(takes) + 1):
                values = takes.pop(0)  # an hour of each is 28 MB
                borders = dict(seams(values))
                inside = made if number == 1 else made / f"take{number}"
                mask = None if kept is None else kept.mask
                values, facts["seconds_at_rest"] = rest(values, sound, self.settings.rest, mask)
                values = shape_curves(values, self.settings.gain, self.settings.smooth)
                title = recording.name if number == 1 else f"{recording.name}, take {number}"
                poses = self._poses(decoded, number - 1)
                self._write(inside, values, title, made / SPEECH_SOUND, poses)
                facts["takes"].append({"folder": "." if number == 1 else inside.name, "seams": borders})
            if "sound" in self.settings.formats:
                _compress(made / SPEECH_SOUND, made / COMPRESSED_SOUND)
            else:
                (made / SPEECH_SOUND).unlink()
            write_json(made / REPORT, facts)
        shutil.rmtree(unfinished, ignore_errors=True)
        return facts

    def _sample(
        self,
        recording: Recording,
        decoded: Decoded,
        unfinished: Path,
        kept: Kept | None,
        report: Callable[[str], None],
    ) -> NDArray[np.float32]:
        """(takes, N, 32) samples, those of an interrupted job included."""
        seeds = [derive_seed(self.settings.seed, decoded.digest, take) for take in range(self.settings.takes)]
        identity = [self._identity, decoded.digest, decoded.frames, seeds]
        identity += [] if kept is None else [kept.reference.tolist(), kept.mask.tolist(), kept.strength]
        finished = Finished(unfinished, identity)
        if (values := finished.read("takes")) is not None:
            return values
        values = sample_windows(
            self.sampler,
            SpeechFeatures(self.sampler.encoder, decoded.waveform, decoded.frames),
            decoded.frames,
            seeds,
            kept=kept,
            threads=self.threads,
            record=unfinished / "windows.npz",
            identity=identity,
            report=lambda line: report(f"{recording.name}: {line}"),
        )
        finished.write("takes", values)
        return values

    def _poses(self, decoded: Decoded, take: int) -> NDArray[np.float64] | None:
        """(N, 3) rotation vectors of the head, 60 per second, that go with a take."""
        if self.head is None:
            return None
        seed = derive_seed(self.settings.seed, decoded.digest, take, "head")
        return self.head.poses(decoded.waveform.mapped(), decoded.frames, seed)

    def _write(
        self,
        folder: Path,
        coefficients: NDArray[np.float32],
        title: str,
        sound: Path,
        poses: NDArray[np.float64] | None,
    ) -> None:
        """Write the files of one take."""
        settings, face = self.settings, self.face
        folder.mkdir(exist_ok=True)
        curves = resample(coefficients, settings.fps)
        turns = None if poses is None else resample(poses, settings.fps)
        if turns is not None:
            write_table(folder / HEAD, pd.DataFrame(columns(turns)), "%.7f")
        if "coefficients" in settings.formats:
            write_coefficients(folder / "coefficients.csv", curves)
        if "livelink" in settings.formats:
            livelink.write_csv(folder / "livelink.csv", coefficients, None if poses is None else euler(poses))
        if "curves" in settings.formats:
            write_curves(folder / "curves.json", curves, settings.fps, self.names)
        for name in ("vrm", "unity"):
            if name in settings.formats:
                write_curves(folder / f"{name}.json", curves, settings.fps, NAME_MAPS[name], SCALES.get(name, 1.0))
        if "picture" in settings.formats:
            write_figure(folder / "curves.png", draw_curves(coefficients, title))
        if "glb" in settings.formats and face is not None:
            write_animation(folder / "animation.glb", face, curves, settings.fps, sound=COMPRESSED_SOUND, head=turns)
        if "preview" in settings.formats and face is not None:
            # Of 60 frames per second every second one is filmed: pictures take most of the time.
            step = 2 if settings.fps >= 48 and settings.fps % 2 == 0 else 1
            film = folder / "preview.mp4"
            shown = None if turns is None else turns[::step]
            parts = (np.asarray(part, np.float32) for part in soundfile.blocks(sound, 2**16, dtype="float32"))
            heard = (parts, soundfile.info(sound).samplerate)
            fps = settings.fps // step
            write_preview(film, face, curves[::step], fps, heard, head=shown, threads=self.threads)

    def _facts(self, recording: Recording, decoded: Decoded) -> dict[str, Any]:
        settings = asdict(self.settings) | {"guidance": self.sampler.settings.guidance}
        return {
            "name": recording.name,
            "file": recording.path.name,
            "sha256": decoded.digest,
            "seconds": round(decoded.seconds, 6),
            "frames": decoded.frames,
            "warnings": list(decoded.warnings),
            "model": self.model_name,
            "weights": self._identity["model"]["weights"],
            "face": None if self.face is None else self.face.name,
            "face_lacks": [] if self.face is None else list(self.face.missing),
            "head": None if self.head is None else self.head.name,
            "settings": json.loads(json.dumps(settings)),
            "predicted": [*SPEECH_BLENDSHAPES, *(() if self.head is None else livelink.HEAD_ANGLES)],
            "zero": [*OTHER_BLENDSHAPES, *(livelink.ANGLES if self.head is None else livelink.EYE_ANGLES)],
        }


def write_curves(
    path: PathLike, coefficients: NDArray[np.floating], fps: int, names: Mapping[str, str], scale: float = 1.0
) -> None:
    """Write coefficients (N, 32) as JSON: fps, seconds, names, and a row of values for each frame."""
    columns, values = renamed(coefficients, names)
    head = {"fps": fps, "frames": len(values), "seconds": len(values) / fps, "scale": scale, "names": columns}
    with atomic(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as file:
        file.write(json.dumps(head, ensure_ascii=False)[:-1] + ', "values": [')
        for index, row in enumerate(values):
            line = ", ".join(f"{value * scale:.6g}" for value in row.tolist())
            file.write(f"{',' if index else ''}\n[{line}]")
        file.write("\n]}\n")


def _kept(recording: Recording, keep: Mapping[str, Any] | None, frames: int) -> Kept | None:
    """What an entry keeps of a take of a recording that is that many frames long, if there is an entry."""
    if keep is None:
        return None
    try:
        return _read_kept(keep, frames)
    except ValueError as error:
        raise RecordingError(f"{recording.path}: {error}") from error


def _read_kept(keep: Mapping[str, Any], frames: int) -> Kept:
    """What an entry keeps, for a clip of that many frames; frames that the reference lacks are made."""
    with reading_own():
        reference = edits.read_reference(keep["reference"], frames).astype(np.float64)
    count = min(frames, len(reference))
    kept = edits.kept_entries(keep, frames)
    if "mask" in keep:
        with reading_own():
            kept |= edits.mask_entries(read_columns(keep["mask"], SPEECH_BLENDSHAPES), frames, keep["mask"])
    kept[count:] = False
    whole = np.concatenate([reference[:count], np.repeat(reference[count - 1 : count], frames - count, axis=0)])
    return Kept(np.clip(whole, 0, 1), kept, keep.get("strength", 1.0))


def _compress(source: Path, path: Path) -> None:
    """Write a wav as m4a, in constant memory. The same sound gives the same bytes."""
    with atomic(path) as temporary, soundfile.SoundFile(source) as sound:
        options = {"movflags": "faststart", "fflags": "bitexact"}
        with av.open(str(temporary), "w", format="ipod", options=options) as container:
            stream = container.add_stream("aac", rate=AUDIO_RATE, layout="mono", options=AAC)
            stream.codec_context.bit_rate = 128000
            resampler = av.AudioResampler(format="fltp", layout="mono", rate=AUDIO_RATE)
            position = 0
            while len(block := sound.read(2**16, dtype="float32")):
                samples = np.asarray(block, np.float32)[None]
                frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
                frame.sample_rate, frame.pts = sound.samplerate, position
                frame.time_base = Fraction(1, sound.samplerate)
                position += len(block)
                for part in resampler.resample(frame):
                    container.mux(stream.encode(part))
            for part in (*resampler.resample(None), None):
                container.mux(stream.encode(part))
