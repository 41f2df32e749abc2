import numpy as np
import pytest

from models.densepose.parts import CHART_MIRROR, NUM_CHARTS
from posetrack.errors import PoseTrackError
from posetrack.made_mesh import PATH, UNIT_M, pack_distances, read_made_mesh, unpack_distances

TORSO = (1, 2)
# Of each pair of mirrored charts one, and the torso's.
DIFFERENT = (*TORSO, 4, 5, 8, 10, 12, 14, 15, 17, 19, 21, 24)


@pytest.fixture(scope="module")
def mesh():
    return read_made_mesh()


def list_triangles(mesh, chart):
    """(T, 3, 2) corners of a chart's triangles, as quads are split."""
    quads = mesh.corner_uv[mesh.face_charts == chart].astype(np.float64)
    return np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])


def measure_areas(triangles):
    first, second = triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0]
    return (first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]) / 2


def count_covers(triangles, points):
    """(P,) how many triangles each point lies in."""
    counts = np.zeros(len(points), np.int64)
    for corners in triangles:
        low, high = corners.min(axis=0), corners.max(axis=0)
        near = np.flatnonzero(((points >= low) & (points <= high)).all(axis=1))
        offsets = points[near, None] - corners
        sides = np.roll(corners, -1, axis=0) - corners
        turns = sides[:, 0] * offsets[..., 1] - sides[:, 1] * offsets[..., 0]
        counts[near] += (turns > 0).all(axis=1) | (turns < 0).all(axis=1)
    return counts


def test_every_quad_of_the_outside_has_one_chart(mesh):
    assert mesh.face_charts.shape == (13378,)
    assert mesh.corner_uv.shape == (13378, 4, 2)
    assert set(mesh.face_charts.tolist()) == set(range(NUM_CHARTS + 1))
    has_chart = mesh.face_charts > 0
    assert has_chart.sum() > 12_000
    charts = mesh.charts[mesh.face_rows[has_chart]]
    assert (charts == charts[:, :1]).all()
    assert not mesh.corner_uv[~has_chart].any()


@pytest.mark.parametrize("chart", DIFFERENT)
def test_charts_are_injective_and_fill_their_square(mesh, chart):
    triangles = list_triangles(mesh, chart)
    areas = measure_areas(triangles)
    # A chart's parts are each turned one way; the palm and the back of the hand are two parts.
    is_right = triangles[..., 0].mean(axis=1) > 0.5 if chart == 4 else np.zeros(len(areas), bool)
    for part in (areas[is_right], areas[~is_right]):
        assert (part > 0).all() or (part < 0).all()
    lattice = np.stack(np.meshgrid(np.arange(64), np.arange(64)), axis=-1).reshape(-1, 2)
    grid = (lattice + np.array([0.499, 0.503])) / 64
    counts = count_covers(triangles, grid)
    assert np.maximum(counts - 1, 0).mean() < 0.01 * (counts > 0).mean()
    assert (counts > 0).mean() > (0.45 if chart == 4 else 0.95)


def test_mirrored_places_have_equal_coordinates(mesh):
    mirror = mesh.mirror
    np.testing.assert_array_equal(mirror[mirror], np.arange(len(mirror)))
    np.testing.assert_array_equal(np.array(CHART_MIRROR)[mesh.charts], mesh.charts[mirror])
    is_torso = np.isin(mesh.charts, TORSO)
    np.testing.assert_array_equal(mesh.uv[mirror][~is_torso], mesh.uv[~is_torso])
    np.testing.assert_array_equal(mesh.uv[mirror][is_torso, 0], np.float32(1) - mesh.uv[is_torso, 0])
    np.testing.assert_array_equal(mesh.uv[mirror][is_torso, 1], mesh.uv[is_torso, 1])


