"""Data sets and results of other programs: how healthy files are made, and how they are read."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

import numpy as np

from fuzzing.kind import check_line, run_command
from posetrack.results.posetrack18 import POSETRACK18_CATEGORY
from posetrack.skeleton import COCO_17, CROWDPOSE_14, MPII_16, POSETRACK_15


def make_coco(folder: Path) -> list[Path]:
    """COCO annotations and results of the same people, and the healthy annotations beside them."""
    images = [{"id": i, "file_name": f"{i}.jpg", "width": 96, "height": 64} for i in range(4)]
    category = {"id": 1, "name": "person", "keypoints": list(COCO_17.names), "skeleton": []}
    annotations, results = [], []
    for i in range(8):
        points = _list_keypoints(17, i)
        entry = {"image_id": i % 4, "category_id": 1, "keypoints": points, "bbox": [8, 8, 50, 40]}
        results.append({**entry, "score": 0.9 - i / 20})
        annotations.append({**entry, "id": i, "num_keypoints": 17, "area": 900.0, "iscrowd": 0})
    truth = {"images": images, "annotations": annotations, "categories": [category]}
    for name, content in (("truth.json", truth), ("gt.json", truth), ("pred.json", results)):
        (folder / name).write_text(json.dumps(content))
    return [folder / "gt.json", folder / "pred.json"]


def read_coco(path: Path, out: Path, rng: Random) -> None:
    """Evaluate COCO results, convert annotations, and read them as a training does."""
    if path.name == "pred.json":
        run_command("eval", "coco", "--gt", path.parent / "truth.json", "--pred", path)
        return
    match rng.randrange(3):
        case 0:
            run_command("convert", path, "--to", rng.choice(("posetrack17", "posetrack18")), "--out", out)
        case 1:
            run_command("eval", "coco", "--gt", path, "--pred", path.parent / "pred.json")
        case _:
            _read_training_data(path)


def make_foreign(folder: Path) -> list[Path]:
    """Poses of OpenPose, of AlphaPose, and a COCO file with tracks."""
    triples = [[20.0 + k, 9.0 + 2 * k, 0.5] for k in range(25)]
    flat = [number for triple in triples for number in triple]
    frame = {"people": [{"person_id": [i], "pose_keypoints_2d": flat} for i in range(2)]}
    results = [
        {"image_id": f"{i}.jpg", "category_id": 1, "keypoints": flat[:51], "score": 2.0, "idx": 4}
        for i in range(3)
    ]
    images = [{"id": i, "file_name": f"a/{i}.jpg", "width": 96, "height": 64} for i in range(3)]
    annotations = [
        {
            "id": i + 1,
            "image_id": i,
            "category_id": 1,
            "track_id": 2,
            "keypoints": flat[:51],
            "bbox": [8, 8, 9, 9],
        }
        for i in range(3)
    ]
    category = {"id": 1, "name": "person", "keypoints": list(COCO_17.names)}
    coco = {"images": images, "annotations": annotations, "categories": [category]}
    contents = {"a_0_keypoints.json": frame, "results.json": results, "gt.json": coco}
    for name, content in contents.items():
        (folder / name).write_text(json.dumps(content))
    return [folder / name for name in contents]


def read_foreign(path: Path, out: Path, rng: Random) -> None:
    """Track poses of another program, or convert them."""
    poses = path
    if path.name.endswith("_keypoints.json"):
        poses = out / "openpose"
        poses.mkdir(parents=True, exist_ok=True)
        (poses / path.name).write_bytes(path.read_bytes())
    said = ("--size", "96x64", "--first-frame", rng.choice(("0", "1")))
    if rng.random() < 0.5:
        run_command("retrack", poses, *said, "--out", out / "new.jsonl")
    else:
        run_command("convert", poses, *said, "--to", rng.choice(("csv", "mot", "coco", "poses")), "--out", out)


def make_crowdpose(folder: Path) -> list[Path]:
    """CrowdPose annotations and results."""
    images = [
        {"id": i, "file_name": f"{i}.jpg", "width": 96, "height": 64, "crowdIndex": 0.3} for i in range(3)
    ]
    category = {"id": 1, "name": "person", "keypoints": list(CROWDPOSE_14.names), "skeleton": []}
    annotations, results = [], []
    for i in range(6):
        entry = {"image_id": i % 3, "category_id": 1, "keypoints": _list_keypoints(14, i)}
        results.append({**entry, "score": 0.5 + i / 20})
        annotations.append({**entry, "id": i, "num_keypoints": 14, "iscrowd": 0, "bbox": [8, 8, 50, 40]})
    truth = {"images": images, "annotations": annotations, "categories": [category]}
    for name, content in (("gt.json", truth), ("pred.json", results), ("truth.json", truth)):
        (folder / name).write_text(json.dumps(content))
    return [folder / "gt.json", folder / "pred.json"]


def read_crowdpose(path: Path, out: Path, rng: Random) -> None:
    """Evaluate CrowdPose results."""
    gt = path if path.name == "gt.json" else path.parent / "truth.json"
    pred = path if path.name == "pred.json" else path.parent / "pred.json"
    run_command("eval", "crowdpose", "--gt", gt, "--pred", pred)


def make_posetrack(folder: Path) -> list[Path]:
    """PoseTrack18 and PoseTrack17 annotations and results of one sequence."""
    names = POSETRACK18_CATEGORY["keypoints"]
    images, annotations, annolist = [], [], []
    for i in range(4):
        name = f"images/000001_mpii_test/{i:06d}.jpg"
        images.append({"id": 10001000 + i, "frame_id": 10001000 + i, "file_name": name, "vid_id": "000001"})
        images[-1].update({"nframes": 4, "is_labeled": True, "ignore_regions_x": [[0, 5, 5]]})
        images[-1].update({"ignore_regions_y": [[0, 0, 5]]})
        person = {
            "id": i,
            "image_id": 10001000 + i,
            "category_id": 1,
            "track_id": 1,
            "scores": [0.5] * len(names),
        }
        person.update({"keypoints": _list_keypoints(len(names), i), "scores": [0.5] * len(names)})
        person["bbox_head"] = [0, 0, 30, 40]
        annotations.append(person)
        points = [
            {"id": [k], "x": [10 + k], "y": [20 + i], "is_visible": [1], "score": [0.5]}
            for k in range(POSETRACK_15.num_keypoints)
        ]
        rect = {
            "track_id": [1],
            "x1": [0],
            "y1": [0],
            "x2": [30],
            "y2": [40],
            "annopoints": [{"point": points}],
        }
        annolist.append({"image": [{"name": name}], "imgnum": [i + 1], "is_labeled": [1], "annorect": [rect]})
    of_2018 = {"images": images, "annotations": annotations, "categories": [POSETRACK18_CATEGORY]}
    paths = []
    for side in ("gt18", "pred18", "gt17", "pred17", "healthy"):
        (folder / side).mkdir()
        paths.append(folder / side / "000001_mpii_test.json")
        paths[-1].write_text(json.dumps({"annolist": annolist} if side.endswith("17") else of_2018))
    return paths[:-1]


def read_posetrack(path: Path, out: Path, rng: Random) -> None:
    """Evaluate PoseTrack results, or convert annotations."""
    healthy = path.parents[1] / "healthy"
    if rng.random() < 0.3:
        return run_command("convert", path, "--to", rng.choice(("coco", "posetrack17")), "--out", out / "new")
    gt, pred = (path.parent, healthy) if "gt" in path.parent.name else (healthy, path.parent)
    options = ["--corrected"] if rng.random() < 0.5 else []
    return run_command("eval", "posetrack", "--gt", gt, "--pred", pred, "--workers", 1, *options)


def make_mpii(folder: Path) -> list[Path]:
    """MPII annotations as MATLAB and JSON, and predictions."""
    from scipy.io import savemat

    rng = np.random.default_rng(0)
    true_xy = rng.uniform(1, 90, (16, 2, 3))
    fields = {
        "jnt_missing": np.zeros((MPII_16.num_keypoints, 3), np.uint8),
        "pos_gt_src": true_xy,
        "headboxes_src": np.tile([[[10.0], [10.0]], [[40.0], [50.0]]], 3),
    }
    for name in ("gt.mat", "truth.mat"):
        savemat(folder / name, fields)
    savemat(folder / "packed.mat", fields, do_compression=True)
    savemat(folder / "pred.mat", {"preds": true_xy.transpose(2, 0, 1)})
    return [folder / name for name in ("gt.mat", "packed.mat", "pred.mat")]


def read_mpii(path: Path, out: Path, rng: Random) -> None:
    """Evaluate MPII predictions."""
    gt = path.parent / "truth.mat" if path.name == "pred.mat" else path
    run_command("eval", "mpii", "--gt", gt, "--pred", path.parent / "pred.mat")


def make_mot(folder: Path) -> list[Path]:
    """MOTChallenge's text, as ground truth and as results."""
    lines = [f"{i},{k},{10 * k},{5 * i},20,40,1,1,1" for i in range(1, 6) for k in (1, 2)]
    paths = [folder / name for name in ("gt.txt", "pred.txt")]
    for path in paths:
        path.write_text("\n".join(lines) + "\n")
    return paths


def read_mot(path: Path, out: Path, rng: Random) -> None:
    """Evaluate tracked boxes."""
    run_command("eval", "mot", "--gt", path.parent / "gt.txt", "--pred", path.parent / "pred.txt")


def _read_training_data(path: Path) -> None:
    from models.data.coco_people import read_coco_people
    from models.data.json_file import DataError

    try:
        read_coco_people(path, COCO_17.names)
    except DataError as error:
        check_line(error)


def _list_keypoints(num: int, seed: int) -> list[float]:
    return [value for k in range(num) for value in (10 + 2 * k, 12 + k + seed, 2)]
