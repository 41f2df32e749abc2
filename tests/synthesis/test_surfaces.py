"""What made images stand on: cameras, cut triangles, labels over the skin, poses within limits."""

import numpy as np
import pytest
from made_bodies import write_bodies
from made_scripts import load_script

load_script("synthesize_people")
from synthesis.atlas import read_charts  # noqa: E402
from synthesis.bodies import Shape, make_shape, move_points, turn_bones  # noqa: E402
from synthesis.cameras import aim_camera  # noqa: E402
from synthesis.meshes import cut_triangles  # noqa: E402
from synthesis.noise import sample_noise  # noqa: E402
from synthesis.pack import read_pack  # noqa: E402
from synthesis.poses import Poser  # noqa: E402
from synthesis.surface_labels import SkinLabels  # noqa: E402


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pack")
    write_bodies(folder)
    return folder


@pytest.fixture(scope="module")
def pack(folder):
    return read_pack(folder)


@pytest.fixture(scope="module")
def labels(pack, folder):
    return SkinLabels(
        pack.vertices, pack.quads["body"], read_charts(len(pack.quads["body"]), folder / "atlas.npz")
    )


def measure_areas(corners):
    return np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1) / 2


def test_a_camera_sees_its_target_where_it_was_told():
    target, at_px = np.float32([0.7, 1.2, -3]), np.array([400.0, 90.0])
    camera = aim_camera((640, 480), 500.0, np.float32([0, 1.6, 0]), (target, at_px), 0.0)
    xy, depth = camera.project(target[None])
    # Yaw and pitch are turned one after the other: beside the middle, the place is a little off.
    np.testing.assert_allclose(xy[0], at_px, atol=12)
    assert 2 < depth[0] < 4
    assert camera.matrix[0, 1] == pytest.approx(0, abs=1e-6)  # level
    higher, _ = camera.project(target[None] + np.float32([0, 0.1, 0]))
    right, _ = camera.project(target[None] + np.float32([0.1, 0, 0]))
    assert higher[0, 1] < xy[0, 1]
    assert right[0, 0] > xy[0, 0]
    assert camera.project(np.float32([[0, 1.6, 5]]))[1][0] < 0  # behind


def test_rays_go_through_what_is_projected():
    rng = np.random.default_rng(0)
    camera = aim_camera(
        (640, 480), 700.0, np.float32([0.3, 2, 1]), (np.float32([0, 1, -2]), np.array([100, 400])), 0.2
    )
    points = rng.uniform((-1, 0, -6), (1, 2, -3), (20, 3)).astype(np.float32)
    xy, depths = camera.project(points)
    np.testing.assert_allclose(camera.place + camera.cast(xy) * depths[:, None], points, atol=1e-4)


def test_cut_triangles_are_the_part_above_zero():
    values = np.float32([[1, 1, 1], [-1, -1, -1], [1, -1, -1], [-1, 1, -3], [1, 1, -1], [2, -2, 1]])
    corners = np.tile(np.float32([[0, 0, 0], [1, 0, 0], [0, 1, 0]]), (len(values), 1, 1))
    owners, weights = cut_triangles(values)
    areas = np.bincount(owners, measure_areas(weights @ corners[owners]), len(values))
    np.testing.assert_allclose(areas, [0.5, 0, 0.125, 0.5 / 8, 0.375, 0.5 - 0.5 / 2 * 2 / 3], atol=1e-6)
    np.testing.assert_allclose(weights.sum(2), 1, atol=1e-6)
    assert ((weights * values[owners][:, None]).sum(2) > -1e-6).all()
    normals = np.cross(*((weights @ corners[owners])[:, i] - (weights @ corners[owners])[:, 0] for i in (1, 2)))
    assert (normals[:, 2] >= 0).all()  # the order around stays


def test_the_skin_has_its_own_labels(pack, labels):
    corners = pack.vertices[labels.triangles]
    middles = corners.mean(1, keepdims=True)
    charts, coordinates = labels.label((corners - middles) * np.float32(0.15) + middles)
    # Where limbs of boxes overlap, another one may be as near.
    same = charts == labels.charts
    assert same.mean() > 0.8
    expected = (labels.coordinates_uv - labels.coordinates_uv.mean(1, keepdims=True)) * 0.15
    expected += labels.coordinates_uv.mean(1, keepdims=True)
    off = np.abs(coordinates - expected).max((1, 2))[same]
    assert (off < 1e-3).mean() > 0.7


