"""The training loop and SAiD's objective: what is learnt, what is random, what survives an interruption."""

import copy
import dataclasses
import math
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers import CLIPS, HELD_OUT, STD, TRAINING, same, train

from said.arkit import MIRROR, SPEECH_BLENDSHAPES
from said.compute import Compute
from said.denoising import BANDS
from said.sampling import Sampler, SamplingSettings, Speech, sample_speech
from said.training.run import Run
from said.training.said import train_said
from said.training.windows import Clip, WindowEncoder, Windows

QUICK = SamplingSettings(steps=4, guidance=1.0, samples=4, memory_gb=1.0)


# SAiD


@pytest.mark.parametrize("conditioning", ["window", "sentence"])
def test_training_learns_and_repeats_exactly(encoder, conditioning):
    settings = {"epochs": 40, "batch_size": 6, "validate_every": 8, "validation_repeats": 20}
    model, history = train(encoder, **settings, conditioning=conditioning)
    assert history[-1]["validation"] < 0.9 * history[0]["validation"]
    assert model.audio_encoder is None and not model.training
    again, _ = train(encoder, **settings, conditioning=conditioning)
    assert same(model, again)


def test_other_seeds_give_other_weights(encoder):
    assert not same(train(encoder, epochs=1)[0], train(encoder, epochs=1, seed=1)[0])


def test_training_leaves_the_callers_random_state_and_encoder(encoder):
    state, weights = torch.get_rng_state(), {k: v.clone() for k, v in encoder.state_dict().items()}
    numpy_state = np.random.get_state()[1].copy()  # noqa: NPY002
    train(encoder, epochs=1, encoder="finetuned")
    np.testing.assert_array_equal(np.random.get_state()[1], numpy_state)  # noqa: NPY002
    assert all(torch.equal(value, weights[key]) for key, value in encoder.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)


def test_a_finetuned_encoder_moves_and_a_frozen_one_does_not_exist(encoder):
    model, _ = train(encoder, epochs=2, encoder="finetuned", encoder_learning_rate=1e-3)
    moved = {
        key: not torch.equal(value, encoder.state_dict()[key])
        for key, value in model.audio_encoder.state_dict().items()
    }
    assert moved["encoder.layers.0.attention.k_proj.weight"]
    assert not any(value for key, value in moved.items() if key.startswith("feature_extractor"))


@pytest.mark.parametrize(
    "changes",
    [
        {"loss": "l2"},
        {"velocity_weight": 0.0},
        {"alignment_bias": None},
        {"alignment_schedule": "geometric"},
        {"prediction": "epsilon"},
        {"prediction": "x0"},
        {"channels_per_group": 8},
        {"offset_noise": 0.1},
        {"snr_gamma": 5.0},
        {"loss_scale": "std", "coefficient_scale": "none"},
        {"coefficient_scale": "none"},
        {"loss_reduction": "sum", "gradient_clip": None},
        {"window_sampling": "padded"},
        {"encoder_mode": "train"},
        {"mirror_persistent": True, "mirror_probability": 1.0},
        {"mirror_probability": 0.0},
        {"shift_seconds": 0.1},
        {"condition_dropout": 0.9},
        {"conditioning": "sentence"},
    ],
    ids=lambda changes: "-".join(map(str, next(iter(changes.items())))),
)
def test_every_setting_changes_what_is_learnt(changes, encoder, plain):
    if changes == {"encoder_mode": "train"}:  # only an encoder with dropout knows the difference
        encoder.config.apply_spec_augment = True
        encoder.encoder.dropout.p = 0.3
    try:
        model, history = train(encoder, epochs=1, **changes)
    finally:
        encoder.encoder.dropout.p, encoder.config.apply_spec_augment = 0.0, False
    assert all(math.isfinite(record["validation"]) for record in history)
    assert not same(model, plain)


@pytest.fixture(scope="module")
def plain(encoder):
    return train(encoder, epochs=1)[0]


