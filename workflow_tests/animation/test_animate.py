"""Animations at the prompt: all files, the same bytes each time, and a bad recording stops none but itself."""

import json
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from conftest import ROOT
from helpers import Samples, babble, contents, read_packet

from said.animation.animate import FORMATS, AnimateSettings, Animator
from said.animation.inputs import Recording, find_model
from said.animation.live import live_frames
from said.animation.models import default_guidance, load_model
from said.arkit import SPEECH_BLENDSHAPES
from said.commands import ADDRESS, main
from said.files.tables import read_coefficients
from said.sampling import Sampler


@pytest.fixture(scope="module")
def speech(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("speech")
    for name, seconds in (("Grüße an 'Zoë'.wav", 1.0), ("-rf.flac", 4.5)):
        soundfile.write(folder / name, babble(seconds), 16000)
    return folder


def test_all_files_of_all_recordings_and_a_bad_one_stops_none_but_itself(model_folder, speech, tmp_path, capsys):
    shutil.copytree(speech, tmp_path / "speech")
    arguments = ["--model", str(model_folder), "--steps", "3", "--takes", "2"]
    out = tmp_path / "out"
    assert main(["animate", str(tmp_path / "speech"), "--out", str(out), *arguments]) == 0
    before = contents(out)
    name = "Grüße an 'Zoë'"
    expected = {
        "coefficients.csv",
        "livelink.csv",
        "curves.json",
        "vrm.json",
        "unity.json",
        "curves.png",
        "animation.glb",
        "preview.mp4",
    }
    assert {path.name for path in (out / name / "take2").iterdir()} == expected
    assert {path.name for path in (out / name).iterdir()} == expected | {
        "take2",
        "sound.wav",
        "sound.m4a",
        "report.json",
    }
    assert sorted(path.name for path in out.iterdir()) == ["Grüße an 'Zoë'", "_rf", "index.html"]
    first, second = (read_coefficients(out / name / take / "coefficients.csv") for take in (".", "take2"))
    assert first.shape == (60, 32) and 0 <= first.min() and first.max() <= 1 and not np.array_equal(first, second)
    report = json.loads((out / "_rf" / "report.json").read_text())
    assert report["frames"] == 270 and report["takes"][0]["seams"]["borders"] == 2 and report["warnings"] == []
    assert report["predicted"] == list(SPEECH_BLENDSHAPES) and len(report["zero"]) == 29
    capsys.readouterr()

    (tmp_path / "speech" / "bad.wav").write_text("no sound")
    (tmp_path / "speech" / "more").mkdir()
    assert (
        main(["animate", str(tmp_path / "speech"), "--out", str(tmp_path / "again"), *arguments, "--threads", "1"]) == 1
    )
    assert contents(tmp_path / "again") == before
    said = capsys.readouterr()
    assert "2 of 3 recordings animated" in said.out and "2 left out" in said.out
    assert all(len([line for line in said.err.splitlines() if name in line]) == 1 for name in ("bad.wav", "more"))


def test_the_noise_follows_the_content_and_the_take_and_not_the_name(model_folder, speech, tmp_path):
    animator = Animator(
        *load_model(find_model(str(model_folder), "x")), AnimateSettings(steps=2, formats=("coefficients",))
    )
    source = speech / "Grüße an 'Zoë'.wav"
    for name in ("a", "b"):
        shutil.copy(source, tmp_path / f"{name}.wav")
        animator.animate(Recording(tmp_path / f"{name}.wav", name), tmp_path / "out" / name, tmp_path / "unfinished")
    a, b = ((tmp_path / "out" / name / "coefficients.csv").read_bytes() for name in ("a", "b"))
    assert a == b and not (tmp_path / "unfinished").exists()
    assert {path.name for path in (tmp_path / "out" / "a").iterdir()} == {"coefficients.csv", "report.json"}


def test_part_of_an_earlier_take_is_kept(model_folder, speech, tmp_path):
    source, out = str(speech / "Grüße an 'Zoë'.wav"), tmp_path / "out"
    arguments = ["--model", str(model_folder), "--steps", "3", "--formats", "coefficients"]
    assert main(["animate", source, "--out", str(out), *arguments]) == 0
    path = out / "Grüße an 'Zoë'" / "coefficients.csv"
    before = read_coefficients(path)
    shutil.copy(path, tmp_path / "before.csv")
    keep = ["--keep", str(tmp_path / "before.csv"), "--keep-frames", "0:9", "--keep-blendshapes", "jawOpen"]
    assert main(["animate", source, "--out", str(out), *arguments, "--seed", "1", *keep]) == 0
    after = read_coefficients(path)
    assert np.allclose(after[:10], before[:10], atol=1e-7) and np.allclose(after[:, 3], before[:, 3], atol=1e-7)
    assert not np.allclose(after[10:, 4:], before[10:, 4:], atol=1e-3)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--keep-frames", "0:9"], "name its coefficients.csv by --keep"),
        (["--keep", "x.csv"], "name what is kept"),
        (["--gain", "jawopen=2"], "did you mean 'jawOpen'"),
        (["--gain", "loud"], "must be a number"),
        (["--fps", "120"], "fps must be 24 to 60"),
        (["--formats", "fbx"], "'fbx' is none of"),
        (["--model", "nowhere"], "nowhere is none of published"),
        (["--face", "head.fbx"], "head.fbx"),
    ],
)
def test_a_wrong_option_is_named_before_anything_is_made(speech, tmp_path, capsys, arguments, words):
    assert main(["animate", str(speech), "--out", str(tmp_path / "out"), *arguments]) == 1
    assert words in capsys.readouterr().err and not (tmp_path / "out").exists()


