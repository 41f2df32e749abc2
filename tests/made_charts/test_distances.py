import numpy as np
import pytest


def make_sheet(side):
    """(V, 3) points of a plane, the inner ones moved at random, and (T, 3) triangles."""
    y, x = (axis.ravel().astype(float) for axis in np.meshgrid(np.arange(side), np.arange(side), indexing="ij"))
    points = np.stack([x, y, 0.5 * x], axis=1)
    is_inner = (x > 0) & (x < side - 1) & (y > 0) & (y < side - 1)
    points[is_inner] += np.random.default_rng(0).uniform(-0.25, 0.25, (is_inner.sum(), 1)) * (1, 2, 0.5)
    corner = (np.arange(side - 1)[:, None] * side + np.arange(side - 1)).ravel()
    quads = np.stack([corner, corner + 1, corner + side + 1, corner + side], axis=1)
    return points, np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])


def make_sphere(rounds):
    """An octahedron whose triangles are parted in four again and again, on the unit sphere."""
    corners = np.array([[1, 0, 0], [0, 1, 0], [-1, 0, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]], float)
    sides = [(0, 1), (1, 2), (2, 3), (3, 0)]
    triangles = corners[[[a, b, 4] for a, b in sides] + [[b, a, 5] for a, b in sides]]
    for _ in range(rounds):
        a, b, c = triangles[:, 0], triangles[:, 1], triangles[:, 2]
        ab, bc, ca = a + b, b + c, c + a
        parts = [np.stack(part, axis=1) for part in ((a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca))]
        triangles = np.concatenate(parts)
        triangles = triangles / np.linalg.norm(triangles, axis=2, keepdims=True)
    points, places = np.unique(triangles.reshape(-1, 3).round(9), axis=0, return_inverse=True)
    return points, places.reshape(-1, 3)


@pytest.mark.parametrize(("points_per_edge", "mean", "most"), [(1, 0.03, 0.2), (4, 0.008, 0.05)])
def test_distances_on_a_plane_are_straight(points_per_edge, mean, most):
    from made_mesh.distances import make_graph, measure_from

    points, triangles = make_sheet(9)
    everyone = np.arange(len(points))
    found = measure_from(make_graph(points, triangles, points_per_edge), everyone, everyone)
    exact = np.linalg.norm(points[:, None] - points, axis=2)
    assert (found >= exact - 1e-9).all()
    excess = found[exact > 0] / exact[exact > 0] - 1
    assert excess.mean() < mean
    assert excess.max() < most


def test_distances_on_a_sphere_are_those_of_great_circles():
    from made_mesh.distances import make_graph, measure_from

    points, triangles = make_sphere(3)
    everyone = np.arange(len(points))
    found = measure_from(make_graph(points, triangles, 4), everyone[:40], everyone)
    exact = np.arccos((points[:40] @ points.T).clip(-1, 1))
    is_far = exact > 0.01
    ratio = found[is_far] / exact[is_far]
    # Flat triangles cut corners by less than they make detours.
    assert abs(ratio.mean() - 1) < 0.01
    assert ratio.min() > 0.98
    assert ratio.max() < 1.04


def test_spread_points_are_apart_and_everyone_is_near_one():
    from made_mesh.distances import choose_spread, find_closest, make_graph, measure_from

    points, triangles = make_sheet(9)
    graph = make_graph(points, triangles, 1)
    everyone = np.arange(len(points))
    mirror = everyone.reshape(9, 9)[:, ::-1].ravel()
    left = everyone[points[:, 0] <= 4.5]
    chosen = choose_spread(graph, left, mirror, 12)
    assert len(set(chosen.tolist())) == 12
    assert np.isin(chosen, left).all()
    distances = measure_from(graph, everyone, chosen)
    closest = find_closest(graph, chosen, len(points))
    np.testing.assert_allclose(distances[everyone, closest], distances.min(axis=1))


def test_rows_are_ordered_by_nearness():
    from made_mesh.distances import order_by_nearness

    places = np.array([0.0, 5.0, 1.0, 3.0, 9.0])
    assert order_by_nearness(np.abs(places[:, None] - places)).tolist() == [0, 2, 3, 1, 4]
