"""Speech as the denoiser sees it (Section 4.2): wav2vec 2.0 with one feature vector per animation frame."""

from collections.abc import Callable, Sequence
from fractions import Fraction

import numpy as np
import soxr
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import Wav2Vec2Config, Wav2Vec2Model
from transformers.utils import cached_file
from transformers.utils import logging as transformers_logging

from said.atomic import atomic_folder
from said.corpus import FRAME_RATE
from said.files import models
from said.io import PathLike
from said.loop import FitSettings, Step, fit, preserved_generators

SAMPLE_RATE = 16000
"""Hz, of wav2vec 2.0."""

# A bar for every file that is read or written drowns a log.
transformers_logging.disable_progress_bar()


def frame_count(samples: int, rate: int, fps: int = FRAME_RATE, rounding: str = "exact") -> int:
    """Whole animation frames in `samples` of audio at `rate` Hz.

    Args:
        rounding: exact; or truncated: in floating point as in the authors' implementation, where some lengths that are
            a whole number of frames lose one.
    """
    if rounding not in ("exact", "truncated"):
        raise ValueError(f"frame_count must be exact or truncated, not {rounding!r}")
    if samples < 0 or rate <= 0 or fps <= 0:
        raise ValueError(f"samples must be at least 0, rate and fps above 0; got {samples}, {rate}, {fps}")
    if rounding == "truncated":
        return int(samples / rate * fps)
    return int(Fraction(samples) * Fraction(fps) / Fraction(rate))


def prepare_waveform(waveform: NDArray, sample_rate: int) -> NDArray[np.float32]:
    """A mono waveform (T,) in [-1, 1] at `sample_rate` Hz, resampled to 16 kHz.

    Raises:
        ValueError: it is empty, not mono or not finite.
    """
    waveform = np.asarray(waveform, dtype=np.float32)
    if waveform.ndim != 1 or len(waveform) == 0:
        raise ValueError(f"expected a mono waveform (T,), got {waveform.shape}")
    if not np.isfinite(waveform).all():
        raise ValueError("the waveform holds values that are not finite")
    if sample_rate == SAMPLE_RATE:
        return waveform
    return soxr.resample(waveform, sample_rate, SAMPLE_RATE)


def normalise(waveform: Tensor) -> Tensor:
    """Zero mean and unit variance along time: (..., T) -> (..., T), as wav2vec 2.0 expects it."""
    centred = waveform - waveform.mean(-1, keepdim=True)
    return centred / (centred.square().mean(-1, keepdim=True) + 1e-7).sqrt()


def encode(wav2vec2: Wav2Vec2Model, waveform: Tensor, frames: int) -> Tensor:
    """Features of speech, one per animation frame.

    The features of the convolutional part, about 50 per second, are linearly interpolated to the number of frames
    before the projection and the transformer. In training mode SpecAugment, dropout and LayerDrop act, as in the
    encoder itself.

    Args:
        wav2vec2: the speech encoder.
        waveform: (B, T) at 16 kHz, each of zero mean and unit variance.
        frames: number of feature vectors to give.

    Returns:
        (B, frames, H), H the encoder's hidden size.

    Raises:
        ValueError: the waveform is shorter than the convolutions' reach (25 ms).
    """
    reach = receptive_field(wav2vec2.config)
    if waveform.ndim != 2 or waveform.shape[1] < reach:
        raise ValueError(f"expected waveforms (B, T) of at least {reach} samples, got {tuple(waveform.shape)}")
    features = wav2vec2.feature_extractor(waveform)  # (B, C, about T / 320)
    features = F.interpolate(features, size=frames, mode="linear", align_corners=True).transpose(1, 2)
    hidden, _ = wav2vec2.feature_projection(features)  # (B, frames, H)
    hidden = wav2vec2._mask_hidden_states(hidden)
    hidden = wav2vec2.encoder(hidden).last_hidden_state
    return hidden if wav2vec2.adapter is None else wav2vec2.adapter(hidden)


def receptive_field(config: Wav2Vec2Config) -> int:
    """Samples that one feature of the convolutional part sees."""
    reach, stride = 1, 1
    for kernel, step in zip(config.conv_kernel, config.conv_stride, strict=True):
        reach += (kernel - 1) * stride
        stride *= step
    return reach


