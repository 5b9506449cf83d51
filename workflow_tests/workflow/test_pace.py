"""Snakemake's limit of jobs per second: its default, which keeps it looking for jobs, is lifted; a user's own stays."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

SNAKEFILE = """
import atexit, os, sys, threading
sys.path.insert(0, {scripts!r})
from said.workflow.pace import lift_default_limit

looks = []

class Counted(threading.Timer):
    def __init__(self, *arguments, **settings):
        looks.append(arguments)
        super().__init__(*arguments, **settings)

threading.Timer = Counted
atexit.register(lambda: print(f"looks: {{len(looks)}}", file=sys.stderr))

onstart:
    if {lifted}:
        lift_default_limit(workflow.scheduler)

rule all:
    input: expand("{{number}}", number=range(6))

rule one:
    output: "{{number}}"
    shell: "touch {{output}}"
"""


def looks(folder: Path, *options: str, lifted: bool) -> int:
    """How often Snakemake looks for jobs because time has passed."""
    folder.mkdir()
    (folder / "Snakefile").write_text(SNAKEFILE.format(scripts=str(ROOT / "scripts"), lifted=lifted))
    command = [sys.executable, "-m", "snakemake", "-c1", *options]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert all((folder / str(number)).exists() for number in range(6))
    return int(re.findall(r"looks: (\d+)", done.stderr)[-1])


def test_a_run_does_not_look_for_jobs_every_second(tmp_path):
    assert looks(tmp_path / "lifted", lifted=True) == 0
    assert looks(tmp_path / "default", lifted=False) >= 5  # otherwise Snakemake has been mended, and pace.py may go


@pytest.mark.parametrize("limit", ["50/1s", "100/2s"])
def test_a_limit_that_the_user_gives_is_kept(tmp_path, limit):
    assert looks(tmp_path / "own", "--max-jobs-per-timespan", limit, lifted=True) >= 5


def test_the_workflow_lifts_it():
    assert "pace.lift_default_limit(workflow.scheduler)" in (ROOT / "rules/run.smk").read_text()
