"""What coefficients do to the lips: the length that the matrix gives is the distance that vertices move."""

import numpy as np
import pytest
import trimesh

from said.headpose import lips as module
from said.headpose.lips import in_deviations, lip_matrix
from said.rig import Rig, reconstruct


def rig(seed: int, vertices: np.ndarray) -> Rig:
    random = np.random.default_rng(seed)
    template, shapes = random.normal(size=(len(vertices), 3)), random.normal(size=(32, len(vertices), 3))
    return Rig(template, template + 0.01 * shapes, np.zeros((1, 3), int), vertices)


def test_lengths_are_how_far_the_lips_move_in_millimetres(monkeypatch):
    lips = np.array([3, 7, 8, 20])
    monkeypatch.setattr(module, "face_regions", lambda *_: (lips, None))
    vertices = [np.arange(25), np.arange(2, 30)]
    rigs = [rig(number, present) for number, present in enumerate(vertices)]
    error = np.random.default_rng(2).normal(size=(1, 32))
    squares = []
    for one, present in zip(rigs, vertices, strict=True):
        moved = reconstruct(one.template, one.blendshapes, error)[0] - one.template
        squares.append(np.square(1e3 * moved[np.isin(present, lips)]).sum(1).mean())
    matrix = lip_matrix(rigs, trimesh.Trimesh(), np.arange(68), np.arange(30))
    assert np.linalg.norm(error @ matrix) == pytest.approx(np.sqrt(np.mean(squares)), rel=1e-5)
    frames = np.random.default_rng(3).random((50, 32))
    scaled = in_deviations(matrix, frames)
    moved = (frames - frames.mean(0)) @ scaled
    assert np.square(moved).sum(1).mean() == pytest.approx(1, rel=1e-4)
    np.testing.assert_allclose(scaled / scaled[0, 0], matrix / matrix[0, 0], rtol=1e-4, atol=1e-5)
