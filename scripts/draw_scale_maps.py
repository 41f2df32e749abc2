"""Draw SWAHR's scale maps over an image: 1/s, red for large values (Luo et al., CVPR 2021, Fig. 5).

Run: python scripts/draw_scale_maps.py WEIGHTS IMAGE OUT [--network swahr-w32] [--shorter-side-px 512]

As in the paper, maps are resized to the image, averaged over the keypoints, and scaled to the full range of
colours within the image.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from models.backbones.imagenet import normalize_images
from models.data.crop import crop_image, invert_matrices
from models.data.image_files import ImageArray, ImageFile, read_image
from models.data.samples import FloatArray
from models.swahr.images import plan_views
from models.swahr.losses import STAGE_NAMES, compute_alpha
from models.swahr.network import HigherHRNet, make_swahr_network, split_outputs
from models.swahr.variants import NETWORKS
from posetrack.weights.store import load_weights

# Opacity of the image under the colours.
_IMAGE_FRACTION = 0.5


def main() -> None:
    """Read an image, draw its scale map, and write the image."""
    parser = argparse.ArgumentParser(description="Draw SWAHR's scale maps over an image.")
    parser.add_argument("weights", type=Path, help="weights of a SWAHR network, with scale maps")
    parser.add_argument("image", type=Path)
    parser.add_argument("out", type=Path, help="image to write")
    known = [name for name, config in NETWORKS.items() if config.has_scale_maps]
    parser.add_argument("--network", choices=known, default="swahr-w32")
    parser.add_argument("--shorter-side-px", type=int, default=512, help="of the network's input")
    parser.add_argument("--stage", choices=STAGE_NAMES, default="half", help="whose scale maps")
    parser.add_argument("--keypoints", type=int, default=17, help="how many the network was trained for")
    args = parser.parse_args()
    network = make_swahr_network(NETWORKS[args.network], args.keypoints).eval()
    load_weights(network, args.weights)
    image = read_image(ImageFile(args.image))
    inverse_scales = compute_inverse_scales(network, image, args.shorter_side_px, args.stage)
    drawn = draw_map(image, inverse_scales)
    if not cv2.imwrite(str(args.out), cv2.cvtColor(drawn, cv2.COLOR_RGB2BGR)):
        raise SystemExit(f"{args.out}: cannot be written")
    low, mean, high = (round(float(f(inverse_scales)), 3) for f in (np.min, np.mean, np.max))
    print(f"{args.out}: 1/s from {low} (blue) to {high} (red), {mean} in the mean")


@torch.inference_mode()
def compute_inverse_scales(
    network: HigherHRNet, image: ImageArray, shorter_side_px: int, stage: str
) -> FloatArray:
    """Compute 1/s at every pixel of an image, averaged over the keypoints.

    Args:
        network: The network, in evaluation mode; its scale branch returns alpha = 1/s - 1.
        image: (H, W, 3).
        shorter_side_px: Shorter side of the network's input.
        stage: One of `STAGE_NAMES`.

    Returns:
        (H, W).
    """
    image_wh = (image.shape[1], image.shape[0])
    (view,) = plan_views(image_wh, shorter_side_px)
    seen = crop_image(image, view.matrix, view.size_wh)
    outputs = network(normalize_images(torch.from_numpy(seen).permute(2, 0, 1)[None]))
    scale_maps = split_outputs(outputs, network.num_keypoints)[STAGE_NAMES.index(stage)].alpha
    assert isinstance(scale_maps, Tensor)
    inverse_scales = 1 + compute_alpha(scale_maps)[0].mean(dim=0).numpy()
    in_view = cv2.resize(inverse_scales, view.size_wh, interpolation=cv2.INTER_LINEAR)
    to_image = invert_matrices(view.matrix[None])[0]
    placed = cv2.warpAffine(
        in_view, to_image, image_wh, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(placed, np.float32)


def draw_map(image: ImageArray, values: FloatArray) -> ImageArray:
    """Colour an image by values (H, W): blue for the lowest, red for the highest."""
    low, high = float(values.min()), float(values.max())
    levels = ((values - low) / max(high - low, 1e-9) * 255).astype(np.uint8)
    colors = cv2.cvtColor(cv2.applyColorMap(levels, cv2.COLORMAP_JET), cv2.COLOR_BGR2RGB)
    return np.asarray(cv2.addWeighted(image, _IMAGE_FRACTION, colors, 1 - _IMAGE_FRACTION, 0), np.uint8)


if __name__ == "__main__":
    main()
