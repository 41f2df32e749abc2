from collections import OrderedDict

import numpy as np
import pytest
import torch
from reference.rcnn_bifpn import fuse, resample_nearest

from models.backbones.bifpn import BiFPN, fuse_maps


@pytest.mark.parametrize("weights", [[1.0, 1.0], [0.3, 2.0, 0.7], [-1.0, 0.5, 0.2], [-1.0, -2.0]])
def test_fusion_is_the_loop(weights):
    maps = torch.randn(len(weights), 2, 3, 4, 5, generator=torch.Generator().manual_seed(0)).double()
    fused = fuse_maps(list(maps), torch.tensor(weights, dtype=torch.float64))
    np.testing.assert_allclose(fused.numpy(), fuse(list(maps.numpy()), weights), atol=1e-12)


def make_maps() -> OrderedDict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    sides = ((10, 14), (5, 7), (3, 4))
    return OrderedDict((str(i), torch.randn(2, i + 3, *hw, generator=generator)) for i, hw in enumerate(sides))


def test_a_layer_is_the_equations_by_name():
    """EfficientDet's paths for four levels, with this network's own convolutions."""
    torch.manual_seed(0)
    pyramid = BiFPN((3, 4, 5), 6, layers=1).eval()
    layer = pyramid.layers[0]
    with torch.no_grad():
        for weights in (*layer.down_weights, *layer.up_weights):
            weights.uniform_(-0.2, 2)
    maps = make_maps()

    def join(convolve, weights, *sources):
        like = sources[0].shape[-2:]
        spread = [resample_nearest(source.numpy(), *like) for source in sources]
        return convolve(torch.from_numpy(fuse(spread, weights.tolist())))

    with torch.no_grad():
        found = pyramid(maps)
        p3, p4, p5 = (lateral(level) for lateral, level in zip(pyramid.laterals, maps.values(), strict=True))
        p6 = p5[:, :, ::2, ::2]
        down, up = layer.down, layer.up
        m5 = join(down[2], layer.down_weights[2], p5, p6)
        m4 = join(down[1], layer.down_weights[1], p4, m5)
        o3 = join(down[0], layer.down_weights[0], p3, m4)
        o4 = join(up[0], layer.up_weights[0], p4, m4, o3)
        o5 = join(up[1], layer.up_weights[1], p5, m5, o4)
        o6 = join(up[2], layer.up_weights[2], p6, o5)
    assert list(found) == ["0", "1", "2", "pool"]
    for level, expected in zip(found.values(), (o3, o4, o5, o6), strict=True):
        torch.testing.assert_close(level, expected, rtol=1e-4, atol=1e-5)


def test_convolutions_are_separable():
    pyramid = BiFPN((3, 4, 5), 6, layers=2)
    convolutions = [part for part in pyramid.layers.modules() if isinstance(part, torch.nn.Conv2d)]
    # Two layers, six joints, a depthwise and a 1x1 convolution each.
    assert len(convolutions) == 2 * 6 * 2
    assert {(part.kernel_size, part.groups) for part in convolutions} == {((3, 3), 6), ((1, 1), 1)}


def test_it_learns_and_every_parameter_counts():
    torch.manual_seed(0)
    pyramid = BiFPN((3, 4, 5), 6, layers=2).train()
    maps = make_maps()
    target = [torch.randn_like(level) for level in pyramid(maps).values()]
    optimizer = torch.optim.Adam(pyramid.parameters(), lr=1e-2)
    history = []
    for _ in range(30):
        loss = sum(
            torch.nn.functional.mse_loss(a, b) for a, b in zip(pyramid(maps).values(), target, strict=True)
        )
        optimizer.zero_grad()
        loss.backward()
        assert [key for key, p in pyramid.named_parameters() if p.grad is None or not p.grad.any()] == []
        optimizer.step()
        history.append(loss.item())
    assert history[-1] < 0.9 * history[0]
