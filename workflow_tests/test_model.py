"""The denoiser and the model around it: the authors' values, the alignment bias, and its files."""

import os
import pickle

import numpy as np
import pytest
import torch
from helpers import ENCODER, small
from transformers import Wav2Vec2Model

from said import model as models
from said.attention import Band, CrossAttention, alignment, alignment_band, alignment_mask, scheduled_bias
from said.denoiser import groups, timestep_embedding
from said.files.tensors import load_strict, read_state_dict
from said.model import ModelConfig, SAiD, load_official, parameter_count
from said.training.stand_in import build_stand_in


@torch.no_grad()
def test_the_denoiser_is_the_authors(authors, exact, golden):
    """In double precision but for their rounding, and in single with room for that of any processor."""
    for audio, expected in (("fwd_ctx", "fwd_out"), ("fwd_ctx100", "fwd_out100")):
        given = golden["fwd_x"], golden["fwd_t"], golden[audio]
        close(authors.denoiser(*given), golden[expected], 1e-4)
        close(exact.denoiser(given[0].double(), given[1], given[2].double()), golden[expected], 1e-5)


def close(reached, expected, largest, **more):
    torch.testing.assert_close(reached, expected, atol=largest, rtol=0, check_dtype=False, **more)


@torch.no_grad()
def test_every_activation_is_the_authors(exact, golden):
    seen = {}
    for name, module in exact.denoiser.model.named_modules():
        if "act_" + name in golden:
            module.register_forward_hook(lambda _, __, output, name=name: seen.update({name: output}))
    exact.denoiser(golden["fwd_x"].double(), golden["fwd_t"], golden["fwd_ctx"].double())
    assert len(seen) == sum(key.startswith("act_") for key in golden)
    for name, activation in seen.items():
        close(activation, golden["act_" + name], 2e-5, msg=name)


def test_the_size_and_the_keys_are_the_published(official):
    model = SAiD()
    assert parameter_count(model.denoiser) == 6_992_672
    published = {}
    for line in (official / "said_keys.txt").read_text(encoding="utf-8").splitlines():
        name, shape, _ = line.split("\t")
        published[name] = eval(shape)
    own = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    assert own == {name: shape for name, shape in published.items() if not name.startswith("audio_encoder.")}
    with torch.device("meta"):
        whole = SAiD(audio_encoder=Wav2Vec2Model(models.Wav2Vec2Config()))
    assert {name: tuple(value.shape) for name, value in whole.state_dict().items()} == published


def test_published_weights_with_an_encoder_are_read(tmp_path):
    encoder = build_stand_in(ENCODER)
    whole = SAiD(ModelConfig(width=32, audio_width=32), encoder)
    torch.save(whole.state_dict(), tmp_path / "SAiD.pth")
    read = load_official(tmp_path / "SAiD.pth", encoder.config)
    assert read.audio_encoder is not None
    assert all(torch.equal(value, read.state_dict()[name]) for name, value in whole.state_dict().items())


def test_wrong_keys_are_listed(tmp_path):
    state = small().state_dict()
    lost, misshapen = list(state)[5:7]
    del state[lost]
    state[misshapen] = torch.zeros(3)
    state["denoiser.stranger"] = torch.zeros(2)
    torch.save(state, tmp_path / "bad.pth")
    with pytest.raises(ValueError) as raised:
        load_official(tmp_path / "bad.pth")
    text = str(raised.value)
    assert f"missing: {lost}" in text
    assert f"wrong shape: {misshapen} is (3,)" in text
    assert "unexpected: denoiser.stranger" in text
    assert "bad.pth" in text


class Hostile:
    def __reduce__(self):
        return os.mkdir, ("executed",)


@pytest.mark.parametrize("how", ["inside", "bare"])
def test_code_in_a_published_file_is_not_run(tmp_path, monkeypatch, how):
    monkeypatch.chdir(tmp_path)
    if how == "inside":
        torch.save({"null_cond_emb": torch.zeros(1, 1, 768), "bomb": Hostile()}, "SAiD.pth")
    else:
        (tmp_path / "SAiD.pth").write_bytes(pickle.dumps(Hostile(), protocol=2))
    with pytest.raises(ValueError, match=r"SAiD\.pth: refused"):
        load_official("SAiD.pth")
    assert not (tmp_path / "executed").exists()


