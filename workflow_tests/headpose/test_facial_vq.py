"""The space of facial motion: the layers of the source, blocks, codes, and a training that goes on where it was."""

import numpy as np
import pytest
import torch
from torch import nn
from toy_faces import toy_vq

from said.headpose.blocks import at_30, at_60, cut_blocks, to_blocks
from said.headpose.facial_vq import FacialVQ, facial_vq_loss


def test_the_layers_of_the_source():
    with torch.device("meta"):
        model = FacialVQ(torch.zeros(32), torch.ones(32))
    for part in (model.encoder, model.decoder):
        layers = [layer for layer in part.modules() if isinstance(layer, nn.TransformerEncoderLayer)]
        convolutions = [layer for layer in part.modules() if isinstance(layer, nn.Conv1d)]
        assert len(layers) == 6 and {layer.self_attn.num_heads for layer in layers} == {8}
        assert [(c.kernel_size, c.stride, c.padding) for c in convolutions] == [((5,), (1,), (2,))]
    kinds = (nn.Conv1d, nn.TransformerEncoder)
    order = [
        [kinds.index(type(m)) for m in p.modules() if isinstance(m, kinds)] for p in (model.encoder, model.decoder)
    ]
    assert order == [[0, 1], [1, 0]], "the decoder mirrors the encoder"


def test_blocks_hold_every_frame_once():
    motion = np.arange(19 * 2, dtype=np.float32).reshape(19, 2)
    blocks = to_blocks(motion)
    assert blocks.shape == (3, 8, 2)
    np.testing.assert_array_equal(blocks.reshape(-1, 2)[:19], motion)
    np.testing.assert_array_equal(blocks.reshape(-1, 2)[19:], np.tile(motion[-1:], (5, 1)))
    cut = cut_blocks({"b": motion, "a": -motion[:9]})
    np.testing.assert_array_equal(cut, np.stack([-motion[:8], motion[:8], motion[8:16]]))


@pytest.mark.parametrize("frames", [1, 2, 7, 8])
def test_half_the_frames_and_back_meets_every_second_one(frames):
    motion = np.random.default_rng(0).random((frames, 32)).astype(np.float32)
    back = at_60(at_30(motion), frames)
    assert back.shape == motion.shape
    np.testing.assert_array_equal(at_30(back), at_30(motion))
    for odd in range(1, frames - 1, 2):
        np.testing.assert_allclose(back[odd], (motion[odd - 1] + motion[odd + 1]) / 2, rtol=1e-6)


def test_a_whole_motion_comes_back_in_codes_as_its_blocks_do():
    model, motion = toy_vq(), torch.rand(11, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        made = model.reconstruct(motion)
        blocks = model(torch.from_numpy(to_blocks(motion.numpy())))[0].flatten(0, 1)[:11]
    assert made.shape == (11, 32) and 0 <= made.min() and made.max() <= 1
    torch.testing.assert_close(made, blocks.clamp(0, 1))


def test_the_loss_is_of_deviations():
    model, blocks = toy_vq(), torch.rand(4, 8, 32, generator=torch.Generator().manual_seed(0))
    made, _, lost = model(blocks)
    terms = facial_vq_loss(model, blocks, quantiser=2.0, velocity=3.0)
    torch.testing.assert_close(terms["motion"], (made - blocks).abs().mean() / 0.2)
    torch.testing.assert_close(terms["velocity"], (made.diff(dim=1) - blocks.diff(dim=1)).abs().mean() / 0.2)
    torch.testing.assert_close(terms["loss"], terms["motion"] + 3 * terms["velocity"] + 2 * lost)
