"""The work in a job: the units that its time is proportional to, counted from its settings.

Units are sentences, optimisation steps, samples and the like. Those of models of the paper's size have names of their
own, "large step" beside "step". A rule without an entry in `WORK` costs the same every time. The counts assume that no
sentence is missing.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from said.baselines.registry import TITLES, WITH_STYLES


@dataclass(frozen=True)
class Job:
    """A job of the workflow, planned or done.

    Attributes:
        rule: name of its rule.
        name: of its benchmark file without the suffix, as train_said/base: unique among the jobs of a run.
        wildcards, params: those of the rule.
        threads: CPU cores that it reserves.
        gpu: whether it computes on a GPU.
    """

    rule: str
    name: str
    wildcards: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, Any] = field(default_factory=dict)
    threads: int = 1
    gpu: bool = False


def work(job: Job, config: Mapping[str, Any]) -> dict[str, float]:
    """The number of each unit in a job; of `job`, the unit for what any job costs, there is 1.

    Args:
        job: the job.
        config: of its run, resolved.

    Raises:
        KeyError: the settings of the job lack what its work is counted from.
    """
    return {"job": 1.0} | (WORK[job.rule](job, config) if job.rule in WORK else {})


def _sentences(config: Mapping[str, Any], *roles: str) -> int:
    """Number of sentences of all speakers with these roles."""
    dataset = config[config["dataset"]]
    each = dataset["sentences"]
    return sum(len(dataset["split"][role]) * (each if isinstance(each, int) else each[role]) for role in roles)


def _sentences_of(config: Mapping[str, Any], speaker: str) -> int:
    for role, speakers in config[config["dataset"]]["split"].items():
        if speaker in speakers:
            return _sentences(config, role) // len(speakers)
    raise KeyError(speaker)


def _steps(settings: Mapping[str, Any], config: Mapping[str, Any]) -> int:
    """Steps of a training: in an epoch it sees one window of every training sentence."""
    return settings["epochs"] * -(-_sentences(config, "train") // settings["batch_size"])


def _large(width: int) -> str:
    """Prefix of the units of a denoiser that is wider than the demonstration's, as the paper's is."""
    return "large " if width > 64 else ""


def _fit_coefficients(job: Job, config: Mapping[str, Any]) -> dict[str, float]:
    """Sentences; the paper's solver is a different program, with a unit of its own."""
    unit = "sentence" if job.params["solver"] == "banded" else "cvxopt sentence"
    return {unit: _sentences_of(config, job.wildcards["speaker"])}


def _speech_encoder(job: Job, config: Mapping[str, Any]) -> dict[str, float]:
    if job.params["settings"]["source"] == "pretrained":
        return {"download": 1}
    settings = job.params["settings"]["stand_in"]
    return {"utterance": settings["utterances"], "step": settings["steps"]}


def _train_said(job: Job, config: Mapping[str, Any]) -> dict[str, float]:
    """Steps; their cost depends mostly on what the speech encoder does: learn, encode a window, or nothing."""
    settings = job.params["settings"]
    large = "large " if config["speech_encoder"]["source"] == "pretrained" else _large(settings["width"])
    if settings["encoder"] == "finetuned":
        encoder = "finetuned "
    else:
        encoder = "encoded " if large and settings["conditioning"] == "sentence" else ""
    return {f"{large}{encoder}step": _steps(settings, config)}


def _sampling(job: Job, config: Mapping[str, Any], variant: str, samples: int) -> dict[str, float]:
    """Calls of the denoiser: one for each step of a sample, two with guidance."""
    settings = job.params["settings"]
    unguided = settings["guidance"] <= 1 if settings["guidance_off_at_one"] else settings["guidance"] == 0
    unit = f"{_large(config['variants'][variant]['width'])}call"
    return {unit: samples * settings["steps"] * (1 if unguided else 2)}


def _sample_said(job: Job, config: Mapping[str, Any]) -> dict[str, float]:
    samples = _sentences(config, "test") * job.params["settings"]["samples"]
    return _sampling(job, config, job.wildcards["variant"], samples)


_CLIP_FRAMES = 260
"""Of an average sentence."""


