"""An edit of the code reruns what depends on it, and nothing else.

The digest that every rule carries is asked of a copy of the scripts; a few dry runs over a finished run show that the
rules follow it. A new capability adds its line to `EDITS`.
"""

import ast
import re
import shutil
from pathlib import Path

import pytest
from conftest import ROOT, SMOKE

from said.workflow import digest

TRAININGS = {"train_extractor", "train_said", "train_syncnet", "speech_encoder"}
HEADPOSE = {"train_pose_fid", "train_pose_vq", "train_pose_generator", "train_facial_vq", "train_dual_path"}
AT_30 = {"sample_face", "face_in_codes"}
"""Scripts of faces whose motion is brought from 30 frames per second to 60."""
METHODS = ("end2end", "voca", "meshtalk", "faceformer", "codetalker")
"""Their modules are found by name: rules carry a digest of each beside the script's."""
# Scripts of which a result holds the message of an error: why a number is missing, what the audit found; and those that
# decide by it whether to try again.
TELLING = {
    "evaluate_method", "measure_poses", "measure_sync", "inspect_vocaset", "download_published", "download_vocaset",
    "animate_recording",
}  # fmt: skip
# Scripts that draw figures by matplotlib.
DRAWING = {path.stem for path in ROOT.glob("scripts/*.py") if "write_figure" in path.read_text()}
DRAWING |= {"animate_recording"}  # the library draws its curves
FACES = {"animate_recording", "animation_face", "animation_player"}
HEARING_HEADS = {"animate_recording", "bundle_head_pose", "sample_poses", "train_pose_generator"}
READING_SPEECH = {
    path.stem
    for path in ROOT.glob("scripts/*.py")
    if re.search(r"read_speech|editing\.read_clip|read_clips|read_mesh_clips", path.read_text())
} | {"inspect_vocaset", "vocaset_faces", "vocaset_sequences", "cut_talks"}

