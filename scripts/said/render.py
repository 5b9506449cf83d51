"""A software renderer for face meshes: z-buffer, per-pixel lighting, no graphics library.

It gives a neutral studio look: a key light from the upper right, a fill light, a rim light and a dark background. Back
faces, such as the inside of an open mouth, are nearly black.
"""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import ArrayLike, NDArray

BACK_FACE = 0.001
"""Linear radiance of faces seen from behind."""

DEFAULT_ALBEDO = (0.80, 0.78, 0.76)
"""Colour (sRGB, [0, 1]) of meshes without colours."""

_NOTHING, _INSIDE = -1, -2  # in place of a face, at samples that see the background or the inside of a hollow mesh
_LIGHTS = np.array([[0.45, 0.75, 1.20], [-1.20, 0.20, 0.80], [1.30, -0.20, 0.10]])
_LIGHTS /= np.linalg.norm(_LIGHTS, axis=1, keepdims=True)
_INTENSITIES = np.array([0.80, 0.26, 0.12])
_AMBIENT = 0.10
_DISPLAY = (np.linspace(0, 1, 65536) ** (1 / 2.2) * 255 + 0.5).astype(np.uint8)


def _compiled(function: Callable) -> Callable:
    """Compile with a cache on disk, or without one where it cannot be written, as in a read-only installation.

    Threads run it side by side.
    """
    try:
        return numba.njit(cache=True, error_model="numpy", nogil=True)(function)
    except RuntimeError:
        return numba.njit(error_model="numpy", nogil=True)(function)


@_compiled
def _vertex_normals(vertices: NDArray[np.float64], faces: NDArray[np.int64]) -> NDArray[np.float64]:
    """(V, 3) unit normals, weighted by the area of the adjoining faces."""
    normals = np.zeros_like(vertices)
    for face in range(faces.shape[0]):
        a, b, c = faces[face, 0], faces[face, 1], faces[face, 2]
        ux, uy, uz = vertices[b, 0] - vertices[a, 0], vertices[b, 1] - vertices[a, 1], vertices[b, 2] - vertices[a, 2]
        vx, vy, vz = vertices[c, 0] - vertices[a, 0], vertices[c, 1] - vertices[a, 1], vertices[c, 2] - vertices[a, 2]
        nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
        for vertex in (a, b, c):
            normals[vertex, 0] += nx
            normals[vertex, 1] += ny
            normals[vertex, 2] += nz
    for vertex in range(vertices.shape[0]):
        nx, ny, nz = normals[vertex, 0], normals[vertex, 1], normals[vertex, 2]
        length = np.sqrt(nx * nx + ny * ny + nz * nz)
        if length > 0:
            normals[vertex, 0], normals[vertex, 1], normals[vertex, 2] = nx / length, ny / length, nz / length
    return normals


