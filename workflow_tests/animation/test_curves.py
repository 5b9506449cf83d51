"""Curves for other programs: every number where its reader expects it."""

import json

import numpy as np
import pytest
from helpers import read_packet

from said.animation import livelink
from said.animation.animate import write_curves
from said.animation.curves import NAME_MAPS, read_names, resample, shape_curves
from said.arkit import BLENDSHAPES, SPEECH_BLENDSHAPES

# What Live Link Face writes into the first line of its CSV, as importers for Blender and Unreal expect it.
HEADER = (
    "Timecode,BlendShapeCount,EyeBlinkLeft,EyeLookDownLeft,EyeLookInLeft,EyeLookOutLeft,EyeLookUpLeft,EyeSquintLeft,"
    "EyeWideLeft,EyeBlinkRight,EyeLookDownRight,EyeLookInRight,EyeLookOutRight,EyeLookUpRight,EyeSquintRight,"
    "EyeWideRight,JawForward,JawRight,JawLeft,JawOpen,MouthClose,MouthFunnel,MouthPucker,MouthRight,MouthLeft,"
    "MouthSmileLeft,MouthSmileRight,MouthFrownLeft,MouthFrownRight,MouthDimpleLeft,MouthDimpleRight,MouthStretchLeft,"
    "MouthStretchRight,MouthRollLower,MouthRollUpper,MouthShrugLower,MouthShrugUpper,MouthPressLeft,MouthPressRight,"
    "MouthLowerDownLeft,MouthLowerDownRight,MouthUpperUpLeft,MouthUpperUpRight,BrowDownLeft,BrowDownRight,BrowInnerUp,"
    "BrowOuterUpLeft,BrowOuterUpRight,CheekPuff,CheekSquintLeft,CheekSquintRight,NoseSneerLeft,NoseSneerRight,"
    "TongueOut,HeadYaw,HeadPitch,HeadRoll,LeftEyeYaw,LeftEyePitch,LeftEyeRoll,RightEyeYaw,RightEyePitch,RightEyeRoll"
)
# Of the 61 values of a packet, those whose place differs from the CSV's: there left comes before right.
IN_PACKET = {"JawForward": 14, "JawLeft": 15, "JawRight": 16, "JawOpen": 17, "MouthLeft": 21, "MouthRight": 22}


def values(frames: int) -> np.ndarray:
    return np.random.default_rng(0).uniform(size=(frames, 32)).astype(np.float32)


def test_the_csv_is_what_live_link_face_writes(tmp_path):
    given = values(3700)
    livelink.write_csv(tmp_path / "livelink.csv", given)
    content = (tmp_path / "livelink.csv").read_bytes()
    lines = content.decode("ascii").split("\n")
    assert b"\r" not in content and lines[0] == HEADER and lines[-1] == "" and len(lines) == 3702
    rows = [line.split(",") for line in lines[1:-1]]
    assert all(len(row) == 63 and all(row) and row[1] == "61" for row in rows)
    assert rows[0][0] == "00:00:00:00.000" and rows[59][0] == "00:00:00:59.000" and rows[3661][0] == "00:01:01:01.000"
    columns = HEADER.split(",")
    read = np.array([row[2:] for row in rows], float)
    for name in BLENDSHAPES:
        column = read[:, columns.index(name[0].upper() + name[1:]) - 2]
        expected = given[:, SPEECH_BLENDSHAPES.index(name)] if name in SPEECH_BLENDSHAPES else 0
        assert np.abs(column - expected).max() < 1e-9, name
    assert not read[:, 52:].any() and livelink.timecode(60 * 86400) == "00:00:00:00.000"


def test_packets_are_what_live_link_face_sends():
    given = values(5)
    for index, packet in enumerate(livelink.packets(given, "Zoë", first=100)):
        name, frame, part, rate, read = read_packet(packet)
        assert (name, frame, part, rate) == ("Zoë", 100 + index, 0.0, (60, 1))
        columns = HEADER.split(",")[2:]
        for column, shape in enumerate(SPEECH_BLENDSHAPES):
            shape = shape[0].upper() + shape[1:]
            assert read[IN_PACKET.get(shape, columns.index(shape))] == given[index, column], shape


def test_gain_and_smooth():
    given = values(200)
    assert np.array_equal(shape_curves(given), given)
    assert np.allclose(shape_curves(given, 0.5), given / 2) and shape_curves(given, 9.0).max() == 1
    louder = shape_curves(given, {"jawOpen": 0.0})
    jaw = SPEECH_BLENDSHAPES.index("jawOpen")
    assert not louder[:, jaw].any() and np.array_equal(np.delete(louder, jaw, 1), np.delete(given, jaw, 1))
    smooth = shape_curves(given, smooth=0.05)
    assert np.abs(np.diff(smooth, axis=0)).mean() < 0.2 * np.abs(np.diff(given, axis=0)).mean()
    assert smooth[20:-20].mean() == pytest.approx(given[20:-20].mean(), abs=0.02)
    with pytest.raises(ValueError, match="did you mean 'jawOpen'"):
        shape_curves(given, {"jawopen": 1.0})
    with pytest.raises(ValueError, match="at least 0"):
        shape_curves(given, -1.0)


@pytest.mark.parametrize("fps", [24, 25, 30, 48, 60])
def test_another_frame_rate_is_the_same_curve_at_its_own_times(fps):
    time = np.arange(241) / 60
    given = np.repeat((0.5 + 0.1 * time)[:, None], 32, axis=1).astype(np.float32)
    made = resample(given, fps)
    assert len(made) == 4 * fps + 1
    assert np.abs(made[:, 0] - (0.5 + 0.1 * np.arange(len(made)) / fps)).max() < 1e-6
    assert len(resample(given[:1], fps)) == 1


def test_names_of_other_rigs(tmp_path):
    assert read_names("vrm")["mouthSmileLeft"] == "MouthSmileLeft"
    own = tmp_path / "rig.json"
    own.write_text(json.dumps({"mouthClose": "Mund_zu", "jawOpen": "Mund_auf"}))
    names = read_names(own)
    assert list(names.items()) == [("jawOpen", "Mund_auf"), ("mouthClose", "Mund_zu")]
    given = values(4)
    write_curves(tmp_path / "curves.json", given, 30, names)
    read = json.loads((tmp_path / "curves.json").read_text())
    assert read["names"] == ["Mund_auf", "Mund_zu"] and (read["fps"], read["frames"]) == (30, 4)
    assert np.allclose(read["values"], given[:, [3, 4]], atol=1e-6)
    write_curves(tmp_path / "unity.json", given, 60, NAME_MAPS["unity"], 100.0)
    read = json.loads((tmp_path / "unity.json").read_text())
    assert read["names"][3] == "blendShape.jawOpen" and np.allclose(read["values"], 100 * given, atol=1e-3)
    for content, words in (
        ('{"jawopen": "a"}', "did you mean 'jawOpen'"), ("[1]", "must be an object"), ("{", "is not JSON"),
        ('{"jawOpen": "a", "mouthClose": "a"}', "the same name"),
    ):  # fmt: skip
        own.write_text(content)
        with pytest.raises(ValueError, match=words):
            read_names(own)
    with pytest.raises(FileNotFoundError, match="no file"):
        read_names("maya")
