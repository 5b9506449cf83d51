"""What participants are asked, in the words of the source (Section 3.1 of the supplement) where it has any."""

from typing import NamedTuple


class Question(NamedTuple):
    """A scale from 1 to 5.

    Attributes:
        part: of the study that asks it, 1 or 2.
        title: its name.
        text: what is asked.
        labels: of the five steps. The source has none; ours are those of ITU-T P.910 where quality is meant.
    """

    part: int
    title: str
    text: str
    labels: tuple[str, str, str, str, str]


_QUALITY = ("bad", "poor", "fair", "good", "excellent")

QUESTIONS = {
    "lip_sync": Question(
        1,
        "Lip Sync Accuracy",
        "Using your initial subjective intuition, rate the synchronization and match between the lip movements and "
        "the speech.",
        _QUALITY,
    ),
    "realism": Question(
        1,
        "Overall Realism",
        "Using your initial subjective intuition, rate how realistic this talking head is as a whole.",
        _QUALITY,
    ),
    "diversity": Question(
        2,
        "Head Pose Diversity",
        "Using your initial subjective intuition, rate the diversity of head movements displayed in the videos for "
        "different audios. Consider whether the various audios correspond to distinct and appropriate head movements.",
        ("not diverse", "slightly", "moderately", "clearly", "very diverse"),
    ),
}
"""By their name in files; the wording of `realism` is ours."""

SCORES = range(1, 6)


def asked(part: int) -> list[str]:
    """Names of the questions of a part."""
    return [name for name, question in QUESTIONS.items() if question.part == part]
