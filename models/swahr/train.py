"""Training of bottom-up pose: its start, the losses of a step, and the search for people in evaluation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from models.backbones.imagenet import normalize_images
from models.data.crop import crop_image, read_image
from models.data.people_crops import ImageSamples
from models.data.samples import FloatArray, IntArray
from models.swahr.aggregate import predict_maps
from models.swahr.codec import SHR_BASE_WIDTH_PX, SIGMA_CELLS, DecodeConfig, decode_people
from models.swahr.dataset import CrowdDataset, encode_targets
from models.swahr.images import compute_view_size, map_to_image, plan_views
from models.swahr.losses import SwahrLossConfig, compute_swahr_losses
from models.swahr.network import split_outputs
from models.swahr.recipe import BottomUpRecipe, EvaluationRecipe, TargetRecipe
from models.training import start
from models.training.batches import SampleKey
from models.training.depthwise import fast_depthwise
from models.training.loop import ComputeLosses
from models.training.workers import read_in_order

# What depends on the keypoints, and what an HRNet of another task does not have.
_HEADS = ("final_layer.", "final_layers.", "deconv_layers.", "conv_scale_layers.", "neck.")


@dataclass(frozen=True, eq=False)
class FoundPeople:
    """N people that a network found in a list of images.

    Attributes:
        image_index: (N,) each one's image, rising.
        keypoints_xy: (N, K, 2), pixels as COCO counts them, from the middle of the first.
        keypoint_scores: (N, K); 0 where a keypoint was not found.
        scores: (N,).
    """

    image_index: IntArray
    keypoints_xy: FloatArray
    keypoint_scores: FloatArray
    scores: FloatArray


def load_body(network: nn.Module, path: Path) -> None:
    """Fill a network with the weights of another's body.

    An HRNet takes that of ImageNet, top-down or bottom-up pose; one on MoveNet that.

    Raises:
        TrainingError: The file is missing, unreadable, or of another body.
    """
    start.load_body(network, path, heads=_HEADS)


def make_dataset(recipe: BottomUpRecipe, samples: ImageSamples, flip_index: tuple[int, ...]) -> CrowdDataset:
    """The data set of a recipe, augmented for training."""
    return CrowdDataset(
        samples,
        size_px=recipe.target.size_px,
        flip_index=flip_index,
        augment=recipe.augment,
        max_people=recipe.data.max_people,
        seed=recipe.loop.seed,
    )


def make_bottom_up_losses(target: TargetRecipe, loss: SwahrLossConfig) -> ComputeLosses:
    """The losses of one batch of `CrowdDataset`.

    Args:
        target: What the network is to answer.
        loss: Which losses.

    Returns:
        A function from network and batch to the losses by name, float32 under autocast too.
    """

    def compute_losses(network: nn.Module, batch: Mapping[str, Any]) -> dict[str, Tensor]:
        images = _to_input(batch["image"])
        with fast_depthwise(images.device):
            outputs = network(images)
        # Targets are drawn by matrices of pixels, which bfloat16 cannot count.
        with torch.autocast(images.device.type, enabled=False):
            heatmaps, masks = _encode_targets(batch, target)
            return compute_swahr_losses(
                outputs,
                heatmaps,
                masks,
                tag_xy=batch["tag_xy"],
                tag_is_visible=batch["tag_is_visible"],
                config=loss,
            )

    return compute_losses


def _encode_targets(batch: Mapping[str, Any], target: TargetRecipe) -> tuple[list[Tensor], list[Tensor]]:
    """Heatmaps and masks of a batch at both resolutions."""
    samples, is_scaled = dict(batch), target.is_sigma_scaled
    if target.sigma_cells != SIGMA_CELLS:
        # Boxes of one width for all give everyone this sigma.
        width_px = target.sigma_cells / SIGMA_CELLS * SHR_BASE_WIDTH_PX
        samples["box_widths_px"], is_scaled = torch.full_like(batch["box_widths_px"], width_px), True
    return encode_targets(samples, unknown_keypoints=target.unknown_keypoints, is_sigma_scaled=is_scaled)


@torch.no_grad()
def find_people(
    network: nn.Module,
    image_paths: Sequence[Path],
    *,
    evaluation: EvaluationRecipe,
    flip_index: tuple[int, ...],
    keypoint_order: tuple[int, ...],
    num_workers: int = 0,
    precision: str = "f32",
) -> FoundPeople:
    """Find the people in images of any size, one after another.

    Args:
        network: In evaluation mode.
        image_paths: The images.
        evaluation: How.
        flip_index: K positions, each keypoint's mirror image.
        keypoint_order: All K keypoints, in the order in which people grow.
        num_workers: Processes that read images.
        precision: `f32`, or `bf16` for autocast.
    """
    device, K = next(network.parameters()).device, len(flip_index)
    look = _make_look(network, K, evaluation.stages, precision)
    decode = DecodeConfig(min_score=evaluation.min_peak)
    index = [np.zeros(0, np.int64)]
    points: list[FloatArray] = [np.zeros((0, K, 2), np.float32)]
    scores: list[FloatArray] = [np.zeros((0, K), np.float32)]
    totals: list[FloatArray] = [np.zeros(0, np.float32)]
    views = _Views(image_paths, evaluation)
    for i, view in enumerate(read_in_order(views, len(views), batch_size=1, num_workers=num_workers)):
        image_wh = int(view["image_wh"][0, 0]), int(view["image_wh"][0, 1])
        base_wh = compute_view_size(image_wh, evaluation.shorter_side_px, 1.0, min(evaluation.scales))
        maps = predict_maps(
            look,
            [_to_input(view.to(device)) for view in view["views"]],
            evaluation.scales,
            num_keypoints=K,
            flip_index=flip_index if evaluation.is_flip_tested else None,
            projected_wh=base_wh if evaluation.is_projected else None,
        )
        (found,) = decode_people(maps.heatmaps, maps.tags, keypoint_order, decode)
        map_wh = (maps.heatmaps.shape[3], maps.heatmaps.shape[2])
        points.append(map_to_image(found.keypoints_xy, map_wh, image_wh))
        scores.append(found.keypoint_scores)
        totals.append(found.scores)
        index.append(np.full(len(found.scores), i, np.int64))
    return FoundPeople(
        image_index=np.concatenate(index),
        keypoints_xy=np.concatenate(points),
        keypoint_scores=np.concatenate(scores),
        scores=np.concatenate(totals),
    )


def encode_results(found: FoundPeople, image_ids: IntArray) -> list[dict[str, Any]]:
    """Write found people as COCO results.

    Args:
        found: N people.
        image_ids: (I,) the data set's own numbers of the images.

    Returns:
        A list of N with `image_id`, `category_id`, `keypoints` and `score`.
    """
    triples = np.concatenate([found.keypoints_xy, found.keypoint_scores[..., None]], axis=2)
    rows = triples.reshape(len(triples), 3 * triples.shape[1]).tolist()
    ids = image_ids[found.image_index].tolist()
    return [
        {"image_id": number, "category_id": 1, "keypoints": row, "score": score}
        for number, row, score in zip(ids, rows, found.scores.tolist(), strict=True)
    ]


def _make_look(
    network: nn.Module, num_keypoints: int, stages: str, precision: str
) -> Callable[[Tensor], list[Tensor]]:
    """The network as `predict_maps` takes it, in float32 from here on."""

    def look(images: Tensor) -> list[Tensor]:
        with torch.autocast(images.device.type, torch.bfloat16, enabled=precision == "bf16"):
            outputs = network(images)
        first, second = split_outputs([maps.float() for maps in outputs], num_keypoints)
        assert first.tags is not None
        if stages == "both":
            return [torch.cat([first.heatmaps, first.tags], dim=1), second.heatmaps]
        # The mean of the stages is then the second's.
        nothing = torch.zeros_like(first.heatmaps)
        return [torch.cat([nothing, first.tags], dim=1), 2 * second.heatmaps]

    return look


class _Views(Dataset[dict[str, Any]]):
    """Images at the sizes at which the network looks at them."""

    def __init__(self, image_paths: Sequence[Path], evaluation: EvaluationRecipe) -> None:
        self._image_paths = image_paths
        self._evaluation = evaluation

    def __len__(self) -> int:
        return len(self._image_paths)

    def __getitem__(self, key: SampleKey) -> dict[str, Any]:
        image = read_image(self._image_paths[key[1]])
        image_wh = (image.shape[1], image.shape[0])
        views = plan_views(image_wh, self._evaluation.shorter_side_px, self._evaluation.scales)
        return {
            "image_wh": np.array(image_wh),
            "views": [crop_image(image, view.matrix, view.size_wh) for view in views],
        }


def _to_input(images: Tensor) -> Tensor:
    """(B, H, W, 3) uint8 as the network takes it, still channels last in memory."""
    return normalize_images(images.permute(0, 3, 1, 2))
