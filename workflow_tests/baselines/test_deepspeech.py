"""DeepSpeech 0.1.0: its authors' values, and a plain loop over its graph's constants at other sizes."""

import math

import numpy as np
import pytest
import torch
from tensorflow_files import write_graph

from said.baselines import deepspeech
from said.baselines.deepspeech import DeepSpeech, inputs, load_graph, resample


@pytest.fixture(scope="module")
def audio(official):
    return np.load(official / "golden/voca_audio_golden.npz")


@pytest.mark.parametrize("utterance", ["a", "b"])
def test_the_logits_are_the_authors(official, utterance):
    golden = np.load(official / "golden/voca_deepspeech_golden.npz")
    model = load_graph(official / "golden/voca_deepspeech_graph.pb")
    logits = model(torch.from_numpy(golden[f"input_{utterance}"].astype(np.float32)))
    np.testing.assert_allclose(logits.numpy(), golden[f"logits_{utterance}"], rtol=1e-4, atol=1e-4)
    assert not model.training and not logits.requires_grad
    assert torch.equal(model(golden[f"input_{utterance}"]), logits)  # float16 arrays are taken, too


def test_the_published_size():
    with torch.device("meta"):
        model = DeepSpeech()
    assert (
        round(sum(weight.numel() for name, weight in model.named_parameters() if "bias_hh" not in name), -5) == 122.7e6
    )


def random_constants(first=5, second=7, third=6, cells=4, width=3, seed=0):
    """Constants of a graph of another size."""
    rng = np.random.default_rng(seed)
    shapes = {"h1": (494, first), "b1": (first,), "h2": (first, second), "b2": (second,), "h3": (second, third)}
    shapes |= {"b3": (third,), "h5": (2 * cells, width), "b5": (width,), "h6": (width, 29), "b6": (29,)}
    for way in ("fw", "bw"):
        cell = f"bidirectional_rnn/{way}/basic_lstm_cell"
        shapes |= {f"{cell}/kernel": (third + cells, 4 * cells), f"{cell}/bias": (4 * cells,)}
    return {name: rng.normal(0, 0.8, shape).astype(np.float32) for name, shape in shapes.items()}


def plain_logits(constants, features):
    """The graph, step by step."""

    def dense(hidden, number):
        return np.clip(hidden @ constants[f"h{number}"] + constants[f"b{number}"], 0, 20)

    def sigmoid(values):
        return 1 / (1 + np.exp(-values))

    hidden = dense(dense(dense(features.astype(np.float64), 1), 2), 3)
    ways = []
    for way in ("fw", "bw"):
        kernel, bias = (constants[f"bidirectional_rnn/{way}/basic_lstm_cell/{part}"] for part in ("kernel", "bias"))
        cells = len(bias) // 4
        memory, output, outputs = np.zeros(cells), np.zeros(cells), []
        for row in hidden if way == "fw" else hidden[::-1]:
            gate, candidate, forget, out = np.split(np.concatenate([row, output]) @ kernel + bias, 4)
            memory = memory * sigmoid(forget + 1) + sigmoid(gate) * np.tanh(candidate)
            output = np.tanh(memory) * sigmoid(out)
            outputs.append(output)
        ways.append(outputs if way == "fw" else outputs[::-1])
    return dense(np.concatenate(ways, 1), 5) @ constants["h6"] + constants["b6"]


@pytest.mark.parametrize(("frames", "seed"), [(1, 0), (2, 1), (31, 2)])
def test_other_sizes_and_lengths_are_what_a_plain_loop_gives(tmp_path, frames, seed):
    constants = random_constants(seed=seed)
    write_graph(tmp_path / "graph.pb", constants | {"Minimum/y": np.array(20, np.float32), "axis": np.array([0, 1])})
    features = np.random.default_rng(seed + 10).normal(size=(frames, 494)).astype(np.float32)
    logits = load_graph(tmp_path / "graph.pb")(torch.from_numpy(features))
    np.testing.assert_allclose(logits, plain_logits(constants, features), rtol=1e-4, atol=1e-4)


def test_other_graphs_are_refused_and_all_faults_named(tmp_path):
    constants = random_constants()
    constants["b5"] = np.zeros(9, np.float32)
    constants["lstm_fused_cell/kernel"] = constants.pop("bidirectional_rnn/bw/basic_lstm_cell/kernel")
    write_graph(tmp_path / "graph.pb", constants)
    with pytest.raises(ValueError, match="graph.pb: not the graph of DeepSpeech 0.1.0") as raised:
        load_graph(tmp_path / "graph.pb")
    for part in (
        "missing: bidirectional_rnn/bw/basic_lstm_cell/kernel (10, 16)",
        "unexpected: lstm_fused_cell/kernel (10, 16)",
        "wrong shape: b5 is (9,), expected (3,)",
    ):
        assert part in str(raised.value)
    write_graph(tmp_path / "graph.pb", {"nothing": np.ones(1, np.int32)})
    with pytest.raises(ValueError, match=r"missing: h1 \(494, 2048\)"):
        load_graph(tmp_path / "graph.pb")