EDITS = [
    # What cannot change a byte.
    ("running/console.py", "Memory ran out", "There is no memory left", set()),
    ("running/atomic.py", "import errno", "import errno\n\nCHUNK = 2**20", set()),
    ("running/interruption.py", "import signal", "import signal\n\nGRACE = 30", set()),
    ("workflow/config.py", "is none of", "is not among", set()),
    ("corpus.py", "holds no sentence", "has no sentence in it", set()),
    ("files/tensors.py", "  missing: ", "  not there: ", set()),
    ("units.py", "has all its vertices in one place", "is a single point", set()),
    ("training/journal.py", "continues after step", "goes on after step", set()),
    ("training/journal.py", " steps/s  ", " steps per second  ", set()),
    ("training/checkpoint.py", "damaged and removed", "broken, and removed", set()),
    ("sampling.py", "s left", "seconds left", set()),
    ("../fit_coefficients.py", '"sentences")', '"sentences done")', set()),
    (
        "diffusion.py",
        "steps: number of steps of the sampler",
        "steps: how many the sampler makes",
        set(),
    ),  # a docstring
    # A model, its training, a format, a figure.
    ("training/loop.py", "(1 + step) / (10 + step)) if", "(1 + step) / (11 + step)) if", TRAININGS | HEADPOSE),
    ("training/said.py", "return model.eval(), history", "return model.train().eval(), history", {"train_said"}),
    ("training/extractor.py", "return vae.eval(), history", "return vae.train().eval(), history", {"train_extractor"}),
    ("metrics.py", "np.sqrt(", "np.abs(", {"evaluate_method", "measure_poses"}),
    ("baselines/resampling.py", "(2 * frames) / 2", "(2 * frames) / 3", {"sample_baseline", *AT_30}),
    ("figures/velocity.py", "count: int = 3", "count: int = 4", {"plot_velocity"}),
    ("figures/training.py", "markersize=3)", "markersize=4)", {"plot_training"}),
    ("figures/learning.py", "markersize=3", "markersize=4", {"learning_table"}),
    ("training/extrapolation.py", "1 / 4, 3 / 4", "1 / 5, 3 / 4", {"learning_table"}),
    ("training/pose_vq.py", "_TOGETHER = 64", "_TOGETHER = 32", {"train_pose_vq"}),
    ("training/pose_generator.py", "_TOGETHER = 64", "_TOGETHER = 32", {"train_pose_generator"}),
    ("training/facial_vq.py", "_BEGIN_BLOCKS = 2048", "_BEGIN_BLOCKS = 1024", {"train_facial_vq"}),
    (
        "training/dual_path.py",
        "return model.eval(), history",
        "return model.train().eval(), history",
        {"train_dual_path"},
    ),
    ("synthetic/emotion.py", "_SPREAD = 0.15", "_SPREAD = 0.1", {"act_emotions"}),
    ("headpose/face_measures.py", "1e6 * squared", "1e5 * squared", {"measure_face"}),
    ("headpose/face_table.py", '"jaw_correlation", "corr', '"corr', {"headpose_face"}),
    ("headpose/mead.py", "RATE = 25", "RATE = 24", {"read_mead"}),
    ("headpose/sampling.py", "sums <= uniform", "sums < uniform", {"sample_poses", "animate_recording"}),
    ("figures/headpose_codes.py", 'linewidth": 2}', 'linewidth": 3}', {"plot_headpose_codes"}),
    ("denoising.py", "np.sqrt(np.square(", "np.abs(np.square(", set()),
    ("training/previews.py", '"dpmsolver++", 25', '"dpmsolver++", 20', set()),
    ("files/images.py", "dpi=160", "dpi=170", DRAWING),
    ("files/gltf.py", "def ", "EXTRA = 1\n\n\ndef ", {"export_blendshapes", *FACES}),
    (
        "files/gltf_morphs.py",
        "_STILL = 1e-7",
        "_STILL = 1e-8",
        {"export_blendshapes", *FACES},
    ),
    ("animation/export.py", '"moved_by"', '"moves_by"', {"animation_face"}),
    ("synthetic/pauses.py", "_PIECE = 0.12", "_PIECE = 0.1", {"synthetic_sequences", "speech_encoder"}),
    ("animation/windows.py", "+ 0.5) / overlap", "+ 0.4) / overlap", {"animate_recording"}),
    ("headpose/beats.py", "SIGMA = 0.1", "SIGMA = 0.2", {"measure_poses"}),
    ("headpose/fid.py", "WINDOW, STRIDE = 50, 10", "WINDOW, STRIDE = 50, 5", {"measure_poses", "train_pose_fid"}),
    ("headpose/tables.py", "nods ↑", "nod ↑", {"headpose_table"}),
    ("headpose/split.py", "* 70 // 100", "* 80 // 100", {"record_talks", "cut_talks", "train_facial_vq"}),
    ("headpose/voxceleb.py", "_TOLERANCE = 0.5", "_TOLERANCE = 0.4", {"cut_talks"}),
    ("headpose/known.py", "len(names) // 2", "len(names) // 3", {"known_poses"}),
    ("headpose/features.py", "BANDS = 40", "BANDS = 41", {"hear_talks", *HEARING_HEADS}),
    ("figures/headpose.py", "_REACH = 15", "_REACH = 16", {"plot_headpose"}),
    ("synthetic/gesture.py", "_DECLINE = 2.5", "_DECLINE = 2.6", {"record_talks"}),
    (
        "training/pose_fid.py",
        "return model.eval(), history",
        "return model.train().eval(), history",
        {"train_pose_fid"},
    ),
    ("study/orders.py", "0x6D2B79F5", "0x6D2B79F6", {"study_analysis", "study_simulation"}),
    ("study/measures.py", "np.maximum.accumulate(scaled)", "scaled", {"study_analysis", "study_simulation"}),
    ("study/films.py", "_TOLERANCE = 0.25", "_TOLERANCE = 0.2", {"study_form"}),
    ("study/footage.py", "1.2, 1.3", "1.1, 1.3", {"study_faces", "study_heads"}),
    ("headpose/film.py", "0.25, 0.1", "0.2, 0.1", {"headpose_film", "study_heads"}),
    ("files/ogg.py", "position + 27 > len", "position + 28 > len", READING_SPEECH),
]
MODULES = {"train": "training", "sample": "baselines/methods"}
SPOKEN = {f"{kind}_{name}" for kind in MODULES for name in ("faceformer", "codetalker")}
GROUPED = [edit for edit in EDITS if not edit[3]]


@pytest.fixture(scope="module")
def before() -> dict[str, str]:
    return codes(ROOT / "scripts")


