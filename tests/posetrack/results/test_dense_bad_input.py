"""Files of dense poses whose content is wrong are refused in one line, and the frames before are read."""

import json
from fractions import Fraction

import cv2
import numpy as np
import pytest

from posetrack.errors import ResultsError
from posetrack.frame import Instances
from posetrack.results.dense_file import DenseWriter, write_final_ids
from posetrack.results.dense_poses import read_dense
from posetrack.results.record import Header
from posetrack.skeleton import COCO_17

HEADER = Header("clip.mp4", 64, 48, Fraction(25), COCO_17, "densepose")


@pytest.fixture
def arrays(tmp_path):
    """The arrays of a file of one person in two frames."""
    path = tmp_path / "clip.npz"
    pose = np.full((4, 5, 3), 7, np.uint8)
    people = Instances(boxes_xyxy=[[1, 2, 6.5, 6.25]], box_scores=[0.5], track_ids=[3], dense=(pose,))
    with DenseWriter(path, HEADER) as writer:
        writer.write(0, 0.0, people)
        writer.write(1, 0.04, people)
    write_final_ids(path, [3, 3])
    with np.load(path) as file:
        return {name: file[name].copy() for name in file.files}


def read(arrays, folder):
    np.savez(folder / "changed.npz", **arrays)
    return list(read_dense(folder / "changed.npz"))


def change(arrays, name, value):
    """Change a field of the person in the second frame, or of the frame."""
    frame = arrays["frame_0000000001"]
    target = frame["people"][0] if name in frame["people"].dtype.names else frame
    target[name] = value
    return arrays


def use_png(arrays, image, suffix=b""):
    png = np.frombuffer(cv2.imencode(".png", image)[1].tobytes() + suffix, np.uint8)
    change(arrays, "png_size", len(png))
    return arrays | {"frame_0000000001_png": png}


def test_unchanged_it_is_read(arrays, tmp_path):
    assert [frame.instances.track_ids.tolist() for frame in read(arrays, tmp_path)] == [[3], [3]]


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("frame", 7, "frame 1: frame: expected 1, found 7"),
        ("width", 0, "frame 1: width: expected 1 to .* pixels, found 0"),
        ("height", -5, "frame 1: height: expected"),
        ("time_s", np.nan, "frame 1: time_s: expected seconds"),
        ("track_id", -2, r"frame 1: people\[0\].track_id: expected a whole number from -1, found -2"),
        ("score", np.inf, r"people\[0\].score: expected a finite number"),
        ("box_xywh", [1, 2, np.nan, 4], r"people\[0\].box_xywh: expected x, y, width and height"),
        ("box_xywh", [1, 2, -3, 4], r"people\[0\].box_xywh: expected x, y, width and height"),
        (
            "box_xywh",
            [1, 2, 7, 4],
            r"people\[0\]: x, y, w, h: expected 1, 2, 7, 4, the whole",
        ),
        ("w", 6, r"people\[0\]: x, y, w, h: expected 1, 2, 5, 4"),
        ("png_offset", -1, r"people\[0\]: its PNG is not inside the \d+ bytes of the frame"),
        ("png_size", 10**6, r"people\[0\]: its PNG is not inside"),
        ("png_size", 2**63 - 1, r"people\[0\]: its PNG is not inside"),
        ("png_size", 40, r"people\[0\]: not a PNG, or damaged"),
    ],
)
def test_wrong_numbers(arrays, tmp_path, name, value, message):
    with pytest.raises(ResultsError, match=message) as caught:
        read(change(arrays, name, value), tmp_path)
    assert "\n" not in str(caught.value)
    first = next(iter(read_dense(tmp_path / "changed.npz")))
    assert first.instances.track_ids.tolist() == [3], "the frame before is read"


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.full((4, 5, 3), 25, np.uint8), r"people\[0\]: chart 25, but there are 24"),
        (np.zeros((5, 4, 3), np.uint8), r"the PNG is 5 x 4 \(height x width\), but its pixels 4 x 5"),
        (np.zeros((4, 5), np.uint8), "three channels of 8 bits"),
        (np.zeros((4, 5, 3), np.uint16), "three channels of 8 bits"),
    ],
)
def test_wrong_images(arrays, tmp_path, image, message):
    with pytest.raises(ResultsError, match=rf"frame 1: people\[0\]: .*{message}|{message}"):
        read(use_png(arrays, image), tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"frame_0000000001_png": None}, "frame 1: no frame_0000000001_png.npy"),
        ({"frame_0000000001_png": np.zeros((2, 2))}, "frame_0000000001_png.npy: expected bytes"),
        ({"frame_0000000001": np.zeros(3)}, "frame 1: not the record of a frame"),
        ({"frame_0000000001": np.array("x")}, "frame 1: not the record of a frame"),
        ({"final_ids": np.zeros(3)}, "final_ids.npy: not ids in the order of frames"),
        ({"header": np.zeros(3)}, "header: expected text of JSON"),
        ({"header": np.array("{")}, "header: not JSON"),
        ({"header": np.array("[]")}, "header: expected an object"),
        (
            {"header": np.array('{"schema": "posetrack-dense/2"}')},
            "schema: expected 'posetrack-dense/1', found '",
        ),
        ({"header": None}, "not a file of dense poses"),
    ],
)
def test_wrong_members(arrays, tmp_path, changes, message):
    changed = {name: value for name, value in (arrays | changes).items() if value is not None}
    with pytest.raises(ResultsError, match=message) as caught:
        read(changed, tmp_path)
    assert "\n" not in str(caught.value)


def test_final_ids_of_another_file(arrays, tmp_path):
    with pytest.raises(ResultsError, match=r"frame 1: final_ids\.npy has other rows"):
        read(arrays | {"final_ids": arrays["final_ids"][:1]}, tmp_path)


def test_pickles_are_refused(arrays, tmp_path):
    with pytest.raises(ResultsError, match="header: not an array of numpy"):
        read(arrays | {"header": np.array([json.dumps({}), None], object)}, tmp_path)


def test_damage_in_the_middle_names_the_frame(tmp_path, arrays):
    path = tmp_path / "clip.npz"
    content = bytearray(path.read_bytes())
    content[content.index(b"IDAT", content.index(b"frame_0000000001_png")) + 6] ^= 255
    path.write_bytes(content)
    frames = iter(read_dense(path))
    assert next(frames).index == 0
    with pytest.raises(ResultsError, match=r"clip\.npz: frame_0000000001_png\.npy: damaged"):
        next(frames)
