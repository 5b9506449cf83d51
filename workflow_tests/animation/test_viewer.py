"""index.html in a real browser, opened from the disk: what it plays is what the files hold."""

import base64
import io

import numpy as np
import pytest
import soundfile
from animation.browser import chromium
from PIL import Image

from said.animation import player
from said.animation.faces import load_face
from said.animation.names import arkit_name, match_names
from said.animation.scene import write_animation
from said.animation.viewer import LANDMARK_PLACES, Animation, write_page
from said.arkit import BLENDSHAPES, SPEECH_BLENDSHAPES
from said.files.tables import read_coefficients, write_coefficients

NAME = "Größe </script> \"a\" 'b'"
FPS, FRAMES = 60, 121


@pytest.fixture(scope="module")
def takes(tmp_path_factory):
    """Two takes of a recording, as their CSV has them, and its sound."""
    folder = tmp_path_factory.mktemp("takes")
    values = np.random.default_rng(0).random((2, FRAMES, 32))
    for number in range(2):
        write_coefficients(folder / f"{number}.csv", values[number])
    soundfile.write(folder / "sound.wav", 0.1 * np.sin(np.arange(32000) * 0.1), 16000)
    return [read_coefficients(folder / f"{number}.csv") for number in range(2)], folder / "sound.wav"


@pytest.fixture(scope="module")
def page(takes, tmp_path_factory):
    """A browser that has opened the page."""
    curves, sound = takes
    folder = tmp_path_factory.mktemp("page")
    face = load_face(None)
    path = write_page(folder, [Animation(NAME, values, FPS, face, sound, take) for take, values in enumerate(curves)])
    with chromium(folder / "profile") as browser:
        browser.open(path)
        assert browser.run("return said.ready") is True
        yield browser


def expected(values, seconds):
    """(32,) coefficients between frames."""
    return np.array([np.interp(seconds * FPS, np.arange(len(values)), column) for column in values.T])


def assert_applies(browser, values):
    for seconds in np.linspace(0, (FRAMES - 1) / FPS, 10):
        (applied,) = browser.run("said.seek(arguments[0]); return said.applied()", float(seconds))
        assert set(SPEECH_BLENDSHAPES) <= set(applied)
        found = [applied[name] for name in SPEECH_BLENDSHAPES]
        np.testing.assert_allclose(found, expected(values, seconds), atol=1e-5)


def test_it_plays_what_the_csv_holds(page, takes):
    page.run("return said.choose(0)")
    state = page.run("return said.state()")
    assert state["clip"] == NAME and state["face"] == "default"
    assert abs(state["duration"] - (FRAMES - 1) / FPS) < 1 / FPS
    assert page.run("return said.data.names") == [*SPEECH_BLENDSHAPES]
    assert_applies(page, takes[0][0])
    page.run("return said.choose(1)")
    assert_applies(page, takes[0][1])


def test_its_sound_is_there(page):
    page.run("return said.choose(0)")
    length = page.run("return new Promise((good) => { const sound = new Audio(said.data.sounds[0]);"
                      "sound.onloadedmetadata = () => good(sound.duration); sound.onerror = () => good(-1); })")  # fmt: skip  # noqa: E501
    assert abs(length - 2) < 0.01
    assert page.run("return said.data.sounds.length") == 1


def test_it_shows_a_face_and_two_takes_beside_each_other(page):
    page.run("return said.choose(0)")
    page.run("said.seek(0.5)")
    one = np.asarray(Image.open(io.BytesIO(page.screenshot())).convert("RGB")).astype(float)
    page.run("said.compare(1)")
    two = np.asarray(Image.open(io.BytesIO(page.screenshot())).convert("RGB")).astype(float)
    stage = (slice(0, 450), slice(260, 1150))
    assert one[stage].std() > 20 and two[stage].std() > 20
    left, right = two[:450, 260:700], two[:450, 710:1150]
    assert left.std() > 20 and right.std() > 20
    assert np.abs(one[stage] - two[stage]).mean() > 5


