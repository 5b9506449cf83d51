"""The other methods of Table 1 by name: the one place that lists them."""

import importlib
from types import ModuleType

from said.running.console import nearest

TITLES = {
    "end2end": "end2end_AU_speech",
    "voca": "VOCA + QP",
    "meshtalk": "MeshTalk + QP",
    "faceformer": "FaceFormer + QP",
    "codetalker": "CodeTalker + QP",
}
"""What the paper calls them, in its order."""
WITH_STYLES = ("voca", "faceformer", "codetalker")
"""Those that give a sample for each training speaker's style; the others give one."""


def find_method(name: str) -> ModuleType:
    """The module of `said.baselines.methods` that stores a method and asks it for motion.

    Raises:
        ValueError: there is no such method.
    """
    if name not in TITLES:
        raise ValueError(f"{name!r} is none of {', '.join(TITLES)}{nearest(name, TITLES)}")
    return importlib.import_module(f"said.baselines.methods.{name}")