@_compiled
def _visible(
    screen: NDArray[np.float64], faces: NDArray[np.int64], height: int, width: int
) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """The face seen at each sample, or `_NOTHING`, and what barycentric coordinates follow from.

    Args:
        screen: (V, 3), x, y and nearness.

    Returns:
        (height, width), and for each face seen (F, 7): its signed area, doubled, and for its second and third corner
        the weight at the origin's column in the first corner's row, and its changes per column and per row.
    """
    nearest = np.zeros((height, width))
    seen = np.full((height, width), _NOTHING, np.int32)
    planes = np.empty((faces.shape[0], 7))
    for face in range(faces.shape[0]):
        a, b, c = faces[face, 0], faces[face, 1], faces[face, 2]
        ax, ay, az = screen[a, 0], screen[a, 1], screen[a, 2]
        bx, by, bz = screen[b, 0], screen[b, 1], screen[b, 2]
        cx, cy, cz = screen[c, 0], screen[c, 1], screen[c, 2]
        first_row = max(0, int(np.ceil(min(ay, by, cy))))
        last_row = min(height - 1, int(np.floor(max(ay, by, cy))))
        first_column = max(0, int(np.ceil(min(ax, bx, cx))))
        last_column = min(width - 1, int(np.floor(max(ax, bx, cx))))
        area = (bx - ax) * (cy - ay) - (cx - ax) * (by - ay)
        if first_row > last_row or first_column > last_column or abs(area) < 1e-12:
            continue
        b_right, b_down = (cy - ay) / area, (ax - cx) / area  # change of the weights per column and per row
        c_right, c_down = (ay - by) / area, (bx - ax) / area
        b_left, c_left = -b_right * ax, -c_right * ax
        planes[face, 0] = area
        planes[face, 1], planes[face, 2], planes[face, 3] = b_left, b_right, b_down
        planes[face, 4], planes[face, 5], planes[face, 6] = c_left, c_right, c_down
        near_b, near_c = bz - az, cz - az
        a_right = -b_right - c_right
        # Where along a row a weight changes its sign: columns before or after it need no look.
        b_zero = 1.0 / b_right if abs(b_right) > 1e-9 else 0.0
        c_zero = 1.0 / c_right if abs(c_right) > 1e-9 else 0.0
        a_zero = 1.0 / a_right if abs(a_right) > 1e-9 else 0.0
        for row in range(first_row, last_row + 1):
            b_start = b_down * (row - ay) + b_left
            c_start = c_down * (row - ay) + c_left
            begin, end = float(first_column), float(last_column)
            if b_zero > 0.0:
                begin = max(begin, -b_start * b_zero - 1.0)
            elif b_zero < 0.0:
                end = min(end, -b_start * b_zero + 1.0)
            if c_zero > 0.0:
                begin = max(begin, -c_start * c_zero - 1.0)
            elif c_zero < 0.0:
                end = min(end, -c_start * c_zero + 1.0)
            if a_zero > 0.0:
                begin = max(begin, (b_start + c_start - 1.0) * a_zero - 1.0)
            elif a_zero < 0.0:
                end = min(end, (b_start + c_start - 1.0) * a_zero + 1.0)
            for column in range(int(begin), int(end) + 1):
                weight_b = b_start + b_right * column
                weight_c = c_start + c_right * column
                if weight_b >= -1e-9 and weight_c >= -1e-9 and weight_b + weight_c <= 1.0 + 1e-9:
                    near = az + weight_b * near_b + weight_c * near_c
                    if near > nearest[row, column]:
                        nearest[row, column] = near
                        seen[row, column] = face
    return seen, planes


@_compiled
def _hollow_out(seen: NDArray[np.int32]) -> None:
    """Tell samples that no way over `_NOTHING` leads to from the border: they become `_INSIDE`, in place.

    Sweeps forth and back until nothing changes: two or three for a head, of any shape that encloses something.
    """
    height, width = seen.shape
    for row in range(height):
        for column in range(width):
            if seen[row, column] == _NOTHING and not (
                row == 0
                or column == 0
                or row == height - 1
                or column == width - 1
                or seen[row - 1, column] == _NOTHING
                or seen[row, column - 1] == _NOTHING
            ):
                seen[row, column] = _INSIDE
    changed = True
    while changed:
        changed = False
        for row in range(height - 2, 0, -1):
            for column in range(width - 2, 0, -1):
                if seen[row, column] == _INSIDE and (
                    seen[row + 1, column] == _NOTHING or seen[row, column + 1] == _NOTHING
                ):
                    seen[row, column] = _NOTHING
                    changed = True
        if not changed:
            break
        changed = False
        for row in range(1, height - 1):
            for column in range(1, width - 1):
                if seen[row, column] == _INSIDE and (
                    seen[row - 1, column] == _NOTHING or seen[row, column - 1] == _NOTHING
                ):
                    seen[row, column] = _NOTHING
                    changed = True


