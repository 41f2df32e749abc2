"""Poses of other programs as our own: written by hand as their documentation says, and read back."""

import json
from fractions import Fraction

import cv2
import numpy as np
import pytest

from posetrack import read_poses
from posetrack.errors import ResultsError
from posetrack.foreign.base import ForeignOptions
from posetrack.foreign.kinds import is_foreign
from posetrack.foreign.save import import_poses
from posetrack.frame import Instances
from posetrack.results.conversions import OPENPOSE_18_NAMES
from posetrack.results.convert import convert
from posetrack.results.jsonl import JsonlWriter
from posetrack.results.record import Header
from posetrack.skeleton import BODY_25, COCO_17, CROWDPOSE_14, HALPE_26, POSETRACK_15, Skeleton

SIZE_WH = (640, 480)
SIZED = ForeignOptions(size_wh=SIZE_WH)


def make_points(count, x=100.0, score=0.75):
    """(K, 3): a column of points, as indices of pixels, and scores."""
    k = np.arange(count)
    return np.stack([x + k, 50.0 + 3 * k, np.full(count, score)], axis=1)


def move(points, x):
    return points + np.array([x, 0, 0])


def take(tmp_path, path, options=SIZED):
    poses = read_poses(import_poses(path, tmp_path / "out" / "poses.jsonl", options))
    return poses, list(poses)


def write_openpose(folder, people_of_frame, name="clip_{:012d}", start=0):
    folder.mkdir(exist_ok=True)
    for i, people in enumerate(people_of_frame, start):
        entries = [
            {"person_id": [track_id], "pose_keypoints_2d": points.ravel().tolist(), "face_keypoints_2d": []}
            for track_id, points in people
        ]
        path = folder / f"{name.format(i)}_keypoints.json"
        path.write_text(json.dumps({"version": 1.3, "people": entries}))
    return folder


@pytest.fixture(autouse=True)
def out_folder(tmp_path):
    (tmp_path / "out").mkdir()


def test_openpose_body25(tmp_path):
    points = make_points(25)
    points[3] = 0
    folder = write_openpose(tmp_path / "json", [[(-1, points)], [], [(7, move(points, 5))]])
    assert is_foreign(folder)
    poses, frames = take(tmp_path, folder)
    assert poses.header.skeleton is BODY_25
    assert (poses.header.size_wh, poses.header.fps, poses.header.recipe) == (SIZE_WH, 25, "openpose")
    assert [(frame.index, frame.time_s, len(frame.instances)) for frame in frames] == [
        (0, 0.0, 1),
        (1, 0.04, 0),
        (2, 0.08, 1),
    ]
    assert [frame.instances.track_ids.tolist() for frame in frames] == [[-1], [], [7]]
    people = frames[0].instances
    # Indices of pixels become continuous; a missing point has no score.
    np.testing.assert_allclose(people.keypoints_xy[0, 4], points[4, :2] + 0.5)
    assert people.keypoint_scores[0].tolist() == pytest.approx([0.75] * 3 + [0] + [0.75] * 21)
    assert people.boxes_xyxy[0, 0] < 101 < people.boxes_xyxy[0, 2]


def test_openpose_of_coco_and_mpi_models(tmp_path):
    points = make_points(18)
    poses, frames = take(tmp_path, write_openpose(tmp_path / "coco", [[(-1, points)]]))
    assert poses.header.skeleton is COCO_17
    wrist = OPENPOSE_18_NAMES.index("left_wrist")
    read = frames[0].instances.keypoints_xy[0, COCO_17.names.index("left_wrist")]
    np.testing.assert_allclose(read, points[wrist, :2] + 0.5)
    poses, frames = take(tmp_path, write_openpose(tmp_path / "mpi", [[(-1, make_points(15))]]))
    assert poses.header.skeleton is CROWDPOSE_14
    np.testing.assert_allclose(frames[0].instances.keypoints_xy[0, -2], [100.5, 50.5])  # The top of the head.


