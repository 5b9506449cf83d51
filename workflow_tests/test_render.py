"""The software renderer: geometry on screen, visibility, orientation, shading, and bad input."""

import numba
import numpy as np
import pytest
import trimesh
from scipy.ndimage import binary_fill_holes

from said import rasteriser, render
from said.render import Framing, Renderer, frame, triangles_in_view

FAR = 1e4
"""Metres of camera distance at which perspective is nothing."""
SQUARE = np.array([[-1.0, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]])
SQUARE_FACES = np.array([[0, 1, 2], [0, 2, 3]])
UNIT_VIEW = Framing((0, 0, 0), 2.0)


def covered(image):
    return image.any(axis=2)


@pytest.fixture(scope="module")
def sphere():
    return trimesh.creation.icosphere(subdivisions=5, radius=0.05)


def test_silhouette_of_a_sphere_has_the_area_of_its_disc(sphere):
    image = Renderer(sphere.faces, 400, Framing((0, 0, 0), 0.08), distance=FAR)(sphere.vertices)
    radius = 0.05 / 0.08 * 200
    partial = (image.max(2) > 0).sum()  # counts each pixel that the rim touches
    assert np.pi * (radius - 0.5) ** 2 < partial < np.pi * (radius + 1.5) ** 2


def test_perspective_enlarges_the_silhouette_as_a_cone_of_sight_does(sphere):
    image = Renderer(sphere.faces, 400, Framing((0, 0, 0), 0.08), distance=0.12)(sphere.vertices)
    radius = 0.12 * 0.05 / np.sqrt(0.12**2 - 0.05**2) / 0.08 * 200
    assert covered(image)[200].sum() == pytest.approx(2 * radius, abs=2.5)


def test_the_nearer_of_two_triangles_is_seen_whatever_their_order():
    corners = np.array([[-1.0, -1, 0], [1, -1, 0], [0, 1, 0]])
    vertices = np.concatenate([corners, corners + [0, 0, 0.3]])
    colours = np.repeat([[1.0, 0, 0], [0, 1.0, 0]], 3, axis=0)
    for faces in ([[0, 1, 2], [3, 4, 5]], [[3, 4, 5], [0, 1, 2]]):
        red, green, _ = Renderer(np.array(faces), 101, UNIT_VIEW, distance=FAR, gloss=0)(vertices, colours)[55, 50]
        assert green > 150 and red == 0


def test_intersecting_squares_swap_along_the_line_where_they_meet():
    tilted = SQUARE.copy()
    tilted[:, 2] = 0.5 * tilted[:, 0]
    faces = np.concatenate([SQUARE_FACES, SQUARE_FACES + 4])
    colours = np.repeat([[1.0, 0, 0], [0, 1.0, 0]], 4, axis=0)
    image = Renderer(faces, 200, UNIT_VIEW, distance=5.0, gloss=0)(np.concatenate([SQUARE, tilted]), colours)
    assert (image[100, 60:98, 0] > 0).all() and (image[100, 60:98, 1] == 0).all()
    assert (image[100, 103:140, 1] > 0).all() and (image[100, 103:140, 0] == 0).all()


def test_faces_seen_from_behind_are_nearly_black():
    front = Renderer(SQUARE_FACES, 64, UNIT_VIEW)(SQUARE)[32, 32]
    back = Renderer(SQUARE_FACES[:, ::-1], 64, UNIT_VIEW)(SQUARE)[32, 32]
    assert front.min() > 120 and 0 < back.max() < 40


def test_what_a_hollow_mesh_encloses_is_its_dark_inside():
    ring = trimesh.creation.annulus(r_min=0.5, r_max=1.0, height=0.2)
    pictures = [
        Renderer(ring.faces, 100, UNIT_VIEW, background=(1, 1, 1), hollow=hollow, distance=FAR)(ring.vertices)
        for hollow in (False, True)
    ]
    assert (pictures[0][50, 50] == 255).all() and (pictures[1][50, 50] < 20).all()
    rows, columns = np.indices((100, 100)) - 49.5
    outside = np.hypot(rows, columns) > 20  # of the hole, whose radius is 12.5 pixels
    np.testing.assert_array_equal(pictures[0][outside], pictures[1][outside])


