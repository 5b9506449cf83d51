"""The model that the package brings: what its settings say, and as good as the pages say on speakers it never heard.

    SAID_TRAIN_MODEL=1 python -m pytest workflow_tests/animation/test_shipped.py

asks the same of a model that `make model`'s command trains now, in a folder of its own: 15 minutes of a core.
"""

import json
import os
import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from conftest import ROOT, copy_workflow
from helpers import Samples

from said.animation.encoding import SpeechFeatures
from said.animation.faces import _ASSET, load_face
from said.animation.head_motion import load_head_motion
from said.animation.inputs import SHIPPED, find_head, find_model
from said.animation.models import default_guidance, load_model
from said.animation.rest import heard, rest
from said.animation.windows import WINDOW, sample_windows, seams
from said.arkit import SPEECH_BLENDSHAPES
from said.corpus import FRAME_RATE
from said.files.arrays import read_arrays
from said.files.provenance import KEYS
from said.headpose.beats import dips, loudest, speech_beats
from said.headpose.rotations import angles
from said.headpose.sampling import poses_of
from said.sampling import Sampler, SamplingSettings
from said.synthetic import speech, trajectories
from said.synthetic.actor import cast
from said.synthetic.pauses import with_pauses
from said.synthetic.phonetics import BILABIALS, SILENCE
from said.synthetic.sentences import sentences
from said.synthetic.talks import cast_talkers, record_talk, write_texts
from said.waveforms import frame_count, prepare_waveform
from said.workflow.config import merge, resolve
from said.workflow.version import VERSION

SEED = 20260
"""Of voices, styles and sentences that the corpus, whose seed is 0, does not have."""
HEADS = ("pose_vq.safetensors", "pose_base.safetensors", "head_settings.json")
JAW_OPEN, PUCKER = SPEECH_BLENDSHAPES.index("jawOpen"), SPEECH_BLENDSHAPES.index("mouthPucker")


def spoken(count: int, pauses: float) -> list[tuple]:
    """Utterances of four speakers in turn, and the true coefficients (N, 32) of each."""
    voices, clips = speech.sample_voices(4, SEED), []
    for number, text in enumerate(sentences(count, SEED)):
        rng = np.random.default_rng([SEED, number])
        utterance = with_pauses(speech.speak(text, voices[number % 4], rng), pauses, rng)
        style = cast(number % 4, 4, SEED).style
        clips.append((utterance, trajectories.coefficients(utterance.phones, utterance.duration, style, rng)))
    return clips


def recipe() -> list[str]:
    """The words of the command that trains the model, as the Makefile has them."""
    text = (ROOT / "Makefile").read_text().split("\nmodel:")[1].split("\n\tcp ")[0]
    return shlex.split(text.split("\n", 1)[1].replace("\\\n", " "))


def flat(settings: dict, place: str = "") -> dict[str, object]:
    """The values of nested settings by their places."""
    found: dict[str, object] = {}
    for key, value in settings.items():
        found |= flat(value, f"{place}{key}.") if isinstance(value, dict) else {f"{place}{key}": value}
    return found


@pytest.fixture(scope="module")
def shipped(tmp_path_factory) -> Path:
    """The folder with the package's models; where SAID_TRAIN_MODEL is set, with those that `make model` makes now."""
    if not os.environ.get("SAID_TRAIN_MODEL"):
        return SHIPPED.parent
    workflow = copy_workflow(tmp_path_factory.mktemp("model") / "workflow")
    places = dict(re.findall(r"^(BUNDLE|HEADS) := (.+)$", (ROOT / "Makefile").read_text(), re.M))
    words = [re.sub(r"\$\((BUNDLE|HEADS)\)", lambda found: places[found[1]], word) for word in recipe()]
    workflow("--cores", "1", *words[words.index("--config") :])
    made = tmp_path_factory.mktemp("shipped")
    for folder in places.values():
        shutil.copytree(
            workflow.folder / folder, made, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".snakemake*", ".sums")
        )
    return made


