"""Checks the shapes and types of the paper's functions at each call of a test: imported before the modules of these."""

import functools
from collections.abc import Callable

import torch
from beartype import BeartypeConf, beartype
from jaxtyping import TypeCheckError, jaxtyped

from said.running import shapes


def checked(function: Callable) -> Callable:
    """A function that raises TypeCheckError where arguments or result are not as annotated.

    Arguments that the function refuses itself it may refuse in its own words: those are for users, who have no checks.
    """
    strict = jaxtyped(function, typechecker=beartype(conf=BeartypeConf(is_pep484_tower=True)))  # an int is a float

    @functools.wraps(function)
    def call(*arguments, **named):
        if torch.compiler.is_compiling():
            return function(*arguments, **named)
        try:
            return strict(*arguments, **named)
        except TypeCheckError:
            function(*arguments, **named)
            raise

    return call


shapes.checker = checked
