"""Results in every form, and those that are wrong."""

import base64
import json
import pickle
import re

import cv2
import numpy as np
import pytest
import torch

from posetrack.errors import ResultsError
from posetrack.evaluation.densepose.evaluate import evaluate_densepose
from posetrack.evaluation.densepose.read import read_dense_results
from posetrack.evaluation.densepose.truth import read_surface_truth
from posetrack.results.dense_forms import export_dense

BOX = (10.0, 20.0, 100.7, 150.2)


class Foreign:
    """A class that no file may hold."""


@pytest.fixture
def files(tmp_path, make_one):
    """The annotations, and a result in the competition's form."""
    people, _ = make_one(BOX)
    path = tmp_path / "people.json"
    path.write_text(json.dumps(people))
    return read_surface_truth(path), make_one(BOX)[1][0]


def read(truth, content, folder):
    path = folder / "results.json"
    path.write_text(json.dumps(content))
    return read_dense_results(path, truth)


def test_forms_hold_the_same(files, made, tmp_path):
    truth, entry = files
    surface = made.draw_surface(150, 100)
    plain = {"image_id": 1, "bbox": list(BOX), "score": 0.9, "uv": surface}
    tensors = {**plain, "bbox": torch.tensor(BOX, dtype=torch.float64), "uv": torch.from_numpy(surface)}
    x, y, w, h = BOX
    image = {
        "file_name": "/data/val/1.jpg",
        "scores": torch.tensor([0.9]),
        "pred_boxes_XYXY": torch.tensor([[x, y, x + w, y + h]]),
    }
    exact = torch.from_numpy((surface[1:].astype(np.float32) + 0.5) / 255)
    images = {
        **image,
        "pred_densepose": [{"labels": torch.from_numpy(surface[0].astype(np.int64)), "uv": exact}],
    }
    (tmp_path / "plain.pkl").write_bytes(pickle.dumps([plain]))
    torch.save([plain], tmp_path / "arrays.pth")
    torch.save([tensors], tmp_path / "tensors.pth")
    torch.save([tensors], tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    torch.save([images], tmp_path / "images.pth")
    for name in ("plain.pkl", "arrays.pth", "tensors.pth", "old.pth", "images.pth"):
        (result,) = read_dense_results(tmp_path / name, truth)
        assert (result.image_id, round(result.score, 4)) == (1, 0.9), name
        assert result.box == pytest.approx(BOX, abs=1e-4)
        np.testing.assert_array_equal(result.decode(), surface)
    (result,) = read(truth, [entry], tmp_path)
    np.testing.assert_array_equal(result.decode(), surface)


def test_all_forms_are_evaluated_alike(made, body, tmp_path):
    people, results = made.make_files(3, 4)
    for name, content in (("people", people), ("results", results)):
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    truth = read_surface_truth(tmp_path / "people.json")
    npz = export_dense(tmp_path / "results.json", "npz", tmp_path)
    again = export_dense(npz, "densepose-json", tmp_path)
    expected, *others = (
        evaluate_densepose(truth, read_dense_results(path, truth), body)
        for path in (tmp_path / "results.json", npz, again)
    )
    assert expected.metrics["GPS"]["AP"] > 0
    for other in others:
        assert other.metrics == expected.metrics
        for image, similarities in expected.images.items():
            np.testing.assert_array_equal(other.images[image].gps, similarities.gps)


def test_the_file_of_a_run_is_read_where_it_is_needed(files, tmp_path):
    truth, entry = files
    path = tmp_path / "results.json"
    path.write_text(json.dumps([entry]))
    npz = export_dense(path, "npz", tmp_path)
    (result,) = read_dense_results(npz, truth)
    assert callable(result.content)
    content = bytearray(npz.read_bytes())
    content[content.index(b"IDAT") + 6] ^= 255
    npz.write_bytes(content)
    (result,) = read_dense_results(npz, truth)
    with pytest.raises(ResultsError, match="damaged"):
        result.decode()


def test_results_of_other_categories_are_left_out(files, tmp_path):
    truth, entry = files
    assert len(read(truth, [entry, {**entry, "category_id": 7}], tmp_path)) == 1
    with pytest.raises(ResultsError, match="no result has the category_id of people, 1"):
        read(truth, [{**entry, "category_id": 7}], tmp_path)


def encode(image):
    return base64.b64encode(cv2.imencode(".png", image)[1].tobytes()).decode()


GRAY = encode(np.zeros((150, 100), np.uint8))
DEEP = encode(np.zeros((150, 100, 3), np.uint16))
PART_25 = encode(np.full((150, 100, 3), 25, np.uint8))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"image_id": 8}, "image 8: not in .*people.json"),
        ({"image_id": "x"}, "image_id: expected a whole number"),
        ({"score": float("nan")}, "score: expected"),
        ({"category_id": "person"}, r"results\[0\].category_id: expected a whole number"),
        ({"bbox": [0, 0, 1e9, 1e9]}, "bbox: expected pixels of an image"),
        ({"bbox": [1, 2, -3, 4]}, "bbox: expected"),
        ({"bbox": [1, 2, 3]}, "bbox: expected 4 numbers"),
        ({"bbox": [10.0, 20.0, 101.0, 150.0]}, r"uv_shape: expected \[3, 150, 101\]"),
        ({"uv_shape": [3, 100, 150]}, r"uv_shape: expected \[3, 150, 100\], .*found \[3, 100, 150\]"),
        ({"uv_shape": None}, "uv_shape: expected"),
        ({"uv_data": None}, "uv_data: expected text"),
        ({"uv_data": "%%%"}, "uv_data: not base64"),
        ({"uv_data": "AAAA"}, "uv_data: not a PNG, or damaged"),
        ({"uv_data": GRAY}, "uv_data: expected a PNG of three channels of 8 bits"),
        ({"uv_data": DEEP}, "uv_data: expected a PNG of three channels of 8 bits"),
        ({"uv_data": PART_25}, "uv_data: chart 25, but there are 24"),
        ({"bbox": [0, 0, 50, 150], "uv_shape": [3, 150, 50]}, "the PNG is 150 x 100 .*uv_shape 150 x 50"),
    ],
)
def test_wrong_results_are_refused_in_one_line(files, tmp_path, changes, message):
    truth, entry = files
    with pytest.raises(ResultsError, match=message) as caught:
        read(truth, [{**entry, **changes}], tmp_path)[0].decode()
    assert "\n" not in str(caught.value)


