"""Both doors, the workflow's and the prompt's, give the same bytes; in both a bad recording fails itself alone."""

import hashlib
import json
import os
import subprocess
import sys

import pytest
import soundfile
import torch
from conftest import ROOT
from helpers import babble, contents
from publisher import Publisher
from transformers import Wav2Vec2Config, Wav2Vec2Model

from said.commands import main
from said.files.tensors import write_state_dict
from said.model import ModelConfig, SAiD

TINY = {
    "hidden_size": 64,
    "num_hidden_layers": 1,
    "num_attention_heads": 1,
    "intermediate_size": 32,
    "conv_dim": (16,) * 7,
}
"""Sizes of a speech encoder."""


@pytest.fixture
def recordings(workflow):
    """Two recordings and a file that is none, in the workflow's folder."""
    (workflow.folder / "speech").mkdir()
    for name, seconds in (("Grüße an 'Zoë'.wav", 1.0), ("-rf.flac", 1.5)):
        soundfile.write(workflow.folder / "speech" / name, babble(seconds), 16000)
    (workflow.folder / "speech" / "bad.wav").write_text("no sound")
    return workflow


def test_both_doors_give_the_same_bytes_and_a_bad_recording_fails_itself_alone(recordings, model_folder):
    settings = ("--config", f"animate={{model: {model_folder}, steps: 3, takes: 2}}")
    done = recordings("-c2", "animate", *settings, check=False)
    text = done.stdout + done.stderr
    assert done.returncode == 1 and "2 of 3 recordings animated in results/animations; 1 left out:" in text
    assert "speech/bad.wav: in no format that can be read here" in text
    made = recordings.folder / "results" / "animations"
    page = (made / "index.html").read_bytes()
    command = [sys.executable, "-m", "said", "animate", "speech", "--out", "out", "--model", model_folder]
    command += ["--steps", "3", "--takes", "2"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "scripts")}
    said = subprocess.run(command, cwd=recordings.folder, capture_output=True, text=True, env=environment)
    assert said.returncode == 1 and "2 of 3 recordings animated" in said.stdout
    names = ["Grüße an 'Zoë'", "_rf"]
    for name in names:
        mine = contents(made / name)
        assert mine.pop(".snakemake_timestamp") == b"" and mine == contents(recordings.folder / "out" / name), name

    assert page == (recordings.folder / "out" / "index.html").read_bytes()
    assert [path.name for path in (made / "bad").iterdir() if path.name[0] != "."] == ["report.json"]

    # It is tried again when it changes, and told of until then; what was made stays.
    assert recordings.jobs("animate", *settings) == {"animate": 1}
    (recordings.folder / "speech" / "bad.wav").write_bytes((recordings.folder / "speech" / "-rf.flac").read_bytes())
    jobs = recordings.jobs("animate", *settings)
    assert jobs == {"animate_recording": 1, "animation_player": 1, "animate": 1}
    (recordings.folder / "speech" / "bad.wav").unlink()
    recordings("-c1", "animate", *settings)
    assert (made / "index.html").read_bytes() == page


def test_the_workflow_says_so_where_no_recording_can_be_animated(workflow, model_folder):
    (workflow.folder / "speech").mkdir()
    (workflow.folder / "speech" / "bad.wav").write_text("no sound")
    done = workflow("-c1", "animate", "--config", f"animate={{model: {model_folder}, steps: 1}}", check=False)
    assert done.returncode == 1 and "0 of 1 recordings animated" in done.stdout + done.stderr


def test_no_table_waits_for_a_recording_and_a_variant_is_trained_as_needed(recordings):
    jobs = recordings.jobs("all", "--config", "scale=smoke")
    assert "animate_recording" not in jobs
    jobs = recordings.jobs("animate", "--config", "scale=smoke")
    assert jobs == {"animate_recording": 3, "animation_player": 1, "animate": 1}  # by the package's own model
    jobs = recordings.jobs("animate", "--config", "scale=smoke", "animate={model: base}")
    assert jobs["animate_recording"] == 3 and jobs["train_said"] == 1 and "train_extractor" not in jobs


def test_a_published_model_is_fetched_and_a_wrong_one_named(recordings):
    jobs = recordings.jobs("animate", "--config", "animate={model: published}")
    assert jobs["download_published"] == 1 and "train_said" not in jobs
    done = recordings("-n", "animate", "--config", "animate={model: bsae}", check=False)
    assert done.returncode and "did you mean 'base'" in done.stdout + done.stderr


def test_the_published_model_is_fetched_verified_and_animates_through_both_doors(workflow):
    """A file in the authors' layout, of tiny sizes, from a server of our own, by its name in `downloads.files`."""
    torch.manual_seed(0)
    said = SAiD(ModelConfig(width=32, audio_width=64), Wav2Vec2Model(Wav2Vec2Config(**TINY)))
    for parameter in said.denoiser.parameters():  # a fresh model predicts 0
        torch.nn.init.normal_(parameter, std=0.05)
    write_state_dict(workflow.folder / "made.pth", said.state_dict())
    content = (workflow.folder / "made.pth").read_bytes()
    (workflow.folder / "speech").mkdir()
    soundfile.write(workflow.folder / "speech/a.wav", babble(0.5), 16000)
    with Publisher({"SAiD.pth": content}).serving() as publisher:
        settings = ("--config", "animate={model: published, steps: 2, formats: [coefficients]}")
        settings += (f"downloads={{sources: {{hub: {publisher.public}}}}}",)
        workflow("-c1", "results/animations/a", *settings)
        assert len(publisher.requests) == 1
    path, made = workflow.folder / "data/SAiD.pth", workflow.folder / "results/animations/a/coefficients.csv"
    recorded = hashlib.sha256(content).hexdigest()
    assert path.read_bytes() == content and recorded in (path.parent / "SAiD.pth.sha256").read_text()
    report = json.loads((made.parent / "report.json").read_text())
    assert report["model"] == "published" and report["settings"]["guidance"] == 2.0  # the paper's
    arguments = ["--model", "published", "--published", str(path), "--steps", "2", "--formats", "coefficients"]
    assert main(["animate", str(workflow.folder / "speech"), "--out", str(workflow.folder / "out"), *arguments]) == 0
    assert (workflow.folder / "out/a/coefficients.csv").read_bytes() == made.read_bytes()

    # Another file by that name is not used.
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    (workflow.folder / "results/synthetic-demo/downloads/SAiD.pth.json").unlink()
    done = workflow("-c1", "results/animations/a", *settings, "--forcerun", "animate_recording", check=False)
    assert done.returncode and recorded[:12] in done.stdout + done.stderr


def test_an_empty_folder_says_what_belongs_there(workflow):
    done = workflow("-n", "animate", check=False)
    assert done.returncode and "speech: holds no recording; put wav" in done.stdout + done.stderr