def test_mirrored_places_have_mirrored_labels(labels):
    rng = np.random.default_rng(1)
    points = rng.uniform((1.2, -8, -1), (4.5, 5.5, 1), (60, 1, 3)).repeat(3, 1).astype(np.float32)
    from models.densepose.parts import CHART_MIRROR

    left, _ = labels.label(points)
    right, _ = labels.label(points * np.float32([-1, 1, 1]))
    assert (np.array(CHART_MIRROR)[left] == right).mean() > 0.95


def test_fine_labels_tile_their_triangles(pack, labels):
    triangles = labels.triangles[:12]
    corners = pack.vertices[triangles] * np.float32([1.2, 1, 1.2])
    fine = labels.label_finely(corners)
    areas = np.bincount(fine.parents, measure_areas(fine.weights @ corners[fine.parents]), len(corners))
    np.testing.assert_allclose(areas, measure_areas(corners), rtol=1e-4)
    assert len(fine.parents) > len(corners)
    assert set(np.unique(fine.charts)) <= set(range(1, 25))
    head, _ = labels.label(corners, (23, 24))
    assert set(np.unique(head)) <= {23, 24}


def test_a_bone_moves_what_follows_it(pack):
    rotations = np.zeros((len(pack.bone_names), 3), np.float32)
    rest = pack.vertices
    np.testing.assert_allclose(move_points(pack.skin, turn_bones(pack, rest, rotations), rest), rest, atol=1e-5)
    rotations[pack.find_bone("upperarm01.L"), 2] = np.pi / 2
    moved = move_points(pack.skin, turn_bones(pack, rest, rotations), rest)
    keypoints = pack.keypoints @ moved
    shoulder, elbow, wrist = pack.keypoints[[5, 7, 9]] @ rest
    for place, found in ((elbow, keypoints[7]), (wrist, keypoints[9])):
        x, y, z = place - shoulder
        np.testing.assert_allclose(found - shoulder, [-y, x, z], atol=1e-4)
    np.testing.assert_allclose(
        np.delete(keypoints, [7, 9], 0), np.delete(pack.keypoints @ rest, [7, 9], 0), atol=1e-4
    )


def test_shapes_are_mixed_by_their_weights(pack):
    def height(male, races):
        shape = Shape(male, (0.0, 1.0, 0.0), races, 0.5, 0.5, 0.5)
        return np.ptp(make_shape(pack, shape)[:, 1])

    plain = np.ptp(pack.vertices[:, 1])
    assert height(1.0, (0, 0, 1)) == pytest.approx(1.06 * plain, rel=0.01)
    assert height(0.5, (0, 0.5, 0.5)) == pytest.approx(1.015 * plain, rel=0.01)
    assert height(0.0, (0, 0, 1)) == pytest.approx(plain)


def test_noise_is_smooth_and_of_the_size_asked_for():
    rng = np.random.default_rng(3)
    points = rng.uniform(-50, 50, (4000, 3)).astype(np.float32)
    for scale in (0.5, 3.0):
        noise = sample_noise(points, scale, 0.3)
        assert np.abs(noise.mean(0)).max() < 0.15
        np.testing.assert_allclose(noise.std(0), 1, atol=0.25)
        near, far = (
            sample_noise(points + np.float32([fraction * scale, 0, 0]), scale, 0.3) - noise
            for fraction in (0.01, 2.0)
        )
        assert np.abs(near).max() < 0.2
        assert far.std() > 1


def test_elbows_and_knees_bend_one_way(pack):
    poser = Poser(pack)
    rng = np.random.default_rng(2)
    knees = []
    for _ in range(60):
        pose = poser.draw(rng)
        assert np.isfinite(pose.rotations).all()
        knees += [pose.rotations[pack.find_bone(f"lowerleg01.{side}")] for side in "LR"]
    knees = np.array(knees)
    assert knees[:, 0].min() > -0.2
    assert knees[:, 0].max() > 0.8
    assert np.abs(knees[:, 1:]).max() < 0.1
