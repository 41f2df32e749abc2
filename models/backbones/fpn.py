"""Mobile backbones with a feature pyramid: FPN, BiFPN or its lighter form.

Source: Lin et al., "Feature Pyramid Networks for Object Detection", CVPR 2017, through torchvision.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from torch import Tensor, nn
from torchvision.ops.feature_pyramid_network import FeaturePyramidNetwork, LastLevelMaxPool

from models.backbones.bifpn import BiFPN
from models.backbones.light_bifpn import LightBiFPN
from models.backbones.mobile import MobileBody
from models.backbones.movenet import MoveNetMaps
from models.backbones.variants import MoveNetConfig, PyramidConfig, PyramidKind


class PyramidBackbone(nn.Module):
    """A mobile backbone and a pyramid on its maps, with the interface of torchvision's detection backbones.

    Args:
        body: Module with maps at strides 4, 8, 16 and 32.
        channels: Channels of the pyramid.
        kind: `fpn`, `bifpn` or `light_bifpn`.
        layers: Number of layers of `bifpn`; the others have one.

    Attributes:
        out_channels: Channels of the pyramid.

    Raises:
        ValueError: The kind is unknown, or it cannot have several layers.
    """

    def __init__(
        self,
        body: MobileBody | MoveNetMaps,
        channels: int,
        kind: PyramidKind = "fpn",
        layers: int = 1,
    ) -> None:
        super().__init__()
        if kind != "bifpn" and layers != 1:
            raise ValueError(f"pyramid '{kind}' has one layer, got {layers}; several are for bifpn")
        self.body = body
        self.fpn = _make_pyramid(kind, body.channels, channels, layers)
        self.out_channels = channels

    def forward(self, images: Tensor) -> OrderedDict[str, Tensor]:
        """Compute the pyramid.

        Args:
            images: (B, 3, H, W), normalised; sides are multiples of 32.

        Returns:
            `0`, `1`, `2`, `3` and `pool`: (B, out_channels, ceil(H / s), ceil(W / s)), s = 4, 8, 16, 32, 64.
        """
        maps = OrderedDict((str(i), level) for i, level in enumerate(self.body(images)))
        pyramid: OrderedDict[str, Tensor] = self.fpn(maps)
        return pyramid


def make_pyramid_backbone(config: PyramidConfig) -> PyramidBackbone:
    """Make a mobile or MoveNet body with its pyramid, with random weights."""
    body = MoveNetMaps(config.body) if isinstance(config.body, MoveNetConfig) else MobileBody(config.body)
    return PyramidBackbone(body, config.channels, config.kind, config.layers)


def _make_pyramid(kind: str, in_channels: Sequence[int], channels: int, layers: int) -> nn.Module:
    if kind == "fpn":
        pyramid: nn.Module = FeaturePyramidNetwork(list(in_channels), channels, extra_blocks=LastLevelMaxPool())
        return pyramid
    if kind == "bifpn":
        return BiFPN(in_channels, channels, layers)
    if kind == "light_bifpn":
        return LightBiFPN(in_channels, channels)
    raise ValueError(f"pyramid '{kind}': known: fpn, bifpn, light_bifpn")
