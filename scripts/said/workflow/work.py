"""How much there is to do in a job: the quantities that its time grows with, counted from its settings.

Counted are sentences, optimisation steps, calls of the denoiser, samples, pixels and floating-point operations, two for
each multiplication of a weight. Left out are products of activations with each other, a few per cent of the denoiser's,
normalisations, and all that is done once for a batch. Sentences are taken to last `FRAMES`, and none to be missing.
A rule without an entry in `WORK` costs the same each time.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

FRAMES = {"synthetic": 280, "vocaset": 240}
"""Frames of a mean sentence, at 60 per second; 4.7 s and the paper's 3 to 5 s."""
WAV2VEC2_BASE = {"width": 768, "layers": 12, "feed_forward": 3072, "channels": 512}
"""Of a pretrained encoder, whose own size is not known before it is fetched."""
_BLENDSHAPES = 32
_SAMPLE_RATE, _FRAME_RATE, _VIDEO_RATE = 16000, 60, 25
_LATENT_WINDOW = 120
_EXTRACTOR_WINDOW = 4.14e6
"""Multiplications of the VAE in a window of 120 frames, encoder and decoder."""
_FORWARD, _TRAINED = 2, 6
"""Operations for each multiplication: of a forward pass; with the gradients of inputs and weights."""


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
    params: Mapping = field(default_factory=dict)
    threads: int = 1
    gpu: bool = False


def work(job: Job, config: Mapping) -> dict[str, float]:
    """The quantities of a job; `job`, what it costs in any case, is 1.

    Args:
        config: resolved, of the run that the job belongs to.

    Raises:
        KeyError: the job's settings lack what its rule counts by.
    """
    return {"job": 1.0} | (WORK[job.rule](job, config) if job.rule in WORK else {})


def denoiser_multiplications(width: int, audio_width: int, keys: bool = True) -> float:
    """For each frame. 116 C^2: five residual blocks (6 or, with a skip, 11 C^2) and four transformers (19 C^2).

    Args:
        keys: whether keys and values of the audio are computed, which sampling does once for all steps.
    """
    return 116 * width**2 + 2 * 3 * _BLENDSHAPES * width + (8 * audio_width * width if keys else 0)


def encoder_multiplications(encoder: Mapping) -> tuple[float, float]:
    """Of wav2vec 2.0's convolutions and of its transformer, for each animation frame.

    Args:
        encoder: width, layers, feed_forward and channels.
    """
    channels, width = encoder["channels"], encoder["width"]
    convolutions, rate, inputs = 0.0, _SAMPLE_RATE / _FRAME_RATE, 1
    for kernel, stride in zip((10, 3, 3, 3, 3, 2, 2), (5, 2, 2, 2, 2, 2, 2), strict=True):
        rate /= stride
        convolutions += rate * kernel * inputs * channels
        inputs = channels
    layer = 4 * width**2 + 2 * width * encoder["feed_forward"]
    # The positional convolution: kernel 128 in 16 groups, or 32 in 4.
    return convolutions, channels * width + 8 * width**2 + encoder["layers"] * layer


def syncnet_multiplications(width: float, size: int, colours: int) -> tuple[float, float]:
    """Of SyncNet's lip network for each picture, and of its speech network for each window."""

    def channels(published: int) -> int:
        return max(1, round(width * published))

    lips, side, inputs = 0.0, size, colours
    for outputs, taps, kernel, stride, padding in (
        (96, 5, 7, 2, 0), (None, 1, 3, 2, 0), (256, 1, 5, 2, 1), (None, 1, 3, 2, 1),
        (256, 1, 3, 1, 1), (256, 1, 3, 1, 1), (256, 1, 3, 1, 1), (None, 1, 3, 2, 0),
    ):  # fmt: skip
        side = (side + 2 * padding - kernel) // stride + 1
        if outputs is not None:
            lips += side**2 * taps * kernel**2 * inputs * channels(outputs)
            inputs = channels(outputs)
    lips += side**2 * channels(256) * channels(512)
    speech = 9 * (
        13 * 20 * channels(64)
        + 13 * 20 * channels(64) * channels(192)
        + 11 * 9 * (channels(192) * channels(384) + channels(384) * channels(256) + channels(256) ** 2)
    )
    speech += 20 * channels(256) * channels(512)
    projections = channels(512) ** 2 + channels(512) * channels(1024)
    return lips + projections, speech + projections


def _speakers(config: Mapping, *roles: str) -> list[str]:
    return [speaker for role in roles for speaker in config[config["dataset"]]["split"][role]]


