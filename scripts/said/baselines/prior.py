"""MeshTalk's prior: what a frame's expression classes are, given the speech and the classes so far.

Every layer is masked: a head sees those before it in its own frame, and all heads of earlier frames. So all frames are
computed at once where their classes are known, and one after the other where they are to be sampled.
"""

from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float, Integer
from torch import Tensor, nn

from said.running.shapes import shaped

SLOPE = 0.2
"""Of the leaky ReLU, everywhere in MeshTalk."""
_DILATIONS = (1, 2, 4, 8)
Mask = Literal["published", "corrected"]


class _MaskedLayer(nn.Module):
    """A linear map of the heads before each head and, where asked for, of the speech and of two earlier frames.

    Args:
        before, after: channels of a head.
        dilation: frames between the two earlier frames, the later of which is the last one; None: it sees neither those
            nor the speech.
        strict: whether a head sees those before it only, and not itself.
    """

    mask: Tensor

    def __init__(self, heads: int, before: int, after: int, audio: int, dilation: int | None, strict: bool):
        super().__init__()
        self.before, self.after, self.dilation, self.strict = before, after, dilation, strict
        self.masked_linear = nn.Conv1d(heads * before, heads * after, 1)
        self.unmasked_linear = nn.Conv1d(
            audio, heads * after, 1
        )  # published in every layer, used in those with a history
        if dilation is not None:
            self.historic = nn.Conv1d(heads * before, heads * after, 2, dilation=dilation)
        order = torch.arange(heads, device="cpu")
        allowed = order[:, None] > order if strict else order[:, None] >= order
        self.register_buffer(
            "mask", allowed.repeat_interleave(after, 0).repeat_interleave(before, 1)[..., None], persistent=False
        )

    def weight(self) -> Tensor:
        """(heads * after, heads * before, 1), zero where a head must not look."""
        return self.masked_linear.weight * self.mask

    def forward(self, context: Tensor, audio: Tensor) -> Tensor:
        """(B, heads * before, T) and speech (B, audio, T) -> (B, heads * after, T)."""
        hidden = F.conv1d(context, self.weight(), self.masked_linear.bias)
        if self.dilation is not None:
            past = F.pad(context, (self.dilation + 1, 0))[..., :-1]
            hidden = hidden + self.unmasked_linear(audio) + self.historic(past)
        return hidden

    def constants(self, audio: Tensor) -> Tensor:
        """What does not depend on the classes, (T, B or 1, heads * after), of speech (B, T, audio)."""
        bias = _bias(self.masked_linear)
        if self.dilation is None:
            return bias.expand(audio.shape[1], 1, -1)
        speech = F.linear(audio, self.unmasked_linear.weight[..., 0], self.unmasked_linear.bias)
        return speech.transpose(0, 1) + bias + _bias(self.historic)

    def taps(self) -> list[tuple[int, Tensor]]:
        """Earlier frames that are seen, by how far they are back, and their weights (heads * before, heads * after)."""
        if self.dilation is None:
            return []
        far, near = (weight.T.contiguous() for weight in self.historic.weight.unbind(2))
        return [(1, near), (1 + self.dilation, far)]


