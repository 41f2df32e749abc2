import re
from itertools import product

import pytest
import torch
from torch import nn
from torch.nn import functional

from models.backbones.variants import HRNET_W18, HRNET_W32, HRNET_W48, HRNetConfig
from models.hrnet.network import PoseHRNet
from models.swahr.losses import compute_swahr_losses
from models.swahr.network import HigherHRNet, make_swahr_network, split_outputs
from models.swahr.variants import NETWORKS

TINY = HRNetConfig(width=4, modules=(1, 1, 1), blocks=1, stem_channels=8, bottlenecks=1)
NORM_TENSORS = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
# Names of the heads in published weights, from the modules of the public code (pose_higher_hrnet.py of
# HigherHRNet and of SWAHR). {0-3} is each number of a range, @ each tensor of a batch norm.
HEADS = (
    "final_layers.{0-1}.weight",
    "final_layers.{0-1}.bias",
    "deconv_layers.0.0.0.weight",
    "deconv_layers.0.0.1.@",
    "deconv_layers.0.{1-4}.0.conv{1-2}.weight",
    "deconv_layers.0.{1-4}.0.bn{1-2}.@",
)
SCALE_BRANCH = (
    "conv_scale_layers.{0-1}.0.weight",
    "conv_scale_layers.{0-1}.0.bias",
    "conv_scale_layers.{0-1}.1.@",
    "conv_scale_layers.{0-1}.3.weight",
    "conv_scale_layers.{0-1}.3.bias",
)


@pytest.fixture(autouse=True)
def one_thread():
    """Networks this small are slower on several."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def expand(pattern: str) -> set[str]:
    parts = re.split(r"\{(\d)-(\d)\}", pattern)
    ranges = [range(int(a), int(b) + 1) for a, b in zip(parts[1::3], parts[2::3], strict=True)]
    names = set()
    for numbers in product(*ranges):
        name = "".join(f"{text}{number}" for text, number in zip(parts[::3], numbers, strict=False)) + parts[-1]
        names |= {name.replace("@", part) for part in NORM_TENSORS} if "@" in name else {name}
    return names


def on_meta(make, *args, **options) -> nn.Module:
    """A network without memory: only names and shapes."""
    with torch.device("meta"):
        return make(*args, **options).eval()


def randomize(network: nn.Module) -> nn.Module:
    """Weights under which every part counts in the output."""
    rng = torch.Generator().manual_seed(0)
    for name, tensor in network.state_dict().items():
        if name.endswith("running_var"):
            tensor.uniform_(0.5, 1.5, generator=rng)
        elif tensor.ndim > 1:
            tensor.normal_(0, (2 / tensor[0].numel()) ** 0.5, generator=rng)
        elif tensor.is_floating_point():
            tensor.uniform_(0.1, 1, generator=rng)
    return network.eval()


@pytest.mark.parametrize("has_scale_maps", [False, True])
def test_names_are_the_published_ones(has_scale_maps):
    body = {
        name for name in on_meta(PoseHRNet, HRNET_W32, 17).state_dict() if not name.startswith("final_layer")
    }
    patterns = HEADS + (SCALE_BRANCH if has_scale_maps else ())
    expected = body.union(*(expand(pattern) for pattern in patterns))
    assert set(on_meta(HigherHRNet, HRNET_W32, 17, has_scale_maps).state_dict()) == expected


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("final_layers.0.weight", (28, 48, 1, 1)),
        ("final_layers.1.weight", (14, 48, 1, 1)),
        ("deconv_layers.0.0.0.weight", (76, 48, 4, 4)),
        ("deconv_layers.0.4.0.conv2.weight", (48, 48, 3, 3)),
        ("conv_scale_layers.0.0.weight", (14, 48, 1, 1)),
        ("conv_scale_layers.1.3.weight", (14, 1, 9, 9)),
    ],
)
def test_shapes_are_the_published_ones(name, shape):
    assert on_meta(HigherHRNet, HRNET_W48, 14, has_scale_maps=True).state_dict()[name].shape == shape


@pytest.mark.parametrize(
    ("config", "has_scale_maps", "millions", "size", "gflops"),
    [
        (HRNET_W32, False, 28.6, 512, 47.9),
        (HRNET_W32, True, 28.6, 512, 48.0),
        (HRNET_W48, False, 63.8, 640, 154.3),
        (HRNET_W48, True, 63.8, 640, 154.6),
        # Ours.
        (HRNET_W18, True, 9.4, 512, 19.7),
    ],
)
def test_parameters_and_gflops_are_as_many_as_published(config, has_scale_maps, millions, size, gflops):
    """Table 1, which counts a multiplication with its addition, and a deconvolution at its output's size."""
    network = on_meta(HigherHRNet, config, 17, has_scale_maps)
    assert round(sum(part.numel() for part in network.parameters()) / 1e6, 1) == millions
    count = 0

    def after(part: nn.Module, _, output: torch.Tensor) -> None:
        nonlocal count
        count += part.weight.numel() * output.shape[2] * output.shape[3]

    for part in network.modules():
        if isinstance(part, nn.Conv2d | nn.ConvTranspose2d):
            part.register_forward_hook(after)
    network(torch.empty(1, 3, size, size, device="meta"))
    assert round(count / 1e9, 1) == gflops


