"""The trainings of the facial animation module: what is known is learnt, and a training goes on from where it was."""

import numpy as np
import pytest
import torch
from toy_clips import Cut, same_bytes, silent
from toy_faces import HEARING, JAW, LIPS, PATHS, VQ, toy_face, toy_faces, toy_paths, toy_sequences, toy_vq

from said.headpose import dual_path, facial_vq
from said.headpose.dual_path import DualPath
from said.headpose.facial_vq import FacialVQ
from said.training.checkpoint import Checkpoint
from said.training.dual_path import DualPathSettings, train_dual_path
from said.training.facial_vq import FacialVQSettings, train_facial_vq
from said.training.facial_vq_start import begin_at_components, dealt, settle
from said.training.run import Run

TINY_VQ = {**VQ, "epochs": 3, "batch_size": 8, "learning_rate": 1e-2, "validate_every": 2}
TINY_PATHS = {**PATHS, "epochs": 3, "batch_size": 2, "learning_rate": 1e-2, "validate_every": 2}


def quiet(checkpoint=None) -> Run:
    return Run("test", checkpoint=checkpoint, report=silent)


def train_vq(settings, checkpoint=None, seed=0):
    sequences = toy_sequences()
    held_out = {"a_0": sequences.pop("a_0")}
    return train_facial_vq(sequences, held_out, LIPS, {**TINY_VQ, **settings}, seed, run=quiet(checkpoint))


def test_the_published_settings_of_the_space_are_the_defaults():
    settings = FacialVQSettings()
    assert (settings.blocks, settings.epochs, settings.batch_size, settings.learning_rate) == (7609, 250, 64, 1e-4)
    assert (settings.schedule, settings.selection, settings.gradient_clip) == ("constant", "last", None)


def test_a_jaw_is_learnt_and_stored(tmp_path):
    model, history = train_vq({"epochs": 60, "schedule": "cosine", "gradient_clip": 1.0})
    truth = toy_sequences(1)["a_0"]
    with torch.no_grad():
        made = model.reconstruct(torch.from_numpy(truth)).numpy()
    assert np.corrcoef(made[:, JAW], truth[:, JAW])[0, 1] > 0.9
    assert history[-1]["loss"] < 0.5 * history[0]["loss"]
    facial_vq.save(tmp_path / "vq.safetensors", model)
    assert same_bytes(facial_vq.load(tmp_path / "vq.safetensors"), model)


def test_a_training_of_the_space_that_was_cut_off_ends_in_the_same_bytes(tmp_path):
    whole, history = train_vq({"dropout": 0.1})
    with pytest.raises(InterruptedError), Cut(tmp_path / "checkpoint.safetensors", writes=7) as checkpoint:
        train_vq({"dropout": 0.1}, checkpoint)
    with Checkpoint(tmp_path / "checkpoint.safetensors") as checkpoint:
        resumed, again = train_vq({"dropout": 0.1}, checkpoint)
    assert same_bytes(whole, resumed)
    assert [record["loss"] for record in history] == [record["loss"] for record in again]
    other, _ = train_vq({"dropout": 0.1}, seed=1)
    assert not same_bytes(whole, other)


def test_what_holds_no_block_is_refused():
    with pytest.raises(ValueError, match="1 sequences hold no whole block of 8 frames"):
        train_facial_vq({"short": np.zeros((7, 32))}, toy_sequences(1), LIPS, TINY_VQ, 0, run=quiet())
    with pytest.raises(ValueError, match="width of 10 cannot be divided into 8 heads"):
        FacialVQ(np.zeros(32), np.ones(32), width=10)


def test_components_are_dealt_to_and_fro():
    assert dealt(6, 2, 3).tolist() == [0, 3, 4, 1, 2, 5]
    assert dealt(32, 2, 3).tolist() == [0, 3, 4, 1, 2, 5], "what has no room is left out"


