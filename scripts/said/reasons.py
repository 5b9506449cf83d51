"""Why a number is missing."""


class NoValueError(ValueError):
    """A measure has no value for the samples it was given. The message is the reason that stands beside the table.

    A class of its own, so that no other error is taken for a reason, and no other error's words are part of a result.
    """