def test_the_denoising_error_stands_in_the_history_and_in_the_log(encoder, tmp_path):
    lines = []
    _, history = train(encoder, report=lines.append, epochs=2)
    first, last = history
    for band in BANDS:
        assert first[f"error_constant/{band}dB"] <= first[f"error/{band}dB"] != last[f"error/{band}dB"]
        assert first[f"error_linear/{band}dB"] == last[f"error_linear/{band}dB"] < 1.1 * first["error_mean"]
    assert any("said: denoises worse than the" in line for line in lines)
    # Scaled or not, it is of coefficients.
    _, (raw,) = train(encoder, epochs=1, coefficient_scale="none")
    assert raw["error_mean"] == pytest.approx(first["error_mean"], rel=1e-4)


def test_previews_change_no_weight_and_choose_it_where_they_are_asked_to(encoder):
    settings = {"epochs": 4, "dropout": 0.0}
    plain, _ = train(encoder, **settings)
    model, history = train(encoder, **settings, preview_every=3, preview_clips=1)
    assert same(model, plain)
    assert [record["epoch"] for record in history if "sample_fd" in record] == [3, 4]
    chosen, history = train(encoder, **settings, preview_every=1, selection="sample_fd")
    again = train(encoder, **settings, preview_every=1, selection="sample_fd")[1]
    distances = [record["sample_fd"] for record in history]
    assert distances == [record["sample_fd"] for record in again]
    best = 1 + distances.index(min(distances))
    run = {"epochs": 4, "preview_every": best, "selection": "sample_fd"}
    if best < 4 and 2 * best > 4:  # previews at `best` and at the end alone choose the same
        assert same(chosen, train(encoder, **settings | run)[0])
    assert same(chosen, train(encoder, **settings, selection="last")[0]) == (best == 4)
    with pytest.raises(ValueError, match="selection sample_fd needs previews: set preview_every"):
        train(encoder, selection="sample_fd")


def test_validation_draws_more_and_drops_the_condition(encoder):
    base = train(encoder, epochs=1)[1][0]["validation"]
    assert train(encoder, epochs=1, validation_repeats=3)[1][0]["validation"] != base
    dropped = train(encoder, epochs=1, validation_dropout=True, condition_dropout=0.0)[1][0]["validation"]
    assert dropped == train(encoder, epochs=1, condition_dropout=0.0)[1][0]["validation"]


def test_the_vertex_loss_sees_the_face(encoder):
    def faces(scale):
        displacements = scale * np.random.default_rng(0).normal(size=(32, 30)).astype(np.float32)
        return [dataclasses.replace(one, displacements=displacements) for one in CLIPS + HELD_OUT]

    def train_with(clips, weight):
        settings = replace(TRAINING, epochs=1, vertex_weight=weight)
        train_set, held_out = clips[: len(CLIPS)], clips[len(CLIPS) :]
        return train_said(train_set, held_out, encoder, settings, 0, std=STD, run=Run("said", report=lambda _: None))

    model, history = train_with(faces(1.0), 0.02)
    assert {"noise", "velocity", "vertex"} <= history[0].keys() and history[0]["vertex"] > 0
    without, _ = train_with(faces(1.0), 0.0)
    assert not same(model, without)
    in_millimetres, _ = train_with(faces(1024.0), 0.02)  # a power of two: not even rounding differs
    assert same(model, in_millimetres)
    with pytest.raises(ValueError, match="vertex_weight needs"):
        train(encoder, vertex_weight=0.02)


def test_contradictions_are_named(encoder):
    with pytest.raises(ValueError, match="window_sampling"):
        train(encoder, window_sampling="random")
    with pytest.raises(ValueError, match="0 validation clips"):
        train_said(CLIPS, [], encoder, TRAINING, 0, std=STD)
    with pytest.raises(ValueError, match="clip9: coefficients"):
        Clip("clip9", np.zeros((5, 31), dtype=np.float32), np.zeros(9, dtype=np.float32))


def test_an_encoder_that_changes_is_never_conditioned_on_by_the_sentence(encoder):
    first, second = (
        train(encoder, epochs=1, encoder="finetuned", conditioning=conditioning)[0]
        for conditioning in ("window", "sentence")
    )
    assert same(first, second)


# Windows


