"""Made data for DensePose's evaluation: a mesh, people and results, in the forms of the data set and its tools.

    python scripts/made_surfaces.py FOLDER [--seed 0] [--images 9]

Charts are squares of vertices on a lattice, and neighbours share a border; a person is a box of 6 x 4 charts.
"""

from __future__ import annotations

import argparse
import base64
import json
import pickle
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from pycocotools import mask as mask_api
from scipy.io import savemat

NUM_CHARTS = 24
IMAGE_WH = (320, 240)
MASK_SIDE = 256

Json = dict[str, Any]
Bytes = npt.NDArray[np.uint8]


def make_mesh(rng: np.random.Generator, side: int) -> dict[str, npt.NDArray[Any]]:
    """Make a mesh of 24 charts of side x side vertices.

    Returns:
        `u`, `v`, `part` and `index` of the fine vertices, `distances` of all pairs of coarse ones (float32).
    """
    column, row, chart = (
        axis.ravel() for axis in np.meshgrid(*map(np.arange, (side, side, NUM_CHARTS)), indexing="ij")
    )
    # The last column of a chart is the first of the next.
    places = (chart * (side - 1) + column) * side + row
    _, coarse = np.unique(places, return_inverse=True)
    order = np.argsort(chart, kind="stable")
    positions = rng.normal(0, 0.005, (coarse.max() + 1, 3))
    positions[coarse, 0] += 0.02 * chart + 0.02 * column / (side - 1)
    positions[coarse, 1] += 0.3 * row / (side - 1)
    pairs = [
        np.linalg.norm(positions[:i] - positions[i], axis=1).astype(np.float32) for i in range(len(positions))
    ]
    return {
        "u": (column / (side - 1))[order],
        "v": (row / (side - 1))[order],
        "part": chart[order].astype(np.uint8) + 1,
        "index": coarse[order].astype(np.int32) + 1,
        "distances": np.concatenate(pairs),
    }


def write_mesh(mesh: dict[str, npt.NDArray[Any]], folder: Path, protocol: int = 4) -> None:
    """Write the three files of a mesh under the owner's names."""
    names = {"U_subdiv": "u", "V_subdiv": "v", "Part_ID_subdiv": "part"}
    savemat(folder / "SMPL_subdiv.mat", {name: mesh[key][:, None] for name, key in names.items()})
    savemat(folder / "SMPL_SUBDIV_TRANSFORM.mat", {"index": mesh["index"][:, None]})
    with (folder / "Pdist_matrix.pkl").open("wb") as file:
        pickle.dump({"Pdist_matrix": mesh["distances"][:, None]}, file, protocol=protocol)


def draw_surface(height: int, width: int) -> Bytes:
    """(3, h, w) chart, u and v over a person's box; its corners are background."""
    y, x = (np.arange(size) / size for size in (height, width))
    rows, columns = np.meshgrid(6 * y, 4 * x, indexing="ij")
    charts = (4 * rows.astype(int) + columns.astype(int) + 1).astype(np.uint8)
    charts[((y - 0.5) ** 2)[:, None] + ((x - 0.5) ** 2)[None] > 0.36] = 0
    surface = np.stack([charts, 255 * (columns % 1), 255 * (rows % 1)]).astype(np.uint8)
    return surface * (charts > 0)


def encode_pose(surface: Bytes) -> str:
    """The PNG of a dense pose in base64."""
    png = cv2.imencode(".png", np.ascontiguousarray(surface.transpose(1, 2, 0)[:, :, ::-1]))[1]
    return base64.b64encode(png.tobytes()).decode()


def make_result(image_id: int, box: list[float], score: float, surface: Bytes) -> Json:
    """A result in the competition's form."""
    return {
        "image_id": image_id,
        "category_id": 1,
        "bbox": box,
        "score": score,
        "uv_shape": list(surface.shape),
        "uv_data": encode_pose(surface),
    }


