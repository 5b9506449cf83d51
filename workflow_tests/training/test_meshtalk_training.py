"""MeshTalk's training: what it is given, that it learns what is known, and goes on from where it was."""

import numpy as np
import pytest
import torch
from toy_clips import VERTICES, Cut, same_bytes, silent, toy_clip, toy_corpus, toy_shared

from said.baselines.log_mel import chunks, log_mel, normalise, span_log_mels
from said.baselines.meshtalk import AudioEncoder
from said.baselines.meshtalk_regions import find_regions
from said.compute import Compute
from said.corpus import Topology
from said.training.checkpoint import Checkpoint
from said.training.data_start import standardise_outputs
from said.training.meshtalk import (
    MeshTalkSettings,
    PriorSettings,
    build,
    fit_settings,
    start_from_data,
    train_meshtalk,
)
from said.training.run import Run
from said.training.segments import Segments

TINY = {
    "heads": 3,
    "classes": 8,
    "expression": 16,
    "detail": 16,
    "fps": 30,
    "centres": "steps",
    "normalisation": "deviation",
    "speech": "standardised",
    "iterations": 4,
    "drop_at": None,
    "batch_size": 3,
    "frames": 8,
    "start": "data",
    "learning_rate": 3e-3,
    "encoder_learning_rate": 1e-3,
    "input_learning_rate": 2e-3,
    "validate_every": 1,
    "prior": {"width": 8, "iterations": 4, "drop_at": None, "batch_size": 3, "frames": 8, "learning_rate": 1e-2},
}


def train(folder, checkpoint=None, prior=None, **settings):
    clips, held_out = toy_corpus(folder)
    settings = {**TINY, **settings, "prior": {**TINY["prior"], **(prior or {})}}
    return train_meshtalk(
        clips, held_out, settings, 0, shared=toy_shared(), run=Run("meshtalk", checkpoint=checkpoint, report=silent)
    )


def test_the_published_settings_are_the_defaults():
    settings = MeshTalkSettings.of({})
    first, second = fit_settings(settings, 320), fit_settings(settings.prior, 320)
    assert (first.epochs, first.batch_size, first.learning_rate, first.drops) == (1250, 8, 1e-4, ((1000, 0.1),))
    assert (second.epochs, second.batch_size, second.learning_rate, second.drops) == (375, 8, 1e-4, ((250, 0.1),))
    assert (settings.frames, settings.prior.frames, settings.decoder_decay) == (32, 64, 1e-3)
    assert (settings.heads, settings.classes, settings.speech, settings.prior.mask) == (16, 128, "raw", "published")


def test_a_mouth_opens_where_the_speech_is_loud(tmp_path):
    model, history = train(tmp_path, iterations=100, schedule="cosine", validate_every=10, prior={"iterations": 40})
    clip = toy_clip(tmp_path, "s2/new", None, 7, 90)
    motion = model.animate(clip.waveform, clip.template * 1000, fps=30, centres="steps").numpy() / 1000 - clip.template
    truth = clip.frames(30)[: len(motion)] - clip.template
    assert np.corrcoef(motion.ravel(), truth[: len(motion)].ravel())[0, 1] > 0.6
    for stage in ("autoencoder", "prior"):
        losses = [record["loss"] for record in history if record["stage"] == stage]
        assert losses[-1] < 0.8 * losses[0]


@pytest.mark.parametrize("stage", ["autoencoder", "checkpoint"])
def test_a_training_that_was_cut_off_ends_in_the_same_bytes(tmp_path, stage):
    whole, history = train(tmp_path)
    path = tmp_path / "checkpoint.safetensors"
    with pytest.raises(InterruptedError), Cut(path, 3, stage) as checkpoint:
        train(tmp_path, checkpoint)
    with Checkpoint(path) as checkpoint:
        resumed, again = train(tmp_path, checkpoint)
    assert same_bytes(whole, resumed)
    assert [record["loss"] for record in history] == [record["loss"] for record in again]
    assert not list(tmp_path.glob("*.safetensors*"))


def segments(folder, centres):
    return Segments(toy_corpus(folder)[0], 30, centres, Compute())


@torch.no_grad()
@pytest.mark.parametrize("centres", ["published", "exact"])
def test_a_segment_is_a_part_of_its_clip(tmp_path, centres):
    parts = segments(tmp_path, centres)
    encoder = AudioEncoder().eval()
    part = parts._cut([(1, 4), (0, 2)], 6)
    clip = parts.clips[1]
    assert part.geometry.shape == (2, 6, VERTICES, 3)
    torch.testing.assert_close(part.geometry[0], torch.from_numpy(1000 * clip.frames(30)[4:10]))
    torch.testing.assert_close(part.template[0], torch.from_numpy(1000 * clip.template))
    whole = encoder(log_mel(chunks(normalise(torch.from_numpy(clip.waveform)), 30, centres)))
    torch.testing.assert_close(part.codes(encoder)[0], whole[4:10], atol=1e-5, rtol=0)


