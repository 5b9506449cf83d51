"""Rigs: read back as written, moved as Eq. 2 says, landmarks where the topology has them."""

import numpy as np
import pytest

from said.corpus import Topology, read_method, write_samples
from said.rig import Rig, read_rig, read_rigs, write_rig


@pytest.fixture
def rig():
    rng = np.random.default_rng(0)
    vertices = np.sort(rng.choice(200, 90, replace=False))
    template = rng.normal(size=(90, 3))
    return Rig(template, template + rng.normal(size=(4, 90, 3)), np.array([[0, 1, 2]]), vertices, rng.random((90, 3)))


@pytest.mark.parametrize("coloured", [True, False])
def test_a_rig_is_read_as_it_was_written(tmp_path, rig, coloured):
    written = rig if coloured else Rig(rig.template, rig.blendshapes, rig.faces, rig.vertices)
    write_rig(tmp_path / "anna.npz", written)
    read = read_rig(tmp_path / "anna.npz")
    for part, values in vars(written).items():
        assert np.array_equal(getattr(read, part), values) if values is not None else getattr(read, part) is None


def test_landmarks_are_the_topology_s_vertices(tmp_path, rig):
    write_rig(tmp_path / "anna.npz", rig)
    wanted = np.random.default_rng(1).permutation(rig.vertices)[:68]
    topology = Topology(rig.faces, wanted, np.empty(0, int))
    (read,) = read_rigs([tmp_path / "anna.npz"], topology).values()
    assert np.array_equal(read.vertices[read.landmarks], wanted)
    absent = np.setdiff1d(np.arange(200), rig.vertices)[0]
    wanted[5] = absent
    with pytest.raises(ValueError, match=r"anna\.npz.*landmarks \[5\]"):
        read_rig(tmp_path / "anna.npz", topology)


def test_coefficients_move_a_rig_along_its_displacements(rig):
    coefficients = np.random.default_rng(2).random((7, 4))
    moved = rig.move(coefficients)
    by_hand = rig.template + np.einsum("nk,kvc->nvc", coefficients, rig.blendshapes - rig.template)
    np.testing.assert_allclose(moved, by_hand, atol=1e-12)
    np.testing.assert_allclose((coefficients @ rig.displacements).reshape(7, 90, 3) + rig.template, moved, atol=1e-12)
    with pytest.raises(ValueError, match="one column per blendshape"):
        rig.move(coefficients[:, :3])


def test_a_method_s_samples_bear_speaker_and_sentence(tmp_path):
    samples = {"sentence01": np.ones((2, 5, 32), np.float32), "sentence02": np.zeros((2, 9, 32), np.float32)}
    for speaker in ("anna", "ben"):
        write_samples(tmp_path / f"{speaker}.npz", samples)
    read = read_method([tmp_path / "anna.npz", tmp_path / "ben.npz"])
    assert list(read) == ["anna/sentence01", "anna/sentence02", "ben/sentence01", "ben/sentence02"]
    assert np.array_equal(read["ben/sentence02"], samples["sentence02"])
