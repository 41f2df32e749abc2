import numpy as np
import pytest

TURNS = 7
RINGS = 5


def make_half_tube():
    """The front half of a limb along y, which grows away from the body: (V, 3) and (F, 4)."""
    turns = np.linspace(0, np.pi, TURNS)
    vertices = np.array([(-np.cos(turn), ring, np.sin(turn)) for ring in range(RINGS) for turn in turns])
    corner = (np.arange(RINGS - 1)[:, None] * TURNS + np.arange(TURNS - 1)).ravel()
    return vertices, np.stack([corner, corner + 1, corner + TURNS + 1, corner + TURNS], axis=1)


def look_across(sheet):
    """Charts beyond the border: 12 beyond the end, 2 at the body, 8 behind."""
    heights = sheet.places[sheet.border, 1]
    after = np.roll(heights, -1)
    return np.where(
        (heights == RINGS - 1) & (after == RINGS - 1), 12, np.where((heights == 0) & (after == 0), 2, 8)
    )


@pytest.mark.parametrize("turned", [False, True])
def test_half_a_limb_fills_the_square_from_the_inner_seam_to_the_outer_one(turned):
    from made_mesh.layouts import lay_limb
    from made_mesh.unfold import Sheet

    vertices, faces = make_half_tube()
    sheet = Sheet(vertices, faces[:, ::-1] if turned else faces)
    uv = lay_limb(sheet, look_across(sheet), (12,), (2,), np.array([1.0, 0, 0]))
    angles = np.arctan2(sheet.places[:, 2], -sheet.places[:, 0])
    np.testing.assert_allclose(uv[:, 0], angles / np.pi, atol=1e-9)
    np.testing.assert_allclose(uv[:, 1], 1 - sheet.places[:, 1] / (RINGS - 1), atol=1e-9)


def test_an_outline_of_other_corners_is_refused():
    from made_mesh.layouts import lay_limb
    from made_mesh.unfold import Sheet

    sheet = Sheet(*make_half_tube())
    with pytest.raises(ValueError, match="2 corners, not 4"):
        lay_limb(sheet, look_across(sheet), (12,), (3,), np.array([1.0, 0, 0]))


def test_a_border_is_placed_by_length_between_its_corners():
    from made_mesh.layouts import place_border
    from made_mesh.unfold import Sheet

    vertices, faces = make_half_tube()
    vertices[TURNS * 2 : TURNS * 3, 1] = 1.5
    sheet = Sheet(vertices, faces)
    places = sheet.origins[sheet.border].tolist()
    ends = [0, TURNS - 1, RINGS * TURNS - 1, (RINGS - 1) * TURNS]
    corners = sorted(places.index(end) for end in ends)
    targets = [
        (float(ends.index(places[corner]) in (1, 2)), float(places[corner] < TURNS)) for corner in corners
    ]
    found = place_border(sheet, corners, targets)
    for vertex, height in ((TURNS, 0.75), (2 * TURNS, 0.625), (3 * TURNS, 0.25)):
        np.testing.assert_allclose(found[places.index(vertex)], (0, height))


def test_planes_measure_along_their_normal():
    from made_mesh.segments import Plane

    plane = Plane((1, 0, 0), (0, 2, 0))
    assert plane.measure(np.array([[5.0, 3, 1], [0, -1, 0]])).tolist() == [3, -1]
