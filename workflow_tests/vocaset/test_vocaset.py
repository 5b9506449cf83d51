"""VOCASET's release, in both forms and packed or not, converted to the corpus's format."""

import os
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
import yaml
from conftest import ROOT
from publisher import Publisher
from release import (
    Recording,
    Speaker,
    python2_pickle,
    training_tables,
    write_ply_tree,
    write_training_archive,
)

from said import corpus
from said.arkit import SPEECH_BLENDSHAPES
from said.files.audio import read_samples
from said.files.meshes import read_mesh, write_mesh
from said.vocaset import archives, audit, download
from said.vocaset import release as vocaset
from said.vocaset.release import DefectError

FACES = np.array([[0, 1, 2], [1, 3, 2]])
SPEAKER = "FaceTalk_170725_00137_TA"
FORMS = {"tree": write_ply_tree, "archive": write_training_archive}


@pytest.fixture
def speakers():
    rng = np.random.default_rng(0)

    def recording(number):
        frames = rng.normal(size=(number + 3, 4, 3)).astype(np.float32)
        return Recording(frames, rng.integers(-9000, 9000, round(len(frames) * 22000 / 60)).astype(np.int16))

    return [
        Speaker(name, rng.normal(size=(4, 3)).astype(np.float32), {f"sentence{n:02d}": recording(n) for n in (3, 1, 2)})
        for name in ("FaceTalk_170728_03272_TA", SPEAKER)
    ]


def write(form: str, folder: Path, speakers, packing: str = "unpacked") -> Path:
    """A release of either form: unpacked, packed, or packed with the folder around everything."""
    arguments = (speakers, FACES) if form == "tree" else (speakers,)
    FORMS[form](folder / "trainingdata" if form == "archive" else folder, *arguments)
    if packing != "unpacked":
        for path in list(folder.iterdir()):
            around = {"base_dir": path.name, "root_dir": folder} if packing == "wrapped" else {"root_dir": path}
            shutil.make_archive(str(path), "zip", **around)
            shutil.rmtree(path)
    return folder


@pytest.mark.parametrize("packing", ["unpacked", "packed", "wrapped"])
@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_exactly_what_was_released(tmp_path, speakers, form, packing):
    release = vocaset.open_release(write(form, tmp_path / "release", speakers, packing), FACES)
    for speaker in speakers:
        assert np.array_equal(release.template(speaker.name), speaker.template)
        numbers = release.frame_numbers(speaker.name)
        assert numbers.keys() == speaker.recordings.keys() == release.spoken(speaker.name)
        for name, recording in speaker.recordings.items():
            vocaset.convert(release, speaker.name, name, tmp_path / "corpus")
            assert np.array_equal(corpus.read_frames(tmp_path / "corpus", name), recording.vertices)
            samples, rate = read_samples(tmp_path / "corpus" / f"{name}.wav")
            assert rate == 22000 and np.array_equal(samples, recording.audio)
    assert corpus.sentences(tmp_path / "corpus") == ["sentence01", "sentence02", "sentence03"]


def test_sentences_of_the_archive_come_in_the_order_of_storage(tmp_path, speakers):
    release = vocaset.open_release(write("archive", tmp_path, speakers), FACES)
    assert list(release.frame_numbers(SPEAKER)) == ["sentence03", "sentence01", "sentence02"]


def test_rows_may_be_scattered(tmp_path, speakers):
    folder = write("archive", tmp_path, speakers) / "trainingdata"
    vertices, tables = np.load(folder / "data_verts.npy"), training_tables(speakers)
    order = np.random.default_rng(1).permutation(len(vertices))
    np.save(folder / "data_verts.npy", vertices[np.argsort(order)])
    rows = tables["subj_seq_to_idx.pkl"]
    moved = {s: {n: {f: int(order[r]) for f, r in frames.items()} for n, frames in t.items()} for s, t in rows.items()}
    (folder / "subj_seq_to_idx.pkl").write_bytes(python2_pickle(moved))
    release = vocaset.open_release(tmp_path, FACES)
    for name, recording in speakers[1].recordings.items():
        assert np.array_equal(release.motion(SPEAKER, name), recording.vertices)


@pytest.mark.parametrize("form", FORMS)
def test_where_first_frames_are_missing_the_speech_begins_later(tmp_path, speakers, form):
    write(form, tmp_path, speakers)
    if form == "tree":
        (tmp_path / f"unposedcleaneddata/{SPEAKER}/sentence02/sentence02.000001.ply").unlink()
    else:
        rows = training_tables(speakers)["subj_seq_to_idx.pkl"]
        del rows[SPEAKER]["sentence02"][0]
        (tmp_path / "trainingdata/subj_seq_to_idx.pkl").write_bytes(python2_pickle(rows))
    release, recording = vocaset.open_release(tmp_path, FACES), speakers[1].recordings["sentence02"]
    assert list(release.frame_numbers(SPEAKER)["sentence02"]) == [1, 2, 3, 4]
    vocaset.convert(release, SPEAKER, "sentence02", tmp_path / "out")
    assert np.array_equal(corpus.read_frames(tmp_path / "out", "sentence02"), recording.vertices[1:])
    assert np.array_equal(read_samples(tmp_path / "out/sentence02.wav")[0], recording.audio[367:])  # 22000 / 60


