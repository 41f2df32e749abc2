"""Made images: their labels, found again by another caster of rays; the same for a seed and a number."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from made_bodies import write_bodies
from made_scripts import load_script

from models.data.run_lengths import decode_run_lengths
from models.densepose.dataset import read_surface_samples
from models.densepose.parts import CHART_TO_MASK
from posetrack.errors import ResultsError
from posetrack.evaluation.densepose.truth import read_surface_truth
from posetrack.outputs import hold_folder

SIZE = "96x72"
COUNT = 6


def run(out, pack, *options, count=COUNT):
    script = load_script("synthesize_people")
    given = ["--out", out, "--count", count, "--data", pack, "--atlas", pack / "atlas.npz", "--size", SIZE]
    return script.main([str(value) for value in (*given, *options)])


@pytest.fixture(scope="module")
def pack(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pack")
    write_bodies(folder)
    return folder


@pytest.fixture(scope="module")
def made(pack, tmp_path_factory):
    out = tmp_path_factory.mktemp("made") / "out"
    run(out, pack, "--keep-scenes", "--seed", 5)
    return out


@pytest.fixture(scope="module")
def people(made):
    return json.loads((made / "people.json").read_text())


def cast(origin, ways, corners):
    """The nearest triangle along each ray, -1 for none, and weights of its corners, by Moeller and Trumbore."""
    first, ab, ac = corners[:, 0], corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    found, weights = np.full(len(ways), -1), np.zeros((len(ways), 3))
    for i, way in enumerate(ways):
        p = np.cross(way, ac)
        span = (ab * p).sum(1)
        with np.errstate(divide="ignore", invalid="ignore"):
            t = origin - first
            u = (t * p).sum(1) / span
            q = np.cross(t, ab)
            v = q @ way / span
            depth = (ac * q).sum(1) / span
        is_hit = (u >= 0) & (v >= 0) & (u + v <= 1) & (depth > 0)
        if is_hit.any():
            found[i] = np.where(is_hit, depth, np.inf).argmin()
            u, v = u[found[i]], v[found[i]]
            weights[i] = 1 - u - v, u, v
    return found, weights


def list_scenes(made, people):
    for image in people["images"]:
        entries = [entry for entry in people["annotations"] if entry["image_id"] == image["id"]]
        with np.load(made / "scenes" / f"{image['id'] - 1:08d}.npz") as file:
            yield image, entries, {name: file[name] for name in file.files}


def cast_at(image, scene, xy):
    camera = image["camera"]
    flat = (np.asarray(xy) - camera["center_px"]) / camera["focal_px"]
    ways = np.column_stack([flat, np.ones(len(flat))]) @ np.array(camera["world_to_camera"])
    return cast(np.array(camera["place_m"]), ways, scene["corners"].astype(np.float64))


def test_points_are_found_again(made, people):
    num_points = num_same = 0
    for image, entries, scene in list_scenes(made, people):
        for entry in entries:
            if "dp_x" not in entry:
                continue
            left, top, width, height = entry["bbox"]
            places = np.column_stack([entry["dp_x"], entry["dp_y"]]) / 256 * (width, height) + (left, top)
            found, weights = cast_at(image, scene, places)
            same = (found >= 0) & (scene["charts"][found] == entry["dp_I"])
            assert len(set(scene["owners"][found[same]])) == 1
            again = np.einsum("pc,pcd->pd", weights, scene["coordinates_uv"][found])
            given = np.column_stack([entry["dp_U"], entry["dp_V"]])
            assert np.abs(again - given)[same].max() < 0.02
            num_points, num_same = num_points + len(same), num_same + same.sum()
    assert num_points > 100
    assert num_same >= 0.99 * num_points


def test_masks_are_found_again(made, people):
    image, entries, scene = next(iter(list_scenes(made, people)))
    y, x = np.mgrid[: image["height"] : 3, : image["width"] : 3]
    found, _ = cast_at(image, scene, np.column_stack([x.ravel(), y.ravel()]) + 0.5)
    owners = np.where(found >= 0, scene["owners"][found], -1).reshape(y.shape)
    assert len(entries) == len(set(owners[owners >= 0]))
    for entry, owner in zip(entries, sorted(set(owners[owners >= 0])), strict=True):
        mask = decode_run_lengths(entry["segmentation"]) > 0
        assert (mask[::3, ::3] != (owners == owner)).sum() <= 0.01 * mask[::3, ::3].sum()
        assert entry["area"] == mask.sum()
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        left, top = columns[0], rows[0]
        assert entry["bbox"] == [left, top, columns[-1] + 1 - left, rows[-1] + 1 - top]


def test_painted_parts_are_those_of_the_points(people):
    num_points = num_same = 0
    for entry in people["annotations"]:
        if "dp_masks" not in entry:
            continue
        parts = np.zeros((256, 256), np.uint8)
        for number, mask in enumerate(entry["dp_masks"], 1):
            if mask:
                parts = np.maximum(parts, decode_run_lengths(mask) * np.uint8(number))
        columns, rows = (np.array(entry[name]).astype(int) for name in ("dp_x", "dp_y"))
        expected = np.array(CHART_TO_MASK)[np.array(entry["dp_I"], int)]
        num_points, num_same = num_points + len(rows), num_same + (parts[rows, columns] == expected).sum()
        assert np.bincount(expected).max() <= 14
        assert np.max([entry["dp_x"], entry["dp_y"]]) <= 255
    assert num_same >= 0.99 * num_points > 0


def test_keypoints_are_where_the_body_has_them(made, people):
    num_visible = 0
    for image, entries, scene in list_scenes(made, people):
        camera = image["camera"]
        turned = (scene["keypoints_m"] - camera["place_m"]) @ np.array(camera["world_to_camera"]).T
        xy = turned[..., :2] / turned[..., 2:] * camera["focal_px"] + camera["center_px"]
        for entry in entries:
            keypoints = np.reshape(entry["keypoints"], (17, 3))
            assert entry["num_keypoints"] == (keypoints[:, 2] > 0).sum()
            if entry["iscrowd"]:
                continue
            labelled = keypoints[:, 2] > 0
            away = np.linalg.norm(xy[:, labelled] - keypoints[None, labelled, :2], axis=2).max(1, initial=0)
            owner = int(away.argmin())
            assert away[owner] <= 1.6
            inside = ((xy[owner] >= 0) & (xy[owner] < (image["width"], image["height"]))).all(1)
            np.testing.assert_array_equal(labelled, inside & (turned[owner, :, 2] > 0))
            mask = decode_run_lengths(entry["segmentation"])
            columns, rows = keypoints[keypoints[:, 2] == 2, :2].astype(int).T
            assert mask[rows, columns].all()
            num_visible += len(rows)
    assert num_visible > 30


def test_other_parts_read_it(made, people):
    samples = read_surface_samples(made / "people.json", made)
    assert len(samples) == len(people["annotations"])
    assert read_surface_truth(made / "people.json") is not None
    for image in people["images"]:
        assert cv2.imread(str(made / image["file_name"])).shape == (72, 96, 3)


def test_an_image_depends_on_the_seed_and_its_number_alone(made, pack, tmp_path):
    out = tmp_path / "other"
    run(out, pack, "--keep-scenes", "--seed", 5, "--workers", 2, count=2)
    first = (out / "images" / "00000001.jpg").read_bytes()
    assert first == (made / "images" / "00000001.jpg").read_bytes()
    # A stopped run: an image without its record is made again; a larger count adds.
    (out / "records" / "00000001.json").unlink()
    (out / "images" / "00000001.jpg").write_bytes(b"half")
    (out / "records" / ".00000000.json.part").write_text("{")
    run(out, pack, "--keep-scenes", "--seed", 5, "--workers", 2)
    assert (out / "people.json").read_bytes() == (made / "people.json").read_bytes()
    assert (out / "images" / "00000001.jpg").read_bytes() == first
    run(tmp_path / "seed", pack, "--seed", 6, count=2)
    assert (tmp_path / "seed" / "images" / "00000001.jpg").read_bytes() != first


def test_a_killed_run_leaves_nothing_half_and_no_process(pack, tmp_path):
    out = tmp_path / "out"
    script = Path(__file__).parents[2] / "scripts" / "synthesize_people.py"
    given = ["--out", out, "--count", 10**5, "--data", pack, "--atlas", pack / "atlas.npz", "--size", SIZE]
    command = [sys.executable, script, *given, "--workers", 2]
    process = subprocess.Popen(
        [str(value) for value in command], env={**os.environ, "PYTHONPATH": str(script.parents[1])}
    )
    records = out / "records"
    try:
        wait_for(lambda: process.poll() is not None or len(list(records.glob("*.json"))) > 3)
        assert process.poll() is None
    finally:
        process.kill()
        process.wait()
    # Its processes end too, and let go of the folder.
    wait_for(lambda: is_free(out))
    count = 1 + max(int(path.stem) for path in records.glob("*.json"))
    run(out, pack, count=count)
    images = json.loads((out / "people.json").read_text())["images"]
    assert [image["id"] for image in images] == list(range(1, count + 1))
    assert not list(out.glob("*/.*.part"))


def wait_for(is_true, limit_s=300):
    """Wait for what takes a second on an idle machine; the limit only ends a hang."""
    end = time.monotonic() + limit_s
    while not is_true():
        assert time.monotonic() < end
        time.sleep(0.05)


def is_free(out):
    try:
        with hold_folder(out):
            return True
    except ResultsError:
        return False
