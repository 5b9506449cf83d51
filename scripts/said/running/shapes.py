"""Shapes in the types of the paper's functions: the tests check them, at each call; in use they cost nothing."""

from collections.abc import Callable
from typing import Any, TypeVar

Function = TypeVar("Function", bound=Callable[..., Any])

checker: Callable[[Callable], Callable] | None = None
"""What the tests put around functions that are `shaped`, before the modules with these functions are imported."""


def shaped(function: Function) -> Function:
    """Mark a function whose annotations have shapes, as jaxtyping writes them, to be checked while testing.

    Returns:
        the function itself, where nobody set a `checker`.
    """
    return function if checker is None else checker(function)  # pyright: ignore[reportReturnType]  # with its signature
