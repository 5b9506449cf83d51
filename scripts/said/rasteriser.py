"""The compiled loops of `said.render`: which triangle each sample sees, and how it is lit."""

from collections.abc import Callable

import numba
import numpy as np
from numpy.typing import NDArray

NOTHING, INSIDE = -1, -2
"""In place of a face, at samples that see the background or the inside of a hollow mesh."""
_NARROW = 8
"""Columns of a face up to which it is faster to test them all than to find those that may be inside."""


def compiled(function: Callable) -> Callable:
    """Compile with a cache on disk, or without one where it cannot be written, as in a read-only installation.

    Threads run it side by side.
    """
    try:
        return numba.njit(cache=True, error_model="numpy", nogil=True)(function)
    except RuntimeError:
        return numba.njit(error_model="numpy", nogil=True)(function)


@compiled
def vertex_normals(vertices: NDArray[np.float64], faces: NDArray[np.int64]) -> NDArray[np.float64]:
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


@compiled
def _where_positive(begin: float, end: float, start: float, per_unit: float) -> tuple[float, float]:
    """The columns in begin to end where a weight may be positive, and one more, which rounding may have cost.

    Args:
        start: the weight in column 0.
        per_unit: columns in which it grows by 1; 0: it hardly changes along the row.
    """
    if per_unit > 0.0:
        begin = max(begin, -start * per_unit - 1.0)
    elif per_unit < 0.0:
        end = min(end, -start * per_unit + 1.0)
    return begin, end


@compiled
def find_visible(
    screen: NDArray[np.float64], faces: NDArray[np.int64], height: int, width: int
) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """The face seen at each sample, or `NOTHING`, and what barycentric coordinates follow from.

    Args:
        screen: (V, 3), x, y and nearness.

    Returns:
        (height, width), and for each face seen (F, 7): its signed area, doubled, and for its second and third corner
        the weight at the origin's column in the first corner's row, and its changes per column and per row.
    """
    nearest = np.zeros((height, width))
    seen = np.full((height, width), NOTHING, np.int32)
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
        b_zero = 1.0 / b_right if abs(b_right) > 1e-9 else 0.0
        c_zero = 1.0 / c_right if abs(c_right) > 1e-9 else 0.0
        a_zero = 1.0 / a_right if abs(a_right) > 1e-9 else 0.0
        for row in range(first_row, last_row + 1):
            b_start = b_down * (row - ay) + b_left
            c_start = c_down * (row - ay) + c_left
            begin, end = float(first_column), float(last_column)
            if last_column - first_column >= _NARROW:
                begin, end = _where_positive(begin, end, b_start, b_zero)
                begin, end = _where_positive(begin, end, c_start, c_zero)
                begin, end = _where_positive(begin, end, 1.0 - b_start - c_start, a_zero)
            for column in range(int(begin), int(end) + 1):
                weight_b = b_start + b_right * column
                weight_c = c_start + c_right * column
                if weight_b >= -1e-9 and weight_c >= -1e-9 and weight_b + weight_c <= 1.0 + 1e-9:
                    near = az + weight_b * near_b + weight_c * near_c
                    if near > nearest[row, column]:
                        nearest[row, column] = near
                        seen[row, column] = face
    return seen, planes


@compiled
def hollow_out(seen: NDArray[np.int32]) -> None:
    """Tell samples that no way over `NOTHING` leads to from the border: they become `INSIDE`, in place.

    Sweeps forth and back until nothing changes: two or three for a head, of any shape that encloses something.
    """
    height, width = seen.shape
    for row in range(height):
        for column in range(width):
            if seen[row, column] == NOTHING and not (
                row == 0
                or column == 0
                or row == height - 1
                or column == width - 1
                or seen[row - 1, column] == NOTHING
                or seen[row, column - 1] == NOTHING
            ):
                seen[row, column] = INSIDE
    changed = True
    while changed:
        changed = False
        for row in range(height - 2, 0, -1):
            for column in range(width - 2, 0, -1):
                if seen[row, column] == INSIDE and (
                    seen[row + 1, column] == NOTHING or seen[row, column + 1] == NOTHING
                ):
                    seen[row, column] = NOTHING
                    changed = True
        if not changed:
            break
        changed = False
        for row in range(1, height - 1):
            for column in range(1, width - 1):
                if seen[row, column] == INSIDE and (
                    seen[row - 1, column] == NOTHING or seen[row, column - 1] == NOTHING
                ):
                    seen[row, column] = NOTHING
                    changed = True


@compiled
def shade(
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
                        image[row, column, channel] += share * (background[channel] if face == NOTHING else back_face)
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


@compiled
def develop(radiance: NDArray[np.float64], table: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 display values of linear radiance, looked up in `table`."""
    image = np.empty(radiance.shape, np.uint8)
    for row in range(radiance.shape[0]):
        for column in range(radiance.shape[1]):
            for channel in range(3):
                value = min(max(radiance[row, column, channel], 0.0), 1.0)
                image[row, column, channel] = table[int(value * (len(table) - 1) + 0.5)]
    return image