def test_what_we_write_as_openpose_comes_back(tmp_path):
    rng = np.random.default_rng(0)
    header = Header("clip.mp4", *SIZE_WH, Fraction(25), COCO_17, "fast")
    people = Instances(
        keypoints_xy=rng.uniform(10, 400, (2, 17, 2)).round(2),
        keypoint_scores=rng.uniform(0.1, 1, (2, 17)).round(4),
        track_ids=[4, 9],
    )
    with JsonlWriter(tmp_path / "poses.jsonl", header) as writer:
        writer.write(0, 0.0, people)
    folder = convert(tmp_path / "poses.jsonl", "openpose", tmp_path)
    _, (frame,) = take(tmp_path, folder)
    np.testing.assert_allclose(frame.instances.keypoints_xy, people.keypoints_xy, atol=0.006)
    np.testing.assert_allclose(frame.instances.keypoint_scores, people.keypoint_scores, atol=1e-4)
    assert frame.instances.track_ids.tolist() == [4, 9]


@pytest.mark.parametrize(
    ("people", "message"),
    [
        ([(-1, make_points(19))], "pose_keypoints_2d of 19 keypoints; expected 25, 18 or 15"),
        ([(-1, make_points(25)[:, :2])], "pose_keypoints_2d of 16 keypoints"),
        ([(-1, make_points(25) / 1000)], "coordinates from -1 to 1"),
        ([(-1, make_points(25)), (-1, make_points(18))], r"people\[1\].pose_keypoints_2d: expected 75 numbers"),
        ([("x", make_points(25))], "person_id: expected a whole number, found 'x'"),
    ],
)
def test_openpose_that_is_none(tmp_path, people, message):
    with pytest.raises(ResultsError, match=message):
        take(tmp_path, write_openpose(tmp_path / "json", [people]))
    assert list((tmp_path / "out").iterdir()) == []


def save_json(tmp_path, content, name="found.json"):
    path = tmp_path / name
    path.write_text(json.dumps(content))
    assert is_foreign(path)
    return path


def make_alphapose(image, points, track_id=None, score=2.9):
    entry = {"image_id": image, "category_id": 1, "keypoints": points.ravel().tolist(), "score": score}
    return entry | {"box": [90, 40, 60, 150]} | ({} if track_id is None else {"idx": track_id})


def test_alphapose(tmp_path):
    points = make_points(26)
    content = [
        make_alphapose("2.jpg", points, 3),
        make_alphapose("0.jpg", points, 3),
        make_alphapose("0.jpg", move(points, 200), [5.0]),
    ]
    poses, frames = take(tmp_path, save_json(tmp_path, content))
    assert poses.header.skeleton is HALPE_26
    assert poses.header.recipe == "alphapose"
    assert [frame.instances.track_ids.tolist() for frame in frames] == [[3, 5], [], [3]]
    np.testing.assert_allclose(frames[0].instances.boxes_xyxy[0], [90, 40, 150, 190])
    # Its scores are sums: the mean of the keypoints' stands in.
    np.testing.assert_allclose(frames[0].instances.person_scores, 0.75)


def test_alphapose_without_tracks_and_with_hands_and_faces(tmp_path):
    points = make_points(136)
    content = [make_alphapose(f"{i}.jpg", move(points, j), [0.0]) for i in range(2) for j in range(2)]
    poses, frames = take(tmp_path, save_json(tmp_path, content))
    assert poses.header.skeleton is HALPE_26
    assert frames[0].instances.keypoints_xy.shape == (2, 26, 2)
    assert frames[0].instances.track_ids.tolist() == [-1, -1]


def test_coco_results(tmp_path):
    flat = make_points(17, score=2).ravel().tolist()
    content = [
        {"image_id": 3, "category_id": 1, "keypoints": flat, "score": 0.5, "bbox": [90, 40, 40, 80]},
        {"image_id": 1, "category_id": 1, "keypoints": flat, "score": 0.25},
        {"image_id": 1, "category_id": 17, "bbox": [0, 0, 5, 5], "score": 0.9},
    ]
    poses, frames = take(tmp_path, save_json(tmp_path, content))
    assert poses.header.skeleton is COCO_17
    assert [(frame.index, len(frame.instances)) for frame in frames] == [(1, 1), (2, 0), (3, 1)]
    # v is no score, and a person's score stays what it was.
    assert frames[0].instances.keypoint_scores.tolist() == [[1.0] * 17]
    np.testing.assert_allclose(
        [frames[0].instances.person_scores[0], frames[2].instances.person_scores[0]], [0.25, 0.5]
    )
    _, frames = take(
        tmp_path, save_json(tmp_path, content), ForeignOptions(size_wh=SIZE_WH, first_frame=1, fps=Fraction(10))
    )
    assert [(frame.index, frame.time_s) for frame in frames] == [(0, 0.0), (1, 0.1), (2, 0.2)]