def test_what_is_not_a_state_dict_is_refused(tmp_path):
    (tmp_path / "cut.pth").write_bytes(b"PK\x03\x04")
    (tmp_path / "empty.pth").write_bytes(b"")
    torch.save({"epoch": 3, "model": {"a": torch.zeros(1)}}, tmp_path / "nested.pth")
    torch.save(torch.zeros(3), tmp_path / "tensor.pth")
    for name in ("cut", "empty", "nested", "tensor"):
        with pytest.raises(ValueError, match=rf"{name}\.pth: refused"):
            read_state_dict(tmp_path / f"{name}.pth")


def test_a_fresh_model_predicts_zero():
    torch.manual_seed(0)
    model = SAiD(ModelConfig(width=32, audio_width=16))
    out = model.denoiser(torch.randn(2, 9, 32), torch.tensor([3, 999]), torch.randn(2, 9, 16))
    assert out.shape == (2, 9, 32)
    assert not out.any()


@pytest.mark.parametrize("bias", [0, 1, 3])
def test_the_band_of_equal_lengths(bias):
    i, j = np.mgrid[:11, :11]
    np.testing.assert_array_equal(alignment_mask(11, 11, bias).numpy(), np.abs(i - j) <= bias)


def test_the_band_follows_unequal_lengths():
    mask = alignment_mask(120, 100, 1)
    centre = (mask * torch.arange(100)).sum(1) / mask.sum(1)
    assert mask.any(1).all()
    assert (centre - (torch.arange(120) + 0.5) * 100 / 120).abs().max() < 1.6
    assert alignment_mask(7, 5, None) is None
    # Where output frames are the denser, a band of half width 0 leaves none of them without audio.
    assert (alignment_mask(120, 100, 0).sum(1) == 1).all()


@pytest.mark.parametrize("lengths", [(120, 120), (120, 100), (65, 90), (33, 400), (7, 5), (500, 500)])
@pytest.mark.parametrize("bias", [0, 1, 9])
def test_the_band_in_blocks_is_the_mask(lengths, bias):
    torch.manual_seed(0)
    attention = CrossAttention(64, 16, heads=2).double()
    mask, band = alignment_mask(*lengths, bias), alignment_band(*lengths, bias)
    reached = []
    for allowed in (mask, band):
        generator = torch.Generator().manual_seed(1)
        x = torch.randn(2, lengths[0], 64, generator=generator, dtype=torch.float64).requires_grad_()
        context = torch.randn(2, lengths[1], 16, generator=generator, dtype=torch.float64).requires_grad_()
        out = attention(x, context, allowed)
        out.square().mean().backward()
        reached.append((out, x.grad, context.grad))
    for dense, banded in zip(*reached, strict=True):
        torch.testing.assert_close(banded, dense, atol=1e-12, rtol=0)


def test_the_band_is_used_where_it_is_cheaper_and_made_once():
    assert isinstance(alignment(120, 120, 1), Band)
    assert isinstance(alignment(3600, 3600, 100), Band)
    assert isinstance(alignment(120, 120, 40), torch.Tensor)
    assert alignment(120, 120, None) is None
    assert alignment(120, 120, 1) is alignment(120, 120, 1)
    long = alignment(36000, 36000, 1)
    assert long.mask.numel() < 40 * 36000 and long.keys.numel() < 2 * 36000


@pytest.mark.parametrize("schedule", ["linear", "geometric"])
@pytest.mark.parametrize("bias", [0, 1, 7])
def test_the_scheduled_band_narrows_from_everything_to_the_bias(schedule, bias):
    shares = torch.linspace(0, 1, 200)
    widths = scheduled_bias(bias, 120, shares, schedule)
    assert widths[0] == bias and widths[-1] == 119
    assert (widths.diff() >= 0).all() and torch.equal(widths, widths.round())
    middle = scheduled_bias(1, 120, torch.tensor([0.5]), schedule).item()
    assert middle == (60 if schedule == "linear" else int((2 * 120) ** 0.5 - 1))


