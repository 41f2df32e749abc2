"""Every kind of fault that a data set can have is found, and a good one has none."""

import json
import shutil

import cv2
import numpy as np
import pytest
from PIL import Image

from posetrack.data_sets.check import check_data_sets
from posetrack.errors import ResultsError
from posetrack.skeleton import COCO_17, MPII_16, POSETRACK_15

POINTS = [[20 + k, 15 + 2 * k, 2] for k in range(17)]


def write_images(folder, count, seed=0):
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    for i in range(count):
        cv2.imwrite(str(folder / f"{i}.png"), rng.integers(0, 256, (70, 90, 3), dtype=np.uint8))


def make_content():
    flat = [n for point in POINTS for n in point]
    return {
        "images": [{"id": i, "file_name": f"{i}.png", "width": 90, "height": 70} for i in range(3)],
        "annotations": [
            {
                "id": i + 1,
                "image_id": i,
                "category_id": 1,
                "iscrowd": 0,
                "bbox": [15, 10, 30, 40],
                "area": 900,
                "num_keypoints": 17,
                "keypoints": list(flat),
            }
            for i in range(3)
        ],
        "categories": [{"id": 1, "name": "person", "keypoints": list(COCO_17.names)}],
    }


@pytest.fixture
def data(tmp_path):
    """A good data set: `train.json` and `train/`."""
    write_images(tmp_path / "train", 3)
    write(tmp_path, make_content())
    return tmp_path


def write(folder, content, name="train.json"):
    (folder / name).write_text(json.dumps(content))


def find(report):
    return {finding.kind: finding for finding in report.findings}


def test_a_good_data_set_has_no_findings(data):
    report = check_data_sets([data])
    assert report.findings == ()
    assert report.is_fine
    (part,) = report.parts
    assert part.name == str(data / "train.json")
    assert (part.images, part.counts.people, part.counts.posed, part.counts.crowds) == (3, 3, 3, 0)
    assert part.counts.known == [3] * 17
    assert part.sizes == {"smallest": "90x70", "median": "90x70", "largest": "90x70"}
    assert check_data_sets([data / "train.json"], data / "train", decoded=True).findings == ()


def edit(change):
    def act(folder):
        content = make_content()
        change(content)
        write(folder, content)

    return act


def set_in(table, index, **values):
    return edit(lambda content: content[table][index].update(values))


def truncate(folder):
    path = folder / "train" / "1.png"
    path.write_bytes(path.read_bytes()[:40])


def enlarge(folder):
    cv2.imwrite(str(folder / "train" / "1.png"), np.zeros((35, 90, 3), np.uint8))


FAULTS = [
    (lambda folder: (folder / "train" / "1.png").unlink(), "images that are missing", "1.png"),
    (truncate, "images that cannot be opened", "1.png"),
    (enlarge, "images of another size than annotated", "1.png: 90x35, annotated 90x70"),
    (
        lambda folder: shutil.copy(folder / "train" / "0.png", folder / "train" / "2.png"),
        "images of the same bytes within a split",
        "2.png and ",
    ),
    (lambda folder: (folder / "train.json").write_text("{"), "annotations that cannot be read", "train.json"),
    (lambda folder: shutil.rmtree(folder / "train"), "files none of whose images are found", "0.png"),
    (set_in("images", 1, id="im1"), "ids that are no whole numbers", "images[1].id: 'im1'"),
    (set_in("images", 1, id=0), "image ids that stand twice", "images[1].id: 0"),
    (set_in("images", 1, file_name="0.png"), "images that are listed twice", "images[1]: 0.png, as images[0]"),
    (set_in("images", 1, file_name=None), "images without a file name", "images[1]"),
    (set_in("images", 1, width="wide"), "images whose entry is not valid", "images[1].width"),
    (set_in("annotations", 1, id=1), "annotation ids that stand twice", "annotations[1].id: 1"),
    (set_in("annotations", 1, image_id=9), "annotations of images that are not listed", "image_id: 9"),
    (
        set_in("annotations", 1, category_id=9),
        "annotations of categories that are not listed",
        "category_id: 9",
    ),
    (set_in("annotations", 1, image_id=0), "annotations that stand twice", "annotations[1]: as annotations[0]"),
    (set_in("annotations", 1, bbox=None), "people without a box", "annotations[1]"),
    (set_in("annotations", 1, bbox=[1, 2, "x", 4]), "boxes that are not four numbers", "annotations[1].bbox"),
    (set_in("annotations", 1, bbox=[1, 2, 0, 4]), "boxes without an area", "annotations[1].bbox"),
    (set_in("annotations", 1, bbox=[95, 2, 10, 4]), "boxes outside the image", "in 90x70"),
    (set_in("annotations", 1, area=-4), "areas that are not 0 or more", "annotations[1].area: -4"),
    (
        set_in("annotations", 1, keypoints=[500, 5, 2] + [0] * 48, num_keypoints=1),
        "people with points outside the image",
        "(500, 5) in 90x70",
    ),
    (
        set_in("annotations", 1, keypoints=[1, 2, 2]),
        "keypoints that are not x, y and v of each name",
        "3 for 17",
    ),
    (
        set_in("annotations", 1, keypoints=[float("nan")] * 51),
        "keypoints that are not finite",
        "annotations[1]",
    ),
    (
        set_in("annotations", 1, keypoints=[1, 2, 7] + [0] * 48, num_keypoints=1),
        "visibilities other than 0, 1 and 2",
        "annotations[1].keypoints: 7",
    ),
    (
        set_in("annotations", 1, num_keypoints=None),
        "num_keypoints that are no numbers",
        "annotations[1].num_keypoints: None",
    ),
    (
        set_in("annotations", 1, segmentation=[[1, 2, 3]]),
        "masks that cannot be read",
        "annotations[1].segmentation: expected polygons",
    ),
    (
        edit(lambda content: content["categories"][0]["keypoints"].__setitem__(1, "nose")),
        "keypoint names that stand twice",
        "nose",
    ),
    (
        edit(lambda content: content["categories"].append({"id": 1, "name": "dog"})),
        "category ids that stand twice",
        "categories[1].id: 1",
    ),
    (
        edit(lambda content: content["categories"].extend([{"id": 2, "name": "person", "keypoints": ["a"]}])),
        "files whose category of people is not clear",
        "2 with keypoints",
    ),
    (edit(lambda content: content.update(annotations=[])), "files without people", "train.json"),
    (edit(lambda content: content.update(images=[])), "files without images", "train.json"),
    (
        edit(lambda content: [entry.update(image_id=0, track_id=4) for entry in content["annotations"]]),
        "track ids that stand twice in a frame",
        "track_id: 4",
    ),
]


