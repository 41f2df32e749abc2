"""Mobile backbones of timm: small networks of depthwise convolutions.

Source: Rakhimov et al., "Making DensePose fast and light", WACV 2021, section 3.1 and Table 2 (which bodies),
section 4.3 ("features before point-wise linear 1x1 convolutions").
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812, the name that torch's own documentation uses
from torch import Tensor, nn

from models.backbones.variants import MobileConfig
from models.extras import MissingPackageError, OldPackageError

MOBILE_STRIDES = (4, 8, 16, 32)
"""Input pixels per cell of a body's maps, finest first."""


_STEM_STRIDE = 2
_LINEAR = ".conv_pwl"
# In blocks without expansion.
_SEPARABLE_LINEAR = ".conv_pw"


class MobileBody(nn.Module):
    """A mobile network without its classifier, as a backbone with four maps.

    Args:
        config: The variant.

    Attributes:
        channels: Channels of each map, finest first.

    Raises:
        MissingPackageError: timm is not installed, or, as `OldPackageError`, its version lacks the body.
    """

    def __init__(self, config: MobileConfig) -> None:
        super().__init__()
        self.config = config
        network = _create_model(config.name)
        _fix_padding(network)
        self.channels: tuple[int, ...] = tuple(network.feature_info.channels())
        # Maps by index that the network does not return by itself, kept while `forward` runs.
        self._seen = _Seen()
        if config.features == "expansion":
            self.channels, linear_names = _list_expansions(config.name)
            _cut_behind(network, linear_names[-1], is_kept=config.is_whole)
            for i, name in enumerate(linear_names):
                if name.endswith((_LINEAR, _SEPARABLE_LINEAR)):
                    network.get_submodule(name).register_forward_pre_hook(partial(_keep_input, self._seen, i))
        if config.features == "first_stage":
            places = _find_first_stages(network.blocks)
            network.blocks = network.blocks[: places[-1] + 1]
            stages = [network.blocks[place] for place in places]
            self.channels = tuple(_count_channels(stage) for stage in stages)
            for i, stage in enumerate(stages):
                stage.register_forward_hook(partial(_keep_output, self._seen, i))
        self.network: nn.Module = network

    def forward(self, images: Tensor) -> list[Tensor]:
        """Compute the maps of four resolutions.

        Args:
            images: (B, 3, H, W), normalised; H and W are multiples of 32.

        Returns:
            For each of `MOBILE_STRIDES` (B, channels, H / stride, W / stride).

        Raises:
            ValueError: H or W is not a multiple of 32.
        """
        H, W = images.shape[-2:]
        if H % 32 or W % 32:
            raise ValueError(f"mobile bodies take sides that are multiples of 32 px, got {W} x {H}")
        levels = self.network(images)
        seen = self._seen.take()
        return [seen[i] if i in seen else levels[i] for i in range(len(self.channels))]


class _CentredConv2d(nn.Conv2d):
    """A centred convolution for TensorFlow's weights and maps whose sides are multiples of the stride.

    Differs from TensorFlow's `SAME`, which pads a strided convolution more on the right and bottom than on the
    left and top, so that receptive fields are shifted to the right and bottom by (stride - 1) pixels, over a
    whole backbone by up to 31 px of the image. Here they are centred on their cells, as in PyTorch. The weights
    remain valid, because the features are those of a shifted image.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, in_channels, H, W) to (B, out_channels, H / stride, W / stride)."""
        (kernel, _), (stride, _), (dilation, _) = self.kernel_size, self.stride, self.dilation
        total = max((kernel - 1) * dilation + 1 - stride, 0)
        before = (kernel - 1) * dilation // 2
        after = total - before
        padded = F.pad(x, (before, after, before, after))
        return F.conv2d(padded, self.weight, self.bias, self.stride, 0, self.dilation, self.groups)


def list_names(name: str) -> frozenset[str]:
    """The names of all weights of timm's network, of which a body lacks the last."""
    with torch.device("meta"):
        return frozenset(_import_timm(name).create_model(name, pretrained=False).state_dict())


def _import_timm(name: str) -> Any:
    """Import timm for one of its networks; it is an optional package that takes long to import."""
    try:
        import timm
    except ImportError as error:
        raise MissingPackageError(f"mobile backbone {name}", "timm", "mobile") from error

    if not timm.is_model(name):
        raise OldPackageError(f"mobile backbone {name}", f"timm {timm.__version__}", "mobile")
    return timm


