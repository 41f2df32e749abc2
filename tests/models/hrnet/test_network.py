import re
from itertools import product
from pathlib import Path

import pytest
import torch
from torch import nn

from models.backbones.imagenet import normalize_images
from models.backbones.variants import (
    HRNET_W18,
    HRNET_W24_FROM_START,
    HRNET_W32,
    HRNET_W48,
    HRNET_W60_FINEST_ONLY,
    MOVENET_THUNDER,
    RESNET_50,
    RESNET_101,
    RESNET_152,
    HRNetConfig,
    ResNetConfig,
)
from models.engines.make import make_engine
from models.hrnet.codec import HeatmapCoding, decode_heatmaps, encode_heatmaps
from models.hrnet.losses import compute_heatmap_loss
from models.hrnet.network import (
    ClassificationHRNet,
    ClassificationResNet,
    PoseDecoder,
    PoseHRNet,
    PoseMoveNet,
    SimpleBaseline,
)

GOLDEN_KEYS = Path(__file__).parents[2] / "golden" / "hrnet_keys.txt"
NORM_TENSORS = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
TINY = HRNetConfig(width=4, modules=(1, 1, 1), blocks=1, stem_channels=8, bottlenecks=1)
TINY_RESNET = ResNetConfig(depths=(1, 1, 1, 1), width=4)
# The publications count multiplications and additions as one, in units of 2 ** 30.
GFLOP = 2**30