@pytest.mark.parametrize(("act", "kind", "example"), FAULTS)
def test_every_fault_is_found(data, act, kind, example):
    act(data)
    report = check_data_sets([data])
    (finding,) = (finding for finding in report.findings if finding.kind.startswith(kind))
    assert finding.is_fault
    assert not report.is_fine
    assert any(example in text for text in finding.examples)


def write_turned(folder):
    stored = Image.open(folder / "train" / "1.png").transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[274] = 6
    stored.save(folder / "train" / "1.png", exif=exif)


NOTES = [
    (write_turned, "images with an EXIF orientation that were annotated upright", "1.png: orientation 6"),
    (set_in("images", 1, id="1"), "ids that are written as text or as 1.0", "images[1].id: '1'"),
    (set_in("annotations", 1, area=None), "people without an area", "annotations[1]"),
    (
        set_in("annotations", 1, num_keypoints=3),
        "people whose num_keypoints is not",
        "num_keypoints: 3, but 17",
    ),
    (
        set_in("annotations", 1, keypoints=[], num_keypoints=0),
        "people without a known keypoint",
        "annotations[1]",
    ),
    (set_in("annotations", 1, bbox=[-9, 10, 30, 40]), "boxes that reach beyond the image", "in 90x70"),
    (
        edit(lambda content: content["categories"][0]["keypoints"].reverse()),
        "files whose keypoints are not in the order of coco17",
        "right_ankle at 0, not nose",
    ),
]


@pytest.mark.parametrize(("act", "kind", "example"), NOTES)
def test_what_is_worth_knowing_is_no_fault(data, act, kind, example):
    act(data)
    report = check_data_sets([data])
    (finding,) = report.findings
    assert finding.kind.startswith(kind)
    assert not finding.is_fault
    assert report.is_fine
    assert example in finding.examples[0]


def test_findings_are_counted_and_the_first_shown(data):
    edit(lambda content: [entry.update(area=None) for entry in content["annotations"] * 1])(data)
    (finding,) = check_data_sets([data]).findings
    assert (finding.count, len(finding.examples)) == (3, 3)


def test_splits_that_share_images(data):
    # The same image twice, as another file and as the same one.
    write_images(data / "val", 2, seed=1)
    shutil.copy(data / "train" / "2.png", data / "val" / "0.png")
    content = make_content()
    content["images"] = content["images"][:2]
    content["annotations"] = content["annotations"][:2]
    write(data, content, "val.json")
    found = find(check_data_sets([data]))
    assert list(found) == ["images of the same bytes between splits"]
    found = find(check_data_sets([data / "train.json", data / "val.json"]))
    assert list(found) == ["images of the same bytes between splits"]
    (data / "val.json").unlink()
    write(data / "train", content, "val.json")
    found = find(check_data_sets([data / "train.json", data / "train" / "val.json"]))
    assert found["images that are in two splits"].count == 2
    assert len(found) == 1


