"""Where the project's folder may lie."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT, SMOKE, copy_workflow

from said.workflow.paths import PathError, require_usable


def test_a_run_works_in_a_folder_of_almost_any_name(tmp_path):
    """With its environment in it, as `make` has it: a shell gets to see the path of Python.

    And with its own library, whichever else is installed.
    """
    (tmp_path / "installed/said").mkdir(parents=True)
    (tmp_path / "installed/said/__init__.py").write_text("raise ImportError('the library of another checkout')\n")
    environment = os.environ | {"PYTHONPATH": str(tmp_path / "installed")}
    workflow = copy_workflow(tmp_path / "It's René's 顔 (new) & #1; *?[x] ~ =,!")
    (workflow.folder / ".venv").symlink_to(sys.prefix)
    command = [workflow.folder / ".venv/bin/python", "-m", "snakemake", "-c1", *SMOKE]
    target = "results/synthetic-smoke/corpus/topology.npz"
    done = subprocess.run(
        [*command, "--", target], cwd=workflow.folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert (workflow.folder / target).exists()


@pytest.mark.parametrize("character", [*'"$`\\:%{}', "\n", "\t", "\u00a0", "\u202e", "\udcff"])
def test_a_character_that_something_on_the_way_takes_for_its_own_is_refused(character):
    with pytest.raises(PathError) as error:
        require_usable("/home/me/said", f"/home/a{character}b/said")
    assert repr(character) in str(error.value) and "Move or rename the folder" in str(error.value)


def test_such_a_folder_is_refused_before_anything_is_installed_or_run(tmp_path):
    workflow = copy_workflow(tmp_path / "price: 5 $")
    (workflow.folder / "Makefile").write_text((ROOT / "Makefile").read_text())
    refused = workflow("-n", check=False)
    assert refused.returncode == 1 and "the path contains ':'" in refused.stdout + refused.stderr
    command = ["make", "environment", f"PYTHON={sys.executable}"]
    made = subprocess.run(command, cwd=workflow.folder, capture_output=True, text=True)
    assert made.returncode == 2 and "the path contains ':'" in made.stderr
    assert not list(Path(workflow.folder).glob(".venv*"))
