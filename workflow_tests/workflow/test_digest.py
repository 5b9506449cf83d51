"""The digest of the code that a script runs."""

from pathlib import Path

import pytest
from conftest import ROOT

from said.workflow import digest

FILES = {
    "job.py": "from said import a\nprint(a.f())\n",
    "said/__init__.py": "",
    "said/a.py": '''"""Doc."""
import functools
from said import running
from said.inner.b import g, Fault
from said.running.console import start

SIZE = 3
OTHER = 4


def f(x=1):
    """Doc."""
    start()
    if x < 0:
        raise ValueError(f"bad: {x}")
    try:
        return g(SIZE)
    except Fault as fault:
        return str(fault)


def unused():
    print(OTHER)
    return 2
''',
    "said/inner/__init__.py": "",
    "said/inner/b.py": """class Fault(ValueError):
    pass


def g(size):
    from said import lazily
    if size > 9:
        raise Fault(f"large: {size}")
    problem = reason(size)
    if problem:
        report(f"trouble: {problem}")
    print("done with", size)
    return lazily.X + Counter().total()


def reason(size):
    if size == 5:
        return "it is five"
    return None


class Counter:
    def total(self):
        if len(self.parts) > 9:
            raise RuntimeError(f"too many: {self.said()}")
        return sum(self.parts)

    def said(self):
        return f"{len(self.parts)} parts"


def report(line):
    print(line)
""",
    "said/lazily.py": "X = 1\n",
    "said/unused.py": "Y = 1\n",
    "said/running/__init__.py": "",
    "said/running/console.py": "def start():\n    print('begins')\n",
}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def code(tree: Path) -> str:
    digest.forget()
    return digest.code(tree / "job.py", tree)


def counts(tree: Path, file: str, old: str, new: str) -> bool:
    """Whether the digest is another after an edit."""
    before = code(tree)
    text = (tree / file).read_text()
    assert text.count(old) == 1, (file, old)  # of an empty file, the empty string
    (tree / file).write_text(text.replace(old, new))
    return code(tree) != before


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("job.py", "a.f()", "a.f(2)"),
        ("said/a.py", "SIZE = 3", "SIZE = 4"),
        ("said/a.py", "x < 0", "x < 1"),
        ("said/a.py", "import functools", "import functools\nfunctools.cache(print)"),  # executed by the import
        ("said/a.py", "from said.inner.b import g, Fault", "from said.inner.b import reason as g, Fault"),
        ("said/a.py", "except Fault", "except TypeError"),
        ("said/inner/b.py", "size > 9", "size > 8"),
        ("said/inner/b.py", "sum(self.parts)", "max(self.parts)"),
        ("said/inner/b.py", "size == 5", "size == 6"),
        ("said/inner/b.py", '"it is five"', '""'),  # asked whether there is something
        ("said/inner/b.py", "large: ", "too large: "),  # the message is what f returns
        ("said/lazily.py", "X = 1", "X = 2"),
        ("said/lazily.py", "X = 1", "X = 1\nADDED = 1"),  # which nothing reads
        ("said/inner/__init__.py", "", "ADDED = 1\n"),
    ],
)
def test_what_can_change_a_result_counts(tree, file, old, new):
    assert counts(tree, file, old, new)


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("said/unused.py", "Y = 1", "Y = 2"),
        ("said/a.py", "OTHER = 4", "OTHER = 5"),
        ("said/a.py", "return 2", "return 3"),  # of a function that nothing calls
        ("said/a.py", "def f(x=1)", "def f(x: int = 1) -> str"),
        ("said/a.py", '"""Doc."""\nimport', '"""Another."""\nimport'),
        ("said/a.py", "return g(SIZE)", "return g( SIZE )  # why"),
        ("said/a.py", "bad: ", "worse than bad: "),
        ("said/inner/b.py", "trouble: ", "there is trouble: "),
        ("said/inner/b.py", '"done with"', '"finished"'),
        ("said/inner/b.py", "it is five", "this one is five"),
        ("said/inner/b.py", "too many: ", "these are too many: "),
        ("said/inner/b.py", '{len(self.parts)} parts"', '{len(self.parts) + 1} pieces"'),
        ("said/running/console.py", "begins", "starts"),
    ],
)
def test_what_cannot_change_a_result_does_not(tree, file, old, new):
    assert not counts(tree, file, old, new)


def test_a_message_that_is_kept_counts(tree):
    (tree / "said/inner/b.py").write_text(FILES["said/inner/b.py"].replace("raise Fault(f", "raise ValueError(f"))
    assert not counts(tree, "said/inner/b.py", "large: ", "too large: ")
    assert counts(tree, "said/a.py", "except Fault as", "except Exception as")
    for file, old, new in (("said/inner/b.py", "large: ", "too large: "), ("said/a.py", "bad: ", "worse: ")):
        assert counts(tree, file, old, new)


@pytest.mark.parametrize(
    "handler",
    ["raise TypeError(f'{fault}: so it is') from fault", "print(fault)", "text = str(fault); raise TypeError(text)"],
)
def test_a_message_that_is_passed_on_to_who_reads_it_does_not_count(tree, handler):
    text = FILES["said/a.py"].replace("return str(fault)", handler)
    (tree / "said/a.py").write_text(text)
    assert not counts(tree, "said/inner/b.py", "large: ", "too large: ")


def test_a_message_that_another_error_carries_into_a_result_counts(tree):
    handler = (
        "raise KeyError(str(fault))\n\n\ndef h():\n    try:\n        f()\n    except KeyError as e:\n        return e"
    )
    (tree / "said/a.py").write_text(FILES["said/a.py"].replace("return str(fault)", handler))
    (tree / "job.py").write_text("from said import a\nprint(a.h())\n")
    assert counts(tree, "said/inner/b.py", "large: ", "too large: ")


def test_what_is_printed_into_a_file_counts(tree):
    (tree / "job.py").write_text("from said import a\nprint('head', a.f(), file=open('result', 'w'))\n")
    assert counts(tree, "job.py", "'head'", "'title'")


def test_a_module_as_a_value_counts_whole(tree):
    (tree / "job.py").write_text("from said import a\nprint(vars(a))\n")
    assert counts(tree, "said/a.py", "OTHER = 4", "OTHER = 5")


def test_what_is_run_as_a_program_counts(tree):
    (tree / "said/worker.py").write_text("Z = 1\n")
    (tree / "said/lazily.py").write_text("X = 'worker.py'\n")
    assert counts(tree, "said/worker.py", "Z = 1", "Z = 2")


def test_scripts_depend_on_what_they_should():
    def modules(script: str) -> set[str]:
        return digest.modules(ROOT / "scripts" / script, ROOT / "scripts")

    digest.forget()
    assert {"said.coefficients", "said.files.tables", "said.corpus"} <= modules("fit_coefficients.py")
    assert not any(name.startswith("said.synthetic") for name in modules("train_said.py"))
    assert not {"said.model", "said.training.said", "said.diffusion"} & modules("evaluate_method.py"), (
        "evaluation knows methods only"
    )
    assert not {"said.figures.style", "said.render", "said.metrics"} & modules("train_said.py")
    assert "said.files.audio" not in modules("train_extractor.py")
