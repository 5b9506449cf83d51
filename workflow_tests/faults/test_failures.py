"""What a failing job reports: the last lines of its log, and the remedy."""

import subprocess
import sys

import psutil
from conftest import ROOT, SMOKE
from harness import Attempt

pytest_plugins = ["reliability"]

WEIGHTS = "results/synthetic-smoke/extractor/vae.safetensors"


def test_a_training_that_diverges_tells_where_and_what_to_do(edited, observed):
    edited.edit(
        "config.yaml",
        "batch_size: 8, learning_rate: 1.0e-3, validate",
        "batch_size: 8, learning_rate: 1.0e+30, validate",
    )
    failed = edited(WEIGHTS, *SMOKE, check=False)
    assert failed.returncode == 1
    line = next(line for line in failed.stderr.splitlines() if line.startswith("FloatingPointError: "))
    assert "Logfile results/synthetic-smoke/logs/train_extractor.log:" in failed.stderr
    observed("a training diverges", line.partition(": ")[2], edited.folder, "nothing; its last finite state is kept")


def test_a_job_that_is_killed_does_not_leave_an_empty_log(edited, observed):
    edited.edit("config.yaml", "extractor: {epochs: 4,", "extractor: {epochs: 4000,")
    attempt = Attempt(edited, WEIGHTS, *SMOKE)
    attempt.wait_for("extractor: epoch")
    for child in attempt.children():
        if child.name().startswith("python"):
            psutil.Process(child.pid).kill()
    assert attempt.end() == 1
    line = next(line for line in attempt.text.splitlines() if "it was killed, " in line)
    observed("a job killed, for want of memory", line.strip(), edited.folder, "its work since its last saved state")


def test_memory_that_runs_out_is_named_with_the_remedy(tmp_path, observed):
    code = f"""
import resource
from said.running import console
console.start({str(tmp_path / "log")!r})
import numpy as np
resource.setrlimit(resource.RLIMIT_AS, (2**31, 2**31))
np.ones(2**40)
"""
    environment = {"PYTHONPATH": str(ROOT / "scripts"), "OMP_NUM_THREADS": "1"}
    failed = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert failed.returncode == 1
    assert (tmp_path / "log").read_text().splitlines()[-1] == failed.stderr.splitlines()[-1]
    observed("memory refused", failed.stderr.splitlines()[-1], tmp_path)