def test_a_cut_png_is_refused_before_it_is_decoded(files, tmp_path):
    truth, entry = files
    data = base64.b64decode(entry["uv_data"])
    for broken in (data[:-30], data[:60] + b"\0" + data[61:]):
        with pytest.raises(ResultsError, match="not a PNG, or damaged"):
            read(truth, [{**entry, "uv_data": base64.b64encode(broken).decode()}], tmp_path)


@pytest.mark.parametrize("save", [pickle.dumps, None])
def test_classes_are_refused_by_name(files, tmp_path, save):
    truth, _ = files
    path = tmp_path / "results.pkl"
    if save is None:
        torch.save([{"pred_densepose": [Foreign()]}], path)
    else:
        path.write_bytes(save([{"pred_densepose": [Foreign()]}]))
    with pytest.raises(ResultsError, match=r"holds .*Foreign, which is not allowed; save dicts") as caught:
        read_dense_results(path, truth)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"image_id": 1, "bbox": list(BOX), "score": 0.5}, "uv: expected an array, found NoneType"),
        (
            {"image_id": 1, "bbox": list(BOX), "score": 0.5, "uv": np.zeros((3, 150, 100))},
            "uv: expected .* bytes",
        ),
        (
            {"image_id": 1, "bbox": list(BOX), "score": 0.5, "uv": np.zeros((3, 9, 9), np.uint8)},
            r"uv: expected \[3, 150, 100\]",
        ),
        (
            {
                "file_name": "x.jpg",
                "scores": np.ones(1),
                "pred_boxes_XYXY": np.ones((1, 4)),
                "pred_densepose": [{}],
            },
            "file_name: 0 images of .* are named 'x.jpg'",
        ),
        (
            {"image_id": 1, "scores": np.ones(2), "pred_boxes_XYXY": np.ones((1, 4)), "pred_densepose": [{}]},
            "scores: expected",
        ),
    ],
)
def test_wrong_raw_results_are_refused(files, tmp_path, entry, message):
    path = tmp_path / "results.pkl"
    path.write_bytes(pickle.dumps([entry]))
    with pytest.raises(ResultsError, match=message):
        read_dense_results(path, files[0])


