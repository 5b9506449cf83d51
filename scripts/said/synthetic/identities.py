"""Who the speakers are: smooth warps of the mean head, which carry the expressions along, and colours."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from said.arkit import SPEECH_BLENDSHAPES
from said.synthetic import contact
from said.synthetic.anatomy import CENTIMETRE, MOUTH_HEIGHT
from said.synthetic.expressions import displacements, regions_of_influence
from said.synthetic.head import BROW, IRIS, SKIN, Head

# name, centre and reach of a Gaussian in cm, kind of change, amount at one standard deviation. "move" translates and
# "scale" scales about the centre, both also on the right in mirror image; "skew" moves both sides the same way.
# Mouths differ less than the rest, so that what deformation transfer changes in an expression is not hidden by how
# differently it looks on another mouth.
_MODES = (
    ("head width", (0, 2, -1), (20, 20, 20), "scale", (0.045, 0, 0)),
    ("head height", (0, 2, -1), (20, 20, 20), "scale", (0, 0.04, 0)),
    ("head depth", (0, 2, -2), (20, 20, 9), "scale", (0, 0, 0.04)),
    ("face width", (0, -5, 4), (9, 4.5, 7), "scale", (0.045, 0, 0)),
    ("jaw width", (0, -9, 3), (8, 3.0, 6), "scale", (0.07, 0, 0)),
    ("face length", (0, -4, 4), (14, 7, 14), "scale", (0, 0.04, 0)),
    ("chin length", (0, -10.5, 7), (4, 2.2, 4), "move", (0, -0.28, 0)),
    ("chin projection", (0, -10, 7), (3.5, 2.5, 4), "move", (0, 0, 0.40)),
    ("cheekbones", (4.8, -2.2, 4.5), (2.4, 1.8, 2.6), "move", (0.28, 0, 0.22)),
    ("cheek fullness", (4.2, -5.6, 4.5), (2.6, 2.6, 3), "move", (0.25, 0, 0.18)),
    ("brow ridge", (2.8, 1.7, 7.5), (3.0, 1.1, 2.5), "move", (0, 0, 0.30)),
    ("forehead", (0, 6, 6), (6, 3, 5), "move", (0, 0, 0.45)),
    ("nose length", (0, -3.7, 9.5), (2.2, 1.6, 2.6), "move", (0, -0.28, 0)),
    ("nose projection", (0, -3.2, 9.8), (1.7, 2.2, 2.2), "move", (0, 0, 0.36)),
    ("nose width", (0, -3.7, 9), (2.6, 1.4, 2.2), "scale", (0.16, 0, 0)),
    ("nose bridge", (0, -0.8, 8.6), (1.2, 1.8, 2), "move", (0, 0, 0.26)),
    ("nose tip", (0, -3.6, 10), (1.3, 1.0, 1.6), "move", (0, 0.22, 0.05)),
    ("mouth width", (0, MOUTH_HEIGHT, 7), (3.6, 2.2, 4), "scale", (0.06, 0, 0)),
    ("lip fullness", (0, MOUTH_HEIGHT, 8.3), (3.6, 1.5, 3), "scale", (0, 0.09, 0)),
    ("lip projection", (0, MOUTH_HEIGHT, 8.3), (2.6, 1.5, 3), "move", (0, 0, 0.16)),
    ("mouth height", (0, MOUTH_HEIGHT, 8), (4, 2.4, 5), "move", (0, 0.18, 0)),
    ("eye spacing", (3.15, 0, 7.5), (2.2, 2.0, 3), "move", (0.18, 0, 0)),
    ("eye size", (3.15, 0, 7.5), (2.2, 1.3, 3), "scale", (0.07, 0.10, 0)),
    ("eye height", (3.15, 0.4, 7.5), (3, 2.2, 3), "move", (0, 0.18, 0)),
    ("ear size", (7.6, -1.3, -1.5), (2.2, 4, 3), "scale", (0.12, 0.10, 0.10)),
    ("ear flare", (7.9, -1.3, -1.9), (1.3, 4, 2), "move", (0.22, 0, 0)),
    ("neck width", (0, -14, -2), (9, 3.0, 9), "scale", (0.10, 0, 0.08)),
    ("asymmetry", (3, -5, 7), (3, 3, 4), "skew", (0.12, 0.12, 0)),
)
_TONES = 4
"""Further entries of an identity: darkness and warmth of the skin, colour of the iris, darkness of the hair."""
_TONE_STEPS = (-1.0, -0.3, 0.4, 1.0)
_SKIN_TONES = ((0.91, 0.76, 0.69), (0.84, 0.67, 0.57), (0.70, 0.51, 0.40), (0.50, 0.34, 0.26))
IDENTITY_SIZE = len(_MODES) + _TONES

# products of coefficients that a linear model misses: the opening jaw turns instead of sliding, and rounded lips
# have less room to move when the jaw is open or the corners are drawn apart
_INTERACTIONS = (
    ("jawOpen", "mouthPucker"),
    ("jawOpen", "mouthFunnel"),
    ("mouthSmileLeft", "mouthPucker"),
    ("mouthSmileRight", "mouthPucker"),
)
_NOISE_MODES = 24
VARIETY = 0.65
"""How much identities differ. At 1 the most extreme ones look carved, and deformation transfer alters expressions so
much that the coefficients of different speakers have little in common."""


@dataclass(frozen=True)
class Face:
    """One speaker, in metres, with the topology of the mean head.

    template (V, 3) float64; blendshapes (32, V, 3), absolute positions in the order of
    `said.arkit.SPEECH_BLENDSHAPES`; correctives (P, V, 3), displacements per product of the two coefficients in
    corrective_pairs (P, 2), or per u (1 - u) where both are the same; noise_modes (M, V, 3), smooth displacements of
    about unit size that no blendshape explains; still (V,) bool, vertices of the rigid eyeballs; lips, how the
    contact of the lips spreads; colours (V, 3) sRGB in [0, 1].
    """

    template: NDArray[np.float64]
    blendshapes: NDArray[np.float64]
    correctives: NDArray[np.float64]
    corrective_pairs: NDArray[np.integer]
    noise_modes: NDArray[np.float64]
    still: NDArray[np.bool_]
    lips: contact.LipContact
    colours: NDArray[np.float64]


def sample_identities(count: int, seed: int) -> NDArray[np.float64]:
    """(count, `IDENTITY_SIZE`) identities: normal entries of deviation `VARIETY`, cut at two deviations."""
    if count < 1:
        raise ValueError(f"{count} identities were asked for; ask for at least one")
    return VARIETY * np.clip(np.random.default_rng(seed).normal(size=(count, IDENTITY_SIZE)), -2, 2)


def warp(points: NDArray[np.float64], identity: NDArray[np.float64]) -> NDArray[np.float64]:
    """Canonical `points` (..., 3) cm of the mean head moved to where `identity` (D,) has them."""
    identity = np.asarray(identity, float)
    if identity.shape != (IDENTITY_SIZE,):
        raise ValueError(f"identity has shape {identity.shape}; give one row of sample_identities, ({IDENTITY_SIZE},)")
    moved = points.copy()
    for (_, centre, reach, kind, amount), strength in zip(_MODES, identity[: len(_MODES)], strict=True):
        for side in (1.0, -1.0) if centre[0] else (1.0,):
            mirror = np.array([side, 1.0, 1.0])
            offset = points - np.array(centre, float) * mirror
            weight = strength * np.exp(-((offset / np.array(reach, float)) ** 2).sum(-1, keepdims=True))
            if kind == "scale":
                moved += weight * np.array(amount) * offset
            else:
                moved += weight * np.array(amount) * (mirror if kind == "move" else np.array([1.0, side, 1.0]))
    return moved


def warped_expressions(
    points: NDArray[np.float64], identity: NDArray[np.float64], moves: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Displacements (K, V, 3) of the warped mesh for those (K, V, 3) of the mean one, in the same units."""
    neutral = warp(points, identity)
    return np.stack([warp(points + move, identity) - neutral for move in moves])