def _train_baseline(job: Job, config: Mapping[str, Any]) -> dict[str, float]:
    """Training clips, each as often as it is seen, in each stage; or frames or steps, where those are counted."""
    name, settings = job.wildcards["baseline"], job.params["settings"]
    large, clips = _large_speech(config), _sentences(config, "train")
    if "epoch_frames" in settings:
        return {f"{large}{name} frame": settings["epochs"] * (settings["epoch_frames"] or clips * _CLIP_FRAMES)}
    stages = {key: inner for key, inner in settings.items() if isinstance(inner, Mapping)}
    if "iterations" in settings:
        steps = {"": settings} | {f"{key} ": inner for key, inner in stages.items()}
        return {f"{large}{name} {stage}step": inner["iterations"] for stage, inner in steps.items()}
    stages = {key: inner for key, inner in stages.items() if "epochs" in inner}
    units = {f"{large}{name} {stage} clip": inner["epochs"] * clips for stage, inner in stages.items()}
    return units | {f"{large}{name} clip": settings["epochs"] * clips}


def _sample_baseline(job: Job, config: Mapping[str, Any]) -> dict[str, float]:
    """Sentences, which cost what the method's network does, and the sequences that coefficients are fitted to."""
    name, sentences = job.wildcards["baseline"], _sentences(config, "test")
    return {f"{_large_speech(config)}{name} sentence": sentences, "sequence": sentences * _styles(name, config)}


def _styles(baseline: str, config: Mapping[str, Any]) -> int:
    """Samples that a method of `baselines` has for each sentence."""
    if baseline not in WITH_STYLES:
        return 1
    speakers = len(config[config["dataset"]]["split"]["train"])
    return min(speakers, config["baselines"]["styles"] or speakers)


def _large_speech(config: Mapping[str, Any]) -> str:
    """Prefix of the units of methods whose sizes are the published ones, as they are where the speech encoder is."""
    return "large " if config["speech_encoder"]["source"] == "pretrained" else ""


def _edit_said(job: Job, config: Mapping[str, Any]) -> dict[str, float]:
    return _sampling(job, config, job.params["entry"].get("variant", next(iter(config["variants"]))), 1)


def _films(config: Mapping[str, Any], films: float) -> dict[str, float]:
    """Films of one sentence each, rendered and shown to SyncNet; the published one's pictures are larger."""
    return {"large film" if config["lipsync"]["weights"] == "published" else "film": films}


def _train_syncnet(job: Job, config: Mapping[str, Any]) -> dict[str, float]:
    """Films of all sentences, once each, and training steps."""
    return {"film": _sentences(config, "train", "validation"), "step": _steps(job.params["settings"], config)}


def _samples(job: Job, config: Mapping[str, Any]) -> int:
    """Sequences that a method has for each test sentence."""
    method = job.wildcards["method"]
    if method in TITLES:
        return _styles(method, config)
    single = method in ("ground_truth", "mean_motion", "no_motion") or method.startswith("headpose_")
    return 1 if single else config["sampling"]["samples"]


def _measure_sync(job: Job, config: Mapping[str, Any]) -> dict[str, float]:
    filmed = min(_samples(job, config), job.params["samples"] or config["sampling"]["samples"])
    return _films(config, _sentences(config, "test") * filmed / job.params["parts"])


def _sequences(job: Job, config: Mapping[str, Any]) -> dict[str, float]:
    return {"sequence": _sentences(config, "test") * _samples(job, config)}


def _train_facial_vq(job: Job, config: Mapping[str, Any]) -> dict[str, float]:
    """Blocks, each as often as it is seen."""
    settings = job.params["settings"]
    return {f"{_large(settings['width'])}block": settings["epochs"] * settings["blocks"]}


def _train_dual_path(job: Job, config: Mapping[str, Any]) -> dict[str, float]:
    """Training clips, each as often as it is seen."""
    settings = job.params["settings"]
    return {f"{_large(settings['width'])}face clip": settings["epochs"] * _sentences(config, "train")}


def _sample_face(job: Job, config: Mapping[str, Any]) -> dict[str, float]:
    return {f"{_large_speech(config)}face sentence": _sentences_of(config, job.wildcards["speaker"])}


def _spoken(job: Job, config: Mapping[str, Any]) -> dict[str, float]:
    return {"sentence": _sentences_of(config, job.wildcards["speaker"])}