def test_inputs_of_another_shape_are_refused(tmp_path):
    write_graph(tmp_path / "graph.pb", random_constants())
    model = load_graph(tmp_path / "graph.pb")
    for features in (torch.zeros(3, 493), torch.zeros(494), torch.zeros(0, 494)):
        with pytest.raises(ValueError, match="expected features"):
            model(features)


def test_the_features_are_the_authors(audio):
    assert np.array_equal(resample(audio["audio_22050"], 22050), audio["resampled_int16"])
    for samples, rate in ((audio["audio_22050"], 22050), (audio["resampled_int16"], 16000)):
        features = inputs(samples, rate)
        assert features.dtype == np.float32 and features.shape == audio["input_vector"].shape
        np.testing.assert_allclose(features, audio["input_vector"], rtol=1e-4, atol=1e-4)


def test_the_cepstra_are_the_authors(audio):
    cepstra = plain_cepstra(audio["resampled_int16"])
    np.testing.assert_allclose(cepstra, audio["mfcc"], rtol=1e-6, atol=1e-6)


def plain_cepstra(samples):
    """Mel frequency cepstra as python_speech_features defines them, frame by frame."""
    signal = np.append(samples[0], samples[1:] - 0.97 * samples[:-1]).astype(np.float64)
    count = 1 if len(signal) <= 400 else 1 + math.ceil((len(signal) - 400) / 160)
    signal = np.pad(signal, (0, max(0, 160 * (count - 1) + 400 - len(signal))))
    mels = np.linspace(0, 2595 * np.log10(1 + 8000 / 700), 28)
    bins = np.floor(513 * 700 * (10 ** (mels / 2595) - 1) / 16000)
    bank = np.zeros((26, 257))
    for band in range(26):
        low, middle, high = bins[band : band + 3].astype(int)
        bank[band, low:middle] = (np.arange(low, middle) - low) / (middle - low)
        bank[band, middle:high] = (high - np.arange(middle, high)) / (high - middle)
    rows = []
    for frame in range(count):
        power = np.abs(np.fft.rfft(signal[160 * frame : 160 * frame + 400], 512)) ** 2 / 512
        least = np.finfo(float).eps
        bands = bank @ power
        logs = np.log(np.where(bands == 0, least, bands))
        angles = np.pi * np.outer(np.arange(26), np.arange(26) + 0.5) / 26
        cosine = np.sqrt(2 / 26) * np.cos(angles) @ logs * np.where(np.arange(26) == 0, np.sqrt(0.5), 1)
        row = cosine * (1 + 11 * np.sin(np.pi * np.arange(26) / 22))
        row[0] = np.log(power.sum() or least)
        rows.append(row)
    return np.array(rows)


@pytest.mark.parametrize("samples", [1, 399, 400, 401, 560, 561, 7000])
def test_windows_of_other_lengths_are_what_a_plain_loop_gives(samples):
    audio = np.random.default_rng(samples).integers(-9000, 9000, samples).astype(np.int16)
    steps = plain_cepstra(audio.astype(np.float64))[::2]
    rows = []
    for step in range(len(steps)):
        near = [steps[i] if 0 <= i < len(steps) else np.zeros(26) for i in range(step - 9, step + 10)]
        rows.append(np.concatenate(near))
    expected = (np.array(rows) - np.mean(rows)) / np.std(rows)
    features = inputs(audio, 16000)
    assert features.shape == (len(steps), 494)
    np.testing.assert_allclose(features, expected, rtol=1e-4, atol=1e-4)


def test_the_first_channel_counts():
    audio = np.random.default_rng(0).integers(-9000, 9000, (5000, 2)).astype(np.int16)
    assert np.array_equal(inputs(audio, 22050), inputs(audio[:, 0], 22050))


def test_what_overshoots_is_clipped():
    square = np.tile(np.repeat(np.array([32767, -32768], np.int16), 100), 50)
    resampled = resample(square, 22050)
    assert np.abs(np.diff(resampled.astype(int)[100:-100])).max() < 65000
    assert (resampled == 32767).any() and (resampled[20:60] > 20000).all()


@pytest.mark.parametrize(
    ("samples", "rate"),
    [
        (np.zeros(100), 16000),
        (np.zeros(0, np.int16), 16000),
        (np.zeros((1, 2, 3), np.int16), 16000),
        (np.zeros(900, np.int16), 0),
    ],
)
def test_what_is_no_16_bit_audio_is_refused(samples, rate):
    with pytest.raises(ValueError, match="16-bit samples|sample rate"):
        inputs(samples, rate)


def test_digital_silence_has_features():
    features = inputs(np.zeros(16000, np.int16), 16000)
    assert np.isfinite(features).all() and abs(features.mean()) < 1e-6 and deepspeech.FEATURES == features.shape[1]