@pytest.mark.parametrize("share", [0.3, 0.45, 0.6, 0.9])
def test_what_no_way_from_the_border_leads_to_is_inside(share):
    rng = np.random.default_rng(round(100 * share))
    for shape in ((40, 61), (1, 7), (2, 2), (120, 90)):
        covered = rng.random(shape) < share  # mazes, long and winding near the share where ways close
        seen = np.where(covered, 5, rasteriser.NOTHING).astype(np.int32)
        rasteriser.hollow_out(seen)
        np.testing.assert_array_equal(seen == rasteriser.INSIDE, binary_fill_holes(covered) & ~covered)
        np.testing.assert_array_equal(seen == 5, covered)


def test_left_is_right_on_screen_and_up_is_up():
    vertices = SQUARE * 0.3 + [1.0, 1.0, 0]  # to the subject's left and above: right and top of the picture
    rows, columns = np.nonzero(covered(Renderer(SQUARE_FACES, 100, UNIT_VIEW, distance=FAR)(vertices)))
    assert columns.mean() == pytest.approx(74.5, abs=0.6) and rows.mean() == pytest.approx(24.5, abs=0.6)


def test_yaw_turns_the_head_to_its_left(sphere):
    vertices = SQUARE * 0.2 + [0, 0, 1.0]  # a nose: turned to the subject's left it moves right on screen
    _, columns = np.nonzero(covered(Renderer(SQUARE_FACES, 100, UNIT_VIEW, distance=FAR, yaw=30)(vertices)))
    assert columns.mean() == pytest.approx(49.5 + 25 * np.sin(np.radians(30)), abs=0.8)


def test_shading_depends_on_the_surface_and_not_on_its_triangles():
    fine = trimesh.Trimesh(SQUARE, SQUARE_FACES, process=False).subdivide().subdivide()
    coarse_image = Renderer(SQUARE_FACES, 64, UNIT_VIEW)(SQUARE).astype(int)
    fine_image = Renderer(fine.faces, 64, UNIT_VIEW)(fine.vertices).astype(int)
    assert np.abs(coarse_image - fine_image).max() <= 1
    inside = coarse_image[20:44, 20:44]
    assert (inside == inside[0, 0]).all()  # flat, lit from afar, drawn without highlights' variation


def test_light_comes_from_above_and_a_mirrored_mesh_covers_the_mirrored_pixels(sphere):
    view = Framing((0, 0, 0), 0.06)
    image = Renderer(sphere.faces, 120, view, distance=FAR)(sphere.vertices).astype(int)
    assert image[25, 60, 0] > image[95, 60, 0] + 20
    shifted = sphere.vertices * [1, 1.2, 1] + [0.008, 0, 0]
    mirrored = Renderer(sphere.faces[:, ::-1], 120, view, distance=FAR)(shifted * [-1, 1, 1])
    straight = Renderer(sphere.faces, 120, view, distance=FAR)(shifted)
    assert (covered(mirrored)[:, ::-1] == covered(straight)).mean() > 0.999


def test_moving_by_whole_pixels_moves_the_picture(sphere):
    renderer = Renderer(sphere.faces, 128, Framing((0, 0, 0), 0.064), distance=FAR)  # 1 mm a pixel
    image, moved = renderer(sphere.vertices * 0.5), renderer(sphere.vertices * 0.5 + [0.010, -0.004, 0])
    assert np.abs(np.roll(image, (4, 10), (0, 1)).astype(int) - moved.astype(int)).max() <= 2


def test_colours_are_interpolated_between_vertices():
    vertices = np.array([[-1.0, -1, 0], [1, -1, 0], [0, 1, 0]])
    image = Renderer(np.array([[0, 1, 2]]), 200, UNIT_VIEW, distance=FAR, gloss=0)(vertices, np.eye(3))
    at = {"a": image[145, 57], "b": image[145, 142], "c": image[58, 100]}
    assert [int(np.argmax(at[name])) for name in "abc"] == [0, 1, 2]
    middle = image[117, 100].astype(int)  # the centroid
    assert np.ptp(middle) < 8


def test_supersampling_softens_edges():
    tilted = SQUARE @ np.array([[0.9, 0.4, 0], [-0.4, 0.9, 0], [0, 0, 1]])
    levels = [len(np.unique(Renderer(SQUARE_FACES, 64, UNIT_VIEW, supersample=s)(tilted))) for s in (1, 4)]
    assert levels[0] <= 6 and levels[1] > 12