def _sentences(config: Mapping, *roles: str) -> int:
    """Sentences of all speakers of the roles."""
    each = config[config["dataset"]]["sentences"]
    return sum(len(_speakers(config, role)) * (each if isinstance(each, int) else each[role]) for role in roles)


def _sentences_of(config: Mapping, speaker: str) -> int:
    for role, speakers in config[config["dataset"]]["split"].items():
        if speaker in speakers:
            return _sentences(config, role) // len(speakers)
    raise KeyError(speaker)


def _encoder(config: Mapping) -> Mapping:
    settings = config["speech_encoder"]
    return settings["stand_in"] if settings["source"] == "stand_in" else WAV2VEC2_BASE


def _steps(settings: Mapping, items: int) -> int:
    return settings["epochs"] * -(-items // settings["batch_size"])


def _speaker(job: Job, config: Mapping) -> dict:
    return {"sentence": _sentences_of(config, job.wildcards["speaker"])}


def _synthetic_sequences(job: Job, config: Mapping) -> dict:
    return {"sentence": job.params["sentences"]}


def _fit_coefficients(job: Job, config: Mapping) -> dict:
    """Both solvers are linear in the frames; the paper's is another program altogether."""
    unit = "sentence" if job.params["solver"] == "banded" else "cvxopt sentence"
    return {unit: _sentences_of(config, job.wildcards["speaker"])}


def _speech_encoder(job: Job, config: Mapping) -> dict:
    if job.params["settings"]["source"] == "pretrained":
        return {"download": 1}
    settings = job.params["settings"]["stand_in"]
    windows = settings["steps"] * settings["batch_size"]
    flop = windows * _LATENT_WINDOW * _TRAINED * sum(encoder_multiplications(settings))
    return {"utterance": settings["utterances"], "step": settings["steps"], "flop": flop}


def _train_extractor(job: Job, config: Mapping) -> dict:
    """A window of every training sentence in each epoch."""
    settings, items = job.params["settings"], _sentences(config, "train")
    validated = _sentences(config, "validation") * settings["epochs"] / settings["validate_every"]
    multiplications = _EXTRACTOR_WINDOW * (_TRAINED * items * settings["epochs"] + _FORWARD * validated)
    return {"step": _steps(settings, items), "flop": multiplications}


def _train_said(job: Job, config: Mapping) -> dict:
    """A window of every training sentence in each epoch, and the speech encoder on those that it has to see.

    Encoded sentences are as good as free. A frozen encoder sees windows whose audio is shifted; of the others those
    that the cache does not hold.
    """
    settings, encoder = job.params["settings"], _encoder(config)
    items, window = _sentences(config, "train"), settings["window"]
    trained = items * settings["epochs"] * window
    repeats = settings["validation_repeats"] * settings["epochs"] / settings["validate_every"]
    validated = _sentences(config, "validation") * repeats * window
    denoiser = denoiser_multiplications(settings["width"], encoder["width"])
    convolutions, transformer = encoder_multiplications(encoder)
    flop = denoiser * (_TRAINED * trained + _FORWARD * validated)
    if settings["encoder"] == "finetuned":
        flop += _FORWARD * convolutions * (trained + validated)
        flop += transformer * (_TRAINED * trained + _FORWARD * validated)
    elif settings["conditioning"] == "window":
        flop += trained * _encoded_share(settings, config) * _FORWARD * (convolutions + transformer)
    step = "finetuned step" if settings["encoder"] == "finetuned" else "step"
    return {step: _steps(settings, items), "flop": flop}


def _encoded_share(settings: Mapping, config: Mapping) -> float:
    """Share of the training windows that a frozen encoder sees in a long training."""
    if settings["encoder_mode"] == "train":
        return 1.0
    kept = 0.0
    if settings["window_sampling"] == "slice":
        places = _sentences(config, "train") * max(1, FRAMES[config["dataset"]] - settings["window"] + 1)
        size = settings["window"] * _encoder(config)["width"] * 4
        held = min(1.0, config["compute"]["window_cache_mb"] * 1e6 / (places * size))
        kept = held * (1 - settings["shift_probability"])
    return (1 - settings["condition_dropout"]) * (1 - kept)


def _sampling(job: Job, config: Mapping, variant: str, sequences: int, batches: int) -> dict:
    """Steps of the sampler; guidance doubles what the denoiser is given. On a GPU samples share a call."""
    settings = job.params["settings"]
    unguided = settings["guidance"] <= 1 if settings["guidance_off_at_one"] else settings["guidance"] == 0
    denoiser = denoiser_multiplications(config["variants"][variant]["width"], _encoder(config)["width"], keys=False)
    frames = sequences * FRAMES[config["dataset"]] * settings["steps"]
    flop = frames * _FORWARD * denoiser * (1 if unguided else 2)
    return {"call": (batches if job.gpu else sequences) * settings["steps"], "flop": flop}


def _sample_said(job: Job, config: Mapping) -> dict:
    sentences = _sentences_of(config, job.wildcards["speaker"])
    return _sampling(job, config, job.wildcards["variant"], sentences * job.params["settings"]["samples"], sentences)


def _edit_said(job: Job, config: Mapping) -> dict:
    return _sampling(job, config, job.params["entry"].get("variant", next(iter(config["variants"]))), 1, 1)


def _oracle(job: Job, config: Mapping) -> dict:
    return {"take": _sentences_of(config, job.wildcards["speaker"]) * job.params["samples"]}


def _camera(config: Mapping) -> tuple[float, int, int]:
    """Width, picture size and colours of the SyncNet that looks at the films."""
    lipsync = config["lipsync"]
    return (1.0, 224, 3) if lipsync["weights"] == "published" else (lipsync["width"], lipsync["size"], 1)


def _films(config: Mapping, films: float) -> dict:
    """Films of a sentence each, at the video's rate: pictures are rendered and seen by the lip network."""
    width, size, colours = _camera(config)
    pictures = films * FRAMES[config["dataset"]] * _VIDEO_RATE / _FRAME_RATE
    flop = pictures * _FORWARD * syncnet_multiplications(width, size, colours)[0]
    return {"pixel": pictures * size**2, "flop": flop}


def _train_syncnet(job: Job, config: Mapping) -> dict:
    """Every training sentence is filmed once; a segment of each film in each epoch."""
    settings, items = job.params["settings"], _sentences(config, "train")
    films = _films(config, items + _sentences(config, "validation"))
    each = sum(syncnet_multiplications(settings["width"], settings["size"], 1))
    flop = items * settings["epochs"] * settings["segment"] * _TRAINED * each
    return films | {"step": _steps(settings, items), "flop": flop}


def _samples(job: Job, config: Mapping) -> int:
    """Sequences for each test sentence that a method has."""
    return 1 if job.wildcards["method"] == "ground_truth" else config["sampling"]["samples"]


def _measure_sync(job: Job, config: Mapping) -> dict:
    filmed = min(_samples(job, config), job.params["samples"] or config["sampling"]["samples"])
    return _films(config, _sentences(config, "test") * filmed)


def _prove_sync(job: Job, config: Mapping) -> dict:
    """A film of every held-out sentence, and its speech moved to each of twelve places."""
    sentences = _sentences(config, "validation", "test")
    return _films(config, sentences) | {"sentence": sentences}


def _evaluate(job: Job, config: Mapping) -> dict:
    """Mixtures are fitted to all latent windows, anew in each repeat."""
    settings = job.params["settings"]
    windows = max(1, (FRAMES[config["dataset"]] - _LATENT_WINDOW) / settings["stride"] + 1)
    sequences = _sentences(config, "test") * (_samples(job, config) + 1)
    return {"window": sequences * windows * settings["wind_components"] * settings["wind_repeats"]}


def _measure_motion(job: Job, config: Mapping) -> dict:
    return {"sequence": _sentences(config, "test") * _samples(job, config)}


def _video(job: Job, config: Mapping) -> dict:
    """A sentence, in a picture for each caption."""
    return {"pixel": len(job.params["captions"]) * FRAMES[config["dataset"]] * job.params["size"] ** 2}


WORK: dict[str, Callable[[Job, Mapping], dict]] = {
    "synthetic_faces": lambda job, config: {"speaker": len(job.params["speakers"])},
    "synthetic_sequences": _synthetic_sequences,  # each sentence is spoken and filmed
    "inspect_vocaset": _speaker,  # every frame is read
    "vocaset_sequences": _speaker,  # every frame is read and written
    "fit_coefficients": _fit_coefficients,
    "speech_encoder": _speech_encoder,
    "train_extractor": _train_extractor,
    "train_said": _train_said,
    "sample_said": _sample_said,
    "edit_said": _edit_said,
    "train_syncnet": _train_syncnet,
    "measure_sync": _measure_sync,
    "prove_sync": _prove_sync,
    "evaluate": _evaluate,
    "oracle": _oracle,  # each take is a sentence filmed and its coefficients fitted
    "measure_motion": _measure_motion,  # each sequence is turned into meshes
    "demo_video": _video,
    "comparison_video": _video,
}
"""What the time of a rule's jobs grows with."""
