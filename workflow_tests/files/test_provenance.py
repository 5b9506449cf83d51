"""Each deliverable names the run it belongs to, and remains readable to programs that know nothing of that."""

import json
import tomllib

import av
import numpy as np
import pandas as pd
import pytest
from conftest import ROOT
from matplotlib.figure import Figure
from PIL import Image

from said.files import provenance, video
from said.files.images import write_figure, write_image
from said.files.pages import page
from said.files.tables import write_table
from said.workflow.version import VERSION

RUN = {"dataset": "synthetic", "scale": "smoke", "preset": "paper", "seed": 3, "version": "1.2"}
TEXT = "dataset synthetic, scale smoke, preset paper, seed 3, version 1.2"
IMAGE = np.zeros((16, 16, 3), np.uint8)


def test_the_version_is_that_of_the_package():
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"] == VERSION


@pytest.mark.parametrize(
    "write", [lambda path: write_image(path, IMAGE, RUN), lambda path: write_figure(path, Figure(), RUN)]
)
def test_pictures_say_it(tmp_path, write):
    for folder in (tmp_path / "1", tmp_path / "2"):
        folder.mkdir()
        for name in ("a.png", "a.pdf"):
            write(folder / name)
    assert provenance.read(tmp_path / "1/a.png") == TEXT
    with Image.open(tmp_path / "1/a.png") as image:
        image.verify()
    content = (tmp_path / "1/a.pdf").read_bytes()
    assert b"(" + TEXT.encode() + b")" in content or b"(\xfe\xff" + TEXT.encode("utf-16-be") + b")" in content
    for kind in ("png", "pdf"):
        assert (tmp_path / f"1/a.{kind}").read_bytes() == (tmp_path / f"2/a.{kind}").read_bytes()


def test_videos_say_it(tmp_path):
    for name in ("1.mp4", "2.mp4"):
        video.write(tmp_path / name, [np.zeros((64, 64, 3), np.uint8)] * 5, 60, np.zeros(2000), 16000, RUN)
    with av.open(str(tmp_path / "1.mp4")) as container:
        assert container.metadata["comment"] == TEXT
    assert (tmp_path / "1.mp4").read_bytes() == (tmp_path / "2.mp4").read_bytes()


def test_pages_say_it_in_their_last_line():
    assert f"<p>This run: {TEXT}.</p>\n</body>" in page("<p>text</p>", RUN)
    assert "This run" not in page("<p>text</p>")


def test_a_csv_is_a_plain_table_and_what_stands_beside_it_says_it(tmp_path):
    table = pd.DataFrame({"variant": ["base"], "fd": [1.5]})
    write_table(tmp_path / "table.csv", table)
    provenance.write_metadata(tmp_path / "table.csv-metadata.json", tmp_path / "table.csv", {**RUN, "other": 1})
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "table.csv"), table)
    assert json.loads((tmp_path / "table.csv-metadata.json").read_text()) == {"url": "table.csv", **RUN}
    assert provenance.read(tmp_path / "table.csv") == TEXT


def test_what_another_run_left_is_named_in_one_line(tmp_path):
    ours, theirs, silent, gone = (str(tmp_path / f"{name}.csv") for name in ("ours", "theirs", "silent", "gone"))
    for path, run in ((ours, RUN), (theirs, {**RUN, "scale": "demo"}), (silent, RUN)):
        write_table(path, pd.DataFrame({"fd": [1.5]}))
        provenance.write_metadata(f"{path}-metadata.json", path, run)
    (tmp_path / "silent.csv-metadata.json").write_text("[]")
    write_image(tmp_path / "theirs.png", IMAGE, {**RUN, "scale": "demo"})
    write_image(tmp_path / "silent.png", IMAGE)
    pictures = [str(tmp_path / "theirs.png"), str(tmp_path / "silent.png"), str(tmp_path / "gone.png")]
    line = provenance.find_others([ours, theirs, silent, gone, *pictures], RUN)
    assert line == f"{theirs}, {pictures[0]} ({TEXT.replace('smoke', 'demo')})"
    assert provenance.find_others([ours, silent, gone], RUN) == ""
