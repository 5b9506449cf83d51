"""Figure 6: what the cross-attention listens to, with and without the alignment bias."""

from collections.abc import Mapping
from typing import Any, cast

import numpy as np
import torch
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import Wav2Vec2Model

from said.attention import AudioTransformer, Band, alignment_mask
from said.corpus import FRAME_RATE
from said.diffusion import alphas_cumprod, draw_noise
from said.model import SAiD
from said.speech import encode_clip

LONGEST = 240
"""The most frames that are shown."""


@torch.no_grad()
def attention_maps(model: SAiD, noisy: Tensor, timesteps: Tensor, audio: Tensor) -> Tensor:
    """The cross-attention in one pass through the denoiser, averaged over the heads.

    Args:
        model: the model.
        noisy: (1, N, 32) coefficients with noise.
        timesteps: (1,) of the diffusion.
        audio: (1, M, D) encoded speech.

    Returns:
        (L, N, M), a map for each of the denoiser's transformers, in their order; rows sum to 1.
    """
    maps: list[Tensor] = []
    frames, audio_frames = noisy.shape[1], audio.shape[1]
    mask = model.denoiser.alignment(frames, audio_frames, timesteps)
    if isinstance(mask, Band):  # a drawing needs the whole mask
        mask = alignment_mask(frames, audio_frames, model.denoiser.alignment_bias, audio.device)
    attentions = [layer for layer in model.denoiser.modules() if isinstance(layer, AudioTransformer)]

    def note(attention: Any, given: tuple[Any, ...]) -> None:
        maps.append(attention.weights(*given[:2], mask)[0].mean(0))

    hooks = [cast(nn.Module, layer.transformer_blocks[0].attn2).register_forward_pre_hook(note) for layer in attentions]
    try:
        model.denoiser(noisy, timesteps, audio)
    finally:
        for hook in hooks:
            hook.remove()
    return torch.stack(maps)


@torch.no_grad()
def listen(
    model: SAiD,
    encoder: Wav2Vec2Model,
    waveform: NDArray[np.floating],
    coefficients: NDArray[np.floating],
    seed: int = 0,
) -> NDArray[np.float32]:
    """Attention maps (L, N, N) halfway through the diffusion of a clip's coefficients (N, 32), for at most 4 seconds.

    Args:
        model: the model.
        encoder: the speech encoder, if the model has none of its own.
        waveform: (T,) normalised, 16 kHz.
        coefficients: (N, 32) in [0, 1].
        seed: of the noise.
    """
    audio = encode_clip(model.audio_encoder or encoder, waveform, len(coefficients))[None, :LONGEST]
    timestep = torch.tensor([model.config.diffusion_steps // 2])
    alpha = alphas_cumprod(model.config)[timestep]
    clean = model.to_diffusion(torch.tensor(coefficients[None, :LONGEST], dtype=torch.float32))
    noise = draw_noise(clean.shape, torch.Generator().manual_seed(seed))
    noisy = alpha.sqrt() * clean + (1 - alpha).sqrt() * noise
    return attention_maps(model, noisy, timestep, audio).numpy()


def draw_attention(maps: Mapping[str, NDArray[np.floating]]) -> Figure:
    """A row for each model, a column for each transformer of its denoiser.

    Args:
        maps: by title, (L, N, M). Each model has a colour scale of its own, of square roots, so that diffuse attention
            is visible as well.
    """
    layers = max(map(len, maps.values()))
    figure = Figure(figsize=(1.2 + 2.8 * layers, 3.1 * len(maps)), layout="constrained")
    rows = figure.subplots(len(maps), layers, squeeze=False, sharex=True, sharey=True)
    for axes, (title, attention) in zip(rows, maps.items(), strict=True):
        extent = (0, attention.shape[2] / FRAME_RATE, attention.shape[1] / FRAME_RATE, 0)
        for layer, weights in enumerate(attention):
            image = axes[layer].imshow(weights, extent=extent, cmap="cividis", norm=PowerNorm(0.5, 0, attention.max()))
            axes[layer].set_title(f"transformer {layer + 1}", fontsize=9)
        axes[0].set_ylabel(f"{title}\n\nanimation (s)")
        figure.colorbar(image, ax=axes, pad=0.01, label="attention")
    for panel in rows[-1]:
        panel.set_xlabel("speech (s)")
    return figure
