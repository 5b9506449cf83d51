"""CodeTalker (Xing et al., CVPR 2023): motion from speech as codes of a VQ-VAE, each frame from all decoded before."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Integer, Real
from numpy.typing import ArrayLike
from torch import Tensor, nn
from transformers import Wav2Vec2Config, Wav2Vec2Model

from said.attention import zero_initialised
from said.baselines.motion_autoencoder import LEAST_FRAMES, MotionAutoencoder, PrefixDecoder
from said.baselines.speech_decoder import Generation, SpeechDecoder, decoder_sizes
from said.baselines.states import from_state, read_size
from said.running.shapes import shaped


class Predictor(SpeechDecoder):
    """The second stage: features to be quantised, from speech; its defaults are the published one's for VOCASET.

    Args:
        encoder: of the speech.
        vertices: of the face.
        styles: training speakers.
        out: width of the VQ-VAE's features.
        width, heads, feed_forward, layers: of the decoder.
        period: in frames, of the position.
        dropout: of the decoder and its inputs, in training.
    """

    def __init__(
        self,
        encoder: Wav2Vec2Model,
        vertices: int = 5023,
        styles: int = 8,
        *,
        out: int = 1024,
        width: int = 1024,
        heads: int = 4,
        feed_forward: int = 2048,
        layers: int = 6,
        period: int = 30,
        dropout: float = 0.1,
    ):
        super().__init__(encoder, vertices, width, heads, feed_forward, layers, period, dropout)
        self.feat_map = nn.Linear(width, out, bias=False)
        zero_initialised(self.feat_map)
        self.learnable_style_emb = nn.Embedding(styles, width)


class CodeTalker(nn.Module):
    """Both stages. The autoencoder takes no part in training: it stays in evaluation mode and gets no gradients."""

    def __init__(self, autoencoder: MotionAutoencoder, predictor: Predictor):
        super().__init__()
        features, width = predictor.feat_map.out_features, autoencoder.decoder.vertice_map_reverse.in_features
        vertices = predictor.vertice_map.in_features // 3
        if features != width or vertices != autoencoder.vertices:
            raise ValueError(
                f"the stages do not belong together: the autoencoder has {autoencoder.vertices} vertices and features "
                f"{width} wide, the predictor {vertices} and {features}"
            )
        self.autoencoder = autoencoder.requires_grad_(False)
        self.predictor = predictor
        self.train(predictor.training)

    @classmethod
    def from_state_dicts(
        cls,
        autoencoder: Mapping[str, Tensor],
        predictor: Mapping[str, Tensor],
        encoder: Wav2Vec2Config,
        *,
        heads: int = 4,
        vq_heads: int = 8,
        period: int = 30,
    ) -> "CodeTalker":
        """The published model, in evaluation mode.

        Args:
            autoencoder, predictor: the published keys of the two stages and their tensors; sizes are read off their
                shapes. The second holds nothing of the first.
            encoder: what the speech encoder in it is.
            heads, vq_heads, period: what the shapes do not tell.

        Raises:
            ValueError: lists every missing, unexpected and misshapen key of a stage, the first being right for the
                second; or sizes do not go together.
        """
        first = MotionAutoencoder.from_state_dict(autoencoder, heads=vq_heads)
        sizes = decoder_sizes(predictor, width=1024) | {"out": first.decoder.vertice_map_reverse.in_features}
        styles = read_size(predictor, {"learnable_style_emb.weight": 0}, 8)
        second = from_state(
            lambda: Predictor(Wav2Vec2Model(encoder), first.vertices, styles, heads=heads, period=period, **sizes),
            predictor,
            "CodeTalker's predictor",
        )
        return cls(first, second)

    def train(self, mode: bool = True) -> "CodeTalker":
        super().train(mode)
        self.autoencoder.eval()
        return self

    @torch.no_grad()
    @shaped
    def animate(
        self,
        audio: ArrayLike | Real[Tensor, " T"],
        template: ArrayLike | Real[Tensor, "V 3"],
        styles: ArrayLike | Integer[Tensor, " S"] | Float[Tensor, "S K"],
    ) -> Float[Tensor, "S N V 3"]:
        """A face that says what is heard, once in each style.

        Args:
            audio: (T,) at 16 kHz, of zero mean and unit variance; of any length from two frames on.
            template: (V, 3) the resting face.
            styles: (S,) int64; or (S, K) weights of all K styles, which mixes them.

        Returns:
            (S, N, V, 3) positions at 30 frames per second, in the template's unit.

        Raises:
            ValueError: an argument has the wrong shape, the audio is too short, or there is no such style.
        """
        predictor = self.predictor
        template = predictor.read_template(template)
        style = predictor.read_styles(styles, predictor.learnable_style_emb.weight)
        memory = predictor.listen(predictor.read_audio(audio))
        codes = torch.stack([codes for _, codes, _ in self.generate(memory, style)], dim=1)
        return self.decode(codes) + template

    @torch.no_grad()
    @shaped
    def encode(self, offsets: ArrayLike | Real[Tensor, "N V 3"]) -> Integer[Tensor, "N codes"]:
        """The codes of a motion: offsets (N, V, 3) from the template -> (N, codes per frame) int64.

        Raises:
            ValueError: it has another shape, or less than two frames.
        """
        weight = self.autoencoder.quantize.embedding.weight
        offsets, vertices = torch.as_tensor(offsets).to(weight), self.autoencoder.vertices
        if offsets.ndim != 3 or offsets.shape[1:] != (vertices, 3) or len(offsets) < LEAST_FRAMES:
            raise ValueError(f"expected offsets (at least {LEAST_FRAMES}, {vertices}, 3), got {tuple(offsets.shape)}")
        return self.autoencoder.quantise(self.autoencoder.encoder(offsets.flatten(1)[None]))[1][0]

    @torch.no_grad()
    @shaped
    def decode(self, codes: Integer[Tensor, "B N codes"]) -> Float[Tensor, "B N V 3"]:
        """The motion of codes (B, N, codes per frame) int64, N at least 2: offsets (B, N, V, 3)."""
        return self.autoencoder.decoder(self.autoencoder.lookup(codes)).unflatten(-1, (-1, 3))

    @torch.no_grad()
    def generate(self, memory: Tensor, style: Tensor) -> Iterator[tuple[Tensor, Tensor, Tensor | None]]:
        """Frame after frame, each from the newest of what all codes before it decode to.

        The whole decoded at the end differs from what was fed back, since later frames change earlier ones.

        Args:
            memory: (1, N, width) what `SpeechDecoder.listen` gave, N at least 2.
            style: (S, width).

        Yields:
            (S, C) features, before they are quantised; (S, codes per frame) int64; (S, 3V) offsets that are fed back,
            None after the last frame.
        """
        predictor, frames = self.predictor, memory.shape[1]
        if frames < LEAST_FRAMES:
            raise ValueError(f"the audio is too short: it gives {frames} of the {LEAST_FRAMES} frames that are needed")
        generation = Generation(predictor, memory)
        prefix = PrefixDecoder(self.autoencoder.decoder, len(style), frames)
        x = style
        for frame in range(frames):
            features = predictor.feat_map(generation.step(x))
            quantised, codes, _ = self.autoencoder.quantise(features)
            if frame == frames - 1:
                yield features, codes, None
                return
            offsets = prefix.append(quantised)
            yield features, codes, offsets
            x = predictor.vertice_map(offsets) + style


@shaped
def predictor_loss(
    model: CodeTalker,
    audio: Float[Tensor, "B T"] | Float[Tensor, "B N C"],
    targets: Float[Tensor, "B N V 3"],
    templates: Float[Tensor, "B V 3"],
    styles: Integer[Tensor | np.ndarray, " B"] | Sequence[int],
    *,
    motion: float = 1.0,
    latent: float = 1.0,
) -> tuple[Float[Tensor, ""], Float[Tensor, ""], Float[Tensor, ""]]:
    """What the second stage minimises: the truth is fed back, and gradients pass straight through the codes.

    Args:
        audio: (B, T) at 16 kHz, each of zero mean and unit variance, stretched to the frames of the targets; or what
            convolutions made of it, as `SpeechDecoder.listen` has it.
        targets: (B, N, V, 3) the true motion, N at least 2.
        templates: (B, V, 3).
        styles: (B,) int64.
        motion, latent: weights of the two errors.

    Returns:
        three scalars: the sum; mean squared error of the coordinates; of the features, from those that the codes of
        the true motion have.
    """
    predictor, autoencoder = model.predictor, model.autoencoder
    style = predictor.read_styles(styles, predictor.learnable_style_emb.weight)
    offsets = (targets - templates[:, None]).flatten(2)
    memory = predictor.listen(audio, targets.shape[1])
    features = predictor.feat_map(predictor.decode(predictor.taught_inputs(offsets, style), memory))
    decoded = autoencoder.decoder(autoencoder.quantise(features)[0])
    with torch.no_grad():
        truth = autoencoder.quantise(autoencoder.encoder(offsets))[0]
    error, distance = F.mse_loss(decoded, offsets), F.mse_loss(features, truth)
    return motion * error + latent * distance, error, distance