def test_image_has_the_asked_size_and_is_the_same_every_time(sphere):
    renderer = Renderer(sphere.faces, (60, 90), background=(1, 1, 1))
    first, second = renderer(sphere.vertices), renderer(sphere.vertices)
    assert first.shape == (60, 90, 3) and first.dtype == np.uint8 and (first == second).all()
    assert (first[0, 0] == 255).all()


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_a_film_has_its_pictures_in_turn_however_many_are_drawn_at_a_time(sphere, threads):
    renderer = Renderer(sphere.faces, 60, frame(sphere.vertices))

    def draw(number):
        return renderer(sphere.vertices * (1 - number / 40))

    pictures = list(render.film(draw, 30, threads))
    assert len(pictures) == 30
    for number, picture in enumerate(pictures):
        np.testing.assert_array_equal(picture, draw(number))


def test_a_fault_in_a_picture_ends_the_film_where_it_is(sphere):
    renderer = Renderer(sphere.faces, 20, frame(sphere.vertices))
    pictures = render.film(lambda number: renderer(sphere.vertices * (np.nan if number == 3 else 1)), 30, 2)
    assert [next(pictures).shape for _ in range(3)] == [(20, 20, 3)] * 3
    with pytest.raises(ValueError, match="NaN"):
        next(pictures)


def test_frame_holds_the_whole_template(sphere):
    vertices = sphere.vertices * [1, 2, 1] + [0.3, -0.2, 0.1]
    mask = covered(Renderer(sphere.faces, 200, frame(vertices))(vertices))
    assert not mask[[0, -1]].any() and mask.any(1).sum() > 160
    assert np.nonzero(mask)[1].mean() == pytest.approx(99.5, abs=0.5)


def test_the_first_mesh_sets_the_frame_of_a_renderer_without_one(sphere):
    renderer = Renderer(sphere.faces, 100)
    first, smaller = covered(renderer(sphere.vertices)).sum(), covered(renderer(0.5 * sphere.vertices)).sum()
    assert smaller == pytest.approx(first / 4, rel=0.05)


def test_a_close_up_needs_only_the_triangles_in_view(sphere):
    framing = Framing((0.01, -0.03, 0.03), 0.012)
    seen = sphere.faces[triangles_in_view(sphere.vertices, sphere.faces, framing)]
    assert len(seen) < 0.4 * len(sphere.faces)
    assert (Renderer(seen, 64, framing)(sphere.vertices) == Renderer(sphere.faces, 64, framing)(sphere.vertices)).all()


def test_colours_of_one_call_do_not_stay(sphere):
    renderer = Renderer(sphere.faces, 48)
    clay = renderer(sphere.vertices)
    red = renderer(sphere.vertices, np.tile([1.0, 0, 0], (len(sphere.vertices), 1)))
    assert red[24, 24, 1] < clay[24, 24, 1] - 50
    assert (renderer(sphere.vertices) == clay).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda v: v[:-1], "need at least"),
        (lambda v: np.where(np.arange(len(v))[:, None] == 3, np.nan, v), "NaN"),
        (lambda v: v[:, :2], "need at least"),
    ],
)
def test_bad_vertices_are_refused(sphere, change, message):
    with pytest.raises(ValueError, match=message):
        Renderer(sphere.faces, 32)(change(np.asarray(sphere.vertices)))


def test_bad_settings_are_refused(sphere):
    with pytest.raises(ValueError, match="one RGB colour per vertex"):
        Renderer(sphere.faces, 32, colours=np.ones((3, 3)))(sphere.vertices)
    with pytest.raises(ValueError, match="triangles"):
        Renderer(np.zeros((0, 3), int), 32)
    with pytest.raises(ValueError, match="half_height"):
        Renderer(sphere.faces, 32, Framing((0, 0, 0), 0.0))
    with pytest.raises(ValueError, match="supersample"):
        Renderer(sphere.faces, 32, supersample=0)


def test_compiles_where_no_cache_can_be_written(monkeypatch):
    real, asked = numba.njit, []

    def read_only(**options):
        asked.append(options.get("cache", False))
        if options.get("cache"):
            raise RuntimeError("cannot cache function: no locator available")
        return real(**options)

    monkeypatch.setattr(numba, "njit", read_only)
    assert rasteriser.compiled(lambda x: x + 1)(2) == 3
    assert asked == [True, False]


def test_draws_the_published_meshes(official):
    mesh = trimesh.load(official / "FLAME_sample.ply", process=False)
    image = Renderer(np.asarray(mesh.faces), 128)(np.asarray(mesh.vertices))
    seen = covered(image)
    assert 0.3 < seen.mean() < 0.8
    assert (image[seen].mean(1) < 60).mean() < 0.02  # hardly any face of it is turned away
