"""ARKit's names in the spellings of programs and artists."""

import pytest

from said.animation.names import arkit_name, match_names
from said.arkit import BLENDSHAPES


@pytest.mark.parametrize(
    "spelling",
    ["{}", "blendShape.{}", "blendShape1|{}", "Head_{}", "CC_Base_Body:{}", "ARKit-{}", "{}.001", " {} "],
)
def test_every_name_is_found_behind_any_prefix(spelling):
    assert [arkit_name(spelling.format(name)) for name in BLENDSHAPES] == [*BLENDSHAPES]


@pytest.mark.parametrize(
    ("spelled", "name"),
    [
        ("JawOpen", "jawOpen"),
        ("jaw_open", "jawOpen"),
        ("JAW OPEN", "jawOpen"),
        ("mouthSmile_L", "mouthSmileLeft"),
        ("mouthSmile.R", "mouthSmileRight"),
        ("Mouth_Smile_Left", "mouthSmileLeft"),
        ("mouth-lower-down-r", "mouthLowerDownRight"),
        ("left_eye_blink", "eyeBlinkLeft"),
        ("L_eyeBlink", "eyeBlinkLeft"),
        ("Head.R_mouth_smile", "mouthSmileRight"),
        ("jawOpenShape", "jawOpen"),
        ("Head|jawOpen_Shape2", "jawOpen"),
        ("jawOpen1", "jawOpen"),
        ("L_eyeBlinkShape.001", "eyeBlinkLeft"),
        ("L_jaw", None),
        ("R_mouth", None),
        ("jawOpenShapes", None),
        ("Shape1", None),
        ("mouth_left", "mouthLeft"),
        ("Fcl_MTH_A", None),
        ("smirk", None),
        ("jawOpenWide", None),
        ("notjawOpen", None),
        ("", None),
        ("...", None),
        ("001", None),
    ],
)
def test_spellings(spelled, name):
    assert arkit_name(spelled) == name


def test_of_two_the_one_spelled_exactly_counts():
    assert match_names(["x.jawOpen", "jawOpen", "jaw_open"]) == {"jawOpen": 1}
    assert match_names(["jaw_open", "x.jawOpen"]) == {"jawOpen": 0}


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["JawOpen_MouthClose", "MouthClose"], {"mouthClose": 1}),
        (["jawOpen_eyeBlinkLeft", "Eye_Blink_Left"], {"eyeBlinkLeft": 1}),
        (["a.b.jawOpen", "a.JawOpen", "b.jaw_open"], {"jawOpen": 1}),
        (["jawOpen1", "jawOpenShape", "Head.a.jaw_open"], {"jawOpen": 2}),
        (["jawOpen.001", "jawOpen"], {"jawOpen": 1}),
        (["jawOpen_mouthClose"], {"mouthClose": 0}),
    ],
)
def test_of_several_the_one_nearest_to_the_name_counts(names, found):
    assert match_names(names) == found


def test_the_longest_names_take_no_time():
    for name in ("1." * 10_000, "shape" * 10_000, "a." * 10_000, "0" * 100_000 + "x"):
        assert arkit_name(name) is None
    assert arkit_name("group|" * 10_000 + "jawOpen") == "jawOpen"