def make_person(
    rng: np.random.Generator, number: int, image_id: int, box: list[float], num_points: int
) -> Json:
    """A person with points and the parts painted in stripes."""
    x, y, w, h = box
    person = {
        "id": number,
        "image_id": image_id,
        "category_id": 1,
        "bbox": box,
        "area": 0.7 * w * h,
        "iscrowd": 0,
    }
    person["segmentation"] = [[x, y, x + w, y, x + w, y + h, x, y + h]]
    surface = draw_surface(MASK_SIDE, MASK_SIDE)
    points = rng.uniform(0, 255, (num_points, 2)).round(3)
    charts, u, v = surface[:, points[:, 1].astype(int), points[:, 0].astype(int)].astype(float)
    person |= {"dp_x": points[:, 0].tolist(), "dp_y": points[:, 1].tolist(), "dp_I": charts.tolist()}
    person |= {"dp_U": (u / 255).round(5).tolist(), "dp_V": (v / 255).round(5).tolist()}
    masks: list[Any] = [[] for _ in range(14)]
    for part, rows in enumerate(np.array_split(np.arange(MASK_SIDE), 5)):
        mask = np.zeros((MASK_SIDE, MASK_SIDE), np.uint8, order="F")
        mask[rows] = surface[0, rows] > 0
        lengths = mask_api.encode(mask)
        masks[3 * part % 14] = {"size": lengths["size"], "counts": lengths["counts"].decode()}
    return person | {"dp_masks": masks}


def make_files(
    seed: int,
    num_images: int = 9,
    *,
    num_people: int = 3,
    num_points: int = 25,
    image_wh: tuple[int, int] = IMAGE_WH,
) -> tuple[Json, list[Json]]:
    """Make people and results: two of each person, noisy, and one of nobody.

    Every fifth person has no points, every seventh is a group; every fourth image has a region to ignore, and
    the last two have nobody or no results.
    """
    rng = np.random.default_rng(seed)
    images: list[Json] = []
    people: list[Json] = []
    results: list[Json] = []
    for image_id in range(1, num_images + 1):
        image: Json = {
            "id": image_id,
            "width": image_wh[0],
            "height": image_wh[1],
            "file_name": f"{image_id:06d}.jpg",
        }
        if image_id % 4 == 0:
            corners = {
                "x": [0, image_wh[0] // 2, image_wh[0] // 2, 0],
                "y": [0, 0, image_wh[1] - 1, image_wh[1] - 1],
            }
            image |= {f"ignore_regions_{axis}": [values] for axis, values in corners.items()}
        images.append(image)
        for _ in range(num_people):
            size = rng.uniform((40, 50), (110, 180))
            box = [*rng.uniform(0, np.array(image_wh) - size), *size]
            box = [round(float(value), 2) for value in box]
            if image_id != num_images - 1:
                people.append(_vary(make_person(rng, len(people) + 1, image_id, box, num_points)))
            if image_id != num_images:
                results += [_disturb(rng, image_id, box, noise) for noise in rng.choice([1, 4, 12], 2)]
    return {"images": images, "annotations": people, "categories": [{"id": 1, "name": "person"}]}, results


def _vary(person: Json) -> Json:
    number = person["id"]
    if number % 5 == 0:
        person = {name: value for name, value in person.items() if not name.startswith("dp_")}
    if number % 7 == 0:
        person["iscrowd"] = 1
    if number % 3 == 0 and number % 2:
        person.pop("dp_masks", None)
    return person


def _disturb(rng: np.random.Generator, image_id: int, box: list[float], noise: int) -> Json:
    moved = np.array(box) + rng.normal(0, noise, 4)
    moved = np.maximum(moved, (-5, -5, 20, 20)).round(2)
    surface = draw_surface(int(moved[3]), int(moved[2])).astype(np.int64)
    surface[1:] = (surface[1:] + rng.normal(0, 6 * noise, surface[1:].shape)).clip(0, 255) * (surface[0] > 0)
    is_wrong = (rng.random(surface.shape[1:]) < 0.02 * noise) & (surface[0] > 0)
    surface[0] = np.where(is_wrong, rng.integers(1, 25, surface.shape[1:]), surface[0])
    return make_result(image_id, moved.tolist(), round(float(rng.random()), 2), surface.astype(np.uint8))


def main() -> None:
    """Write a mesh, people.json and results.json."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--images", type=int, default=9)
    chosen = parser.parse_args()
    chosen.folder.mkdir(parents=True, exist_ok=True)
    write_mesh(make_mesh(np.random.default_rng(chosen.seed), 4), chosen.folder)
    for name, content in zip(("people", "results"), make_files(chosen.seed, chosen.images), strict=True):
        (chosen.folder / f"{name}.json").write_text(json.dumps(content))


if __name__ == "__main__":
    main()
