"""How much memory the samples of a sentence take on a GPU, and how many of them are therefore made together."""

import math

from said.model import CHANNELS, ModelConfig

_FEED_FORWARD = 8 + 4 + 4
"""Maps of C channels at the fullest moment of a step: the gated projection, the gate after its GELU, their product."""
_WAITING = 9
"""Maps that wait meanwhile: a transformer's input, four of its residuals and normalisations and the feed-forward's own
input; outside it, the input of the residual block before and both skips."""
_CROSS_ATTENTIONS = 4
_SAMPLER = 5
"""Arrays (N, 32) of the sampler: noise, state, prediction and what a step makes of them."""
_SAFETY = 1.5
"""For what kernels take for themselves and what an allocator cannot reuse."""


def sample_bytes(config: ModelConfig, frames: int, guidance: float) -> int:
    """Memory that one sample takes at its peak, besides weights and encoded speech: an estimate on the safe side.

    It counts the float32 numbers that live at once, each frame's share of them being the same, C the model's width:

    * 25 C for each branch, with and without audio, in the last feed-forward layer;
    * where the band is constant, keys and values of the four cross-attentions, which `said.guided` keeps from step to
      step: 8 C for each audio frame that a frame attends to, and C more while it attends. These may be more than the
      feed-forward layer's. Without a band each audio frame is kept once;
    * where the band changes from step to step, the audio of both branches and a mask of N numbers.

    Args:
        config: of the model.
        frames: N, of the sequence.
        guidance: gamma of Eq. 9; 0: one branch.
    """
    branches = 1 if guidance == 0 else 2
    waiting = _FEED_FORWARD + _WAITING
    if config.alignment_schedule == "constant":
        seen = 1 if config.alignment_bias is None else min(2 * config.alignment_bias + 1, frames)
        kept = 2 * _CROSS_ATTENTIONS * seen * config.width
        fullest = max(branches * waiting, waiting + seen) * config.width
    else:
        kept = branches * (config.audio_width + frames)
        fullest = branches * waiting * config.width
    return int(_SAFETY * 4 * frames * (kept + fullest + _SAMPLER * CHANNELS))


def batches(samples: int, fitting: int) -> list[list[int]]:
    """Numbers of the samples that are made together: as few batches as can be, and as even.

    Args:
        samples: how many there are to be, at least 1.
        fitting: how many fit in at a time; at least one is made.

    Returns:
        consecutive numbers from 0, equally many in each batch: the last may go past the last sample.
    """
    count = math.ceil(samples / max(1, fitting))
    size = math.ceil(samples / count)
    return [list(range(first, first + size)) for first in range(0, samples, size)]
