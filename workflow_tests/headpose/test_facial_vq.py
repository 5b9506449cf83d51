"""The space of facial motion: the layers of the source, blocks, codes, and a training that goes on where it was."""

import numpy as np
import pytest
import torch
from torch import nn
from toy_faces import LIPS, toy_vq

from said.headpose.blocks import INNER, at_30, at_60, with_neighbours
from said.headpose.facial_vq import FacialVQ, facial_vq_loss, in_whole_blocks


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


def test_blocks_stand_between_their_neighbours():
    motion = np.arange(19 * 2, dtype=np.float32).reshape(19, 2)
    first, second = with_neighbours(motion)
    np.testing.assert_array_equal(first, [*[motion[0]] * 8, *motion[:16]])
    np.testing.assert_array_equal(second, [*motion, *[motion[18]] * 5])
    np.testing.assert_array_equal(second[INNER], motion[8:16])
    assert with_neighbours(motion[:7]) == []


def test_only_the_convolutions_reach_across_a_border():
    model = toy_vq()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    motion = torch.rand(1, 24, 32, generator=torch.Generator().manual_seed(0))
    for run, width in ((model.encode, 32), (model.decode, 8)):
        given = motion[..., :width]
        changed = given.clone()
        changed[:, 13] += 1
        moved = ((run(given) - run(changed)).abs().amax(-1)[0] > 1e-6).nonzero().flatten().tolist()
        # The encoder's convolution reaches frames 11 to 15, all of a block; the decoder's, two frames beyond it.
        assert moved == list(range(8, 16) if width == 32 else range(6, 18))


@pytest.mark.parametrize("frames", [1, 2, 7, 8])
def test_half_the_frames_and_back_meets_every_second_one(frames):
    motion = np.random.default_rng(0).random((frames, 32)).astype(np.float32)
    back = at_60(at_30(motion), frames)
    assert back.shape == motion.shape
    np.testing.assert_array_equal(at_30(back), at_30(motion))
    for odd in range(1, frames - 1, 2):
        np.testing.assert_allclose(back[odd], (motion[odd - 1] + motion[odd + 1]) / 2, rtol=1e-6)


def test_a_whole_motion_comes_back_in_codes():
    model, motion = toy_vq(), torch.rand(11, 32, generator=torch.Generator().manual_seed(0))
    padded = in_whole_blocks(motion)
    torch.testing.assert_close(padded, torch.cat([motion, motion[10:].expand(5, -1)]))
    with torch.no_grad():
        made, expected = model.reconstruct(motion), model(padded[None])[0][0, :11]
    assert 0 <= made.min() and made.max() <= 1
    torch.testing.assert_close(made, expected.clamp(0, 1))
    with pytest.raises(ValueError, match="11 frames are no whole number of blocks of 8"):
        model.encode(motion[None])


def test_the_loss_is_of_deviations_within_the_block_and_over_its_borders():
    model, blocks = toy_vq(), torch.rand(4, 24, 32, generator=torch.Generator().manual_seed(0))
    made, codes, lost = model(blocks)
    terms = facial_vq_loss(model, blocks, quantiser=2.0, velocity=3.0, lip=4.0)
    error = made - blocks
    torch.testing.assert_close(terms["motion"], error[:, 8:16].abs().mean() / 0.2)
    torch.testing.assert_close(terms["velocity"], error.diff(dim=1)[:, 7:16].abs().mean() / 0.2)
    torch.testing.assert_close(terms["lip"], (error[:, 8:16] @ torch.from_numpy(LIPS)).norm(dim=-1).mean())
    torch.testing.assert_close(terms["loss"], terms["motion"] + 3 * terms["velocity"] + 4 * terms["lip"] + 2 * lost)
    torch.testing.assert_close(terms["perplexity"], model.quantiser.perplexity(codes[:, 8:16]).min())
    known = facial_vq_loss(model, blocks, model.encode(blocks), quantiser=2.0, velocity=3.0, lip=4.0)
    torch.testing.assert_close(known["loss"], terms["loss"])