def test_the_mirror_image_of_a_quad_is_a_quad(mesh):
    has_chart = mesh.face_rows[:, 0] >= 0
    faces = {tuple(sorted(rows)) for rows in mesh.face_rows[has_chart].tolist()}
    assert faces == {tuple(sorted(rows)) for rows in mesh.mirror[mesh.face_rows[has_chart]].tolist()}


@pytest.mark.parametrize("chart", DIFFERENT)
def test_charts_are_continuous(mesh, chart):
    # A chart is one piece, the hand two, and each row belongs to one place of it.
    faces = mesh.face_rows[mesh.face_charts == chart]
    group = dict.fromkeys(np.unique(faces).tolist())

    def find(row):
        while group[row] is not None:
            row = group[row]
        return row

    for face in faces.tolist():
        for row in face[1:]:
            first, other = find(face[0]), find(row)
            if first != other:
                group[other] = first
    assert sum(parent is None for parent in group.values()) == (2 if chart == 4 else 1)


def test_distances_are_those_of_a_surface(mesh):
    distances = mesh.distances_m.astype(np.float64)
    count = len(distances)
    assert count > 2000
    np.testing.assert_array_equal(distances, distances.T)
    assert not distances.diagonal().any()
    assert (distances[~np.eye(count, dtype=bool)] > 0).all()
    mirror = mesh.sample_mirror
    np.testing.assert_array_equal(distances, distances[np.ix_(mirror, mirror)])
    first, between, last = np.random.default_rng(0).integers(0, count, (3, 100_000))
    detours = distances[first, between] + distances[between, last]
    # Each distance is rounded by half a step.
    assert (distances[first, last] <= detours + 2 * UNIT_M).all()
    # From the crown to a toe, along a body of 1.7 m.
    assert 1.9 < distances.max() < 2.2
    nearest = np.where(np.eye(count, dtype=bool), np.inf, distances).min(axis=1)
    assert nearest.max() < 0.05


def test_mirrored_rows_have_mirrored_samples(mesh):
    mirrored = mesh.samples[mesh.mirror]
    is_other = mirrored != mesh.sample_mirror[mesh.samples]
    # Places in the body's middle may be as close to a sample as to its mirror image.
    np.testing.assert_array_equal(mirrored[is_other], mesh.samples[is_other])
    assert is_other.mean() < 0.01


def test_distances_survive_packing():
    draw = np.random.default_rng(0)
    steps = draw.integers(0, 4000, (9, 9))
    steps = np.tril(steps, -1) + np.tril(steps, -1).T
    np.testing.assert_array_equal(unpack_distances(pack_distances(steps), 9), steps)
    with pytest.raises(ValueError, match="distances of 8 samples"):
        unpack_distances(pack_distances(steps), 8)


def test_a_missing_or_damaged_file_is_named_in_one_line(tmp_path):
    path = tmp_path / "mesh.npz"
    with pytest.raises(PoseTrackError, match=r"mesh\.npz: no such file or directory; install PoseTrack again"):
        read_made_mesh(path)
    content = PATH.read_bytes()
    for damaged in (b"", b"nothing", content[:5000], content[:300_000] + bytes(400) + content[300_400:]):
        path.write_bytes(damaged)
        with pytest.raises(PoseTrackError, match=r"^[^\n]*mesh\.npz: [^\n]*install PoseTrack again$"):
            read_made_mesh(path)
    with np.load(PATH) as file:
        arrays = dict(file)
    for change in (
        {"charts": arrays["charts"] + np.uint8(1)},
        {"uv": arrays["uv"][:-1]},
        {"uv": arrays["uv"] * np.float32(np.nan)},
        {"samples": arrays["samples"] + np.uint16(1)},
        {"same_side": arrays["same_side"][1:]},
        {"same_side": arrays["same_side"].astype(np.float32)},
        {"face_rows": arrays["face_rows"][:, :3]},
    ):
        np.savez(path, **arrays | change)
        with pytest.raises(PoseTrackError, match=r"^[^\n]*mesh\.npz: [^\n]*install PoseTrack again$"):
            read_made_mesh(path)
