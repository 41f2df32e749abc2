"""Names and configurations of the bottom-up networks, without importing torch."""

from __future__ import annotations

from dataclasses import dataclass

from models.backbones.variants import (
    HRNET_W18,
    HRNET_W32,
    HRNET_W48,
    MOVENET_MULTIPOSE,
    HRNetConfig,
    MoveNetConfig,
)


@dataclass(frozen=True)
class SwahrConfig:
    """One bottom-up network.

    Attributes:
        body: The backbone: HRNet or MoveNet.
        has_scale_maps: Whether it has scale maps (SAHR); HigherHRNet has none.
        dilations: Dilations of the residual units after the deconvolution (Table 7).
    """

    body: HRNetConfig | MoveNetConfig
    has_scale_maps: bool = True
    dilations: tuple[int, ...] = (1, 1, 1, 1)


NETWORKS: dict[str, SwahrConfig] = {
    "swahr-w18": SwahrConfig(HRNET_W18),
    "swahr-w32": SwahrConfig(HRNET_W32),
    "swahr-w48": SwahrConfig(HRNET_W48),
    "swahr-movenet": SwahrConfig(MOVENET_MULTIPOSE, dilations=(1,)),
    "higher-movenet": SwahrConfig(MOVENET_MULTIPOSE, has_scale_maps=False, dilations=(1,)),
    "higher-hrnet-w18": SwahrConfig(HRNET_W18, has_scale_maps=False),
    "higher-hrnet-w32": SwahrConfig(HRNET_W32, has_scale_maps=False),
    "higher-hrnet-w48": SwahrConfig(HRNET_W48, has_scale_maps=False),
    "higher-hrnet-w32-1122": SwahrConfig(HRNET_W32, has_scale_maps=False, dilations=(1, 1, 2, 2)),
    "higher-hrnet-w32-2222": SwahrConfig(HRNET_W32, has_scale_maps=False, dilations=(2, 2, 2, 2)),
}
"""Networks by name; digits at the end are the dilations in Table 7."""