def ramp(frames=100):
    """A clip whose coefficients say which frame they are and whose waveform says which sample it is."""
    coefficients = np.arange(frames)[:, None] / 1000 + np.arange(32) / 1e5
    return Clip("ramp", coefficients.astype(np.float32), (np.arange(frames * 16000 // 60) / 1e5).astype(np.float32))


def windows_of(count, **changes):
    settings = replace(TRAINING, **{"mirror_probability": 0.0, "shift_probability": 0.0, **changes})
    windows = Windows([ramp()], settings, None)
    return [windows.batch([0], np.random.default_rng(n)) for n in range(count)]


def test_slices_are_aligned_with_their_audio_and_vary():
    starts = set()
    for batch in windows_of(40):
        start = round(batch.coefficients[0, 0, 0].item() * 1000)
        starts.add(start)
        assert batch.coefficients.shape == (1, 60, 32) and batch.waveforms.shape == (1, 16000)
        assert batch.waveforms[0, 0].item() * 1e5 == pytest.approx(start * 16000 // 60, abs=1)
    assert min(starts) >= 0 and max(starts) <= 40 and len(starts) > 15


def test_the_shift_stays_within_its_bound():
    shifts = []
    for batch in windows_of(60, shift_probability=1.0, shift_seconds=1 / 60):
        start = round(batch.coefficients[0, 0, 0].item() * 1000)
        shifts.append(batch.waveforms[0, 300].item() * 1e5 - 300 - start * 16000 // 60)
    inner = [shift for shift in shifts if abs(shift) > 1]
    assert max(map(abs, shifts)) <= 16000 / 60 + 2
    assert max(shifts) > 100 and min(shifts) < -100 and len(inner) > 50


def test_padded_windows_vary_in_length_and_may_begin_before_the_clip():
    batches = windows_of(80, window_sampling="padded")
    lengths = {batch.coefficients.shape[1] for batch in batches}
    assert min(lengths) >= 60 and max(lengths) <= 100 and len(lengths) > 15
    assert any((batch.coefficients[0, 0] == batch.coefficients[0, 1]).all() for batch in batches)
    assert any((batch.coefficients[0, -1] == batch.coefficients[0, -2]).all() for batch in batches)


def test_mirroring_swaps_sides():
    (batch,) = windows_of(1)
    (mirrored,) = windows_of(1, mirror_probability=1.0)
    assert torch.equal(mirrored.coefficients, batch.coefficients[:, :, MIRROR])
    left, right = (SPEECH_BLENDSHAPES.index(name) for name in ("jawLeft", "jawRight"))
    assert torch.equal(mirrored.coefficients[:, :, left], batch.coefficients[:, :, right])


def test_persistent_mirroring_persists():
    windows = Windows([ramp()], replace(TRAINING, mirror_probability=1.0, mirror_persistent=True), None)
    states = []
    for n in range(4):
        windows.batch([0], np.random.default_rng(n))
        states.append(bool(windows.mirrored[0]))
    assert states == [True, False, True, False]


def test_sentence_features_are_cut_where_the_frames_are(encoder):
    settings = replace(TRAINING, mirror_probability=0.0, shift_probability=0.0)
    windows = Windows([ramp()], settings, encoder)
    batch = windows.batch([0], np.random.default_rng(0))
    start = round(batch.coefficients[0, 0, 0].item() * 1000)
    torch.testing.assert_close(batch.features[0], windows.features[start : start + 60], atol=1e-6, rtol=0)


def test_short_clips_are_held_at_their_end():
    windows = Windows([ramp(30)], replace(TRAINING, mirror_probability=0.0, shift_probability=0.0), None)
    batch = windows.batch([0], np.random.default_rng(0))
    assert batch.coefficients.shape == (1, 60, 32)
    assert (batch.coefficients[0, 29:] == batch.coefficients[0, 29]).all()


class Counting(torch.nn.Module):
    """The convolutional part of an encoder, counting the windows it sees."""

    def __init__(self, module):
        super().__init__()
        self.module, self.count = module, 0

    def forward(self, waveforms):
        self.count += len(waveforms)
        return self.module(waveforms)


def test_windows_are_kept_and_change_no_digit(encoder):
    counts, found = {}, {}
    for size in (0, 10**5, 10**8):
        counted = copy.deepcopy(encoder)
        counted.feature_extractor = Counting(counted.feature_extractor)
        windows = WindowEncoder(counted, Compute(), size)
        source, random = Windows(CLIPS, TRAINING, None), np.random.default_rng(0)
        features = []
        for _ in range(40):
            batch = source.batch(range(6), random)
            conditioned = torch.from_numpy(random.random(6) >= 0.3)
            features.append(windows(batch, conditioned))
            assert (features[-1][~conditioned] == 0).all()
        counts[size], found[size] = counted.feature_extractor.count, torch.stack(features)
        assert windows.free_bytes >= 0
    assert counts[10**8] < counts[10**5] < counts[0] < 0.8 * 240, "windows under the null condition are not encoded"
    assert torch.equal(found[0], found[10**5]) and torch.equal(found[0], found[10**8])
    trained = [train(encoder, cache_bytes=size, epochs=3)[0] for size in (0, 10**8)]
    assert same(*trained)


@pytest.mark.parametrize("conditioning", ["window", "sentence"])
def test_bf16_stays_near_float32_and_keeps_float32_weights(encoder, conditioning):
    settings = {"epochs": 3, "conditioning": conditioning, "dropout": 0.0}
    exact, exact_history = train(encoder, **settings)
    model, history = train(encoder, run={"compute": Compute(precision="bf16")}, **settings)
    assert all(value.dtype == torch.float32 for value in model.parameters())
    assert history[-1]["validation"] == pytest.approx(exact_history[-1]["validation"], rel=0.02)
    assert not same(model, exact)


def test_tf32_is_float32_where_there_is_none_and_ends_with_the_training(encoder):
    before = torch.backends.cuda.matmul.fp32_precision, torch.backends.cudnn.conv.fp32_precision
    with Compute(precision="tf32").arithmetic():
        assert torch.backends.cuda.matmul.fp32_precision == "tf32"
    with Compute().arithmetic():
        assert torch.backends.cudnn.conv.fp32_precision == "ieee"
    assert (torch.backends.cuda.matmul.fp32_precision, torch.backends.cudnn.conv.fp32_precision) == before
    assert same(train(encoder, epochs=1, run={"compute": Compute(precision="tf32")})[0], train(encoder, epochs=1)[0])
    with pytest.raises(ValueError, match=r"compute.precision must be float32, tf32 or bf16, not 'fp8'"):
        Compute(precision="fp8")


@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler on the CPU")
def test_a_compiled_denoiser_learns_the_same(encoder, monkeypatch):
    monkeypatch.delenv("ATEN_CPU_CAPABILITY", raising=False)  # PyTorch's compiler knows of none called "default"
    settings = {"epochs": 1, "dropout": 0.0, "conditioning": "sentence"}
    plain, _ = train(encoder, **settings)
    model, _ = train(encoder, run={"compute": Compute(compile=True)}, **settings)
    assert plain.state_dict().keys() == model.state_dict().keys()
    for name, value in plain.state_dict().items():
        torch.testing.assert_close(model.state_dict()[name], value, atol=1e-3, rtol=0, msg=name)


# Samples


def samples_of(model, encoder, clips, seed=0, **changes):
    speeches = [Speech(clip.name, clip.waveform, len(clip.coefficients)) for clip in clips]
    sampler = Sampler(model, encoder, replace(QUICK, **changes), seed)
    return dict(sample_speech(sampler, speeches, report=lambda _: None))


def test_samples_have_their_clips_lengths_and_their_own_seeds(encoder):
    model, _ = train(encoder, epochs=2)
    samples = samples_of(model, encoder, HELD_OUT)
    assert {name: value.shape for name, value in samples.items()} == {one.name: (4, 90, 32) for one in HELD_OUT}
    longer = samples_of(model, encoder, CLIPS[:2])["clip1"]
    assert longer.shape == (4, 75, 32) and longer.dtype == np.float32
    assert 0 <= samples["clip100"].min() and samples["clip100"].max() <= 1
    assert np.abs(samples["clip100"][0] - samples["clip100"][1]).max() > 1e-3
    alone = samples_of(model, encoder, HELD_OUT[1:])
    np.testing.assert_array_equal(alone["clip101"], samples["clip101"])
    assert not np.allclose(samples_of(model, encoder, HELD_OUT, seed=1)["clip100"], samples["clip100"])


def test_guidance_of_one_is_off_where_the_settings_say_so(encoder):
    model, _ = train(encoder, epochs=2)

    def first(**changes):
        return samples_of(model, encoder, HELD_OUT[:1], **changes)["clip100"]

    np.testing.assert_array_equal(first(guidance_off_at_one=True), first(guidance=0.0))
    assert not np.allclose(first(), first(guidance=0.0), atol=1e-4)
