"""Every method of Table 1 through the functions that all of them have: stored, read again, asked for motion."""

import importlib
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import ROOT
from helpers import ENCODER

from said.baselines.clips import Shared, Utterance
from said.baselines.codetalker import CodeTalker, Predictor
from said.baselines.deepspeech import DeepSpeech
from said.baselines.end2end import End2End
from said.baselines.faceformer import FaceFormer
from said.baselines.hearing import Components
from said.baselines.meshtalk import MeshTalk
from said.baselines.methods.voca import HearingVoca
from said.baselines.motion_autoencoder import MotionAutoencoder
from said.baselines.registry import TITLES, find_method
from said.baselines.voca import Voca
from said.corpus import Topology
from said.running.integrity import UnreadableError
from said.tables import PAPER_TABLE1
from said.training.stand_in import build_stand_in

VERTICES = 20
ASKED = {"fps": 30, "sampling": "gumbel", "centres": "exact"}
FUNCTIONS = {"frame_rate", "save", "load", "styles", "animate"}


@pytest.fixture(scope="module")
def shared() -> Shared:
    torch.manual_seed(0)
    topology = Topology(np.zeros((0, 3), int), np.arange(68) % VERTICES, np.arange(VERTICES))
    return Shared(build_stand_in(ENCODER).eval(), topology, np.ones(32))


def lively(model: torch.nn.Module) -> torch.nn.Module:
    """The model with weights that let it move: fresh ones may end in zeros."""
    torch.manual_seed(1)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.ndim > 1 and not weight.any():
                weight.normal_(std=0.1)
    return model.eval()


def build(name: str, shared: Shared) -> torch.nn.Module:
    torch.manual_seed(0)
    encoder = build_stand_in(ENCODER)
    sizes = {"width": 16, "heads": 2, "feed_forward": 16, "period": 25}
    if name == "voca":
        states = [torch.randn(60, 32) for _ in range(3)]
        return lively(HearingVoca(Voca(VERTICES, 3, 4), Components.of(states), shared.encoder))
    if name == "faceformer":
        return lively(FaceFormer(encoder, VERTICES, 3, layers=1, **sizes))
    if name == "codetalker":
        first = MotionAutoencoder(VERTICES, width=16, heads=2, feed_forward=16, layers=1, codes=8, code_width=4)
        return lively(CodeTalker(first, Predictor(encoder, VERTICES, 3, out=16, layers=1, **sizes)))
    if name == "meshtalk":
        return lively(MeshTalk(VERTICES, heads=3, classes=5, width=4, mask="corrected"))
    return lively(End2End(32, width=2, hidden=8, pooling=3))


def speech(seconds: float = 0.7, rate: int = 22050) -> Utterance:
    times = np.arange(int(seconds * rate)) / rate
    return Utterance("sentence", (0.3 * np.sin(2 * np.pi * 200 * times * (1 + times))).astype(np.float32), rate)


def test_the_registry_lists_what_there_is():
    modules = {path.stem for path in (ROOT / "scripts/said/baselines/methods").glob("[a-z]*.py")}
    assert modules == set(TITLES) and set(TITLES.values()) <= PAPER_TABLE1.keys()
    with pytest.raises(ValueError, match="did you mean 'faceformer'"):
        find_method("facefomer")


@pytest.mark.parametrize("name", TITLES)
def test_what_is_stored_moves_as_before(tmp_path: Path, shared: Shared, name: str):
    method, model = find_method(name), build(name, shared)
    assert all(callable(getattr(method, function)) for function in FUNCTIONS)
    method.save(tmp_path / "model.safetensors", model)
    read = method.load(tmp_path / "model.safetensors", shared, ASKED)
    assert not read.training
    template = np.random.default_rng(0).uniform(-0.1, 0.1, (VERTICES, 3))
    styles = list(range(method.styles(model)))
    first, again = (list(method.animate(one, speech(), template, styles, ASKED, seed=3)) for one in (model, read))
    assert len(first) == len(styles) == (3 if name in ("voca", "faceformer", "codetalker") else 1)
    rate = method.frame_rate(ASKED)
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one, other)
        assert one.shape[1:] == ((32,) if rate is None else (VERTICES, 3))
        assert abs(len(one) - 0.7 * (rate or 60)) <= 1
        if rate is not None:  # metres: the face is where its template is
            assert np.abs(one - template).max() < 10
    if len(styles) > 1:
        assert not np.array_equal(first[0], first[1])
        only = list(method.animate(model, speech(), template, styles[1:2], ASKED, seed=3))
        np.testing.assert_allclose(only[0], first[1], atol=1e-5)


@pytest.mark.parametrize("name", TITLES)
def test_another_methods_file_is_refused(tmp_path: Path, shared: Shared, name: str):
    other = next(one for one in TITLES if one != name)
    find_method(other).save(tmp_path / "model.safetensors", build(other, shared))
    with pytest.raises(ValueError, match="written by this project"):
        find_method(name).load(tmp_path / "model.safetensors", shared, ASKED)
    (tmp_path / "model.safetensors").write_bytes(b"noise")
    with pytest.raises(UnreadableError):
        find_method(name).load(tmp_path / "model.safetensors", shared, ASKED)


def test_a_method_hears_what_is_said(shared: Shared):
    """The same for all: other speech gives other motion."""
    template = np.zeros((VERTICES, 3))
    loud, noise = speech(), np.random.default_rng(0).uniform(-0.3, 0.3, 15435).astype(np.float32)
    for name in ("voca", "end2end"):
        model, method = build(name, shared), importlib.import_module(f"said.baselines.methods.{name}")
        one, other = (
            next(method.animate(model, said, template, [0], ASKED, 0))
            for said in (loud, Utterance("noise", noise, 22050))
        )
        assert len(one) == len(other) and not np.allclose(one, other)


def test_deepspeech_is_stored_with_the_voca_that_hears_through_it(tmp_path: Path, shared: Shared):
    torch.manual_seed(0)
    hearing = DeepSpeech((6, 7, 8), 5, 9).eval()
    method, model = find_method("voca"), HearingVoca(Voca(VERTICES, 2, 4), hearing, shared.encoder).eval()
    method.save(tmp_path / "model.safetensors", model)
    read = method.load(tmp_path / "model.safetensors", shared, {})
    said = speech()
    np.testing.assert_array_equal(read.hear(said.waveform, said.rate), model.hear(said.waveform, said.rate))