def test_meshes_of_other_layouts_are_read_by_their_own_headers(tmp_path, speakers):
    import trimesh

    write("tree", tmp_path, speakers)
    frames = speakers[1].recordings["sentence01"].vertices
    folder = tmp_path / f"unposedcleaneddata/{SPEAKER}/sentence01"
    text = trimesh.Trimesh(frames[1], FACES, process=False).export(file_type="ply", encoding="ascii")
    (folder / "sentence01.000002.ply").write_bytes(text if isinstance(text, bytes) else text.encode())
    coloured = trimesh.Trimesh(frames[2], FACES, vertex_colors=np.full((4, 3), 7, np.uint8), process=False)
    (folder / "sentence01.000003.ply").write_bytes(coloured.export(file_type="ply"))
    motion = vocaset.open_release(tmp_path, FACES).motion(SPEAKER, "sentence01")
    assert np.allclose(motion, frames, atol=1e-6) and np.array_equal(motion[[0, 2, 3]], frames[[0, 2, 3]])


@pytest.mark.parametrize("place", [0, 2])  # the first file is parsed, the others compared with it
def test_another_topology_is_refused_by_file(tmp_path, speakers, place):
    write("tree", tmp_path, speakers)
    name = f"sentence02.{place + 1:06d}.ply"
    write_mesh(tmp_path / f"unposedcleaneddata/{SPEAKER}/sentence02" / name, np.eye(4, 3), FACES[:, ::-1])
    with pytest.raises(DefectError, match=f"{name}: its 2 triangles .* are not") as caught:
        vocaset.open_release(tmp_path, FACES).motion(SPEAKER, "sentence02")
    assert caught.value.check == "topology"


@pytest.mark.parametrize("content", [b"", b"ply\nnonsense", None])
def test_a_damaged_mesh_is_refused_by_file(tmp_path, speakers, content):
    write("tree", tmp_path, speakers)
    path = tmp_path / f"unposedcleaneddata/{SPEAKER}/sentence02/sentence02.000002.ply"
    path.write_bytes(path.read_bytes()[:-9] if content is None else content)
    with pytest.raises(DefectError, match=r"sentence02\.000002\.ply"):
        vocaset.open_release(tmp_path, FACES).motion(SPEAKER, "sentence02")


