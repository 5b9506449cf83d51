"""Checks shapes and types at each call of a `shaped` function in the tests; to be imported before the library."""

import functools
from collections.abc import Callable

import torch
from beartype import BeartypeConf, beartype
from jaxtyping import TypeCheckError, jaxtyped

from said.running import shapes


def checked(function: Callable) -> Callable:
    """A function that raises TypeCheckError where arguments or result are not as annotated.

    Where the function itself refuses the arguments, its own error is raised: users, who have no checks, will see that.
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
