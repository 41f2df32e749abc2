import numpy as np
import pytest
import torch
from reference.densepose_scene import make_outputs, make_symmetry
from scipy.io import savemat

from models.densepose.parts import CHART_MIRROR, CHART_TO_MASK, MASK_MIRROR, NUM_CHARTS
from models.densepose.symmetry import (
    MadeSymmetry,
    SymmetryTable,
    choose_symmetry,
    mirror_mask,
    read_symmetry,
)
from models.training.errors import DataError


def write_table(path, tables, names=("U_transforms", "V_transforms")):
    cells = {}
    for name, table in zip(names, tables, strict=True):
        cells[name] = np.empty((1, len(table)), object)
        cells[name][0] = list(table)
    savemat(path, cells)
    return path


def test_mirrors_are_their_own_inverse_and_belong_together():
    assert [CHART_MIRROR[i] for i in CHART_MIRROR] == list(range(NUM_CHARTS + 1))
    assert [MASK_MIRROR[i] for i in MASK_MIRROR] == list(range(15))
    assert [MASK_MIRROR[i] for i in CHART_TO_MASK] == [CHART_TO_MASK[i] for i in CHART_MIRROR]


def test_the_owners_file_is_read(tmp_path):
    table = make_symmetry()
    found = read_symmetry(write_table(tmp_path / "t.mat", table.tables.astype(np.float64)))
    np.testing.assert_array_equal(found.tables, table.tables)


def test_points_are_mirrored_by_the_table_of_the_chart_before():
    table, draw = make_symmetry(), np.random.default_rng(1)
    points, uv = (draw.random((60, 2), np.float32) for _ in range(2))
    charts = draw.integers(0, 25, 60).astype(np.uint8)
    uv[:2] = (1, 0), (0, 1)
    mirrored = table.mirror_points(points * 256, charts, uv)
    for i, (x, y, chart, u, v) in enumerate(zip(*(points * 256).T, charts, *uv.T, strict=True)):
        assert mirrored[0][i].tolist() == [np.float32(256 - x), y]
        assert mirrored[1][i] == CHART_MIRROR[chart]
        row, column = int(np.float32(255) * v), int(np.float32(255) * u)
        wanted = [u, v] if chart == 0 else table.tables[:, chart - 1, row, column].tolist()
        assert mirrored[2][i].tolist() == wanted


def test_masks_are_mirrored_with_their_parts():
    mask = np.array([[0, 2, 4], [14, 1, 6]], np.uint8)
    assert mirror_mask(mask).tolist() == [[5, 3, 0], [7, 1, 14]]
    np.testing.assert_array_equal(mirror_mask(mirror_mask(mask)), mask)


@pytest.mark.parametrize("num_coarse", [2, 15])
def test_outputs_are_mirrored_like_points(num_coarse):
    table = make_symmetry()
    outputs = {name: maps.float() for name, maps in make_outputs(2, 4, num_coarse).items()}
    mirrored = table.mirror_outputs(outputs)
    mirror = MASK_MIRROR if num_coarse == 15 else (0, 1)
    for part, other in enumerate(mirror):
        assert torch.equal(mirrored["coarse"][:, other], outputs["coarse"][:, part].flip(-1))
    for chart in range(1, NUM_CHARTS + 1):
        other = CHART_MIRROR[chart]
        assert torch.equal(mirrored["fine"][:, other], outputs["fine"][:, chart].flip(-1))
        column, row = ((outputs[name][0, chart, 1, 2].clamp(0, 1) * 255).long() for name in ("u", "v"))
        for name, values in zip(("u", "v"), table.tables, strict=True):
            assert mirrored[name][0, other, 1, 1] == values[chart - 1, row, column]


