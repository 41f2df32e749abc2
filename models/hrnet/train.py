"""Training of top-down pose: its data and the losses of a step."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from models.backbones.imagenet import normalize_images
from models.data.samples import PoseSamples
from models.hrnet.codec import HeatmapCoding, encode_heatmaps
from models.hrnet.dataset import PoseDataset
from models.hrnet.losses import compute_hard_heatmap_loss, compute_heatmap_loss
from models.hrnet.network import HEATMAP_STRIDE
from models.hrnet.recipe import PoseRecipe
from models.training.convolutions import reliable_convolutions
from models.training.task import SplitLosses

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
) -> PoseDataset:
    """The data set of a recipe, augmented for training."""
    return PoseDataset(
        samples,
        size_wh=recipe.size_wh,
        flip_index=flip_index,
        padding=recipe.crop.padding,
        augment=recipe.augment,
        upper_body=upper_body,
        seed=recipe.loop.seed,
        is_unbiased=recipe.crop.coding == "udp",
    )


def make_pose_losses(coding: HeatmapCoding, loss: str) -> SplitLosses:
    """The losses of one batch of `PoseDataset`.

    Args:
        coding: How keypoints become heatmaps.
        loss: `mse` or `ohkm`.

    Returns:
        A function from network and batch to the losses by name; each keypoint counts by its weight.
    """
    measure = _LOSSES[loss]

    def prepare(batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        # The loss squares what it is given: the root makes a keypoint count by its score.
        targets, weights = encode_heatmaps(batch["keypoints_xy"], batch["weights"].sqrt(), coding)
        return {"images": _to_input(batch["image"]), "targets": targets, "weights": weights}

    def compute(network: nn.Module, prepared: Mapping[str, Tensor]) -> dict[str, Tensor]:
        with reliable_convolutions(prepared["targets"].device):
            heatmaps = network(prepared["images"])
        return measure(heatmaps, prepared["targets"], prepared["weights"])

    return SplitLosses(prepare, compute)


def _to_input(crops: Tensor) -> Tensor:
    """(B, H, W, 3) uint8 as the network takes it, still channels last in memory."""
    return normalize_images(crops.permute(0, 3, 1, 2))