def run_by_name(state: dict[str, torch.Tensor], features: torch.Tensor, has_scale_maps: bool):
    """What the public code computes from the body's features, by the names of its weights."""

    def convolve(x, name, **options):
        return functional.conv2d(x, state[f"{name}.weight"], state.get(f"{name}.bias"), **options)

    def norm(x, name):
        tensors = (state[f"{name}.{part}"] for part in ("running_mean", "running_var", "weight", "bias"))
        return functional.batch_norm(x, *tensors)

    def scale(x, name):
        x = norm(convolve(x, f"{name}.0"), f"{name}.1").relu()
        return convolve(x, f"{name}.3", padding=4, groups=x.shape[1])

    first = convolve(features, "final_layers.0")
    kernel = state["deconv_layers.0.0.0.weight"]
    x = functional.conv_transpose2d(torch.cat([features, first], 1), kernel, stride=2, padding=1)
    x = norm(x, "deconv_layers.0.0.1").relu()
    for i in range(1, 5):
        name = f"deconv_layers.0.{i}.0"
        y = norm(convolve(x, f"{name}.conv1", padding=1), f"{name}.bn1").relu()
        x = (x + norm(convolve(y, f"{name}.conv2", padding=1), f"{name}.bn2")).relu()
    second = convolve(x, "final_layers.1")
    if not has_scale_maps:
        return first, second
    alphas = scale(features, "conv_scale_layers.0"), scale(x, "conv_scale_layers.1")
    return torch.cat([alphas[0], first], 1), torch.cat([alphas[1], second], 1)


def calibrate(network: nn.Module, images: torch.Tensor) -> None:
    """Give the batch norms the images' statistics, so that no ReLU is shut for all of them."""
    for part in network.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.momentum = 1.0
    with torch.no_grad():
        network.train()(images)
    network.eval()


@pytest.mark.parametrize("has_scale_maps", [False, True])
def test_outputs_are_those_of_the_published_parts_one_by_one(has_scale_maps):
    network = randomize(HigherHRNet(TINY, 5, has_scale_maps))
    images = torch.randn(2, 3, 64, 96, generator=torch.Generator().manual_seed(1))
    calibrate(network, images)
    with torch.no_grad():
        outputs = network(images)
        expected = run_by_name(network.state_dict(), network.compute_features(images)[0], has_scale_maps)
    assert [tuple(maps.shape) for maps in outputs] == (
        [(2, 15, 16, 24), (2, 10, 32, 48)] if has_scale_maps else [(2, 10, 16, 24), (2, 5, 32, 48)]
    )
    for maps, wanted in zip(outputs, expected, strict=True):
        assert maps.std(dim=(2, 3)).min() > 0
        torch.testing.assert_close(maps, wanted, rtol=1e-5, atol=1e-5)


def test_without_scale_maps_the_rest_is_the_same():
    network = randomize(HigherHRNet(TINY, 3, has_scale_maps=True))
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        expected = split_outputs(network(images), 3)
        network.remove_scale_maps()
        found = split_outputs(network(images), 3)
    assert found[0].alpha is None
    assert found[1].alpha is None
    assert torch.equal(found[0].heatmaps, expected[0].heatmaps)
    assert torch.equal(found[0].tags, expected[0].tags)
    assert torch.equal(found[1].heatmaps, expected[1].heatmaps)
    assert not any(name.startswith("conv_scale") for name in network.state_dict())


@pytest.mark.parametrize("name", ["swahr-movenet", "higher-movenet"])
def test_networks_on_movenet_have_the_same_maps_and_every_parameter_counts(name):
    torch.manual_seed(0)
    network = make_swahr_network(NETWORKS[name], 5).train()
    outputs = network(torch.randn(2, 3, 64, 96))
    channels = (15, 10) if NETWORKS[name].has_scale_maps else (10, 5)
    assert [tuple(maps.shape) for maps in outputs] == [(2, channels[0], 16, 24), (2, channels[1], 32, 48)]
    sum((maps + maps.square()).mean() for maps in outputs).backward()
    idle = {key for key, p in network.named_parameters() if p.grad is None or not p.grad.any()}
    # The scale branch's last layer starts at 0, which stops what would go on to the one before it.
    assert {key for key in idle if not key.startswith("conv_scale_layers.")} == set()


def test_the_network_on_movenet_has_the_size_that_its_card_says():
    network = on_meta(make_swahr_network, NETWORKS["swahr-movenet"], 17)
    assert round(sum(part.numel() for part in network.parameters()) / 1e6, 2) == 4.79