@pytest.fixture
def scripts(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path / "scripts"


def codes(root: Path) -> dict[str, str]:
    digest.forget()
    return {path.stem: digest.code(path, root) for path in sorted(root.glob("*.py"))}


def changed(root: Path, before: dict[str, str]) -> set[str]:
    """Scripts that a copy of the scripts would run again."""
    after = codes(root)
    return {script for script in before if before[script] != after[script]}


def apply(root: Path, file: str, old: str, new: str) -> None:
    path = root / "said" / file
    text = path.read_text()
    assert old in text, f"{file} holds no {old!r}"
    path.write_text(text.replace(old, new, 1))


def test_what_cannot_change_a_byte_reruns_nothing(scripts, before):
    for file, old, new, _ in GROUPED:
        apply(scripts, file, old, new)
    # Of a recording that fails, the report holds the error's message.
    assert changed(scripts, before) <= {"animate_recording"}


def apart() -> list[list[tuple[str, str, str, set[str]]]]:
    """The other edits, in as few groups as may be in which no two rerun the same script."""
    groups: list[list[tuple[str, str, str, set[str]]]] = []
    for edit in EDITS:
        free = [group for group in groups if not any(edit[3] & other[3] for other in group)]
        if edit[3] and free:
            free[0].append(edit)
        elif edit[3]:
            groups.append([edit])
    return groups


@pytest.mark.parametrize("edits", apart(), ids=lambda edits: " ".join(edit[0] for edit in edits))
def test_an_edit_reruns_what_depends_on_it(scripts, before, edits):
    for file, old, new, _ in edits:
        apply(scripts, file, old, new)
    assert changed(scripts, before) == set().union(*(rerun for *_, rerun in edits))


def modules(root: Path) -> dict[str, str]:
    """Digests of what trains each method of Table 1, and of what stores it and asks it for motion."""
    digest.forget()
    files = {f"{kind}_{name}": f"{where}/{name}.py" for name in METHODS for kind, where in MODULES.items()}
    return {name: digest.code(root / "said" / path, root) for name, path in files.items()}


@pytest.fixture(scope="module")
def before_methods() -> dict[str, str]:
    return modules(ROOT / "scripts")


@pytest.mark.parametrize(
    ("file", "old", "new", "rerun"),
    [
        ("training/voca.py", "_VALIDATION_PAIRS = 64", "_VALIDATION_PAIRS = 32", {"train_voca"}),
        ("baselines/methods/meshtalk.py", "_MILLIMETRES = 1000.0", "_MILLIMETRES = 1001.0", {"sample_meshtalk"}),
        ("baselines/hearing.py", "* 32768)", "* 32767)", {"train_voca", "sample_voca"}),
        ("baselines/speech_decoder.py", "FRAME_RATE = 30", "FRAME_RATE = 25", SPOKEN),
        ("baselines/registry.py", "is none of", "is not among", set()),
    ],
)
def test_an_edit_of_a_method_reruns_it_and_no_other(scripts, before_methods, before, file, old, new, rerun):
    apply(scripts, file, old, new)
    after = modules(scripts)
    assert {name for name in after if before_methods[name] != after[name]} == rerun
    for script in ("train_said", "sample_said", "evaluate_method"):
        assert digest.code(scripts / f"{script}.py", scripts) == before[script]


def test_new_words_in_every_message_rerun_what_tells_of_them_alone(scripts, before):
    edited = 0
    for path in scripts.rglob("*.py"):
        edited += reword(path)
    assert edited > 300
    assert changed(scripts, before) <= TELLING


def reword(path: Path) -> int:
    """Put a word before the message of every error that is raised and of everything that is printed."""
    lines = path.read_text().splitlines(keepends=True)
    places = set()
    for node in ast.walk(ast.parse("".join(lines))):
        call = node.exc if isinstance(node, ast.Raise) else node
        printed = isinstance(call, ast.Call) and getattr(call.func, "id", getattr(call.func, "attr", "")) == "print"
        if isinstance(call, ast.Call) and (isinstance(node, ast.Raise) or printed):
            for part in call.args:
                if isinstance(part, ast.JoinedStr) or (isinstance(part, ast.Constant) and isinstance(part.value, str)):
                    places.add((part.lineno - 1, part.col_offset))
    for line, column in sorted(places, reverse=True):
        begin = len(lines[line].encode()[:column].decode())
        quote = re.match(r'[a-z]*("""|"|\')', lines[line][begin:])
        assert quote, lines[line]
        place = begin + quote.end()
        lines[line] = f"{lines[line][:place]}indeed, {lines[line][place:]}"
    path.write_text("".join(lines))
    return len(places)


def rerun(workflow) -> set[str]:
    return set(workflow.jobs("all", *SMOKE))


def test_rules_follow_the_digest_where_nothing_is_to_be_done(edited):
    for file, old, new, _ in GROUPED:
        apply(edited.folder / "scripts", file, old, new)
    assert rerun(edited) == set()


def test_rules_follow_the_digest_of_the_training_loop(edited):
    apply(edited.folder / "scripts", *EDITS[[edit[0] for edit in EDITS].index("training/loop.py")][:3])
    found = rerun(edited)
    assert {*TRAININGS, "sample_said", "measure_sync", "evaluate_method"} <= found
    assert not found & {"synthetic_sequences", "fit_coefficients", "quality_sheet", "plot_blendshapes", "ground_truth"}


def test_rules_follow_the_digest_of_a_figure(edited):
    apply(edited.folder / "scripts", "figures/velocity.py", "count: int = 3", "count: int = 4")
    assert rerun(edited) <= {"plot_velocity", "publish_figure", "record_run", "figures", "all"}
