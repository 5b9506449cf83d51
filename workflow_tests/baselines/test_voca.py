"""VOCA: its authors' values from their own checkpoint, and a plain transcription at other sizes."""

import numpy as np
import pytest
import torch
from tensorflow_files import write_checkpoint

from said.baselines import voca
from said.baselines.voca import TensorFlowAdam, Voca, losses, speech_windows


@pytest.fixture(scope="module")
def golden(official):
    return {key: torch.from_numpy(value) for key, value in np.load(official / "golden/voca_golden.npz").items()}


@pytest.fixture
def fresh(golden):
    """The network before training, as the authors' was."""
    names = Voca(30).variables()
    return Voca.from_variables({name: golden[f"init/{name}"] for name in names}).train()


def batch(golden, number):
    part = {name: golden[f"train{number}_{name}"] for name in ("speech", "subject", "template", "target")}
    return (part["speech"], part["subject"].long(), part["template"]), part["target"]


def close(reached, expected, atol=1e-4):
    torch.testing.assert_close(reached, torch.as_tensor(expected), rtol=1e-4, atol=atol, check_dtype=False)


def test_training_mode_is_the_authors(golden, fresh):
    inputs, target = batch(golden, 0)
    output = fresh(*inputs)
    close(output, golden["forward_train_output"], 1e-6)
    close(torch.stack(list(losses(output, target).values())), golden["forward_train_losses"], 1e-9)
    statistics = "after_forward/VOCA/SpeechEncoder/batch_norm"
    close(fresh.batch_norm.running_mean, golden[f"{statistics}/moving_mean"])
    close(fresh.batch_norm.running_var, golden[f"{statistics}/moving_variance"])
    close(fresh.encode(*inputs[:2]), golden["forward_train_encoding"])


def test_three_steps_of_training_are_the_authors(golden, fresh):
    optimiser = TensorFlowAdam(fresh.parameters(), lr=1e-4)
    for number in range(3):
        inputs, target = batch(golden, number)
        parts = losses(fresh(*inputs), target)
        close(torch.stack(list(parts.values())), golden["train_losses"][number], 1e-9)
        optimiser.zero_grad()
        parts["loss"].backward()
        optimiser.step()
    for name, value in fresh.variables().items():
        # A step is 1e-4: what was learnt is compared, not what was there before.
        close(value - golden[f"init/{name}"], golden[f"final/{name}"] - golden[f"init/{name}"], 1e-5)


def test_inference_from_the_checkpoint_is_the_authors(golden, official):
    model = Voca.from_checkpoint(official / "golden/voca_gstep_3.model")
    assert not model.training
    for name, value in model.variables().items():
        assert torch.equal(value, golden[f"final/{name}"]), name
    inputs, target = batch(golden, 1)
    with torch.no_grad():
        close(model.encode(*inputs[:2]), golden["infer_encoding"])
        output = model(*inputs)
    close(output, golden["infer_output"], 1e-6)
    close(torch.stack(list(losses(output, target).values())), golden["infer_losses"], 1e-9)


def test_styles_at_once_are_styles_one_by_one(golden, official):
    model = Voca.from_checkpoint(official / "golden/voca_gstep_3.model")
    windows, template = golden["train0_speech"], golden["train0_template"][0]
    styles = torch.tensor([3, 0, 7, 3])
    clips = model.animate(windows, template, styles)
    assert clips.shape == (4, 12, 30, 3) and not clips.requires_grad
    for style, clip in zip(styles, clips, strict=True):
        for window, frame in zip(windows, clip, strict=True):
            with torch.no_grad():
                close(frame, model(window[None], style[None], template[None])[0], 1e-6)
    assert torch.equal(model.animate(windows.double().numpy(), template.numpy(), [3, 0, 7, 3]), clips)


