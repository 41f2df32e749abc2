"""Table of section 4.4 of "Making DensePose fast and light": a DensePose network in float and int8 on this CPU.

Run: python scripts/bench_int8.py [--weights FILE] [--clip docs/media/street.mp4] [--sides 200 400 512 600 800]
                                  [--people 1 2 3 4 5] [--rounds 5]

Size, parameters, and images a second of the whole predictor by the image's shorter side (with two people) and
by the number of people (at 512 px), beside the paper's CPU. All precisions take turns on one image, so that
their ratios do not have the machine's noise. Needs the extras `mobile` and `int8`. Without --weights, random
ones are timed, which take as long.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from models.checkpoints import write_weights
from models.densepose.network import make_densepose
from models.densepose.variants import NETWORKS
from models.engines.choice import MIXED, is_installed, list_precisions
from models.engines.engine import Engine
from models.engines.exported import Export, find_part
from models.metadata import WeightsMetadata
from posetrack.compute import Compute, MakeEngine
from posetrack.exports.export import Calibration, export_weights
from posetrack.exports.parts import PartedNetwork, read_network
from posetrack.frame import ImageArray
from posetrack.runtime import tune_process
from posetrack.video.source import open_video
from posetrack.weights.store import find_export

NETWORK = "mobile-parsing-b"
PAPER_FPS = {200: 10.3, 400: 6.9, 512: 5.0, 600: 4.3, 800: 3.0, 1000: 2.1}
"""Table 4, float, on a CPU that the paper does not name."""
PAPER_INT8 = "4.976 fps in float, 8.310 in int8 (1.67 times), 13.8 MB and 4.3 MB (1 / 3.2)"
"""Table 6, at 512 px."""
PEOPLE, SIDE = 2, 512
CPU = torch.device("cpu")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weights", default="", help="Of a two-stage DensePose network.")
    parser.add_argument("--clip", type=Path, default=Path("docs/media/street.mp4"))
    parser.add_argument("--sides", type=int, nargs="+", default=[200, 400, 512, 600, 800])
    parser.add_argument("--people", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    parser.add_argument("--rounds", type=int, default=5)
    chosen = parser.parse_args()
    tune_process(torch_computes=False)
    for package, extra in (("timm", "mobile"), ("nncf", "int8")):
        if not is_installed(package):
            print(f"not timed: needs {package}; pip install 'posetrack[{extra}]'")
            return
    with tempfile.TemporaryDirectory() as folder:
        weights = chosen.weights or write_random_weights(Path(folder))
        network = read_network(weights)
        exports = export_both(weights, chosen.clip, Path(folder))
    bench = Bench(network, exports, read_frame(chosen.clip), chosen.rounds)
    print(f"{'shorter side, px':<18} {'paper':>6} {bench.header}     ({PEOPLE} people)")
    for side in chosen.sides:
        print(f"{side:<18} {PAPER_FPS.get(side, float('nan')):6.1f} {bench.measure(side, PEOPLE)}")
    print(f"{'people':<18} {'':>6} {bench.header}     ({SIDE} px)")
    for people in chosen.people:
        print(f"{people:<18} {'':>6} {bench.measure(SIDE, people)}")
    print(f"images a second, and in brackets how many times those of f32; the paper's Table 6: {PAPER_INT8}")


def write_random_weights(folder: Path) -> str:
    """Write a file of random weights."""
    torch.manual_seed(0)
    network = make_densepose(NETWORKS[NETWORK])
    # So that people are found, on which to calibrate.
    nn.init.normal_(network.roi_heads.box_predictor.cls_score.weight, std=0.05)
    path = folder / f"{NETWORK}.safetensors"
    write_weights(path, network.state_dict(), WeightsMetadata(NETWORK))
    print("random weights")
    return str(path)


def export_both(weights: str, clip: Path, folder: Path) -> dict[str, Export]:
    """Export weights in float and int8, and print how large they are."""
    exports = {}
    sizes = {}
    for precision, calibration in (("f32", None), ("int8", Calibration(clip, 8))):
        path = folder / f"{precision}.zip"
        sizes[precision] = export_weights(
            weights, path, "openvino", is_int8=calibration is not None, calibration=calibration
        ).size_bytes
        export = find_export(path)
        assert export is not None
        exports[precision] = export
    parameters = sum(parameter.numel() for parameter in read_network(weights).network.parameters())
    print(
        f"{exports['f32'].metadata.network}: {parameters / 1e6:.2f} M parameters (the paper's B: 3.35, without "
        f"the body's norms), {sizes['f32'] / 1e6:.1f} MB in float, {sizes['int8'] / 1e6:.1f} MB in int8 "
        f"(1 / {sizes['f32'] / sizes['int8']:.2f})"
    )
    return exports


def read_frame(clip: Path) -> ImageArray:
    """The first frame of a clip, cut to 4:3, as most of COCO's images are."""
    with open_video(clip) as video:
        image = next(iter(video)).image
    width = min(image.shape[1], image.shape[0] * 4 // 3)
    left = (image.shape[1] - width) // 2
    return np.ascontiguousarray(image[:, left : left + width])


class Bench:
    """A network in all precisions, whose engines all sizes and numbers of people share.

    Args:
        network: The network.
        exports: It, in `f32` and `int8`.
        image: What to find people in.
        rounds: Times that each precision has its turn.
    """

    def __init__(
        self, network: PartedNetwork, exports: dict[str, Export], image: ImageArray, rounds: int
    ) -> None:
        self._network = network
        self._image = image
        self._rounds = rounds
        precisions = [name for name in list_precisions("openvino", CPU) if name not in ("fp16", MIXED)]
        names = {precision: ("f32", precision) for precision in precisions}
        names |= {f"int8, {precision}": ("int8", precision) for precision in precisions}
        self._makers = {
            name: keep_engines(exports[kind], precision, network.settings.network)
            for name, (kind, precision) in names.items()
        }

    @property
    def header(self) -> str:
        """Names of the columns."""
        return " ".join(f"{name:>13}" for name in self._makers)

    def measure(self, side_px: int, people: int) -> str:
        """Measure images a second of each precision, as a row of the table."""
        runs = {name: self._make(maker, side_px, people) for name, maker in self._makers.items()}
        seconds: dict[str, list[float]] = {name: [] for name in runs}
        for number in range(self._rounds + 1):
            for name, run in runs.items():
                start = time.perf_counter()
                found = run()
                if number:
                    seconds[name].append(time.perf_counter() - start)
                assert found == people, f"{found} people, not {people}"
        middle = {name: statistics.median(own) for name, own in seconds.items()}
        cells = [f"{1 / own:6.2f} ({middle['f32'] / own:4.2f})" for own in middle.values()]
        return " ".join(f"{cell:>13}" for cell in cells)

    def _make(self, maker: MakeEngine, side_px: int, people: int) -> Callable[[], int]:
        """Make a predictor that finds so many people, with the paper's test-time settings."""
        settings = replace(
            self._network.settings,
            shorter_side_px=side_px,
            longest_side_px=2 * side_px,
            proposals=100,
            nms_iou=0.3,
            score_threshold=0.0,
        )
        network: Any = self._network.network
        network.roi_heads.detections_per_img = people
        compute = Compute(CPU, "openvino", "f32", make=maker)
        predictor: Any = self._network.role.make_predictor(network, settings, compute, None)
        return lambda: len(predictor([self._image])[0])


def keep_engines(export: Export, precision: str, network: str) -> MakeEngine:
    """Make what makes the engines of an export, each once."""
    engines: dict[str, Engine] = {}

    def make(_: nn.Module, name: str, example: Tensor, compute: Compute) -> Engine:
        part = find_part(name, network)
        if part not in engines:
            engines[part] = export.make_engine(part, example, compute.engine, precision)
        return engines[part]

    return make


if __name__ == "__main__":
    main()
