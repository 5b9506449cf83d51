"""Films of animated faces, what SyncNet makes of them, and a small one trained to show that it measures lip-sync."""

import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from said import corpus
from said.files.arrays import write_arrays
from said.files.text import read_json
from said.lipsync import measure, syncnet, validation
from said.lipsync.film import at_video_rate, camera_for, face_in_view, mouth_in_view
from said.lipsync.measure import embed_lips
from said.lipsync.syncnet import SyncNet
from said.lipsync.training import Film, Recording, between, matching_loss, segment, train_syncnet
from said.render import Renderer
from said.rig import Rig, read_rigs
from said.sampling import one_thread
from said.synthetic import speech, trajectories
from said.synthetic.actor import cast
from said.synthetic.head import build_head
from said.synthetic.identities import make_face, sample_identities
from said.synthetic.sentences import sentences
from said.tables import compare, join
from said.training.run import Run

SPEAKERS = 6


@pytest.fixture(scope="module")
def faces():
    head = build_head(0)
    made = [make_face(head, identity) for identity in sample_identities(SPEAKERS, 0)[:3]]
    return {
        f"face{number}": Rig(face.template, face.blendshapes, head.faces, landmarks=head.landmarks)
        for number, face in enumerate(made)
    }


def recording(face: str, voice: int, text: str) -> Recording:
    """A sentence in the voice and the style of one of six speakers, to be shown on some face."""
    rng = np.random.default_rng(voice)
    spoken = speech.speak(text, speech.sample_voices(SPEAKERS, 0)[voice], rng)
    style = cast(voice, SPEAKERS, 0).style
    coefficients = trajectories.coefficients(spoken.phones, spoken.phones[-1].end, style, rng, 60)
    return Recording(face, coefficients, spoken.waveform, spoken.sample_rate)


@pytest.fixture(scope="module")
def spoken(faces):
    texts = sentences(30, 0)
    train = [recording(f"face{n % 2}", n % 4, text) for n, text in enumerate(texts[:24])]
    return train, [recording("face2", 4 + n % 2, text) for n, text in enumerate(texts[24:])]


@pytest.fixture(scope="module")
def trained(faces, spoken):
    """A SyncNet of a sixteenth of the width after 60 steps on 24 sentences, four voices and two faces."""
    settings = {"width": 0.06, "size": 64, "segment": 12, "speed": 0.15}
    settings |= {"epochs": 20, "batch_size": 8, "learning_rate": 4e-3}
    train, held_out = spoken
    return train_syncnet(faces, train, held_out[:1], settings, seed=0, run=Run("SyncNet", report=lambda line: None))


@pytest.fixture(scope="module")
def proof(faces, spoken, trained):
    clips = {f"face2/{n}": clip for n, clip in enumerate(spoken[1])}
    return validation.prove(
        trained[0],
        faces,
        {name: clip.coefficients for name, clip in clips.items()},
        {name: (clip.waveform, clip.sample_rate) for name, clip in clips.items()},
    )


def test_the_offset_of_new_speakers_follows_their_speech(proof):
    own = proof[proof["speech"] == "own"]
    assert sorted(own["shift"].unique()) == list(range(-5, 6)) and len(own) == 11 * 6
    assert ((own["offset"] - own["shift"]).abs() <= 1).mean() >= 0.95


def test_another_clips_speech_gives_little_more_confidence_than_chance(proof):
    still = proof[proof["shift"] == 0].groupby("speech")["confidence"]
    assert still.size().to_dict() == {"own": 6, "other": 6, "chance": 6}
    least, most, mean = still.min(), still.max(), still.mean()
    assert least["own"] > max(most["other"], most["chance"]) and mean["own"] > 2.5 * mean["other"]
    assert 0 < mean["other"] < 2 * mean["chance"]


def test_training_says_what_it_was_trained_on_and_learns(trained):
    model, history = trained
    assert not model.training and model.origin == "trained on films of face0, face1"
    assert history[-1]["loss"] < history[0]["loss"] - 0.4
    assert min(record["validation"] for record in history) < history[0]["validation"] - 0.3


def measured(model, faces, generated, heard, samples=None):
    return measure.measure_method(model, faces, generated, heard, samples)


