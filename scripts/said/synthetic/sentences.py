"""A small closed grammar of English sentences, each about three to five seconds long when spoken."""

import numpy as np

from said.synthetic import lexicon

_CLASSES = {
    "person": tuple(lexicon.PEOPLE),
    "thing": tuple(lexicon.THINGS),
    "things": tuple(lexicon.PLURALS),
    "place": tuple(lexicon.PLACES),
    "adjective": tuple(lexicon.ADJECTIVES),
    "did": tuple(lexicon.PAST_VERBS),
    "do": tuple(word for word in lexicon.BASE_VERBS if word not in ("put", "keep")),
    "at": tuple(lexicon.PREPOSITIONS),
    "number": tuple(word for word in lexicon.NUMBERS if word != "both"),
    "possessive": ("my", "our", "your", "his", "her"),
    "they": ("we", "they", "she", "he", "you"),
    "order": ("please move", "put", "keep", "push", "wash", "wrap", "paint", "find", "bring"),
    "belief": ("i think", "we believe", "i hope", "they know", "maybe"),
    "modal": ("should", "would", "could", "will", "did"),
    "when": (
        "this morning", "before the show", "every thursday", "in the evening", "very early", "for an hour",
        "without a fuss", "with both hands", "as usual", "too often", "on the fifth of may", "at noon",
        "while we were away", "in the rain", "before breakfast", "again today", "after the movie",
        "with my people", "all summer long",
    ),
}  # fmt: skip

_TEMPLATES = (
    "the {adjective} {person} {did} {possessive} {adjective} {thing} {when}.",
    "{order} the {thing} {at} the {adjective} {place} {when}.",
    "we {did} a {adjective} {thing} {at} the {place} {when}.",
    "who {did} my {adjective} {thing} {at} the {adjective} {place}?",
    "she {did} {number} {adjective} {things}, but he {did} only the {thing}.",
    "they never {did} that {adjective} {thing} {at} the {place}.",
    "why {modal} the {person} {do} the {adjective} {thing} {when}?",
    "{belief} the {adjective} {person} was {at} the {adjective} {place}.",
    "{when}, the {person} {did} a {thing} {at} the {place}.",
    "the {person} and the {adjective} {person} {did} {number} {things} {when}.",
    "when the {person} {did} the {thing}, {they} {did} {number} {things}.",
    "where {modal} {they} {do} some {adjective} {things} for the {person}?",
    "if you {do} the {adjective} {thing}, the {person} will {do} it.",
)

MAX_WORDS = 11
"""Longer sentences are drawn again: at 130 words a minute this is five seconds."""


def _sentence(rng: np.random.Generator) -> str:
    """One sentence: a template whose slots are filled, no content word twice."""
    template = _TEMPLATES[rng.integers(len(_TEMPLATES))]
    words: list[str] = []
    for part in template.replace("}", "{").split("{"):
        if part in _CLASSES:
            unused = [phrase for phrase in _CLASSES[part] if phrase not in words]
            part = unused[rng.integers(len(unused))]
        words.append(part)
    sentence = "".join(words).split()
    for index, word in enumerate(sentence[:-1]):
        following = lexicon.LEXICON.get(sentence[index + 1].strip(".,?"), ("",))
        if word == "a" and following[0][-1:].isdigit():  # before the sound of a vowel
            sentence[index] = "an"
    text = " ".join("I" if word == "i" else word for word in sentence)
    return (text[0].upper() + text[1:]).replace("thursday", "Thursday").replace("of may", "of May")


def sentences(count: int, seed: int) -> list[str]:
    """Draw unique sentences of the grammar (which has many millions).

    Args:
        count: how many, 0 to 1,000,000.
        seed: the same seed gives the same list; a longer list begins with the shorter one.

    Raises:
        ValueError: ``count`` is out of range.
    """
    if not 0 <= count <= 1_000_000:
        raise ValueError(f"count must lie between 0 and 1,000,000, not {count}")
    rng = np.random.default_rng([seed, 0x5E47])
    unique: dict[str, None] = {}
    while len(unique) < count:
        sentence = _sentence(rng)
        if len(sentence.split()) <= MAX_WORDS:
            unique[sentence] = None
    return list(unique)
