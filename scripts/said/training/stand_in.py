"""Training of the stand-in for wav2vec 2.0: tiny, of the same architecture, on synthetic speech."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import Wav2Vec2Config, Wav2Vec2Model

from said.corpus import FRAME_RATE
from said.settings import Settings
from said.speech import encode, encode_clip, normalise
from said.training.course import FitSettings, Step
from said.training.journal import Journal
from said.training.loop import fit, preserved_generators
from said.waveforms import SAMPLE_RATE, fit_length


@dataclass(frozen=True)
class StandInSettings(Settings):
    """`speech_encoder.stand_in` of config.yaml."""

    width: int = 128
    layers: int = 2
    heads: int = 4
    feed_forward: int = 256
    channels: int = 48
    utterances: int = 240
    steps: int = 600
    batch_size: int = 8
    learning_rate: float = 1e-3


def build_stand_in(settings: StandInSettings | Mapping) -> Wav2Vec2Model:
    """A small wav2vec 2.0 with random weights."""
    settings = StandInSettings.of(settings)
    config = Wav2Vec2Config(
        hidden_size=settings.width,
        num_hidden_layers=settings.layers,
        num_attention_heads=settings.heads,
        intermediate_size=settings.feed_forward,
        conv_dim=(settings.channels,) * 7,
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
    settings: StandInSettings | Mapping,
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
        settings: of the encoder and its training, or a mapping of them.
        validation: of the same kind; their frame accuracy stands in the history. The last tenth of `utterances`
            where absent.
        window: frames of a training window.

    Returns:
        the encoder in evaluation mode; and the history, whose `validation` is the share of frames named wrongly.
    """
    settings = StandInSettings.of(settings)
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

    epochs = max(1, round(settings.steps * settings.batch_size / len(utterances)))
    history = fit(
        classifier,
        objective,
        validate,
        items=[f"utterance {index}" for index in range(len(utterances))],
        settings=FitSettings(
            epochs=epochs,
            batch_size=settings.batch_size,
            learning_rate=settings.learning_rate,
            warmup_epochs=max(1, epochs // 20) if epochs > 1 else 0,
            schedule="cosine",
            gradient_clip=1.0,
            ema_decay=0.99,
            validate_every=max(1, epochs // 6),
        ),
        seed=seed,
        journal=Journal("speech encoder", {"stand_in": asdict(settings), "utterances": len(utterances)}, report=report),
    )
    return classifier.encoder.eval(), history