@torch.no_grad()
@pytest.mark.parametrize("schedule", ["linear", "geometric"])
def test_a_scheduled_denoiser_hears_everything_early_and_its_neighbourhood_late(schedule):
    model = small(alignment_schedule=schedule)
    for name, module in model.denoiser.named_modules():  # self-attention and convolutions would carry audio along
        if name.endswith("attn1"):
            module.to_out[0].weight.zero_()
    attention = model.denoiser.model.input_blocks[1][1].transformer_blocks[0].attn2
    outputs = []
    attention.register_forward_hook(lambda _, __, output: outputs.append(output))
    noisy, audio = torch.randn(3, 40, 32), torch.randn(3, 40, 32)
    changed = audio.clone()
    changed[:, 30] += 5
    timesteps = torch.tensor([0, 300, 999])  # each item of the batch has a band of its own
    for context in (audio, changed):
        model.denoiser(noisy, timesteps, context)
    heard = (outputs[0] - outputs[1]).abs().amax(-1) > 0
    assert heard[0].nonzero().flatten().tolist() == [29, 30, 31]
    assert 3 < heard[1].sum() < 40
    assert heard[2].all()


@torch.no_grad()
def test_a_schedule_at_its_end_is_the_constant_band():
    constant, scheduled = small().double(), small(alignment_schedule="linear").double()
    noisy, audio = torch.randn(2, 2, 40, 32, dtype=torch.float64)
    late, early = torch.zeros(2, dtype=torch.long), torch.full((2,), 999)
    close(scheduled.denoiser(noisy, late, audio), constant.denoiser(noisy, late, audio), 1e-10)
    everything = small(alignment_bias=None).double()
    close(scheduled.denoiser(noisy, early, audio), everything.denoiser(noisy, early, audio), 1e-10)


@torch.no_grad()
def test_the_bias_hides_distant_audio():
    model = small()
    noisy, timestep, audio = torch.randn(1, 40, 32), torch.tensor([500]), torch.randn(1, 40, 32)
    changed = audio.clone()
    changed[:, 30] += 5
    model.denoiser.model.input_blocks[1][1].transformer_blocks[0].attn1.to_out[0].weight.zero_()
    maps = []
    attention = model.denoiser.model.input_blocks[1][1].transformer_blocks[0].attn2
    attention.register_forward_hook(lambda _, __, output: maps.append(output))
    for context in (audio, changed):
        model.denoiser(noisy, timestep, context)
    difference = (maps[0] - maps[1]).abs().amax(-1)[0]
    assert set(difference.nonzero().flatten().tolist()) == {29, 30, 31}
    dense = small(alignment_bias=None)
    first, second = (dense.denoiser(noisy, timestep, context) for context in (audio, changed))
    assert ((first - second).abs().amax(-1) > 0).all()


@torch.no_grad()
def test_attention_weights_are_what_the_attention_uses():
    torch.manual_seed(0)
    attention = CrossAttention(64, 16, heads=2)
    x, context, mask = torch.randn(2, 12, 64), torch.randn(2, 12, 16), alignment_mask(12, 12, 1)
    weights = attention.weights(x, context, mask)
    assert weights.shape == (2, 2, 12, 12)
    torch.testing.assert_close(weights.sum(-1), torch.ones(2, 2, 12))
    assert not weights[:, :, ~mask].any()
    value = attention.to_v(context).unflatten(-1, (2, 32)).transpose(1, 2)
    expected = attention.to_out((weights @ value).transpose(1, 2).flatten(2))
    torch.testing.assert_close(attention(x, context, mask), expected, atol=1e-5, rtol=1e-5)


def test_timestep_embedding_is_cosines_then_sines():
    embedding = timestep_embedding(torch.tensor([0, 7]), 6)
    torch.testing.assert_close(embedding[0], torch.tensor([1.0, 1, 1, 0, 0, 0]))
    frequencies = 10000 ** (-torch.arange(3) / 3)
    torch.testing.assert_close(embedding[1], torch.cat([torch.cos(7 * frequencies), torch.sin(7 * frequencies)]))


def test_what_is_saved_is_read_back(tmp_path):
    torch.manual_seed(0)
    model = SAiD(ModelConfig(width=32, audio_width=32, prediction="v", scaled=True), build_stand_in(ENCODER))
    model.coefficient_scale.copy_(torch.rand(32) + 0.1)
    models.save(tmp_path / "model.safetensors", model)
    read = models.load(tmp_path / "model.safetensors")
    assert read.config == model.config
    assert torch.equal(read.coefficient_scale, model.coefficient_scale)
    assert all(torch.equal(value, read.state_dict()[name]) for name, value in model.state_dict().items())
    assert list(read.audio_encoder.config.conv_dim) == list(model.audio_encoder.config.conv_dim)
    models.save(tmp_path / "again.safetensors", read)
    assert (tmp_path / "again.safetensors").read_bytes() == (tmp_path / "model.safetensors").read_bytes()