def test_animation_glb_is_read_by_three_as_it_was_written(page, takes, tmp_path):
    write_animation(tmp_path / "anna.glb", load_face(None), takes[0][1], FPS)
    content = base64.b64encode((tmp_path / "anna.glb").read_bytes()).decode()
    count = page.run("return said.data.clips.length")
    page.run("const bytes = Uint8Array.from(atob(arguments[0]), (letter) => letter.charCodeAt(0)); "
             "return said.open('anna.glb', bytes.buffer)", content)  # fmt: skip  # noqa: E501
    assert page.run("return said.data.clips.length") == count + 1
    page.run("return said.choose(arguments[0])", count)
    state = page.run("return said.state()")
    assert state["clip"] == "anna.glb: speech" and abs(state["duration"] - (FRAMES - 1) / FPS) < 1 / FPS
    (applied,) = page.run("return said.applied()")
    assert set(applied) == set(BLENDSHAPES)
    assert_applies(page, takes[0][1])


def test_clicks_place_landmarks_on_the_skin(page):
    page.run("return said.choose(0)")
    page.run("document.getElementById('place').click()")
    assert "Landmark 1 of 68" in page.run("return document.getElementById('hint').textContent")
    click = ("const canvas = document.querySelector('#stage canvas'), box = canvas.getBoundingClientRect();"
             "for (const kind of ['pointerdown', 'pointerup']) canvas.dispatchEvent(new PointerEvent(kind, "
             "{clientX: box.left + box.width / 2, clientY: box.top + box.height / 2, bubbles: true, pointerId: 1}));")  # fmt: skip  # noqa: E501
    page.run(click)
    assert page.run("return said.state().placed") == 1
    point = np.array(page.run("return said.landmarkText()").split(), float)
    vertices = load_face(None).neutral
    assert np.linalg.norm(vertices - point, axis=1).min() < 0.01
    page.run("document.getElementById('undo').click(); document.getElementById('place').click()")


def test_names_are_known_alike_in_the_page(page):
    spellings = [
        "JawOpen",
        "blendShape.jaw_open",
        "mouthSmile_L",
        "left_eye_blink",
        "jawOpen.001",
        "smirk",
        "mouth_left",
        "L_eyeBlink",
        "R_mouth",
        "jawOpenShape",
        "Head|jawOpen_Shape2",
        "jawOpen1",
    ]
    assert page.run("return arguments[0].map(arkitName)", spellings) == [arkit_name(name) for name in spellings]
    targets = ["JawOpen_MouthClose", "MouthClose", "jawOpen1", "x.jaw_open", "mouthLeft2", "y.mouthLeft", "mouthLeft"]
    assert page.run("return matchNames(arguments[0])", targets) == match_names(targets)


def test_there_are_68_places_to_click():
    assert len(LANDMARK_PLACES) == len(set(LANDMARK_PLACES)) == 68


def test_a_page_of_nothing_is_refused(tmp_path):
    with pytest.raises(ValueError, match="at least one"):
        write_page(tmp_path, [])


def test_long_coefficients_are_read_in_parts_and_a_wrong_line_is_named(takes, tmp_path, monkeypatch):
    monkeypatch.setattr(player, "_ROWS", 7)
    path = tmp_path / "long.csv"
    write_coefficients(path, takes[0][0])
    assert np.array_equal(player._read_long(path), takes[0][0].astype(np.float32))
    lines = path.read_text().splitlines()
    for wrong in (lines[20] + ",1", lines[20].replace(",", ",x", 1), "nan," + lines[20].split(",", 1)[1]):
        path.write_text("\n".join([*lines[:20], wrong, *lines[21:]]) + "\n")
        with pytest.raises(ValueError, match="line 21"):
            player._read_long(path)
    path.write_text("\n".join([lines[0].replace("jawOpen", "jaw"), *lines[1:]]) + "\n")
    with pytest.raises(ValueError, match="jaw"):
        player._read_long(path)
