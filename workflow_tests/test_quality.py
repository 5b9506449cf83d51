"""A speaker's quality sheet against closed forms, and errors that name the sentence where they happened."""

import numpy as np
import pytest
from PIL import Image

from said import corpus, quality
from said.figures.quality import sheet
from said.files.arrays import write_frames
from said.files.images import write_figure
from said.running.console import naming


@pytest.fixture
def residuals():
    """Two sentences, of 2 and 6 frames, on three vertices."""
    first = np.array([3e-3, 4e-3]), np.array([1e-3, 2e-3, 0])
    second = np.full(6, 1e-3), np.array([1e-3, 0, 0])
    return quality.collect(["sentence01", "sentence02"], [first, second])


def test_sentences_are_weighted_by_their_frames(residuals):
    assert residuals.frame_rms.tolist() == [3e-3, 4e-3] + 6 * [1e-3]
    assert np.allclose(residuals.vertex_rms, [1e-3, np.sqrt(2 / 8 * 4e-6), 0])
    table = quality.table(residuals)
    assert table["frames"].tolist() == [2, 6]
    assert np.allclose(table["rms_mm"], [np.sqrt(12.5), 1.0]) and np.allclose(table["worst_frame_mm"], [4, 1])


def test_limits_are_counted_once_per_frame():
    """A rise to 1 by full steps, then a fall by half ones; the second blendshape rests at 0, the third at a half."""
    first = np.concatenate([np.linspace(0, 1, 11), np.linspace(0.95, 0.5, 10)])
    sequence = np.stack([first, np.zeros(21), np.full(21, 0.5)], axis=1)
    shares = quality.limit_shares([sequence, sequence], 0.1)
    assert np.allclose(21 * shares, [[1, 21, 0], [1, 0, 0], [9, 0, 0]])


def test_a_jump_between_sentences_is_no_step():
    zero, one = np.zeros((3, 1)), np.ones((3, 1))
    assert np.allclose(quality.limit_shares([zero, one], 1.0)[:, 0], [0.5, 0.5, 0])


def test_the_sheet_shows_where_the_error_is(tmp_path, rng):
    """A plane whose left half is wrong: that half, and no other, is drawn in the strong colours."""
    x, y = np.meshgrid(np.linspace(-0.1, 0.1, 12), np.linspace(-0.12, 0.12, 12))
    template = np.stack([x.ravel(), y.ravel(), np.zeros(144)], axis=1)
    corner = (np.arange(11)[:, None] * 12 + np.arange(11)).ravel()
    faces = np.concatenate([corner[:, None] + [0, 1, 13], corner[:, None] + [0, 13, 12]])

    def strong(wrong):
        errors = [(np.full(30, 1e-3), 1e-3 * wrong)]
        shares = quality.limit_shares([rng.uniform(size=(30, 32))], 0.1)
        figure = sheet("somebody", quality.collect(["sentence01"], errors), shares, template, faces, 60)
        write_figure(tmp_path / "sheet.png", figure)
        pixels = np.asarray(Image.open(tmp_path / "sheet.png").convert("RGB")).astype(int)
        face = pixels[700:1150, 60:480]  # the view from the front
        red = (face[..., 0] > 60) & (face[..., 1] < 60) & (face[..., 2] < 80)
        return red[:, :200].mean(), red[:, 220:].mean()

    left, right = strong(template[:, 0] < 0)
    mirrored = strong(template[:, 0] > 0)
    assert left > 0.2 > 0.05 > right
    assert mirrored[1] > 0.2 > 0.05 > mirrored[0]


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_errors_say_which_sentence(tmp_path):
    with pytest.raises(RuntimeError, match="^speaker01/sentence03: frame 7: vertex 3 is not finite$"):
        with naming("speaker01/sentence03"):
            raise ValueError("frame 7: vertex 3 is not finite")


def test_frames_of_another_mesh_are_refused(tmp_path):
    write_frames(tmp_path / "sentence01.npy", np.zeros((4, 10, 3)))
    assert corpus.read_frames(tmp_path, "sentence01", 10).shape == (4, 10, 3)
    with pytest.raises(ValueError, match=r"sentence01.npy: has the shape \(4, 10, 3\), not \(frames, 11, 3\)"):
        corpus.read_frames(tmp_path, "sentence01", 11)
    write_frames(tmp_path / "sentence02.npy", np.zeros((4, 30)))
    with pytest.raises(ValueError, match="sentence02.npy"):
        corpus.read_frames(tmp_path, "sentence02")
