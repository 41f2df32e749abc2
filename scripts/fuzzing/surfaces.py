"""Dense annotations, dense poses and body meshes: how healthy files are made, and how they are read."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from random import Random

import numpy as np
from made_surfaces import draw_surface, make_files, make_mesh, write_mesh

from fuzzing.kind import check_line, run_command
from models.training.errors import DataError
from posetrack.errors import PoseTrackError

_MESH = "mesh"


def make_annotations(folder: Path) -> list[Path]:
    """People with dense annotations, some with one mask and vertices, and results of them beside it."""
    _make_scene(folder)
    people = json.loads((folder / "truth.json").read_text())
    first = people["annotations"][0]
    first["dp_masks"] = next(mask for mask in first["dp_masks"] if mask)
    first |= {"dp_vertex": [7] * len(first["dp_x"]), "ref_model": "smpl_27554", "track_id": 3}
    people["images"][0] |= {"is_labeled": True, "vid_id": "000001", "frame_id": 1}
    (folder / "people.json").write_text(json.dumps(people))
    return [folder / "people.json"]


def read_annotations(path: Path, out: Path, rng: Random) -> None:
    """Evaluate, check and convert annotations, and read them as a training does."""
    results = path.parent / "results.json"
    match rng.randrange(4):
        case 0:
            run_command("eval", "densepose", "--gt", path, "--pred", results, "--mesh", path.parent / _MESH)
        case 1:
            run_command("eval", "densepose", "--gt", path, "--pred", results, "--metric", "iou")
        case 2:
            _check_data_set(path)
        case _:
            _read_training_data(path)


def make_results(folder: Path) -> list[Path]:
    """Dense poses in the competition's form."""
    _make_scene(folder)
    return [folder / "results.json"]


def make_raw_results(folder: Path) -> list[Path]:
    """Dense poses as pickles and files of torch.save: one dict a person, and one an image."""
    import torch

    _make_scene(folder)
    pose = draw_surface(30, 20)
    person = {"image_id": 1, "category_id": 1, "bbox": [5.0, 5.0, 20.5, 30.5], "score": 0.5, "uv": pose}
    tensors = {**person, "uv": torch.from_numpy(pose)}
    image = {
        "file_name": "x/000002.jpg",
        "scores": torch.tensor([0.5]),
        "pred_boxes_XYXY": torch.tensor([[5.0, 5.0, 25.5, 35.5]]),
        "pred_densepose": [{"labels": torch.from_numpy(pose[0]).long(), "uv": torch.zeros(2, 30, 20)}],
    }
    for protocol in (0, 2, 4):
        (folder / f"people{protocol}.pkl").write_bytes(pickle.dumps([person] * 2, protocol=protocol))
    torch.save([tensors], folder / "people.pth")
    torch.save([tensors], folder / "old.pth", _use_new_zipfile_serialization=False)
    torch.save([image], folder / "images.pth")
    return [*folder.glob("*.pkl"), *folder.glob("*.pth")]


def read_results(path: Path, out: Path, rng: Random) -> None:
    """Evaluate dense poses."""
    run_command(
        *("eval", "densepose", "--gt", path.parent / "truth.json", "--pred", path),
        *("--mesh", path.parent / _MESH, "--json", out / "numbers.json"),
    )


def make_meshes(folder: Path) -> list[Path]:
    """A body mesh, and a table of mirrored coordinates."""
    from scipy.io import savemat

    _make_scene(folder)
    cells = np.empty((1, 24), object)
    for i in range(24):
        cells[0, i] = np.full((256, 256), i / 24)
    tables = {"U_transforms": cells, "V_transforms": cells}
    savemat(folder / _MESH / "symmetry.mat", tables, do_compression=True)
    return sorted((folder / _MESH).iterdir())


def read_mesh(path: Path, out: Path, rng: Random) -> None:
    """Evaluate with a mesh; of the table, read what it says."""
    if path.name != "symmetry.mat":
        folder = path.parent.parent
        truth, results = folder / "truth.json", folder / "results.json"
        return run_command("eval", "densepose", "--gt", truth, "--pred", results, "--mesh", path.parent)
    from models.densepose.symmetry import read_symmetry

    try:
        read_symmetry(path)
    except DataError as error:
        check_line(error)


def _make_scene(folder: Path) -> None:
    people, results = make_files(0, 4, num_people=1, num_points=4, image_wh=(320, 240))
    (folder / _MESH).mkdir()
    write_mesh(make_mesh(np.random.default_rng(0), 2), folder / _MESH)
    (folder / "truth.json").write_text(json.dumps(people))
    (folder / "results.json").write_text(json.dumps(results))


def _check_data_set(path: Path) -> None:
    from posetrack.data_sets.check import check_data_sets

    try:
        check_data_sets([path])
    except PoseTrackError as error:
        check_line(error)


def _read_training_data(path: Path) -> None:
    from models.densepose.dataset import read_surface_samples

    try:
        read_surface_samples(path, path.parent)
    except DataError as error:
        check_line(error)
