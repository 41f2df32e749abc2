"""Training of the R-CNN family: the step's losses, and prediction for evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from pycocotools import mask as mask_api
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from models.backbones.imagenet import normalize_images
from models.data.crop import ImageArray
from models.data.instances import InstanceSamples
from models.data.letterbox import Placement, unplace_boxes, unplace_points
from models.data.samples import FloatArray, IntArray
from models.rcnn.codec import decode_masks
from models.rcnn.dataset import KEYPOINT_SHIFT_PX, DetectionDataset, collate_samples
from models.rcnn.recipe import DetectionRecipe
from models.rcnn.variants import NETWORKS, PERSON_LABEL
from models.training.depthwise import fast_depthwise
from models.training.loop import ComputeLosses
from models.training.workers import WORKER_START, start_worker


@dataclass(frozen=True, eq=False)
class FoundPeople:
    """N people that a network found in a data set, pixels of the images.

    Attributes:
        image_index: (N,) each one's image, rising.
        boxes_xyxy: (N, 4).
        scores: (N,).
        keypoints_xyw: (N, K, 3), x and y as COCO counts them, from the middle of the first pixel, and scores.
            None from a network without keypoints.
        masks: N run lengths, as COCO's; None from a network without masks.
    """

    image_index: IntArray
    boxes_xyxy: FloatArray
    scores: FloatArray
    keypoints_xyw: FloatArray | None = None
    masks: tuple[dict[str, Any], ...] | None = None


def make_dataset(
    recipe: DetectionRecipe, samples: InstanceSamples, flip_index: tuple[int, ...], *, is_training: bool
) -> DetectionDataset:
    """The data set of a recipe: augmented for training, as they are for evaluation."""
    return DetectionDataset(
        samples,
        canvas=recipe.canvas.make_canvas(is_training=is_training),
        flip_index=flip_index,
        augment=recipe.augment if is_training else None,
        with_masks=is_training and NETWORKS[recipe.network.name].has_masks,
        seed=recipe.loop.seed,
    )


def make_detection_losses(frozen: tuple[nn.Module, ...] = ()) -> ComputeLosses:
    """The losses of one batch of `collate_samples`.

    Args:
        frozen: Batch norms that keep their statistics, as `models.training.freeze.freeze_body` gives them.

    Returns:
        A function from network and batch to the losses by name.
    """

    def compute_losses(network: nn.Module, batch: Mapping[str, Any]) -> dict[str, Tensor]:
        # The loop puts the whole network into training mode after each evaluation.
        for part in frozen:
            part.eval()
        images = _to_input(batch["image"])
        with fast_depthwise(images.device):
            losses: dict[str, Tensor] = network(images, batch["targets"])
        return losses

    return compute_losses


@torch.no_grad()
def find_people(
    network: nn.Module,
    dataset: DetectionDataset,
    *,
    batch_size: int = 16,
    num_workers: int = 0,
    precision: str = "f32",
) -> FoundPeople:
    """Find the people in every image of a data set; of several classes only people count.

    Args:
        network: In evaluation mode.
        dataset: Without augmentation.
        batch_size: Images in one call of the network.
        num_workers: Processes that read images.
        precision: `f32`, or `bf16` for autocast.
    """
    device = next(network.parameters()).device
    loader = DataLoader(
        _Letterboxed(dataset),
        batch_size,
        num_workers=num_workers,
        collate_fn=_collate_letterboxed,
        generator=torch.Generator(),
        worker_init_fn=start_worker,
        multiprocessing_context=WORKER_START if num_workers else None,
    )
    per_image: list[FoundPeople] = []
    for images, placements in loader:
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
            found = network(_to_input(images.to(device)))
        for people, placement in zip(found, placements, strict=True):
            per_image.append(_unplace_people(people, placement, len(per_image)))
    return _join_people(per_image)


def encode_results(found: FoundPeople, image_ids: IntArray) -> list[dict[str, Any]]:
    """Write found people as COCO results.

    Args:
        found: N people.
        image_ids: (I,) the data set's own numbers of the images.

    Returns:
        A list of N with `image_id`, `category_id`, `bbox` and `score`; `keypoints` and `segmentation` where the
        network finds them.
    """
    boxes = np.concatenate([found.boxes_xyxy[:, :2], found.boxes_xyxy[:, 2:] - found.boxes_xyxy[:, :2]], axis=1)
    results: list[dict[str, Any]] = [
        {"image_id": number, "category_id": 1, "bbox": box, "score": score}
        for number, box, score in zip(
            image_ids[found.image_index].tolist(), boxes.tolist(), found.scores.tolist(), strict=True
        )
    ]
    for i, result in enumerate(results):
        if found.keypoints_xyw is not None:
            result["keypoints"] = found.keypoints_xyw[i].ravel().tolist()
        if found.masks is not None:
            result["segmentation"] = found.masks[i]
    return results


def _unplace_people(people: Mapping[str, Tensor], placement: Placement, image_index: int) -> FoundPeople:
    """What a network found on one canvas, in its image."""
    if "labels" in people:
        is_person = people["labels"] == PERSON_LABEL
        people = {name: value[is_person] for name, value in people.items()}
    columns = {name: value.float().cpu() for name, value in people.items()}
    N = len(columns["scores"])
    boxes = unplace_boxes(columns["boxes"].numpy(), placement)
    keypoints = masks = None
    if "keypoints" in columns:
        points = unplace_points(columns["keypoints"].numpy(), placement) - KEYPOINT_SHIFT_PX
        keypoints = np.concatenate([points, columns["keypoint_scores"].numpy()[..., None]], axis=2)
    if "masks" in columns:
        # Masks lie in their boxes, which are cut at the image's borders only now.
        whole = unplace_boxes(columns["boxes"].numpy(), placement, is_cut=False)
        # One after another: a hundred of them at an image's size are much memory.
        drawn = (
            decode_masks(columns["masks"][i : i + 1], torch.from_numpy(whole[i : i + 1]), placement.image_wh)
            for i in range(N)
        )
        masks = tuple(mask_api.encode(np.asfortranarray(mask[0].numpy(), np.uint8)) for mask in drawn)
    index = np.full(N, image_index, np.int64)
    return FoundPeople(index, boxes, columns["scores"].numpy(), keypoints, masks)


def _join_people(per_image: list[FoundPeople]) -> FoundPeople:
    keypoints = [found.keypoints_xyw for found in per_image if found.keypoints_xyw is not None]
    masks = [found.masks for found in per_image if found.masks is not None]
    return FoundPeople(
        image_index=np.concatenate([found.image_index for found in per_image]),
        boxes_xyxy=np.concatenate([found.boxes_xyxy for found in per_image]),
        scores=np.concatenate([found.scores for found in per_image]),
        keypoints_xyw=np.concatenate(keypoints) if keypoints else None,
        masks=tuple(mask for part in masks for mask in part) if masks else None,
    )


class _Letterboxed(Dataset[tuple[ImageArray, Placement]]):
    """A data set's canvases with where the images lie on them."""

    def __init__(self, dataset: DetectionDataset) -> None:
        self._dataset = dataset

    def __len__(self) -> int:
        return len(self._dataset)

    def __getitem__(self, index: int) -> tuple[ImageArray, Placement]:
        return self._dataset.letterbox_image(index)


def _collate_letterboxed(samples: list[tuple[ImageArray, Placement]]) -> tuple[Tensor, list[Placement]]:
    batch = collate_samples([{"image": image} for image, _ in samples])
    return batch["image"], [placement for _, placement in samples]


def _to_input(images: Tensor) -> Tensor:
    """(B, H, W, 3) uint8 as the network takes it, still channels last in memory."""
    return normalize_images(images.permute(0, 3, 1, 2))
