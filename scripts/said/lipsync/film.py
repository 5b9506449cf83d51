"""A frontal film of the mouth or the face, as SyncNet sees it.

The camera does not search for faces: the picture is cut from the projected mesh, whose landmarks are known.
"""

import numpy as np
from jaxtyping import Float64, Real, UInt8

from said.corpus import FRAME_RATE
from said.landmarks import BROWS, CHIN, JAW, LIPS, MOUTH_CORNERS
from said.lipsync import syncnet
from said.lipsync.syncnet import SyncNet
from said.render import Framing, Renderer, triangles_in_view
from said.rig import Rig
from said.running.shapes import shaped


def mouth_in_view(rig: Rig) -> Framing:
    """The lower face: a square of 1.8 widths of the mouth at rest, its centre a quarter width below the lips'."""
    points = rig.template[rig.landmarks]
    width = np.linalg.norm(np.subtract(*points[list(MOUTH_CORNERS)]))
    x, y, z = points[LIPS].mean(0)
    return Framing((float(x), float(y - 0.25 * width), float(z)), float(0.9 * width))


def face_in_view(rig: Rig) -> Framing:
    """The published crop: a detector's box from hairline to chin, widened by 0.40 as SyncNet's pipeline does.

    The hairline lies half the distance from chin to brows above the brows (the canon of equal thirds). Half the box's
    longer side is s; the picture spans 1.4 s to either side, s above and 1.8 s below the box's centre.
    """
    points = rig.template[rig.landmarks]
    chin, brows = points[CHIN, 1], points[BROWS, 1].mean()
    top = brows + 0.5 * (brows - chin)
    s = max(top - chin, np.ptp(points[JAW, 0])) / 2
    x, y, z = points[JAW, 0].mean(), (top + chin) / 2 - 0.4 * s, points[:, 2].mean()
    return Framing((float(x), float(y), float(z)), float(1.4 * s))


@shaped
def at_video_rate(coefficients: Real[np.ndarray, "N K"], speed: float = 1.0) -> Float64[np.ndarray, "T K"]:
    """Coefficients (N, 32) at 60 frames per second, linearly interpolated to SyncNet's 25.

    Args:
        speed: the animation plays that much faster.
    """
    coefficients = np.asarray(coefficients, dtype=np.float64)
    step = speed * FRAME_RATE / syncnet.FRAME_RATE
    position = np.minimum(np.arange(int(len(coefficients) / step + 1e-9)) * step, len(coefficients) - 1)
    before = np.minimum(position.astype(int), max(0, len(coefficients) - 2))
    share = (position - before)[:, None]
    return (1 - share) * coefficients[before] + share * coefficients[np.minimum(before + 1, len(coefficients) - 1)]


class Camera:
    """Films one face from the front, in even grey clay or in colour.

    Args:
        rig: the face, with landmarks.
        framing: what is in view, at rest and in motion.
        size: pixels a side.
        colours: channels of the pictures: 1, grey, or 3, blue, green and red.
    """

    def __init__(self, rig: Rig, framing: Framing, size: int, colours: int):
        faces = rig.faces[triangles_in_view(rig.template, rig.faces, framing)]
        used = np.unique(faces)
        self.template = rig.template[used]
        self.offsets = (rig.blendshapes[:, used] - self.template).reshape(len(rig.blendshapes), -1)
        self.renderer = Renderer(np.searchsorted(used, faces), size, framing)
        self.colours = colours

    @shaped
    def film(self, coefficients: Real[np.ndarray, "T 32"]) -> UInt8[np.ndarray, "T size size colours"]:
        """(T, 32) coefficients -> (T, size, size, colours) pictures."""
        meshes = (coefficients @ self.offsets).reshape(len(coefficients), -1, 3) + self.template
        return np.stack([self.renderer(mesh)[..., ::-1][..., : self.colours] for mesh in meshes])


def camera_for(model: SyncNet, rig: Rig, margin: float = 1.0) -> Camera:
    """The camera for the pictures that a model knows: grey mouths, or faces in colour for the published model."""
    framing = face_in_view(rig) if model.colours == 3 else mouth_in_view(rig)
    framing = Framing(framing.centre, framing.half_height * margin)
    return Camera(rig, framing, round(model.size * margin), model.colours)
