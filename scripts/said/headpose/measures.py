"""How well heads move to speech. A score of beats stands beside what the same motion scores with other speech.

Any motion that is lively enough has beats near those of any speech. So each such score of a method is given three
times: with its own speech, its mean with the speech of up to 19 other clips, and z, by how many standard deviations of
the latter the first is above it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from said.headpose.beats import alignment, dips, head_beats, loudest, speech_beats
from said.headpose.clips import FRAME_RATE, FRAMES, Clip, Truth
from said.headpose.poses import check_poses
from said.headpose.rotations import angles, speed
from said.intervals import jackknife_interval

SHUFFLES = 19
_TILTED = 0.4  # seconds after its beginning from which a question is tilted
_NEAR_NEVER = 0.5  # seconds
_LEAST = 5  # frames of a sentence that can be judged


@dataclass(frozen=True)
class Speech:
    """The beats of a clip's speech, the loudest third of them, and those of its true head: (B,) seconds each."""

    beats: NDArray[np.float64]
    loudest: NDArray[np.float64]
    head: NDArray[np.float64]

    @classmethod
    def of(cls, clip: Clip) -> "Speech":
        beats, levels = speech_beats(clip.waveform)
        return cls(beats, loudest(beats, levels), head_beats(clip.pose))


@dataclass(frozen=True)
class Motion:
    """The samples of one clip: (S, 200, 3) rotation vectors, the same as angles in degrees, and each one's beats."""

    poses: NDArray[np.float64]
    degrees: NDArray[np.float64]
    beats: list[NDArray[np.float64]]

    @classmethod
    def of(cls, poses: NDArray) -> "Motion":
        poses = np.asarray(poses, np.float64)
        return cls(poses, angles(poses), [head_beats(pose) for pose in poses])


def measure(samples: Mapping[str, NDArray], clips: Mapping[str, Clip]) -> dict:
    """All measures of a method but the Frechet distance.

    Args:
        samples: name of each test clip -> (S, 200, 3) rotation vectors in radians, 25 per second.
        clips: the same names, with the speech and the truth.

    Returns:
        each measure a number, or None where there is none; `<measure>_interval`, its 95 % interval over clips; of beat
        scores also `<measure>_shuffled`, `<measure>_spread`, the standard deviation with other speech, and
        `<measure>_z`; clips, samples: how many; notes: measure -> why it is missing or doubtful.

    Raises:
        ValueError: a clip is missing or unknown, or a sample has another shape, is not finite or no radians.
    """
    names = check(samples, clips)
    motions = [Motion.of(samples[name]) for name in names]
    speeches = [Speech.of(clips[name]) for name in names]
    truths = [Motion.of(clips[name].pose[None]) for name in names]
    result: dict = {"clips": len(names), "samples": min(len(motion.poses) for motion in motions), "notes": {}}
    for name, score in SCORES.items():
        result |= _beside_chance(name, score, motions, speeches, result["notes"])
    result |= _over_clips("diversity", [_between_samples(motion.poses) for motion in motions])
    if result["diversity"] is None:
        result["notes"]["diversity"] = "there is one sample of each clip"
    result |= _over_clips("diversity_audio", _between_clips(motions))
    for name, liveliness in LIVELINESS.items():
        own, true = ([liveliness(motion) for motion in each] for each in (motions, truths))
        result[name] = float(np.mean(own) / max(np.mean(true), 1e-12))
        result[f"{name}_interval"] = jackknife_interval(_ratio, own, true, lowest=0)
    if all(clips[name].truth is not None for name in names):
        known = [clips[name].truth for name in names]
        result |= _against_truth(motions, known, result["notes"])  # pyright: ignore[reportArgumentType]  # none is None
    return result


def check(samples: Mapping[str, NDArray], clips: Mapping[str, Clip]) -> list[str]:
    """The names of the clips, sorted, where a method has poses for them all.

    Raises:
        ValueError: a clip is missing or unknown, or a sample has another shape, is not finite or no radians.
    """
    missing, unknown = sorted(clips.keys() - samples.keys()), sorted(samples.keys() - clips.keys())
    if missing or unknown:
        raise ValueError(f"lacks the clips {missing[:5]} and has the unknown {unknown[:5]}")
    for name, poses in samples.items():
        check_poses(name, poses)
    return sorted(clips)


def _response(motion: Motion, speech: Speech) -> float:
    found = [dips(degrees[:, 0], speech.loudest) for degrees in motion.degrees]
    return float(np.mean(found)) if found[0].size else np.nan


