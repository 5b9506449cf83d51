"""Heavy packages are loaded by the jobs that use them, and by no other: a hundred jobs each start a Python."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

SCRIPTS = ROOT / "scripts"
HEARING = {
    "animate_recording", "bundle_said", "edit_said", "edit_video", "export_said", "sample_clip_faces",
    "plot_architecture", "plot_attention", "sample_said", "speech_encoder", "train_said",
    "train_baseline", "published_baseline", "sample_baseline", "hear_talks", "sample_face", "train_dual_path",
}  # fmt: skip
LEARNED = {
    "evaluate_method", "export_extractor", "join_sync", "measure_sync", "prove_sync", "published_syncnet",
    "train_extractor", "train_syncnet",
    "cut_talks", "measure_poses", "plot_headpose_codes", "rebuild_poses", "record_talks", "sample_poses",
    "train_pose_fid", "train_pose_generator", "train_pose_vq",
    "bundle_head_pose", "face_in_codes", "train_facial_vq",
}  # fmt: skip
USERS = {
    "transformers": HEARING,  # 2.7 s of CPU time
    "diffusers": {
        "animate_recording",
        "edit_said",
        "edit_video",
        "sample_clip_faces",
        "plot_attention",
        "sample_said",
        "train_said",
    },
    "torch": HEARING | LEARNED,  # 1.1 s
    "sklearn": {"evaluate_method"},  # 1.1 s
    "snakemake": set(),
}
"""Scripts that load a package, or a part of it, when they are imported."""
LIGHT = (
    "blendshape_residuals",
    "coefficient_std",
    "ground_truth",
    "make_table",
    "quality_table",
    "record_run",
    "table2_truth",
)
"""Scripts that load neither these nor what is below."""
SLOW = ("trimesh", "numba", "matplotlib", "scipy.stats", "av", "jsonschema", "requests")


def imported(file: Path) -> set[str]:
    """Modules that a file imports when it is imported itself."""
    found, queue = set(), list(ast.parse(file.read_text()).body)
    while queue:
        node = queue.pop()
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            found.update({node.module, *(f"{node.module}.{alias.name}" for alias in node.names)})
        elif isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            queue.extend(ast.iter_child_nodes(node))
    return found


def loaded(script: Path) -> set[str]:
    """Modules that a script's start loads, those of the library and what they import from others."""
    found, queue = set(), [script]
    while queue:
        for name in imported(queue.pop()) - found:
            found.add(name)
            parts = name.split(".")
            for stem in (SCRIPTS.joinpath(*parts[:length]) for length in range(1, len(parts) + 1)):
                queue.extend(file for file in (stem.with_suffix(".py"), stem / "__init__.py") if file.is_file())
    return found


@pytest.mark.parametrize("package", USERS)
def test_who_does_not_use_a_package_does_not_load_it(package):
    users = {script.stem for script in SCRIPTS.glob("*.py") if package in {n.split(".")[0] for n in loaded(script)}}
    assert users == USERS[package]


def test_light_jobs_stay_light():
    """As Python sees it, with what the packages they do use load in turn."""
    lines = [ast.unparse(node) for script in LIGHT for node in ast.parse((SCRIPTS / f"{script}.py").read_text()).body
             if isinstance(node, ast.Import | ast.ImportFrom)]  # fmt: skip
    lines.append(f"import sys; print([name for name in {(*USERS, *SLOW)} if name in sys.modules])")
    done = subprocess.run([sys.executable, "-c", "\n".join(lines)], cwd=SCRIPTS, capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr
