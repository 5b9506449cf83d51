"""Videos, checked by decoding them."""

import os
import subprocess
import sys

import av
import numpy as np
import pytest

from said.figures.style import contact_sheet
from said.figures.video import side_by_side
from said.files import video


def movie(path, frames=45, rate=22000):
    rng = np.random.default_rng(0)
    colours = rng.integers(40, 216, size=(frames, 3))
    images = (np.full((64, 96, 3), colour, dtype=np.uint8) for colour in colours)
    tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(int(frames / 60 * rate)) / rate)
    video.write(path, images, 60, tone, rate)
    return colours


def test_pictures_and_sound_come_back(tmp_path):
    path = tmp_path / "movie.mp4"
    colours = movie(path)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name == "h264" and stream.codec_context.pix_fmt == "yuv420p"
        assert stream.average_rate == 60
        images = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert len(images) == len(colours)
    means = np.array([image.mean((0, 1)) for image in images])
    assert np.abs(means - colours).max() < 12  # chroma subsampling and quantisation
    with av.open(str(path)) as container:
        assert container.streams.audio[0].codec_context.name == "aac"
        sound = np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])
    assert abs(len(sound) / video.AUDIO_RATE - 45 / 60) < 0.06
    spectrum = np.abs(np.fft.rfft(sound[8000:24000]))
    assert abs(np.argmax(spectrum) * video.AUDIO_RATE / 16000 - 440) < 5


def test_same_input_same_bytes(tmp_path):
    movie(tmp_path / "1.mp4")
    movie(tmp_path / "2.mp4")
    assert (tmp_path / "1.mp4").read_bytes() == (tmp_path / "2.mp4").read_bytes()


def test_the_bytes_do_not_depend_on_what_memory_held_before(tmp_path):
    """The encoder's own: malloc fills new memory with what MALLOC_PERTURB_ says."""
    program = """if True:
        import sys
        import numpy as np
        from said.files import video
        grid = np.mgrid[:360, :480].sum(0)
        images = [np.repeat((grid * (index + 3) // 7 % 256).astype(np.uint8)[..., None], 3, 2) for index in range(12)]
        video.write(sys.argv[1], images, 60, np.zeros(4400), 22000)"""
    for fill in ("0", "1", "2"):
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "MALLOC_PERTURB_": fill}
        subprocess.run([sys.executable, "-c", program, tmp_path / f"{fill}.mp4"], env=environment, check=True)
    assert len({path.read_bytes() for path in tmp_path.iterdir()}) == 1


@pytest.mark.parametrize("rate", [16000, 44100, 48000])
def test_sound_is_read_with_its_pictures_and_lies_beside_them(tmp_path, rate):
    """An hour of sound in memory would be ten times what all else takes."""
    frames, part, taken, ahead = 300, 4000, 0, []
    speech = np.random.default_rng(0).uniform(-0.5, 0.5, frames // 30 * rate).astype(np.float32)

    def parts():
        nonlocal taken
        for begin in range(0, len(speech), part):
            taken = begin + part
            yield speech[begin : begin + part]

    def images():
        for frame in range(frames):
            ahead.append(taken / rate - frame / 30)
            yield np.full((64, 64, 3), frame % 200, np.uint8)

    video.write(tmp_path / "parts.mp4", images(), 30, parts(), rate)
    video.write(tmp_path / "whole.mp4", images(), 30, speech, rate)
    assert (tmp_path / "parts.mp4").read_bytes() == (tmp_path / "whole.mp4").read_bytes()
    assert max(ahead[:frames]) < 2 * part / rate + 0.1
    with av.open(str(tmp_path / "parts.mp4")) as container:
        found = [(p.pos, p.stream.type, float(p.dts * p.time_base)) for p in container.demux() if p.dts is not None]
    times = {"video": 0.0, "audio": 0.0}
    for _, kind, time in sorted(found):
        times[kind] = time
        assert abs(times["video"] - times["audio"]) < 2
    assert min(times.values()) > 9.5


def test_odd_sizes_and_no_images_are_refused_and_leave_nothing(tmp_path):
    with pytest.raises(ValueError, match="even"):
        video.write(tmp_path / "odd.mp4", [np.zeros((63, 64, 3), np.uint8)], 60, np.zeros(100), 22000)
    with pytest.raises(ValueError, match="at least one image"):
        video.write(tmp_path / "none.mp4", [], 60, np.zeros(100), 22000)
    assert not list(tmp_path.iterdir())


def test_contact_sheet_places_every_image():
    images = [np.full((30, 40, 3), 20 * index, np.uint8) for index in range(5)]
    sheet = contact_sheet(images, [str(index) for index in range(5)], columns=3)
    height = sheet.shape[0] // 2
    assert sheet.shape[1] == 120
    for index in range(5):
        row, column = divmod(index, 3)
        patch = sheet[row * height : row * height + 30, column * 40 : column * 40 + 40]
        assert (patch == 20 * index).all()


@pytest.mark.parametrize(
    ("views", "columns", "across", "down"), [(3, 4, 3, 1), (7, 4, 4, 2), (4, 3, 2, 2), (3, None, 3, 1)]
)
def test_views_stand_in_even_rows_with_no_more_white_than_they_leave(views, columns, across, down):
    triangle = np.array([[[-1.0, -1.0, 0.0], [1.0, -1.0, 0.0], [0.0, 1.0, 0.0]]])
    given = [triangle] * views, ["face"] * views, np.array([[0, 1, 2]]), None, 64, columns
    (image,) = side_by_side(*given)
    assert image.shape == (down * (64 + 20), across * 64, 3)
    empty = image[20:84, -64:] if down == 1 else image[-64:, -64:]
    assert (empty == 255).all() == (views < across * down)
