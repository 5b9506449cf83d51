"""Live Link Face, Epic's app for faces: the CSV that it records, and the packets that it sends.

The same 52 shapes and 9 angles come in two orders: the CSV has right before left for the jaw and the mouth, the packets
follow the enumeration of Unreal's plugin. Angles of the eyes are 0 here, and those of the head too unless its motion is
asked for.
"""

import struct
import uuid
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from said.arkit import SPEECH_BLENDSHAPES
from said.corpus import FRAME_RATE
from said.running.atomic import PathLike, atomic

_EYES = ("Blink", "LookDown", "LookIn", "LookOut", "LookUp", "Squint", "Wide")
_PAIRS = ("Smile", "Frown", "Dimple", "Stretch")
_MORE_PAIRS = ("Press", "LowerDown", "UpperUp")


def _shapes(sides: tuple[str, str]) -> tuple[str, ...]:
    """The 52 shapes; `sides` is the order of left and right for the jaw and the mouth as a whole."""
    return (
        *(f"Eye{part}{side}" for side in ("Left", "Right") for part in _EYES),
        "JawForward", *(f"Jaw{side}" for side in sides), "JawOpen",
        "MouthClose", "MouthFunnel", "MouthPucker", *(f"Mouth{side}" for side in sides),
        *(f"Mouth{part}{side}" for part in _PAIRS for side in ("Left", "Right")),
        "MouthRollLower", "MouthRollUpper", "MouthShrugLower", "MouthShrugUpper",
        *(f"Mouth{part}{side}" for part in _MORE_PAIRS for side in ("Left", "Right")),
        "BrowDownLeft", "BrowDownRight", "BrowInnerUp", "BrowOuterUpLeft", "BrowOuterUpRight",
        "CheekPuff", "CheekSquintLeft", "CheekSquintRight", "NoseSneerLeft", "NoseSneerRight", "TongueOut",
    )  # fmt: skip


HEAD_ANGLES = ("HeadYaw", "HeadPitch", "HeadRoll")
EYE_ANGLES = tuple(f"{part}{axis}" for part in ("LeftEye", "RightEye") for axis in ("Yaw", "Pitch", "Roll"))
ANGLES = (*HEAD_ANGLES, *EYE_ANGLES)
CSV_VALUES = (*_shapes(("Right", "Left")), *ANGLES)
"""The 61 values of a row of the CSV, in order."""
PACKET_VALUES = (*_shapes(("Left", "Right")), *ANGLES)
"""The 61 values of a packet, in order."""
_VERSION = 6
_NAMESPACE = uuid.UUID("9c0a3b44-6f2e-5b0c-8f0e-2f5d3c6d6a11")


def arranged(
    coefficients: NDArray, values: tuple[str, ...], head: NDArray[np.floating] | None = None
) -> NDArray[np.float32]:
    """(N, 61) values in one of the orders, from coefficients (N, 32) in the paper's.

    Args:
        head: (N, 3) pitch, yaw and roll in radians, see `said.animation.head_motion.euler`; None: it is still.
    """
    result = np.zeros((len(coefficients), len(values)), np.float32)
    if head is not None:
        result[:, [values.index(name) for name in ("HeadPitch", "HeadYaw", "HeadRoll")]] = head
    for column, name in enumerate(SPEECH_BLENDSHAPES):
        result[:, values.index(name[0].upper() + name[1:])] = coefficients[:, column]
    return result


def timecode(frame: int) -> str:
    """HH:MM:SS:FF.000 of a frame, 60 per second, from midnight."""
    seconds, part = divmod(frame, FRAME_RATE)
    return f"{seconds // 3600 % 24:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}:{part:02d}.000"


def write_csv(path: PathLike, coefficients: NDArray, head: NDArray[np.floating] | None = None) -> None:
    """Coefficients (N, 32), 60 per second, as the CSV that Live Link Face records: 63 columns, ASCII, line feeds.

    Args:
        head: see `arranged`.
    """
    header = ",".join(("Timecode", "BlendShapeCount", *CSV_VALUES))
    with atomic(path) as temporary, temporary.open("w", encoding="ascii", newline="\n") as file:
        file.write(f"{header}\n")
        form = ",".join(["%s", str(len(CSV_VALUES)), *["%.10f"] * len(CSV_VALUES)]) + "\n"
        for begin in range(0, len(coefficients), 4096):
            part = slice(begin, begin + 4096)
            rows = arranged(coefficients[part], CSV_VALUES, None if head is None else head[part]).tolist()
            file.writelines(form % (timecode(begin + index), *row) for index, row in enumerate(rows))


def packets(coefficients: NDArray, subject: str, first: int = 0) -> Iterator[bytes]:
    """The datagrams of Live Link Face for coefficients (N, 32), one for each frame at 60 per second.

    A packet is the version (little-endian, 6), `$` and a UUID, the name's length and the name, then frame, part of a
    frame, rate and its denominator, the number of values and the values, all big-endian.

    Args:
        subject: name of the face in Unreal's Live Link window.
        first: number of the first frame.
    """
    name = subject.encode()
    head = struct.pack("<i", _VERSION) + b"$" + str(uuid.uuid5(_NAMESPACE, subject)).encode()
    head += struct.pack("!i", len(name)) + name
    for index, values in enumerate(arranged(coefficients, PACKET_VALUES).tolist()):
        frame = struct.pack("!ifiib", first + index, 0.0, FRAME_RATE, 1, len(values))
        yield head + frame + struct.pack(f"!{len(values)}f", *values)
