"""Reader of MPII annotations in the JSON files of HRNet and SimpleBaseline (`annot/train.json`)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from models.data.image_files import ImageFile
from models.data.json_file import read_json
from models.data.samples import PoseSamples
from models.training.errors import DataError

NUM_JOINTS = 16
_SCALE_PX = 200.0
# The annotated centre is moved down by this many pixels at scale 1, to include the feet in the crop.
_SHIFT_DOWN_PX = 15.0


def read_mpii_samples(path: Path, image_folder: Path) -> PoseSamples:
    """Read MPII's people: `image`, `center`, `scale` (in units of 200 px), `joints` and `joints_vis` each.

    Pixels in the file are MATLAB's, from 1; those of the result are from 0. The box is the square of the
    annotated scale about the centre, which is moved down by 15 px at scale 1, as in HRNet's reader; the
    reader's scale of 1.25 is the padding of the crop.

    Args:
        path: JSON, a list of people. The test file, without `joints`, has only boxes.
        image_folder: Folder that `image` is relative to.

    Returns:
        All people; image ids count the images from 0.

    Raises:
        DataError: The file cannot be read, or is not valid.
    """
    people = read_json(path)
    if not isinstance(people, list):
        raise DataError(f"{path}: expected a list of people")
    blank = [[0.0, 0.0]] * NUM_JOINTS
    try:
        names = list(dict.fromkeys(person["image"] for person in people))
        images = tuple(ImageFile(image_folder / name) for name in names)
        centres = np.array([person["center"] for person in people], np.float64).reshape(-1, 2)
        scales = np.array([person["scale"] for person in people], np.float64)
        joints = np.array([person.get("joints", blank) for person in people], np.float64)
        seen = np.array([person.get("joints_vis", [0] * NUM_JOINTS) for person in people], np.float32)
        joints, seen = joints.reshape(-1, NUM_JOINTS, 2), seen.reshape(-1, NUM_JOINTS)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(
            f"{path}: expected image, center, scale, {NUM_JOINTS} joints and joints_vis: {error}"
        ) from error
    centres[:, 1] += _SHIFT_DOWN_PX * scales
    half = scales[:, None] * _SCALE_PX / 2
    positions = {name: i for i, name in enumerate(names)}
    return PoseSamples(
        images=images,
        image_ids=np.arange(len(names)),
        image_index=np.array([positions[person["image"]] for person in people], np.int64),
        boxes_xyxy=np.concatenate([centres - half, centres + half], axis=1).astype(np.float32) - 1,
        scores=np.ones(len(people), np.float32),
        keypoints_xy=(joints - 1).astype(np.float32),
        weights=(seen > 0).astype(np.float32),
    )