@torch.no_grad()
def test_one_spectrogram_for_all_frames_is_near_that_of_each(tmp_path):
    """At 25 frames per second steps lie in the middles of frames: only what is mirrored at a chunk's ends differs."""
    audio = normalise(torch.from_numpy(toy_clip(tmp_path, "s/a", 0, 0).waveform))
    log_mels, first = span_log_mels(audio, 25)
    own = log_mel(chunks(audio, 25, "exact"))
    assert len(first) == len(own)
    for frame, start in zip(own, first.tolist(), strict=True):
        torch.testing.assert_close(log_mels[:, start + 3 : start + 98], frame[:, 3:98], atol=2e-3, rtol=0)
    with pytest.raises(ValueError, match="too short for a frame"):
        span_log_mels(audio[:100], 25)


@torch.no_grad()
def test_standardised_speech_is_taken_over_by_the_first_convolution(tmp_path):
    parts = segments(tmp_path, "steps")
    parts.standardise()
    bands = torch.cat([parts._standardised(parts._span(i)[0])[:, 50:-50] for i in range(len(parts.clips))], 1)
    raw = torch.cat([parts._span(i)[0][:, 50:-50] for i in range(len(parts.clips))], 1)
    assert bands.mean(1).abs().max() < 1e-3
    torch.testing.assert_close(bands.std(1), raw.std(1) / raw.std(1).clamp_min(1), atol=1e-2, rtol=0)
    encoder = AudioEncoder().eval()
    before = parts._cut([(0, 0)], 5).codes(encoder)
    parts.take_over(encoder.convert_dimensions)
    torch.testing.assert_close(parts._cut([(0, 0)], 5).codes(encoder), before, atol=1e-4, rtol=0)


def test_layers_that_start_from_data_vary_on_it():
    torch.manual_seed(0)
    linear, convolution = torch.nn.Linear(4, 3), torch.nn.Conv1d(3, 5, 2)
    x = 50 + 0.01 * torch.randn(6, 7, 4)

    def run():
        return convolution(linear(x).transpose(1, 2))

    standardise_outputs([linear, convolution], run)
    for units in (linear(x).flatten(0, 1), run().transpose(1, 2).flatten(0, 1)):
        assert units.mean(0).abs().max() < 0.05 and (units.std(0) - 1).abs().max() < 0.05


def test_a_decoder_that_starts_from_data_gives_the_template(tmp_path):
    clips, _ = toy_corpus(tmp_path)
    settings = MeshTalkSettings.of(TINY)
    parts = Segments(clips, 30, "steps", Compute())
    part = parts.random(np.arange(6), 8, np.random.default_rng(0))
    model = build(clips, settings)
    template = clips[0].template * 1000
    start_from_data(model, part, find_regions(toy_shared().topology, template))
    with torch.no_grad():
        log_probabilities = model.encoder.fusion_model(
            model.encoder.expression_encoder(part.geometry), part.codes(model.encoder.audio_encoder)
        )
        face = model.geom_unet(part.template, torch.rand(6, 8, 3, 8))
    assert len(log_probabilities.argmax(-1).unique()) > 4
    torch.testing.assert_close(face, part.template[:, None].expand_as(face), atol=1e-2, rtol=0)


def test_the_regions_of_a_face_are_near_their_landmarks():
    """A strip of triangles whose edges are 10 mm, with all landmarks of mouth and eyes at its two ends."""
    count = 12
    strip = np.array([[10.0 * (i // 2) + 5 * (i % 2), 8.66 * (i % 2), 0] for i in range(count)])
    landmarks = np.zeros(68, int)
    landmarks[48:68] = count - 1
    faces = np.stack([np.arange(count - 2) + corner for corner in range(3)], 1)
    lonely = np.concatenate([strip, [[0.0, 0, 500]]])
    regions = find_regions(Topology(faces, landmarks, np.arange(count)), lonely)
    along = 10.0 * ((count - 1 - np.arange(count) + 1) // 2)  # from the last vertex, by edges
    torch.testing.assert_close(
        regions.mouth[:count].numpy(), np.exp(-np.maximum(along - 12, 0) / 8.3), atol=1e-2, rtol=0, check_dtype=False
    )
    assert regions.mouth[-1] == regions.upper[-1] == 0
    assert regions.upper[0] == 1 and regions.eyelids.nonzero().ravel().tolist() == [0, 1, 2]


def test_layers_that_see_all_vertices_learn_at_a_rate_of_their_own(tmp_path):
    """The first step of Adam goes as far as the learning rate, whatever the gradient."""
    one_step = {"iterations": 1, "batch_size": 6, "start": "published"}
    still, moved = (train(tmp_path, **one_step, input_learning_rate=rate)[0].state_dict() for rate in (1e-12, 2e-3))
    layers = ("geom_unet.encoder.0.weight", "encoder.expression_encoder.layers.0.weight")
    for name, value in moved.items():
        apart = (value - still[name]).abs().max().item()
        if name in layers:
            assert apart == pytest.approx(2e-3, rel=0.1)  # or a little less, where the gradient is small
        elif name not in [layer.replace("weight", "bias") for layer in layers] and not name.startswith("context_model"):
            assert apart == 0, name


def test_wrong_settings_are_named():
    with pytest.raises(ValueError, match="mask must be one of published, corrected"):
        MeshTalkSettings.of({"prior": {"mask": "none"}})
    assert PriorSettings.of({"iterations": 3}).iterations == 3
