import numpy as np
import pytest

SIDE = 9


def make_dome():
    """A bulging square of quads, (V, 3) and (F, 4)."""
    y, x = (axis.ravel() for axis in np.meshgrid(*[np.linspace(-1, 1, SIDE)] * 2, indexing="ij"))
    vertices = np.stack([x, y, 2 * (1 - x**2) * (1 - y**2)], axis=1)
    corner = (np.arange(SIDE - 1)[:, None] * SIDE + np.arange(SIDE - 1)).ravel()
    return vertices, np.stack([corner, corner + 1, corner + SIDE + 1, corner + SIDE], axis=1)


def place_square(sheet):
    from made_mesh.layouts import place_border

    corners = [
        sheet.origins[sheet.border].tolist().index(vertex)
        for vertex in (0, SIDE - 1, SIDE**2 - 1, SIDE**2 - SIDE)
    ]
    order = sorted(range(4), key=corners.__getitem__)
    targets = [((0, 0), (1, 0), (1, 1), (0, 1))[i] for i in order]
    return place_border(sheet, [corners[i] for i in order], targets)


def test_a_dome_is_unfolded_without_overlap_and_with_less_stretch_than_a_harmonic_map():
    from made_mesh.unfold import Sheet, measure_triangles, unfold

    sheet = Sheet(*make_dome())
    stretches = []
    for rounds in (1, 8):
        uv = unfold(sheet, place_square(sheet), rounds)
        large, _, areas = measure_triangles(sheet, uv)
        assert (areas > 0).all()
        assert areas.sum() == pytest.approx(1)
        stretches.append(large.max())
    assert stretches[1] < 0.95 * stretches[0]


def test_the_map_of_a_flat_square_has_one_scale():
    from made_mesh.unfold import Sheet, measure_triangles, unfold

    vertices, faces = make_dome()
    sheet = Sheet(vertices * (1, 1, 0), faces)
    uv = unfold(sheet, place_square(sheet))
    np.testing.assert_allclose(uv, (sheet.places[:, :2] + 1) / 2, atol=1e-9)
    for values in measure_triangles(sheet, uv)[:2]:
        np.testing.assert_allclose(values, 2)


def test_a_tube_is_a_disk_once_it_is_cut():
    from made_mesh.unfold import Sheet

    turns = np.linspace(0, 2 * np.pi, 6, endpoint=False)
    vertices = np.array([(np.cos(turn), np.sin(turn), z) for z in range(4) for turn in turns])
    faces = np.array(
        [
            (6 * z + i, 6 * z + (i + 1) % 6, 6 * z + 6 + (i + 1) % 6, 6 * z + 6 + i)
            for z in range(3)
            for i in range(6)
        ]
    )
    with pytest.raises(ValueError, match="no disk"):
        Sheet(vertices, faces)
    sheet = Sheet(vertices, faces, [(0, 6), (12, 6), (12, 18)])
    assert sheet.size == 28
    assert sorted(sheet.origins.tolist()) == sorted([*range(24), 0, 6, 12, 18])
    assert len(sheet.border) == 2 * 6 + 2 * 3


def test_squeezed_and_folded_triangles_get_room():
    from made_mesh.relax import relax
    from made_mesh.unfold import Sheet, measure_triangles

    vertices, faces = make_dome()
    sheet = Sheet(vertices * (1, 1, 0), faces)
    uv = (sheet.places[:, :2] + 1) / 2
    uv[40] = uv[41] + (0.02, 0)
    assert (measure_triangles(sheet, uv)[2] < 0).any()
    found = relax(sheet, uv)
    assert (measure_triangles(sheet, found)[2] > 0).all()
    assert found.min() >= 0
    assert found.max() <= 1
    fixed = relax(sheet, uv, np.zeros(sheet.size, bool))
    np.testing.assert_array_equal(fixed, uv)


def test_the_cheapest_cut_is_found():
    from made_mesh.body import cut_surface, find_neighbors

    _, faces = make_dome()
    pairs, ends = find_neighbors(faces)
    columns = np.arange(len(faces)) % (SIDE - 1)
    costs = np.where((ends % SIDE == 3).all(axis=1), 0.1, 1.0)
    inside = cut_surface(pairs, costs, columns == 0, columns == SIDE - 2)
    np.testing.assert_array_equal(inside, columns < 3)
