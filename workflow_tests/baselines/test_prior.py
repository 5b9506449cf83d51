"""MeshTalk's prior at other sizes than its authors' values have: a plain loop, and what the masks let through."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from said.baselines.prior import Prior


def random_prior(heads, classes, width, mask):
    """One whose classes vary, in double precision."""
    torch.manual_seed(heads)
    prior = Prior(heads, classes, width, mask=mask).double()
    with torch.no_grad():
        for weight in prior.parameters():
            weight.mul_(4)
    return prior


def leaky(values):
    return np.where(values > 0, values, 0.2 * values)


def plain_prior(state, classes, audio, heads, mask):
    """Log-probabilities (T, H, C) of the prior, in which each head looks at nothing that it must not see.

    Args:
        classes: (T, H), -1 where a class is not known yet.
    """
    frames, count = len(classes), state["logits.masked_linear.bias"].shape[0] // heads
    hidden = np.zeros((frames, heads, count))
    for t, h in zip(*np.nonzero(classes >= 0), strict=True):
        hidden[t, h, classes[t, h]] = 1
    layers = [("embedding", 0), *((f"context_layers.{i}", 2**i) for i in range(4)), ("logits", 0)]
    for name, dilation in layers:
        get = {key.removeprefix(f"{name}."): value for key, value in state.items() if key.startswith(f"{name}.")}
        after = len(get["masked_linear.bias"]) // heads
        weights = get["masked_linear.weight"].reshape(heads, after, heads, -1)
        made = np.zeros((frames, heads, after))
        strict = mask == "published" or name == "embedding"
        for t in range(frames):
            for h in range(heads):
                value = get["masked_linear.bias"].reshape(heads, after)[h].copy()
                for other in range(h if strict else h + 1):
                    value += weights[h, :, other] @ hidden[t, other]
                if dilation:
                    value += get["unmasked_linear.weight"].reshape(heads, after, -1)[h] @ audio[t]
                    value += get["unmasked_linear.bias"].reshape(heads, after)[h]
                    past = get["historic.weight"].reshape(heads, after, -1, 2)[h]
                    for tap, back in ((0, 1 + dilation), (1, 1)):
                        if t >= back:
                            value += past[:, :, tap] @ hidden[t - back].ravel()
                    value += get["historic.bias"].reshape(heads, after)[h]
                made[t, h] = leaky(value) if dilation else value
        hidden = made
    return hidden - np.log(np.exp(hidden).sum(-1, keepdims=True))


@pytest.mark.parametrize(("heads", "mask"), [(1, "published"), (4, "published"), (8, "published"), (3, "corrected")])
def test_the_prior_of_other_sizes_is_what_a_plain_loop_gives(heads, mask):
    prior = random_prior(heads, 5, 6, mask)
    state = {name: value.numpy() for name, value in prior.state_dict().items()}
    rng = np.random.default_rng(heads)
    audio = rng.normal(size=(1, 11, 128))
    noise = rng.gumbel(size=(1, 11, heads, 5))
    known = rng.integers(0, 5, (11, heads))
    with torch.no_grad():
        whole = prior(F.one_hot(torch.from_numpy(known), 5)[None].double(), torch.from_numpy(audio))
    np.testing.assert_allclose(whole[0], plain_prior(state, known, audio[0], heads, mask), atol=1e-9)
    for added in (None, noise):
        drawn = np.full((11, heads), -1)
        for t in range(11):
            for h in range(heads):
                scores = plain_prior(state, drawn[: t + 1], audio[0], heads, mask)[t, h]
                drawn[t, h] = (scores if added is None else scores + added[0, t, h]).argmax()
        labels = prior.sample(torch.from_numpy(audio), None if added is None else torch.from_numpy(added))
        assert np.array_equal(labels[0], drawn)


@pytest.mark.parametrize("mask", ["published", "corrected"])
def test_clips_are_sampled_together_as_one_by_one(mask):
    prior = random_prior(13, 6, 4, mask)
    audio, noise = torch.randn(3, 25, 128).double(), torch.randn(3, 25, 13, 6).double()
    together = prior.sample(audio, noise)
    assert len(together.unique()) == 6
    for clip in range(3):
        assert torch.equal(together[clip : clip + 1], prior.sample(audio[clip : clip + 1], noise[clip : clip + 1]))
        # What was sampled is the likeliest under the model that knows all of it.
        scores = prior(F.one_hot(together[clip : clip + 1], 6).double(), audio[clip : clip + 1]) + noise[clip]
        assert torch.equal(scores.argmax(-1), together[clip : clip + 1])


def test_what_the_masks_let_through():
    torch.manual_seed(0)
    for mask, reach in (("published", 6), ("corrected", 1)):
        prior = Prior(9, 4, width=3, mask=mask).double()
        labels = torch.zeros(1, 5, 9, 4).double().requires_grad_()
        audio = torch.zeros(1, 5, 128).double().requires_grad_()
        scores = prior(labels, audio)
        (seen,) = torch.autograd.grad(scores[0, 2].square().sum(-1)[8], labels, retain_graph=True)
        assert [bool(seen[0, 2, head].any()) for head in range(9)] == [head <= 8 - reach for head in range(9)]
        assert not seen[0, 3:].any() and seen[0, 1].any()
        (heard,) = torch.autograd.grad(scores[0, 2, 0].square().sum(), audio)
        assert bool(heard.any()) == (mask == "corrected")
    with pytest.raises(ValueError, match="published or corrected"):
        Prior(2, 2, mask="none")
