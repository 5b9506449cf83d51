"""Names of a head's parts, as programs and people write them: whole words count, and what all parts share does not."""

import pytest

from said.animation.parts import EYEBALL, LOWER, ON_SKIN, UPPER, name_part, shared_words

NAMED = {
    EYEBALL: [
        "Eye_L", "EyeLeft", "LeftEye", "eye_right", "eyel", "Eyes", "Wolf3D_Eyes", "CC_Base_Eye Std_Cornea_L", 
        "EyeIris", "Eyes_Brown", "EyeBrown", "brown_eye_l", "browser_eye", "BeardedMan_Eye_L", "Gray_Hair_Guy_Eye.001",
        "eyeball_low", "Beard_Eye_R", "character_low.eye_left",
    ],
    UPPER: [
        "UpperTeeth", "upperteeth", "Teeth_Up", "teeth_top", "Mouth_upper_teeth", "Std_Upper_Teeth", "guy_up_dentures",
        "bob_low_teeth_upper", "head_lowpoly_teeth_upper", "TeethUpper_low", "TeethWet_up", "maxillary gums",
    ],
    LOWER: [
        "lowerTeeth", "teeth_lower", "Teeth_Low", "teeth bottom", "CC_Base_Tongue", "Wolf3D_Tongue", "lowergum",
        "beardedman_teeth_lower", "sweaty_man_teeth_lower", "TeethWet_low", "UpperBody_teeth_low", "toothlower",
        "BeardedMan_Tongue", "mandible.teeth", "character_top_tongue",
    ],
    ON_SKIN: [
        "eyelashes", "Eye_Lash", "eyebrow", "EyeBrows", "CC_Base_TearLine", "CC_Base_EyeOcclusion", "EyeWet", "Beard",
        "Moustache.002", "mustache", "Hair", "FacialHair", "FaceBrow", "lacrimal",
    ],
    None: [
        "Head", "", "Wolf3D_Teeth", "CC_Base_Teeth", "Retopo_Teeth2", "identity_low", "student_low", "student_up",
        "accident_lower", "Gray_Hair_Guy_Teeth", "TeethWet", "lowpoly_teeth", "Teeth_LOD1", "upper_lower_teeth",
        "eyes_and_teeth", "eyelid", "Eye_Glasses", "flowers", "object.001", "Zähne",
    ],
}  # fmt: skip


@pytest.mark.parametrize(("part", "label"), [(part, label) for part, labels in NAMED.items() for label in labels])
def test_a_name_tells_by_its_whole_words(part, label):
    assert name_part(label) == part


def test_what_all_parts_of_a_head_are_called_tells_nothing():
    labels = [f"Low_Hair_{name} mat" for name in ("Head", "Eye_L", "Teeth_1", "Teeth_2", "Glasses")]
    shared = shared_words(labels)
    assert shared == {"low", "hair", "mat"}
    assert [name_part(label, shared) for label in labels] == [None, EYEBALL, None, None, None]
    assert name_part(labels[2]) == LOWER and name_part(labels[4]) == ON_SKIN
    assert shared_words([]) == frozenset()
