"""Trainings of two stages, the second of which builds on what the first has learnt."""

from collections.abc import Mapping, Sequence


def one_history(stages: Mapping[str, Sequence[dict]]) -> list[dict]:
    """The histories of stages, by their names, as one: each record says its stage, and seconds go on."""
    history, before = [], 0.0
    for stage, records in stages.items():
        history += [{"stage": stage, **record, "seconds": round(before + record["seconds"], 2)} for record in records]
        before = history[-1]["seconds"] if history else before
    return history
