"""VOCASET's PLY tree as the corpus contract."""

import numpy as np
import pytest

from said import corpus, io, vocaset
from said.synthetic.release import Recording, Speaker, write_ply_tree

FACES = np.array([[0, 1, 2], [1, 3, 2]])
SPEAKER = "FaceTalk_170725_00137_TA"


@pytest.fixture
def release(tmp_path):
    rng = np.random.default_rng(0)
    recordings = {
        f"sentence{number:02d}": Recording(
            rng.normal(size=(number + 3, 4, 3)).astype(np.float32), rng.uniform(-0.9, 0.9, size=800)
        )
        for number in (1, 2, 3)
    }
    write_ply_tree(tmp_path, [Speaker(SPEAKER, rng.normal(size=(4, 3)), recordings)], FACES)
    return tmp_path, recordings


def test_motion_is_read_exactly(release, tmp_path):
    root, recordings = release
    names, gaps = vocaset.sentences(root, SPEAKER)
    assert names == sorted(recordings) and gaps == {}
    for name in names:
        count = vocaset.convert_motion(root, SPEAKER, name, FACES, tmp_path / "out.npy")
        assert count == len(recordings[name].vertices)
        assert np.array_equal(io.read_frames(tmp_path / "out.npy"), recordings[name].vertices)
        waveform, rate = io.read_audio(root / "audio" / SPEAKER / f"{name}.wav")
        assert rate == 22000 and np.abs(waveform - recordings[name].audio).max() < 2**-14


def test_missing_halves_are_reported_and_left_out(release):
    root, _ = release
    (root / "audio" / SPEAKER / "sentence01.wav").unlink()
    for path in (root / "unposedcleaneddata" / SPEAKER / "sentence03").iterdir():
        path.unlink()
    names, gaps = vocaset.sentences(root, SPEAKER)
    assert names == ["sentence02"] and gaps == {"sentence01": "no speech", "sentence03": "no meshes"}


def test_another_topology_is_refused_by_file(release, tmp_path):
    root, _ = release
    wrong = root / "unposedcleaneddata" / SPEAKER / "sentence02" / "sentence02.000003.ply"
    io.write_mesh(wrong, np.eye(4, 3), FACES[:, ::-1])
    with pytest.raises(ValueError, match="sentence02.000003.ply"):
        vocaset.convert_motion(root, SPEAKER, "sentence02", FACES, tmp_path / "out.npy")
    assert not (tmp_path / "out.npy").exists()


def test_a_coordinate_that_is_not_finite_is_refused_by_file(release, tmp_path):
    root, _ = release
    vertices = np.eye(4, 3)
    vertices[2, 1] = np.nan
    io.write_mesh(root / "unposedcleaneddata" / SPEAKER / "sentence02" / "sentence02.000002.ply", vertices, FACES)
    with pytest.raises(ValueError, match="sentence02.000002.ply"):
        vocaset.convert_motion(root, SPEAKER, "sentence02", FACES, tmp_path / "out.npy")


def test_absent_data_names_the_remedy(tmp_path):
    with pytest.raises(FileNotFoundError, match="free registration"):
        vocaset.sentences(tmp_path, SPEAKER)


def test_a_corpus_folder_with_half_a_sentence_is_refused(tmp_path):
    io.write_frames(tmp_path / "sentence01.npy", np.zeros((2, 4, 3)))
    with pytest.raises(ValueError, match="sentence01"):
        corpus.sentences(tmp_path)
