"""A script's `snakemake` object without a run: what Snakemake itself gives it, and a debugger that stops in it."""

import subprocess
import sys

import numpy as np
import pytest
from conftest import ROOT

from said import corpus
from said.files.tables import read_coefficients
from said.workflow.debug import mock_snakemake

SMOKE = {"dataset": "synthetic", "scale": "smoke"}
RUN = "results/synthetic-smoke"


@pytest.fixture(autouse=True)
def in_the_repository(monkeypatch):
    monkeypatch.chdir(ROOT)


def test_a_training_has_its_variant_settings_and_files():
    mocked = mock_snakemake("train_said", config=SMOKE, variant="squared_error")
    assert mocked.input.train == [f"{RUN}/coefficients/speaker01", f"{RUN}/coefficients/speaker02"]
    assert mocked.input.encoder == f"{RUN}/speech_encoder" and mocked.input.blendshapes == []
    assert mocked.output.weights == f"{RUN}/said/squared_error/model.safetensors"
    assert mocked.params.settings["loss"] == "l2" and mocked.params.settings["epochs"] == 2
    assert mocked.log[0] == f"{RUN}/logs/train_said/squared_error.log"
    assert mocked.wildcards.variant == "squared_error" and mocked.threads == 1
    assert mocked.resources.window_cache_mb == 100 and mocked.config["scale"] == "smoke"


@pytest.mark.parametrize(
    ("rule", "wildcards", "output"),
    [
        ("synthetic_sequences", {"speaker": "speaker09"}, f"{RUN}/corpus/sequences/speaker09"),
        ("fit_coefficients", {"speaker": "speaker11"}, f"{RUN}/coefficients/speaker11"),
        ("evaluate_method", {"method": "oracle"}, f"{RUN}/evaluation/oracle.json"),
        ("table2", {}, "results/table2.csv"),
    ],
)
def test_other_rules_have_theirs(rule, wildcards, output):
    mocked = mock_snakemake(rule, config=SMOKE, **wildcards)
    assert mocked.output[0] == output and mocked.rule == rule and len(mocked.params.code) == 16


def test_the_licensed_data_have_their_rules():
    mocked = mock_snakemake("inspect_vocaset", config={"dataset": "vocaset"}, speaker="FaceTalk_170725_00137_TA")
    assert mocked.output[0] == "results/vocaset-demo/audit/FaceTalk_170725_00137_TA.json"


def test_wrong_names_are_refused():
    with pytest.raises(ValueError, match="no rule train_siad in this configuration; did you mean 'train_said'?"):
        mock_snakemake("train_siad", config=SMOKE, variant="base")
    with pytest.raises(ValueError, match=r"train_said has the wildcards \['run', 'variant'\], not \['run'\]"):
        mock_snakemake("train_said", config=SMOKE)


def test_a_debugger_stops_in_the_script_of_a_rule_and_goes_on(workflow):
    """Of a rule whose inputs are a few numbers, so that nothing else has to run before."""
    for number, speaker in enumerate(("speaker01", "speaker02")):
        folder = workflow.folder / RUN / "coefficients" / speaker
        corpus.write_coefficients(folder, {"sentence01": np.full((1, 32), float(number))})
    script = workflow.folder / "scripts/coefficient_std.py"
    line = next(n for n, text in enumerate(script.read_text().splitlines(), 1) if text.startswith("start("))
    command = [sys.executable, "-m", "pdb", "-c", f"break {script}:{line}", "-c", "continue", "-c", "p snakemake.rule"]
    command += ["-c", "p 'stopped', snakemake.output[0]", "-c", "continue", "-c", "quit"]
    command += ["-m", "said.workflow.debug", "coefficient_std", "--config", "scale=smoke"]
    environment = {"PYTHONPATH": str(workflow.folder / "scripts"), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(command, cwd=workflow.folder, env=environment, capture_output=True, text=True, timeout=300)
    assert f"('stopped', '{RUN}/coefficients/std.csv')" in done.stdout, done.stdout + done.stderr
    assert np.allclose(read_coefficients(workflow.folder / RUN / "coefficients/std.csv"), np.std([0, 1], ddof=1))