def _mean_alignment(motion: Motion, beats: NDArray) -> float:
    scores = np.array([alignment(own, beats) for own in motion.beats])
    return float(np.nanmean(scores)) if np.isfinite(scores).any() else np.nan


SCORES: dict[str, Callable[[Motion, Speech], float]] = {
    "beat_response": _response,
    "beat_alignment": lambda motion, speech: _mean_alignment(motion, speech.beats),
    "beat_alignment_truth": lambda motion, speech: _mean_alignment(motion, speech.head),
}
"""Scores of a clip's motion with a clip's speech."""

LIVELINESS: dict[str, Callable[[Motion], float]] = {
    "speed": lambda motion: float(np.mean([speed(pose, FRAME_RATE) for pose in motion.poses])),
    "range": lambda motion: float(motion.degrees.std(1).mean()),
    "jitter": lambda motion: float(np.sqrt(np.square(np.diff(motion.degrees, 2, axis=1)).mean())),
}
"""What is given as a share of the truth's: mean speed, mean standard deviation of the angles within a clip, root mean
square of their second differences."""


def _beside_chance(
    name: str, score: Callable, motions: Sequence[Motion], speeches: Sequence[Speech], notes: dict[str, str]
) -> dict:
    count = len(motions)
    per_clip = np.array([score(motion, speech) for motion, speech in zip(motions, speeches, strict=True)])
    others = [
        _mean([score(motion, speeches[(k + shift) % count]) for k, motion in enumerate(motions)])
        for shift in range(1, min(SHUFFLES, count - 1) + 1)
    ]
    result = _over_clips(name, per_clip.tolist())
    if result[name] is None:
        notes[name] = "no clip has a value: the head does not move, or the speech has no beat"
    elif absent := int((~np.isfinite(per_clip)).sum()):
        notes[name] = f"no value for {absent} of {count} clips"
    chance = [value for value in others if np.isfinite(value)]
    shuffled = float(np.mean(chance)) if chance and result[name] is not None else None
    spread = float(np.std(chance, ddof=1)) if len(chance) > 2 and shuffled is not None else None
    z = (result[name] - shuffled) / spread if shuffled is not None and spread and spread > 1e-9 else None
    return result | {f"{name}_shuffled": shuffled, f"{name}_spread": spread, f"{name}_z": z}


def _between_samples(poses: NDArray) -> float:
    """Mean angle in degrees between the samples of a clip, frame by frame; NaN for a single one."""
    turned = [Rotation.from_rotvec(pose) for pose in poses]
    apart = [(one.inv() * other).magnitude().mean() for one, other in combinations(turned, 2)]
    return float(np.degrees(np.mean(apart))) if apart else np.nan


def _between_clips(motions: Sequence[Motion]) -> list[float]:
    """For each clip, the mean angle in degrees between its first sample and those of up to 19 other clips."""
    turned = [Rotation.from_rotvec(motion.poses[0]) for motion in motions]
    shifts = range(1, min(SHUFFLES, len(turned) - 1) + 1)
    apart = [
        [(one.inv() * turned[(k + shift) % len(turned)]).magnitude().mean() for shift in shifts]
        for k, one in enumerate(turned)
    ]
    return [float(np.degrees(np.mean(each))) if each else np.nan for each in apart]


def _against_truth(motions: Sequence[Motion], truths: Sequence[Truth], notes: dict[str, str]) -> dict:
    """What needs to know why the head moved: nods, shakes at "never", tilts at questions."""
    pairs = list(zip(motions, truths, strict=True))
    result = _over_clips("nod_correlation", [_nod_correlation(*pair) for pair in pairs])
    shakes = [energy for energy in (_shakes(*pair) for pair in pairs) if energy is not None]
    inside, outside = ([one[k] for one in shakes] for k in (0, 1))
    result["shake_ratio"] = _ratio(inside, outside) if np.sum(outside) > 0 else None
    result["shake_ratio_interval"] = (
        jackknife_interval(_ratio, inside, outside, lowest=0) if result["shake_ratio"] is not None else None
    )
    place = _place([truth for truth in truths if len(truth.nevers)])
    at_never = [_shakes_in_place(*pair, place) for pair in pairs]
    columns = [list(column) for column in zip(*at_never, strict=True)]
    result["shake_in_place"] = result["shake_in_place_interval"] = None
    if np.sum(columns[2]) > 0 and np.sum(columns[1]) > 0:
        result["shake_in_place"] = _ratio_of_means(*columns)
        result["shake_in_place_interval"] = jackknife_interval(_ratio_of_means, *columns, lowest=0)
    result |= _over_clips("tilt_auc", [_tilts(*pair) for pair in pairs])
    if result["shake_ratio"] is None:
        notes["shake_ratio"] = 'no clip has "never" in it' if not shakes else "the head does not turn"
    if result["tilt_auc"] is None:
        notes["tilt_auc"] = "no clip has both a question and a statement"
    return result