def test_coordinates_that_are_not_finite_are_never_written(tmp_path, speakers):
    speakers[1].recordings["sentence01"].vertices[2, 1, 0] = np.nan
    release = vocaset.open_release(write("archive", tmp_path, speakers), FACES)
    with pytest.raises(DefectError, match="sentence01: vertex 1 of frame 3 is not finite"):
        vocaset.convert(release, SPEAKER, "sentence01", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_is_no_release_is_named(tmp_path, speakers):
    with pytest.raises(FileNotFoundError, match="nowhere.*registration.*dataset=synthetic"):
        vocaset.open_release(tmp_path / "nowhere", FACES)
    with pytest.raises(FileNotFoundError, match="neither unposedcleaneddata nor data_verts"):
        vocaset.open_release(tmp_path, FACES)
    write("tree", tmp_path, speakers)
    write("archive", tmp_path, speakers)
    with pytest.raises(ValueError, match="holds both"):
        vocaset.open_release(tmp_path, FACES)


def test_a_training_archive_that_is_none_is_named(tmp_path, speakers):
    folder = write("archive", tmp_path, speakers) / "trainingdata"
    vertices = np.load(folder / "data_verts.npy")
    np.save(folder / "data_verts.npy", vertices[..., 0])
    with pytest.raises(ValueError, match=r"data_verts\.npy: holds float32 \(30, 4\), expected vertices"):
        vocaset.open_release(tmp_path, FACES)
    np.save(folder / "data_verts.npy", vertices)
    with pytest.raises(ValueError, match="frames have 4 vertices, vocaset.topology has 10"):
        vocaset.open_release(tmp_path, FACES + 6)
    (folder / "subj_seq_to_idx.pkl").write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    with pytest.raises(ValueError, match=r"subj_seq_to_idx\.pkl: names os\.system"):
        vocaset.open_release(tmp_path, FACES)
    (folder / "subj_seq_to_idx.pkl").unlink()
    with pytest.raises(FileNotFoundError, match=r"subj_seq_to_idx\.pkl is not there"):
        vocaset.open_release(tmp_path, FACES)


@pytest.mark.parametrize("table", ["subj_seq_to_idx.pkl", "raw_audio_fixed.pkl"])
@pytest.mark.parametrize("name", ["../../evil", "/tmp/evil", "..", "", "a b", "sentence01\n", "évil"])
def test_names_that_could_lead_outside_are_refused(tmp_path, speakers, table, name):
    folder = write("archive", tmp_path, speakers) / "trainingdata"
    named = training_tables(speakers)[table]
    for hostile in (
        {SPEAKER: named[SPEAKER] | {name: named[SPEAKER]["sentence01"]}},
        {name: named[SPEAKER], SPEAKER: named[SPEAKER]},
    ):
        (folder / table).write_bytes(python2_pickle(hostile))
        with pytest.raises(archives.ArchiveError, match=rf"{table}: .* cannot be the name of a speaker or a sentence"):
            audit.inspect(vocaset.open_release(tmp_path, FACES), SPEAKER, 3, 1.0)


def test_only_the_archives_of_the_release_are_looked_at(tmp_path, speakers):
    folder = write("tree", tmp_path, speakers, "packed")
    (folder / "imagessubject1.zip").write_bytes(b"not ours to check")
    assert [path.name for path in vocaset.packed(folder)] == ["unposedcleaneddata.zip", "audio.zip", "templates.zip"]
    assert vocaset.open_release(folder, FACES).spoken(SPEAKER)


def test_a_sentence_at_a_time_is_in_memory(tmp_path):
    """Of a speaker's 49 MB of meshes, no more than a few times a sentence's 4 MB."""
    import tracemalloc

    rng, vertices, faces = np.random.default_rng(0), 1000, np.arange(999).reshape(-1, 3)
    recordings = {
        f"sentence{n:02d}": Recording(rng.random((340, vertices, 3), np.float32), np.zeros(9000, np.int16))
        for n in range(1, 13)
    }
    write_training_archive(tmp_path, [Speaker("A", recordings["sentence01"].vertices[0], recordings)])
    size = recordings["sentence01"].vertices.nbytes
    tracemalloc.start()
    release = vocaset.open_release(tmp_path, faces)
    for name in recordings:
        vocaset.convert(release, "A", name, tmp_path / "out")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * size


# The authors' and the publisher's own files.


def test_real_meshes_and_real_speech_go_through(official, tmp_path):
    mesh, frames = official / "FLAME_sample.ply", 306  # of the recording's 5.1 seconds
    for name in (f"templates/{SPEAKER}.ply", *(f"unposedcleaneddata/{SPEAKER}/sentence01/sentence01.{n + 1:06d}.ply"
                                              for n in range(frames))):  # fmt: skip
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        os.symlink(mesh, tmp_path / name)
    (tmp_path / f"audio/{SPEAKER}").mkdir(parents=True)
    shutil.copy(official / "test_sentence.wav", tmp_path / f"audio/{SPEAKER}/sentence01.wav")
    release = vocaset.open_release(tmp_path, vocaset.read_faces(mesh))
    inspection = audit.inspect(release, SPEAKER, expected=1, tolerance=1.0)
    assert inspection.findings == [] and inspection.sentences["sentence01"]["frames"] == frames
    vocaset.convert(release, SPEAKER, "sentence01", tmp_path / "out")
    written = corpus.read_frames(tmp_path / "out", "sentence01")
    assert written.shape == (frames, 5023, 3) and np.array_equal(written[-1], read_mesh(mesh).vertices)
    assert (tmp_path / "out/sentence01.wav").read_bytes()[44:] == (official / "test_sentence.wav").read_bytes()[44:]


def test_the_authors_files_are_fetched_and_read_by_their_pins(official, tmp_path):
    files = yaml.safe_load((ROOT / "config.yaml").read_text())["downloads"]["files"]
    pinned = {name: entry for name, entry in files.items() if entry["sha256"]}
    contents = {entry["path"]: (official / name).read_bytes() for name, entry in pinned.items()}
    with Publisher(contents).serving() as publisher:
        for name, entry in pinned.items():
            download.fetch(publisher.public + entry["path"], tmp_path / name, sha256=entry["sha256"])
    assert len(pinned) == 7
    archives.check(tmp_path / "ARKit_reference_blendshapes.zip")
    meshes = dict(vocaset.read_arkit(tmp_path / "ARKit_reference_blendshapes.zip"))
    assert {"Neutral", *SPEECH_BLENDSHAPES} < meshes.keys() and len(meshes) == 52  # it has no tongueOut
    assert {(len(mesh.vertices), len(mesh.faces)) for mesh in meshes.values()} == {(1220, 2304)}
    with zipfile.ZipFile(tmp_path / "ARKit_reference_blendshapes.zip") as packed:
        packed.extractall(tmp_path / "unpacked")
    unpacked = dict(vocaset.read_arkit(tmp_path / "unpacked"))
    assert all(np.array_equal(meshes[name].vertices, unpacked[name].vertices) for name in meshes)
