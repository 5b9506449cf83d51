"""A software renderer for face meshes: z-buffer, per-pixel lighting, no graphics library.

It gives a neutral studio look: a key light from the upper right, a fill light, a rim light and a dark background. Back
faces, such as the inside of an open mouth, are nearly black.
"""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from said.rasteriser import develop, find_visible, hollow_out, shade, vertex_normals

BACK_FACE = 0.001
"""Linear radiance of faces seen from behind."""

DEFAULT_ALBEDO = (0.80, 0.78, 0.76)
"""Colour (sRGB, [0, 1]) of meshes without colours."""

_LIGHTS = np.array([[0.45, 0.75, 1.20], [-1.20, 0.20, 0.80], [1.30, -0.20, 0.10]])
_LIGHTS /= np.linalg.norm(_LIGHTS, axis=1, keepdims=True)
_INTENSITIES = np.array([0.80, 0.26, 0.12])
_AMBIENT = 0.10
_DISPLAY = (np.linspace(0, 1, 65536) ** (1 / 2.2) * 255 + 0.5).astype(np.uint8)


@dataclass(frozen=True)
class Framing:
    """What the camera sees: the point at the centre of the image, and half of the visible height there, in metres."""

    centre: tuple[float, float, float]
    half_height: float


def frame(template: NDArray, margin: float = 1.08) -> Framing:
    """The framing of the bounding box of `template` (V, 3), with `margin` times its height in view."""
    low, high = np.min(template, axis=0), np.max(template, axis=0)
    centre = (low + high) / 2
    x, y, z = (float(value) for value in centre)
    return Framing((x, y, z), float((high - low)[1] / 2 * margin))


class Renderer:
    """Draws meshes of one topology: called with vertices, it gives an image.

    Args:
        faces: (F, 3) int, counter-clockwise seen from outside.
        size: in pixels, an int or (height, width).
        framing: None frames the first mesh that is drawn, and keeps that framing for the others.
        colours: (V, 3) sRGB albedo in [0, 1]; None draws plain clay.
        gloss: (V,) or a number, the strength of the highlights.
        yaw: degrees by which the head turns to its left.
        distance: from the camera to the centre, in metres.
        supersample: samples of a pixel in each direction.
        background: sRGB in [0, 1].
        hollow: an open mouth shows the dark inside of the head, not the background behind it.

    Raises:
        ValueError: faces are not triangles, or a size is not positive.
    """

    def __init__(
        self,
        faces: ArrayLike,
        size: int | tuple[int, int] = 256,
        framing: Framing | None = None,
        *,
        colours: NDArray | None = None,
        gloss: NDArray | float = 0.05,
        yaw: float = 0.0,
        distance: float = 0.9,
        supersample: int = 2,
        background: tuple[float, float, float] = (0.0, 0.0, 0.0),
        hollow: bool = False,
    ):
        self.faces = np.ascontiguousarray(faces, dtype=np.int64)
        if self.faces.ndim != 2 or self.faces.shape[1] != 3 or not len(self.faces):
            raise ValueError(f"faces have shape {np.shape(faces)}; give (F, 3) vertex indices of triangles")
        self.height, self.width = (size, size) if isinstance(size, int | np.integer) else size
        if min(self.height, self.width, supersample) < 1:
            raise ValueError(f"size {size} and supersample {supersample} must be at least 1")
        if framing is not None and not 0 < framing.half_height:
            raise ValueError(f"half_height is {framing.half_height} m; it must be positive")
        self.framing = framing
        self.colours = colours
        self.gloss = gloss
        self.yaw = yaw
        self.distance = distance
        self.supersample = supersample
        self.background = np.array(background, dtype=float)
        self.hollow = hollow
        self._last = int(self.faces.max())
        self._surface: tuple[NDArray, NDArray] | None = None  # albedo and gloss of every vertex

    def __call__(self, vertices: ArrayLike, colours: NDArray | None = None) -> NDArray[np.uint8]:
        """The image (H, W, 3) uint8, sRGB, of a mesh.

        Args:
            vertices: (V, 3) metres: x to the subject's left, y up, z forward.
            colours: (V, 3) sRGB albedo in [0, 1] of this mesh alone; None takes the renderer's.

        Raises:
            ValueError: a shape does not fit, or a vertex is not finite.
        """
        vertices = np.ascontiguousarray(vertices, dtype=np.float64)
        if vertices.ndim != 2 or vertices.shape[1] != 3 or len(vertices) <= self._last:
            raise ValueError(f"vertices have shape {vertices.shape}; these faces need at least ({self._last + 1}, 3)")
        if not np.isfinite(vertices).all():
            raise ValueError("vertices hold NaN or infinite coordinates; clean the mesh before drawing it")
        if self.framing is None:
            self.framing = frame(vertices)
        offsets = vertices - self.framing.centre
        if self.yaw:
            cosine, sine = np.cos(np.radians(self.yaw)), np.sin(np.radians(self.yaw))
            offsets = offsets @ np.array([[cosine, 0, -sine], [0, 1, 0], [sine, 0, cosine]])
        nearness = 1.0 / np.maximum(self.distance - offsets[:, 2], 1e-3)  # linear across a face on screen
        pixels_per_metre = self.height * self.supersample / (2 * self.framing.half_height)
        scale = pixels_per_metre * self.distance * nearness
        screen = np.empty_like(offsets)
        screen[:, 0] = offsets[:, 0] * scale + (self.width * self.supersample - 1) / 2
        screen[:, 1] = -offsets[:, 1] * scale + (self.height * self.supersample - 1) / 2
        screen[:, 2] = nearness
        seen, planes = find_visible(screen, self.faces, self.height * self.supersample, self.width * self.supersample)
        if self.hollow:
            first, last = screen[:, :2].min(0).astype(int), screen[:, :2].max(0).astype(int)
            (left, top), (right, bottom) = np.maximum(first - 1, 0), np.maximum(last + 3, 0)
            hollow_out(seen[top:bottom, left:right])
        if self._surface is None or len(self._surface[0]) != len(vertices):
            gloss = np.ascontiguousarray(np.broadcast_to(np.asarray(self.gloss, float), len(vertices)))
            self._surface = _albedo(self.colours, len(vertices)), gloss
        albedo, gloss = self._surface
        if colours is not None:
            albedo = _albedo(colours, len(vertices))
        image = shade(
            seen, planes, screen, vertex_normals(offsets, self.faces), albedo, self.faces, self.supersample,
            self.background**2.2, _LIGHTS, _INTENSITIES, _AMBIENT, gloss, BACK_FACE,
        )  # fmt: skip
        return develop(image, _DISPLAY)


