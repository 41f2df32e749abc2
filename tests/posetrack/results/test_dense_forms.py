"""Dense poses in every form hold the same."""

import base64
import json
import pickle
from dataclasses import replace
from fractions import Fraction

import cv2
import numpy as np
import pytest
import torch

from models.densepose.pixel_box import find_pixels
from posetrack.errors import ResultsError
from posetrack.frame import NO_DENSE, Instances
from posetrack.results.dense_file import DenseWriter, write_final_ids
from posetrack.results.dense_forms import DENSE_FORMS, export_dense
from posetrack.results.dense_poses import read_dense
from posetrack.results.jsonl import JsonlWriter
from posetrack.results.record import Header
from posetrack.skeleton import COCO_17

HEADER = Header("clip.mp4", 40, 30, Fraction(25), COCO_17, "densepose")
BOXES = np.float32([[2.7, 3.9, 14.1, 20.2], [-4.6, 1.1, 9.3, 12.8], [30, 22, 44.5, 35.9]])


def make_people(rng):
    """The first overlaps the second; the third reaches out of the image."""
    poses = [rng.integers(0, 25, (find_pixels(box).h, find_pixels(box).w, 3), np.uint8) for box in BOXES]
    return Instances(
        boxes_xyxy=BOXES,
        box_scores=np.float32([0.6, 0.87, 1 / 3]),
        track_ids=[5, 3, -1],
        dense=tuple(poses),
    )


@pytest.fixture
def people():
    return make_people(np.random.default_rng(0))


@pytest.fixture
def path(tmp_path, people):
    """Frames 0 and 7 with people, 3 without."""
    path = tmp_path / "clip.npz"
    with DenseWriter(path, HEADER) as writer:
        writer.write(0, 0.0, people)
        writer.write(3, 0.12, Instances.empty())
        writer.write(7, 0.28, people[[2, 0]])
    return path


def list_people(path):
    """All people of a file with what all forms hold."""
    return [
        (frame.index, id_, box.tolist(), score, pose.tolist())
        for frame in read_dense(path)
        for id_, box, score, pose in zip(
            frame.instances.track_ids.tolist(),
            frame.instances.boxes_xyxy,
            frame.instances.box_scores.tolist(),
            frame.instances.dense,
            strict=True,
        )
    ]


def test_forms_are_converted_in_a_circle(path, tmp_path):
    expected = list_people(path)
    assert len(expected) == 5
    written = export_dense(path, "densepose-json", tmp_path / "a")
    assert written == tmp_path / "a" / "clip_densepose.json"
    again = export_dense(written, "npz", tmp_path / "b")
    assert list_people(again) == expected
    assert export_dense(again, "densepose-json", tmp_path / "c").read_bytes() == written.read_bytes()
    copied = export_dense(path, "npz", tmp_path / "d")
    assert copied.read_bytes() == path.read_bytes()


def test_the_json_is_that_of_the_competition(path, tmp_path, people):
    entries = json.loads(export_dense(path, "densepose-json", tmp_path).read_text())
    assert [entry["image_id"] for entry in entries] == [0, 0, 0, 7, 7]
    assert [entry.get("track_id") for entry in entries] == [5, 3, None, None, 5]
    for entry, pose in zip(entries, people.dense, strict=False):
        assert entry["category_id"] == 1
        w, h = entry["bbox"][2:]
        assert entry["uv_shape"] == [3, max(int(h), 1), max(int(w), 1)]
        decoded = cv2.imdecode(np.frombuffer(base64.b64decode(entry["uv_data"]), np.uint8), cv2.IMREAD_COLOR)
        np.testing.assert_array_equal(decoded[:, :, ::-1], pose)
    assert entries[0]["bbox"] == [
        *map(float, BOXES[0, :2]),
        *(BOXES[0, 2:].astype(float) - BOXES[0, :2]).tolist(),
    ]


