"""Digests that are remembered are those that would be computed."""

from pathlib import Path

import pytest

from said.workflow import digest, remembered


@pytest.fixture
def tree(tmp_path, monkeypatch) -> Path:
    """A library of one module, seen from an empty working directory."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    root = tmp_path / "scripts"
    (root / "said/running").mkdir(parents=True)
    (root / "said/motion.py").write_text("def speed():\n    return 1\n")
    (root / "job.py").write_text("from said.motion import speed\n\nspeed()\n")
    return root


def asked(root: Path, script: str = "job.py") -> str:
    """As by another start of Snakemake."""
    digest.forget()
    remembered._state.cache_clear()
    return remembered.code(root / script, root)


def computed(root: Path) -> str:
    digest.forget()
    return digest.code(root / "job.py", root)


def test_it_is_computed_once(tree, monkeypatch):
    first = asked(tree)
    assert first == computed(tree)
    monkeypatch.setattr(digest, "code", None)  # nobody may ask for it
    remembered._state.cache_clear()
    assert remembered.code(tree / "job.py", tree) == first


def test_an_edit_is_seen_and_what_was_before_it_forgotten(tree):
    before = asked(tree)
    (tree / "said/motion.py").write_text("def speed():\n    return 2\n")
    assert asked(tree) == computed(tree) != before
    assert len(list(remembered.FOLDER.iterdir())) == 1


def test_files_of_one_name_are_told_apart(tree):
    (tree / "said/job.py").write_text("number = 3\n")
    assert asked(tree, "said/job.py") != asked(tree)
    assert asked(tree) == computed(tree)


@pytest.mark.parametrize("content", [b"", b"12", b"\xff" * 16, b"0" * 16 + b"\n"])
def test_what_no_digest_is_is_not_believed(tree, content):
    right = asked(tree)
    (kept,) = (path for path in remembered.FOLDER.rglob("*") if path.is_file())
    kept.write_bytes(content)
    assert asked(tree) == right and kept.read_text() == right


def test_without_a_place_to_write_it_is_computed(tree):
    Path(".snakemake").touch()
    assert asked(tree) == computed(tree)