def test_models_are_found_where_they_may_lie(model_folder, tmp_path):
    run = tmp_path / "results" / "synthetic-demo"
    shutil.copytree(model_folder, run / "said" / "base")
    shutil.move(run / "said" / "base" / "speech_encoder", run / "speech_encoder")
    for wanted in (model_folder, model_folder / "model.safetensors", run / "said" / "base"):
        model, encoder = load_model(find_model(str(wanted), "x"))
        assert encoder.config.hidden_size == 32 and default_guidance(model) == 1.0
    assert find_model("published", tmp_path / "SAiD.pth").missing
    with pytest.raises(ValueError, match="there is no model"):
        find_model(None, tmp_path / "SAiD.pth")
    (tmp_path / "SAiD.pth").write_bytes(b"")
    assert find_model(None, tmp_path / "SAiD.pth").name == "published"
    (tmp_path / "alone").mkdir()
    shutil.copy(model_folder / "model.safetensors", tmp_path / "alone")
    with pytest.raises(ValueError, match="no speech encoder"):
        load_model(find_model(str(tmp_path / "alone"), "x"))


def test_the_published_model_is_the_one_that_the_configuration_pins():
    import yaml

    downloads = yaml.safe_load((ROOT / "config.yaml").read_text())["downloads"]
    pinned = downloads["files"]["SAiD.pth"]
    assert ADDRESS == downloads["sources"][pinned["source"]] + pinned["path"]


def test_defaults_of_the_prompt_are_those_of_the_configuration():
    import yaml

    section = yaml.safe_load((ROOT / "config.yaml").read_text())["animate"]
    assert AnimateSettings.of({**section, "formats": tuple(section["formats"])}) == AnimateSettings(formats=FORMATS)


def test_live_hears_nothing_that_is_still_to_be_said(model_folder):
    model, encoder = load_model(find_model(str(model_folder), "x"))
    sampler = Sampler(model, encoder, {"steps": 2, "guidance": 1.0}, seed=0)
    whole = babble(3.0)
    changed = whole.copy()
    changed[2 * 16000 :] = 0.1
    made, other = (
        np.concatenate(list(live_frames(sampler, Samples(values), 180, 1, window=60))) for values in (whole, changed)
    )
    assert made.shape == (180, 32) and np.array_equal(made[:120], other[:120])
    assert not np.array_equal(made[120:], other[120:]) and 0 <= made.min() and made.max() <= 1


def test_live_sends_every_frame_to_a_socket(model_folder, tmp_path):
    soundfile.write(tmp_path / "a.wav", babble(1.2), 16000)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.settimeout(300)  # on a busy machine
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        command = [sys.executable, "-m", "said", "live", tmp_path / "a.wav", "--to", address, "--subject", "Zoë"]
        command += ["--model", model_folder, "--steps", "2"]
        with subprocess.Popen(command, cwd=ROOT / "scripts", stdout=subprocess.PIPE, text=True) as process:
            read = [read_packet(listener.recv(2048)) for _ in range(72)]
            output = process.communicate(timeout=300)[0]
    assert process.returncode == 0 and "play the sound with that delay" in output and "sent 72 frames" in output
    assert [frame for _, frame, *_ in read] == list(range(72)) and {name for name, *_ in read} == {"Zoë"}
    assert np.ptp([values for *_, values in read], axis=0).max() > 0


def test_help_reads_well():
    for command in ([], ["animate"], ["live"]):
        done = subprocess.run(
            [sys.executable, "-m", "said", *command, "--help"], cwd=ROOT / "scripts", capture_output=True, text=True
        )
        assert done.returncode == 0 and "usage: python -m said" in done.stdout
