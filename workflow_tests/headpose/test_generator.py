"""The pose generator: the layers of the source, causality, what each path lets through."""

import math

import pytest
import torch
from torch import nn
from toy_poses import toy_generator, toy_speech

from said.headpose import generator
from said.headpose.generator import Generation, GeneratorConfig, PoseGenerator, generator_loss, near, taught
from said.headpose.rhythm import RhythmEncoder


def outputs(model, before, speech, style=0):
    return model(before, model.listen(*speech), model.styles(torch.full((len(before),), style), len(before)))


def some_codes(batch, count, seed=0):
    return torch.randint(5, (batch, count, 2), generator=torch.Generator().manual_seed(seed))


def test_the_published_layers():
    model = PoseGenerator(GeneratorConfig(styles=40))
    decoder = [layer for layer in model.modules() if isinstance(layer, nn.TransformerDecoderLayer)]
    assert len(decoder) == 6 and {layer.self_attn.num_heads for layer in decoder} == {4}
    assert {layer.multihead_attn.num_heads for layer in decoder} == {4}
    kinds = [type(layer) for layer in model.rhythm.modules()]
    assert (kinds.count(nn.Conv1d), kinds.count(nn.Linear)) == (6, 1)
    assert sum(isinstance(layer, nn.Linear) for layer in model.fusion.layers) == 4
    assert model.style.weight.shape == (40, 256) and model.style.weight.requires_grad
    assert torch.equal(model.position[0], model.position[25]) and not torch.equal(model.position[0], model.position[24])


@pytest.mark.parametrize("given", ["waveform", "mel", "loudness"])
def test_the_rhythm_encoder_gives_a_feature_per_frame(given):
    encoder, (_, heard) = RhythmEncoder(given, 8, 6).eval(), toy_speech(2, 7, given=given)
    assert encoder(heard).shape == (2, 7, 6)
    with pytest.raises(ValueError, match="expected"):
        encoder(heard[..., :-1] if given == "waveform" else heard[..., 0])
    with pytest.raises(ValueError, match="waveform, mel, loudness"):
        RhythmEncoder("spectrum", 8, 6)


def test_no_later_code_changes_an_earlier_output():
    model, speech = toy_generator(), toy_speech(2, 24)
    codes = some_codes(2, 6)
    known = outputs(model, taught(model, codes), speech)
    for token in range(6):
        changed = codes.clone()
        changed[:, token:] = (codes[:, token:] + 1) % 5
        again = outputs(model, taught(model, changed), speech)
        assert torch.equal(again[:, : token + 1], known[:, : token + 1])
        assert token == 5 or bool((again[:, token + 1] != known[:, token + 1]).any())


def test_tokens_hear_the_speech_next_to_them_alone():
    assert near(2, 2, 5, 1).tolist() == [[False, True, True, True, False], [False, False, True, True, True]]
    model = toy_generator(layers=1)
    memory = torch.randn(1, 6, 16, requires_grad=True)
    before = taught(model, some_codes(1, 6))
    made = model(before, memory, model.styles(None, 1))
    (heard,) = torch.autograd.grad(made[0, 3].square().sum(), memory)
    assert heard[0].any(-1).tolist() == [False, False, True, True, True, False]


@pytest.mark.parametrize("chunks", [[1] * 6, [4, 2], [3, 1, 1, 1]])
def test_what_is_kept_changes_nothing(chunks):
    model, speech = toy_generator(), toy_speech(2, 24)
    before = taught(model, some_codes(2, 6))
    memory, style = model.listen(*speech), model.styles(torch.tensor([0, 2]), 2)
    generation = Generation(model, memory, style)
    made = torch.cat([generation.step(part) for part in before.split(chunks, dim=1)], dim=1)
    torch.testing.assert_close(made, model(before, memory, style), atol=1e-5, rtol=0)


@pytest.mark.parametrize("path", ["semantic", "rhythm", "style"])
def test_a_path_that_is_off_lets_nothing_through(path):
    before = taught(toy_generator(), some_codes(1, 6))
    speech, other = toy_speech(1, 24), toy_speech(1, 24, seed=1)
    changed = {"semantic": (other[0], speech[1]), "rhythm": (speech[0], other[1]), "style": speech}[path]
    style = 1 if path == "style" else 0
    for on in (True, False):
        model = toy_generator(**{path: on})
        same = torch.equal(outputs(model, before, speech), outputs(model, before, changed, style))
        assert same == (not on)
    sizes = [sum(weight.numel() for weight in toy_generator(**{path: on}).parameters()) for on in (True, False)]
    assert sizes[0] == sizes[1]


def test_a_speaker_who_is_not_known_has_the_mean_style():
    model = toy_generator()
    torch.testing.assert_close(model.styles(None, 2)[1], model.style.weight.mean(0))


def test_the_loss_is_the_cross_entropy_of_each_code():
    model, speech = toy_generator(), toy_speech(2, 24)
    codes, styles = some_codes(2, 6), torch.tensor([0, 2])
    made = model(taught(model, codes), model.listen(*speech), model.styles(styles, 2)).double().detach()
    total = 0.0
    for clip in range(2):
        for token in range(6):
            for component in range(2):
                scores = made[clip, token, 5 * component : 5 * component + 5]
                total += float(scores.exp().sum().log() - scores[codes[clip, token, component]])
    loss = generator_loss(model, codes, *speech, styles)
    assert float(loss.detach()) == pytest.approx(total / 24, rel=1e-5)
    silent = toy_generator()
    nn.init.zeros_(silent.output.weight)
    nn.init.zeros_(silent.output.bias)
    assert float(generator_loss(silent, codes, *speech, styles).detach()) == pytest.approx(math.log(5))


def test_without_codes_the_blocks_themselves_are_learnt():
    model, speech = toy_generator(quantised=False), toy_speech(2, 24, given="waveform")
    blocks = torch.randn(2, 6, 24)
    made = outputs(model, some_codes(2, 6), speech)
    assert torch.equal(made, outputs(model, some_codes(2, 6, seed=1), speech))
    loss = generator_loss(model, blocks, *speech, torch.zeros(2, dtype=torch.int64))
    torch.testing.assert_close(loss, (made - blocks).abs().mean())


def test_a_model_comes_back_from_its_file(tmp_path):
    model, speech = toy_generator(rhythm_input="mel"), toy_speech(1, 24, given="mel")
    generator.save(tmp_path / "model.safetensors", model, ["ann", "bob", "cleo"])
    again, speakers = generator.load(tmp_path / "model.safetensors")
    assert speakers == ["ann", "bob", "cleo"]
    before = taught(model, some_codes(1, 6))
    assert torch.equal(outputs(again, before, speech), outputs(model, before, speech))