def _tint(head: Head, identity: NDArray[np.float64]) -> NDArray[np.float64]:
    """Colours of the mean head with the identity's skin, hair and irises."""
    tone, warmth, iris, hair = np.tanh(identity[len(_MODES) :])
    skin = np.array([np.interp(tone, _TONE_STEPS, channel) for channel in np.array(_SKIN_TONES).T])
    skin = skin + np.array([0.02, 0.0, -0.02]) * warmth
    hair = np.array([0.20, 0.14, 0.11]) * (1.5 - 0.6 * hair) * (1.25 - 0.35 * tone)
    colours = head.colours.copy()
    bare = np.isin(head.regions, ["skin", "back"])
    amount = np.clip((SKIN - head.colours) @ (SKIN - BROW) / ((SKIN - BROW) @ (SKIN - BROW)), 0, 1)[:, None]
    colours[bare] = ((1 - amount) * skin + amount * hair)[bare]
    tinted = ~bare & (head.regions != "eyeball")
    colours[tinted] *= skin / SKIN
    eye = (head.regions == "eyeball") & (head.colours.max(1) < 0.6) & (head.colours.max(1) > 0.1)
    brown, blue = np.array([0.34, 0.21, 0.12]), np.array([0.36, 0.48, 0.56])
    share = 0.5 + 0.5 * np.tanh(2 * iris + tone)
    colours[eye] *= (share * brown + (1 - share) * blue) / IRIS
    return np.clip(colours, 0, 1)


