"""What the parts of a head are, beside its skin, and how each moves when the skin does.

Eyeballs and upper teeth belong to the skull and stand still. Lower teeth, their gums and the tongue belong to the jaw
and follow it as a rigid body. Lashes, brows, beard and hair lie on the skin and go with it. A part's name says what it
is where it has a telling one; else its place does.
"""

import re
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree  # pyright: ignore[reportAttributeAccessIssue]  # it is compiled and has no stub

from said.arkit import SPEECH_BLENDSHAPES
from said.landmarks import CHIN, LIPS, LOWER_INNER_LIP, MOUTH_CORNERS, NASION, UPPER_INNER_LIP
from said.meshes import fit_similarity

SKIN, EYEBALL, UPPER, LOWER, ON_SKIN = "skin", "eyeball", "upper teeth", "lower teeth and tongue", "on the skin"
JAW_SHAPES = ("jawForward", "jawLeft", "jawRight", "jawOpen")
"""The expressions that move the bone; the others move what lies over it."""
_TEETH = r"teeth|tooth|gums?|gingiva|dents?|dental|dentures?|dentition"
_TONGUE = r"tongues?"
_EYE = r"eyes?|eyeballs?|corneas?|scleras?|iris|irises|irides|pupils?"
_LIDS = r"lash|lashes|brows?|tears?|lacrimal|wet|wetness|caruncles?|occlusions?"
_HAIR = r"hairs?|beards?|mous?taches?|mustaches?|stubbles?"
_BESIDE = r"lids?|sockets?|shadows?|liners?|glass|glasses|masks?|patch|patches"  # what is named after the eye
_LOWER, _UPPER = r"lower|bottom|mandible|mandibular", r"upper|top|maxilla|maxillary"
_LOW, _UP = r"low|bot|down", r"up"  # as often said of something else: a lower or an upper beside them counts
_DETAIL = r"poly|res|lod|detail|body|bodies"  # what low, upper and lower say nothing of teeth with
_KNOWN = "|".join([
    _TEETH, _TONGUE, _EYE, _LIDS, _HAIR, _BESIDE, _LOWER, _UPPER, _LOW, _UP, _DETAIL, "left|right|balls?|lines?|facial",
])  # fmt: skip
_NEIGHBOURS, _REACH, _FADE = 8, 0.15, 0.35  # of chin to nasion: how far from the skin its motion still counts
_CHIN_REACH = 0.22


def words_of(label: str) -> list[str]:
    """The words of a name, in lower case: split at camelCase, digits and punctuation; eyelashes are eye, lashes."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", label)
    words = []
    for word in re.findall(r"[^\W\d_]+", spaced.lower()):
        # Where it is made of known words alone, so that a browser has no brow and a student no dent.
        made = re.fullmatch(rf"([lr](?=eye))?(?:{_KNOWN})+((?<=eye)[lr])?", word)
        words += _divided(word) if made else [word]
    return words


def _divided(word: str) -> list[str]:
    """A word that is made of known ones, as these."""
    for end in range(len(word), 0, -1):
        if re.fullmatch(rf"{_KNOWN}|[lr]", word[:end]):
            rest = _divided(word[end:]) if end < len(word) else []
            if rest or end == len(word):
                return [word[:end], *rest]
    return []


def shared_words(labels: Iterable[str]) -> frozenset[str]:
    """The words that all names of a head have, such as its character's: they tell no part from another."""
    each = [frozenset(words_of(label)) for label in labels]
    return frozenset.intersection(*each) if each else frozenset()


def name_part(label: str, shared: frozenset[str] = frozenset()) -> str | None:
    """What a part is by the words of its name; None where they do not tell, or tell two things.

    Args:
        label: its names as the file has them.
        shared: words to pass over, see `shared_words`.
    """
    words = " ".join(words_of(label))
    words = re.sub(rf"\b({_LOW}|{_LOWER}|{_UPPER})(?= ({_DETAIL})\b)", "", words)
    words = [word for word in words.split() if word not in shared]

    def has(pattern: str) -> bool:
        return any(re.fullmatch(pattern, word) for word in words)

    # Teeth before what is wet, eyes before hair: "TeethWet", "Gray_Hair_Guy_Eye_L".
    if has(rf"{_TEETH}|{_TONGUE}"):
        if has(_EYE):
            return None
        if has(_TONGUE):
            return LOWER
        lower, upper = (_LOWER, _UPPER) if has(rf"{_LOWER}|{_UPPER}") else (_LOW, _UP)
        return None if has(lower) == has(upper) else LOWER if has(lower) else UPPER
    if has(_LIDS):
        return ON_SKIN
    if has(_EYE):
        return None if has(_BESIDE) else EYEBALL
    return ON_SKIN if has(_HAIR) else None