@pytest.fixture(scope="module")
def sampler(shipped) -> Sampler:
    """As `animate` has it by default."""
    model, encoder = load_model(find_model(str(shipped), "x"))
    return Sampler(model, encoder, SamplingSettings("dpmsolver++", 25, default_guidance(model)), 0)


def animated(sampler: Sampler, waveform, rate: int, window: int = WINDOW) -> np.ndarray:
    """(N, 32)."""
    frames = frame_count(len(waveform), rate)
    samples = Samples(prepare_waveform(waveform, rate))
    features = SpeechFeatures(sampler.encoder, samples, frames)
    values = sample_windows(sampler, features, frames, [0], window=window, report=lambda _: None)[0]
    return rest(values, heard(samples, len(values)))[0]


@pytest.fixture(scope="module")
def sentence_clips(sampler):
    """Phones, truth and what the model makes of it, of sentences without pauses."""
    return [(u.phones, truth, animated(sampler, u.waveform, u.sample_rate)) for u, truth in spoken(12, 0.0)]


@pytest.fixture(scope="module")
def paused(sampler):
    """A minute with pauses: its phones, and what the model makes of it."""
    clips = [utterance for utterance, _ in spoken(8, 1.0)]
    phones, begin = [], 0.0
    for clip in clips:
        phones += [(begin + phone.start, begin + phone.end, phone.symbol) for phone in clip.phones]
        begin += clip.duration
    waveform = np.concatenate([clip.waveform for clip in clips])
    return phones, waveform, animated(sampler, waveform, clips[0].sample_rate)


def test_it_is_what_its_settings_say(shipped, sampler):
    settings = json.loads((shipped / "settings.json").read_text())
    config, encoder = sampler.model.config, sampler.encoder.config
    for name in ("width", "alignment_bias", "prediction", "noise_schedule", "diffusion_steps"):
        assert getattr(config, name) == settings["said"][name], name
    assert config.scaled == (settings["said"]["coefficient_scale"] == "std") is True
    stand_in = settings["speech_encoder"]["stand_in"]
    assert encoder.hidden_size == config.audio_width == stand_in["width"]
    assert (encoder.num_hidden_layers, encoder.num_attention_heads) == (stand_in["layers"], stand_in["heads"])
    assert encoder.conv_dim[0] == stand_in["channels"] and settings["synthetic"]["pauses"] > 0
    assert {path.name for path in shipped.iterdir()} == {"model.safetensors", "settings.json", *HEADS}
    assert sum(path.stat().st_size for path in shipped.iterdir()) < 5e6


def test_its_settings_are_what_make_model_trains_with_today():
    """Whoever edits the command or the settings that it takes from config.yaml is told what the model was made with."""
    arguments = recipe()
    assert arguments[arguments.index("--") + 1 :] == ["$(BUNDLE)/model.safetensors", "$(HEADS)/pose_base.safetensors"]
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    for argument in arguments[arguments.index("--config") + 1 : arguments.index("--")]:
        key, text = argument.split("=", 1)
        value = yaml.safe_load(text)
        config[key] = merge(config[key], value) if isinstance(value, dict) else value
    schema = yaml.safe_load((ROOT / "schemas/config.schema.yaml").read_text())
    made = resolve(config, schema) | {"version": VERSION}
    run = {key: made[key] for key in KEYS}
    ours = run | {key: made[key] for key in ("synthetic", "speech_encoder")} | {"said": made["variants"]["shipped"]}
    poses = made["headpose"]
    heads = (
        run
        | {key: poses[key] for key in ("clips", "pose_vq")}
        | {"generator": merge(poses["generator"], poses["variants"]["base"])}
    )
    for name, expected in (("settings.json", ours), ("head_settings.json", heads)):
        recorded = flat(json.loads((SHIPPED.parent / name).read_text()))
        differing = {key for key, value in flat(expected).items() if recorded.get(key) != value}
        assert not differing and set(recorded) == set(flat(expected)), f"{name}: {sorted(differing)}; run `make model`"


@pytest.mark.parametrize(("column", "least"), [(JAW_OPEN, 0.75), (PUCKER, 0.80)])
def test_it_moves_as_speakers_do_that_it_never_heard(sentence_clips, column, least):
    truth, made = (np.concatenate([clip[place][:, column] for clip in sentence_clips]) for place in (1, 2))
    assert np.corrcoef(truth, made)[0, 1] >= least


