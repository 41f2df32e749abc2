"""Readers of the people for training and evaluation of top-down pose, from COCO, MPII or PoseTrack."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from models.data.coco import read_coco_samples
from models.data.image_files import ImageFile
from models.data.mpii import read_mpii_samples
from models.data.samples import PoseSamples, enclose_keypoints, join_samples, keep_trainable
from models.hrnet.recipe import PoseRecipe
from models.settings import SettingsError
from models.training.draws import list_training_sets
from models.training.errors import TrainingError
from posetrack.annotations.read import read_annotations
from posetrack.annotations.video import AnnotatedVideo
from posetrack.skeleton import Skeleton


def read_training_samples(recipe: PoseRecipe, skeleton: Skeleton, data_folder: Path) -> list[PoseSamples]:
    """Read the people of each of a recipe's training sets with a known keypoint, and check their images."""
    return [
        keep_trainable(
            read_samples(recipe, skeleton, data_folder / each.train, data_folder / each.train_images)
        ).check_images(str(data_folder / each.train), upright_if_unknown=is_annotated_upright(recipe))
        for each in list_training_sets(recipe)
    ]


def read_dev_samples(recipe: PoseRecipe, skeleton: Skeleton, data_folder: Path) -> PoseSamples:
    """Read the people of a recipe's dev set; raises as `read_samples`."""
    data = recipe.data
    return read_samples(recipe, skeleton, data_folder / data.dev, data_folder / data.dev_images)


def is_annotated_upright(recipe: PoseRecipe) -> bool:
    """Whether images are upright where nothing tells: not MPII's, which MATLAB read as they are stored."""
    return recipe.data.format != "mpii"


def read_samples(recipe: PoseRecipe, skeleton: Skeleton, path: Path, images: Path) -> PoseSamples:
    """Read annotated people in the format of a recipe.

    Args:
        recipe: The recipe.
        skeleton: Its skeleton.
        path: The annotations.
        images: Folder of their images.

    Raises:
        TrainingError: Files are missing or not valid.
        ResultsError: PoseTrack's files are missing or not valid.
    """
    data = recipe.data
    if data.format == "mpii":
        samples = read_mpii_samples(path, images)
    elif data.format == "posetrack":
        files = sorted(path.glob("*.json")) if path.is_dir() else [path]
        if not files:
            raise TrainingError(f"{path}: no annotation files (*.json) in this folder")
        samples = join_samples([convert_annotated_video(read_annotations(file), images) for file in files])
        # Image ids may occur in several files, and PoseTrack17 has none at all.
        samples = replace(samples, image_ids=np.arange(len(samples.images)))
    else:
        samples = read_coco_samples(path, images, skeleton.names)
    if samples.num_keypoints != skeleton.num_keypoints:
        raise SettingsError(
            f"data.skeleton: {skeleton.name} has {skeleton.num_keypoints} keypoints, but {path} has "
            f"{samples.num_keypoints}"
        )
    return enclose_keypoints(samples) if data.boxes == "keypoints" else samples


def convert_annotated_video(video: AnnotatedVideo, image_folder: Path) -> PoseSamples:
    """Convert the people of a PoseTrack sequence to samples; without a box, with that of their keypoints."""
    people = video.people
    known = people.present & people.has_points[:, None]
    frames = video.frames
    samples = PoseSamples(
        images=tuple(ImageFile(image_folder / frame.file_name, frame.size_wh) for frame in frames),
        image_ids=np.arange(len(frames)),
        image_index=people.frame_index,
        boxes_xyxy=people.boxes_xyxy.astype(np.float32),
        scores=np.ones(len(people), np.float32),
        keypoints_xy=np.nan_to_num(people.keypoints_xy).astype(np.float32),
        weights=known.astype(np.float32),
    )
    has_box = np.isfinite(samples.boxes_xyxy).all(axis=1, keepdims=True)
    boxes = np.where(has_box, samples.boxes_xyxy, enclose_keypoints(samples).boxes_xyxy)
    # People with neither get an empty box, and are left out with those without known keypoints.
    return replace(samples, boxes_xyxy=np.nan_to_num(boxes).astype(np.float32))


def make_annotations(truth: PoseSamples, skeleton: Skeleton) -> dict[str, Any]:
    """Encode samples as COCO annotations, for formats that have no such file, with the areas of boxes."""
    sizes = truth.boxes_xyxy[:, 2:] - truth.boxes_xyxy[:, :2]
    triples = np.concatenate([truth.keypoints_xy, np.where(truth.weights > 0, 2.0, 0.0)[..., None]], axis=2)
    boxes = np.concatenate([truth.boxes_xyxy[:, :2], sizes], axis=1)
    ids = truth.image_ids[truth.image_index].tolist()
    return {
        "images": [{"id": number} for number in truth.image_ids.tolist()],
        "categories": [{"id": 1, "name": "person", "keypoints": list(skeleton.names)}],
        "annotations": [
            {
                "id": i,
                "image_id": number,
                "category_id": 1,
                "iscrowd": 0,
                "bbox": box,
                "area": box[2] * box[3],
                "keypoints": row,
                "num_keypoints": int((np.array(row[2::3]) > 0).sum()),
            }
            for i, (number, box, row) in enumerate(
                zip(ids, boxes.tolist(), triples.reshape(len(truth), -1).tolist(), strict=True), start=1
            )
        ],
    }
