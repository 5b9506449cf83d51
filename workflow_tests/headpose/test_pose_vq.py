"""The pose VQ-VAE: the layers of the source, codes and back, motion longer than a window."""

import numpy as np
import pytest
import torch
from torch import nn
from toy_poses import toy_directions, toy_vq

from said.headpose import pose_vq
from said.headpose.pose_vq import PoseVQ, PoseVQConfig, pose_vq_loss, standardise, window_starts


def test_the_published_layers():
    model = PoseVQ(PoseVQConfig())
    for part in (model.encoder, model.decoder):
        layers = [layer for layer in part.modules() if isinstance(layer, nn.TransformerEncoderLayer)]
        assert len(layers) == 6 and {layer.self_attn.num_heads for layer in layers} == {4}
    assert len(model.quantiser.codebooks) == 4
    assert model.config.frames == 200


def test_blocks_are_standardised_and_come_back():
    model, directions = toy_vq(), torch.from_numpy(toy_directions(5, 24))
    standardise(model, directions)
    blocks = model.blocks(directions)
    assert blocks.shape == (5, 6, 24)
    varies = directions.flatten(0, 1).std(0) > 1e-3
    coordinates = blocks.unflatten(-1, (4, 6)).flatten(0, 2)
    torch.testing.assert_close(coordinates.std(0, correction=0), varies.float(), atol=1e-4, rtol=0)
    torch.testing.assert_close(model.motion(blocks), directions)


def test_codes_are_those_of_the_loss_and_decode_to_its_motion():
    model, directions = toy_vq(), torch.from_numpy(toy_directions(3, 24))
    quantised, codes, distance = model.quantiser(model.vectors(directions))
    assert torch.equal(model.encode(directions), codes)
    made = model.motion(model.rebuild(quantised))
    torch.testing.assert_close(model.decode(codes), made)
    loss, terms = pose_vq_loss(model, directions, velocity=2.0, quantiser=0.5)
    pose, change = (made - directions).abs().mean(), (made.diff(dim=1) - directions.diff(dim=1)).abs().mean()
    torch.testing.assert_close(terms["pose"], pose)
    torch.testing.assert_close(loss, pose + 2 * change + 0.5 * distance)


@pytest.mark.parametrize(("count", "starts"), [(1, [0]), (6, [0]), (7, [0, 3]), (9, [0, 3]), (10, [0, 3, 6])])
def test_windows_cover_all_tokens(count, starts):
    assert window_starts(count, 6) == starts


def test_long_motion_fades_from_window_to_window():
    model = toy_vq()
    codes = torch.randint(5, (2, 13, 2), generator=torch.Generator().manual_seed(0))
    made = model.decode(codes)
    assert made.shape == (2, 52, 6)
    torch.testing.assert_close(made[:, :12], model.decode(codes[:, :6])[:, :12])  # of the first window alone
    parts = [torch.full((1, length, 1), value) for length, value in ((6, 0.0), (6, 1.0), (4, 2.0))]
    faded = model.overlap(parts, 10)[0, :, 0]
    torch.testing.assert_close(faded[3:9], torch.tensor([1 / 6, 3 / 6, 5 / 6, 7 / 6, 9 / 6, 11 / 6]))
    constant = [torch.ones(1, length, 1) for length in (5, 5, 4)]
    torch.testing.assert_close(toy_vq(tokens=5).overlap(constant, 8), torch.ones(1, 8, 1))


def test_motion_of_another_length_is_refused():
    for frames in (0, 22, 28):
        with pytest.raises(ValueError, match="a multiple of 4 up to 24"):
            toy_vq().vectors(torch.zeros(1, frames, 6))


def test_a_model_comes_back_from_its_file(tmp_path):
    model, directions = toy_vq(), torch.from_numpy(toy_directions(2, 24))
    standardise(model, directions)
    pose_vq.save(tmp_path / "vq.safetensors", model)
    again = pose_vq.load(tmp_path / "vq.safetensors")
    assert torch.equal(again.decode(again.encode(directions)), model.decode(model.encode(directions)))
    assert np.array_equal(again.mean, model.mean)
