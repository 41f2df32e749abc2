"""The dense head: from the regions of people to features, and from these to charts and their coordinates.

Source: Güler et al., "DensePose", CVPR 2018 (eight convolutions); Yang et al., "Parsing R-CNN", CVPR 2019
(geometric and context encoding, GCE), in the form of Rakhimov et al., "Making DensePose fast and light", WACV
2021; Neverova et al., "Correlated Uncertainty for Learning Dense Correspondences from Noisy Labels", NeurIPS
2019 (confidences) and the DeepLab head that was published with it; UV R-CNN (LADCEM, see `LightContextHead`).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.densepose.layers import LightAttention, NonLocal, Norm, SpatialPyramid, make_convolutions
from models.densepose.parts import NUM_CHARTS, NUM_MASKS

_LEAST_CONFIDENCE = 0.01
# Of the reading of LADCEM.
_LIGHT_RATES = (3, 6, 12, 18)


class ConvolutionHead(nn.Module):
    """Eight 3x3 convolutions, as in DensePose R-CNN.

    Args:
        in_channels: Channels of the regions.
        width: Channels of the features.
        number: Number of convolutions.
    """

    def __init__(self, in_channels: int, width: int = 512, number: int = 8) -> None:
        super().__init__()
        self.convolutions = make_convolutions(in_channels, width, number)

    def forward(self, regions: Tensor) -> Tensor:
        """Map (N, C, S, S) to (N, width, S, S)."""
        features: Tensor = self.convolutions(regions)
        return features


class DeepLabHead(nn.Module):
    """Spatial pyramid, non-local block if wanted, and eight convolutions, all with group norms.

    Args:
        in_channels: Channels of the regions, and of the pyramid.
        width: Channels of the features.
        number: Number of convolutions.
        rates: Dilations of the pyramid.
        is_non_local: Whether it has the non-local block.
    """

    def __init__(
        self,
        in_channels: int,
        width: int = 512,
        number: int = 8,
        rates: Sequence[int] = (6, 12, 56),
        *,
        is_non_local: bool = False,
    ) -> None:
        super().__init__()
        self.pyramid = SpatialPyramid(in_channels, in_channels, in_channels, rates, norm="group")
        self.non_local = (
            NonLocal(in_channels, in_channels // 2, has_batch_norm=False) if is_non_local else nn.Identity()
        )
        self.convolutions = make_convolutions(in_channels, width, number, norm="group")

    def forward(self, regions: Tensor) -> Tensor:
        """Map (N, C, S, S) to (N, width, S, S)."""
        features: Tensor = self.convolutions(self.non_local(self.pyramid(regions)))
        return features


class ContextHead(nn.Module):
    """Geometric and context encoding (GCE): spatial pyramid, non-local block, four convolutions.

    Args:
        in_channels: Channels of the regions.
        branch_channels: Channels of each branch of the pyramid.
        width: Channels of the features.
        inner_channels: Channels within the non-local block; 0 leaves it out, as the mobile networks do.
        number: Number of convolutions.
        rates: Dilations of the pyramid.
        norm: Norms of the pyramid and of the convolutions, which the published networks do not have.
    """

    def __init__(
        self,
        in_channels: int,
        branch_channels: int = 256,
        width: int = 512,
        inner_channels: int = 256,
        number: int = 4,
        rates: Sequence[int] = (6, 12, 18),
        *,
        norm: Norm = "none",
    ) -> None:
        super().__init__()
        self.pyramid = SpatialPyramid(in_channels, branch_channels, width, rates, norm=norm)
        self.non_local = (
            NonLocal(width, inner_channels, has_batch_norm=True) if inner_channels else nn.Identity()
        )
        self.convolutions = make_convolutions(width, width, number, norm=norm)

    def forward(self, regions: Tensor) -> Tensor:
        """Map (N, C, S, S) to (N, width, S, S)."""
        features: Tensor = self.convolutions(self.non_local(self.pyramid(regions)))
        return features


class LightContextHead(nn.Module):
    """UV R-CNN's LADCEM as we read it: separable DenseASPP, light attention, four convolutions.

    The layers of LADCEM are published nowhere. Known are "light attention" with more than ten times fewer
    parameters than GCE's non-local block, and an improved DenseASPP. Read here as: 3x3 depthwise separable
    convolutions of rising rates, each of which sees the regions and what came before it; a 1x1 convolution; and
    `LightAttention` in place of the non-local block.

    Args:
        in_channels: Channels of the regions.
        branch_channels: Channels that each rate adds.
        width: Channels of the features.
        number: Number of convolutions.
    """

    def __init__(self, in_channels: int, branch_channels: int = 256, width: int = 512, number: int = 4) -> None:
        super().__init__()
        seen = [in_channels + i * branch_channels for i in range(len(_LIGHT_RATES) + 1)]
        self.branches = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(channels, channels, 3, padding=rate, dilation=rate, groups=channels),
                nn.Conv2d(channels, branch_channels, 1),
                nn.ReLU(inplace=True),
            )
            for channels, rate in zip(seen, _LIGHT_RATES, strict=False)
        )
        self.join = nn.Conv2d(seen[-1], width, 1)
        self.attention = LightAttention(width)
        self.convolutions = make_convolutions(width, width, number)

    def forward(self, regions: Tensor) -> Tensor:
        """Map (N, C, S, S) to (N, width, S, S)."""
        features = regions
        for branch in self.branches:
            features = torch.cat([features, branch(features)], 1)
        last: Tensor = self.convolutions(self.attention(self.join(features).relu()))
        return last


class ChartPredictor(nn.Module):
    """From features to coarse parts, charts, and coordinates in each chart, at twice or four times S.

    Args:
        in_channels: Channels of the features.
        num_coarse: Coarse parts with the background: 15, or 2 for person and background.
        is_enlarged: Whether the outputs are enlarged bilinearly by 2 once more.
        coordinate_confidences: Names of the confidences of coordinates to predict: `sigma_2`, `kappa_u`,
            `kappa_v`.
        has_segment_confidences: Whether coarse and fine parts are multiplied by confidences, one for each cell.
    """

    def __init__(
        self,
        in_channels: int,
        num_coarse: int = NUM_MASKS + 1,
        *,
        is_enlarged: bool = True,
        coordinate_confidences: Sequence[str] = (),
        has_segment_confidences: bool = False,
    ) -> None:
        super().__init__()
        channels = {"coarse": num_coarse, "fine": NUM_CHARTS + 1, "u": NUM_CHARTS + 1, "v": NUM_CHARTS + 1}
        channels |= dict.fromkeys(coordinate_confidences, NUM_CHARTS + 1)
        if has_segment_confidences:
            channels |= {"fine_confidence": 1, "coarse_confidence": 1}
        self.layers = nn.ModuleDict(
            {name: nn.ConvTranspose2d(in_channels, number, 4, 2, 1) for name, number in channels.items()}
        )
        self.is_enlarged = is_enlarged
        self.has_segment_confidences = has_segment_confidences

    def forward(self, features: Tensor) -> dict[str, Tensor]:
        """Predict for each region.

        Args:
            features: (N, C, S, S).

        Returns:
            `coarse` (N, 15 or 2, Z, Z) and `fine` (N, 25, Z, Z), logits; `u` and `v` (N, 25, Z, Z), a map
            for each chart; the confidences by name.
        """
        outputs = {name: layer(features) for name, layer in self.layers.items()}
        if self.is_enlarged:
            outputs = {name: _double(output) for name, output in outputs.items()}
        if self.has_segment_confidences:
            for name in ("fine", "coarse"):
                confidence = functional.softplus(outputs[f"{name}_confidence"]) + _LEAST_CONFIDENCE
                outputs[f"{name}_confidence"] = confidence
                outputs[name] = outputs[name] * confidence
        return outputs


def _double(maps: Tensor) -> Tensor:
    return functional.interpolate(maps, scale_factor=2, mode="bilinear", align_corners=False)
