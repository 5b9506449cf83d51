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
