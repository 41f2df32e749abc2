"""RAFT is torchvision's: the same numbers for the same images and weights; and images of any other size."""

import pytest
import torch
from torchvision.models.optical_flow import raft_large, raft_small
from torchvision.transforms._presets import OpticalFlow

from models.raft.network import estimate_flow, make_raft
from models.raft.variants import NETWORKS

MAKERS = {"raft-large": raft_large, "raft-small": raft_small}


def make_pair(height, width, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randint(0, 256, (2, 3, height, width), dtype=torch.uint8, generator=generator) for _ in "ab"]


@pytest.mark.parametrize("name", NETWORKS)
def test_flow_is_that_of_torchvision(name):
    torch.manual_seed(3)
    theirs = MAKERS[name](weights=None, progress=False).eval()
    ours = make_raft(name).eval()
    ours.load_state_dict(theirs.state_dict())
    previous, images = make_pair(128, 136)
    with torch.inference_mode():
        flow = estimate_flow(ours, previous, images)
        expected = theirs(*OpticalFlow()(previous, images))[-1]
    assert expected.abs().max() > 1
    torch.testing.assert_close(flow, expected, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize(("height", "width"), [(131, 150), (60, 90), (1, 1)])
def test_images_of_any_size_are_extended_by_their_border(height, width):
    torch.manual_seed(3)
    network = make_raft("raft-small").eval()
    previous, images = make_pair(height, width)
    with torch.inference_mode():
        flow = estimate_flow(network, previous, images, num_updates=2)
        above, left = (max(-(-side // 8) * 8, 128) - side for side in (height, width))
        rows = (torch.arange(height + above) - above // 2).clamp(0, height - 1)
        columns = (torch.arange(width + left) - left // 2).clamp(0, width - 1)
        larger = [part[..., rows, :][..., columns] for part in (previous, images)]
        whole = estimate_flow(network, *larger, num_updates=2)
    assert flow.shape == (2, 2, height, width)
    expected = whole[..., above // 2 : above // 2 + height, left // 2 : left // 2 + width]
    torch.testing.assert_close(flow, expected, rtol=1e-4, atol=1e-3)
