"""Deformable convolutions: each place looks where a learnt offset sends it ("convolution refinement").

Source: Ye and Ma, "Offset Allows for Extra Flexibility", 2021, section 3.2.2, Eq. 5; Zhu et al., "Deformable
ConvNets v2", CVPR 2019 (the modulation), through torchvision.
"""

from __future__ import annotations

from torch import Tensor, nn
from torchvision.ops import DeformConv2d


class DeformableConv2d(DeformConv2d):  # type: ignore[misc]
    """A deformable convolution with the convolution that gives its offsets.

    `weight` and `bias` are those of the plain convolution whose place it takes, so that its weights load. At
    first all offsets are 0.

    Args:
        plain: The convolution whose shape and weights it takes over.
        is_modulated: Whether each cell of the kernel is also weighed, by a factor in 0..1 that begins at 0.5
            (version 2).
    """

    def __init__(self, plain: nn.Conv2d, *, is_modulated: bool) -> None:
        super().__init__(
            plain.in_channels,
            plain.out_channels,
            plain.kernel_size,
            stride=plain.stride,
            padding=plain.padding,
            dilation=plain.dilation,
            groups=plain.groups,
            bias=plain.bias is not None,
        )
        self.weight, self.bias = plain.weight, plain.bias
        self.is_modulated = is_modulated
        self._cells = plain.kernel_size[0] * plain.kernel_size[1]
        self.offset = nn.Conv2d(
            plain.in_channels,
            self._cells * (3 if is_modulated else 2),
            plain.kernel_size,  # type: ignore[arg-type]
            stride=plain.stride,  # type: ignore[arg-type]
            padding=plain.padding,  # type: ignore[arg-type]
            dilation=plain.dilation,  # type: ignore[arg-type]
        )
        nn.init.zeros_(self.offset.weight)
        assert self.offset.bias is not None
        nn.init.zeros_(self.offset.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, in_channels, H, W) to (B, out_channels, H', W') as the plain convolution would, but bent."""
        offsets = self.offset(x)
        mask = offsets[:, 2 * self._cells :].sigmoid() if self.is_modulated else None
        bent: Tensor = super().forward(x, offsets[:, : 2 * self._cells], mask)
        return bent


def deform_convolutions(module: nn.Module, *, is_modulated: bool) -> None:
    """Put deformable convolutions in the place of all 3x3 ones.

    Args:
        module: A stage of a body, or a head; it is changed.
        is_modulated: As `DeformableConv2d` takes it.
    """
    for name, part in list(module.named_modules()):
        if isinstance(part, nn.Conv2d) and part.kernel_size == (3, 3):
            module.set_submodule(name, DeformableConv2d(part, is_modulated=is_modulated))
