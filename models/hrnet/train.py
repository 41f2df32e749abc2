"""Training of top-down pose: the step's losses, and prediction for evaluation."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

from models.backbones.imagenet import normalize_images
from models.data.crop import invert_matrices, transform_points
from models.data.samples import FloatArray, PoseSamples
from models.hrnet.codec import HeatmapCoding, average_flipped, decode_heatmaps, encode_heatmaps
from models.hrnet.dataset import PoseDataset
from models.hrnet.losses import compute_hard_heatmap_loss, compute_heatmap_loss
from models.hrnet.network import HEATMAP_STRIDE
from models.hrnet.recipe import PoseRecipe
from models.training.depthwise import fast_depthwise
from models.training.loop import ComputeLosses
from models.training.workers import read_in_order

_LOSSES = {"mse": compute_heatmap_loss, "ohkm": compute_hard_heatmap_loss}


def make_coding(recipe: PoseRecipe) -> HeatmapCoding:
    """The heatmap coding of a recipe."""
    crop = recipe.crop
    return HeatmapCoding(
        input_wh=recipe.size_wh,
        sigma_cells=crop.sigma_cells,
        kind=crop.coding,  # type: ignore[arg-type]
        stride=HEATMAP_STRIDE << recipe.network.heatmap_branch,
    )


def make_dataset(
    recipe: PoseRecipe,
    samples: PoseSamples,
    flip_index: tuple[int, ...],
    upper_body: tuple[int, ...] = (),
    *,
    is_training: bool,
) -> PoseDataset:
    """The data set of a recipe: augmented for training, as they are for evaluation."""
    return PoseDataset(
        samples,
        size_wh=recipe.size_wh,
        flip_index=flip_index,
        padding=recipe.crop.padding,
        augment=recipe.augment if is_training else None,
        upper_body=upper_body,
        seed=recipe.loop.seed,
        is_unbiased=recipe.crop.coding == "udp",
    )


def make_pose_losses(coding: HeatmapCoding, loss: str) -> ComputeLosses:
    """The losses of one batch of `PoseDataset`.

    Args:
        coding: How keypoints become heatmaps.
        loss: `mse` or `ohkm`.

    Returns:
        A function from network and batch to the losses by name; each keypoint counts by its weight.
    """
    compute = _LOSSES[loss]

    def compute_losses(network: nn.Module, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        # The loss squares what it is given: the root makes a keypoint count by its score.
        targets, weights = encode_heatmaps(batch["keypoints_xy"], batch["weights"].sqrt(), coding)
        with fast_depthwise(targets.device):
            heatmaps = network(_to_input(batch["image"]))
        return compute(heatmaps, targets, weights)

    return compute_losses


@torch.no_grad()
def predict_poses(
    network: nn.Module,
    dataset: PoseDataset,
    coding: HeatmapCoding,
    *,
    is_flip_tested: bool = True,
    batch_size: int = 64,
    num_workers: int = 0,
    precision: str = "f32",
) -> tuple[FloatArray, FloatArray]:
    """Predict the pose of every person of a data set.

    Args:
        network: In evaluation mode.
        dataset: Without augmentation.
        coding: How heatmaps become keypoints.
        is_flip_tested: Whether to average over the mirrored crop (section 4.1, "Testing").
        batch_size: Crops in one call of the network.
        num_workers: Processes that cut crops.
        precision: `f32`, or `bf16` for autocast.

    Returns:
        Keypoints (N, K, 2) in pixels of the images, and their scores (N, K).
    """
    device = next(network.parameters()).device
    N, K = dataset.samples.weights.shape
    points, scores = np.zeros((N, K, 2), np.float32), np.zeros((N, K), np.float32)
    start = 0
    for batch in read_in_order(dataset, len(dataset), batch_size=batch_size, num_workers=num_workers):
        images = _to_input(batch["image"].to(device))
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
            heatmaps = network(images).float()
            if is_flip_tested:
                flipped = network(images.flip(3)).float()
                heatmaps = average_flipped(heatmaps, flipped, dataset.flip_index, coding)
        found_xy, found_scores = decode_heatmaps(heatmaps, coding)
        rows = slice(start, start + len(images))
        points[rows], scores[rows] = found_xy.cpu().numpy(), found_scores.cpu().numpy()
        start = rows.stop
    return transform_points(points, invert_matrices(dataset.crop_matrices())), scores


def _to_input(crops: Tensor) -> Tensor:
    """(B, H, W, 3) uint8 as the network takes it, still channels last in memory."""
    return normalize_images(crops.permute(0, 3, 1, 2))
