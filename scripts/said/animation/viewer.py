"""index.html: one page that plays animations with their sound, opened from the disk, without network.

three.js is inside it; `viewer.entry.js` says how that was packed.
"""

import base64
import io
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from said.animation.faces import Face
from said.animation.head_motion import pivot, quaternions
from said.arkit import BLENDSHAPES, SPEECH_BLENDSHAPES
from said.running.atomic import PathLike, atomic

_FOLDER = Path(__file__).parent
_BLOCK = 3 * 2**18
"""Bytes of a large part that are encoded together: a multiple of three, so that their base64 can be joined."""
_KINDS = {".m4a": "audio/mp4", ".mp4": "audio/mp4", ".wav": "audio/wav", ".mp3": "audio/mpeg", ".ogg": "audio/ogg",
          ".opus": "audio/ogg", ".flac": "audio/flac", ".aac": "audio/aac"}  # fmt: skip


@dataclass(frozen=True)
class Animation:
    """A take of a recording, as the page plays it.

    Attributes:
        name: of the recording.
        coefficients: (N, 32), in the order of `said.arkit.SPEECH_BLENDSHAPES`.
        fps: frames per second.
        face: who speaks.
        sound: a file that browsers play, such as m4a or wav, or None.
        take: its number, from 0.
        head: (N, 3) pitch, yaw and roll in radians, see `said.animation.head_motion.euler`, or None.
    """

    name: str
    coefficients: NDArray
    fps: float
    face: Face
    sound: PathLike | None = None
    take: int = 0
    head: NDArray | None = None


def write_page(folder: PathLike, animations: Sequence[Animation]) -> Path:
    """Write index.html into a folder.

    Args:
        animations: at least one; takes of a recording have its name, and what they share is stored once.

    Returns:
        the page's path.

    Raises:
        ValueError: there is no animation, or one has no frame or other coefficients than the 32.
    """
    if not animations:
        raise ValueError("a page needs at least one animation")
    faces: dict[bytes, int] = {}
    sounds: dict[str, int] = {}
    known: dict[int, int] = {}
    stored_faces, stored_sounds, clips = [], [], []
    large: list[bytes | Path] = []

    def text(content: bytes | Path) -> str:
        """What stands for a large part until the page is written: no name of a file has such characters."""
        large.append(content)
        return f"\0{len(large) - 1}\0"

    for animation in animations:
        values = np.ascontiguousarray(animation.coefficients, "<f4")
        if values.ndim != 2 or values.shape[1] != len(SPEECH_BLENDSHAPES) or not len(values):
            raise ValueError(f"{animation.name}: coefficients must be (N, 32), N at least 1, got {values.shape}")
        if id(animation.face) not in known:
            content = animation.face.document.content()
            if content not in faces:
                faces[content] = len(faces)
                stored_faces.append({"name": animation.face.name, "glb": text(content)})
            known[id(animation.face)] = faces[content]
        sound = None
        if animation.sound is not None:
            sound = sounds.setdefault(str(animation.sound), len(sounds))
            if sound == len(stored_sounds):
                kind = _KINDS.get(Path(animation.sound).suffix.lower(), "application/octet-stream")
                stored_sounds.append(f"data:{kind};base64,{text(Path(animation.sound))}")
        turns = None if animation.head is None else quaternions(animation.head)
        if turns is not None and len(turns) != len(values):
            raise ValueError(f"{animation.name}: {len(turns)} frames of the head for {len(values)} of the face")
        clips.append(
            {
                "name": animation.name, "take": animation.take, "fps": animation.fps, "frames": len(values),
                "values": text(values.tobytes()), "sound": sound, "face": known[id(animation.face)],
                "head": None if turns is None else text(np.ascontiguousarray(turns, "<f4").tobytes()),
                "pivot": None if turns is None else pivot(animation.face).tolist(),
            }
        )  # fmt: skip
    data = {
        "names": SPEECH_BLENDSHAPES, "arkit": BLENDSHAPES, "landmarks": LANDMARK_PLACES,
        "faces": stored_faces, "sounds": stored_sounds, "clips": clips,
    }  # fmt: skip
    # In JSON that stands in a page, "<" could end the element.
    parts = re.split(r"\\u0000(\d+)\\u0000", json.dumps(data).replace("<", "\\u003c"))
    page = _read("viewer.html").replace("/*THREE*/", _read("three.min.js")).replace("/*VIEWER*/", _read("viewer.js"))
    before, after = page.split("/*DATA*/")
    path = Path(folder) / "index.html"
    with atomic(path) as temporary, temporary.open("wb") as file:
        file.write((before + parts[0]).encode())
        for number, part in zip(parts[1::2], parts[2::2], strict=True):
            for block in _blocks(large[int(number)]):
                file.write(base64.b64encode(block))
            file.write(part.encode())
        file.write(after.encode())
    return path


def _blocks(content: bytes | Path) -> Iterator[bytes]:
    """The bytes, or those of a file, in blocks."""
    with content.open("rb") if isinstance(content, Path) else io.BytesIO(content) as file:
        while block := file.read(_BLOCK):
            yield block


def _read(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")


def _places() -> tuple[str, ...]:
    """Where each of the 68 landmarks lies, in words that follow "click"."""
    jaw = [f"the edge of the face, {step} of 8 steps from the right ear down to the chin" for step in range(8)]
    jaw += ["the tip of the chin"]
    jaw += [f"the edge of the face, {step} of 8 steps from the chin up to the left ear" for step in range(1, 9)]
    brows = [f"the right brow, {step} of 5 from its outer end inwards" for step in range(1, 6)]
    brows += [f"the left brow, {step} of 5 from its inner end outwards" for step in range(1, 6)]
    nose = [f"the bridge of the nose, {step} of 4 from between the eyes down to the tip" for step in range(1, 5)]
    nose += [f"below the nose, {step} of 5 from the right nostril to the left" for step in range(1, 6)]
    eyes = []
    for side, first, last in (("right", "outer", "inner"), ("left", "inner", "outer")):
        eyes += [
            f"the {first} corner of the {side} eye",
            f"the {side} eye, upper lid, one third on from the {first} corner",
        ]
        eyes += [
            f"the {side} eye, upper lid, two thirds on from the {first} corner",
            f"the {last} corner of the {side} eye",
        ]
        eyes += [
            f"the {side} eye, lower lid, one third back from the {last} corner",
            f"the {side} eye, lower lid, two thirds back",
        ]
    outer = ["the right corner of the mouth", "the upper edge of the upper lip, one quarter from the right"]
    outer += ["the right peak of the upper lip", "the dip between the peaks", "the left peak of the upper lip"]
    outer += ["the upper edge of the upper lip, one quarter from the left", "the left corner of the mouth"]
    outer += [f"the lower edge of the lower lip, {step} of 5 from the left to the right" for step in range(1, 6)]
    inner = ["the right corner, where the lips part", "the inner edge of the upper lip, one quarter from the right"]
    inner += [
        "the inner edge of the upper lip, in the middle",
        "the inner edge of the upper lip, one quarter from the left",
    ]
    inner += ["the left corner, where the lips part", "the inner edge of the lower lip, one quarter from the left"]
    inner += [
        "the inner edge of the lower lip, in the middle",
        "the inner edge of the lower lip, one quarter from the right",
    ]
    return tuple(jaw + brows + nose + eyes + outer + inner)


LANDMARK_PLACES = _places()
"""(68,) where each landmark is to be clicked."""