def test_files_about_the_same_images_are_one_split(data):
    content = make_content()
    del content["categories"][0]["keypoints"]
    for entry in content["annotations"]:
        del entry["keypoints"]
    write(data, content, "boxes.json")
    write(data, [{"image_id": 1, "bbox": [1, 2, 3, 4], "score": 0.5}], "detections.json")
    captions = {"images": content["images"], "annotations": [{"id": 1, "image_id": 1, "caption": "someone"}]}
    write(data, captions, "captions.json")
    report = check_data_sets([data])
    assert report.is_fine
    assert find(report)["files without images and people, left out"].count == 2
    assert len(report.parts) == 2


@pytest.mark.parametrize("year", [17, 18])
def test_posetrack(tmp_path, year):
    for video in ("a", "b"):
        write_images(tmp_path / "images" / video, 3, seed=ord(video))
        names = [f"images/{video}/{i}.png" for i in range(3)]
        if year == 17:
            points = [{"id": [k], "x": [10.0 + k], "y": [20.0 + k]} for k in range(15)]
            rect = {
                "x1": [1],
                "y1": [2],
                "x2": [3],
                "y2": [4],
                "track_id": [1],
                "annopoints": [{"point": points}],
            }
            content = {"annolist": [{"image": [{"name": name}], "annorect": [rect]} for name in names]}
        else:
            keypoints = [n for k in range(15) for n in (10.0 + k, 20.0 + k, 1)]
            people = [
                {"id": i, "image_id": i, "category_id": 1, "track_id": 1, "keypoints": keypoints}
                for i in range(3)
            ]
            images = [{"id": i, "frame_id": i, "file_name": name} for i, name in enumerate(names)]
            joints = ["head_bottom" if name == "neck" else name for name in POSETRACK_15.names]
            categories = [{"id": 1, "name": "person", "keypoints": joints}]
            content = {"images": images, "annotations": people, "categories": categories}
        (tmp_path / "annotations" / "train").mkdir(parents=True, exist_ok=True)
        write(tmp_path / "annotations" / "train", content, f"{video}.json")
    report = check_data_sets([tmp_path])
    assert report.is_fine
    assert [part.counts.posed for part in report.parts] == [3, 3]
    assert check_data_sets([tmp_path / "annotations" / "train"]).is_fine
    content["annolist" if year == 17 else "images"].reverse()
    write(tmp_path / "annotations" / "train", content, "b.json")
    assert list(find(check_data_sets([tmp_path])))[:1] == ["sequences whose frames are not in order"]


def test_mpii(tmp_path):
    write_images(tmp_path / "images", 2)
    person = {"center": [40.0, 30.0], "scale": 0.4, "joints": [[30.0, 20.0]] * 16, "joints_vis": [1] * 16}
    (tmp_path / "annot").mkdir()
    write(tmp_path / "annot", [{"image": "0.png", **person}, {"image": "1.png", **person}])
    report = check_data_sets([tmp_path])
    assert report.is_fine
    (part,) = report.parts
    assert (part.images, part.counts.posed, part.counts.names) == (2, 2, list(MPII_16.names))


def test_images_by_class(tmp_path):
    for k, name in enumerate(("cat", "dog")):
        write_images(tmp_path / "train" / name, 2, seed=k)
        write_images(tmp_path / "val" / name, 1, seed=5 + k)
    assert check_data_sets([tmp_path]).findings == ()
    shutil.copy(tmp_path / "train" / "cat" / "0.png", tmp_path / "val" / "dog" / "0.png")
    assert list(find(check_data_sets([tmp_path]))) == ["images of the same bytes between splits"]
    assert list(find(check_data_sets([tmp_path / "val", tmp_path / "train"]))) == [
        "images of the same bytes between splits"
    ]


def test_swapped_sides_are_suspected(data):
    content = make_content()
    content["images"] = content["images"][:1]
    people = []
    for i in range(30):
        points = [[10 + i, 20, 2], [8 + i, 18, 2], [12 + i, 18, 2]] + [[0, 0, 0]] * 14
        flat = [n for point in points for n in point]
        people.append(
            {**content["annotations"][0], "id": i, "image_id": 0, "num_keypoints": 3, "keypoints": flat}
        )
    content["annotations"] = people
    write(data, content)
    assert list(find(check_data_sets([data]))) == ["keypoints whose sides may be swapped"]


def test_dense_annotations_are_counted_and_checked(data):
    content = make_content()
    first, second = content["annotations"][:2]
    dense = {"dp_x": [1.0], "dp_y": [2.0], "dp_I": [3.0], "dp_U": [0.5], "dp_V": [0.5], "dp_masks": [[]] * 14}
    first |= dense
    second |= {**dense, "dp_I": [25.0]}
    content["images"][2] |= {"ignore_regions_x": [[1, 2]], "ignore_regions_y": [[1]]}
    write(data, content)
    report = check_data_sets([data])
    assert report.parts[0].counts.dense == 1
    assert list(find(report)) == [
        "regions to ignore that cannot be read",
        "dense annotations that cannot be read",
    ]


def test_nothing_to_check_is_said(tmp_path):
    for path in (tmp_path, tmp_path / "none"):
        with pytest.raises(ResultsError, match=r"nothing to check|no such file"):
            check_data_sets([path])