def test_images_show_the_highest_score_on_top(path, tmp_path, people):
    folder = export_dense(path, "png", tmp_path)
    assert folder == tmp_path / "clip_iuv"
    names = [f"{index:06d}_{kind}.png" for index in (0, 3, 7) for kind in ("INDS", "IUV")]
    assert sorted(file.name for file in folder.iterdir()) == names
    surface = cv2.imread(str(folder / "000000_IUV.png"), cv2.IMREAD_UNCHANGED)[:, :, ::-1]
    numbers = cv2.imread(str(folder / "000000_INDS.png"), cv2.IMREAD_UNCHANGED)
    expected, expected_numbers = np.zeros((30, 40, 3), np.uint8), np.zeros((30, 40), np.uint8)
    for i in (2, 0, 1):
        pixels = find_pixels(BOXES[i])
        for row in range(pixels.h):
            for column in range(pixels.w):
                y, x = row + pixels.y, column + pixels.x
                if 0 <= y < 30 and 0 <= x < 40 and people.dense[i][row, column, 0]:
                    expected[y, x], expected_numbers[y, x] = people.dense[i][row, column], i + 1
    np.testing.assert_array_equal(surface, expected)
    np.testing.assert_array_equal(numbers, expected_numbers)
    assert set(np.unique(numbers)) == {0, 1, 2, 3}
    assert not cv2.imread(str(folder / "000003_IUV.png")).any()
    export_dense(path, "png", tmp_path)
    (folder / "mine.txt").touch()
    with pytest.raises(ResultsError, match=r"holds 'mine\.txt'"):
        export_dense(path, "png", tmp_path)


def test_many_people_are_numbered_in_16_bits(tmp_path):
    count = 300
    boxes = np.float32([[i % 40, i // 40, i % 40 + 1, i // 40 + 1] for i in range(count)])
    crowd = Instances(
        boxes_xyxy=boxes, box_scores=np.ones(count), dense=(np.ones((1, 1, 3), np.uint8),) * count
    )
    with DenseWriter(tmp_path / "crowd.npz", HEADER) as writer:
        writer.write(0, 0.0, crowd)
    folder = export_dense(tmp_path / "crowd.npz", "png", tmp_path)
    numbers = cv2.imread(str(folder / "000000_INDS.png"), cv2.IMREAD_UNCHANGED)
    assert numbers.dtype == np.uint16
    assert numbers.ravel()[:count].tolist() == list(range(1, count + 1))


def test_detectron2s_forms_become_files_of_ours(path, tmp_path, people):
    rows = [0, 1, 2]
    uv = [np.moveaxis(pose, 2, 0) for pose in people.dense]
    boxes = [[*box[:2], *(box[2:] - box[:2])] for box in BOXES.astype(float)]
    plain = [
        {"image_id": 0, "bbox": boxes[i], "score": float(people.box_scores[i]), "uv": uv[i], "track_id": 9}
        for i in rows
    ]
    images = [
        {
            "file_name": "val/000000.jpg",
            "scores": torch.tensor(people.box_scores),
            "pred_boxes_XYXY": torch.tensor(BOXES),
            "pred_densepose": [
                {
                    "labels": torch.from_numpy(each[0].astype(np.int64)),
                    "uv": torch.from_numpy((each[1:] + 0.5) / 255),
                }
                for each in uv
            ],
        }
    ]
    (tmp_path / "plain.pkl").write_bytes(pickle.dumps(plain))
    torch.save(images, tmp_path / "images.pth")
    expected = [(each[0], *each[2:]) for each in list_people(path)[:3]]
    for name, id_ in (("plain.pkl", 9), ("images.pth", -1)):
        found = list_people(export_dense(tmp_path / name, "npz", tmp_path / "out"))
        assert [(each[0], *each[2:]) for each in found] == expected
        assert {each[1] for each in found} == {id_}


def save_images(path, *names):
    entries = [{"scores": np.zeros(0), "pred_boxes_XYXY": np.zeros(0), "pred_densepose": []}] * len(names)
    path.write_bytes(
        pickle.dumps([{**entry, "file_name": name} for entry, name in zip(entries, names, strict=True)])
    )


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["street.jpg"], r"results\[0\]\.file_name: street\.jpg is not a number; give image_id"),
        (["a/000001.jpg", "b/000001.jpg"], r"b/000001\.jpg and a/000001\.jpg are both number 1; give image_id"),
    ],
)
def test_images_need_numbers(tmp_path, names, message):
    save_images(tmp_path / "raw.pkl", *names)
    with pytest.raises(ResultsError, match=message):
        export_dense(tmp_path / "raw.pkl", "npz", tmp_path)
    assert not (tmp_path / "raw.npz").exists()