def test_a_method_is_measured_sample_by_sample(faces, spoken, trained):
    clip = spoken[1][0]
    still = np.tile(clip.coefficients[:1], (len(clip.coefficients), 1))
    samples = np.stack([clip.coefficients, still])
    heard = {"face2/one": (clip.waveform, clip.sample_rate)}
    both = measured(trained[0], faces, {"face2/one": samples}, heard)
    first = measured(trained[0], faces, {"face2/one": samples}, heard, samples=1)
    moving, frozen = both["clips"]["face2/one"]["confidences"]
    assert moving > 3 * frozen  # a face that does not move goes with no moment of the speech
    assert both["av_confidence"] == pytest.approx((moving + frozen) / 2) and first["av_confidence"] == moving
    assert abs(first["av_offset"]) <= 1 and first["weights"] == trained[0].origin


def test_clips_that_cannot_be_measured_are_left_out_and_said_to_be(faces, spoken, trained):
    clips = {f"face2/{n}": clip for n, clip in enumerate(spoken[1][:3])}
    generated = {name: clip.coefficients[None] for name, clip in clips.items()}
    speech = {name: (clip.waveform, clip.sample_rate) for name, clip in clips.items()}
    generated["face2/0"] = np.repeat(generated["face2/0"], 2, axis=0)  # more samples than the others
    whole = measured(trained[0], faces, generated, speech)
    assert whole["notes"] == {} and whole["av_confidence"] == pytest.approx(
        np.mean([np.mean(clip["confidences"]) for clip in whole["clips"].values()])
    )
    for key in ("av_offset", "av_confidence"):
        low, high = whole[f"{key}_interval"]
        assert low <= whole[key] <= high
    assert whole["av_confidence_interval"][0] < whole["av_confidence_interval"][1]

    generated["face2/1"] = np.full_like(generated["face2/1"], np.nan)
    generated["face2/2"] = generated["face2/2"][:, :14]  # five video frames
    left = measured(trained[0], faces, generated, speech)
    assert left["clips"] == {"face2/0": whole["clips"]["face2/0"]}
    assert left["av_confidence"] == pytest.approx(np.mean(left["clips"]["face2/0"]["confidences"]))
    assert left["notes"]["av"] == "no value for 2 of 3 clips; face2/1: samples hold values that are not finite"

    short = measured(trained[0], faces, {"face2/2": generated["face2/2"]}, speech)
    for key in ("av_offset", "av_confidence"):
        assert short[key] is None and short[f"{key}_interval"] is None
    assert "5 video frames with speech; SyncNet needs at least 6" in short["notes"]["av"]
    table = compare(join([("base", short)]), "variant", {}, None, "synthetic").markdown()
    assert table.count("– <sup>1</sup>") == 2 and short["notes"]["av"] in table


JOB = """
import sys
import time
sys.path[:0] = {paths!r}
import torch
torch.set_num_threads(1)
from said.files.arrays import read_arrays
from said.files.finished import Finished
from said.files.text import write_json
from said.lipsync import measure, syncnet
from said.rig import Rig
class Waiting(Finished):
    left = int(sys.argv[1])  # clips, after which it waits to be killed

    def write(self, *arguments):
        super().write(*arguments)
        self.left -= 1
        while self.left == 0:
            time.sleep(1)

given, model = read_arrays("given.npz"), syncnet.load("syncnet.safetensors")
faces = {{"face2": Rig(**{{part: given[part] for part in ("template", "blendshapes", "faces", "landmarks")}})}}
generated = {{f"face2/{{n}}": samples for n, samples in enumerate(given["samples"])}}
speech = dict.fromkeys(generated, (given["waveform"], 16000))
with Waiting("job.unfinished", measure.identity(model, faces)) as finished:
    measured = measure.measure_method(model, faces, generated, speech, finished=finished)
    write_json("measured.json", measured)
"""


