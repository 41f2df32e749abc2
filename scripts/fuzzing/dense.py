"""Dense poses in every form that we write: how healthy files are made, and how they are read."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from random import Random

import numpy as np

from fuzzing.kind import run_command
from posetrack.frame import Instances
from posetrack.results.dense_file import DenseWriter, write_final_ids
from posetrack.results.dense_forms import DENSE_FORMS, export_dense
from posetrack.results.record import Header
from posetrack.skeleton import COCO_17

_HEADER = Header("clip.mp4", 96, 64, Fraction(25), COCO_17, "densepose")
_NUM_FRAMES = 4


def make_dense(folder: Path) -> list[Path]:
    """A file of two people in four frames: finished, killed, and packed anew by numpy."""
    whole, killed, packed = (folder / f"{name}.npz" for name in ("whole", "killed", "packed"))
    pose = np.arange(20 * 10 * 3, dtype=np.uint8).reshape(20, 10, 3) % 25
    boxes = [[3.5, 4.5, 13.75, 24.75], [40, 30, 50, 50]]
    people = Instances(boxes_xyxy=boxes, box_scores=[0.9, 0.5], track_ids=[1, 2], dense=(pose, pose))
    with DenseWriter(whole, _HEADER) as writer:
        for i in range(_NUM_FRAMES):
            writer.write(i, i / 25, people if i != 2 else people[[]])
        killed.write_bytes(whole.read_bytes())
    write_final_ids(whole, [1, 2] * (_NUM_FRAMES - 1))
    with np.load(whole) as file:
        np.savez_compressed(packed, **{name: file[name] for name in file.files})
    return [whole, killed, packed]


def make_dense_json(folder: Path) -> list[Path]:
    """The same in the competition's JSON."""
    whole, *_ = make_dense(folder)
    return [export_dense(whole, "densepose-json", folder)]


def read_dense(path: Path, out: Path, rng: Random) -> None:
    """Convert dense poses."""
    run_command("convert", path, "--to", rng.choice(list(DENSE_FORMS)), "--out", out)