def random_variables(vertices, subjects, components, seed):
    rng = np.random.default_rng(seed)
    sizes = [29 + subjects, 32, 32, 64, 64]
    shapes = {f"SpeechEncoder/batch_norm/{part}": (1,) for part in ("beta", "gamma", "moving_mean", "moving_variance")}
    for layer in range(1, 5):
        shapes[f"SpeechEncoder/conv{layer}/weights"] = (3, 1, sizes[layer - 1], sizes[layer])
        shapes[f"SpeechEncoder/conv{layer}/biases"] = (sizes[layer],)
    for name, into, out in (
        ("SpeechEncoder/fc1", 64 + subjects, 128),
        ("SpeechEncoder/fc2", 128, components),
        ("ExpressionLayer/expression_offset", components, 3 * vertices),
    ):
        shapes |= {f"{name}/weights": (into, out), f"{name}/biases": (out,)}
    drawn = {f"VOCA/{name}": rng.normal(0, 0.2, shape).astype(np.float32) for name, shape in shapes.items()}
    drawn["VOCA/SpeechEncoder/batch_norm/moving_variance"] += 2
    return drawn


def plain(variables, window, subject, template):
    """One frame, as the paper's layers follow each other."""

    def get(name):
        return variables[f"VOCA/{name}"].astype(np.float64)

    norm = "SpeechEncoder/batch_norm"
    scale = get(f"{norm}/gamma") / np.sqrt(get(f"{norm}/moving_variance") + 1.001e-5)
    hidden = (window - get(f"{norm}/moving_mean")) * scale + get(f"{norm}/beta")
    one_hot = np.eye(get("SpeechEncoder/conv1/weights").shape[2] - 29)[subject]
    hidden = np.concatenate([hidden, np.tile(one_hot, (16, 1))], 1)
    for layer in range(1, 5):
        weights, padded = get(f"SpeechEncoder/conv{layer}/weights"), np.pad(hidden, ((0, 1), (0, 0)))
        steps = [sum(padded[2 * t + k] @ weights[k, 0] for k in range(3)) for t in range(len(hidden) // 2)]
        hidden = np.maximum(np.array(steps) + get(f"SpeechEncoder/conv{layer}/biases"), 0)
    hidden = np.concatenate([hidden.ravel(), one_hot])
    hidden = np.tanh(hidden @ get("SpeechEncoder/fc1/weights") + get("SpeechEncoder/fc1/biases"))
    hidden = hidden @ get("SpeechEncoder/fc2/weights") + get("SpeechEncoder/fc2/biases")
    name = "ExpressionLayer/expression_offset"
    return (hidden @ get(f"{name}/weights") + get(f"{name}/biases")).reshape(-1, 3) + template


@pytest.mark.parametrize(
    ("vertices", "subjects", "components", "frames"), [(11, 3, 4, 5), (1, 1, 1, 1), (40, 12, 50, 9)]
)
def test_other_sizes_are_what_a_plain_transcription_gives(tmp_path, vertices, subjects, components, frames):
    variables = random_variables(vertices, subjects, components, seed=vertices)
    extra = {"VOCA/VOCA/SpeechEncoder/fc1/weights/Adam": np.ones(2, np.float32), "global_step": np.array(5, np.int32)}
    extra |= {"VOCA/beta1_power": np.array(0.5, np.float32), "VOCA/VOCA/x/Adam_1": np.ones((2, 2), np.float32)}
    write_checkpoint(tmp_path / "gstep_5.model", variables | extra)
    model = Voca.from_checkpoint(tmp_path / "gstep_5.model")
    rng = np.random.default_rng(1)
    windows, template = rng.normal(size=(frames, 16, 29)), rng.normal(size=(vertices, 3))
    styles = [subjects - 1, 0]
    clips = model.animate(windows, template, styles)
    expected = [[plain(variables, window, style, template) for window in windows] for style in styles]
    close(clips, np.array(expected))


def test_no_frames_are_no_frames():
    assert Voca(5).eval().animate(torch.zeros(0, 16, 29), torch.zeros(5, 3), [0, 1]).shape == (2, 0, 5, 3)


def test_every_wrong_variable_is_named(tmp_path):
    variables = random_variables(4, 3, 5, seed=0)
    variables["VOCA/SpeechEncoder/fc2/biases"] = np.ones(6, np.float32)
    variables["VOCA/SpeechEncoder/conv3/weights"] = np.ones((1, 3, 32, 64), np.float32)
    variables["VOCA/SpeechEncoder/conv5/biases"] = variables.pop("VOCA/SpeechEncoder/conv4/biases")
    write_checkpoint(tmp_path / "model", variables)
    with pytest.raises(ValueError, match="model: not the weights of VOCA") as raised:
        Voca.from_checkpoint(tmp_path / "model")
    for part in (
        "wrong shape: VOCA/SpeechEncoder/fc2/biases is (6,), expected (5,)",
        "wrong shape: VOCA/SpeechEncoder/conv3/weights is (1, 3, 32, 64), expected (3, 1, 32, 64)",
        "missing: VOCA/SpeechEncoder/conv4/biases (64,)",
        "unexpected: VOCA/SpeechEncoder/conv5/biases (64,)",
    ):
        assert part in str(raised.value)
    write_checkpoint(tmp_path / "other", {"other/kernel": np.ones(2, np.float32)})
    with pytest.raises(ValueError, match=r"missing: VOCA/ExpressionLayer/expression_offset/weights \(50, 15069\)"):
        Voca.from_checkpoint(tmp_path / "other")
    with pytest.raises(FileNotFoundError, match="absent.index"):
        Voca.from_checkpoint(tmp_path / "absent")


@pytest.mark.parametrize(
    ("windows", "template", "styles", "named"),
    [
        (torch.zeros(2, 16, 28), torch.zeros(5, 3), [0], "windows"),
        (torch.zeros(16, 29), torch.zeros(5, 3), [0], "windows"),
        (torch.zeros(2, 16, 29), torch.zeros(6, 3), [0], "template"),
        (torch.zeros(2, 16, 29), torch.zeros(5, 3), [8], "from 0 to 7"),
        (torch.zeros(2, 16, 29), torch.zeros(5, 3), [-1], "from 0 to 7"),
        (torch.zeros(2, 16, 29), torch.zeros(5, 3), [0.5], "from 0 to 7"),
        (torch.zeros(2, 16, 29), torch.zeros(5, 3), 1, "from 0 to 7"),
    ],
)
def test_other_inputs_are_refused(windows, template, styles, named):
    with pytest.raises(ValueError, match=named):
        Voca(5).eval().animate(windows, template, styles)


def test_the_windows_are_the_authors(official):
    golden = np.load(official / "golden/voca_audio_golden.npz")
    windows = speech_windows(golden["logits_50fps"], len(golden["audio_22050"]), 22050)
    assert windows.shape == tuple(golden["windows_shape"])
    np.testing.assert_allclose(windows[:3], golden["windows_first3"], rtol=1e-6)
    np.testing.assert_allclose(windows[-3:], golden["windows_last3"], rtol=1e-6)
    np.testing.assert_allclose(windows[:, 8], golden["features_60fps"], rtol=1e-6)


@pytest.mark.parametrize(
    ("samples", "rate", "steps", "frames"),
    [(16000, 16000, 50, 60), (22051, 22050, 51, 60), (700, 44100, 1, 1), (1e6, 22050, 30, 2721)],
)
def test_windows_of_other_lengths(samples, rate, steps, frames):
    logits = np.random.default_rng(0).normal(size=(steps, 29))
    windows = speech_windows(logits, int(samples), rate)
    assert windows.shape == (frames, 16, 29)
    for frame in (0, frames // 2, frames - 1):
        for row in range(16):
            at = frame - 8 + row
            place = max(0, min(at / 60 * 50, steps - 1))
            before = int(place)
            after = min(before + 1, steps - 1)
            value = logits[before] * (1 - (place - before)) + logits[after] * (place - before)
            expected = value if 0 <= at < frames else np.zeros(29)
            np.testing.assert_allclose(windows[frame, row], expected, atol=1e-9)


def test_logits_of_another_shape_are_refused():
    for logits in (np.zeros((0, 29)), np.zeros((5, 28)), np.zeros(29)):
        with pytest.raises(ValueError, match="expected logits"):
            speech_windows(logits, 16000, 16000)


def test_losses_of_other_sizes_are_what_their_definition_says():
    rng = np.random.default_rng(2)
    predicted, target = rng.normal(size=(2, 6, 7, 3))
    position = np.mean([np.sum((predicted[b, v] - target[b, v]) ** 2) for b in range(6) for v in range(7)])
    pairs = [(2 * pair, v) for pair in range(3) for v in range(7)]
    moved = [(predicted[b + 1, v] - predicted[b, v]) - (target[b + 1, v] - target[b, v]) for b, v in pairs]
    parts = losses(torch.from_numpy(predicted), torch.from_numpy(target), velocity_weight=3.0)
    assert parts["position"].item() == pytest.approx(position)
    assert parts["velocity"].item() == pytest.approx(3 * np.mean([np.sum(step**2) for step in moved]))
    assert parts["loss"].item() == pytest.approx(parts["position"].item() + parts["velocity"].item())
    for wrong in (torch.zeros(5, 7, 3), torch.zeros(6, 8, 3)):
        with pytest.raises(ValueError, match="pairs of frames"):
            losses(wrong, torch.zeros(5, 7, 3))


def test_tensorflow_s_adam_at_gradients_as_small_as_its_epsilon_and_after_a_resume():
    weight = torch.nn.Parameter(torch.tensor([1.0, -2.0], dtype=torch.float64))
    gradients = 1e-9 * np.random.default_rng(3).normal(size=(7, 2))
    expected, first, second = weight.detach().numpy().copy(), np.zeros(2), np.zeros(2)
    optimiser = TensorFlowAdam([weight], lr=0.1)
    for step, gradient in enumerate(gradients, 1):
        first, second = 0.9 * first + 0.1 * gradient, 0.999 * second + 0.001 * gradient**2
        rate = 0.1 * np.sqrt(1 - 0.999**step) / (1 - 0.9**step)
        expected -= rate * first / (np.sqrt(second) + 1e-8)
        if step == 4:
            state, optimiser = optimiser.state_dict(), TensorFlowAdam([weight], lr=0.1)
            optimiser.load_state_dict(state)
        weight.grad = torch.from_numpy(gradient)
        optimiser.step()
        np.testing.assert_allclose(weight.detach(), expected, rtol=1e-9)


def test_a_new_network_starts_from_the_basis():
    basis = np.random.default_rng(0).normal(size=(15, 60)).astype(np.float32)
    torch.manual_seed(0)
    model = Voca(5, subjects=4, basis=basis)
    assert np.array_equal(model.expression_offset.weight.detach(), basis[:, :50])
    assert not model.expression_offset.bias.any() and not model.fc1.bias.any() and not model.fc2.bias.any()
    assert model.fc1.weight.abs().max() <= 0.2 and model.fc1.weight.std().item() == pytest.approx(0.088, abs=0.004)
    for layer in (model.conv1, model.conv2, model.conv3, model.conv4):
        assert layer.weight.abs().max() <= 0.04 and layer.weight.std().item() == pytest.approx(0.0176, abs=0.001)
        assert layer.bias.abs().max() <= 0.04 and layer.bias.any()
    for wrong in (basis[:, :49], basis[:14], basis[0]):
        with pytest.raises(ValueError, match="basis"):
            Voca(5, basis=wrong)


def test_the_published_size_and_speakers():
    with torch.device("meta"):
        shapes = {name: tuple(value.shape) for name, value in Voca(5023).variables().items()}
    assert shapes["VOCA/SpeechEncoder/conv1/weights"] == (3, 1, 37, 32)
    assert shapes["VOCA/ExpressionLayer/expression_offset/weights"] == (50, 15069)
    assert len(voca.SUBJECTS) == len(set(voca.SUBJECTS)) == 8
