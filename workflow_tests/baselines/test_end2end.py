"""end2end_AU_speech: its authors' spectrograms, a transcription of its network, and plain loops at other sizes."""

import math

import numpy as np
import pytest
import torch

from said.baselines import end2end
from said.baselines.end2end import End2End, losses, spectrograms


@pytest.fixture(scope="module")
def golden(official):
    return {
        key: torch.from_numpy(value) for key, value in np.load(official / "golden/end2end_model_golden.npz").items()
    }


def weights_of(golden, encoder):
    weights = {name.removeprefix("weight/"): value for name, value in golden.items() if name.startswith("weight/")}
    return {name: value for name, value in weights.items() if encoder == "eight" or not name.startswith("t_conv")}


def close(reached, expected, rtol=1e-4, atol=1e-4):
    torch.testing.assert_close(reached, torch.as_tensor(expected), rtol=rtol, atol=atol, check_dtype=False)


@pytest.mark.parametrize("fps", [60, 30])
def test_the_spectrograms_are_the_authors(official, fps):
    values = np.load(official / "golden/end2end_spectrogram_golden.npz")
    frames, expected = values[f"frames_{fps}fps"], values[f"spectrogram_{fps}fps"]
    audio = values["audio_44100"]
    reached = spectrograms(audio, fps, frames=int(frames.max()) + 1)
    assert reached.dtype == np.float32
    # Near the floor the authors' single precision is off by itself, by 8e-4 from double.
    np.testing.assert_allclose(reached[frames], expected, atol=2e-3)
    assert np.mean(np.abs(reached[frames] - expected)) < 2e-6
    counted = spectrograms(audio, fps)
    assert len(counted) == math.ceil(len(audio) / (44100 // fps))
    assert np.array_equal(counted[: len(reached)], reached[: len(counted)])


def plain_spectrogram(audio, end):
    """The spectrogram of the 3968 samples before `end`, step by step."""
    window = np.array([audio[i] if 0 <= i < len(audio) else 0.0 for i in range(end - 3968, end)])
    padded = np.concatenate([window[128:0:-1], window, window[-2:-130:-1]])
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(256) / 256)
    angles = np.exp(-2j * np.pi * np.outer(np.arange(129), np.arange(256)) / 256)
    magnitudes = np.array([np.abs(angles @ (padded[128 * t : 128 * t + 256] * hann)) for t in range(32)]).T
    decibels = 20 * np.log10(np.maximum(magnitudes, 1e-5)) - 20 * np.log10(max(magnitudes.max(), 1e-5))
    return np.abs(np.maximum(decibels, -80))[:128] / 80


@pytest.mark.parametrize(
    ("samples", "fps", "frames"),
    [(1, 60, 1), (735, 60, 1), (736, 60, 2), (9000, 30, 7), (5000, 29.97, 4), (8000, 24, 5)],
)
def test_spectrograms_of_other_lengths_and_rates(samples, fps, frames):
    audio = np.random.default_rng(samples).normal(0, 0.1, samples)
    reached = spectrograms(audio, fps)
    assert reached.shape == (frames, 128, 32)
    for frame in range(frames):
        expected = plain_spectrogram(audio, (frame + 1) * int(44100 // fps))
        np.testing.assert_allclose(reached[frame], expected, atol=1e-5)


def test_the_number_of_frames_may_be_given():
    audio = np.random.default_rng(0).normal(size=3000)
    reached = spectrograms(torch.from_numpy(audio), 60, 12)
    assert reached.shape == (12, 128, 32) and np.array_equal(reached[:3], spectrograms(audio, 60, 3))
    assert not reached[10:].any()  # all of it is beyond the end: digital silence, where all is as loud as the loudest
    assert spectrograms(audio, 60, 0).shape == (0, 128, 32)


def test_many_frames_are_taken_in_pieces_and_the_same():
    audio = np.random.default_rng(0).normal(size=4410 * 60)
    reached = spectrograms(audio, 60)
    assert len(reached) == 360 > end2end._FRAMES_AT_ONCE
    for frame in (255, 256, 257, 359):
        np.testing.assert_allclose(reached[frame], plain_spectrogram(audio, 735 * (frame + 1)), atol=1e-5)


@pytest.mark.parametrize(
    ("audio", "fps", "frames"),
    [
        (np.zeros(0), 60, None),
        (np.zeros((2, 900)), 60, None),
        (np.array([0.0, np.nan]), 60, None),
        (np.zeros(900), 0, None),
        (np.zeros(900), 44101, None),
        (np.zeros(900), 60, -1),
    ],
)
def test_what_has_no_spectrogram_is_refused(audio, fps, frames):
    with pytest.raises(ValueError, match="finite audio|fps|frames"):
        spectrograms(audio, fps, frames)


@pytest.mark.parametrize(("encoder", "prefix"), [("eight", "eight_conv"), ("five", "five_conv_pool")])
def test_the_network_is_the_transcription(golden, encoder, prefix):
    model = End2End.from_state_dict(weights_of(golden, encoder))
    features = golden["spectrogram"].float()
    hidden = features[:2, None]
    with torch.no_grad():
        for layer in model.over_frequency:
            hidden = model.get_submodule(layer)(hidden)
        close(hidden, golden["f_conv5"])
        encoded = model.encode(features)
        close(encoded, golden[f"{prefix}_encoder"])
        close(model.gru(encoded, [14]), golden[f"{prefix}_gru"])
        output = model(features)
    close(output, golden[f"{prefix}_output"])
    target, deviation = golden["target"], golden["inverse_std"]
    close(losses(output, target)["error"], golden[f"{prefix}_loss_l2"])
    close(losses(output, target, sparsity=0)["loss"], golden[f"{prefix}_loss_l2"])
    parts = losses(output, target, deviation)
    close(parts["error"], golden[f"{prefix}_loss_normalised"])
    close(parts["loss"], golden[f"{prefix}_loss_default"])
    assert not model.training


def random_model(encoder="five", pooling=2, seed=0):
    torch.manual_seed(seed)
    model = End2End(outputs=5, width=2, hidden=6, encoder=encoder, pooling=pooling).eval()
    with torch.no_grad():
        for name, value in model.state_dict().items():
            if ".bn." in name:
                value.uniform_(0.5, 2) if name.endswith(("scale", "variance")) else value.normal_()
        model.gru.b.normal_()
    return model


def plain_output(state, spectrogram, encoder, pooling):
    """Coefficients of one clip, in double precision, by sums over the kernels' places."""

    def convolve(hidden, name, axis):
        weight = state[f"{name}.weight"]
        reach = weight.shape[2 + axis] // 2
        size = hidden.shape[2 + axis] // 2
        pad = [(0, 0)] * 4
        pad[2 + axis] = (reach, reach)
        padded, total = np.pad(hidden, pad), 0
        for place in range(2 * reach + 1):
            rows = np.take(padded, range(place, place + 2 * size - 1, 2), 2 + axis)
            total = total + np.einsum("oc,nchw->nohw", weight.sum(3 - axis)[:, :, place], rows)
        bn = {part: state[f"{name}.bn.{part}"][:, None, None] for part in ("scale", "bias", "mean", "variance")}
        total = (total - bn["mean"]) / np.sqrt(bn["variance"] + 1e-5) * bn["scale"] + bn["bias"]
        return np.where(total > 0, total, 0.01 * total)

    hidden = spectrogram[:, None]
    for layer in range(1, 6):
        hidden = convolve(hidden, f"conv{layer}", 0)
    for layer in range(1, 4):
        if encoder == "eight":
            hidden = convolve(hidden, f"t_conv{layer}", 1)
        else:
            steps, pad = hidden.shape[3] // 2, pooling - 2
            padded = np.pad(hidden, ((0, 0), (0, 0), (0, 0), (pad, pad)), constant_values=-np.inf)
            hidden = np.stack([padded[..., 2 * t : 2 * t + pooling].max(-1) for t in range(steps)], -1)
    hidden = hidden.reshape(len(hidden), -1)
    width, rows = len(state["gru.H1"]), []
    last = np.zeros(width)
    for row in hidden:
        update, reset, candidate = np.split(row @ state["gru.W"] + state["gru.b"], 3)
        of_update, of_reset = np.split(last @ state["gru.H"], 2)
        update, reset = 1 / (1 + np.exp(-update - of_update)), 1 / (1 + np.exp(-reset - of_reset))
        candidate = np.tanh(candidate + (reset * last) @ state["gru.H1"])
        last = (1 - update) * candidate + update * last
        rows.append(last)
    return 1 / (1 + np.exp(-(np.array(rows) @ state["output.weight"] + state["output.bias"])))


@pytest.mark.parametrize(
    ("encoder", "pooling", "frames"), [("five", 2, 9), ("five", 3, 4), ("eight", 2, 1), ("eight", 2, 7)]
)
def test_other_sizes_are_what_a_plain_loop_gives(encoder, pooling, frames):
    model = random_model(encoder, pooling, seed=frames)
    state = {name: value.double().numpy() for name, value in model.state_dict().items()}
    features = np.random.default_rng(frames).uniform(size=(frames, 128, 32))
    with torch.no_grad():
        output = model(torch.from_numpy(features).float())
    close(output, plain_output(state, features, encoder, pooling))
    again = End2End.from_state_dict(model.state_dict(), pooling=pooling)
    with torch.no_grad():
        assert torch.equal(again(torch.from_numpy(features).float()), output)


def test_clips_together_are_clips_one_by_one():
    model = random_model()
    clips = [torch.rand(frames, 128, 32) for frames in (4, 1, 7, 0)]
    with torch.no_grad():
        together = model(torch.cat(clips), [4, 1, 7, 0]).split([4, 1, 7, 0])
        for clip, output in zip(clips, together, strict=True):
            close(output, model(clip), atol=1e-6)


def test_audio_becomes_coefficients():
    model = random_model()
    audio = np.random.default_rng(0).normal(size=4000)
    with torch.no_grad():
        close(model.animate(audio, 60, 9), model(torch.from_numpy(spectrograms(audio, 60, 9))), atol=1e-6)
    coefficients = model.train().animate(audio, 60)
    assert coefficients.shape == (6, 5) and not coefficients.requires_grad


def test_other_inputs_are_refused():
    model = random_model()
    for features, lengths in (
        (torch.zeros(2, 128, 31), None),
        (torch.zeros(128, 32), None),
        (torch.zeros(3, 128, 32), [1, 1]),
    ):
        with pytest.raises(ValueError, match="expected spectrograms|do not add up"):
            model(features, lengths)
    for settings in ({"encoder": "nine"}, {"pooling": 4}):
        with pytest.raises(ValueError, match="five or eight"):
            End2End(**settings)
    with pytest.raises(ValueError, match="true ones"):
        losses(torch.zeros(3, 2), torch.zeros(3, 1))


def test_every_wrong_key_is_named():
    state = dict(random_model("eight").state_dict())
    state["conv3.bn.mean"] = torch.zeros(3)
    state["gru.H2"] = state.pop("gru.H1")
    del state["t_conv2.weight"]
    with pytest.raises(ValueError, match="not the weights of End2End") as raised:
        End2End.from_state_dict(state)
    for part in (
        "missing: gru.H1",
        "unexpected: gru.H2 (6, 6)",
        "wrong shape: conv3.bn.mean is (3,), expected (8,)",
        "missing: t_conv2.weight",
    ):
        assert part in str(raised.value)


def test_running_statistics_forget_by_the_frame():
    model = random_model().train()
    features = torch.rand(7, 128, 32)
    before = model.conv1.bn.mean.clone(), model.conv1.bn.variance.clone()
    model(features, [4, 3])
    hidden = torch.nn.functional.conv2d(features[:, None], model.conv1.weight, None, (2, 1), (2, 0)).detach()
    kept = math.exp(-7 / 5000)
    close(model.conv1.bn.mean, kept * before[0] + (1 - kept) * hidden.mean((0, 2, 3)), atol=1e-6)
    close(model.conv1.bn.variance, kept * before[1] + (1 - kept) * hidden.var((0, 2, 3)), atol=1e-6)


def test_training_drops_and_learns_in_every_weight():
    model = random_model().train()
    features, target = torch.rand(9, 128, 32), torch.rand(9, 5)
    assert not torch.equal(model(features), model(features))
    losses(model(features), target, torch.ones(5))["loss"].backward()
    assert all(weight.grad is not None and weight.grad.any() for weight in model.parameters())


def test_losses_are_what_their_definition_says():
    rng = np.random.default_rng(0)
    predicted, target, deviation = rng.uniform(size=(4, 3)), rng.uniform(size=(4, 3)), rng.uniform(1, 9, 3)
    parts = losses(*map(torch.from_numpy, (predicted, target, deviation)), sparsity=0.3)
    error = np.mean([((predicted[n, k] - target[n, k]) * deviation[k]) ** 2 for n in range(4) for k in range(3)])
    assert parts["error"].item() == pytest.approx(error)
    assert parts["loss"].item() == pytest.approx(error + 0.3 * predicted.mean())


def test_the_published_sizes_and_how_learning_starts():
    torch.manual_seed(0)
    five, eight = End2End(), End2End(encoder="eight")

    def count(model, part):
        return sum(weight.numel() for name, weight in model.named_parameters() if part in name)

    assert round(count(five, "conv"), -4) == 0.52e6 and round(count(eight, "conv"), -4) == 2.89e6
    assert round(count(eight, "gru"), -4) == 6.49e6 and five.output.weight.shape == (256, 32)
    assert five.conv5.weight.std().item() == pytest.approx(math.sqrt(2 / (3 * 256)), rel=0.01)
    assert five.gru.W.abs().max().item() == pytest.approx(math.sqrt(6 / (8192 + 768)), rel=0.01)
