"""The dual-path network: the layers of the source, what each path sees, and a training that goes on where it was."""

import numpy as np
import pytest
import torch
from torch import nn
from toy_faces import HEARING, LIPS, PATHS, toy_face, toy_paths, toy_vq

from said.headpose import dual_path
from said.headpose.dual_path import DualPath, dual_path_loss
from said.headpose.facial_vq import FacialVQ, in_codes
from said.headpose.spoken_face import SpokenFace, animate, semantic


def speech(frames: int) -> torch.Tensor:
    return torch.randn(1, frames, HEARING, generator=torch.Generator().manual_seed(0))


def test_the_layers_of_the_source():
    with torch.device("meta"):
        model = DualPath(FacialVQ(torch.zeros(32), torch.ones(32)), 768, 8)
    decoder = [layer for layer in model.upper.modules() if isinstance(layer, nn.TransformerDecoderLayer)]
    assert len(decoder) == 12 and {layer.multihead_attn.num_heads for layer in decoder} == {4}
    recurrent = [layer for layer in model.interpreter.modules() if isinstance(layer, nn.LSTM)]
    assert [layer.num_layers for layer in recurrent] == [2]
    assert not any(parameter.requires_grad for parameter in model.vq.parameters())


def test_the_face_is_the_sum_of_the_paths():
    both, first, second = (toy_paths(**off) for off in ({}, {"local_path": False}, {"global_path": False}))
    heard, style = speech(16), torch.tensor([1])
    made, features = both(heard, style)
    _, motion = both.upper(heard, both.style(style))
    torch.testing.assert_close(first(heard, style)[0], motion * both.vq.std + 0.1)
    torch.testing.assert_close(made, motion * both.vq.std + both._local(features))
    assert not torch.allclose(second(heard, style)[1], features), "the interpreter sees the upper path"
    torch.testing.assert_close(second(heard, torch.tensor([0]))[0], second(heard, style)[0])
    counts = {sum(p.numel() for p in model.parameters() if p.requires_grad) for model in (both, first, second)}
    assert len(counts) == 1


def test_cross_attention_hears_a_frame_to_either_side():
    model = toy_paths(reach=1)
    mask = dual_path.near_frames(5, 1)
    np.testing.assert_array_equal((~mask).sum(1), [2, 3, 3, 3, 2])
    decoder = model.upper.decoder.layers[0]
    queries = torch.zeros(1, 16, 16)
    heard = model.upper.hear(speech(16))
    changed = heard.clone()
    changed[:, 8] += 1
    attended = [decoder._mha_block(queries, one, dual_path.near_frames(16, 1), None) for one in (heard, changed)]
    moved = (attended[0] - attended[1]).abs().amax(-1)[0] > 1e-9
    assert moved.nonzero().flatten().tolist() == [7, 8, 9]


def test_words_are_those_of_the_codebook_where_it_is_used():
    model, motion = toy_paths(), torch.rand(2, 16, 32, generator=torch.Generator().manual_seed(0))
    words = model.targets(motion)
    books = model.vq.quantiser.codebooks
    for index, part in enumerate(words.chunk(2, dim=-1)):
        distance = (part.flatten(0, 1)[:, None] - books[index].embedding.weight).norm(dim=-1).amin(1)
        assert distance.max() < 1e-5
    free = toy_paths(quantised=False).targets(motion)
    assert free.shape == words.shape and not torch.allclose(free, words)


def test_the_loss_is_squared_and_of_deviations():
    model, face = toy_paths(), toy_face("a/0", 0, 0)
    heard, motion = torch.from_numpy(face.speech)[None], torch.from_numpy(face.motion)[None]
    terms = dual_path_loss(model, heard, motion, torch.tensor([0]), velocity=2.0, latent=3.0, lip=4.0)
    made, features = model(heard, torch.tensor([0]))
    moved = ((made - motion) @ torch.from_numpy(LIPS)).square().sum(-1).mean()
    torch.testing.assert_close(terms["lip"], moved)
    error = (made - motion) / 0.2
    torch.testing.assert_close(terms["motion"], error.square().mean())
    torch.testing.assert_close(terms["latent"], (features - model.targets(motion)).square().mean())
    torch.testing.assert_close(
        terms["loss"],
        terms["motion"] + 2 * error.diff(dim=1).square().mean() + 3 * terms["latent"] + 4 * moved,
    )
    alone = dual_path_loss(toy_paths(local_path=False), heard, motion, None)
    assert "latent" not in alone


@pytest.mark.parametrize("frames", [1, 8, 13])
def test_speech_of_any_length_moves_the_face_as_long(frames):
    made = toy_paths().animate(speech(frames)[0])
    assert made.shape == (frames, 32) and 0 <= made.min() and made.max() <= 1


def test_a_recording_moves_the_face_at_60_frames_per_second(encoder):
    model = DualPath(toy_vq(), encoder.config.hidden_size, 2, **PATHS).eval()
    waveform = 0.1 * np.random.default_rng(0).standard_normal(22050).astype(np.float32)
    assert animate(model, encoder, waveform, 22050).shape == (60, 32)
    assert animate(model, encoder, waveform[:-300], 22050).shape == (59, 32)
    with pytest.raises(ValueError, match="too short"):
        animate(model, encoder, waveform[:400], 22050)
    clip = SpokenFace.of("a/0", 0, np.zeros((61, 32)), waveform, 22050, encoder)
    assert len(clip.motion) == len(clip.speech) == 31
    np.testing.assert_array_equal(clip.speech, semantic(encoder, waveform, 22050, 31).numpy())


def test_the_truth_in_codes_is_as_long_as_the_truth():
    motion = np.random.default_rng(0).random((13, 32))
    made = in_codes(toy_vq(), motion)
    assert made.shape == (13, 32) and made.dtype == np.float32
