"""The ARKit blendshapes: the 32 that speech uses, in the paper's order, and the other 20."""

import numpy as np

SPEECH_BLENDSHAPES = (
    "jawForward", "jawLeft", "jawRight", "jawOpen",
    "mouthClose", "mouthFunnel", "mouthPucker", "mouthLeft", "mouthRight",
    "mouthSmileLeft", "mouthSmileRight", "mouthFrownLeft", "mouthFrownRight",
    "mouthDimpleLeft", "mouthDimpleRight", "mouthStretchLeft", "mouthStretchRight",
    "mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper",
    "mouthPressLeft", "mouthPressRight", "mouthLowerDownLeft", "mouthLowerDownRight",
    "mouthUpperUpLeft", "mouthUpperUpRight", "cheekPuff", "cheekSquintLeft", "cheekSquintRight",
    "noseSneerLeft", "noseSneerRight",
)  # fmt: skip

OTHER_BLENDSHAPES = (
    "browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight",
    "eyeBlinkLeft", "eyeBlinkRight", "eyeLookDownLeft", "eyeLookDownRight", "eyeLookInLeft",
    "eyeLookInRight", "eyeLookOutLeft", "eyeLookOutRight", "eyeLookUpLeft", "eyeLookUpRight",
    "eyeSquintLeft", "eyeSquintRight", "eyeWideLeft", "eyeWideRight", "tongueOut",
)  # fmt: skip

BLENDSHAPES = SPEECH_BLENDSHAPES + OTHER_BLENDSHAPES
"""All 52 names of ARKit: the 32 of the paper first."""


def mirrored_name(name: str) -> str:
    """The left/right partner of a blendshape; the name itself where it has none."""
    if name.endswith("Left"):
        return name[: -len("Left")] + "Right"
    if name.endswith("Right"):
        return name[: -len("Right")] + "Left"
    return name


MIRROR = np.array([SPEECH_BLENDSHAPES.index(mirrored_name(name)) for name in SPEECH_BLENDSHAPES])
"""(32,) int: index of each speech blendshape's left/right partner, itself where it has none."""