def test_outputs_are_named_in_the_published_order():
    first, second = split_outputs(
        [torch.arange(6.0).reshape(1, 6, 1, 1), torch.arange(4.0).reshape(1, 4, 1, 1)], 2
    )
    assert [maps.flatten().tolist() for maps in first] == [[0, 1], [2, 3], [4, 5]]
    assert [maps.flatten().tolist() for maps in second[:2]] == [[0, 1], [2, 3]]
    assert second.tags is None
    with pytest.raises(ValueError, match=r"stage 1: 3 channels; 2 keypoints have 2, or 4 with scale maps"):
        split_outputs([torch.zeros(1, 4, 1, 1), torch.zeros(1, 3, 1, 1)], 2)
    with pytest.raises(ValueError, match="expected those of 2 stages, got 1"):
        split_outputs([torch.zeros(1, 4, 1, 1)], 2)


def test_dilations_widen_what_the_fine_heatmaps_see():
    reaches = []
    for dilations in ((1, 1, 1, 1), (1, 1, 2, 2), (2, 2, 2, 2)):
        network = randomize(HigherHRNet(TINY, 1, dilations=dilations))
        x = torch.zeros(1, 6, 32, 32, requires_grad=True)
        network.deconv_layers[0](x)[0, :, 32, 32].sum().backward()
        reaches.append(int(x.grad.abs().sum(dim=(0, 1, 2)).count_nonzero()))
    # Eight convolutions reach 8, 12 and 16 cells each way at 1/2: 17, 25 and 33 cells, and the deconvolution's
    # four taps take these from 10, 14 and 18 at 1/4.
    assert reaches == [10, 14, 18]
    assert network.state_dict().keys() == HigherHRNet(TINY, 1).state_dict().keys()


def test_scale_maps_start_at_zero():
    torch.manual_seed(0)
    with torch.no_grad():
        maps = split_outputs(HigherHRNet(TINY, 3, has_scale_maps=True)(torch.randn(2, 3, 64, 64)), 3)
    assert not maps[0].alpha.any()
    assert not maps[1].alpha.any()


def test_a_batch_is_its_images_one_by_one():
    network = randomize(HigherHRNet(TINY, 5, has_scale_maps=True))
    images = torch.randn(3, 3, 64, 64)
    with torch.no_grad():
        outputs = network(images)
        singles = [network(image[None]) for image in images]
        assert [len(maps) for maps in network(images[:0])] == [0, 0]
    for i, maps in enumerate(outputs):
        torch.testing.assert_close(maps, torch.cat([single[i] for single in singles]))


def make_batch():
    """Two images with two people each, of three keypoints."""
    rng = torch.Generator().manual_seed(3)
    tag_xy = torch.randint(2, 14, (2, 2, 3, 2), generator=rng)
    heatmaps = []
    for side, factor in ((16, 1), (32, 2)):
        cells = torch.arange(side)
        distances = (cells - tag_xy[..., :1] * factor)[..., None, :] ** 2 + (cells - tag_xy[..., 1:] * factor)[
            ..., None
        ] ** 2
        gaussians = (-distances / 8).exp()
        heatmaps.append(torch.where(distances <= 36, gaussians, 0).amax(dim=1))
    return {
        "heatmaps": heatmaps,
        "masks": [torch.ones(2, 16, 16), torch.ones(2, 32, 32)],
        "tag_xy": tag_xy,
        "tag_is_visible": torch.ones(2, 2, 3, dtype=torch.bool),
    }


def test_one_batch_is_learnt_by_heart_and_every_parameter_gets_a_gradient():
    torch.manual_seed(1)
    network = HigherHRNet(TINY, 3, has_scale_maps=True).train()
    images, batch = torch.randn(2, 3, 64, 64), make_batch()
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    # Fewer steps, or a rate that stays, end at losses that other roundings of another processor double.
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1, 0.05, total_iters=160)
    history = []
    with_gradient = set()
    for _ in range(160):
        optimizer.zero_grad()
        losses = compute_swahr_losses(network(images), **batch)
        sum(losses.values()).backward()
        parameters = network.named_parameters()
        with_gradient |= {name for name, part in parameters if part.grad is not None and part.grad.any()}
        optimizer.step()
        schedule.step()
        history.append({name: loss.item() for name, loss in losses.items()})
    assert with_gradient == {name for name, _ in network.named_parameters()}
    assert history[-1]["heatmap_quarter"] < history[0]["heatmap_quarter"] / 5
    assert history[-1]["heatmap_half"] < history[0]["heatmap_half"] / 5
    assert history[-1]["push"] < history[0]["push"] / 2
    assert history[-1]["scale_half"] > 0
    with torch.no_grad():
        maps = split_outputs(network(images), 3)[1]
    found = maps.heatmaps.flatten(2).argmax(dim=2)
    assert batch["heatmaps"][1].flatten(2).gather(2, found[..., None]).min() > 0.5