class Prior(nn.Module):
    """The context model.

    Args:
        heads, classes: of an expression code.
        width: channels of a head.
        audio: of the speech code.
        mask: published: strict in every layer, so that the first head hears nothing, and a class reaches only heads six
            after it in its own frame; corrected: strict in the first layer alone, as the article has it.
    """

    def __init__(self, heads: int, classes: int, width: int = 64, audio: int = 128, mask: Mask = "published"):
        super().__init__()
        if mask not in ("published", "corrected"):
            raise ValueError(f"mask must be published or corrected, not {mask!r}")
        self.heads, self.classes = heads, classes
        strict = mask == "published"
        self.embedding = _MaskedLayer(heads, classes, width, audio, None, True)
        self.context_layers = nn.ModuleList(
            _MaskedLayer(heads, width, width, audio, dilation, strict) for dilation in _DILATIONS
        )
        self.logits = _MaskedLayer(heads, width, classes, audio, None, strict)

    def _layers(self) -> list[_MaskedLayer]:
        return [self.embedding, *self.context_layers, self.logits]  # pyright: ignore[reportReturnType]: all are of this kind

    @shaped
    def forward(
        self, one_hot: Float[Tensor, "B T heads classes"], audio: Float[Tensor, "B T A"]
    ) -> Float[Tensor, "B T heads classes"]:
        """Log-probabilities of every class, the true ones before it being known.

        Args:
            one_hot: (B, T, heads, classes).
            audio: (B, T, A) speech codes.

        Returns:
            (B, T, heads, classes).
        """
        hidden, speech = one_hot.flatten(2).transpose(1, 2), audio.transpose(1, 2)
        for layer in self._layers()[:-1]:
            hidden = self._activated(layer, layer(hidden, speech))
        logits = self.logits(hidden, speech).transpose(1, 2).unflatten(2, (self.heads, self.classes))
        return logits.log_softmax(-1)

    @torch.no_grad()
    @shaped
    def sample(
        self, audio: Float[Tensor, "B T A"], noise: Float[Tensor, "B T heads classes"] | None = None
    ) -> Integer[Tensor, "B T heads"]:
        """Classes, frame by frame and in a frame head by head, each the likeliest after those before it.

        What layers made of earlier frames is kept, and what they make of the speech is made for all frames at once. As
        each strict layer puts a head one further from the classes that it sees, several heads are found together.

        Args:
            audio: (B, T, A) speech codes.
            noise: (B, T, heads, classes) added to the logits; Gumbel noise draws from the distribution. None: no noise.

        Returns:
            (B, T, heads) int64.
        """
        layers = self._layers()
        batch, count, _ = audio.shape
        weights = [layer.weight()[..., 0].T.contiguous() for layer in layers]
        taps = [layer.taps() for layer in layers]
        constants = [layer.constants(audio) for layer in layers]
        # What each layer is given, (T, B, channels): of frame t filled from the first head to the last.
        given = [audio.new_zeros(count, batch, layer.masked_linear.in_channels) for layer in layers]
        together = sum(layer.strict for layer in layers)
        labels = torch.zeros(batch, count, self.heads, dtype=torch.long, device=audio.device)
        for t in range(count):
            base = [constant[t].expand(batch, -1) for constant in constants]
            for number, seen in enumerate(taps):
                for back, weight in seen:
                    if t >= back:
                        base[number] = torch.addmm(base[number], given[number][t - back], weight)
            done = [0] * len(layers)
            for known in [*range(0, self.heads, together), self.heads]:
                end, hidden = known, base[-1]
                for number, (layer, weight) in enumerate(zip(layers, weights, strict=True)):
                    begin, end = done[number], min(end + layer.strict, self.heads)
                    done[number] = end
                    span, seen = slice(begin * layer.after, end * layer.after), end * layer.before
                    hidden = torch.addmm(base[number][:, span], given[number][t, :, :seen], weight[:seen, span])
                    if layer is not self.logits:
                        given[number + 1][t, :, span] = self._activated(layer, hidden)
                if known < self.heads:  # the last round is for the frames to come
                    heads = slice(known, end)
                    scores = hidden.unflatten(1, (-1, self.classes))
                    chosen = (scores if noise is None else scores + noise[:, t, heads]).argmax(-1)
                    labels[:, t, heads] = chosen
                    given[0][t].view(batch, self.heads, -1)[:, heads] = F.one_hot(chosen, self.classes).to(audio)
        return labels

    def _activated(self, layer: _MaskedLayer, hidden: Tensor) -> Tensor:
        return hidden if layer is self.embedding else F.leaky_relu(hidden, SLOPE)


def _bias(layer: nn.Conv1d) -> Tensor:
    assert layer.bias is not None
    return layer.bias