def test_boxes_of_coco_results(tmp_path):
    content = [{"image_id": 0, "category_id": 1, "bbox": [9, 4, 40, 80], "score": 0.5}]
    poses, (frame,) = take(tmp_path, save_json(tmp_path, content))
    assert not poses.has_keypoints
    assert frame.instances.boxes_xyxy.tolist() == [[9, 4, 49, 84]]


def test_images_of_no_video_are_not_filled_up(tmp_path, caplog):
    flat = make_points(17).ravel().tolist()
    content = [{"image_id": i, "category_id": 1, "keypoints": flat, "score": 0.5} for i in (7, 581_929)]
    _, frames = take(tmp_path, save_json(tmp_path, content))
    assert [frame.index for frame in frames] == [7, 581_929]
    assert "581921 frames are missing; they are left out, as of single images" in caplog.text


def make_coco_file(names, **annotation):
    count = len(names)
    return {
        "images": [
            {"id": 10 + i, "file_name": f"street/{i:06d}.jpg", "width": 320, "height": 240} for i in range(2)
        ],
        "annotations": [
            {
                "id": 1,
                "image_id": 11,
                "category_id": 1,
                "bbox": [90, 40, 40, 80],
                "track_id": 6,
                "keypoints": make_points(count, score=2).ravel().tolist(),
                **annotation,
            }
        ],
        "categories": [{"id": 1, "name": "person", "keypoints": list(names)}],
    }


def test_a_coco_file(tmp_path):
    names = COCO_17.names[::-1]
    poses, frames = take(tmp_path, save_json(tmp_path, make_coco_file(names)), ForeignOptions())
    assert poses.header.size_wh == (320, 240)
    assert [len(frame.instances) for frame in frames] == [0, 1]
    people = frames[1].instances
    assert people.track_ids.tolist() == [6]
    np.testing.assert_allclose(people.keypoints_xy[0, 0], [116.5, 98.5])  # The nose is the file's last one.


def test_several_sequences(tmp_path):
    content = make_coco_file(COCO_17.names)
    content["images"][0]["file_name"] = "other/000000.jpg"
    path = save_json(tmp_path, content)
    with pytest.raises(ResultsError, match=r"holds 2 sequences; choose one with --sequence: other, street"):
        take(tmp_path, path)
    _, frames = take(tmp_path, path, ForeignOptions(sequence="street"))
    assert [(frame.index, len(frame.instances)) for frame in frames] == [(1, 1)]


def test_our_coco_export_comes_back(tmp_path):
    header = Header("clip.mp4", *SIZE_WH, Fraction(25), HALPE_26, "fast")
    rng = np.random.default_rng(1)
    people = Instances(
        boxes_xyxy=[[90, 40, 150, 190]],
        box_scores=[0.6],
        keypoints_xy=rng.uniform(90, 150, (1, 26, 2)).round(2),
        keypoint_scores=rng.uniform(0.3, 1, (1, 26)).round(4),
        track_ids=[2],
    )
    with JsonlWriter(tmp_path / "poses.jsonl", header) as writer:
        writer.write(4, 0.16, people)
    poses, (frame,) = take(tmp_path, convert(tmp_path / "poses.jsonl", "coco", tmp_path), ForeignOptions())
    assert poses.header.skeleton is HALPE_26
    assert frame.index == 4
    np.testing.assert_allclose(frame.instances.keypoints_xy, people.keypoints_xy, atol=0.006)
    np.testing.assert_allclose(frame.instances.keypoint_scores, people.keypoint_scores, atol=1e-4)
    np.testing.assert_allclose(frame.instances.box_scores, people.box_scores, atol=1e-3)