def film(draw: Callable[[int], NDArray[np.uint8]], count: int, threads: int = 1) -> Iterator[NDArray[np.uint8]]:
    """The pictures 0 to count - 1 in turn, of which some are drawn ahead by as many threads as are given.

    Args:
        draw: the picture of a number, by itself: a `Renderer` with a framing may be called by several threads.
    """
    if threads == 1:
        yield from map(draw, range(count))
        return
    with ThreadPoolExecutor(threads) as pool:
        waiting: deque[Future[NDArray[np.uint8]]] = deque()
        try:
            for number in range(count):
                waiting.append(pool.submit(draw, number))
                if len(waiting) > 2 * threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for picture in waiting:
                picture.cancel()


def triangles_in_view(template: NDArray, faces: NDArray, framing: Framing, reach: float = 0.3) -> NDArray[np.bool_]:
    """Which triangles a close-up from the front can show, (F,) bool.

    Args:
        template: (V, 3) metres, the face at rest.
        faces: (F, 3) int.
        framing: of the close-up.
        reach: from how far beyond its edge vertices may come into view, by motion and by perspective, as a share of
            the visible height.
    """
    corners = template[faces] - framing.centre
    beyond = framing.half_height * (1 + 2 * reach)
    outside = (corners[..., :2].min(1) > beyond).any(1) | (corners[..., :2].max(1) < -beyond).any(1)
    return ~outside


def _albedo(colours: NDArray | None, count: int) -> NDArray[np.float64]:
    """(count, 3) linear albedo of colours (count, 3) in sRGB; None is clay."""
    if colours is None:
        colours = np.tile(DEFAULT_ALBEDO, (count, 1))
    colours = np.asarray(colours, dtype=np.float64)
    if colours.shape != (count, 3):
        raise ValueError(f"colours have shape {colours.shape}; give one RGB colour per vertex, ({count}, 3)")
    return np.ascontiguousarray(np.clip(colours, 0, 1) ** 2.2)
