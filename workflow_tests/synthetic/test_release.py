"""The synthetic corpus in the layout of VOCASET's release, read back independently."""

import io
import pickle
import wave

import numpy as np
import pytest
import release
import trimesh


@pytest.fixture(scope="module")
def released():
    rng = np.random.default_rng(0)
    sphere = trimesh.creation.icosphere(subdivisions=2)

    def recording(frames):
        motion = sphere.vertices + 0.01 * rng.normal(size=(frames, *sphere.vertices.shape))
        return release.Recording(motion.astype(np.float32), rng.uniform(-1, 1, frames * 366).astype(np.float32))

    speakers = [
        release.Speaker(name, sphere.vertices, {release.sentence_name(i): recording(3 + i) for i in range(2)})
        for name in ("FaceTalk_000001_A", "FaceTalk_000002_B")
    ]
    return speakers, np.asarray(sphere.faces)


def test_ply_tree_round_trip(tmp_path, released):
    speakers, faces = released
    release.write_ply_tree(tmp_path, speakers, faces)
    recording = speakers[1].recordings["sentence02"]
    folder = tmp_path / "unposedcleaneddata/FaceTalk_000002_B/sentence02"
    assert sorted(path.name for path in folder.iterdir()) == [f"sentence02.{n:06d}.ply" for n in range(1, 5)]
    mesh = trimesh.load(folder / "sentence02.000003.ply", process=False)
    np.testing.assert_array_equal(mesh.vertices.astype(np.float32), recording.vertices[2])
    np.testing.assert_array_equal(mesh.faces, faces)
    template = trimesh.load(tmp_path / "templates/FaceTalk_000001_A.ply", process=False)
    np.testing.assert_allclose(template.vertices, speakers[0].template, atol=1e-6)
    with wave.open(str(tmp_path / "audio/FaceTalk_000002_B/sentence02.wav")) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 22000)
        samples = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2")
    np.testing.assert_allclose(samples / 32767, recording.audio, atol=1 / 32767)


def test_training_archive_round_trip(tmp_path, released):
    speakers, _ = released
    release.write_training_archive(tmp_path, speakers)
    vertices = np.load(tmp_path / "data_verts.npy")
    tables = {
        name: pickle.loads((tmp_path / f"{name}.pkl").read_bytes(), encoding="latin1")
        for name in ("raw_audio_fixed", "templates", "subj_seq_to_idx")
    }
    assert vertices.dtype == np.float32 and len(vertices) == 14
    for speaker in speakers:
        np.testing.assert_array_equal(tables["templates"][speaker.name], speaker.template)
        for name, recording in speaker.recordings.items():
            rows = tables["subj_seq_to_idx"][speaker.name][name]
            assert list(rows) == list(range(len(recording.vertices)))
            np.testing.assert_array_equal(vertices[list(rows.values())], recording.vertices)
            audio = tables["raw_audio_fixed"][speaker.name][name]
            assert audio["sample_rate"] == 22000 and audio["audio"].dtype == np.int16
            np.testing.assert_allclose(audio["audio"] / 32767, recording.audio, atol=1 / 32767)


def test_pickles_are_those_of_python_2():
    content = {"speaker": {"values": np.arange(5, dtype=np.int16), 3: "x" * 300}}
    data = release.python2_pickle(content)
    assert data[:2] == b"\x80\x02" and b"numpy.core.multiarray" in data and b"numpy._core" not in data
    assert b"X\x07\x00\x00\x00speaker" not in data and b"_codecs" not in data
    names = pickle.loads(data, encoding="bytes")
    assert list(names) == [b"speaker"]  # byte strings, as Python 2 wrote them
    back = pickle.load(io.BytesIO(data), encoding="latin1")
    np.testing.assert_array_equal(back["speaker"]["values"], content["speaker"]["values"])
    assert back["speaker"][3] == "x" * 300


def test_release_refuses_what_it_cannot_write(tmp_path):
    with pytest.raises(ValueError, match=r"\(V, 3\)"):
        release.ply_bytes(np.zeros((4, 2)), np.zeros((1, 3), dtype=int))
    with pytest.raises(ValueError, match="no recording"):
        release.write_training_archive(tmp_path, [release.Speaker("A", np.zeros((3, 3)), {})])