def place_part(vertices: NDArray[np.float64], marks: NDArray[np.float64]) -> str:
    """What a part is by where it lies.

    Args:
        vertices: (n, 3) of the part, x to the subject's left, y up, z forward.
        marks: (68, 3) landmarks.
    """
    height = float(np.linalg.norm(marks[NASION] - marks[CHIN]))
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    centre, size = (low + high) / 2, (high - low) / height
    for eye in (marks[36:42], marks[42:48]):
        width = np.ptp(eye[:, 0])
        near = np.abs(centre - eye.mean(axis=0)) < [0.6 * width, 0.6 * width, 0.8 * width]
        # A ball is as deep as it is wide and lies behind the lids; lashes are flat, and before them.
        if near.all() and size.min() > 0.5 * size.max() and size.max() > 0.1 and centre[2] < eye[:, 2].max():
            return EYEBALL
    lips, corners = marks[LIPS], marks[list(MOUTH_CORNERS)]
    line = marks[[*UPPER_INNER_LIP, *LOWER_INNER_LIP], 1].mean()
    width = np.ptp(corners[:, 0])
    behind = high[2] < lips[:, 2].max() + 0.02 * height and centre[2] < lips[:, 2].mean()
    within = abs(centre[0] - lips[:, 0].mean()) < 0.75 * width and size[0] * height < 1.6 * width
    deep = centre[2] > corners[:, 2].mean() - 0.9 * height
    level = -0.4 * height < centre[1] - line < 0.4 * height
    if not (behind and within and deep and level):
        return ON_SKIN
    above = (centre[1] - line) / height
    return UPPER if above > (0.06 if _is_tongue(vertices, low, high) else 0.0) else LOWER


def _is_tongue(vertices: NDArray[np.float64], low: NDArray, high: NDArray) -> bool:
    """Whether a part fills its middle from front to back, which a row of teeth does not."""
    size = high - low
    middle = vertices[np.abs(vertices[:, 0] - (low + high)[0] / 2) < 0.15 * size[0]]
    return len(middle) > 0 and np.ptp(middle[:, 2]) > 0.7 * size[2] and size[2] > 0.6 * size[0]


def follow_jaw(
    vertices: NDArray[np.float64],
    skin: NDArray[np.float64],
    moved: NDArray[np.float64],
    marks: NDArray[np.float64],
) -> NDArray[np.float64]:
    """(32, n, 3) displacements of what the lower jaw carries.

    The jaw's motion is that of the skin over the chin, as a rigid body; of `JAW_SHAPES` alone.

    Args:
        vertices: (n, 3) of the parts.
        skin: (S, 3) the skin at rest; moved: (32, S, 3) its displacements.
        marks: (68, 3) landmarks.
    """
    height = float(np.linalg.norm(marks[NASION] - marks[CHIN]))
    distance = np.linalg.norm(skin - marks[CHIN], axis=1)
    over = np.flatnonzero((distance < _CHIN_REACH * height) & (skin[:, 1] < marks[57, 1]))
    over = over if len(over) >= 8 else np.argsort(distance)[:8]
    followed = np.zeros((len(moved), *vertices.shape))
    for name in JAW_SHAPES:
        row = SPEECH_BLENDSHAPES.index(name)
        rest, open_ = skin[over], skin[over] + moved[row, over]
        weights = np.exp(-((distance[over] / (0.6 * _CHIN_REACH * height)) ** 2))
        turn = fit_similarity(rest, open_, weights).rotation
        share = weights / weights.sum()
        followed[row] = (vertices - share @ rest) @ turn.T + share @ open_ - vertices
    return followed


def follow_skin(
    vertices: NDArray[np.float64], skin: NDArray[np.float64], moved: NDArray[np.float64], height: float
) -> NDArray[np.float64]:
    """(32, n, 3) displacements of what lies on the skin: the mean of the nearest skin's, fading with the distance."""
    count = min(_NEIGHBOURS, len(skin))
    distance, near = cKDTree(skin).query(vertices, k=count)
    weights = 1 / (distance**2 + (0.002 * height) ** 2)
    weights /= weights.sum(axis=1, keepdims=True)
    fade = np.clip((_FADE * height - distance[:, 0]) / ((_FADE - _REACH) * height), 0, 1)
    followed = np.zeros((len(moved), *vertices.shape))
    for row, move in enumerate(moved):
        followed[row] = (move[near] * weights[..., None]).sum(axis=1) * fade[:, None]
    return followed