def test_lips_close_on_m_b_and_p(sentence_clips):
    face, landmarks = load_face(None), read_arrays(_ASSET)["landmarks"].astype(int)
    upper, lower = landmarks[62], landmarks[66]

    def gaps(coefficients: np.ndarray) -> np.ndarray:
        moved = face.move(coefficients.astype(np.float64))
        return 1000 * (moved[:, upper, 1] - moved[:, lower, 1])

    # Where the blendshapes of the truth would push the lips into each other, they touch.
    touching = gaps(np.zeros((1, 32)))[0]
    closed = []
    for phones, truth, made in sentence_clips:
        true, found = gaps(truth), gaps(made)
        for phone in phones:
            if phone.symbol in BILABIALS:
                # The motion may lead the sound by up to 80 ms.
                within = slice(max(0, int((phone.start - 0.08) * FRAME_RATE)), int(phone.end * FRAME_RATE) + 1)
                closed.append(found[within].min() <= max(true[within].min(), touching) + 0.5)
    assert len(closed) > 20 and np.mean(closed) >= 0.85


def test_the_mouth_is_still_in_silence(paused):
    phones, _, made = paused
    times = (np.arange(len(made)) + 0.5) / FRAME_RATE
    silent = np.ones(len(made), bool)
    for start, end, symbol in phones:
        if symbol != SILENCE:
            silent &= (times < start - 0.25) | (times > end + 0.25)
    assert silent.sum() > 5 * FRAME_RATE
    assert np.percentile(made[silent, JAW_OPEN], 95) <= 0.03 and np.median(made[silent, JAW_OPEN]) < 0.01
    assert np.percentile(made[~silent, JAW_OPEN], 95) > 0.2


def test_digital_silence_is_silence(sampler):
    utterance, _ = spoken(1, 0.0)[0]
    still = np.zeros(2 * utterance.sample_rate, np.float32)
    made = animated(sampler, np.concatenate([still, utterance.waveform, still]), utterance.sample_rate)
    margin = int(1.7 * FRAME_RATE)
    assert np.percentile(made[np.r_[:margin, len(made) - margin : len(made)], JAW_OPEN], 95) <= 0.03


def test_windows_leave_no_seam_and_change_nothing(sampler, paused):
    _, waveform, made = paused
    found = seams(made)
    assert found["borders"] >= 20 and 0.35 < found["mean_percentile"] < 0.65
    assert found["largest_percentile"] <= 0.995
    whole = animated(sampler, waveform, speech.SAMPLE_RATE, window=len(made))
    assert abs(made[:, JAW_OPEN].std() / whole[:, JAW_OPEN].std() - 1) < 0.05


def test_its_head_moves_with_people_it_never_heard(shipped):
    """More than half a degree down at the loudest beats; with the speech of others, as good as not at all."""
    head = load_head_motion(find_head(str(shipped)))
    settings = json.loads((shipped / "head_settings.json").read_text())
    assert head.models.vq.config.width == settings["pose_vq"]["width"]
    assert head.models.generator.config.width == settings["generator"]["width"]
    texts = write_texts(12, 0.0, SEED)
    talks = [record_talk(talker, texts[n], n) for n, talker in enumerate(cast_talkers(12, SEED))]
    pitch = [
        angles(poses_of(talk.waveform, None, n, models=head.models, encoder=head.encoder)[0].astype(float))[:, 0]
        for n, talk in enumerate(talks)
    ]
    beats = [loudest(*speech_beats(talk.waveform)) for talk in talks]

    def response(shift: int) -> float:
        return float(np.mean(np.concatenate([dips(pitch[n], beats[(n + shift) % 12]) for n in range(12)])))

    assert response(0) > 0.5 and abs(np.mean([response(shift) for shift in range(1, 12)])) < 0.25


def test_it_is_found_beside_the_library():
    assert Path(find_model(None, "nowhere/SAiD.pth").weights) == SHIPPED and SHIPPED.is_file()