def test_wrong_files_are_refused_in_one_line(tmp_path):
    tables = make_symmetry().tables
    bad = np.where(tables > 0.99, np.nan, tables)
    files = {
        "no such file": tmp_path / "none.mat",
        "not a MATLAB file": tmp_path / "text.mat",
        "V_transforms is missing": write_table(tmp_path / "a.mat", tables, ("U_transforms", "W")),
        "has 23 cells, not 24": write_table(tmp_path / "b.mat", tables[:, :23]),
        "cell 1: expected 256 x 256 numbers": write_table(tmp_path / "c.mat", tables[:, :, :255]),
        "numbers in 0..1": write_table(tmp_path / "d.mat", bad),
        "cell 2: expected numbers in 0..1": write_table(
            tmp_path / "e.mat", tables + np.eye(1, NUM_CHARTS, 1)[..., None, None]
        ),
    }
    files["not a MATLAB file"].write_text("U_transforms" * 30)
    for message, path in files.items():
        with pytest.raises(DataError, match=message) as caught:
            read_symmetry(path)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_damaged_file_is_refused_before_it_is_parsed(tmp_path):
    path = write_table(tmp_path / "t.mat", make_symmetry().tables)
    whole = path.read_bytes()
    # An unknown type of data, of which scipy's reader ends the process.
    path.write_bytes(whole[:240] + b"\x7f" + whole[241:])
    with pytest.raises(DataError, match=r"t.mat: not a MATLAB file \(-v7\) that can be read"):
        read_symmetry(path)


def test_numbers_that_are_rounded_beyond_the_lattice_are_read_as_they_are(tmp_path):
    tables = make_symmetry().tables.astype(np.float64)
    tables[0, 3, 5, 7] = 1 + 1e-6
    found = read_symmetry(write_table(tmp_path / "t.mat", tables))
    np.testing.assert_array_equal(found.tables, tables.astype(np.float32))


def test_made_charts_keep_their_coordinates_but_the_torso_turns_u_around():
    draw = np.random.default_rng(2)
    charts = np.arange(25, dtype=np.uint8)
    points, uv = draw.uniform(0, 256, (25, 2)).astype(np.float32), draw.random((25, 2), np.float32)
    mirrored, found, coordinates = MadeSymmetry().mirror_points(points, charts, uv)
    assert found.tolist() == list(CHART_MIRROR)
    np.testing.assert_array_equal(mirrored[:, 0], np.float32(256) - points[:, 0])
    expected = uv.copy()
    expected[1:3, 0] = 1 - uv[1:3, 0]
    np.testing.assert_array_equal(coordinates, expected)
    assert coordinates.dtype == np.float32
    again = MadeSymmetry().mirror_points(mirrored, found, coordinates)
    for before, after in zip((points, charts, uv), again, strict=True):
        np.testing.assert_allclose(after, before, atol=1e-4)


def test_outputs_of_made_charts_are_mirrored_as_by_a_table_of_the_same_rule():
    rule = np.arange(256, dtype=np.float32) / 255
    tables = np.empty((2, NUM_CHARTS, 256, 256), np.float32)
    tables[0], tables[1] = rule, rule[:, None]
    tables[0, :2] = rule[::-1]
    outputs = {name: maps.float() for name, maps in make_outputs(2, 4, 15).items()}
    by_rule, by_table = (each.mirror_outputs(outputs) for each in (MadeSymmetry(), SymmetryTable(tables)))
    assert by_rule.keys() == by_table.keys()
    for name, maps in by_rule.items():
        # The table is of steps of 1 / 255.
        torch.testing.assert_close(maps, by_table[name], atol=1 / 255, rtol=0)


def test_recipes_name_a_table_the_made_charts_or_nothing(tmp_path):
    table = make_symmetry()
    write_table(tmp_path / "made", table.tables)
    assert choose_symmetry("", tmp_path) is None
    assert isinstance(choose_symmetry("made", tmp_path), MadeSymmetry)
    np.testing.assert_array_equal(choose_symmetry("./made", tmp_path).tables, table.tables)
    with pytest.raises(
        DataError, match=r"none\.mat: no such file; .*say made for people on PoseTrack's own mesh"
    ):
        choose_symmetry("none.mat", tmp_path)