def encode_clip(wav2vec2: Wav2Vec2Model, waveform: NDArray, frames: int) -> Tensor:
    """Features (frames, H) of a clip's waveform (T,) at 16 kHz, cut or filled with silence to `frames` frames."""
    device = next(wav2vec2.parameters()).device
    fitted = fit_length(waveform, frames * SAMPLE_RATE // FRAME_RATE)
    with torch.no_grad():
        return encode(wav2vec2, normalise(torch.from_numpy(fitted).to(device)[None]), frames)[0]


def fit_length(waveform: NDArray, samples: int) -> NDArray[np.float32]:
    """The first `samples` of a waveform; a shorter one ends in silence."""
    cut = np.asarray(waveform[:samples], dtype=np.float32)
    return np.pad(cut, (0, samples - len(cut)))


def fetch_pretrained(name: str, revision: str, seed: int = 0) -> Wav2Vec2Model:
    """A published speech encoder from the Hugging Face hub or its local cache, by pinned revision, in evaluation mode.

    Args:
        name: model on the hub, or a folder that holds it.
        revision: commit of the model on the hub. HF_HOME, HF_HUB_OFFLINE, HF_ENDPOINT and proxies are the hub's own.
        seed: decides what the published file lacks, see `said.files.models.load_pretrained_encoder`.

    Raises:
        FileNotFoundError: neither hub nor cache has it; the message says how to bring it.
        ValueError: it is another kind of model, or lists every missing, unexpected and misshapen tensor.
    """
    try:
        config = cached_file(name, "config.json", revision=revision)
        try:
            weights = cached_file(name, "model.safetensors", revision=revision)
        except OSError:
            weights = cached_file(name, "pytorch_model.bin", revision=revision)
    except OSError as error:
        raise FileNotFoundError(
            f"{name} at revision {revision} is neither on the hub nor in its cache, HF_HOME. On a machine with network "
            f"run `hf download {name} --revision {revision}` and copy the cache, or set speech_encoder.name in "
            f"config.yaml to a folder with its config.json and weights ({error})"
        ) from None
    return models.load_pretrained_encoder(config, weights, seed)


def load_encoder(folder: PathLike) -> Wav2Vec2Model:
    """A speech encoder from a folder that `save_encoder` wrote, in evaluation mode.

    Raises:
        ValueError: the folder holds another kind of model, or lists every missing, unexpected and misshapen tensor.
    """
    return models.load_encoder(folder)


def save_encoder(wav2vec2: Wav2Vec2Model, folder: PathLike) -> None:
    """The encoder as a folder of config.json and model.safetensors."""
    with atomic_folder(folder) as temporary:
        wav2vec2.save_pretrained(temporary)


def build_stand_in(settings: dict) -> Wav2Vec2Model:
    """A small wav2vec 2.0 with random weights: `speech_encoder.stand_in` of config.yaml."""
    config = Wav2Vec2Config(
        hidden_size=settings["width"],
        num_hidden_layers=settings["layers"],
        num_attention_heads=settings["heads"],
        intermediate_size=settings["feed_forward"],
        conv_dim=(settings["channels"],) * 7,
        num_conv_pos_embeddings=32,
        num_conv_pos_embedding_groups=4,
        hidden_dropout=0.0,
        attention_dropout=0.0,
        activation_dropout=0.0,
        feat_proj_dropout=0.0,
        layerdrop=0.0,
        apply_spec_augment=False,
    )
    return Wav2Vec2Model(config)


class PhonemeClassifier(nn.Module):
    """A speech encoder with a linear layer that names the phoneme of each frame."""

    def __init__(self, encoder: Wav2Vec2Model, phonemes: int):
        super().__init__()
        self.encoder = encoder
        self.head = nn.Linear(encoder.config.hidden_size, phonemes)

    def forward(self, waveform: Tensor, frames: int) -> Tensor:
        """(B, T) normalised -> (B, frames, phonemes) logits."""
        return self.head(encode(self.encoder, waveform, frames))


def train_stand_in(
    utterances: Sequence[tuple[NDArray, NDArray]],
    settings: dict,
    seed: int,
    *,
    validation: Sequence[tuple[NDArray, NDArray]] = (),
    device: str = "cpu",
    report: Callable[[str], None] = print,
    window: int = 120,
) -> tuple[Wav2Vec2Model, list[dict]]:
    """Train a small encoder as a frame-wise phoneme classifier: the stand-in for a pre-trained wav2vec 2.0.

    Args:
        utterances: (waveform (T,) at 16 kHz, labels (N,) int of the phoneme of each of the 60 frames per second).
        settings: `speech_encoder.stand_in` of config.yaml.
        validation: of the same kind; their frame accuracy stands in the history. The last tenth of `utterances`
            where absent.
        window: frames of a training window.

    Returns:
        the encoder in evaluation mode; and the history, whose `validation` is the share of frames named wrongly.
    """
    utterances = list(utterances)
    if len(utterances) < 2:
        raise ValueError("the stand-in encoder needs at least two utterances")
    if not validation:
        held_out = max(1, len(utterances) // 10)
        utterances, validation = utterances[:-held_out], utterances[-held_out:]
    phonemes = 1 + max(int(np.max(labels)) for _, labels in [*utterances, *validation])
    with preserved_generators(seed):
        classifier = PhonemeClassifier(build_stand_in(settings), phonemes).to(device)
    samples = window * SAMPLE_RATE // FRAME_RATE

    def objective(step: Step) -> tuple[Tensor, dict[str, Tensor]]:
        waveforms, targets = [], []
        for index in step.items:
            waveform, labels = utterances[index]
            start = int(step.random.integers(max(1, len(labels) - window + 1)))
            waveforms.append(fit_length(waveform[start * SAMPLE_RATE // FRAME_RATE :], samples))
            cut = np.asarray(labels[start : start + window], dtype=np.int64)
            targets.append(np.pad(cut, (0, window - len(cut)), constant_values=-100))
        batch = normalise(torch.from_numpy(np.stack(waveforms)).to(device))
        target = torch.from_numpy(np.stack(targets)).to(device)
        loss = F.cross_entropy(classifier(batch, window).transpose(1, 2), target)  # -100 is left out
        return loss, {}

    def validate() -> float:
        wrong = total = 0
        for waveform, labels in validation:
            features = encode_clip(classifier.encoder, waveform, len(labels))
            wrong += int((classifier.head(features).argmax(-1).cpu() != torch.as_tensor(labels)).sum())
            total += len(labels)
        return wrong / total

    epochs = max(1, round(settings["steps"] * settings["batch_size"] / len(utterances)))
    history = fit(
        classifier,
        objective,
        validate,
        items=[f"utterance {index}" for index in range(len(utterances))],
        settings=FitSettings(
            epochs=epochs,
            batch_size=settings["batch_size"],
            learning_rate=settings["learning_rate"],
            warmup_epochs=max(1, epochs // 20) if epochs > 1 else 0,
            schedule="cosine",
            gradient_clip=1.0,
            ema_decay=0.99,
            validate_every=max(1, epochs // 6),
        ),
        seed=seed,
        name="speech encoder",
        identity={"stand_in": settings, "utterances": len(utterances)},
        report=report,
    )
    return classifier.encoder.eval(), history
