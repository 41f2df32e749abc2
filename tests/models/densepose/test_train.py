from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from reference.densepose_scene import shrink
from safetensors.torch import save_file
from torchvision.models import resnet18

from models.data.image_files import ImageFile
from models.data.instances import InstanceSamples
from models.densepose.codec import decode_dense_pose
from models.densepose.dataset import PersonSurface, SurfaceDataset
from models.densepose.losses import DenseLossConfig
from models.densepose.network import make_densepose, normalize_bgr
from models.densepose.pixel_box import find_pixels
from models.densepose.train import load_densepose_start
from models.densepose.variants import NETWORKS
from models.detection.dataset import collate_samples
from models.detection.network import normalize_bytes
from models.detection.plan import Canvas
from models.detection.train import make_detection_losses
from models.rcnn.network import make_rcnn
from models.rcnn.variants import RCNNConfig
from models.training.errors import TrainingError

BOXES = np.array([[10, 8, 50, 88], [40, 16, 88, 80]], np.float32)
CHARTS = (2, 23, 9, 14)
"""Of the quarters of the box: upper left, upper right, lower left, lower right."""
COLORS = ((255, 60, 0), (0, 255, 60), (60, 0, 255), (255, 255, 0))


def make_surface():
    """Points all over the box; u rises to the right, v downwards."""
    draw = np.random.default_rng(0)
    points = draw.uniform(8, 248, (120, 2)).astype(np.float32)
    quarter = (points[:, 0] >= 128) + 2 * (points[:, 1] >= 128)
    return PersonSurface(points, np.array(CHARTS, np.uint8)[quarter], points / 256)


@pytest.fixture
def samples(tmp_path):
    """Two images of one person before black, each quarter of another colour."""
    files = []
    for i, (x1, y1, x2, y2) in enumerate(BOXES.astype(int)):
        image = np.zeros((96, 96, 3), np.uint8)
        quarters = np.array(COLORS, np.uint8).reshape(2, 2, 3)
        size = (int(x2 - x1), int(y2 - y1))
        image[y1:y2, x1:x2] = cv2.resize(quarters, size, interpolation=cv2.INTER_NEAREST)
        files.append(tmp_path / f"{i}.png")
        cv2.imwrite(str(files[-1]), image[..., ::-1])
    return InstanceSamples(
        images=tuple(map(ImageFile, files)),
        image_ids=np.arange(2),
        image_index=np.arange(2),
        boxes_xyxy=BOXES,
        is_ignored=np.zeros(2, bool),
        keypoints_xyw=np.zeros((2, 0, 3), np.float32),
        outlines=(None, None),
        details=(make_surface(), make_surface()),
    )


def measure_pose(network, image, box):
    """Charts that are right, and the mean error of u and v, at the annotated points of the true box."""
    with torch.no_grad():
        maps = network.roi_heads.maps(network.backbone(network.normalize(image)))
        boxes = [torch.from_numpy(box)[None]]
        heads = network.roi_heads
        regions = heads.dense_roi_pool(maps, boxes, [image.shape[2:]])
        outputs = heads.dense_predictor(heads.dense_head(regions))
    person = {name: maps[0] for name, maps in outputs.items()}
    # Nothing taught the coarse parts; all of the box is the person's.
    person["coarse"] = torch.stack(
        [torch.zeros_like(person["coarse"][0]), torch.ones_like(person["coarse"][0])]
    )
    region = find_pixels(boxes[0][0])
    charts, coordinates = decode_dense_pose(person, region)
    surface = make_surface()
    x, y = (surface.points_xy * np.array([region.w, region.h]) / 256).astype(int).T
    is_right = charts[y, x].numpy() == surface.charts
    errors = np.abs(coordinates[:, y, x].numpy().T - surface.coordinates_uv)
    return is_right.mean(), errors[is_right].mean()


def test_a_network_learns_two_images(samples):
    torch.manual_seed(0)
    config = replace(shrink(NETWORKS["densepose-r50-dl"]), pixels="rgb", dense_maps="finest", dense_cells=7)
    network = make_densepose(config, DenseLossConfig(0.0, 1.0, 0.3, "dense_points")).train()
    dataset = SurfaceDataset(samples, canvas=Canvas((96, 96)))
    batch = collate_samples([dataset[(0, i)] for i in range(2)])
    compute = make_detection_losses()
    optimizer = torch.optim.Adam(network.parameters(), 3e-3)
    for _ in range(40):
        total = torch.stack(list(compute(network, batch).values())).sum()
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
    network.eval()
    for i, box in enumerate(BOXES):
        fraction, error = measure_pose(network, batch["image"][i : i + 1].permute(0, 3, 1, 2), box)
        assert fraction > 0.9
        assert error < 0.08


def test_imagenets_body_sees_the_same_in_bgr(tmp_path):
    source = resnet18(weights=None)
    save_file(source.state_dict(), tmp_path / "body.safetensors")
    network = make_densepose(shrink(NETWORKS["densepose-r50"]))
    assert network.normalize is normalize_bgr
    load_densepose_start(network, tmp_path / "body.safetensors")
    images = torch.randint(0, 256, (1, 3, 32, 32), dtype=torch.uint8)
    expected = source.conv1(normalize_bytes(images))
    torch.testing.assert_close(
        network.backbone.body.conv1(normalize_bgr(images)), expected, atol=1e-4, rtol=1e-4
    )
    # Weights of the whole network are taken as they are.
    save_file(network.state_dict(), tmp_path / "whole.safetensors")
    again = make_densepose(network.config)
    load_densepose_start(again, tmp_path / "whole.safetensors")
    assert torch.equal(again.backbone.body.conv1.weight, network.backbone.body.conv1.weight)
    rgb = make_densepose(shrink(NETWORKS["parsing-r50"]))
    load_densepose_start(rgb, tmp_path / "body.safetensors")
    assert torch.equal(rgb.backbone.body.conv1.weight, source.conv1.weight)


def test_a_detector_of_people_starts_all_but_the_dense_head(tmp_path):
    network = make_densepose(shrink(NETWORKS["parsing-r50"]))
    config = network.config
    detector = make_rcnn(RCNNConfig(config.backbone, box_width=config.box_width))
    save_file(detector.state_dict(), tmp_path / "detector.safetensors")
    before = {name: value.clone() for name, value in network.state_dict().items()}
    pretrained = load_densepose_start(network, tmp_path / "detector.safetensors")
    assert all(name.startswith(pretrained) != name.startswith("roi_heads.dense") for name in before)
    own, theirs = network.state_dict(), detector.state_dict()
    for name, value in own.items():
        if name.startswith("roi_heads.box_predictor.bbox_pred."):
            assert torch.equal(value, theirs[name][4:])
        elif name.startswith("roi_heads.dense"):
            assert torch.equal(value, before[name])
        else:
            assert torch.equal(value, theirs[name])
    several = make_rcnn(RCNNConfig(config.backbone, num_classes=91, box_width=config.box_width))
    save_file(several.state_dict(), tmp_path / "several.safetensors")
    with pytest.raises(TrainingError, match="does not fit the network"):
        load_densepose_start(network, tmp_path / "several.safetensors")
