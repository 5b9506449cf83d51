"""The digest of the code that a script runs."""

from pathlib import Path

import pytest
from conftest import ROOT

from said.workflow import digest


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "said/inner").mkdir(parents=True)
    for name, text in {
        "job.py": "from said import a\nprint(a.f())\n",
        "said/__init__.py": "",
        "said/a.py": '"""Doc."""\nfrom said.inner.b import g\n\n\ndef f():\n    """Doc."""\n    return g()\n',
        "said/inner/__init__.py": "",
        "said/inner/b.py": "def g():\n    from said import lazily\n    return lazily.X\n",
        "said/lazily.py": "X = 1\n",
        "said/unused.py": "Y = 1\n",
    }.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def code(tree: Path) -> str:
    for cached in (digest.code, digest._read):
        cached.cache_clear()
    return digest.code(tree / "job.py", tree)


@pytest.mark.parametrize("file", ["job.py", "said/a.py", "said/inner/b.py", "said/lazily.py", "said/inner/__init__.py"])
def test_an_edit_of_anything_imported_changes_it(tree, file):
    before = code(tree)
    (tree / file).write_text((tree / file).read_text() + "\nZ = 2\n")
    assert code(tree) != before


def test_what_is_not_imported_does_not_count(tree):
    before = code(tree)
    (tree / "said/unused.py").write_text("Y = 2\n")
    assert code(tree) == before


def test_comments_layout_and_docstrings_do_not_count(tree):
    before = code(tree)
    text = (
        (tree / "said/a.py")
        .read_text()
        .replace('"""Doc."""', '"""Another."""')
        .replace("return g()", "return  g()  # why")
    )
    (tree / "said/a.py").write_text(text)
    assert code(tree) == before


def test_scripts_depend_on_what_they_should():
    def modules(script):
        root = ROOT / "scripts"
        return {
            str(path.relative_to(root / "said"))
            for path in digest._closure(root / script, root)
            if path != root / script
        }

    assert {"coefficients.py", "files/tables.py", "corpus.py"} <= modules("fit_coefficients.py")
    assert not any(name.startswith("synthetic") for name in modules("train_said.py"))
    assert not {"model.py", "training/said.py", "diffusion.py"} & modules("evaluate_method.py"), (
        "evaluation knows methods only"
    )
    assert not {"figures/style.py", "render.py", "metrics.py"} & modules("train_said.py")
