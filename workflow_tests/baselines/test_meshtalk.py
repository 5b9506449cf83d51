"""MeshTalk: its authors' values, and plain loops over its layers at other sizes, lengths and seeds."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file

from said.baselines import meshtalk
from said.baselines.log_mel import chunks, log_mel, normalise
from said.baselines.meshtalk import MeshTalk, gumbel, quantise, smooth
from said.baselines.meshtalk_losses import Regions, autoencoder_losses, expression_labels, prior_loss


@pytest.fixture(scope="module")
def golden(official):
    values = np.load(official / "golden/meshtalk_golden.npz")
    return {key: torch.from_numpy(value) for key, value in values.items() if value.dtype.kind != "U"}


@pytest.fixture(scope="module")
def state(official):
    return load_file(official / "golden/meshtalk_weights.safetensors")


@pytest.fixture(scope="module")
def authors(state):
    return MeshTalk.from_state_dict(state, heads=3)


@pytest.fixture(scope="module")
def spectrograms(golden):
    return log_mel(chunks(normalise(golden["audio_raw"])))


def close(reached, expected, rtol=1e-4, atol=1e-4):
    torch.testing.assert_close(reached, torch.as_tensor(expected), rtol=rtol, atol=atol, check_dtype=False)


def one_hot(labels, classes=7):
    return F.one_hot(labels, classes).float()


def test_the_audio_is_the_authors(golden, spectrograms):
    audio = normalise(golden["audio_raw"])
    close(audio[:, :64], golden["audio_normalised_head"], atol=1e-8)
    windows = chunks(audio)
    assert windows.shape == (3, 9, 16000)
    close(windows.double().sum(-1), golden["chunks_sum"], atol=1e-6)
    close(windows.double().abs().sum(-1), golden["chunks_abs_sum"], atol=1e-6)
    close(windows[0, 1, 7600:8400], golden["chunk_0_1_part"], atol=1e-8)
    close(chunks(audio[0], fps=60).double().abs().sum(-1), golden["chunks60_abs_sum"], atol=1e-6)
    close(spectrograms[0, 1], golden["logmel_0_1"])


@torch.no_grad()
def test_the_codes_and_classes_are_the_authors(golden, authors, spectrograms):
    audio = authors.encoder.audio_encoder(spectrograms)
    close(audio, golden["audio_code"])
    expression = authors.encoder.expression_encoder(golden["geom"])
    close(expression, golden["expression_code"])
    log_probabilities = authors.encoder.fusion_model(expression, audio)
    close(log_probabilities, golden["fused_logprobs"], atol=1e-3)  # of -100
    drawn = quantise(log_probabilities, golden["gumbel_u"])
    close(drawn, golden["quantised_one_hot"])
    assert torch.equal(drawn.argmax(-1), golden["quantised_labels"])
    assert torch.equal(quantise(log_probabilities).argmax(-1), golden["argmax_labels"])
    assert torch.equal(expression_labels(authors, golden["geom"], audio), golden["argmax_labels"])
    assert authors.encoder.audio_encoder.training is False


@torch.no_grad()
def test_the_decoder_is_the_authors(golden, authors):
    close(authors.geom_unet(golden["template"], golden["quantised_one_hot"]), golden["decoded_geom"])
    close(authors.geom_unet(golden["template"], one_hot(golden["argmax_labels"])), golden["decoded_geom_argmax"])


@torch.no_grad()
def test_the_prior_is_the_authors(golden, authors):
    prior, audio = authors.context_model, golden["audio_code"]
    close(prior(one_hot(golden["argmax_labels"]), audio), golden["context_logprobs"])
    likeliest = prior.sample(audio[:1])
    assert torch.equal(likeliest[0], golden["sampled_argmax_labels"])
    close(prior(one_hot(likeliest), audio[:1])[0], golden["sampled_argmax_context_logprobs"])
    assert torch.equal(prior.sample(audio[:1], gumbel(golden["sample_u"])[None])[0], golden["sampled_labels"])


def test_the_animation_is_the_authors(golden, authors):
    audio, template = golden["audio_raw"][0], golden["template"][0]
    close(authors.animate(audio, template), golden["animated_argmax_geom"])
    smoothed = authors.animate(0.3 * audio.numpy(), template.numpy(), smoothing=golden["smooth_mask"])
    close(smoothed, golden["smoothed_geom"])
    assert not smoothed.requires_grad


def test_losses_and_gradients_are_the_authors(golden, state, spectrograms, official):
    model = MeshTalk.from_state_dict(state, heads=3)
    regions = Regions(golden["mouth_mask"], golden["eye_mask"], golden["landmark_mask"])
    shifts = tuple(golden["loss_shifts"].tolist())
    parts = autoencoder_losses(
        model, golden["geom"], golden["template"], spectrograms, regions, shifts, golden["loss_u"]
    )
    for part in ("recon", "landmarks", "modality_crossing"):
        close(parts[part], golden[f"loss_{part}"])
    close(parts["loss"], golden["loss_total"])
    parts["loss"].backward()
    gradients = {name: weight.grad for name, weight in model.named_parameters() if weight.grad is not None}
    names = np.load(official / "golden/meshtalk_golden.npz")["grad_norm_names"].tolist()
    assert gradients.keys() == set(names)  # the prior learns nothing
    close(torch.stack([gradients[name].norm() for name in names]), golden["grad_norms"])
    full = [name.removeprefix("grad_") for name in golden if name.removeprefix("grad_") in gradients]
    assert len(full) == 3
    for name in full:
        close(gradients[name], golden[f"grad_{name}"], atol=1e-4 * gradients[name].abs().max().item())
    close(prior_loss(model, golden["argmax_labels"], golden["audio_code"]), golden["loss_cross_entropy"])


def test_published_buffers_may_be_there_and_half_precision_is_taken(state, authors):
    buffers = {
        f"context_model.{layer}.mask": torch.ones(2, 2, 1) for layer in ("embedding", "context_layers.0", "logits")
    }
    buffers |= {"encoder.audio_encoder.melspec.spectrogram.window": torch.ones(800)}
    model = MeshTalk.from_state_dict(state | buffers, heads=3)
    assert not model.training and all(weight.dtype == torch.float32 for weight in model.state_dict().values())
    assert model.state_dict().keys() == state.keys()
    for name, value in state.items():
        assert torch.equal(model.state_dict()[name], value.float()), name
    assert model.context_model.sample(torch.ones(1, 2, 128)).shape == (1, 2, 3)


def test_the_three_published_files_are_read(tmp_path, state, authors):
    for part, name in (("geom_unet", "vertex_unet"), ("encoder", "encoder"), ("context_model", "context_model")):
        own = {key.removeprefix(f"{part}."): value for key, value in state.items() if key.startswith(f"{part}.")}
        torch.save(own, tmp_path / f"{name}.pkl")
    model = MeshTalk.from_files(tmp_path, heads=3)
    assert all(torch.equal(value, model.state_dict()[name]) for name, value in authors.state_dict().items())
    torch.save({"code": len}, tmp_path / "encoder.pkl")
    with pytest.raises(ValueError, match="encoder.pkl: refused"):
        MeshTalk.from_files(tmp_path, heads=3)
    (tmp_path / "vertex_unet.pkl").unlink()
    with pytest.raises(FileNotFoundError, match="vertex_unet.pkl"):
        MeshTalk.from_files(tmp_path, heads=3)


def test_every_wrong_key_is_named(state):
    wrong = dict(state)
    wrong["encoder.audio_encoder.code.bias"] = torch.zeros(127)
    wrong["geom_unet.head.bias"] = wrong.pop("geom_unet.vertex_bias")
    with pytest.raises(ValueError, match="not the weights of MeshTalk") as raised:
        MeshTalk.from_state_dict(wrong, heads=3)
    for part in (
        "missing: geom_unet.vertex_bias (72,)",
        "unexpected: geom_unet.head.bias (72,)",
        "wrong shape: encoder.audio_encoder.code.bias is (127,), expected (128,)",
    ):
        assert part in str(raised.value)
    for heads in (2, 0, -3):
        with pytest.raises(ValueError, match=f"not weights of {heads} heads"):
            MeshTalk.from_state_dict(state, heads=heads)
    with pytest.raises(ValueError, match="missing: geom_unet.mean"):
        MeshTalk.from_state_dict({}, heads=16)


def test_the_published_sizes():
    with torch.device("meta"):
        model = MeshTalk(5023)
    sizes = {name: sum(weight.numel() for weight in part.parameters()) for name, part in model.named_modules()}
    assert sizes["encoder.audio_encoder"] == 560_128
    assert round(sizes["geom_unet"], -5) == 16.3e6 and round(sizes["context_model"], -5) == 17.7e6


def test_what_is_learnt_starts_as_published():
    torch.manual_seed(0)
    encoder = meshtalk.AudioEncoder()
    for layer in (encoder.convert_dimensions, *encoder.convs):
        assert (layer.bias == 0.01).all()
        limit = math.sqrt(6 / (5 * (layer.in_channels + layer.out_channels)))
        assert 0.99 * limit < layer.weight.abs().max() <= limit
    assert encoder.code.weight.abs().max() <= math.sqrt(6 / 256)
    assert encoder.train()(torch.ones(1, 80, 101)).ne(encoder(torch.ones(1, 80, 101))).any()  # dropout


def random_model(vertices=10, heads=4, classes=5, seed=0):
    torch.manual_seed(seed)
    model = MeshTalk(vertices, heads, classes, width=6).eval()
    with torch.no_grad():
        for part in (model.geom_unet, model.encoder.expression_encoder):
            part.mean.normal_(0, 50)
            part.stddev.uniform_(2, 9)
        for weight in model.context_model.parameters():
            weight.mul_(3)
        model.geom_unet.vertex_bias.normal_()
    return model


def leaky(values):
    return np.where(values > 0, values, 0.2 * values)


def test_the_decoder_of_another_size_is_what_a_plain_loop_gives():
    model = random_model(vertices=7, heads=2, classes=3)
    unet = model.geom_unet
    state = {name: value.double().numpy() for name, value in unet.state_dict().items()}
    rng = np.random.default_rng(0)
    template, labels = rng.normal(0, 60, (7, 3)), rng.integers(0, 3, (6, 2))
    memories = np.zeros((2, 2, 128))
    with torch.no_grad():
        decoded = unet(torch.from_numpy(template).float()[None], F.one_hot(torch.from_numpy(labels), 3).float()[None])[
            0
        ]
    for t in range(6):
        hidden = ((template - state["mean"][0, 0]) / state["stddev"][0, 0]).ravel()
        skips = []
        for i in range(3):
            skips.append(hidden)
            hidden = leaky(state[f"encoder.{i}.weight"] @ hidden + state[f"encoder.{i}.bias"])
        hidden = np.concatenate([hidden, np.eye(3)[labels[t]].ravel()])
        hidden = leaky(state["fusion.weight"] @ hidden + state["fusion.bias"])
        for i in range(2):
            gates = state[f"temporal.weight_ih_l{i}"] @ hidden + state[f"temporal.bias_ih_l{i}"]
            gates = gates + state[f"temporal.weight_hh_l{i}"] @ memories[i, 1] + state[f"temporal.bias_hh_l{i}"]
            enter, forget, candidate, out = np.split(gates, 4)
            keep = memories[i, 0] / (1 + np.exp(-forget)) + np.tanh(candidate) / (1 + np.exp(-enter))
            hidden = np.tanh(keep) / (1 + np.exp(-out))
            memories[i] = keep, hidden
        for i in range(3):
            hidden = skips[2 - i] + leaky(state[f"decoder.{i}.weight"] @ hidden + state[f"decoder.{i}.bias"])
        hidden = hidden + state["vertex_bias"]
        close(decoded[t], hidden.reshape(7, 3) * state["stddev"][0, 0] + state["mean"][0, 0], atol=1e-3)  # of 100 mm


def test_drawn_animations_follow_their_generator():
    model = random_model(heads=3, classes=4, seed=5)
    audio, template = torch.randn(3000), torch.randn(10, 3)
    clips = [model.animate(audio, template, "gumbel", torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)]
    assert torch.equal(clips[0], clips[1]) and not torch.equal(clips[0], clips[2])
    uniform = torch.rand(len(clips[0]), 3, 4, generator=torch.Generator().manual_seed(1))
    labels = model.context_model.sample(model.encode_speech(audio)[None].detach(), gumbel(uniform)[None])
    with torch.no_grad():
        assert torch.equal(model.geom_unet(template[None], F.one_hot(labels, 4).float())[0], clips[0])
    torch.manual_seed(9)
    first = model.animate(audio, template, "gumbel")
    assert not torch.equal(first, model.animate(audio, template, "gumbel"))
    likeliest = model.animate(audio, template)
    assert torch.equal(likeliest, model.animate(audio, template)) and likeliest.shape == (5, 10, 3)
    assert model.animate(audio, template, fps=60, centres="exact").shape == (11, 10, 3)


def test_long_audio_is_encoded_in_pieces_and_the_same():
    model = random_model()
    audio = torch.randn(16000 * 3)
    with torch.no_grad():
        whole = model.encoder.audio_encoder(log_mel(chunks(normalise(audio))))
        assert len(whole) > meshtalk._CHUNKS_AT_ONCE
        close(model.encode_speech(audio), whole, atol=1e-5)


@pytest.mark.parametrize(
    ("audio", "template", "sampling", "named"),
    [
        (torch.ones(2, 3000), torch.zeros(10, 3), "argmax", "audio"),
        (torch.ones(3000), torch.zeros(9, 3), "argmax", "template"),
        (torch.ones(3000), torch.zeros(10, 3), "likeliest", "argmax or gumbel"),
        (torch.zeros(0), torch.zeros(10, 3), "argmax", "too short for a frame"),
    ],
)
def test_other_inputs_are_refused(audio, template, sampling, named):
    with pytest.raises(ValueError, match=named):
        random_model().animate(audio, template, sampling)


def test_losses_of_other_sizes_are_what_their_definition_says():
    model = random_model(vertices=6, heads=2, classes=3)
    torch.manual_seed(1)
    geometry, template, spectrograms = (
        torch.randn(4, 3, 6, 3) * 30,
        torch.randn(4, 6, 3) * 30,
        torch.randn(4, 3, 80, 101),
    )
    regions = Regions(torch.rand(6), torch.rand(6), (torch.rand(6) > 0.5).float())
    uniform = torch.rand(3, 4, 3, 2, 3)
    with torch.no_grad():
        parts = autoencoder_losses(model, geometry, template, spectrograms, regions, (1, 3), uniform)
        audio, expression = model.encoder.audio_encoder(spectrograms), model.encoder.expression_encoder(geometry)
        total = {"recon": 0.0, "landmarks": 0.0, "mouth": 0.0, "upper": 0.0}
        for row in range(4):
            pairs = ((row, row), ((row + 1) % 4, row), (row, (row + 3) % 4))
            made = []
            for draw, (said, heard) in enumerate(pairs):
                scores = model.encoder.fusion_model(expression[said][None], audio[heard][None])
                labels = (scores[0] + gumbel(uniform[draw, row])).argmax(-1)
                made.append(model.geom_unet(template[row][None], F.one_hot(labels, 3).float()[None])[0])
            squares = [(each - geometry[row]).square() for each in made]
            total["recon"] += squares[0].mean() / 4
            weighted = (("landmarks", 0, "eyelids"), ("mouth", 1, "mouth"), ("upper", 2, "upper"))
            for name, draw, region in weighted:
                weights = getattr(regions, region)
                total[name] += (squares[draw] * weights[:, None]).sum() / (4 * 3 * weights.sum() * 3)
    close(parts["recon"], total["recon"])
    close(parts["landmarks"], total["landmarks"])
    close(parts["modality_crossing"], total["mouth"] + total["upper"])
    close(parts["loss"], sum(total.values()))
    with pytest.raises(ValueError, match="expected log-mels"):
        autoencoder_losses(model, geometry, template, spectrograms[:, :2], regions, (1, 3))


def test_quantised_classes_hand_on_the_gradients_of_probabilities():
    logits = torch.randn(5, 4, dtype=torch.float64, requires_grad=True)
    weights = torch.randn(5, 4, dtype=torch.float64)
    (quantise(logits.log_softmax(-1)) * weights).sum().backward()
    reached, logits.grad = logits.grad, None
    (logits.softmax(-1) * weights).sum().backward()
    close(reached, logits.grad, atol=1e-12)


def test_smoothing_is_what_a_plain_loop_gives():
    geometry, mask = torch.randn(12, 4, 3).double(), torch.tensor([0.0, 1.0, 0.5, 0.25]).double()
    weights = np.exp(-0.5 * np.arange(-4, 5) ** 2 / 4)
    weights /= weights.sum()
    for count in (12, 1):
        smoothed = smooth(geometry[:count], mask)
        for t in range(count):
            near = sum(w * geometry[min(max(t + k - 4, 0), count - 1)] for k, w in enumerate(weights))
            close(smoothed[t], mask[:, None] * near + (1 - mask[:, None]) * geometry[t], atol=1e-12)
