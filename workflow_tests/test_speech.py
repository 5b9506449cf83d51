"""The speech encoder: the authors' values, alignment with the frames, preparation of audio, the stand-in."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import Wav2Vec2Config, Wav2Vec2Model

from said.files.tensors import load_strict
from said.running.integrity import UnreadableError
from said.speech import (
    encode,
    encode_clip,
    fetch_pretrained,
    load_encoder,
    normalise,
    receptive_field,
    save_encoder,
)
from said.training.stand_in import StandInSettings, build_stand_in, train_stand_in
from said.waveforms import require_encodable

SETTINGS = StandInSettings(
    width=32, layers=1, heads=2, feed_forward=32, channels=16, steps=40, batch_size=4, learning_rate=0.003
)


@pytest.fixture(scope="module")
def encoder():
    torch.manual_seed(0)
    return build_stand_in(SETTINGS).eval()


@torch.no_grad()
def test_features_are_the_authors(official):
    config = json.loads((official / "golden/tiny_wav2vec2_config.json").read_text(encoding="utf-8"))
    wav2vec2 = Wav2Vec2Model(Wav2Vec2Config(**config)).eval()
    load_strict(wav2vec2, load_file(official / "golden/tiny_wav2vec2.safetensors"), "tiny_wav2vec2")
    golden = {key: torch.from_numpy(v) for key, v in np.load(official / "golden/tiny_wav2vec2_golden.npz").items()}
    torch.testing.assert_close(normalise(golden["raw"]), golden["processed"], atol=1e-5, rtol=0)
    features = encode(wav2vec2, golden["processed"], int(golden["frames"]))
    torch.testing.assert_close(features, golden["embedding"], atol=1e-4, rtol=0)


@torch.no_grad()
@pytest.mark.parametrize("seconds", [3.0, 5.0])
def test_the_papers_encoder_takes_whole_sentences(seconds):
    torch.manual_seed(0)
    wav2vec2 = Wav2Vec2Model(Wav2Vec2Config(num_hidden_layers=1)).eval()  # wav2vec2-base, but for its depth
    waveform = normalise(torch.randn(1, int(16000 * seconds)))
    features = encode(wav2vec2, waveform, int(60 * seconds))
    assert features.shape == (1, int(60 * seconds), 768)
    assert torch.isfinite(features).all()


@torch.no_grad()
def test_without_interpolation_it_is_the_encoder_itself(encoder):
    waveform = normalise(torch.randn(2, 8000))
    own = encoder(waveform).last_hidden_state
    torch.testing.assert_close(encode(encoder, waveform, own.shape[1]), own, atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_features_are_where_the_sound_is(encoder):
    waveform = 0.01 * torch.randn(1, 32000)
    louder = waveform.clone()
    louder[:, 16000:16800] *= 50  # frames 60 to 63 of 120
    convolved = [encoder.feature_extractor(one) for one in (waveform, louder)]
    change = (convolved[0] - convolved[1]).abs().sum(1, keepdim=True)
    change = torch.nn.functional.interpolate(change, size=120, mode="linear", align_corners=True)[0, 0]
    assert 59 <= int(change.argmax()) <= 64


def test_short_waveforms_are_refused(encoder):
    assert receptive_field(Wav2Vec2Config()) == 400
    with pytest.raises(ValueError, match="at least 400"):
        encode(encoder, torch.zeros(1, 399), 3)


def test_normalised_waveforms():
    waveform = normalise(torch.rand(3, 5000) * torch.tensor([[1.0], [10.0], [0.01]]))
    torch.testing.assert_close(waveform.mean(-1), torch.zeros(3), atol=1e-4, rtol=0)
    torch.testing.assert_close(waveform.square().mean(-1), torch.ones(3), atol=2e-2, rtol=0)
    assert torch.isfinite(normalise(torch.zeros(1, 100))).all()


def test_a_clip_gives_a_feature_per_frame(encoder):
    assert encode_clip(encoder, np.random.default_rng(0).normal(size=20000).astype(np.float32), 70).shape == (70, 32)


def test_encoders_are_kept_in_folders(encoder, tmp_path):
    save_encoder(encoder, tmp_path / "encoder")
    read = load_encoder(tmp_path / "encoder")
    waveform = torch.randn(1, 4000)
    with torch.no_grad():
        assert torch.equal(encode(read, waveform, 15), encode(encoder, waveform, 15))


def tones(count, seed):
    """Utterances of three tones, the label of a frame being its tone."""
    rng = np.random.default_rng(seed)
    utterances = []
    for _ in range(count):
        labels = np.repeat(rng.integers(3, size=6), 20)
        pitch = np.repeat(np.array([200.0, 900.0, 3000.0])[labels], 267)[:32000]
        waveform = np.sin(2 * np.pi * np.cumsum(pitch) / 16000) + 0.05 * rng.normal(size=len(pitch))
        utterances.append((waveform.astype(np.float32), labels))
    return utterances


def test_the_stand_in_learns_to_tell_phonemes():
    encoder, history = train_stand_in(tones(16, 0), SETTINGS, 0, validation=tones(3, 1), report=lambda _: None)
    assert history[-1]["validation"] < 0.3  # of the frames; chance is 0.67
    assert not encoder.training
    again, _ = train_stand_in(tones(16, 0), SETTINGS, 0, validation=tones(3, 1), report=lambda _: None)
    assert all(torch.equal(value, again.state_dict()[name]) for name, value in encoder.state_dict().items())


def test_the_stand_in_needs_utterances():
    with pytest.raises(ValueError, match="two utterances"):
        train_stand_in(tones(1, 0), SETTINGS, 0)


# Encoders that others published


def published(folder, encoder, change=lambda state: state, config=None, weights="model.safetensors"):
    """An encoder as others publish it: config.json and weights, some of them changed."""
    folder.mkdir()
    settings = {**encoder.config.to_dict(), **(config or {})}
    (folder / "config.json").write_text(json.dumps(settings))
    state = change(dict(encoder.state_dict()))
    (save_file if weights.endswith(".safetensors") else torch.save)(state, folder / weights)
    return str(folder)


def without(name):
    return lambda state: {key: value for key, value in state.items() if key != name}


def test_what_a_published_encoder_lacks_is_drawn_from_the_seed(encoder, tmp_path):
    name = published(tmp_path / "base", encoder, without("masked_spec_embed"))
    torch.manual_seed(1)
    first = fetch_pretrained(name, "main", 5)
    torch.manual_seed(2)
    second, other = fetch_pretrained(name, "main", 5), fetch_pretrained(name, "main", 6)
    for number, fetched in enumerate((first, second)):
        save_encoder(fetched, tmp_path / str(number))
    assert (tmp_path / "0/model.safetensors").read_bytes() == (tmp_path / "1/model.safetensors").read_bytes()
    assert not torch.equal(first.masked_spec_embed, other.masked_spec_embed)
    drawn = first.masked_spec_embed
    assert 0 <= drawn.min() and drawn.max() < 1 and drawn.std() > 0.1
    others = without("masked_spec_embed")(first.state_dict())
    assert all(torch.equal(value, encoder.state_dict()[key]) for key, value in others.items())


@pytest.mark.parametrize("change", [
    lambda state: {f"wav2vec2.{key}": value for key, value in state.items()} | {"lm_head.weight": torch.zeros(3, 32)},
    lambda state: {key: value.half() for key, value in state.items()},
    lambda state: {key.replace("parametrizations.weight.original0", "weight_g")
                   .replace("parametrizations.weight.original1", "weight_v"): value for key, value in state.items()},
])  # fmt: skip
@pytest.mark.parametrize("weights", ["model.safetensors", "pytorch_model.bin"])
def test_published_spellings_of_an_encoder_are_read(encoder, tmp_path, change, weights):
    read = fetch_pretrained(published(tmp_path / "base", encoder, change, weights=weights), "main")
    assert read.dtype == torch.float32 and not read.training
    for name, value in encoder.state_dict().items():
        torch.testing.assert_close(read.state_dict()[name], value, atol=1e-3, rtol=1e-3)


def test_another_model_is_no_encoder(encoder, tmp_path):
    name = published(tmp_path / "other", encoder, lambda state: {f"model.{key}": value for key, value in state.items()})
    with pytest.raises(ValueError) as error:
        fetch_pretrained(name, "main")
    lines = str(error.value).splitlines()
    assert "model.safetensors: not the weights of Wav2Vec2Model" in lines[0]
    assert sum(line.startswith("  missing: ") for line in lines) == len(encoder.state_dict()) - 1
    assert sum(line.startswith("  unexpected: model.") for line in lines) == len(encoder.state_dict())
    layer = "encoder.layers.0.attention.k_proj.weight"
    with pytest.raises(ValueError, match=f"missing: {layer}"):
        fetch_pretrained(published(tmp_path / "less", encoder, without(layer)), "main")
    with pytest.raises(ValueError, match=f"wrong shape: {layer}"):
        fetch_pretrained(published(tmp_path / "shape", encoder, lambda state: {**state, layer: torch.ones(2)}), "main")
    with pytest.raises(ValueError, match="'hubert'"):
        fetch_pretrained(published(tmp_path / "kind", encoder, config={"model_type": "hubert"}), "main")


def test_an_encoder_of_the_users_is_not_called_damaged(encoder, tmp_path):
    name = published(tmp_path / "base", encoder)
    path = tmp_path / "base/model.safetensors"
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(ValueError, match=r"model\.safetensors: cannot be used") as error:
        fetch_pretrained(name, "main")
    assert "damaged" not in str(error.value) and "rm -r" not in str(error.value)
    with pytest.raises(UnreadableError, match="model.safetensors: cannot be read"):
        load_encoder(tmp_path / "base")


def test_an_encoder_of_ours_lacks_nothing(encoder, tmp_path):
    folder = published(tmp_path / "encoder", encoder, without("masked_spec_embed"))
    with pytest.raises(ValueError, match="missing: masked_spec_embed"):
        load_encoder(folder)


def test_two_frames_are_enough(encoder):
    require_encodable(2, "mine.wav")
    assert encode_clip(encoder, np.random.default_rng(0).normal(size=534).astype(np.float32), 2).shape == (2, 32)
    for frames in (0, 1):
        with pytest.raises(ValueError, match=f"^mine.wav: too short: {frames} of the 2 frames"):
            require_encodable(frames, "mine.wav")
