"""The trainings of the other methods of Table 1 by name: `train_<name>` of `said.training.<name>`."""

import importlib
from collections.abc import Callable

from said.baselines.registry import find_method


def find_training(name: str) -> Callable:
    """The function that trains a method; all of them have the same arguments, see `said.training.voca.train_voca`.

    Raises:
        ValueError: there is no such method.
    """
    find_method(name)
    return getattr(importlib.import_module(f"said.training.{name}"), f"train_{name}")