def test_other_files_are_refused(tmp_path):
    from said import extractor

    extractor.save(tmp_path / "vae.safetensors", extractor.BlendshapeVAE())
    with pytest.raises(ValueError, match="not a SAiD model"):
        models.load(tmp_path / "vae.safetensors")


def test_a_model_that_lacks_a_tensor_is_refused_by_name(tmp_path):
    from said import extractor
    from said.files.tensors import read_tensors, write_tensors
    from said.lipsync import syncnet

    models.save(tmp_path / "said", small())
    extractor.save(tmp_path / "vae", extractor.BlendshapeVAE())
    syncnet.save(tmp_path / "syncnet", syncnet.SyncNet(1 / 16, 64, 1))
    for name, load in (("said", models.load), ("vae", extractor.load), ("syncnet", syncnet.load)):
        load(tmp_path / name)
        tensors, facts = read_tensors(tmp_path / name)
        for lost in (min(tensors), max(tensors), "coefficient_scale"):
            if lost in tensors:
                write_tensors(tmp_path / "less", {key: tensors[key] for key in tensors if key != lost}, facts)
                with pytest.raises(ValueError, match=f"less: not the weights of .*\n  missing: {lost} "):
                    load(tmp_path / "less")
        write_tensors(tmp_path / "more", {**tensors, "stranger": torch.ones(2)}, facts)
        with pytest.raises(ValueError, match="unexpected: stranger"):
            load(tmp_path / "more")


def test_narrow_models_keep_the_channels_of_a_group(tmp_path):
    from said.files.tensors import read_tensors, write_tensors

    assert [groups(width, 6) for width in (32, 64, 96, 128, 192, 256)] == [4, 8, 16, 16, 32, 32]
    assert [groups(width, 1) for width in (32, 64, 96, 192)] == [32] * 4 and groups(64, 100) == 1

    def counts(model):
        return {layer.num_groups for layer in model.modules() if isinstance(layer, torch.nn.GroupNorm)}

    assert counts(SAiD()) == {32} and counts(small()) == {4} and counts(small(channels_per_group=16)) == {2}
    # What was written before there was the choice always had 32 groups.
    models.save(tmp_path / "model", small(channels_per_group=1))
    tensors, facts = read_tensors(tmp_path / "model")
    del facts["config"]["channels_per_group"]
    write_tensors(tmp_path / "older", tensors, facts)
    assert counts(models.load(tmp_path / "older")) == {32}


def test_impossible_configurations_are_named():
    with pytest.raises(ValueError, match="prediction"):
        ModelConfig(prediction="clean")
    with pytest.raises(ValueError, match="alignment_bias"):
        SAiD(ModelConfig(width=32, alignment_bias=-1))
    with pytest.raises(ValueError, match="alignment_schedule must be one of"):
        SAiD(ModelConfig(width=32, alignment_schedule="cosine"))
    with pytest.raises(ValueError, match="alignment_schedule linear needs"):
        SAiD(ModelConfig(width=32, alignment_bias=None, alignment_schedule="linear"))
    with pytest.raises(ValueError, match="multiple of 32"):
        SAiD(ModelConfig(width=40))
    with pytest.raises(ValueError, match="audio_width"):
        SAiD(ModelConfig(width=32, audio_width=64), build_stand_in(ENCODER))


def test_scaling_there_and_back():
    model = small(scaled=True)
    model.coefficient_scale.copy_(torch.linspace(0.01, 0.3, 32))
    coefficients = torch.rand(2, 5, 32)
    torch.testing.assert_close(model.to_coefficients(model.to_diffusion(coefficients)), coefficients)
    assert model.to_coefficients(torch.full((32,), -3.0)).max() == 0


def test_load_strict_takes_what_fits():
    first, second = small(), small()
    with torch.no_grad():
        second.null_cond_emb.add_(1)
    load_strict(first, second.state_dict(), "memory")
    assert torch.equal(first.null_cond_emb, second.null_cond_emb)
