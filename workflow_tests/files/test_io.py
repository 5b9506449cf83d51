"""Files: atomic writing, formats, and errors that name the file."""

import numpy as np
import pytest
import torch

from said.arkit import MIRROR, SPEECH_BLENDSHAPES
from said.files.arrays import atomic, read_arrays, write_arrays
from said.files.audio import read_audio, write_audio
from said.files.meshes import read_colours, read_mesh, write_mesh
from said.files.tables import read_coefficients, read_table, write_coefficients, write_table
from said.files.tensors import read_state_dict, read_tensors, write_tensors
from said.files.text import write_text


def test_mirror_is_an_involution_that_swaps_sides():
    assert (MIRROR[MIRROR] == np.arange(32)).all()
    assert SPEECH_BLENDSHAPES[MIRROR[SPEECH_BLENDSHAPES.index("jawLeft")]] == "jawRight"
    assert MIRROR[SPEECH_BLENDSHAPES.index("jawOpen")] == SPEECH_BLENDSHAPES.index("jawOpen")


def test_a_failed_write_leaves_the_old_file_and_no_rubbish(tmp_path):
    path = tmp_path / "file.txt"
    write_text(path, "old")
    with pytest.raises(RuntimeError), atomic(path) as temporary:
        temporary.write_text("half of the n")
        raise RuntimeError
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("suffix", ["ply", "obj"])
def test_meshes_keep_their_vertices_in_order(tmp_path, suffix):
    # Doubled vertices, an unused one and an odd order: what a careless loader merges or sorts.
    vertices = np.array([[0, 0, 0], [0, 0, 0], [1, 0, 0], [0, 1, 0], [9, 9, 9], [0, 0, 1]], dtype=float)
    faces = np.array([[5, 3, 0], [1, 2, 3]])
    write_mesh(tmp_path / f"mesh.{suffix}", vertices, faces)
    mesh = read_mesh(tmp_path / f"mesh.{suffix}")
    assert np.allclose(mesh.vertices, vertices) and (mesh.faces == faces).all()


def test_colours_survive_ply(tmp_path):
    vertices, faces = np.eye(3), np.array([[0, 1, 2]])
    colours = np.array([[1, 0, 0], [0, 0.5, 0], [0.2, 0.2, 1]])
    write_mesh(tmp_path / "mesh.ply", vertices, faces, colours)
    assert np.abs(read_colours(read_mesh(tmp_path / "mesh.ply")) - colours).max() < 1 / 255
    write_mesh(tmp_path / "plain.ply", vertices, faces)
    assert read_colours(read_mesh(tmp_path / "plain.ply")) is None


def test_coefficients_round_trip_and_columns_may_be_in_any_order(tmp_path):
    values = np.random.default_rng(0).random((7, 32))
    write_coefficients(tmp_path / "a.csv", values)
    assert (tmp_path / "a.csv").read_text().splitlines()[0] == ",".join(SPEECH_BLENDSHAPES)
    assert np.abs(read_coefficients(tmp_path / "a.csv") - values).max() < 1e-8
    table = read_table(tmp_path / "a.csv")
    write_table(tmp_path / "b.csv", table[table.columns[::-1]])
    assert np.abs(read_coefficients(tmp_path / "b.csv") - values).max() < 1e-8


def test_wrong_coefficients_are_named(tmp_path):
    write_coefficients(tmp_path / "a.csv", np.zeros((3, 32)))
    table = read_table(tmp_path / "a.csv").rename(columns={"jawOpen": "jawopen"})
    write_table(tmp_path / "b.csv", table)
    with pytest.raises(ValueError, match=r"b\.csv.*jawOpen.*jawopen"):
        read_coefficients(tmp_path / "b.csv")
    table = read_table(tmp_path / "a.csv").astype(float)
    table.iloc[1, 4] = np.nan
    write_table(tmp_path / "c.csv", table)
    with pytest.raises(ValueError, match=r"c\.csv: line 3"):
        read_coefficients(tmp_path / "c.csv")


def test_audio_is_16_bit_mono(tmp_path):
    waveform = np.sin(np.linspace(0, 100, 4000)).astype(np.float32) * 0.5
    write_audio(tmp_path / "a.wav", waveform, 22000)
    read, rate = read_audio(tmp_path / "a.wav")
    assert rate == 22000 and np.abs(read - waveform).max() < 2**-14
    assert (tmp_path / "a.wav").stat().st_size == 44 + 2 * 4000


def test_arrays_are_the_same_bytes_each_time(tmp_path):
    arrays = {"a": np.arange(5), "b/c": np.random.default_rng(0).random((3, 4)).astype(np.float32)}
    write_arrays(tmp_path / "1.npz", arrays)
    write_arrays(tmp_path / "2.npz", arrays)
    assert (tmp_path / "1.npz").read_bytes() == (tmp_path / "2.npz").read_bytes()
    for name, array in read_arrays(tmp_path / "1.npz").items():
        assert (array == arrays[name]).all() and array.dtype == arrays[name].dtype


def test_tensors_carry_their_metadata(tmp_path):
    tensors = {"w": torch.arange(6.0).reshape(2, 3).T}
    write_tensors(tmp_path / "w.safetensors", tensors, {"config": {"width": 3, "bias": None}})
    read, metadata = read_tensors(tmp_path / "w.safetensors")
    assert torch.equal(read["w"], tensors["w"]) and metadata == {"config": {"width": 3, "bias": None}}


def test_pickled_code_in_published_weights_is_not_run(tmp_path):
    class Hostile:
        def __reduce__(self):
            return (open, (str(tmp_path / "ran"), "w"))

    torch.save({"w": Hostile()}, tmp_path / "hostile.pth")
    with pytest.raises(Exception, match="[Ww]eights"):
        read_state_dict(tmp_path / "hostile.pth")
    assert not (tmp_path / "ran").exists()