def _talks(config: Mapping[str, Any]) -> int:
    """Clips of heads; of the user's own recordings, how many is known only when they are cut."""
    clips = config["headpose"]["clips"]
    return clips["voices"] * clips["clips_per_voice"]


def _train_pose_fid(job: Job, config: Mapping[str, Any]) -> dict[str, float]:
    """Passes of a training clip, all of whose windows are in one step."""
    return {"clip": job.params["settings"]["epochs"] * _talks(config) * 0.7}


def _train_poses(job: Job, config: Mapping[str, Any]) -> dict[str, float]:
    """Training clips, each as often as it is seen."""
    settings = job.params["settings"]
    heard = settings.get("rhythm_input", "pose")
    unit = f"{_large(settings['width'])}{'mel' if heard == 'loudness' else heard} clip"
    return {unit: settings["epochs"] * _talks(config) * 0.7}


def _sample_poses(job: Job, config: Mapping[str, Any]) -> dict[str, float]:
    return {"clip": _talks(config) * 0.15 * job.params["sampling"]["samples"]}


def _samples_of_a_head(method: str, config: Mapping[str, Any]) -> int:
    headpose = config["headpose"]
    return headpose["sampling"]["samples"] if method in headpose["variants"] else 5 if method == "oracle" else 1


def _pictures(job: Job) -> float:
    """Size of a film's pictures, as a share of 320 x 320 pixels."""
    return (job.params["size"] / 320) ** 2


WORK: dict[str, Callable[[Job, Mapping[str, Any]], dict[str, float]]] = {
    "synthetic_faces": lambda job, config: {"speaker": len(job.params["speakers"])},
    "synthetic_sequences": lambda job, config: {"sentence": job.params["sentences"]},  # each is spoken and animated
    "inspect_vocaset": _spoken,  # every frame is read
    "vocaset_sequences": _spoken,  # every frame is read and written
    "fit_coefficients": _fit_coefficients,
    "speech_encoder": _speech_encoder,
    "train_extractor": lambda job, config: {"step": _steps(job.params["settings"], config)},
    "train_said": _train_said,
    "sample_said": _sample_said,
    "train_baseline": _train_baseline,
    "sample_baseline": _sample_baseline,
    "edit_said": _edit_said,
    "train_pose_vq": _train_poses,
    "train_pose_generator": _train_poses,
    "sample_poses": _sample_poses,
    "train_syncnet": _train_syncnet,
    "measure_sync": _measure_sync,
    "prove_sync": lambda job, config: _films(config, _sentences(config, "validation", "test")),
    "evaluate_method": _sequences,  # each is encoded, and its latents go into the mixtures
    # For each take a sentence is animated, and coefficients are fitted to it.
    "sample_oracle": lambda job, config: {"take": _spoken(job, config)["sentence"] * job.params["samples"]},
    "measure_motion": _sequences,  # each is turned into meshes
    "train_facial_vq": _train_facial_vq,
    "train_dual_path": _train_dual_path,
    "sample_face": _sample_face,
    "measure_face": _sequences,  # each is turned into the meshes of its lips
    "record_talks": lambda job, config: {"clip": _talks(config)},
    "hear_talks": lambda job, config: {"large clip" if _large_speech(config) else "clip": _talks(config)},
    "train_pose_fid": _train_pose_fid,
    "measure_poses": lambda job, config: {
        "clip": _talks(config) * 0.15 * _samples_of_a_head(job.wildcards["method"], config)
    },
    "demo_video": lambda job, config: {"face": len(job.params["captions"])},
    "comparison_video": lambda job, config: {"face": len(job.params["captions"])},
    "headpose_film": lambda job, config: {"head": job.params["columns"] * _pictures(job)},
    "headpose_diversity_film": lambda job, config: {"head": job.params["columns"] * _pictures(job)},
    "study_faces": lambda job, config: {"film": len(job.params["sentences"]) * _pictures(job)},
    "study_heads": lambda job, config: {"film": len(job.params["clips"]) * _pictures(job)},
    "study_simulation": lambda job, config: {"draw": job.params["draws"]},
}
"""By rule: counts the units of a job."""
