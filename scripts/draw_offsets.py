"""Draw the learnt offsets of the multitask network, which refine heatmaps (Ye and Ma, 2021, Eq. 6).

    python scripts/draw_offsets.py WEIGHTS IMAGE OUT [--network multitask-rb-h] [--side 1056]

An arrow begins at a keypoint and ends at the position from which its refined heatmap was sampled.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from models.data.image_files import ImageArray, ImageFile, read_image
from models.rcnn.codec import score_peaks
from models.rcnn.network import RCNN, make_rcnn
from models.rcnn.variants import NETWORKS
from posetrack.images.letterbox import Letterbox
from posetrack.render import color_of
from posetrack.weights.store import load_weights

_LEAST_PERSON_SCORE = 0.5
_LEAST_HEAT = 0.2
_DRAWN_SIDE_PX = 1600


def main() -> None:
    """Read an image, find its people, draw their offsets, write it."""
    refined = [name for name, config in NETWORKS.items() if config.has_keypoints and config.has_offsets]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("weights", type=Path)
    parser.add_argument("image", type=Path)
    parser.add_argument("out", type=Path, help="image to write")
    parser.add_argument("--network", choices=refined, default="multitask-rb-h")
    parser.add_argument("--side", type=int, default=1056, help="longest side of the network's input")
    arguments = parser.parse_args()
    network = make_rcnn(NETWORKS[arguments.network]).eval()
    load_weights(network, arguments.weights)
    batch, placement = Letterbox(torch.device("cpu"), arguments.side)([read_image(ImageFile(arguments.image))])
    canvas = batch[0].permute(1, 2, 0).numpy()
    starts_xy, ends_xy, rows = find_offsets(network, canvas)
    inner = canvas[: placement.size_wh[1], : placement.size_wh[0]]
    drawn = draw_offsets(inner, starts_xy, ends_xy, rows)
    if not cv2.imwrite(str(arguments.out), cv2.cvtColor(drawn, cv2.COLOR_RGB2BGR)):
        raise SystemExit(f"{arguments.out}: cannot be written")
    lengths = np.hypot(*(ends_xy - starts_xy).T)
    mean = f", {lengths.mean():.1f} px long on average" if len(lengths) else ""
    print(f"{arguments.out}: {len(lengths)} offsets of {len(np.unique(rows))} people{mean}")


@torch.inference_mode()
def find_offsets(network: RCNN, canvas: ImageArray) -> tuple[Any, Any, Any]:
    """The offsets at the peaks of the refined heatmaps.

    Args:
        network: The network, in evaluation mode.
        canvas: (H, W, 3) RGB, sides multiples of 32.

    Returns:
        Keypoints (P, 2), end points of the offsets (P, 2), both in pixels, and indices of their people (P,).
    """
    seen: list[tuple[Tensor, Tensor]] = []
    predictor = network.roi_heads.keypoint_predictor
    handle = predictor.register_forward_hook(lambda part, inputs, outputs: seen.append(outputs))
    batch = torch.from_numpy(np.ascontiguousarray(canvas)).permute(2, 0, 1)[None]
    (people,) = network(batch)
    handle.remove()
    is_sure = people["scores"] >= _LEAST_PERSON_SCORE
    heatmaps, offsets = (maps[is_sure] for maps in seen[0])
    boxes = people["boxes"][is_sure]
    N, K, S, _ = heatmaps.shape
    refined, offsets_xy = predictor.refine(heatmaps, offsets), offsets.reshape(N, K, 2, S * S)
    heats, cells = refined.reshape(N, K, S * S).max(dim=2)
    if predictor.are_logits:
        heats = score_peaks(refined)
    at = cells[:, :, None, None].expand(-1, -1, 2, 1)
    moved = offsets_xy.gather(3, at)[..., 0]
    starts = torch.stack([cells % S, cells // S], dim=2) + 0.5
    cell_px = (boxes[:, 2:] - boxes[:, :2])[:, None] / S
    origin = boxes[:, None, :2]
    is_there = heats >= _LEAST_HEAT
    owners = torch.arange(N)[:, None].expand(N, K)[is_there]
    starts_xy = (origin + starts * cell_px)[is_there]
    ends_xy = (origin + (starts + moved) * cell_px)[is_there]
    return starts_xy.numpy(), ends_xy.numpy(), owners.numpy()


def draw_offsets(canvas: ImageArray, starts_xy: Any, ends_xy: Any, rows: Any) -> ImageArray:
    """Draw an arrow for each offset in the colour of its person; small images are upscaled first.

    Returns:
        (H f, W f, 3) RGB, f an integer.
    """
    factor = max(1, _DRAWN_SIDE_PX // max(canvas.shape[:2]))
    drawn = canvas.repeat(factor, axis=0).repeat(factor, axis=1)
    for start, end, row in zip(starts_xy, ends_xy, rows.tolist(), strict=True):
        tail, tip = (tuple(np.rint(point * factor - 0.5).astype(int).tolist()) for point in (start, end))
        cv2.circle(drawn, tail, 4, (255, 255, 255), -1, cv2.LINE_AA)
        cv2.arrowedLine(drawn, tail, tip, color_of(row + 1), 2, cv2.LINE_AA, tipLength=0.3)
    return drawn


if __name__ == "__main__":
    main()
