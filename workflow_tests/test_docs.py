"""The pages: generated ones match the code, links lead somewhere, and nothing needs a network."""

import importlib.util
import re
import shutil
import subprocess
import sys

import av
import numpy as np
import pytest
import yaml
from conftest import ROOT
from PIL import Image

DOCS = ROOT / "docs"


def load(name):
    spec = importlib.util.spec_from_file_location(name, DOCS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def generated():
    return load("generate").pages()


PAGES = ["docs/configuration.md", "docs/map.md", "docs/rulegraph.svg", "schemas/defaults.json"]


@pytest.mark.parametrize("name", PAGES)
def test_generated_pages_are_what_the_code_says(generated, name):
    assert (ROOT / name).read_text() == generated[name], f"{name} is out of date: python docs/generate.py"


def test_the_reference_names_every_key_with_its_default(generated):
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    page = generated["docs/configuration.md"]
    for key, value in config["said"].items():
        if not isinstance(value, list | dict):
            shown = yaml.safe_dump(value).split("\n")[0]
            assert f"| `{key}` | `{shown}` |" in page.split("\n## said\n")[1], key


def test_the_map_names_every_rule_and_module(generated):
    rules = re.findall(r"^ *rule (\w+):", "".join(path.read_text() for path in ROOT.glob("rules/*.smk")), re.M)
    assert all(f"| `{rule}` |" in generated["docs/map.md"] for rule in rules)
    modules = {path.stem for path in (ROOT / "scripts/said").rglob("*.py")} - {"__init__"}
    assert all(f"\n| `{module}` | " in generated["docs/map.md"] for module in modules)
    assert not re.search(r"\n\| `\w+` \|  \|", generated["docs/map.md"]), "a module has no docstring"


def test_every_difference_of_the_released_code_is_explained():
    page = (DOCS / "differences.md").read_text()
    released = yaml.safe_load((ROOT / "config.yaml").read_text())["presets"]["released"]
    for section, keys in released.items():
        for key in keys:
            assert f"| `{section}.{key}` |" in page, f"{section}.{key}"


def test_links_lead_somewhere():
    for page in (*DOCS.glob("*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"):
        for target in re.findall(r"\]\((?!https?:)([^)#\s]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
    pages = re.findall(r": (\w+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.M)
    assert set(pages) == {page.name for page in DOCS.glob("*.md")}


def test_commands_of_the_pages_name_targets_that_are_there():
    """Every `snakemake ... <target>` that the pages show names a rule, or a file below results/."""
    rules = set(re.findall(r"^ *rule (\w+):", "".join(path.read_text() for path in ROOT.glob("**/*.smk")), re.M))
    rules |= set(re.findall(r"^rule (\w+):", (ROOT / "Snakefile").read_text(), re.M))
    for page in (*DOCS.glob("*.md"), ROOT / "README.md"):
        if page.name == "extending.md":  # whose commands are run
            continue
        for command in re.findall(r"^    snakemake (.*?)(?: {2,}#.*)?$", page.read_text(), re.M):
            settings = r"""( \w+=\S+| "[^"]*")*"""
            words = re.sub(rf"--(profile|report|set-resources|config){settings}( [\w./]+)?|-\w+", "", command).split()
            assert all(word in rules or word.startswith("results/") for word in words), f"{page.name}: {command}"


def test_readme_is_two_screens():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 100


@pytest.mark.skipif(not (ROOT / ".venv-docs/bin/mkdocs").exists(), reason="make docs has not been run here")
def test_pages_build_without_warnings_and_ask_nothing_of_others(tmp_path):
    for name in ("docs", "scripts/said"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "mkdocs.yml", tmp_path)
    command = [ROOT / ".venv-docs/bin/mkdocs", "build", "--strict", "--quiet"]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, env={"NO_MKDOCS_2_WARNING": "1", "PATH": "/usr/bin:/bin"}
    )
    assert done.returncode == 0 and "WARNING" not in done.stderr, done.stderr
    html = "".join(path.read_text() for path in (tmp_path / "site").rglob("*.html"))
    assert not re.findall(r'<(?:script|img|link)[^>]*(?:src|href)="(?:https?:)?//', html)
    assert "fit_coefficients" in (tmp_path / "site/api/said.coefficients.html").read_text()


def test_readmes_picture_moves_as_the_video_does_and_is_small(tmp_path):
    rng = np.random.default_rng(0)
    with av.open(str(tmp_path / "demo.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=60)
        stream.width, stream.height, stream.pix_fmt = 720, 360, "yuv420p"
        for _ in range(120):
            shown = av.VideoFrame.from_ndarray(rng.integers(0, 255, (360, 720, 3), dtype=np.uint8), "rgb24")
            container.mux(stream.encode(shown))
        container.mux(stream.encode())
    command = [sys.executable, DOCS / "picture.py", tmp_path / "demo.mp4", tmp_path / "demo.webp"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode and "take a shorter sentence" in done.stderr  # two seconds of noise do not fit

    with av.open(str(tmp_path / "demo.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=60)
        stream.width, stream.height, stream.pix_fmt = 720, 360, "yuv420p"
        for number in range(120):
            shown = np.zeros((360, 720, 3), np.uint8)
            shown[:, 5 * number : 5 * number + 50] = 255
            container.mux(stream.encode(av.VideoFrame.from_ndarray(shown, "rgb24")))
        container.mux(stream.encode())
    subprocess.run(command, check=True)
    with Image.open(tmp_path / "demo.webp") as picture:
        assert picture.size == (640, 320) and picture.n_frames == 40 and (tmp_path / "demo.webp").stat().st_size < 2e6