def _noise_modes(
    points: NDArray[np.float64], front: NDArray[np.float64], still: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """(M, V, 3) smooth bumps at fixed places of the face, in random directions."""
    generator = np.random.default_rng(7)
    centres = points[generator.integers(len(points), size=_NOISE_MODES)]
    reaches = generator.uniform(1.5, 4.0, size=_NOISE_MODES)
    distances = ((points[None] - centres[:, None]) ** 2).sum(2)
    bumps = np.exp(-distances / reaches[:, None] ** 2) * front * ~still
    return bumps[:, :, None] * generator.normal(size=(_NOISE_MODES, 1, 3))


def make_face(head: Head, identity: NDArray[np.float64]) -> Face:
    """The speaker `identity` (D,): template, the 32 blendshapes of speech and all that `performance` needs."""
    points = head.vertices / CENTIMETRE
    still = head.regions == "eyeball"
    moves = displacements(points, SPEECH_BLENDSHAPES, head.anchors, still)
    neutral = warp(points, identity)
    shapes = warped_expressions(points, identity, moves)

    index = {name: number for number, name in enumerate(SPEECH_BLENDSHAPES)}
    weights = regions_of_influence(points[head.anchors])
    half_open = displacements(points, ("jawOpen",), head.anchors, still, jaw_share=0.5)
    # Half of the arc that a rigid jaw describes: the lips and cheeks between the jaws take a shorter way.
    bend = 0.5 * 4 * (warped_expressions(points, identity, half_open)[0] - 0.5 * shapes[index["jawOpen"]])
    correctives, pairs = [bend], [(index["jawOpen"],) * 2]
    for first, second in _INTERACTIONS:
        less = -0.06 * (shapes[index[first]] + shapes[index[second]]) + np.array([0, 0, 0.10])
        correctives.append(less * (weights["lips"] * ~still)[:, None])
        pairs.append((index[first], index[second]))
    template = neutral * CENTIMETRE
    return Face(
        template=template,
        blendshapes=template + shapes * CENTIMETRE,
        correctives=np.stack(correctives) * CENTIMETRE,
        corrective_pairs=np.array(pairs),
        noise_modes=_noise_modes(points, weights["front"], still),
        still=still,
        lips=contact.lip_contact(head, template),
        colours=_tint(head, np.asarray(identity, float)),
    )
