"""Fixtures shared by all tests."""

import contextlib
import copy
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import checked_shapes  # noqa: F401  # before the modules whose shapes it checks
import numpy as np
import pytest
import torch
from filelock import FileLock
from helpers import small_encoder

from said import model
from said.model import ModelConfig, SAiD, load_official
from said.speech import save_encoder
from said.synthetic.head import build_head
from said.workflow.remembered import FOLDER

ROOT = Path(__file__).parent.parent
PARTS = (
    "Snakefile",
    "rules",
    "scripts",
    "envs",
    "config.yaml",
    "schemas",
    "profiles",
    "slurm",
    "report",
    "requirements.txt",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with Slurm's tests, which take longest and mostly wait."""
    items.sort(key=lambda item: "slurm" not in item.path.parts)


@pytest.fixture(scope="session")
def official() -> Path:
    """The authors' published files and golden values, which are not ours to redistribute."""
    folder = os.environ.get("SAID_OFFICIAL")
    if not folder or not Path(folder).is_dir():
        pytest.skip("the authors' published files are not here: set SAID_OFFICIAL to their folder")
    return Path(folder)


@pytest.fixture(scope="module")
def golden(official):
    """Values of the authors' SAiD, by name."""
    return {key: torch.from_numpy(value) for key, value in np.load(official / "golden" / "said_golden.npz").items()}


@pytest.fixture(scope="module")
def authors(official):
    """The model that gave them."""
    return load_official(official / "golden" / "said_denoiser.pth")


@pytest.fixture(scope="module")
def exact(authors):
    """The same model in double precision, which is the same on every processor and shows the authors' own rounding."""
    return copy.deepcopy(authors).double()


@pytest.fixture(scope="module")
def encoder():
    """A small speech encoder."""
    return small_encoder()


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory) -> Path:
    """A folder with a small model and its speech encoder, as a training leaves them."""
    folder = tmp_path_factory.mktemp("model")
    torch.manual_seed(0)
    saved = SAiD(ModelConfig(width=32, audio_width=32, prediction="v"))
    for parameter in saved.parameters():  # a fresh model predicts 0
        torch.nn.init.normal_(parameter, std=0.05)
    model.save(folder / "model.safetensors", saved)
    save_encoder(small_encoder(), folder / "speech_encoder")
    return folder


@pytest.fixture(scope="session")
def head():
    """The mean head of the synthetic speakers: a few seconds to model, so once."""
    return build_head()


class Workflow:
    """A copy of the workflow in a folder of its own, and snakemake run there."""

    def __init__(self, folder: Path):
        self.folder = folder

    def __call__(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess:
        command = [sys.executable, "-m", "snakemake", *arguments]
        if not any(argument.startswith(("-n", "-c", "--cores", "--dry-run")) for argument in arguments):
            command += ["--cores", "2"]
        # As from a user's shell: no test runner's paths in the environment.
        environment = {key: value for key, value in os.environ.items() if not key.startswith(("PYTEST", "PYTHONPATH"))}
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, env=environment)
        if check and done.returncode:
            raise AssertionError(f"{' '.join(command)} failed:\n{done.stdout[-6000:]}\n{done.stderr[-6000:]}")
        return done

    def jobs(self, *arguments: str) -> dict[str, int]:
        """Jobs per rule that a dry run announces; empty where nothing is to be done."""
        text = self(*arguments, "-n")
        table = re.search(r"^Job stats:\n.*?\n-.*?\n(.*?)\n(?:total|\n)", text.stdout + text.stderr, re.M | re.S)
        if table is None:
            assert "Nothing to be done" in text.stdout + text.stderr, text.stdout + text.stderr
            return {}
        return {name: int(count) for name, count in (line.split() for line in table[1].splitlines() if line.strip())}

    def edit(self, file: str, old: str, new: str) -> None:
        """Replace one passage of a file."""
        path = self.folder / file
        text = path.read_text()
        assert text.count(old) == 1, f"{file} holds {old!r} {text.count(old)} times"
        path.write_text(text.replace(old, new))


def copy_workflow(folder: Path) -> Workflow:
    folder.mkdir(parents=True, exist_ok=True)
    for name in PARTS:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
        elif source.exists():
            shutil.copy2(source, folder / name)
    return Workflow(folder)


@pytest.fixture(scope="session")
def remembered(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """What Snakemake remembers of the code as it is, after one dry run."""
    with shared_folder(tmp_path_factory, worker_id, "dry") as folder:
        if not folder.exists():
            copy_workflow(folder)("all", "-n", *SMOKE)
    return folder / FOLDER


@pytest.fixture
def workflow(tmp_path: Path, remembered: Path) -> Workflow:
    """A copy of the workflow, nothing computed."""
    made = copy_workflow(tmp_path / "workflow")
    shutil.copytree(remembered, made.folder / FOLDER)
    return made


_TIMES = re.compile(
    r"/(logs|benchmarks)/|(cost\.csv|run\.html|\.sums/history\.jsonl)$|\.tfevents$|\.snakemake_timestamp$|(^|/)\.run/"
)
"""Files that tell when something happened, and so are never twice the same."""

SMOKE = ("--config", "dataset=synthetic", "scale=smoke")


@contextlib.contextmanager
def shared_folder(paths: pytest.TempPathFactory, worker_id: str, name: str) -> Iterator[Path]:
    """A folder of the whole session, to be filled by the first worker of pytest-xdist that comes; others wait."""
    base = paths.getbasetemp()
    if worker_id != "master":  # workers' folders lie side by side
        base = base.parent
    with FileLock(base / f"{name}.lock"):
        yield base / name


@pytest.fixture(scope="session")
def smoke(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Workflow:
    """A copy of the workflow in which the whole chain has run at smoke scale. Not to be changed: see `edited`."""
    with shared_folder(tmp_path_factory, worker_id, "smoke") as folder:
        if not (done := folder.with_suffix(".done")).exists():
            copy_workflow(folder)("all", *SMOKE)
            done.touch()
    return Workflow(folder)


def differences(results: Path, reference: Path) -> list[str]:
    """Files below `results` that the reference lacks, or has otherwise, but for times.

    The reference may hold more: it may have been asked for more.
    """
    found = []
    for path in sorted(path for path in results.rglob("*") if path.is_file()):
        name = path.relative_to(results)
        if _TIMES.search(name.as_posix()):
            continue
        other = reference / name
        if not other.exists():
            found.append(f"{name}: not in the undisturbed run")
        elif _content(path) != _content(other):
            found.append(f"{name}: differs")
    return found


def _content(path: Path) -> bytes | list:
    if path.name != "history.jsonl":
        return path.read_bytes()
    records = [json.loads(line) for line in path.read_text().splitlines()]
    return [{key: value for key, value in record.items() if key != "seconds"} for record in records]


@pytest.fixture
def edited(smoke: Workflow, tmp_path: Path) -> Workflow:
    """The finished smoke run in a folder of its own, to be edited and asked what it would run again."""
    shutil.copytree(smoke.folder, tmp_path / "edited", symlinks=True)  # keeps modification times
    return Workflow(tmp_path / "edited")
