"""`make environment`, with a requirement that needs no network."""

import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest
from conftest import ROOT

WHEEL = "snakemake-9.0-py3-none-any.whl"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The Makefile, what it needs, and a small package with the name of the program that it has to bring."""
    for name in ("Makefile", "scripts/said/__init__.py", "scripts/said/workflow/__init__.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    shutil.copy(ROOT / "scripts/said/workflow/paths.py", tmp_path / "scripts/said/workflow/paths.py")
    info = "snakemake-9.0.dist-info"
    files = {
        "snakemake/__init__.py": "",
        "snakemake/__main__.py": "print('9.0')\n",
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: snakemake\nVersion: 9.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{name},,\n" for name in [*files, f"{info}/RECORD"])
    with zipfile.ZipFile(tmp_path / WHEEL, "w") as wheel:
        for name, text in {**files, f"{info}/RECORD": record}.items():
            wheel.writestr(name, text)
    (tmp_path / "requirements.txt").write_text(f"./{WHEEL}\n")
    return tmp_path


def make(folder: Path, **settings) -> subprocess.Popen:
    command = ["make", "environment", f"PYTHON={sys.executable}"]
    variables = os.environ | {"PIP_NO_INDEX": "1"}
    return subprocess.Popen(command, cwd=folder, env=variables, text=True, stderr=subprocess.PIPE, **settings)


def finish(process: subprocess.Popen) -> None:
    _, said = process.communicate(timeout=120)
    assert process.returncode == 0, said


def version(folder: Path) -> str:
    done = subprocess.run([folder / ".venv/bin/python", "-m", "snakemake"], capture_output=True, text=True)
    return done.stdout.strip()


def test_an_installation_that_is_killed_is_begun_anew(folder):
    begun = make(folder, start_new_session=True)
    end = time.monotonic() + 60
    while not (folder / ".venv/bin/python").exists():
        assert begun.poll() is None and time.monotonic() < end
        time.sleep(0.01)
    os.killpg(begun.pid, signal.SIGKILL)
    begun.communicate()
    assert (folder / ".venv.installing").exists()
    finish(make(folder))
    assert version(folder) == "9.0" and not (folder / ".venv.installing").exists()
    command = [folder / ".venv/bin/python", "-c", "import said; print(said.__file__)"]
    others = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(command, cwd="/", env=others, capture_output=True, text=True)
    assert done.stdout.strip() == str(folder / "scripts/said/__init__.py"), done.stderr

    # What pip takes for whole: left by a later installation that was killed, and in an environment not of make's.
    for of_make in (True, False):
        shutil.rmtree(next(folder.glob(".venv/lib/*/site-packages/snakemake")))
        (folder / ".venv/.installed").unlink()
        if of_make:
            (folder / ".venv.installing").touch()
        assert version(folder) == ""
        finish(make(folder))
        assert version(folder) == "9.0"
    installed = (folder / ".venv/.installed").stat().st_mtime_ns
    finish(make(folder))
    assert (folder / ".venv/.installed").stat().st_mtime_ns == installed, "what is done is not done again"
