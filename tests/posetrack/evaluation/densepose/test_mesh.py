"""Closest vertices, and mesh files that are wrong."""

import pickle

import numpy as np
import pytest
from scipy.io import savemat

from posetrack.errors import ResultsError
from posetrack.evaluation.densepose.mesh import BodyMesh, read_mesh


def test_the_first_of_equally_close_vertices_is_taken():
    charts = np.repeat(np.arange(1, 25), 3)
    uv = np.tile([[0.75, 0.5], [0.25, 0.5], [0.75, 0.5]], (24, 1))
    body = BodyMesh(charts, uv, np.arange(72), np.zeros(72 * 71 // 2), "made")
    asked = np.array([[0.5, 0.5], [0.4, 0.5], [0.8, 0.5]])
    assert body.find_vertices(np.full(3, 2), asked).tolist() == [3, 4, 3]


def test_closest_vertices_equal_a_search_of_all(arrays, body):
    rng = np.random.default_rng(3)
    charts = rng.integers(1, 25, 400)
    # Between the vertices of a lattice there are many equals.
    uv = np.concatenate([rng.random((200, 2)), rng.integers(0, 7, (200, 2)) / 6])
    found = body.find_vertices(charts, uv)
    for chart, point, vertex in zip(charts, uv, found, strict=True):
        rows = np.flatnonzero(arrays["part"] == chart)
        offsets = np.stack([arrays["u"][rows], arrays["v"][rows]], 1) - point
        assert arrays["index"][rows[np.sqrt((offsets**2).sum(1)).argmin()]] - 1 == vertex


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_distances_of_pairs_from_files(made, arrays, body, tmp_path, protocol):
    made.write_mesh(arrays, tmp_path, protocol)
    read = read_mesh(tmp_path)
    first, second = np.array([0, 1, 5, 7]), np.array([0, 0, 2, 250])
    expected = [0.0] + [float(arrays["distances"][k]) for k in (0, 5 * 4 // 2 + 2, 250 * 249 // 2 + 7)]
    assert read.measure(first, second).tolist() == expected == body.measure(second, first).tolist()


def break_mesh(folder, arrays, what):
    charts = {"U_subdiv": arrays["u"], "V_subdiv": arrays["v"], "Part_ID_subdiv": arrays["part"].astype(int)}
    if what == "lengths":
        charts["U_subdiv"] = arrays["u"][1:]
    elif what == "chart":
        charts["Part_ID_subdiv"] = np.where(arrays["part"] == 24, 25, arrays["part"])
    elif what == "lack":
        charts["Part_ID_subdiv"] = np.where(arrays["part"] == 24, 23, arrays["part"])
    elif what == "nan":
        charts["V_subdiv"] = np.where(arrays["v"] == 0, np.nan, arrays["v"])
    savemat(folder / "SMPL_subdiv.mat", {name: value[:, None] for name, value in charts.items()})
    if what == "name":
        savemat(folder / "SMPL_subdiv.mat", {"U_subdiv": arrays["u"]})
    index = {"size": arrays["index"][1:], "index": arrays["index"] + 1, "zero": arrays["index"] - 1}
    savemat(folder / "SMPL_SUBDIV_TRANSFORM.mat", {"index": index.get(what, arrays["index"])[:, None]})
    path = folder / "Pdist_matrix.pkl"
    contents = {
        "pairs": {"Pdist_matrix": arrays["distances"][1:, None]},
        "key": {"distances": arrays["distances"]},
        "text": {"Pdist_matrix": "far"},
        "matrix": {"Pdist_matrix": np.zeros((3, 2))},
    }
    path.write_bytes(pickle.dumps(contents.get(what, {"Pdist_matrix": arrays["distances"]})))
    if what == "class":
        path.write_bytes(pickle.dumps({"Pdist_matrix": np.random.RandomState}))
    elif what == "cut":
        path.write_bytes(path.read_bytes()[:1000])
    elif what == "hdf5":
        path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    elif what == "old":
        path.rename(folder / "Pdist_matrix.mat")
    elif what == "missing":
        path.unlink()


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("lengths", "SMPL_subdiv.mat: U_subdiv has 383 vertices, V_subdiv 384"),
        ("chart", "SMPL_subdiv.mat: Part_ID_subdiv: expected charts 1 to 24"),
        ("lack", "SMPL_subdiv.mat: Part_ID_subdiv: no vertex of chart 24"),
        ("nan", "SMPL_subdiv.mat: V_subdiv: NaN or infinity"),
        ("name", "SMPL_subdiv.mat: no column of numbers V_subdiv"),
        ("size", "SMPL_SUBDIV_TRANSFORM.mat: index has 383 vertices, but SMPL_subdiv.mat 384"),
        ("index", "SMPL_SUBDIV_TRANSFORM.mat: index: expected vertices 1 to 292"),
        ("zero", "SMPL_SUBDIV_TRANSFORM.mat: index: expected vertices 1 to 292"),
        ("pairs", "Pdist_matrix.pkl: 42485 distances"),
        ("key", "Pdist_matrix.pkl: no column of distances Pdist_matrix"),
        ("text", "Pdist_matrix.pkl: no column of distances Pdist_matrix"),
        ("matrix", "Pdist_matrix.pkl: no column of distances Pdist_matrix"),
        ("class", "Pdist_matrix.pkl: holds numpy.random.mtrand.RandomState, which is not allowed"),
        ("cut", "Pdist_matrix.pkl: (not a pickle, or )?damaged"),
        ("hdf5", "Pdist_matrix.pkl: HDF5, which is not read"),
        ("old", "Pdist_matrix.mat: the old form"),
        ("missing", "Pdist_matrix.pkl: no such file"),
    ],
)
def test_wrong_mesh_files_are_refused_in_one_line(arrays, tmp_path, what, message):
    break_mesh(tmp_path, arrays, what)
    with pytest.raises(ResultsError, match=message) as caught:
        read_mesh(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_folder_that_is_missing(tmp_path):
    with pytest.raises(ResultsError, match="no such folder; give that of the mesh files with --mesh"):
        read_mesh(tmp_path / "none")


def test_distances_that_are_none_are_refused_where_they_are_used(arrays):
    distances = np.full(len(arrays["distances"]), np.nan)
    charts, uv = arrays["part"].astype(np.int64), np.stack([arrays["u"], arrays["v"]], axis=1)
    body = BodyMesh(charts, uv, arrays["index"].astype(np.int64) - 1, distances, "folder")
    with pytest.raises(ResultsError, match=r"Pdist_matrix\.pkl: NaN or negative distances"):
        body.measure(np.array([0]), np.array([1]))


def test_a_mesh_of_fewer_vertices_than_there_are_distances_is_suspicious(made, arrays, tmp_path, caplog):
    more = made.make_mesh(np.random.default_rng(0), 5)
    made.write_mesh({**arrays, "distances": more["distances"]}, tmp_path)
    read_mesh(tmp_path)
    assert "are the files of one mesh?" in caplog.text
    caplog.clear()
    made.write_mesh(arrays, tmp_path)
    read_mesh(tmp_path)
    assert not caplog.text
