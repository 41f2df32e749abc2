import pytest
import torch
from torch import nn

from models.training.convolutions import Float32Convolutions


def test_depthwise_convolutions_compute_in_float32():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(8, 8, 5, stride=2, groups=8), nn.Conv2d(8, 4, 1))
    images = torch.randn(2, 8, 12, 12, requires_grad=True)
    seen = []
    for part in network:
        part.register_forward_hook(lambda _, inputs, output: seen.append(output.dtype))
    with torch.autocast("cpu", torch.bfloat16), Float32Convolutions():
        network(images).float().sum().backward()
    assert seen == [torch.float32, torch.bfloat16]
    gradient, images.grad = images.grad, None
    network(images).sum().backward()
    torch.testing.assert_close(gradient, images.grad, rtol=0.02, atol=0.02)


def test_what_learns_nothing_stays_as_it_is():
    network = nn.Conv2d(8, 8, 3, groups=8, bias=False).requires_grad_(False)
    images = torch.randn(1, 8, 6, 6)
    with torch.autocast("cpu", torch.bfloat16), Float32Convolutions():
        assert network(images).dtype == torch.bfloat16


@pytest.mark.parametrize("groups", [1, 4])
def test_other_convolutions_are_left_alone(groups):
    network = nn.Conv2d(8, 8, 3, groups=groups)
    with torch.autocast("cpu", torch.bfloat16), Float32Convolutions():
        assert network(torch.randn(1, 8, 6, 6)).dtype == torch.bfloat16


@pytest.mark.parametrize(("channels", "dtype"), [(24, torch.float32), (32, torch.bfloat16)])
def test_dilated_convolutions_have_finite_gradients(channels, dtype):
    torch.manual_seed(0)
    network = nn.Conv2d(channels, channels, 3, padding=6, dilation=6).to(memory_format=torch.channels_last)
    regions = torch.randn(2, channels, 32, 32).to(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16), Float32Convolutions():
        output = network(regions)
        output.float().square().sum().backward()
    assert output.dtype == dtype
    gradient, network.weight.grad = network.weight.grad, None
    network(regions).square().sum().backward()
    error = (gradient - network.weight.grad).abs().max() / network.weight.grad.abs().max()
    assert error < 0.05
