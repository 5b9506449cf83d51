"""Both doors, the workflow's and the prompt's, give the same bytes; in both a bad recording fails itself alone."""

import os
import subprocess
import sys

import pytest
import soundfile
from conftest import ROOT
from helpers import babble, contents


@pytest.fixture
def recordings(workflow):
    """Two recordings and a file that is none, in the workflow's folder."""
    (workflow.folder / "speech").mkdir()
    for name, seconds in (("Grüße an 'Zoë'.wav", 1.0), ("-rf.flac", 4.5)):
        soundfile.write(workflow.folder / "speech" / name, babble(seconds), 16000)
    (workflow.folder / "speech" / "bad.wav").write_text("no sound")
    return workflow


def test_both_doors_give_the_same_bytes_and_a_bad_recording_fails_itself_alone(recordings, model_folder):
    settings = ("--config", f"animate={{model: {model_folder}, steps: 3, takes: 2}}")
    done = recordings("-c2", "animate", *settings, check=False)
    text = done.stdout + done.stderr
    assert done.returncode and "speech/bad.wav: in no format that can be read here" in text
    made = recordings.folder / "results" / "animations"
    command = [sys.executable, "-m", "said", "animate", "speech", "--out", "out", "--model", model_folder]
    command += ["--steps", "3", "--takes", "2"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "scripts")}
    said = subprocess.run(command, cwd=recordings.folder, capture_output=True, text=True, env=environment)
    assert said.returncode == 1 and "2 of 3 recordings animated" in said.stdout
    names = ["Grüße an 'Zoë'", "_rf"]
    for name in names:
        mine = contents(made / name)
        assert mine.pop(".snakemake_timestamp") == b"" and mine == contents(recordings.folder / "out" / name), name

    (recordings.folder / "speech" / "bad.wav").unlink()
    jobs = recordings.jobs("animate", *settings)
    assert jobs == {"animation_player": 1, "animate": 1}  # what was made stays
    recordings("-c1", "animate", *settings)
    assert (made / "index.html").read_bytes() == (recordings.folder / "out" / "index.html").read_bytes()


def test_no_table_waits_for_a_recording_and_a_variant_is_trained_as_needed(recordings):
    jobs = recordings.jobs("all", "--config", "scale=smoke")
    assert "animate_recording" not in jobs
    jobs = recordings.jobs("animate", "--config", "scale=smoke")
    assert jobs["animate_recording"] == 3 and jobs["train_said"] == 1 and "train_extractor" not in jobs


def test_a_published_model_is_fetched_and_a_wrong_one_named(recordings):
    jobs = recordings.jobs("animate", "--config", "animate={model: published}")
    assert jobs["download_published"] == 1 and "train_said" not in jobs
    done = recordings("-n", "animate", "--config", "animate={model: bsae}", check=False)
    assert done.returncode and "did you mean 'base'" in done.stdout + done.stderr


def test_an_empty_folder_says_what_belongs_there(workflow):
    done = workflow("-n", "animate", check=False)
    assert done.returncode and "speech: holds no recording; put wav" in done.stdout + done.stderr
