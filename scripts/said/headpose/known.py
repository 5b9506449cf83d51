"""Methods that need no training: what every other is to be compared with."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from said.headpose.clips import Clip
from said.headpose.registry import KNOWN


def known_poses(method: str, clips: Mapping[str, Clip]) -> dict[str, NDArray[np.float32]]:
    """The poses (S, 200, 3) of one of `KNOWN` for each clip.

    `shuffled` gives each clip the pose of that half the list away, in the order of names: of another speaker, mostly.

    Raises:
        ValueError: the method is none of them; there are no other takes; or there is only one clip to shuffle.
    """
    names = sorted(clips)
    if method == "ground_truth":
        return {name: clips[name].pose[None] for name in names}
    if method == "still":
        return {name: np.zeros_like(clips[name].pose)[None] for name in names}
    if method == "shuffled":
        if len(names) < 2:
            raise ValueError("a single test clip cannot be given the pose of another; add clips to headpose.clips")
        return {name: clips[names[k - len(names) // 2]].pose[None] for k, name in enumerate(names)}
    if method == "oracle":
        takes = {name: truth.takes for name in names if (truth := clips[name].truth) is not None}
        if len(takes) < len(names):
            raise ValueError("recorded people have one take alone: the oracle is for generated ones")
        return takes
    raise ValueError(f"{method!r} is none of {', '.join(KNOWN)}")