def test_saved_poses_bring_their_own_ids_and_people(path, tmp_path, people):
    write_final_ids(path, [1, 1, 1, 1, 1])
    joined = people.with_columns(track_ids=[50, 30, 10], dense_rows=[0, -1, 2], dense=None)
    poses = tmp_path / "poses.jsonl"
    with JsonlWriter(poses, replace(HEADER, dense=path)) as writer:
        writer.write(0, 0.0, joined[[2, 1, 0]])
        writer.write(3, 0.12, Instances.empty())
    written = export_dense(poses, "npz", tmp_path / "out")
    assert written.name == "clip.npz"
    found = list_people(written)
    assert [each[:2] for each in found] == [(0, 10), (0, 50)]
    np.testing.assert_array_equal([each[2] for each in found], BOXES[[2, 0]], "not rounded")
    assert [frame.index for frame in read_dense(written)] == [0, 3]
    with pytest.raises(ResultsError, match="is the input itself"):
        export_dense(poses, "npz", tmp_path)


def test_final_ids_go_along(path, tmp_path):
    write_final_ids(path, [8, -1, -1, 9, 9])
    entries = json.loads(export_dense(path, "densepose-json", tmp_path).read_text())
    assert [entry.get("track_id") for entry in entries] == [8, None, 9, 9]


def test_nothing_is_left_behind_when_it_fails(path, tmp_path, people):
    content = bytearray(path.read_bytes())
    content[content.index(b"IDAT", content.index(b"frame_0000000007_png")) + 6] ^= 255
    path.write_bytes(content)
    for form, target in DENSE_FORMS.items():
        out = tmp_path / "out"
        with pytest.raises(ResultsError, match=r"frame_0000000007_png\.npy: damaged"):
            export_dense(path, form, out)
        assert not list(out.glob("*")), target
        assert not list(out.glob(".*")), target


def test_what_cannot_be_converted(path, tmp_path):
    for name, content, message in (
        ("data.json", '{"images": []}', "expected a list"),
        ("minus.json", None, "image_id: expected a whole number from 0"),
        ("id.json", None, "track_id: expected a whole number from -1"),
    ):
        if content is None:
            entries = json.loads(export_dense(path, "densepose-json", tmp_path).read_text())
            entries[0] |= {"image_id": -3} if name == "minus.json" else {"track_id": -2}
            content = json.dumps(entries)
        (tmp_path / name).write_text(content)
        with pytest.raises(ResultsError, match=message):
            export_dense(tmp_path / name, "npz", tmp_path / "out")
    with pytest.raises(ResultsError, match="unknown form 'pngs' of dense poses; did you mean 'png'"):
        export_dense(path, "pngs", tmp_path)
    with pytest.raises(ResultsError, match="is the input itself"):
        export_dense(path, "npz", tmp_path)
    huge = Instances(boxes_xyxy=[[0, 0, 1, 1]], box_scores=[1], dense=(np.ones((1, 1, 3), np.uint8),))
    with DenseWriter(tmp_path / "huge.npz", replace(HEADER, width=2**30, height=2**30)) as writer:
        writer.write(0, 0.0, huge)
    with pytest.raises(ResultsError, match="frame 0: 1073741824x1073741824 is more than"):
        export_dense(tmp_path / "huge.npz", "png", tmp_path)


def test_people_without_dense_poses_are_left_out(tmp_path):
    nobody = Instances(boxes_xyxy=BOXES, box_scores=[1, 1, 1], dense=(NO_DENSE,) * 3)
    with DenseWriter(tmp_path / "clip.npz", HEADER) as writer:
        writer.write(0, 0.0, nobody)
    assert json.loads(export_dense(tmp_path / "clip.npz", "densepose-json", tmp_path).read_text()) == []
    empty = export_dense(tmp_path / "clip_densepose.json", "npz", tmp_path / "b")
    assert list(read_dense(empty)) == []
