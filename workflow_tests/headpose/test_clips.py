"""Clips on disk: what is written is read, and what is damaged is refused by its name."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from said.files.arrays import read_arrays, write_arrays
from said.headpose import clips


@pytest.fixture
def clip():
    rng = np.random.default_rng(0)
    truth = clips.Truth(
        takes=rng.normal(size=(5, 200, 3)).astype(np.float32),
        stresses=np.array([[1.0, 0.9], [2.5, 1.2]]),
        questions=np.zeros((0, 2)),
        statements=np.array([[0.2, 3.1]]),
        nevers=np.array([1.5]),
        tilt=np.array(-4.0),
    )
    audio = rng.integers(-3000, 3000, 128000).astype(np.int16)
    return clips.Clip(rng.normal(size=(200, 3)).astype(np.float32), audio, truth)


def index():
    rows = [("a_0", "0007", "train", "x"), ("b_0", "0008", "test", "y"), ("c_0", "0009", "train", "z")]
    return pd.DataFrame(rows, columns=list(clips.COLUMNS))


def test_what_is_written_is_read(tmp_path, clip):
    clips.write_clip(tmp_path, "a", clip)
    clips.write_clip(tmp_path, "b", replace(clip, truth=None))
    read = clips.read_clip(tmp_path, "a")
    for key, value in (vars(clip) | vars(clip.truth)).items():
        if key != "truth":
            owner = read if hasattr(read, key) else read.truth
            np.testing.assert_array_equal(getattr(owner, key), value)
    assert clips.read_clip(tmp_path, "b").truth is None
    np.testing.assert_array_equal(read.waveform * 2**15, clip.audio)


def test_the_index_keeps_names_of_digits_and_finds_a_role(tmp_path):
    clips.write_index(tmp_path, index())
    pd.testing.assert_frame_equal(clips.read_index(tmp_path), index(), check_dtype=False)
    assert clips.names(index(), "train") == ["a_0", "c_0"]


def change(table, column, value):
    return table.assign(**{column: [value, *table[column][1:]]})


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda table: change(table, "split", "dev"), "a_0 is in the split 'dev'"),
        (lambda table: change(table, "clip", "b_0"), "lists b_0 twice"),
        (lambda table: table.drop(columns="source"), "lacks the columns source"),
    ],
)
def test_a_wrong_index_is_refused(tmp_path, edit, message):
    edit(index()).to_csv(tmp_path / "clips.csv", index=False)
    with pytest.raises(ValueError, match=f"clips.csv: {message}"):
        clips.read_index(tmp_path)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda arrays: arrays | {"pose": arrays["pose"][:199]}, r"'pose' has the shape \(199, 3\)"),
        (lambda arrays: arrays | {"pose": np.full((200, 3), np.nan)}, "'pose' holds values that are not finite"),
        (lambda arrays: {key: value for key, value in arrays.items() if key != "audio"}, "lacks 'audio'"),
        (lambda arrays: {key: value for key, value in arrays.items() if key != "nevers"}, "lacks 'nevers'"),
        (lambda arrays: arrays | {"takes": arrays["takes"][0]}, r"'takes' .* not \(any, 200, 3\)"),
    ],
)
def test_a_damaged_clip_is_refused(tmp_path, clip, edit, message):
    clips.write_clip(tmp_path, "a", clip)
    write_arrays(tmp_path / "a.npz", edit(read_arrays(tmp_path / "a.npz")))
    with pytest.raises(ValueError, match=f"a.npz: .*{message}"):
        clips.read_clip(tmp_path, "a")
