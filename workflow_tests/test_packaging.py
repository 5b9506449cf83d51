"""`pip install .`: a wheel of the library, with its types and dependencies, and nothing of the workflow around it."""

import ast
import shutil
import subprocess
import sys
import zipfile
from email.parser import Parser
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from conftest import ROOT

FILES = ("pyproject.toml", "setup.py", "MANIFEST.in", "requirements.txt", "README.md", "LICENSE", "scripts")
WINGS_OF_THE_WORKFLOW = ("workflow", "vocaset")
OPTIONAL = {"espeakng_loader"}
"""Packages that a module asks for only when it is used, and names where it is missing."""


def pip(*arguments: object) -> None:
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy without network."""
    folder = tmp_path_factory.mktemp("packaging")
    for name in FILES:
        source, copy = ROOT / name, folder / "source" / name
        copy.parent.mkdir(exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, copy, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
        else:
            shutil.copy(source, copy)
    pip("wheel", "--no-deps", "--no-build-isolation", "--no-index", "-w", folder, folder / "source")
    return next(folder.glob("*.whl"))


def test_the_wheel_holds_the_library_and_nothing_else(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    files = (path for path in (ROOT / "scripts/said").rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    expected = {path.relative_to(ROOT / "scripts").as_posix() for path in files}
    assert {name for name in names if not name.split("/")[0].endswith(".dist-info")} == expected
    assert "said/animation/default_face.npz" in expected


def test_an_interpreter_that_knows_nothing_of_the_repository_imports_it(wheel, tmp_path):
    pip("install", "--no-deps", "--no-index", "--target", tmp_path / "site", wheel)
    program = (
        f"import sys; sys.path.insert(0, {str(tmp_path / 'site')!r}); import said.coefficients as module;"
        "from said.arkit import SPEECH_BLENDSHAPES; print(module.__file__, len(SPEECH_BLENDSHAPES))"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == [str(tmp_path / "site/said/coefficients.py"), "32"]


def test_its_dependencies_are_the_pins(wheel):
    metadata = next(name for name in zipfile.ZipFile(wheel).namelist() if name.endswith("/METADATA"))
    required = Parser().parsestr(zipfile.ZipFile(wheel).read(metadata).decode()).get_all("Requires-Dist")
    pins = [line for line in (ROOT / "requirements.txt").read_text().splitlines() if line and line[0] != "#"]
    assert [line.split(";")[0].strip() for line in required] == pins
    extra = {line.split("==")[0] for line in required if "extra == " in line}
    assert {"snakemake", "jsonschema"} <= extra and not extra & {"torch", "numpy", "trimesh"}


def test_what_the_library_imports_it_depends_on():
    distributions = packages_distributions()
    lines = (ROOT / "requirements.txt").read_text().split("# The workflow alone")[0].splitlines()
    pinned = {line.split("==")[0].lower() for line in lines if "==" in line}
    for path in (ROOT / "scripts/said").rglob("*.py"):
        if path.relative_to(ROOT / "scripts/said").parts[0] in WINGS_OF_THE_WORKFLOW:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module]
            for name in {name.split(".")[0] for name in names} - sys.stdlib_module_names - {"said"} - OPTIONAL:
                known = {distribution.lower() for distribution in distributions.get(name, ())}
                assert known & pinned, f"{path.name} imports {name}, which is no dependency of the library"