@_compiled
def _shaded(
    seen: NDArray[np.int32], planes: NDArray[np.float64], screen: NDArray[np.float64], normals: NDArray[np.float64],
    albedo: NDArray[np.float64], faces: NDArray[np.int64], supersample: int, background: NDArray[np.float64],
    lights: NDArray[np.float64], intensities: NDArray[np.float64], ambient: float, gloss: NDArray[np.float64],
    back_face: float,
) -> NDArray[np.float64]:  # fmt: skip
    """(H, W, 3) linear radiance: Lambert and Blinn-Phong with interpolated normals, samples averaged.

    Consecutive samples of a pixel on the same face are lit once, at their mean.
    """
    height, width = seen.shape[0] // supersample, seen.shape[1] // supersample
    image = np.zeros((height, width, 3))
    halfway = lights.copy()
    for light in range(lights.shape[0]):
        x, y, z = lights[light, 0], lights[light, 1], lights[light, 2] + 1.0
        length = np.sqrt(x * x + y * y + z * z)  # written out: numba takes seconds to compile the same on arrays
        halfway[light, 0], halfway[light, 1], halfway[light, 2] = x / length, y / length, z / length
    samples = supersample * supersample
    for row in range(height):
        for column in range(width):
            top, left = row * supersample, column * supersample
            y, x = top, left  # of the sample
            following = seen[y, x]
            run, sum_b, sum_c = 0, 0.0, 0.0
            for sample in range(samples):
                face = following
                run += 1
                if face >= 0:
                    from_first = y - screen[faces[face, 0], 1]
                    sum_b += planes[face, 3] * from_first + planes[face, 1] + planes[face, 2] * x
                    sum_c += planes[face, 6] * from_first + planes[face, 4] + planes[face, 5] * x
                if sample + 1 < samples:
                    x += 1
                    if x == left + supersample:
                        y, x = y + 1, left
                    following = seen[y, x]
                    if following == face:
                        continue
                share = run / samples
                wb, wc = sum_b / run, sum_c / run
                run, sum_b, sum_c = 0, 0.0, 0.0
                if face < 0:
                    for channel in range(3):
                        image[row, column, channel] += share * (background[channel] if face == _NOTHING else back_face)
                    continue
                if planes[face, 0] > 0:  # rows run downwards, so that faces seen from outside have negative area
                    for channel in range(3):
                        image[row, column, channel] += share * back_face
                    continue
                a, b, c = faces[face, 0], faces[face, 1], faces[face, 2]
                wa = 1.0 - wb - wc
                nx = wa * normals[a, 0] + wb * normals[b, 0] + wc * normals[c, 0]
                ny = wa * normals[a, 1] + wb * normals[b, 1] + wc * normals[c, 1]
                nz = wa * normals[a, 2] + wb * normals[b, 2] + wc * normals[c, 2]
                length = np.sqrt(nx * nx + ny * ny + nz * nz) + 1e-12
                diffuse, specular = ambient, 0.0
                for light in range(lights.shape[0]):
                    cosine = (nx * lights[light, 0] + ny * lights[light, 1] + nz * lights[light, 2]) / length
                    if cosine > 0:
                        diffuse += intensities[light] * cosine
                        shine = (nx * halfway[light, 0] + ny * halfway[light, 1] + nz * halfway[light, 2]) / length
                        if shine > 0:
                            shine *= shine
                            shine *= shine  # to the 4th power, to the 8th, and to the 24th
                            shine *= shine
                            specular += intensities[light] * shine * shine * shine
                glossy = wa * gloss[a] + wb * gloss[b] + wc * gloss[c]
                for channel in range(3):
                    colour = wa * albedo[a, channel] + wb * albedo[b, channel] + wc * albedo[c, channel]
                    image[row, column, channel] += share * (colour * diffuse + glossy * specular)
    return image


@_compiled
def _developed(radiance: NDArray[np.float64], table: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 display values of linear radiance, looked up in `table`."""
    image = np.empty(radiance.shape, np.uint8)
    for row in range(radiance.shape[0]):
        for column in range(radiance.shape[1]):
            for channel in range(3):
                value = min(max(radiance[row, column, channel], 0.0), 1.0)
                image[row, column, channel] = table[int(value * (len(table) - 1) + 0.5)]
    return image


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
        seen, planes = _visible(screen, self.faces, self.height * self.supersample, self.width * self.supersample)
        if self.hollow:
            first, last = screen[:, :2].min(0).astype(int), screen[:, :2].max(0).astype(int)
            (left, top), (right, bottom) = np.maximum(first - 1, 0), np.maximum(last + 3, 0)
            _hollow_out(seen[top:bottom, left:right])
        if self._surface is None or len(self._surface[0]) != len(vertices):
            gloss = np.ascontiguousarray(np.broadcast_to(np.asarray(self.gloss, float), len(vertices)))
            self._surface = _albedo(self.colours, len(vertices)), gloss
        albedo, gloss = self._surface
        if colours is not None:
            albedo = _albedo(colours, len(vertices))
        image = _shaded(
            seen, planes, screen, _vertex_normals(offsets, self.faces), albedo, self.faces, self.supersample,
            self.background**2.2, _LIGHTS, _INTENSITIES, _AMBIENT, gloss, BACK_FACE,
        )  # fmt: skip
        return _developed(image, _DISPLAY)


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
