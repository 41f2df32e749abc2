"""Time the preparation of network inputs: by OpenCV and a copy to the device, or by a copy and on the device.

    python scripts/bench_device_images.py [--device cuda] [--size 1920x1080] [--images N] [--crops N]

Prints milliseconds per call, the median over repeats in which both take turns: whole images resized to 512
pixels, crops of 256 x 256 of small and of large boxes, and crops of images that are on the device already.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from functools import partial

import cv2
import numpy as np
import torch

from posetrack.compute import choose_device
from posetrack.errors import PoseTrackError
from posetrack.frame import FloatArray, ImageArray
from posetrack.images.crops import BoxCrops, CropCutter
from posetrack.images.letterbox import Letterbox
from posetrack.images.on_device import DeviceImages

LONGEST_SIDE_PX = 512
CROPS = BoxCrops((256, 256))
# Height of a person over the image's: enlarged or about as large as the crop, and reduced.
BOXES = {"small": (0.1, 0.4), "large": (0.6, 1.2)}


def make_boxes(images: list[ImageArray], num_crops: int, fractions: tuple[float, float]) -> list[FloatArray]:
    """Square boxes about the images, sides between two fractions of the height; each image (N, 4)."""
    rng = np.random.default_rng(0)
    boxes = []
    for image, rows in zip(images, np.array_split(np.arange(num_crops), len(images)), strict=True):
        height, width = image.shape[:2]
        centres = rng.uniform(0.2, 0.8, (len(rows), 2)) * (width, height)
        half = rng.uniform(*fractions, (len(rows), 1)) * height / 2
        boxes.append(np.concatenate([centres - half, centres + half], axis=1).astype(np.float32))
    return boxes


def make_cases(
    images: list[ImageArray], num_crops: int, device: torch.device
) -> dict[str, dict[str, Callable[[], object]]]:
    """Make the contenders by name for each case."""
    fresh, keeping = DeviceImages(device), DeviceImages(device, remembered=len(images))
    ways = {"OpenCV": None, "device": fresh, "device, uploaded before": keeping}
    letterboxes = {name: Letterbox(device, LONGEST_SIDE_PX, device_images=way) for name, way in ways.items()}
    cutters = {name: CropCutter(device, way) for name, way in ways.items()}
    cases: dict[str, dict[str, Callable[[], object]]] = {
        "upload alone": {"device": partial(fresh.upload, images)},
        "resize": {name: partial(letterbox, images) for name, letterbox in letterboxes.items()},
    }
    for name, fractions in BOXES.items():
        matrices = [CROPS.make_matrices(boxes) for boxes in make_boxes(images, num_crops, fractions)]
        cases[f"crop {name} boxes"] = {
            way: partial(cut, images, matrices, CROPS.size_wh) for way, cut in cutters.items()
        }
    return cases


def measure_ms(
    contenders: dict[str, Callable[[], object]], device: torch.device, repeats: int
) -> dict[str, float]:
    """Measure the median milliseconds until the result is available, after two warm-up rounds."""
    times_s: dict[str, list[float]] = {name: [] for name in contenders}
    for i in range(repeats + 2):
        for name, run in contenders.items():
            start_s = time.perf_counter()
            run()
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            if i >= 2:
                times_s[name].append(time.perf_counter() - start_s)
    return {name: statistics.median(seconds) * 1000 for name, seconds in times_s.items()}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--device", default="auto")
    parser.add_argument("--size", default="1920x1080", help="width and height of the images in pixels")
    parser.add_argument("--images", type=int, default=4)
    parser.add_argument("--crops", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=20)
    arguments = parser.parse_args()
    try:
        device = choose_device(arguments.device)
    except PoseTrackError as error:
        parser.error(str(error))
    width, height = map(int, arguments.size.split("x"))
    cv2.setNumThreads(1)
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (height, width, 3), np.uint8) for _ in range(arguments.images)]
    where = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
    print(f"{arguments.images} images of {width} x {height}, {arguments.crops} crops, {where}, ms a call:")
    for case, contenders in make_cases(images, arguments.crops, device).items():
        for name, milliseconds in measure_ms(contenders, device, arguments.repeats).items():
            print(f"  {case:<18} {name:<24} {milliseconds:8.2f}")


if __name__ == "__main__":
    main()
