"""The worked examples of docs/extending.md, applied as they are printed there to a finished smoke run."""

import re
import shlex
import shutil
import subprocess
import sys

import pandas as pd
import pytest
from conftest import ROOT, Workflow

from said.files.tables import read_coefficients

_BLOCK = re.compile(r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```$', re.M | re.S)
SECTIONS = dict(re.findall(r"^## (.+)\n((?:(?!## ).*\n?)*)", (ROOT / "docs/extending.md").read_text(), re.M))


def apply(section: str, workflow: Workflow) -> list[str]:
    """Make the changes of a section; its commands are left to run."""
    commands = []
    for language, path, text in _BLOCK.findall(SECTIONS[section]):
        if language == "sh":
            commands += text.splitlines()
        elif language == "diff":
            old, new = (
                "".join(f"{line[1:]}\n" for line in text.splitlines() if line[0] in signs) for signs in (" -", " +")
            )
            workflow.edit(path, old, new)
        else:
            target = workflow.folder / path
            assert not target.exists(), f"{path} is there already"
            target.parent.mkdir(exist_ok=True)
            target.write_text(text)
    return commands


def run(commands: list[str], workflow: Workflow) -> list[str]:
    """Run a section's commands; what each printed."""
    assert commands and all(command.startswith("snakemake ") for command in commands)
    done = [workflow(*shlex.split(command)[1:]) for command in commands]
    return [one.stdout + one.stderr for one in done]


def test_every_section_is_tried():
    assert set(SECTIONS) == {"A method", "A metric", "A dataset", "A stage"}


def test_a_method_has_its_row_of_table_1(edited):
    blocks = _BLOCK.findall(SECTIONS["A method"])
    added = [line for kind, _, text in blocks for line in text.splitlines() if kind == "python" or line[:1] == "+"]
    assert len(list(filter(None, added))) < 30
    run(apply("A method", edited), edited)
    table = pd.read_csv(edited.folder / "results/table1.csv", index_col="method")
    assert list(table.index) == ["ground_truth", "base", "voca", "shuffled"]
    assert table["fd"]["shuffled"] == pytest.approx(0, abs=1e-6)  # the same motions, elsewhere
    assert table["av_offset"].notna().all()


def test_a_metric_stands_beside_table_2(edited):
    run(apply("A metric", edited), edited)
    table = pd.read_csv(edited.folder / "results/table2_beyond.csv")
    values = table[table["measure"] == "asymmetry"].set_index("variant")["value"]
    assert list(values.index)[:2] == ["ground_truth", "base"] and ((values > 0) & (values < 1)).all()
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", "/dev/null", "--rootdir", "."]
    command += ["workflow_tests/test_asymmetry.py"]
    subprocess.run(command, cwd=edited.folder, check=True, env={"PYTHONPATH": str(edited.folder / "scripts")})


def test_a_dataset_fills_the_corpus_and_all_else_follows(edited):
    commands = apply("A dataset", edited)
    made, captures = edited.folder / "results/synthetic-smoke", edited.folder / "captures"
    shutil.copytree(made / "source", captures / "arkit")
    shutil.copy(captures / "arkit/landmarks.txt", captures / "landmarks.txt")
    speakers = dict(
        zip(("anna", "ben", "cleo", "dora"), ("speaker01", "speaker02", "speaker09", "speaker11"), strict=True)
    )
    for name, speaker in speakers.items():
        shutil.copytree(made / "corpus/sequences" / speaker, captures / name)
        shutil.copy(made / "corpus/templates" / f"{speaker}.ply", captures / name / "template.ply")
    planned = run(commands, edited)[-1]
    assert "train_said" in planned and "synthetic_" not in planned
    for name, speaker in speakers.items():
        for frames in (made / "corpus/sequences" / speaker).glob("*.npy"):
            copy = edited.folder / "results/mine-smoke/corpus/sequences" / name / frames.name
            assert copy.read_bytes() == frames.read_bytes()


def test_a_stage_writes_curves_and_reruns_with_its_section_alone(edited):
    run(apply("A stage", edited), edited)
    folder = edited.folder / "results/synthetic-smoke"
    for path in (folder / "curves/base/speaker11").glob("*.csv"):
        spoken = len(read_coefficients(folder / "coefficients/speaker11" / path.name))
        assert abs(len(read_coefficients(path)) - spoken / 2) <= 2
    edited.edit("config.yaml", "frame_rate: 30 ", "frame_rate: 25 ")
    jobs = edited.jobs("all", "curves", "--config", "scale=smoke")
    assert jobs["write_curves"] == 5 and not set(jobs) & {"train_said", "sample_said", "evaluate_method", "table2"}