def test_the_start_says_a_frame_as_it_is_and_so_do_its_largest_components():
    frames = torch.rand(200, 32, generator=torch.Generator().manual_seed(0)) @ torch.diag(
        0.01 + 0.9 ** torch.arange(32.0)
    )
    factor = torch.randn(32, 32, generator=torch.Generator().manual_seed(1))
    errors = {}
    for width, components in ((64, 8), (32, 8), (16, 2)):
        model = toy_vq(width=width, components=components)
        begin_at_components(model, frames, torch.eye(32) + factor @ factor.T / 32)
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if name.endswith("place"):
                    parameter.zero_()
            made = model.decode(model.encode(frames[None]))[0]
        errors[width] = float((made - frames).square().mean() / (frames - 0.1).square().mean())
    assert errors[64] < 1e-8 < errors[32] < errors[16] < 1


def test_codes_settle_at_the_means_of_what_chooses_them():
    noise = torch.randn(2, 50, 8, generator=torch.Generator().manual_seed(0))
    crowds = torch.tensor([5.0, -5.0])[:, None, None] + noise
    quantiser = toy_vq().quantiser
    books = [book.embedding.weight for book in quantiser.codebooks]
    with torch.no_grad():
        for book in books:
            book.fill_(100.0)
            book[1], book[4] = 2.0, -2.0
    settle(quantiser, crowds.flatten(0, 1))
    for book, part in zip(books, crowds.chunk(2, dim=-1), strict=True):
        torch.testing.assert_close(book[[1, 4]], part.mean(1))
        assert (book[[0, 2, 3, 5, 6, 7]] == 100).all(), "codes that nothing chooses stay"


def train_paths(settings, checkpoint=None, seed=0):
    faces = toy_faces()
    return train_dual_path(*faces, toy_vq(), {**TINY_PATHS, **settings}, seed, run=quiet(checkpoint))


def test_the_published_settings_are_the_defaults():
    settings = DualPathSettings()
    assert (settings.epochs, settings.batch_size, settings.learning_rate, settings.window) == (250, 1, 1e-4, None)
    assert (settings.schedule, settings.selection, settings.gradient_clip) == ("constant", "last", None)


def test_a_jaw_follows_the_speech_and_the_codebook_stays(tmp_path):
    model, history = train_paths({"epochs": 60, "schedule": "cosine", "gradient_clip": 1.0})
    face = toy_face("s2/new", None, 7, 50)
    made = model.animate(torch.from_numpy(face.speech)).numpy()
    assert np.corrcoef(made[:, JAW], face.motion[:, JAW])[0, 1] > 0.9
    assert history[-1]["validation"] < 0.5 * history[0]["validation"]
    assert same_bytes(model.vq, toy_vq())
    settings = DualPathSettings.of(TINY_PATHS).network()
    dual_path.save(tmp_path / "face.safetensors", model, settings)
    assert same_bytes(dual_path.load(tmp_path / "face.safetensors"), model)


@pytest.mark.parametrize("variant", [{}, {"local_path": False}, {"interpreter": "linear", "window": 16}])
def test_a_training_that_was_cut_off_ends_in_the_same_bytes(tmp_path, variant):
    settings = {"dropout": 0.1, **variant}
    whole, history = train_paths(settings)
    with pytest.raises(InterruptedError), Cut(tmp_path / "checkpoint.safetensors", writes=4) as checkpoint:
        train_paths(settings, checkpoint)
    with Checkpoint(tmp_path / "checkpoint.safetensors") as checkpoint:
        resumed, again = train_paths(settings, checkpoint)
    assert same_bytes(whole, resumed)
    assert [record["loss"] for record in history] == [record["loss"] for record in again]


def test_what_cannot_be_trained_is_named():
    train_clips, held_out = toy_faces()
    run = {"settings": TINY_PATHS, "seed": 0, "vq": toy_vq(), "run": quiet()}
    with pytest.raises(ValueError, match="0 validation clips"):
        train_dual_path(train_clips, [], **run)
    with pytest.raises(ValueError, match="needs the number of its speaker"):
        train_dual_path(held_out, held_out, **run)
    with pytest.raises(ValueError, match="a/0: 7 frames at 30 per second are less than a block"):
        train_dual_path([toy_face("a/0", 0, 0, 7)], held_out, **run)
    with pytest.raises(ValueError, match="nothing moves"):
        DualPath(toy_vq(), HEARING, 2, **PATHS, global_path=False, local_path=False)
    with pytest.raises(ValueError, match="12 frames are no whole number of blocks"):
        toy_paths()(torch.zeros(1, 12, HEARING))
