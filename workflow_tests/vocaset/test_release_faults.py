"""Copies of VOCASET's release with wrong numbers, sizes or pickles: each is refused by name, none is guessed at."""

import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
from release import Recording, Speaker, training_tables, write_ply_tree, write_training_archive

from said.vocaset import audit, release
from said.vocaset.archives import ArchiveError
from said.vocaset.defects import DefectError

FACES = np.array([[0, 1, 2], [0, 2, 3], [0, 3, 1], [1, 3, 2]])
TEMPLATE = np.array([[0, 0, 0], [0.2, 0, 0], [0, 0.2, 0], [0, 0, 0.2]])
FRAMES = 12


@pytest.fixture
def speakers():
    rng = np.random.default_rng(0)

    def recording():
        audio = (8000 * np.sin(np.arange(FRAMES * 22000 // 60) * 0.06)).astype(np.int16)
        return Recording((TEMPLATE + rng.normal(0, 1e-3, (FRAMES, 4, 3))).astype("f4"), audio)

    return [Speaker("A", TEMPLATE, {f"sentence{n:02d}": recording() for n in (1, 2)})]


def findings(folder: Path) -> list[tuple[str, str, str]]:
    found = audit.inspect(release.open_release(folder, FACES), "A", 2, 1.0).findings
    return [(finding.sentence, finding.check, finding.detail) for finding in found]


def renumber(folder: Path, names: dict[int, str]) -> None:
    """Give frames, counted from 1, of the first sentence other names."""
    sentence = folder / "unposedcleaneddata/A/sentence01"
    moved = {number: sentence / f"sentence01.{number:06d}.ply" for number in names}
    for number, path in moved.items():
        path.rename(sentence / f"moving{number}")
    for number, name in names.items():
        (sentence / f"moving{number}").rename(sentence / f"sentence01.{name}.ply")


@pytest.mark.parametrize(
    ("names", "told"),
    [
        ({number: f"{number - 1:06d}" for number in range(1, FRAMES + 1)}, "begins with frame 0; the release counts"),
        ({3: "3"}, "more or fewer than six digits"),
        ({3: "0000003"}, "more or fewer than six digits"),
        ({3: "٠٠٠٠٠٣"}, "more or fewer than six digits"),
        ({12: "99999999999999999999"}, "longer than six digits"),
        ({12: "1000000"}, "longer than six digits"),
        ({12: "999999"}, "lacks 999987 frames, the first of them 12"),
        ({12: "00011"}, "has frame 11 twice"),
        ({5: "000013"}, "lacks 1 frames, the first of them 5"),
    ],
)
def test_frames_with_other_numbers_are_named_and_not_used(tmp_path, speakers, names, told):
    write_ply_tree(tmp_path, speakers, FACES)
    renumber(tmp_path, names)
    [(sentence, check, detail)] = findings(tmp_path)
    assert (sentence, check) == ("sentence01", "frames") and told in detail
    with pytest.raises(DefectError, match="A/sentence01: |sentence01"):
        release.convert(release.open_release(tmp_path, FACES), "A", "sentence01", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_speech_that_ends_before_the_first_frame_is_no_speech(tmp_path, speakers):
    write_ply_tree(tmp_path, speakers, FACES)
    renumber(tmp_path, {number: f"{number + 400:06d}" for number in range(1, FRAMES + 1)})
    with pytest.raises(DefectError, match="A/sentence01: the speech ends before its first frame, 401"):
        release.convert(release.open_release(tmp_path, FACES), "A", "sentence01", tmp_path / "out")


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ({-1: 0, 0: 1}, "begins with frame 0"),
        ({0: 0, 2_000_000: 1}, "longer than six digits"),
        ({0: 0, 1: 0}, "several of its frames are the same row"),
        ({0: 0, 1: 24}, "one of its rows is not among the 24"),
        ({0: -1, 1: 0}, "one of its rows is not among the 24"),
        ({0: 0, 2: 1}, "lacks 1 frames, the first of them 2"),
    ],
)
def test_rows_with_other_numbers_are_named_and_not_used(tmp_path, speakers, rows, told):
    write_training_archive(tmp_path, speakers)
    table = training_tables(speakers)["subj_seq_to_idx.pkl"]
    table["A"]["sentence01"] = rows
    (tmp_path / "subj_seq_to_idx.pkl").write_bytes(pickle.dumps(table))
    [(sentence, check, detail)] = findings(tmp_path)
    assert (sentence, check) == ("sentence01", "frames") and told in detail


REC = {"audio": np.zeros(9, np.int16), "sample_rate": 22000}
MALFORMED = {
    "subj_seq_to_idx.pkl": [
        None, [], "text", np.zeros(3), np.dtype("f4"), {1: {}}, {"A": None}, {"A": [1, 2]}, {"A": {"sentence01": 3}},
        {"A": {"sentence01": [0, 1]}}, {"A": {"sentence01": {"000001": 0}}}, {"A": {"sentence01": {0: "0"}}},
        {"A": {"sentence01": {0: 1.5}}}, {"A": {"sentence01": {0: None}}}, {"A": {"sentence01": {0: True}}},
        {"A": {"sentence01": {2**70: 0}}}, {"A": {"sentence01": {0: float("nan")}}}, {"A": {0: {0: 0}}},
        {"A": {"sentence01": {0: np.zeros(2)}}}, {"A": {"sentence01": {(0, 1): 0}}},
    ],
    "raw_audio_fixed.pkl": [
        (), {"A": 1}, {"A": {"sentence01": None}}, {"A": {"sentence01": {}}}, {"A": {"sentence01": np.zeros(9)}},
        {"A": {"sentence01": {"audio": REC["audio"]}}}, {"A": {"sentence01": REC | {"audio": [1, 2]}}},
        {"A": {"sentence01": REC | {"audio": None}}}, {"A": {"sentence01": REC | {"sample_rate": 0}}},
        {"A": {"sentence01": REC | {"sample_rate": "22 kHz"}}}, {"A": {"sentence01": REC | {"sample_rate": 22050.5}}},
        {"A": {"sentence01": REC | {"sample_rate": -22000}}}, {"A": {"sentence01": REC | {"sample_rate": 1e300}}},
        {"A": {"sentence01": REC | {"sample_rate": np.zeros(2)}}},
    ],
    "templates.pkl": [
        {3}, {"A": None}, {"A": "text"}, {"A": [[0.0, 0.0, 0.0]] * 4}, {"A": np.array(["a"])},
        {"A": TEMPLATE.astype(complex)}, {"A": np.dtype("f4")}, {"A": {"v": TEMPLATE}}, {("A",): TEMPLATE},
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "index"), [(name, i) for name, tables in MALFORMED.items() for i in range(len(tables))]
)
def test_pickles_that_are_built_otherwise_are_named(tmp_path, speakers, name, index):
    write_training_archive(tmp_path, speakers)
    (tmp_path / name).write_bytes(pickle.dumps(MALFORMED[name][index]))
    with pytest.raises(ArchiveError, match=name):
        findings(tmp_path)


def test_numbers_of_other_kinds_that_are_whole_are_those_numbers(tmp_path, speakers):
    write_training_archive(tmp_path, speakers)
    tables = training_tables(speakers)
    rows = {np.int64(frame): float(row) for frame, row in tables["subj_seq_to_idx.pkl"]["A"]["sentence01"].items()}
    tables["subj_seq_to_idx.pkl"]["A"]["sentence01"] = rows
    tables["raw_audio_fixed.pkl"]["A"]["sentence01"]["sample_rate"] = 22000.0
    for name, table in tables.items():
        (tmp_path / name).write_bytes(pickle.dumps(table, 5))
    assert findings(tmp_path) == []
    motion = release.open_release(tmp_path, FACES).motion("A", "sentence01")
    assert np.array_equal(motion, speakers[0].recordings["sentence01"].vertices)


@pytest.mark.parametrize(
    "content", [b"", b"\x93NUMPY", b"\x93NUMPY\x01\x00\x10\x00{'descr': '<f4'}  ", b"PK\3\4", b"\0" * 99]
)
def test_a_damaged_array_is_named(tmp_path, speakers, content):
    write_training_archive(tmp_path, speakers)
    (tmp_path / "data_verts.npy").write_bytes(content)
    with pytest.raises(ValueError, match=r"data_verts\.npy"):
        findings(tmp_path)


def test_an_array_of_other_vertices_or_cut_short_is_named(tmp_path, speakers):
    write_training_archive(tmp_path, speakers)
    path, whole = tmp_path / "data_verts.npy", (tmp_path / "data_verts.npy").read_bytes()
    path.write_bytes(whole.replace(b"(24, 4, 3)", b"(24,9**9,3)"[:10]))
    with pytest.raises(ValueError, match=r"data_verts\.npy"):
        findings(tmp_path)
    path.write_bytes(whole[:-5])
    assert [(check, "ends within row" in detail) for _, check, detail in findings(tmp_path)] == [("frames", True)]


def test_a_frame_with_one_vertex_more_is_named(tmp_path, speakers):
    write_ply_tree(tmp_path, speakers, FACES)
    from said.files.meshes import write_mesh

    mesh = tmp_path / "unposedcleaneddata/A/sentence01/sentence01.000004.ply"
    write_mesh(mesh, np.vstack([TEMPLATE, [[0.05, 0.05, 0.05]]]), FACES)
    [(sentence, check, detail)] = findings(tmp_path)
    assert (sentence, check) == ("sentence01", "topology") and f"{mesh}: has 5 vertices, but others have 4" in detail


def test_files_of_macos_change_nothing(tmp_path, speakers):
    write_ply_tree(tmp_path / "mac", speakers, FACES)
    for path in [path for path in (tmp_path / "mac").rglob("*") if path.is_file()]:
        path.with_name(f"._{path.name}").write_bytes(b"\0\5\x16\7Mac OS X")
    assert findings(tmp_path / "mac") == []
    for name in ("unposedcleaneddata", "audio", "templates"):
        shutil.make_archive(str(tmp_path / "mac" / name), "zip", tmp_path / "mac" / name)
        shutil.rmtree(tmp_path / "mac" / name)
    assert findings(tmp_path / "mac") == []


# Units.


@pytest.mark.parametrize("form", [write_ply_tree, write_training_archive])
@pytest.mark.parametrize(
    ("template", "frames", "found"),
    [
        (1, 1, {}),
        (1, 1000, {"sentence01": "millimetres beside metres", "sentence02": "millimetres beside metres"}),
        (1, 100, {"sentence01": "centimetres beside metres", "sentence02": "centimetres beside metres"}),
        (1, 39.37, {"sentence01": "inches beside metres", "sentence02": "inches beside metres"}),
        (1000, 1000, {"template": "millimetres"}),
        (100, 100, {"template": "centimetres"}),
        (1e-3, 1e-3, {"template": "m across"}),
        (
            1000,
            1,
            {"template": "millimetres", "sentence01": "metres beside millimetres", "sentence02": "metres beside"},
        ),
    ],
)
def test_other_units_are_found_in_templates_and_beside_them(tmp_path, speakers, form, template, frames, found):
    recordings = {name: Recording(r.vertices * frames, r.audio) for name, r in speakers[0].recordings.items()}
    scaled = [Speaker("A", TEMPLATE * template, recordings)]
    form(tmp_path, scaled, *([FACES] if form is write_ply_tree else []))
    seen = findings(tmp_path)
    assert [name for name, _, _ in seen] == list(found) and all(check == "unit" for _, check, _ in seen)
    assert all(found[name] in detail for name, _, detail in seen)


def test_one_frame_in_another_unit_is_found_with_or_without_a_template(tmp_path, speakers):
    speakers[0].recordings["sentence02"].vertices[7] *= 1000
    write_ply_tree(tmp_path, speakers, FACES)
    [(sentence, check, detail)] = findings(tmp_path)
    assert (sentence, check) == ("sentence02", "unit") and "frame 8 is 1" in detail
    (tmp_path / "templates/A.ply").unlink()
    assert [(sentence, check) for sentence, check, _ in findings(tmp_path)] == [
        ("template", "missing"), ("sentence02", "unit"),
    ]  # fmt: skip