def test_a_measurement_killed_at_any_moment_goes_on_with_the_clips_it_has(tmp_path, faces, trained):
    """A real process, killed once."""
    rng = np.random.default_rng(0)
    samples = rng.uniform(0, 0.5, (8, 2, 120, 32))
    samples[3] = np.nan  # is left out before and after
    waveform = rng.normal(0, 0.1, 32000).astype(np.float32)
    syncnet.save(tmp_path / "syncnet.safetensors", trained[0])
    rig = {part: getattr(faces["face2"], part) for part in ("template", "blendshapes", "faces", "landmarks")}
    write_arrays(tmp_path / "given.npz", rig | {"samples": samples, "waveform": waveform})
    command = [sys.executable, "-c", JOB.format(paths=sys.path)]

    def kept():
        return len(list(tmp_path.glob("job.unfinished/face2/.sums/[0-9]*.npz")))

    with subprocess.Popen([*command, "3"], cwd=tmp_path, stdout=subprocess.DEVNULL) as job:
        while not kept() and job.poll() is None:
            time.sleep(0.005)
        assert job.poll() is None, "failed before it was killed"
        job.kill()
    before = kept()
    assert 1 <= before < 7 and not (tmp_path / "measured.json").exists()
    done = subprocess.run([*command, "9"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert f"{before} of 8 clips were finished" in done.stdout and not (tmp_path / "job.unfinished").exists()
    heard = {f"face2/{n}": (waveform, 16000) for n in range(8)}
    with one_thread():
        undisturbed = measured(trained[0], faces, dict(zip(heard, samples, strict=True)), heard)
    assert read_json(tmp_path / "measured.json") == undisturbed
    assert len(undisturbed["clips"]) == 7 and undisturbed["notes"]["av"].startswith("no value for 1 of 8 clips")


def test_what_a_clips_numbers_follow_from_is_in_its_identity(faces, trained):
    known = measure.identity(trained[0], faces)
    assert known == measure.identity(trained[0], dict(faces))
    other = SyncNet(trained[0].width, trained[0].size, trained[0].colours)
    smaller = {**faces, "face0": replace(faces["face0"], template=0.9 * faces["face0"].template)}
    assert measure.identity(other, faces) != known != measure.identity(trained[0], smaller)


def test_chunks_of_a_clip_are_embedded_as_the_whole(trained):
    film = np.random.default_rng(0).integers(0, 256, (23, 64, 64, 1)).astype(np.uint8)
    whole, chunks = embed_lips(trained[0], film), embed_lips(trained[0], film, batch=5)
    assert whole.shape == (19, 61)
    np.testing.assert_allclose(chunks, whole, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("model", [SyncNet(1 / 16, 64, 1), SyncNet(1 / 16)], ids=["mouth", "face"])
def test_the_camera_shows_what_the_whole_mesh_would(faces, spoken, model):
    face = faces["face1"]
    camera = camera_for(model, face)
    coefficients = spoken[0][0].coefficients[[0, 60, 90]]
    film = camera.film(coefficients)
    assert film.shape == (3, model.size, model.size, model.colours) and film.dtype == np.uint8
    renderer = Renderer(face.faces, model.size, camera.renderer.framing)
    for picture, weights in zip(film, coefficients, strict=True):
        mesh = face.template + np.tensordot(weights, face.blendshapes - face.template, 1)
        whole = renderer(mesh)[..., ::-1][..., : model.colours].astype(int)  # blue, green, red
        assert np.abs(picture - whole).max() <= 1
    assert np.abs(film[0].astype(int) - film[2]).max() > 60  # the mouth moved


def on_screen(face, framing):
    """Landmarks of the resting face in units of the view's half height, y downwards."""
    points = face.template[face.landmarks] - framing.centre
    return points[:, :2] * [1, -1] / framing.half_height * (0.9 / (0.9 - points[:, 2:]))


def test_the_mouth_fills_the_view_with_room_to_open(faces):
    for face in faces.values():
        lips = on_screen(face, mouth_in_view(face))[48:68]
        width = np.ptp(lips[:, 0])
        assert 1.0 < width < 1.2  # of 2
        assert abs(lips[:, 0].mean()) < 0.05 and -0.4 < lips[:, 1].mean() < -0.2
        assert on_screen(face, mouth_in_view(face))[8, 1] < 1  # the chin


def test_the_face_is_cut_as_the_published_pipeline_does(faces):
    for face in faces.values():
        points = face.template[face.landmarks]
        chin, brows = points[8, 1], points[17:27, 1].mean()
        half = max(1.5 * (brows - chin), np.ptp(points[:17, 0])) / 2
        framing = face_in_view(face)
        assert framing.half_height == pytest.approx((1 + 2 * 0.4) * half / 2 + half / 2)  # 1 above and 1.8 below
        middle = (chin + brows + 0.5 * (brows - chin)) / 2
        top, bottom = framing.centre[1] + framing.half_height, framing.centre[1] - framing.half_height
        assert (top - middle, middle - bottom) == pytest.approx((half, 1.8 * half))


def test_a_mesh_without_landmarks_is_refused(tmp_path):
    arrays = {"vertices": np.arange(60), "template": np.zeros((60, 3)), "blendshapes": np.zeros((32, 60, 3)),
              "faces": np.zeros((1, 3), int)}  # fmt: skip
    write_arrays(tmp_path / "someone.npz", arrays)
    topology = corpus.Topology(np.zeros((1, 3), int), np.arange(68), np.empty(0, int))
    with pytest.raises(ValueError, match=r"someone\.npz.*\[60, 61"):
        read_rigs([tmp_path / "someone.npz"], topology)


def test_video_frames_lie_between_animation_frames():
    ramp = np.arange(240.0)[:, None] * np.ones(32)
    np.testing.assert_allclose(at_video_rate(ramp)[:, 0], np.arange(100) * 2.4)
    np.testing.assert_allclose(at_video_rate(ramp, speed=1.25)[:, 7], np.arange(80) * 3.0)
    held = at_video_rate(ramp[:8])
    assert held.shape == (3, 32) and at_video_rate(ramp[:1]).shape == (0, 32)


def test_speech_is_moved_by_whole_frames_and_filled_with_silence():
    speech_ = np.arange(1.0, 6401)
    assert np.array_equal(validation.moved_ahead(speech_, 0), speech_)
    ahead, behind = validation.moved_ahead(speech_, 2), validation.moved_ahead(speech_, -2)
    assert ahead[0] == 1281 and not ahead[-1280:].any() and len(ahead) == 6400
    assert behind[1280] == 1 and not behind[:1280].any() and len(behind) == 6400


def test_summary_counts_clips_within_one_frame():
    rows = [("a", "own", 3, 3, 2.0), ("b", "own", 3, 4, 3.0), ("c", "own", 3, 5, 4.0), ("a", "other", 0, -9, 0.5)]
    summary = validation.summarise(pd.DataFrame(rows, columns=["clip", "speech", "shift", "offset", "confidence"]))
    own, other = summary.iloc[0], summary.iloc[1]
    assert own["clips"] == 3 and own["within_one_frame"] == pytest.approx(2 / 3) and own["offset_mean"] == 4
    assert own["confidence_mean"] == 3 and other["within_one_frame"] == 0


def test_loss_of_perfect_and_of_equal_vectors():
    class Known(SyncNet):
        """Embeds the nth window as a multiple of the nth unit vector."""

        scale = 0.0

        def embed_lips(self, pictures):
            return self.scale * torch.eye(8).reshape(2, 4, 8)

        def embed_speech(self, features):
            return self.scale * torch.eye(8)

    model = Known(width=1 / 64, size=64, colours=1)
    clip = torch.zeros(2, 1, 8, 64, 64), torch.zeros(8, 1, 13, 20)
    assert float(matching_loss(model, *clip)) == pytest.approx(np.log(8), rel=1e-4)
    model.scale = 2.0  # own at distance 0, the other seven at 2 sqrt 2
    assert float(matching_loss(model, *clip)) == pytest.approx(np.log1p(7 * np.exp(-np.sqrt(8))), rel=1e-2)


def test_segments_keep_pictures_and_speech_together():
    pictures = np.repeat(np.arange(30, dtype=np.uint8), 72 * 72).reshape(30, 72, 72, 1) * 8
    windows = np.arange(26, dtype=np.float32)[:, None, None, None] * np.ones((1, 1, 13, 20), np.float32)
    for number in range(20):
        cut, heard = segment(Film(pictures, windows), 10, 64, np.random.default_rng(number))
        assert cut.shape == (1, 14, 64, 64) and heard.shape == (10, 1, 13, 20)
        start = heard[0, 0, 1, 0]  # coefficients other than the energy are untouched
        assert np.array_equal(heard[:, 0, 1, 0], start + np.arange(10))
        levels = cut[0, :, 0, 0]
        position = (levels - levels[0]) / (levels[1] - levels[0])
        np.testing.assert_allclose(position, np.arange(14), atol=1e-3)
        contrast = (levels[1] - levels[0]) / 8
        assert 0.8 <= contrast <= 1.25 and abs(levels[0] - 128 - (8 * start - 128) * contrast) <= 25.01
    short, heard = segment(Film(pictures[:9], windows[:5]), 10, 64, np.random.default_rng(0))
    assert short.shape[1] == 9 and len(heard) == 5


def test_faces_between_two_are_convex_combinations(faces):
    first, second = faces["face0"], faces["face1"]
    middle = between(first, second, 0.25)
    np.testing.assert_allclose(middle.template, 0.75 * first.template + 0.25 * second.template)
    np.testing.assert_allclose(middle.blendshapes, 0.75 * first.blendshapes + 0.25 * second.blendshapes)
    with pytest.raises(ValueError, match="topologies"):
        between(first, replace(second, faces=second.faces[:-1]), 0.5)
