"""Drawing codes: the nucleus, the cache, windows of long speech."""

import numpy as np
import pytest
import torch
from helpers import small_encoder
from toy_poses import toy_generator, toy_speech, toy_vq

from said.headpose.generator import taught
from said.headpose.pose_vq import window_starts
from said.headpose.sampling import PoseModels, PoseSampling, continue_codes, draw, hear, poses_of, sample_directions

ALL = PoseSampling(samples=3, nucleus=1.0)


def whole(model, memory, style, uniform, settings):
    """Codes without anything kept: all tokens anew for each."""
    codes = torch.zeros(*uniform.shape, dtype=torch.int64)
    for token in range(uniform.shape[1]):
        logits = model(taught(model, codes), memory, style)[:, token].unflatten(-1, (2, -1))
        codes[:, token] = draw(logits, uniform[:, token], settings.temperature, settings.nucleus)
    return codes


def test_the_nucleus_is_the_fewest_codes_that_have_the_share():
    logits = torch.tensor([0.1, 0.6, 0.05, 0.25]).log()
    uniform = torch.linspace(0, 1, 1001)[:-1]
    for nucleus, kept in ((0.5, [1]), (0.61, [1, 3]), (0.9, [0, 1, 3]), (1.0, [0, 1, 2, 3])):
        drawn = draw(logits.expand(1000, -1), uniform, 1.0, nucleus)
        share = torch.bincount(drawn, minlength=4) / 1000
        expected = torch.zeros(4).index_put((torch.tensor(kept),), logits.exp()[kept])
        torch.testing.assert_close(share, expected / expected.sum(), atol=2e-3, rtol=0)
    cold = draw(logits.expand(1000, -1), uniform, 0.01, 1.0)
    assert bool((cold == 1).all())
    assert int(draw(torch.zeros(3), torch.tensor(0.0), 1.0, 1e-9)) == 0


@pytest.mark.parametrize("known", [0, 2, 5])
def test_drawing_with_a_cache_is_drawing_without(known):
    model = toy_generator()
    memory, style = model.listen(*toy_speech(3, 24)), model.styles(torch.tensor([0, 1, 2]), 3)
    uniform = torch.rand(3, 6, 2, generator=torch.Generator().manual_seed(0))
    expected = whole(model, memory, style, uniform, ALL)
    assert len(expected.unique()) >= 4
    made = continue_codes(model, memory, style, expected[:, :known], uniform[:, known:], ALL)
    assert torch.equal(made, expected)


def test_a_window_continues_the_second_half_of_the_one_before():
    models = PoseModels(toy_vq(), toy_generator())
    speech = [toy_speech(1, frames, seed) for seed, frames in enumerate((24, 24, 16))]
    windows = [(semantic[0], heard[0]) for semantic, heard in speech]
    made = sample_directions(models, windows, 38, 1, 7, ALL)
    assert made.shape == (3, 38, 6)
    uniform = torch.rand(3, 10, 2, generator=torch.Generator().manual_seed(7))
    style = models.generator.styles(torch.tensor([1, 1, 1]), 3)
    codes = torch.zeros(3, 0, 2, dtype=torch.int64)
    for start, part in zip(window_starts(10, 6), speech, strict=True):
        memory = models.generator.listen(*part).expand(3, -1, -1)
        new = uniform[:, len(codes[0]) : start + memory.shape[1]]
        own = continue_codes(models.generator, memory, style, codes[:, start:], new, ALL)
        assert torch.equal(own[:, : len(codes[0]) - start], codes[:, start:])
        codes = torch.cat([codes[:, :start], own], dim=1)
    torch.testing.assert_close(made, models.vq.decode(codes)[:, :38])


@pytest.mark.parametrize("given", ["waveform", "mel"])
@pytest.mark.parametrize("seconds", [0.05, 0.96, 2.0])
def test_poses_of_a_recording_of_any_length(given, seconds):
    models = PoseModels(toy_vq(), toy_generator(hearing=32, rhythm_input=given))
    waveform = (0.1 * np.random.default_rng(0).normal(size=int(16000 * seconds))).astype(np.float32)
    settings, encoder = PoseSampling(samples=2), small_encoder()
    made = poses_of(waveform, 2, 5, models=models, encoder=encoder, settings=settings)
    assert made.shape == (2, int(25 * seconds + 1e-9), 3) and made.dtype == np.float32
    assert np.isfinite(made).all() and np.linalg.norm(made, axis=-1).max() <= np.pi + 1e-5
    assert np.array_equal(made, poses_of(waveform, 2, 5, models=models, encoder=encoder, settings=settings))
    other = poses_of(waveform, 2, 6, models=models, encoder=encoder, settings=settings)
    if seconds > 0.5:
        assert not np.array_equal(made, other) and not np.array_equal(made[0], made[1])
    assert poses_of(waveform, None, 5, models=models, encoder=encoder).shape == (1, *made.shape[1:])


def test_a_model_without_codes_gives_the_same_each_time():
    models = PoseModels(toy_vq(), toy_generator(quantised=False))
    windows = [(semantic[0], heard[0]) for semantic, heard in (toy_speech(1, 24), toy_speech(1, 24, 1))]
    first, second = (sample_directions(models, windows, 36, 0, seed, ALL) for seed in (0, 1))
    assert first.shape == (3, 36, 6) and torch.equal(first, second) and torch.equal(first[0], first[2])


def test_what_is_no_speech_is_refused():
    models, encoder = PoseModels(toy_vq(), toy_generator(hearing=32)), small_encoder()
    for wrong in (np.zeros(639, np.float32), np.zeros((1, 6400), np.float32)):
        with pytest.raises(ValueError, match="at least 640 samples"):
            hear(wrong, encoder, models.generator)
    for style in (-1, 3):
        with pytest.raises(ValueError, match=r"styles lie in \[0, 3\)"):
            poses_of(np.zeros(6400, np.float32), style, 0, models=models, encoder=encoder)
