"""Head poses drawn for speech: nucleus sampling of codes, token after token, for speech of any length."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float, Integer
from numpy.typing import NDArray
from torch import Tensor

from said.headpose.clips import FRAME_RATE
from said.headpose.features import features_of
from said.headpose.generator import Generation, PoseGenerator
from said.headpose.generator import load as load_generator
from said.headpose.pose_vq import PoseVQ, window_starts
from said.headpose.pose_vq import load as load_vq
from said.headpose.rhythm import SAMPLES_PER_FRAME, as_heard, of_mel
from said.headpose.rotations import from_directions
from said.headpose.spoken import SpokenPoses
from said.running.atomic import PathLike
from said.running.console import progress
from said.running.shapes import shaped
from said.seeds import derive_seed
from said.settings import Settings
from said.waveforms import SAMPLE_RATE, fit_length, frame_count

if TYPE_CHECKING:
    from transformers import Wav2Vec2Model


@dataclass(frozen=True)
class PoseSampling(Settings):
    """The section `headpose.sampling` of config.yaml.

    Attributes:
        samples: of each clip.
        temperature: by which logits are divided.
        nucleus: the likeliest codes that have this much of the probability are drawn from (Holtzman et al. 2020).
    """

    samples: int = 10
    temperature: float = 1.0
    nucleus: float = 0.95


@dataclass(frozen=True)
class PoseModels:
    """What turns speech into head poses.

    Attributes:
        vq: gives codes a motion.
        generator: gives speech codes.
    """

    vq: PoseVQ
    generator: PoseGenerator

    @classmethod
    def load(cls, vq: PathLike, generator: PathLike, device: str = "cpu") -> tuple["PoseModels", list[str]]:
        """From their files: the models in evaluation mode, and the names of the styles.

        Errors as `said.files.models.load_model`.
        """
        model, speakers = load_generator(generator)
        return cls(load_vq(vq).to(device), model.to(device)), speakers


@shaped
def draw(
    logits: Float[Tensor, "*B codes"], uniform: Float[Tensor, "*B"], temperature: float = 1.0, nucleus: float = 0.95
) -> Integer[Tensor, "*B"]:
    """Codes from a nucleus: the fewest of the likeliest codes that together have at least so much probability.

    Args:
        logits: (..., codes).
        uniform: (...) in [0, 1), which decides.
        temperature: above 0.
        nucleus: share of the probability, in (0, 1]; 1: all codes.

    Returns:
        (...) int64.
    """
    probability, code = (logits / temperature).softmax(-1).sort(dim=-1, descending=True, stable=True)
    before = probability.cumsum(-1) - probability
    kept = torch.where(before < nucleus, probability, 0.0)
    kept[..., 0] = probability[..., 0]
    sums = kept.cumsum(-1)
    place = (sums <= uniform[..., None] * sums[..., -1:]).sum(-1)
    return code.gather(-1, place.clamp(max=code.shape[-1] - 1)[..., None])[..., 0]


@torch.no_grad()
@shaped
def continue_codes(
    model: PoseGenerator,
    memory: Float[Tensor, "B M width"],
    style: Float[Tensor, "B width"],
    known: Integer[Tensor, "B P components"],
    uniform: Float[Tensor, "B Q components"],
    settings: PoseSampling,
) -> Integer[Tensor, "B M components"]:
    """The codes of M tokens, of which the first P are known and the Q = M - P others drawn.

    Args:
        memory: (B, M, width) what `PoseGenerator.listen` gave.
        style: (B, width) what `PoseGenerator.styles` gave.
        known: (B, P, components) int64, P < M.
        uniform: (B, Q, components) in [0, 1), see `draw`.
    """
    components = model.config.components
    generation = Generation(model, memory, style)
    begin = torch.full_like(uniform[:, :1], model.begin, dtype=torch.int64)
    codes = torch.cat([begin, known], dim=1)
    outputs = generation.step(codes)
    for token in range(uniform.shape[1]):
        logits = outputs[:, -1].unflatten(-1, (components, -1))
        new = draw(logits, uniform[:, token], settings.temperature, settings.nucleus)[:, None]
        codes = torch.cat([codes, new], dim=1)
        if token < uniform.shape[1] - 1:
            outputs = generation.step(new)
    return codes[:, 1:]


@torch.no_grad()
@shaped
def sample_directions(
    models: PoseModels,
    windows: Iterable[tuple[Tensor, Tensor]],
    frames: int,
    style: int | None,
    seed: int,
    settings: PoseSampling,
) -> Float[Tensor, "S N 6"]:
    """Directions of the head for one recording, several times.

    Args:
        windows: the speech of each of the windows that `window_starts` gives: semantic features (F, H) and what the
            rhythm encoder is given, see `PoseGenerator.listen`. A window continues the second half of the one before.
        frames: N, of all windows.
        style: number of a training speaker; None: the mean of all.
        seed: of the draws, which do not depend on what else is sampled.
        settings: how many samples, and how they are drawn.

    Returns:
        (samples, N, 6); a model without codes gives the same every time.
    """
    generator, vq = models.generator, models.vq
    block, tokens = generator.config.block, generator.config.tokens
    device = generator.output.weight.device
    count, samples = -(-frames // block), settings.samples if generator.config.quantised else 1
    styles = None if style is None else torch.full((samples,), style, device=device)
    table = generator.styles(styles, samples)
    uniform = torch.rand(
        settings.samples, count, generator.config.components, generator=torch.Generator().manual_seed(seed)
    ).to(device)
    whole = torch.zeros(samples, 0, generator.config.components, dtype=torch.int64, device=device)
    blocks: list[Tensor] = []
    for start, (semantic, heard) in zip(window_starts(count, tokens), windows, strict=True):
        memory = generator.listen(semantic[None].to(device), heard[None].to(device))
        if not generator.config.quantised:
            empty = torch.zeros(1, memory.shape[1], generator.config.components, dtype=torch.int64, device=device)
            blocks.append(generator(empty, memory, table))
            continue
        known = whole[:, start:]
        new = uniform[:, start + known.shape[1] : start + memory.shape[1]]
        made = continue_codes(generator, memory.expand(samples, -1, -1), table, known, new, settings)
        whole = torch.cat([whole[:, :start], made], dim=1)
    if generator.config.quantised:
        return vq.decode(whole)[:, :frames]
    return vq.motion(vq.overlap(blocks, count))[:, :frames].expand(settings.samples, -1, -1)


def sample_clips(
    models: PoseModels, spoken: SpokenPoses, seed: int, settings: PoseSampling
) -> dict[str, NDArray[np.float32]]:
    """Head poses for clips whose speech was encoded before: clip -> (samples, N, 3) rotation vectors in radians.

    Args:
        spoken: the clips; of a speaker that the models do not know the style is the mean of all.
        seed: of the draws; a clip's follow from it and the clip's name.
    """
    made = {}
    for index, clip in enumerate(progress(spoken.clips, "sampling")):
        window = (torch.from_numpy(np.float32(spoken.semantic[index])), as_heard(torch.from_numpy(spoken.heard[index])))
        style = int(spoken.speakers[index])
        directions = sample_directions(
            models,
            [window],
            spoken.directions.shape[1],
            style if style >= 0 else None,
            derive_seed(seed, clip),
            settings,
        )
        made[clip] = from_directions(directions.cpu().numpy()).astype(np.float32)
    return made


def rebuild_clips(vq: PoseVQ, clips: Sequence[str], directions: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
    """The truth through the VQ-VAE, which bounds everything sampled: clip -> (1, N, 3) radians of (C, N, 6)."""
    device = vq.mean.device
    made = [vq.decode(vq.encode(torch.from_numpy(one)[None].to(device))).cpu().numpy() for one in directions]
    return {clip: from_directions(one).astype(np.float32) for clip, one in zip(clips, made, strict=True)}


def hear(
    waveform: NDArray[np.float32], encoder: "Wav2Vec2Model", generator: PoseGenerator
) -> tuple[Iterator[tuple[Tensor, Tensor]], int]:
    """A recording as `sample_directions` takes it: its windows, each heard by itself when it is due, and its frames.

    Args:
        waveform: (T,) at 16 kHz in [-1, 1], of at least one frame; a last block of frames is filled with silence.

    Raises:
        ValueError: it is no waveform, or too short for a frame.
    """
    if waveform.ndim != 1 or (frames := frame_count(len(waveform), SAMPLE_RATE, FRAME_RATE)) < 1:
        raise ValueError(f"expected a waveform (T,) of at least {SAMPLES_PER_FRAME} samples, got {waveform.shape}")
    config = generator.config
    count = -(-frames // config.block)

    def window(start: int) -> tuple[Tensor, Tensor]:
        own = min(config.tokens, count - start) * config.block
        first, length = start * config.block * SAMPLES_PER_FRAME, own * SAMPLES_PER_FRAME
        piece = fit_length(waveform[first : first + length], length)
        semantic, mel = features_of(piece, encoder, own, config.semantic_input)
        heard = piece if config.rhythm_input == "waveform" else of_mel(config.rhythm_input, mel)
        return torch.from_numpy(np.float32(semantic)), torch.from_numpy(np.float32(heard))

    return map(window, window_starts(count, config.tokens)), frames


def poses_of(
    waveform: NDArray[np.float32],
    style: int | None,
    seed: int,
    *,
    models: PoseModels,
    encoder: "Wav2Vec2Model",
    settings: PoseSampling | None = None,
) -> NDArray[np.float32]:
    """Head poses for a recording of any length.

    Args:
        waveform: (T,) at 16 kHz in [-1, 1], of at least one frame.
        style: number of a training speaker; None: the mean of all.
        seed: of the draws: the same seed gives the same poses.
        models: trained, in evaluation mode.
        encoder: the speech encoder that the models were trained with.
        settings: how many samples, and how they are drawn; None: one, with the published values.

    Returns:
        (S, N, 3) rotation vectors in radians, at 25 frames a second, N whole frames; relative to where the head rests.

    Raises:
        ValueError: it is no waveform, too short for a frame, or there is no such style.
    """
    styles = models.generator.config.styles
    if style is not None and not 0 <= style < styles:
        raise ValueError(f"styles lie in [0, {styles}), got {style}")
    windows, frames = hear(waveform, encoder, models.generator)
    directions = sample_directions(models, windows, frames, style, seed, settings or PoseSampling(samples=1))
    return from_directions(directions.cpu().numpy()).astype(np.float32)
