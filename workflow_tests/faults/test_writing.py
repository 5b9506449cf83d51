"""No file appears under its own name before it is complete: which code writes at all, and how."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import ROOT

SCRIPTS = ROOT / "scripts"
WRITES = re.compile(r"^(write_text|write_bytes|to_csv|savefig|save|save_file|save_pretrained|export|writestr|dump)$")
# Not results: a log; downloads, which grow in .part files; members of archives, for a moment in a folder of their own.
ELSEWHERE = {
    "said/running/console.py", "said/vocaset/transfer.py", "said/vocaset/part.py", "said/baselines/methods/voca.py",
}  # fmt: skip
ATOMIC = {"atomic", "atomic_folder"}


def writes(path: Path) -> Iterator[tuple[int, str, bool]]:
    """Line and name of each call that writes to a file by a path, and whether it stands in a block of `atomic`."""

    def visit(node: ast.AST, atomic: bool) -> Iterator[tuple[int, str, bool]]:
        if isinstance(node, ast.With):
            calls = [item.context_expr for item in node.items if isinstance(item.context_expr, ast.Call)]
            atomic = atomic or any(isinstance(call.func, ast.Name) and call.func.id in ATOMIC for call in calls)
        if isinstance(node, ast.Call):
            method = isinstance(node.func, ast.Attribute)
            name = node.func.attr if method else getattr(node.func, "id", "")
            module = getattr(node.func.value, "id", "") if method else ""
            modes = [word.value for word in node.args if isinstance(word, ast.Constant) and isinstance(word.value, str)]
            opens = name == "open" and any(re.fullmatch("[wax]b?\\+?", mode) for mode in modes)
            # write_text(...), io.write_text, model.save: the library's own, looked at where they are defined.
            saved = {
                "dual_path", "extractor", "facial_vq", "fid", "generator", "io", "method", "model", "pose_vq",
                "syncnet",
            }  # fmt: skip
            own = module in saved or not (method or name == "save_file")
            if opens or (WRITES.match(name) and not own):
                yield node.lineno, name, atomic
        for child in ast.iter_child_nodes(node):
            yield from visit(child, atomic)

    return visit(ast.parse(path.read_text()), False)


def files() -> list[str]:
    return [path.relative_to(SCRIPTS).as_posix() for path in sorted(SCRIPTS.rglob("*.py"))]


def test_every_write_is_atomic():
    offenders = [
        f"{name}:{line} {call}"
        for name in files()
        if name not in ELSEWHERE
        for line, call, atomic in writes(SCRIPTS / name)
        if not atomic
    ]
    assert offenders == []


def test_the_check_finds_what_it_looks_for(tmp_path):
    path = tmp_path / "offender.py"
    path.write_text(
        "from said.running.atomic import atomic\n"
        "table.to_csv('a.csv')\n"
        "open('b', 'wb').write(b'')\n"
        "with atomic('c') as temporary:\n    temporary.write_text('whole')\n"
    )
    assert list(writes(path)) == [(2, "to_csv", False), (3, "open", False), (5, "write_text", True)]
    assert sum(atomic for name in files() for *_, atomic in writes(SCRIPTS / name)) > 10


def test_folders_are_written_as_a_whole():
    """Each rule with a directory as its output has a script, or a library, that fills it under another name."""
    by_library = {
        "animate_recording.py": "said/animation/animate.py",
        "animation_face.py": "said/animation/export.py",
        "fit_coefficients.py": "said/corpus.py",
        "speech_encoder.py": "said/speech.py",
    }
    for path in sorted((ROOT / "rules").glob("*.smk")):
        for rule in re.split(r"^ *rule ", path.read_text(), flags=re.M)[1:]:
            if "directory(" in rule:
                script = re.search(r'"../scripts/(\w+\.py)"', rule)[1]
                assert "with atomic_folder(" in (SCRIPTS / by_library.get(script, script)).read_text(), script


def test_every_job_holds_its_inputs_against_their_sums_and_signs_what_it_made():
    """In a script that begins so; a shell command would do neither."""
    for path in sorted((ROOT / "rules").glob("*.smk")):
        for rule in re.split(r"^ *rule ", path.read_text(), flags=re.M)[1:]:
            name = rule.partition(":")[0]
            if re.search(r"^ *output:", rule, re.M):
                script = re.search(r'"../scripts/(\w+\.py)"', rule)
                assert script and not re.search(r"^ *(shell|run|notebook|wrapper):", rule, re.M), name
                text = (SCRIPTS / script[1]).read_text()
                assert text.count("\nstart(snakemake.log[0], snakemake.input, snakemake.output)\n") == 1, script[1]


@pytest.mark.parametrize("name", ["Makefile", ".ci/run", "envs/said.post-deploy.sh"])
def test_shell_scripts_stop_at_the_first_error(name):
    """Snakemake's own shell has these options by itself."""
    assert re.search(r"-euo pipefail", (ROOT / name).read_text())
