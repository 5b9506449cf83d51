"""Long speech: windows are the whole where that fits into one, agree where they overlap, resume, depend on no other."""

import numpy as np
import pytest
import torch
from helpers import Samples, babble

from said.animation.encoding import SpeechFeatures
from said.animation.windows import OVERLAP, WINDOW, Kept, sample_windows, seams, segments
from said.diffusion import Course, guided, sample
from said.model import ModelConfig, SAiD
from said.sampling import Sampler
from said.seeds import derive_seed
from said.speech import encode_clip


class Drawn:
    """Features that a test gives."""

    def __init__(self, frames: int, width: int = 32):
        self.values = torch.randn(frames, width, generator=torch.Generator().manual_seed(1))

    def read(self, begin: int, end: int) -> torch.Tensor:
        return self.values[begin:end]


@pytest.fixture(scope="module")
def model() -> SAiD:
    torch.manual_seed(0)
    model = SAiD(ModelConfig(width=32, audio_width=32, prediction="v"))
    for parameter in model.parameters():  # a fresh model predicts 0
        torch.nn.init.normal_(parameter, std=0.05)
    return model.eval()


def sampler(model, encoder, **settings) -> Sampler:
    return Sampler(model, encoder, {"steps": 4, "guidance": 1.0, **settings}, seed=0)


def test_segments_cover_each_frame_once_and_windows_are_no_longer_than_said():
    for frames in (*range(1, 1200, 7), WINDOW, WINDOW + 1, 2 * WINDOW - OVERLAP, 2 * WINDOW - OVERLAP + 1, 216000):
        found = segments(frames)
        assert found[0][0] == 0 and found[-1][1] == frames
        assert all(end == begin for (_, end), (begin, _) in zip(found, found[1:], strict=False))
        assert (
            all(end - begin + OVERLAP <= WINDOW for begin, end in found[:-1]) and found[-1][1] - found[-1][0] <= WINDOW
        )
        assert len(found) == 1 or found[-1][1] - found[-1][0] > OVERLAP


@pytest.mark.parametrize("name", ["ddim", "dpmsolver++"])
def test_a_clip_of_one_window_is_sampled_in_one_piece(model, encoder, name):
    one = sampler(model, encoder, sampler=name)
    values = sample_windows(one, Drawn(240), 240, [7])
    noise = torch.randn(1, 240, 32, generator=torch.Generator().manual_seed(derive_seed(7, "segment", 0)))
    whole = sample(
        model, Drawn(240).read(0, 240)[None], steps=4, guidance=1.0, initial_noise=noise, sampler=name,
        predictor=one.predictor,
    )  # fmt: skip
    np.testing.assert_allclose(values[0], whole[0].numpy(), rtol=0, atol=1e-4)  # rounding differs with where data lie


def averaged(model, audio, frames: int, seed: int, steps: int) -> np.ndarray:
    """What the windows should make, written as it is defined: all frames at once, window by window, step by step."""
    noise = torch.cat(
        [
            torch.randn((1, end - begin, 32), generator=torch.Generator().manual_seed(derive_seed(seed, "segment", k)))
            for k, (begin, end) in enumerate(segments(frames))
        ],
        dim=1,
    )
    course = Course(model, noise, steps=steps)
    starts = [begin for begin, _ in segments(frames)]
    with torch.no_grad():
        for step in range(steps):
            total, weights = torch.zeros_like(noise), torch.zeros(frames, 1)
            for begin in starts:
                end = min(frames, begin + WINDOW)
                weight = torch.ones(end - begin, 1)
                ramp = ((torch.arange(OVERLAP) + 0.5) / OVERLAP)[:, None]
                if begin:
                    weight[:OVERLAP] = ramp
                if end < frames or begin != starts[-1]:
                    weight[-OVERLAP:] = 1 - ramp
                predict = guided(model, audio[None, begin:end], course.timesteps, 1.0)
                total[:, begin:end] += weight * predict(course.values[:, begin:end], step)
                weights[begin:end] += weight
            assert torch.allclose(weights, torch.ones(1))
            course.advance(total)
    return course.result()[0].numpy()


@pytest.mark.parametrize("frames", [241, 600, 1000])
def test_windows_are_what_they_are_defined_to_be(model, encoder, frames):
    values = sample_windows(sampler(model, encoder), Drawn(frames), frames, [3])
    assert np.abs(values[0] - averaged(model, Drawn(frames).values, frames, 3, 4)).max() < 1e-5


