"""People in photographs that have no annotations: found by the detector of the recipe `default`."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import cv2

from synthesis.errors import SynthesisError

_MOST_IMAGES = 32
_LEAST_SCORE = 0.6
_BATCH = 4
_CODE = "import json, sys; sys.path[:0] = json.loads(sys.argv[1]); import synthesis.people_check as m; m.main()"


def pick_images(paths: Sequence[Path]) -> list[Path]:
    """Some images from all over a list."""
    step = max(1, -(-len(paths) // _MOST_IMAGES))
    return list(paths[::step])


def find_people(paths: Sequence[Path]) -> list[Path]:
    """The images that show people.

    It runs in a process of its own: one that has used networks must not be forked.

    Raises:
        SynthesisError: The detector cannot run.
    """
    folders = json.dumps([str(Path(__file__).parents[1]), *sys.path])
    done = subprocess.run(
        [sys.executable, "-c", _CODE, folders],
        input=json.dumps([str(path) for path in paths]),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["it was stopped"])[-1]
        raise SynthesisError(f"the detector that looks for people in --backgrounds failed: {reason}")
    return [Path(name) for name in json.loads(done.stdout.splitlines()[-1])]


def detect_people(paths: Sequence[Path]) -> list[Path]:
    """What `find_people` does, in this process; images that cannot be read show nobody."""
    from posetrack.build import build_networks
    from posetrack.compute import Compute, choose_device
    from posetrack.recipe import read_recipe

    compute = Compute(choose_device("auto"), "torch", "auto")
    detector = build_networks(read_recipe("default"), compute, batch_frames=_BATCH).detector
    found = []
    for path in paths:
        image = cv2.imread(str(path), cv2.IMREAD_COLOR)
        if image is None:
            continue
        (people,) = detector([image[..., ::-1].copy()])
        if len(people) and float(people.box_scores.max()) >= _LEAST_SCORE:
            found.append(path)
    return found


def main() -> None:
    """Read names of images as JSON, and print those that show people."""
    print(json.dumps([str(path) for path in detect_people([Path(name) for name in json.load(sys.stdin)])]))