def _create_model(name: str, **settings: Any) -> Any:
    """Make a backbone of timm."""
    return _import_timm(name).create_model(
        name, pretrained=False, features_only=True, out_indices=(1, 2, 3, 4), **settings
    )


def _fix_padding(network: nn.Module) -> None:
    """Replace timm's `SAME` convolutions, whose padding depends on the map's size, by `_CentredConv2d`."""
    from timm.layers.cond_conv2d import CondConv2d
    from timm.layers.conv2d_same import Conv2dSame

    for name, part in list(network.named_modules()):
        if isinstance(part, CondConv2d) and part.dynamic_padding:
            # For sides that are multiples of the stride this equals `_CentredConv2d`.
            part.dynamic_padding = False
            part.padding = tuple(
                (kernel - 1) * dilation // 2
                for kernel, dilation in zip(part.kernel_size, part.dilation, strict=True)
            )
        if isinstance(part, Conv2dSame):
            convolution = _CentredConv2d(
                part.in_channels,
                part.out_channels,
                part.kernel_size,  # type: ignore[arg-type]
                part.stride,  # type: ignore[arg-type]
                dilation=part.dilation,  # type: ignore[arg-type]
                groups=part.groups,
                bias=part.bias is not None,
            )
            convolution.weight, convolution.bias = part.weight, part.bias
            network.set_submodule(name, convolution)


def _list_expansions(name: str) -> tuple[tuple[int, ...], list[str]]:
    """List the channels of the maps before the linear convolutions, and timm's names of these convolutions."""
    with torch.device("meta"):
        info = _create_model(name, feature_location="expansion").feature_info
    return tuple(info.channels()), info.module_name()


class _Seen:
    """Maps by index that hooks keep; an object of its own, because exports of torch copy a module's dicts."""

    def __init__(self) -> None:
        self.maps: dict[int, Tensor] = {}

    def take(self) -> dict[int, Tensor]:
        """Give the maps away."""
        maps, self.maps = self.maps, {}
        return maps


def _keep_input(seen: _Seen, index: int, part: nn.Module, inputs: tuple[Tensor, ...]) -> None:
    seen.maps[index] = inputs[0]


def _keep_output(seen: _Seen, index: int, part: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
    seen.maps[index] = output


def _find_first_stages(stages: Sequence[nn.Module]) -> list[int]:
    """Find the first stage of blocks at each of `MOBILE_STRIDES`."""
    strides = []
    stride = _STEM_STRIDE
    for stage in stages:
        for block in stage.children():
            # A mixed convolution is several, side by side.
            stride *= max(getattr(part, "stride", (1,))[0] for part in block.modules())
        strides.append(stride)
    return [strides.index(stride) for stride in MOBILE_STRIDES]


def _count_channels(stage: nn.Module) -> int:
    """Channels behind a stage, which ends with a norm."""
    return [part.num_features for part in stage.modules() if isinstance(part, nn.BatchNorm2d)][-1]


class _Stop(nn.Module):
    """Replaces an unused layer; a conditional convolution also receives its routing weights.

    Args:
        layer: The layer; if given, its weights are kept, frozen, so that files with them fit.
    """

    def __init__(self, layer: nn.Module | None = None) -> None:
        super().__init__()
        if layer is not None:
            for name, parameter in layer.named_parameters(recurse=False):
                self.register_parameter(name, nn.Parameter(parameter, requires_grad=False))
            for name, buffer in layer.named_buffers(recurse=False):
                self.register_buffer(name, buffer)

    def forward(self, x: Tensor, *mixture: Tensor) -> Tensor:
        """Map x to itself."""
        return x


def _cut_behind(network: nn.Module, name: str, *, is_kept: bool) -> None:
    """Stop the computation behind the last map, so that no trainable parameter is unused.

    Args:
        network: timm's backbone.
        name: The last block's linear convolution; for another layer, whose output is the map itself, nothing is
            cut.
        is_kept: Whether the weights of the layers behind are kept.
    """
    if name.endswith(_LINEAR):
        block: Any = network.get_submodule(name.removesuffix(_LINEAR))
        # Blocks that expand by a full convolution have no third norm.
        norm = "bn3" if hasattr(block, "bn3") else "bn2"
        for part in (norm, "conv_pwl"):
            setattr(block, part, _Stop(getattr(block, part) if is_kept else None))
        block.has_skip = False
