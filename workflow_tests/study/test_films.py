"""Films of a study: nothing in them tells the method, all browsers can play them, and an audio's are of one length."""

import av
import numpy as np
import pytest
from study.small_study import movie

from said.files.video import bare
from said.study.films import read_films
from said.study.footage import in_turn


def test_a_film_keeps_its_pictures_and_sound_and_loses_what_it_says_of_itself(tmp_path):
    path = movie(tmp_path / "a.mp4", 100, frames=12)
    assert b"secret" in path.read_bytes()
    found = bare(path)
    (tmp_path / "b.mp4").write_bytes(found.content)
    assert b"secret" not in found.content and (found.width, found.height) == (32, 32)
    assert found == bare(path)
    decoded = []
    for name in ("a.mp4", "b.mp4"):
        with av.open(str(tmp_path / name)) as container:
            pictures = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        with av.open(str(tmp_path / name)) as container:
            sound = np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])
            assert "comment" not in container.metadata or name == "a.mp4"
        decoded.append((pictures, sound))
    np.testing.assert_array_equal(decoded[0][0], decoded[1][0])
    np.testing.assert_array_equal(decoded[0][1], decoded[1][1])
    assert len(decoded[0][0]) == 12


def test_a_film_that_not_all_browsers_play_is_refused_with_the_remedy(tmp_path):
    with av.open(str(tmp_path / "silent.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=30)
        stream.width = stream.height = 32
        stream.pix_fmt = "yuv420p"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")))
        container.mux(stream.encode(None))
    with pytest.raises(ValueError, match=r"silent.mp4: has the streams h264; browsers play one .*ffmpeg -i"):
        bare(tmp_path / "silent.mp4")
    (tmp_path / "text.mp4").write_text("no film")
    with pytest.raises(ValueError, match=r"text.mp4: cannot be read"):
        bare(tmp_path / "text.mp4")


def test_a_missing_film_and_one_of_another_length_are_named(tmp_path):
    for method in "abc":
        movie(tmp_path / method / "0.mp4", 50)
    folders = {method: tmp_path / method for method in "abc"}
    assert [len(films) for films in read_films(folders, [0], "study.part1.methods").values()] == [1, 1, 1]
    with pytest.raises(ValueError, match=r"a/1.mp4: is not there; study.part1.methods needs it, and .* holds 0.mp4"):
        read_films(folders, [0, 1], "study.part1.methods")
    movie(tmp_path / "b" / "0.mp4", 50, frames=30)
    with pytest.raises(ValueError, match=r"b/0.mp4: lasts 1.\d+ s, and the other films of that audio 0.\d+ s"):
        read_films(folders, [0], "study.part1.methods")


def test_speakers_take_turns():
    assert [in_turn(number, ["anna", "ben"]) for number in range(4)] == [
        ("anna", 0),
        ("ben", 0),
        ("anna", 1),
        ("ben", 1),
    ]