@pytest.fixture(autouse=True)
def one_thread():
    """Networks this small are slower on several."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def read_golden_keys(*sections: str) -> set[str]:
    keys: set[str] = set()
    section = ""
    for line in GOLDEN_KEYS.read_text().splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        elif not line.startswith("#") and section in sections:
            keys |= expand(line)
    return keys


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


def count_parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def count_multiplications(network: nn.Module, H: int, W: int) -> int:
    """Multiplications in convolutions for one image; transposed ones are counted as by the papers."""
    total = 0

    def after(part: nn.Module, _, output: torch.Tensor) -> None:
        nonlocal total
        total += part.weight.numel() * output.shape[2] * output.shape[3]

    for part in network.modules():
        if isinstance(part, nn.Conv2d | nn.ConvTranspose2d):
            part.register_forward_hook(after)
    network(torch.empty(1, 3, H, W, device="meta"))
    return total


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


@pytest.mark.parametrize(
    ("make", "sections"),
    [
        (lambda: PoseHRNet(HRNET_W32, 17), ("body", "pose")),
        (lambda: ClassificationHRNet(HRNET_W32), ("body", "imagenet")),
        (lambda: SimpleBaseline(RESNET_50, 17), ("simple-baseline-50",)),
    ],
)
def test_names_are_the_published_ones(make, sections):
    assert set(on_meta(make).state_dict()) == read_golden_keys(*sections)


@pytest.mark.parametrize(
    ("make", "config", "millions"),
    [
        (PoseHRNet, HRNET_W18, 9.3),
        (PoseHRNet, HRNET_W32, 28.5),
        (PoseHRNet, HRNET_W48, 63.6),
        (SimpleBaseline, RESNET_50, 34.0),
        (SimpleBaseline, RESNET_101, 53.0),
        (SimpleBaseline, RESNET_152, 68.6),
    ],
)
def test_parameters_are_as_many_as_published(make, config, millions):
    assert round(count_parameters(on_meta(make, config, 17)) / 1e6, 1) == millions


@pytest.mark.parametrize(
    ("config", "size_hw", "gflops"),
    [
        (HRNET_W32, (256, 192), 7.1),
        (HRNET_W48, (256, 192), 14.6),
        (HRNET_W32, (384, 288), 16.0),
        (HRNET_W48, (384, 288), 32.9),
        (HRNET_W32, (256, 256), 9.5),
    ],
)
def test_gflops_are_as_many_as_published(config, size_hw, gflops):
    count = count_multiplications(on_meta(PoseHRNet, config, 17), *size_hw)
    assert count / GFLOP == pytest.approx(gflops, abs=0.051)


@pytest.mark.parametrize(
    ("config", "size_hw", "gflops"),
    [
        (RESNET_50, (256, 192), 8.9),
        (RESNET_101, (256, 192), 12.4),
        (RESNET_152, (256, 192), 15.7),
        (RESNET_152, (384, 288), 35.6),
        (RESNET_152, (256, 256), 20.9),
    ],
)
def test_gflops_of_simple_baseline_are_near_those_published(config, size_hw, gflops):
    """Tables 1, 2 and 4. No count gives all: those of one network are not in the ratio of its input sizes."""
    count = count_multiplications(on_meta(SimpleBaseline, config, 17), *size_hw)
    assert count / GFLOP == pytest.approx(gflops, rel=0.012)


def test_variants_of_section_4_4_cost_what_their_documentation_says():
    for config, millions, gflops in ((HRNET_W24_FROM_START, 34.3, 6.3), (HRNET_W60_FINEST_ONLY, 2.5, 7.3)):
        network = on_meta(PoseHRNet, config, 17)
        assert round(count_parameters(network) / 1e6, 1) == millions
        assert round(count_multiplications(network, 256, 192) / GFLOP, 1) == gflops


def test_the_classification_of_torchvision_has_our_names():
    network = on_meta(ClassificationResNet, RESNET_50)
    assert count_parameters(network) == 25_557_032
    assert len(network.state_dict()) == 320


@pytest.mark.parametrize("branch", [0, 1, 2])
def test_heatmaps_come_from_the_branch_asked_for(branch):
    network = randomize(PoseHRNet(TINY, 5, heatmap_branch=branch))
    with torch.no_grad():
        heatmaps = network(torch.randn(2, 3, 64, 96))
    assert network.stride == 4 << branch
    assert heatmaps.shape == (2, 5, 64 // network.stride, 96 // network.stride)
    assert heatmaps.std(dim=(2, 3)).min() > 0


def test_a_decoder_makes_one_map_of_four():
    torch.manual_seed(0)
    decoder = randomize(PoseDecoder([5, 6, 7, 8]))
    maps = [
        torch.rand(2, channels, 64 // stride, 96 // stride, requires_grad=True)
        for channels, stride in zip((5, 6, 7, 8), (4, 8, 16, 32), strict=True)
    ]
    out = decoder(maps)
    assert out.shape == (2, decoder.out_channels, 16, 24)
    # A cell sees its surroundings in all maps, the coarsest ones widest, and the other image in none.
    out[0, :, 8, 12].sum().backward()
    seen = [level.grad.abs().sum(dim=1) > 0 for level in maps]
    assert not any(level[1].any() for level in seen)
    widths = [
        int(level[0].any(dim=0).sum()) * stride for level, stride in zip(seen, (4, 8, 16, 32), strict=True)
    ]
    assert 0 < widths[0] < widths[1] < widths[2] <= widths[3] == 96


def test_a_pose_network_on_movenet_has_a_decoder():
    network = on_meta(PoseMoveNet, MOVENET_THUNDER, 17)
    assert count_parameters(network) == 6_649_661
    assert count_parameters(network.decoder) == 423_024


def test_simple_baseline_gives_heatmaps_at_stride_4():
    network = randomize(SimpleBaseline(TINY_RESNET, 5))
    with torch.no_grad():
        heatmaps = network(torch.randn(2, 3, 64, 96))
    assert heatmaps.shape == (2, 5, 16, 24)
    assert heatmaps.std(dim=(2, 3)).min() > 0
    with pytest.raises(ValueError, match="multiples of 32 px, got 100 x 64"):
        network(torch.zeros(1, 3, 64, 100))


@pytest.mark.parametrize(
    "make",
    [
        lambda: ClassificationHRNet(TINY, 10),
        lambda: ClassificationResNet(TINY_RESNET, 10),
        lambda: SimpleBaseline(TINY_RESNET, 5),
        lambda: PoseHRNet(TINY, 5),
    ],
)
def test_every_parameter_gets_a_gradient(make):
    torch.manual_seed(0)
    network = make().train()
    output = network(torch.randn(2, 3, 96, 64))
    (output * torch.randn_like(output)).sum().backward()
    idle = [name for name, part in network.named_parameters() if part.grad is None or not part.grad.any()]
    assert idle == []


def test_a_batch_is_its_images_one_by_one():
    network = randomize(PoseHRNet(TINY, 5))
    images = torch.randn(3, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(network(images), torch.cat([network(image[None]) for image in images]))
        assert network(images[:0]).shape == (0, 5, 16, 16)


def test_images_are_normalised_by_imagenet():
    images = torch.tensor([0, 128, 255], dtype=torch.uint8).reshape(1, 3, 1, 1)
    expected = [-0.485 / 0.229, (128 / 255 - 0.456) / 0.224, (1 - 0.406) / 0.225]
    torch.testing.assert_close(normalize_images(images).flatten(), torch.tensor(expected))


@pytest.mark.parametrize("engine", ["torch", "openvino"])
def test_engines_give_what_the_network_gives(engine):
    network = randomize(PoseHRNet(TINY, 5))
    run = make_engine(
        network,
        name="tiny-hrnet",
        example=torch.zeros(1, 3, 64, 96),
        device=torch.device("cpu"),
        engine=engine,
        precision="f32",
    )
    images = torch.randn(3, 3, 128, 96, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected = network(images)
    (found,) = run(images).values()
    assert expected.std() > 0.1
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3)


def test_one_batch_is_learnt_by_heart():
    torch.manual_seed(0)
    coding = HeatmapCoding(input_wh=(64, 64), sigma_cells=2.0)
    network = PoseHRNet(TINY, 3).train()
    images = torch.randn(2, 3, 64, 64)
    points = torch.rand(2, 3, 2) * 48 + 8
    targets, weights = encode_heatmaps(points, torch.ones(2, 3), coding)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    losses = []
    for _ in range(60):
        optimizer.zero_grad()
        loss = compute_heatmap_loss(network(images), targets, weights)["heatmap"]
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 20
    with torch.no_grad():
        found, scores = decode_heatmaps(network(images), coding)
    assert (found - points).norm(dim=2).max() < 6
    assert scores.min() > 0.5