@pytest.mark.parametrize(("name", "eta"), [("ddim", 0.0), ("ddim", 1.0), ("ddpm", 0.0), ("dpmsolver++", 0.0)])
def test_a_take_depends_on_neither_threads_nor_other_takes_nor_interruptions(
    model, encoder, name, eta, tmp_path, monkeypatch
):
    one, features = sampler(model, encoder, sampler=name, eta=eta), Drawn(1100)
    alone = sample_windows(one, features, 1100, [5])
    together = sample_windows(one, features, 1100, [4, 5], threads=3)
    assert np.array_equal(alone[0], together[1]) and not np.array_equal(together[0], together[1])

    monkeypatch.setattr("said.animation.windows._EVERY", 0.0)  # a record after each tick

    class Cut(Drawn):
        def read(self, begin, end):
            if begin > 700:
                raise KeyboardInterrupt
            return super().read(begin, end)

    record = tmp_path / "record.npz"
    with pytest.raises(KeyboardInterrupt):
        sample_windows(one, Cut(1100), 1100, [4, 5], record=record, identity="a")
    assert record.exists()
    lines: list[str] = []
    resumed = sample_windows(one, features, 1100, [4, 5], record=record, identity="a", report=lines.append)
    assert np.array_equal(resumed, together) and "continues" in lines[0] and not record.exists()

    with pytest.raises(KeyboardInterrupt):
        sample_windows(one, Cut(1100), 1100, [4, 5], record=record, identity="a")
    lines.clear()
    anew = sample_windows(one, features, 1100, [4, 5], record=record, identity="b", report=lines.append)
    assert np.array_equal(anew, together) and not [line for line in lines if "continues" in line]


def test_what_is_kept_of_an_earlier_take_comes_back_as_it_was(model, encoder):
    one, features = sampler(model, encoder, sampler="dpmsolver++"), Drawn(700)
    before = np.random.default_rng(0).uniform(size=(700, 32))
    mask = np.zeros((700, 32), bool)
    mask[170:330] = mask[:, 3] = True
    values = sample_windows(one, features, 700, [1], kept=Kept(before, mask))[0]
    assert np.array_equal(values[mask], before.astype(np.float32)[mask])
    free = sample_windows(one, features, 700, [1])[0]
    assert not np.array_equal(values[~mask], free[~mask])
    near = sample_windows(one, features, 700, [1], kept=Kept(before, np.zeros_like(mask), strength=0.25))[0]
    assert np.abs(near - before).mean() < np.abs(free - before).mean()


def test_many_steps_keep_no_more_in_memory_and_change_nothing(model, encoder, monkeypatch):
    one, features = sampler(model, encoder), Drawn(500)
    values = sample_windows(one, features, 500, [1])
    monkeypatch.setattr("said.animation.windows._MOST_KEPT", 1)
    assert np.array_equal(sample_windows(one, features, 500, [1]), values)


def test_short_speech_is_encoded_in_one_piece(encoder):
    speech = Samples(babble(3.0))
    features = SpeechFeatures(encoder, speech, 180)
    whole = encode_clip(encoder, speech.values, 180)
    assert torch.equal(features.read(0, 180), whole) and torch.equal(features.read(50, 90), whole[50:90])


def test_the_convolutional_part_sees_the_whole_clip(encoder):
    """With all of a block's surroundings as context, a block is what the whole is: nothing but attention is cut."""
    speech = Samples(babble(9.0))
    speech.values[48000:96000] = 0  # a pause, which its own statistics would make a din
    whole = encode_clip(encoder, speech.values, 540)
    blocks = SpeechFeatures(encoder, speech, 540, block=100, context=540)
    with torch.no_grad():
        assert (blocks.read(0, 540) - whole).abs().max() < 2e-3 * whole.abs().max()


def test_blocks_with_context_are_near_the_whole_and_the_same_however_they_are_read(encoder):
    speech = Samples(babble(20.0))
    whole = encode_clip(encoder, speech.values, 1200)
    blocks = SpeechFeatures(encoder, speech, 1200, block=300, context=150)
    read = torch.cat([blocks.read(begin, begin + 60) for begin in range(0, 1200, 60)])
    correlation = torch.corrcoef(torch.stack([read.flatten(), whole.flatten()]))[0, 1]
    assert correlation > 0.99
    again = SpeechFeatures(encoder, speech, 1200, block=300, context=150)
    assert torch.equal(again.read(900, 1200), read[900:]) and torch.equal(again.read(10, 1190), read[10:1190])


def test_seams_are_seen_where_there_are_any():
    rng = np.random.default_rng(0)
    smooth = np.cumsum(rng.normal(size=(2000, 32)), axis=0) * 0.001
    assert 0.3 < seams(smooth)["mean_percentile"] < 0.7
    jumping = smooth.copy()
    for begin, _ in segments(2000)[1:]:
        jumping[begin:] += 0.1
    assert seams(jumping)["largest_percentile"] > 0.98 and seams(smooth[:200])["borders"] == 0