@pytest.mark.parametrize(
    ("labels", "uv", "message"),
    [
        (torch.full((150, 100), 30), torch.zeros(2, 150, 100), "labels: chart 30, but there are 24"),
        (torch.full((150, 100), -3), torch.zeros(2, 150, 100), "labels: chart -3, but there are 24"),
        (torch.full((150, 100), 256), torch.zeros(2, 150, 100), "labels: chart 256, but there are 24"),
        (torch.zeros(150, 100).long(), torch.zeros(2, 150, 100).bfloat16(), "uv: a tensor of torch.bfloat16"),
        (torch.zeros(150, 100).long(), torch.full((2, 150, 100), torch.nan), "uv: NaN or infinity"),
        (torch.zeros(150, 100), torch.zeros(2, 150, 100), "expected labels"),
    ],
)
def test_wrong_tensors_are_refused(files, tmp_path, labels, uv, message):
    path, (x, y, w, h) = tmp_path / "results.pth", BOX
    poses = [{"labels": labels, "uv": uv}]
    corners = torch.tensor([[x, y, x + w, y + h]])
    torch.save([{"image_id": 1, "scores": [0.5], "pred_boxes_XYXY": corners, "pred_densepose": poses}], path)
    with pytest.raises(ResultsError, match=message) as caught:
        read_dense_results(path, files[0])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("protocol", range(6))
def test_pickles_of_every_protocol(files, made, tmp_path, protocol):
    path = tmp_path / "results.pkl"
    surface = made.draw_surface(150, 100)
    entry = {"image_id": 1, "bbox": list(BOX), "score": 0.5, "uv": surface}
    path.write_bytes(pickle.dumps([entry], protocol=protocol))
    (result,) = read_dense_results(path, files[0])
    np.testing.assert_array_equal(result.decode(), surface)


def test_a_storage_that_is_missing_in_an_old_file(files, tmp_path):
    path = tmp_path / "results.pth"
    torch.save([{"x": torch.zeros(9)}], path, _use_new_zipfile_serialization=False)
    whole = path.read_bytes()
    key = re.search(rb"[0-9]{8,}", whole)[0]
    start = whole.rindex(key)
    path.write_bytes(whole[:start] + b"1" * len(key) + whole[start + len(key) :])
    with pytest.raises(ResultsError, match=r"not a file of torch\.save, or damaged"):
        read_dense_results(path, files[0])


def test_damaged_files(files, tmp_path):
    truth, _ = files
    path = tmp_path / "results.pth"
    torch.save([{"x": torch.zeros(999)}], path)
    # A name in the directory at the end that is no UTF-8.
    path.write_bytes(path.read_bytes()[::-1].replace(b"lkp.atad", b"\xbckp.atad", 1)[::-1])
    with pytest.raises(ResultsError, match=r"not a file of torch\.save, or damaged"):
        read_dense_results(path, truth)
    torch.save([{"x": torch.zeros(999)}], path)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(ResultsError, match=r"not a file of torch\.save, or damaged"):
        read_dense_results(path, truth)
    with pytest.raises(ResultsError, match=r"no\.json: cannot be read"):
        read_dense_results(tmp_path / "no.json", truth)