@pytest.mark.parametrize("form", ["posetrack17", "posetrack18"])
def test_posetrack_files(tmp_path, form):
    header = Header("clip.mp4", *SIZE_WH, Fraction(25), POSETRACK_15, "fast")
    points = make_points(15)
    people = Instances(
        boxes_xyxy=[[90, 40, 150, 190]],
        box_scores=[0.6],
        keypoints_xy=points[None, :, :2],
        keypoint_scores=points[None, :, 2],
        track_ids=[2],
    )
    with JsonlWriter(tmp_path / "poses.jsonl", header) as writer:
        writer.write(0, 0.0, people)
        writer.write(1, 0.04, Instances.empty(15))
    path = convert(tmp_path / "poses.jsonl", form, tmp_path)
    assert is_foreign(path)
    poses, frames = take(tmp_path, path)
    assert (poses.header.skeleton, poses.header.recipe) == (POSETRACK_15, form)
    assert [len(frame.instances) for frame in frames] == [1, 0]
    read = frames[0].instances
    np.testing.assert_allclose(read.keypoints_xy, people.keypoints_xy, atol=0.006)
    np.testing.assert_allclose(read.keypoint_scores, people.keypoint_scores, atol=1e-4)
    np.testing.assert_allclose(read.person_scores, people.person_scores, atol=1e-3)
    assert read.track_ids.tolist() == [2]


def test_boxes_of_motchallenge(tmp_path):
    folder = tmp_path / "MOT17-02" / "det"
    folder.mkdir(parents=True)
    (folder / "det.txt").write_text("1,-1,10,20,30,40,0.5,-1,-1,-1\n3,-1,12,20,30,40,-1,-1,-1,-1\n")
    (folder.parent / "seqinfo.ini").write_text("[Sequence]\nframeRate=30\nimWidth=320\nimHeight=240\n")
    poses, frames = take(tmp_path, folder / "det.txt", ForeignOptions())
    assert (poses.header.size_wh, poses.header.fps) == ((320, 240), 30)
    assert not poses.has_keypoints
    assert [(frame.index, len(frame.instances)) for frame in frames] == [(0, 1), (1, 0), (2, 1)]
    assert frames[0].instances.boxes_xyxy.tolist() == [[10, 20, 40, 60]]
    assert [frames[i].instances.box_scores[0] for i in (0, 2)] == [0.5, 1.0]
    (folder / "gt.txt").write_text("1,4,10,20,30,40,1,1,0.5\n1,5,10,20,30,40,1,8,0.5\n1,6,1,2,3,4,0,1,1\n")
    _, (frame,) = take(tmp_path, folder / "gt.txt", ForeignOptions())
    assert frame.instances.track_ids.tolist() == [4]
    (folder.parent / "seqinfo.ini").write_text("[Sequence]\nframeRate=x\nimWidth=320\nimHeight=240\n")
    with pytest.raises(ResultsError, match=r"not a seqinfo\.ini"):
        take(tmp_path, folder / "gt.txt", ForeignOptions())


@pytest.fixture
def images(tmp_path):
    """Four images whose names count from 5."""
    folder = tmp_path / "images"
    folder.mkdir()
    for i in range(5, 9):
        cv2.imwrite(str(folder / f"shot_{i}.png"), np.zeros((48, 64, 3), np.uint8))
    return folder


def test_a_folder_of_images_is_matched_by_name(tmp_path, images):
    content = [make_alphapose(f"shot_{i}.png", make_points(17)) for i in (6, 8)]
    options = ForeignOptions(video=str(images), fps=Fraction(10))
    poses, frames = take(tmp_path, save_json(tmp_path, content), options)
    assert (poses.header.source, poses.header.size_wh) == (str(images), (64, 48))
    assert [(frame.index, frame.time_s, len(frame.instances)) for frame in frames] == [
        (0, 0.0, 0),
        (1, 0.1, 1),
        (2, 0.2, 0),
        (3, 0.3, 1),
    ]


