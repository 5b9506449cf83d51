"""How much there is to do in a job: the units that its time grows with, counted from its settings.

Units are sentences, optimisation steps, samples and the like. Units of models of the paper's size have names of their
own, "large step" beside "step". A rule without an entry in `WORK` costs the same each time. No sentence is taken to be
missing.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Job:
    """A job of the workflow, planned or done.

    Attributes:
        name: of its benchmark file without suffix, which tells it from other jobs of the rule: train_said/base.
        wildcards, params: as the rule has them.
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
    """Number of each unit in a job; of `job`, which stands for what it costs in any case, there is 1.

    Args:
        config: resolved, of the run that the job belongs to.

    Raises:
        KeyError: the job's settings lack what its rule counts by.
    """
    return {"job": 1.0} | (WORK[job.rule](job, config) if job.rule in WORK else {})


def _sentences(config: Mapping[str, Any], *roles: str) -> int:
    """Sentences of all speakers of the roles."""
    dataset = config[config["dataset"]]
    each = dataset["sentences"]
    return sum(len(dataset["split"][role]) * (each if isinstance(each, int) else each[role]) for role in roles)


def _sentences_of(config: Mapping[str, Any], speaker: str) -> int:
    for role, speakers in config[config["dataset"]]["split"].items():
        if speaker in speakers:
            return _sentences(config, role) // len(speakers)
    raise KeyError(speaker)


def _steps(settings: Mapping[str, Any], config: Mapping[str, Any]) -> int:
    """An epoch sees a window of every training sentence."""
    return settings["epochs"] * -(-_sentences(config, "train") // settings["batch_size"])


def _large(width: int) -> str:
    """Whether a denoiser is wider than the demonstration's, as the paper's is, told as the beginning of a unit."""
    return "large " if width > 64 else ""


def _fit_coefficients(job: Job, config: Mapping[str, Any]) -> dict[str, float]:
    """The paper's solver is another program altogether."""
    unit = "sentence" if job.params["solver"] == "banded" else "cvxopt sentence"
    return {unit: _sentences_of(config, job.wildcards["speaker"])}


def _speech_encoder(job: Job, config: Mapping[str, Any]) -> dict[str, float]:
    if job.params["settings"]["source"] == "pretrained":
        return {"download": 1}
    settings = job.params["settings"]["stand_in"]
    return {"utterance": settings["utterances"], "step": settings["steps"]}


def _train_said(job: Job, config: Mapping[str, Any]) -> dict[str, float]:
    """What a step costs is mostly what the speech encoder does in it: learn, encode a window, or nothing."""
    settings = job.params["settings"]
    large = "large " if config["speech_encoder"]["source"] == "pretrained" else _large(settings["width"])
    if settings["encoder"] == "finetuned":
        encoder = "finetuned "
    else:
        encoder = "encoded " if large and settings["conditioning"] == "sentence" else ""
    return {f"{large}{encoder}step": _steps(settings, config)}


def _sampling(job: Job, config: Mapping[str, Any], variant: str, samples: int) -> dict[str, float]:
    """A call of the denoiser for each step of a sample, and with guidance another."""
    settings = job.params["settings"]
    unguided = settings["guidance"] <= 1 if settings["guidance_off_at_one"] else settings["guidance"] == 0
    unit = f"{_large(config['variants'][variant]['width'])}call"
    return {unit: samples * settings["steps"] * (1 if unguided else 2)}


def _sample_said(job: Job, config: Mapping[str, Any]) -> dict[str, float]:
    samples = _sentences_of(config, job.wildcards["speaker"]) * job.params["settings"]["samples"]
    return _sampling(job, config, job.wildcards["variant"], samples)


def _edit_said(job: Job, config: Mapping[str, Any]) -> dict[str, float]:
    return _sampling(job, config, job.params["entry"].get("variant", next(iter(config["variants"]))), 1)


def _films(config: Mapping[str, Any], films: float) -> dict[str, float]:
    """Films of a sentence each, rendered and seen by SyncNet; the published one's pictures are the larger ones."""
    return {"large film" if config["lipsync"]["weights"] == "published" else "film": films}


def _train_syncnet(job: Job, config: Mapping[str, Any]) -> dict[str, float]:
    """Every sentence is filmed once."""
    return {"film": _sentences(config, "train", "validation"), "step": _steps(job.params["settings"], config)}


def _samples(job: Job, config: Mapping[str, Any]) -> int:
    """Sequences for each test sentence that a method has."""
    return 1 if job.wildcards["method"] == "ground_truth" else config["sampling"]["samples"]


def _measure_sync(job: Job, config: Mapping[str, Any]) -> dict[str, float]:
    filmed = min(_samples(job, config), job.params["samples"] or config["sampling"]["samples"])
    return _films(config, _sentences(config, "test") * filmed)


def _sequences(job: Job, config: Mapping[str, Any]) -> dict[str, float]:
    return {"sequence": _sentences(config, "test") * _samples(job, config)}


def _spoken(job: Job, config: Mapping[str, Any]) -> dict[str, float]:
    return {"sentence": _sentences_of(config, job.wildcards["speaker"])}


WORK: dict[str, Callable[[Job, Mapping[str, Any]], dict[str, float]]] = {
    "synthetic_faces": lambda job, config: {"speaker": len(job.params["speakers"])},
    "synthetic_sequences": lambda job, config: {"sentence": job.params["sentences"]},  # each is spoken and filmed
    "inspect_vocaset": _spoken,  # every frame is read
    "vocaset_sequences": _spoken,  # every frame is read and written
    "fit_coefficients": _fit_coefficients,
    "speech_encoder": _speech_encoder,
    "train_extractor": lambda job, config: {"step": _steps(job.params["settings"], config)},
    "train_said": _train_said,
    "sample_said": _sample_said,
    "edit_said": _edit_said,
    "train_syncnet": _train_syncnet,
    "measure_sync": _measure_sync,
    "prove_sync": lambda job, config: _films(config, _sentences(config, "validation", "test")),
    "evaluate_method": _sequences,  # each is encoded, and its latents are in the mixtures
    # Each take is a sentence filmed and its coefficients fitted.
    "sample_oracle": lambda job, config: {"take": _spoken(job, config)["sentence"] * job.params["samples"]},
    "measure_motion": _sequences,  # each is turned into meshes
    "demo_video": lambda job, config: {"face": len(job.params["captions"])},
    "comparison_video": lambda job, config: {"face": len(job.params["captions"])},
}
"""What the time of a rule's jobs grows with."""
