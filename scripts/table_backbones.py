"""Print the parameters of Mobile Parsing R-CNN's networks beside those of the paper's tables.

The paper counts a body's frozen batch norms as no parameters; a second column counts them too. Networks are
made without memory for their weights.

Run: python scripts/table_backbones.py
"""

from __future__ import annotations

import sys

import torch
from torch import nn

from models.backbones.variants import TABLE_2_BODIES
from models.densepose.network import make_densepose
from models.densepose.variants import NETWORKS

MOST_DIFFERENT_M = 0.005
"""The paper's millions have two decimals."""

_TABLE_2 = {
    "EfficientNet-B3": 16.03,
    "EfficientNet-EdgeTPU-L": 17.89,
    "MixNet-XL": 19.10,
    "EfficientNet-B2": 13.68,
    "MixNet-L": 14.62,
    "EfficientNet-EdgeTPU-M": 14.57,
    "EfficientNet-B1": 13.03,
    "CondConv-EfficientNet-B0": 18.32,
    "EfficientNet-EdgeTPU-S": 13.12,
    "MixNet-M": 12.39,
    "EfficientNet-B0": 12.10,
    "MixNet-S": 11.52,
    "MobileNetV3-Large-1.0": 12.04,
    "MnasNet-A1": 10.94,
    "FBNet-C": 11.49,
    "MnasNet-B1": 11.31,
    "Single-Path": 11.35,
    "MobileNetV3-Large-0.75": 10.92,
    "MobileNetV3-Large-1.0 (minimal)": 10.48,
    "MobileNetV3-Small-1.0": 10.07,
    "MobileNetV3-Small-0.75": 9.74,
    "MobileNetV3-Small-1.0 (minimal)": 9.58,
}
PAPER_M = {
    "mobile-parsing-a": 11.35,
    "mobile-parsing-a-r50": 33.61,
    **{f"mobile-parsing-a-{TABLE_2_BODIES[body]}": millions for body, millions in _TABLE_2.items()},
    "mobile-parsing-bifpn-256": 10.53,
    "mobile-parsing-bifpn-112": 4.41,
    "mobile-parsing-bifpn-88": 3.82,
    "mobile-parsing-b": 3.35,
}
"""Tables 1, 2 and 3, in millions, by the names of our networks."""


def main() -> int:
    """Print the table; exit code 1 if a number is not the paper's."""
    width = max(map(len, PAPER_M))
    print(f"{'network':<{width}}  {'ours':>8}  {'paper':>6}  {'diff.':>7}  {'with body norms':>15}   millions")
    is_wrong = False
    for name, paper in PAPER_M.items():
        counted, all_of_them = count_parameters(name)
        ours = counted / 1e6
        is_alike = abs(ours - paper) <= MOST_DIFFERENT_M
        is_wrong |= not is_alike
        mark = "" if is_alike else "  not the paper's"
        print(
            f"{name:<{width}}  {ours:8.3f}  {paper:6.2f}  {ours - paper:+7.3f}  {all_of_them / 1e6:15.3f}{mark}"
        )
    return int(is_wrong)


def count_parameters(name: str) -> tuple[int, int]:
    """Count the parameters of a network of `NETWORKS`: without the norms of its body, and all."""
    with torch.device("meta"):
        network = make_densepose(NETWORKS[name])
    norms = sum(_count(part) for part in network.backbone.body.modules() if hasattr(part, "running_mean"))
    whole = sum(parameter.numel() for parameter in network.parameters())
    return whole - norms, whole


def _count(part: nn.Module) -> int:
    return sum(parameter.numel() for parameter in part.parameters())


if __name__ == "__main__":
    sys.exit(main())
