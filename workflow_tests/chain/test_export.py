"""Models in the authors' format: exactly their keys, the same model when read back, refusals by name."""

from dataclasses import replace

import pytest
import torch
from conftest import SMOKE
from helpers import ENCODER, small
from transformers import Wav2Vec2Config, Wav2Vec2Model

from said import extractor
from said.files.tensors import read_state_dict
from said.model import ModelConfig, SAiD, export_official, load_official
from said.speech import encode
from said.training.stand_in import build_stand_in


@pytest.fixture(scope="module")
def base_encoder():
    """wav2vec2-base with random weights; its size is what the authors' program demands."""
    torch.manual_seed(0)
    return Wav2Vec2Model(Wav2Vec2Config()).eval()


@pytest.fixture(scope="module")
def exported(base_encoder, tmp_path_factory):
    torch.manual_seed(0)
    model = SAiD().eval()
    torch.nn.init.normal_(model.denoiser.model.out[2].weight, std=0.1)
    path = tmp_path_factory.mktemp("export") / "SAiD.pth"
    export_official(path, model, base_encoder)
    return model, path


@torch.no_grad()
def test_what_is_exported_is_the_same_model(exported, base_encoder):
    model, path = exported
    read = load_official(path)
    noisy, timesteps, audio = torch.randn(2, 60, 32), torch.tensor([3, 900]), torch.randn(2, 60, 768)
    assert torch.equal(read.denoiser(noisy, timesteps, audio), model.denoiser(noisy, timesteps, audio))
    assert torch.equal(read.null_cond_emb, model.null_cond_emb)
    waveform = torch.randn(1, 8000)
    assert torch.equal(encode(read.audio_encoder, waveform, 30), encode(base_encoder, waveform, 30))


def test_its_keys_are_the_published(exported, official):
    lines = (official / "said_keys.txt").read_text(encoding="utf-8").splitlines()
    published = {name: (eval(shape), dtype) for name, shape, dtype in (line.split("\t") for line in lines)}
    state = read_state_dict(exported[1])
    assert len(state) == 372
    assert {name: tuple(value.shape) for name, value in state.items()} == {k: v[0] for k, v in published.items()}
    assert all(str(state[name].dtype).endswith(dtype.removeprefix("torch.")) for name, (_, dtype) in published.items())


def test_the_published_weights_survive_the_round_trip(authors, base_encoder, tmp_path, official):
    export_official(tmp_path / "SAiD.pth", authors, base_encoder)
    state = read_state_dict(tmp_path / "SAiD.pth")
    for name, value in read_state_dict(official / "golden/said_denoiser.pth").items():
        assert torch.equal(state[name], value), name


def test_a_finetuned_encoder_is_the_one_exported(base_encoder, tmp_path):
    torch.manual_seed(1)
    finetuned = Wav2Vec2Model(Wav2Vec2Config())
    export_official(tmp_path / "SAiD.pth", SAiD(audio_encoder=finetuned), base_encoder)
    state = read_state_dict(tmp_path / "SAiD.pth")
    assert all(torch.equal(state[f"audio_encoder.{name}"], value) for name, value in finetuned.state_dict().items())


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"width": 64}, "width is 64, not 192"),
        ({"prediction": "v"}, "prediction is 'v', not 'epsilon'"),
        ({"scaled": True}, "adds noise to raw coefficients"),
        ({"alignment_bias": None}, "alignment_bias is None, not 1"),
        ({"alignment_schedule": "linear"}, "alignment_schedule is 'linear'"),
        ({"noise_schedule": "linear"}, "noise_schedule is 'linear'"),
        ({"diffusion_steps": 500}, "diffusion_steps is 500"),
    ],
)
def test_what_the_authors_programs_cannot_run_is_refused(change, reason, base_encoder, tmp_path):
    with torch.device("meta"):
        model = SAiD(ModelConfig(**change))
    with pytest.raises(ValueError, match=reason):
        export_official(tmp_path / "SAiD.pth", model, base_encoder)
    assert not (tmp_path / "SAiD.pth").exists()


def test_every_reason_is_named_at_once(tmp_path):
    with pytest.raises(ValueError) as raised:
        export_official(tmp_path / "SAiD.pth", small(prediction="v", scaled=True), build_stand_in(ENCODER))
    for name in ("width is 32", "audio_width is 32", "prediction", "scaled"):
        assert name in str(raised.value)


def test_another_encoder_is_refused_by_its_keys(tmp_path):
    encoder = build_stand_in(replace(ENCODER, width=768, heads=12))
    with pytest.raises(ValueError, match=r"missing: audio_encoder\.encoder\.layers\.11\."):
        export_official(tmp_path / "SAiD.pth", SAiD(), encoder)


def test_the_same_model_gives_the_same_file(tmp_path):
    vae = extractor.BlendshapeVAE()
    for name in ("one", "other"):
        extractor.export_official(tmp_path / name / "vae.pth", vae)
    assert (tmp_path / "one/vae.pth").read_bytes() == (tmp_path / "other/vae.pth").read_bytes()


def test_an_exported_extractor_is_read_back(tmp_path, official):
    vae = extractor.load_official(official / "vae.pth")
    extractor.export_official(tmp_path / "vae.pth", vae)
    read, published = read_state_dict(tmp_path / "vae.pth"), read_state_dict(official / "vae.pth")
    assert list(read) == list(published)
    assert all(torch.equal(read[name], value) for name, value in published.items())


def test_the_workflow_exports_on_demand_and_says_why_not(edited):
    edited("results/synthetic-smoke/export/vae.pth", *SMOKE)
    extractor.load_official(edited.folder / "results/synthetic-smoke/export/vae.pth")
    done = edited("results/synthetic-smoke/export/base/SAiD.pth", *SMOKE, check=False)
    assert done.returncode
    log = (edited.folder / "results/synthetic-smoke/logs/export_said/base.log").read_text()
    assert "the authors' programs cannot run this model" in log and "width is 32, not 192" in log