def _nod_correlation(motion: Motion, truth: Truth) -> float:
    """Correlation of the pitch with the mean pitch of the true takes, the mean over samples; 0 where it is still."""
    expected = angles(truth.takes.astype(np.float64))[:, :, 0].mean(0)
    expected = expected - expected.mean()
    pitch = motion.degrees[:, :, 0] - motion.degrees[:, :, 0].mean(1, keepdims=True)
    scale = np.sqrt(np.square(pitch).sum(1) * np.square(expected).sum())
    return float(np.where(scale > 1e-9, pitch @ expected / np.maximum(scale, 1e-9), 0.0).mean())


def _shakes(motion: Motion, truth: Truth) -> tuple[float, float] | None:
    """Mean square of the speed of yaw within half a second of "never", and elsewhere."""
    if not len(truth.nevers):
        return None
    near = np.abs(np.subtract.outer(_times(), truth.nevers)).min(1) < _NEAR_NEVER
    energy = np.square(np.gradient(motion.degrees[:, :, 1], axis=1) * FRAME_RATE).mean(0)
    return float(energy[near].mean()), float(energy[~near].mean())


def _place(truths: Sequence[Truth]) -> float:
    """The median of how long after the beginning of its sentence "never" comes, in seconds; NaN where none does."""
    found = [
        never - start
        for truth in truths
        for start, end in (*truth.questions, *truth.statements)
        for never in truth.nevers
        if start <= never < end
    ]
    return float(np.median(found)) if found else np.nan


def _shakes_in_place(motion: Motion, truth: Truth, place: float) -> tuple[float, int, float, int]:
    """Mean square of the speed of yaw around "never", and around where in a sentence it would be in those without it.

    Where in a sentence it comes can be known without understanding a word; that it is said cannot.

    Returns:
        the sum over the sentences with it, and how many they are; the same of those without.
    """
    energy = np.square(np.gradient(motion.degrees[:, :, 1], axis=1) * FRAME_RATE).mean(0)
    found: dict[bool, list[float]] = {True: [], False: []}
    for start, end in (*truth.questions, *truth.statements):
        said = [never for never in truth.nevers if start <= never < end]
        middle = said[0] if said else start + place
        near = np.abs(_times() - middle) < _NEAR_NEVER
        if near.sum() >= _LEAST:
            found[bool(said)].append(float(energy[near].mean()))
    return sum(found[True]), len(found[True]), sum(found[False]), len(found[False])


def _ratio_of_means(
    first: Sequence[float], first_count: Sequence[int], second: Sequence[float], second_count: Sequence[int]
) -> float:
    above = np.sum(first) / max(np.sum(first_count), 1)
    return float(above / max(np.sum(second) / max(np.sum(second_count), 1), 1e-12))


def _tilts(motion: Motion, truth: Truth) -> float:
    """How often a question is tilted further to the speaker's side than a statement of the same clip, in [0, 1]."""
    roll = np.sign(truth.tilt) * motion.degrees[:, :, 2]
    asked, said = (
        [roll[:, inside].mean(1) for start, end in spans if (inside := _within(start + _TILTED, end)).sum() >= _LEAST]
        for spans in (truth.questions, truth.statements)
    )
    won = [(one > other) + 0.5 * (one == other) for one in asked for other in said]
    return float(np.mean(won)) if won else np.nan


def _within(start: float, end: float) -> NDArray[np.bool_]:
    return (_times() >= start) & (_times() < end)


def _times() -> NDArray[np.float64]:
    return (np.arange(FRAMES, dtype=np.float64) + 0.5) / FRAME_RATE


def _over_clips(name: str, per_clip: Sequence[float]) -> dict:
    values = [value for value in per_clip if np.isfinite(value)]
    return {name: float(np.mean(values)) if values else None, f"{name}_interval": jackknife_interval(np.mean, values)}


def _ratio(first: Sequence[float], second: Sequence[float]) -> float:
    return float(np.mean(first) / max(np.mean(second), 1e-12))


def _mean(values: Sequence[float]) -> float:
    found = [value for value in values if np.isfinite(value)]
    return float(np.mean(found)) if found else np.nan