def test_poses_of_another_video(tmp_path, images):
    options = ForeignOptions(video=str(images))
    path = save_json(tmp_path, [make_alphapose("4.jpg", make_points(17))])
    with pytest.raises(ResultsError, match=r"has frame 4, but .*images ends at 3; .* --first-frame"):
        take(tmp_path, path, options)
    with pytest.raises(ResultsError, match=r"frame 0: 320 x 240, but in .*images 64 x 48"):
        take(tmp_path, save_json(tmp_path, make_coco_file(COCO_17.names), "gt.json"), options)
    with pytest.raises(ResultsError, match=r"frame -1 comes before the first one"):
        take(tmp_path, path, ForeignOptions(size_wh=SIZE_WH, first_frame=5))
    twice = [make_alphapose("a1.jpg", make_points(17)), make_alphapose("b1.jpg", make_points(17))]
    with pytest.raises(ResultsError, match=r"frame 1 stands twice \(b1.jpg\)"):
        take(tmp_path, save_json(tmp_path, twice))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "no people in the list"),
        ([3], r"\[0\]: expected an object"),
        ([{"image_id": 0}], r"\[0\]: neither keypoints nor a box"),
        ([{"image_id": 0, "keypoints": [1, 2]}], r"\[0\].keypoints: expected x, y and v"),
        ([{"image_id": 0, "keypoints": [1, 2, "x"]}], r"\[0\].keypoints\[2\]: expected a finite number"),
        ([{"image_id": None, "keypoints": [1, 2, 1]}], r"\[0\].image_id: expected a whole number"),
        ([{"image_id": 0, "keypoints": [1, 2, 1] * 19}], "no skeleton has 19 keypoints; .* --skeleton"),
        ({"people": []}, "one frame of OpenPose; give the folder"),
        ({"a": 1}, "not poses that PoseTrack reads; expected a folder of OpenPose's"),
        (4, "not poses that PoseTrack reads"),
    ],
)
def test_files_of_something_else(tmp_path, content, message):
    with pytest.raises(ResultsError, match=message) as error:
        take(tmp_path, save_json(tmp_path, content))
    assert "\n" not in str(error.value)
    assert list((tmp_path / "out").iterdir()) == []


def test_the_size_must_be_known(tmp_path):
    folder = write_openpose(tmp_path / "json", [[(-1, make_points(25))]])
    with pytest.raises(ResultsError, match=r"json: does not say the size of its images; .*--video, .*--size"):
        take(tmp_path, folder, ForeignOptions())


def test_keypoints_of_one_s_own(tmp_path):
    names = ("tip", "palm", "wrist")
    own = Skeleton("hand3", names, (("palm", "tip"),), (), (0.05, 0.06, 0.07))
    flat = make_points(3).ravel().tolist()
    path = save_json(tmp_path, [{"image_id": 0, "category_id": 1, "keypoints": flat, "score": 0.5}])
    with pytest.raises(ResultsError, match="no skeleton has 3 keypoints"):
        take(tmp_path, path)
    poses, _ = take(tmp_path, path, ForeignOptions(size_wh=SIZE_WH, skeleton=own))
    assert poses.header.skeleton == own
    poses, _ = take(
        tmp_path,
        write_openpose(tmp_path / "json", [[(-1, make_points(3))]]),
        ForeignOptions(size_wh=SIZE_WH, skeleton=own),
    )
    assert poses.header.skeleton == own
    content = make_coco_file(names[::-1])
    path = save_json(tmp_path, content, "gt.json")
    with pytest.raises(ResultsError, match=r"categories\[0\]\.sigmas: none is known for palm; .* --skeleton"):
        take(tmp_path, path)
    poses, frames = take(tmp_path, path, ForeignOptions(skeleton=own))
    assert poses.header.skeleton == own
    np.testing.assert_allclose(frames[1].instances.keypoints_xy[0, 0], [102.5, 56.5])
    content["categories"][0] |= {"sigmas": [0.07, 0.06, 0.05], "skeleton": [[2, 3]]}
    poses, _ = take(tmp_path, save_json(tmp_path, content, "gt.json"), ForeignOptions())
    assert poses.header.skeleton == Skeleton(
        "keypoints3", names[::-1], (("palm", "tip"),), (), (0.07, 0.06, 0.05)
    )
