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

from models.densepose.parts import NUM_CHARTS, NUM_MASKS

_GROUPS = 32
_LEAST_CONFIDENCE = 0.01
# Of the reading of LADCEM.
_SQUEEZE = 16
_LIGHT_RATES = (3, 6, 12, 18)


def make_convolutions(in_channels: int, width: int, number: int, *, is_normed: bool = False) -> nn.Sequential:
    """Make 3x3 convolutions with ReLU; normed ones have a group norm in between and no bias.

    Args:
        in_channels: Channels of the regions.
        width: Channels after each convolution.
        number: How many.
        is_normed: Whether they have norms.
    """
    return nn.Sequential(
        *(_make_conv(in_channels if i == 0 else width, width, 3, is_normed=is_normed) for i in range(number))
    )


class SpatialPyramid(nn.Module):
    """Atrous spatial pyramid pooling: a region seen at several rates at once (Chen et al., DeepLab v3).

    Args:
        in_channels: Channels of the regions.
        branch_channels: Channels of each of the five branches: 1x1, 3x3 at three rates, the region's mean.
        out_channels: Channels after the 1x1 convolution that joins them.
        rates: Dilations of the 3x3 convolutions.
        is_normed: Whether the branches have group norms instead of biases; the joining convolution then has
            neither.
    """

    def __init__(
        self,
        in_channels: int,
        branch_channels: int,
        out_channels: int,
        rates: Sequence[int],
        *,
        is_normed: bool,
    ) -> None:
        super().__init__()
        sides = [(1, 1), *((3, rate) for rate in rates), (1, 1)]
        self.branches = nn.ModuleList(
            _make_conv(in_channels, branch_channels, side, dilation=rate, is_normed=is_normed)
            for side, rate in sides
        )
        self.join = nn.Conv2d(len(sides) * branch_channels, out_channels, 1, bias=not is_normed)

    def forward(self, regions: Tensor) -> Tensor:
        """Map (N, C, S, S) to (N, out_channels, S, S)."""
        *local, pooled = self.branches
        features = [branch(regions) for branch in local]
        mean = pooled(regions.mean((2, 3), keepdim=True))
        features.append(mean.expand(-1, -1, *regions.shape[2:]))
        joined: Tensor = self.join(torch.cat(features, 1)).relu()
        return joined


class NonLocal(nn.Module):
    """Non-local block: every cell sees all others, by the similarity of their features; added to the input.

    Embedded Gaussian of Wang et al., "Non-local Neural Networks", CVPR 2018, with keys and values at half of
    the resolution and without scaling. The last norm starts at zero, so that at first the block does nothing.

    Args:
        channels: Channels of the regions.
        inner_channels: Channels of queries, keys and values.
        has_batch_norm: Whether the last norm is a batch norm, otherwise a group norm.
    """

    def __init__(self, channels: int, inner_channels: int, *, has_batch_norm: bool) -> None:
        super().__init__()
        self.query = nn.Conv2d(channels, inner_channels, 1)
        self.key = nn.Conv2d(channels, inner_channels, 1)
        self.value = nn.Conv2d(channels, inner_channels, 1)
        self.out = nn.Conv2d(inner_channels, channels, 1)
        self.norm = nn.BatchNorm2d(channels) if has_batch_norm else nn.GroupNorm(_GROUPS, channels)

    def start(self) -> None:
        """Set the last norm to zero."""
        nn.init.zeros_(self.norm.weight)
        nn.init.zeros_(self.norm.bias)

    def forward(self, regions: Tensor) -> Tensor:
        """Map (N, C, S, S) to the same shape."""
        query = self.query(regions).flatten(2).transpose(1, 2)
        key = functional.max_pool2d(self.key(regions), 2).flatten(2)
        value = functional.max_pool2d(self.value(regions), 2).flatten(2).transpose(1, 2)
        seen = (query @ key).softmax(-1) @ value
        added: Tensor = self.norm(self.out(seen.transpose(1, 2).unflatten(2, regions.shape[2:])))
        return added + regions


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
        self.pyramid = SpatialPyramid(in_channels, in_channels, in_channels, rates, is_normed=True)
        self.non_local = (
            NonLocal(in_channels, in_channels // 2, has_batch_norm=False) if is_non_local else nn.Identity()
        )
        self.convolutions = make_convolutions(in_channels, width, number, is_normed=True)

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
    """

    def __init__(
        self,
        in_channels: int,
        branch_channels: int = 256,
        width: int = 512,
        inner_channels: int = 256,
        number: int = 4,
        rates: Sequence[int] = (6, 12, 18),
    ) -> None:
        super().__init__()
        self.pyramid = SpatialPyramid(in_channels, branch_channels, width, rates, is_normed=False)
        self.non_local = (
            NonLocal(width, inner_channels, has_batch_norm=True) if inner_channels else nn.Identity()
        )
        self.convolutions = make_convolutions(width, width, number)

    def forward(self, regions: Tensor) -> Tensor:
        """Map (N, C, S, S) to (N, width, S, S)."""
        features: Tensor = self.convolutions(self.non_local(self.pyramid(regions)))
        return features


class LightAttention(nn.Module):
    """Channel and place attention of few parameters: squeeze-and-excitation, then a gate for each cell.

    Args:
        channels: Channels of the regions.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(channels, channels // _SQUEEZE, 1)
        self.excite = nn.Conv2d(channels // _SQUEEZE, channels, 1)
        self.gate = nn.Conv2d(channels, 1, 1)

    def start(self) -> None:
        """Set the weights so that no sigmoid begins saturated."""
        for layer in (self.squeeze, self.excite, self.gate):
            nn.init.xavier_normal_(layer.weight)

    def forward(self, regions: Tensor) -> Tensor:
        """Map (N, C, S, S) to the same shape."""
        weights = self.excite(self.squeeze(regions.mean((2, 3), keepdim=True)).relu()).sigmoid()
        weighted = regions * weights
        gated: Tensor = weighted * self.gate(weighted).sigmoid()
        return gated


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


def start_dense_layers(module: nn.Module) -> None:
    """Set convolutions to He et al.'s normal distribution (fan out), biases to zero, and start attention."""
    for part in module.modules():
        if isinstance(part, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.kaiming_normal_(part.weight, mode="fan_out", nonlinearity="relu")
            # Each output sees its own group's inputs alone.
            with torch.no_grad():
                part.weight *= part.groups**0.5
            if part.bias is not None:
                nn.init.zeros_(part.bias)
    for part in module.modules():
        if isinstance(part, NonLocal | LightAttention):
            part.start()


def _make_conv(
    in_channels: int, out_channels: int, side: int, *, dilation: int = 1, is_normed: bool
) -> nn.Sequential:
    padding = dilation if side > 1 else 0
    conv = nn.Conv2d(in_channels, out_channels, side, padding=padding, dilation=dilation, bias=not is_normed)
    norm = [nn.GroupNorm(_GROUPS, out_channels)] if is_normed else []
    return nn.Sequential(conv, *norm, nn.ReLU(inplace=True))


def _double(maps: Tensor) -> Tensor:
    return functional.interpolate(maps, scale_factor=2, mode="bilinear", align_corners=False)
