import json
import math
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from reference.densepose_scene import make_outputs, make_person, shrink

from models.densepose.dataset import PersonSurface, SurfaceDataset, read_surface_samples
from models.densepose.limbs import list_limb_points
from models.densepose.losses import DenseLossConfig, compute_dense_losses, compute_limb_loss
from models.densepose.network import make_densepose
from models.densepose.parts import CHART_TO_MASK, MASK_NAMES
from models.densepose.targets import PersonPoints, place_points
from models.densepose.variants import NETWORKS
from models.detection.augment import DetectionAugment
from models.detection.dataset import collate_samples
from models.detection.plan import Canvas

NAMES = ("left_shoulder", "left_elbow", "left_wrist", "right_knee", "right_ankle", "nose")
PLACES = ((10, 10), (10, 50), (40, 50), (70, 20), (70, 90), (30, 4))
BOX = [5.0, 0.0, 80.0, 100.0]
LIMBS = PersonPoints(
    torch.tensor([[30.0, 40.0], [200.0, 100.0], [128.0, 250.0]]),
    torch.tensor([MASK_NAMES.index(name) for name in ("left upper arm", "torso", "right foot")]),
    torch.zeros(3, 2),
    has_limbs_alone=True,
)
BOXES = torch.tensor([[10.0, 20.0, 90.0, 140.0], [30.25, 4.5, 70.0, 60.0]])
REGIONS = torch.tensor([[14.0, 18.5, 95.0, 133.0], [30.0, 2.0, 66.5, 61.0]])


def make_keypoints(hidden=(), visibility=1):
    """A person with keypoints, of whom some are not visible."""
    flat = [
        value
        for name, (x, y) in zip(NAMES, PLACES, strict=True)
        for value in (x, y, visibility if name in hidden else 2)
    ]
    return {"bbox": BOX, "keypoints": flat}


def test_points_lie_between_the_ends_of_their_limbs():
    points, parts = list_limb_points(make_keypoints(), NAMES)
    names = [MASK_NAMES[part] for part in parts]
    assert sorted(set(names)) == ["head", "left lower arm", "left upper arm", "right lower leg"]
    for (x, y), name in zip(points * (80, 100) / 256 + (5, 0) - 0.5, names, strict=True):
        if name == "left upper arm":
            assert x == pytest.approx(10, abs=1e-3)
            assert 10 < y < 50
        elif name == "left lower arm":
            assert y == pytest.approx(50, abs=1e-3)
            assert 10 < x < 40
        elif name == "right lower leg":
            assert x == pytest.approx(70, abs=1e-3)
            assert 20 < y < 90
        else:
            assert (x, y) == pytest.approx((30, 4), abs=1e-3)


@pytest.mark.parametrize("visibility", [0, 1])
def test_limbs_need_both_ends(visibility):
    _, parts = list_limb_points(make_keypoints(("left_elbow", "nose"), visibility), NAMES)
    assert {MASK_NAMES[part] for part in parts} == {"right lower leg"}
    scores = {"keypoint_scores": [1.0, 1.0, 1.0, 1.0, 0.3, 0.3]}
    _, parts = list_limb_points(make_keypoints(("left_elbow",)) | scores, NAMES) or (None, [])
    assert len(parts) == 0
    assert list_limb_points({"bbox": BOX}, NAMES) is None


@pytest.fixture
def folder(tmp_path):
    """One image of a person with keypoints, and one of a person with a dense annotation besides."""
    cv2.imwrite(str(tmp_path / "image.png"), np.zeros((100, 100, 3), np.uint8))
    dense = {"dp_x": [9.0], "dp_y": [9.0], "dp_I": [2.0], "dp_U": [0.1], "dp_V": [0.2]}
    people = [make_keypoints(), make_keypoints() | dense]
    content = {
        "images": [{"id": i, "file_name": "image.png", "width": 100, "height": 100} for i in range(2)],
        "annotations": [
            {"id": i, "image_id": i, "category_id": 1, "iscrowd": 0, **person}
            for i, person in enumerate(people)
        ],
        "categories": [{"id": 1, "name": "person", "keypoints": list(NAMES)}],
    }
    (tmp_path / "people.json").write_text(json.dumps(content))
    return tmp_path


def read(folder, **options):
    return read_surface_samples(folder / "people.json", folder, **options)


def test_keypoints_tell_limbs_where_nobody_annotated_a_surface(folder):
    limbs, surface = read(folder, limb_names=NAMES).details
    assert (limbs.has_limbs_alone, surface.has_limbs_alone) == (True, False)
    assert read(folder).details[0] is None


def test_mirrored_limbs_are_those_of_the_other_side(folder):
    samples = read(folder, limb_names=NAMES)
    dataset = SurfaceDataset(samples, canvas=Canvas((128, 128)), augment=DetectionAugment(flip_fraction=1.0))
    # Surfaces cannot be mirrored without a table.
    assert (dataset.may_flip(0), dataset.may_flip(1)) == (True, False)
    plain = SurfaceDataset(samples, canvas=Canvas((128, 128)))
    mirrored, straight = dataset[(0, 0)], plain[(0, 0)]
    np.testing.assert_allclose(
        mirrored["dense_points_xy"] + straight["dense_points_xy"] * (1, -1), [[256, 0]] * 16, atol=1e-3
    )
    names = [MASK_NAMES[part] for part in straight["dense_charts"]]
    swapped = [name.replace("left", "LEFT").replace("right", "left").replace("LEFT", "right") for name in names]
    assert [MASK_NAMES[part] for part in mirrored["dense_charts"]] == swapped
    assert mirrored["dense_has_limbs_alone"].tolist() == [True]


def test_the_loss_is_that_of_a_loop():
    outputs = make_outputs(2)
    people = [LIMBS, replace(LIMBS, points_xy=LIMBS.points_xy.flip(0))]
    boxes, regions = BOXES.double(), REGIONS.double()
    loss = compute_limb_loss(outputs, people, boxes, regions, 0.5)
    points = place_points(people, boxes, regions, 6)
    terms = []
    for coarse, fine, part in zip(
        points.sample(outputs["coarse"]), points.sample(outputs["fine"]), points.charts, strict=True
    ):
        own = sum(fine.softmax(0)[chart] for chart in range(25) if CHART_TO_MASK[chart] == part)
        terms.append(-math.log(coarse.softmax(0)[part]) - math.log(own))
    assert len(terms) > 3
    assert loss.item() == pytest.approx(0.5 * np.mean(terms), rel=1e-9)


def test_two_coarse_parts_learn_that_it_is_the_person():
    outputs = make_outputs(1, num_coarse=2)
    loss = compute_limb_loss(outputs, [LIMBS], BOXES[:1].double(), REGIONS[:1].double(), 1.0)
    assert math.isfinite(loss.item())


def test_nobody_has_no_loss():
    outputs = make_outputs(0)
    assert compute_limb_loss(outputs, [], BOXES[:0], REGIONS[:0], 1.0).item() == 0


def test_a_batch_of_both_learns_both(folder):
    torch.manual_seed(0)
    samples = read(folder, limb_names=NAMES)
    network = make_densepose(shrink(NETWORKS["parsing-r50"]), DenseLossConfig(limb_weight=0.5)).train()
    batch = collate_samples([SurfaceDataset(samples, canvas=Canvas((128, 128)))[(0, i)] for i in range(2)])
    losses = network(batch["image"].permute(0, 3, 1, 2), batch["targets"])
    assert losses["dense_limbs"] > 0
    assert losses["dense_fine"] > 0
    # Without the loss, people of whom the limbs alone are known are not read.
    assert "dense_limbs" not in make_densepose(network.config).train()(
        batch["image"].permute(0, 3, 1, 2)[1:], batch["targets"][1:]
    )


def test_dense_losses_are_those_without_limbs():
    outputs = make_outputs(2)
    person = make_person(1)
    alone = compute_dense_losses(
        {name: output[:1] for name, output in outputs.items()},
        [person],
        BOXES[:1],
        REGIONS[:1],
        DenseLossConfig(),
    )
    heads = make_densepose(shrink(NETWORKS["parsing-r50"]), DenseLossConfig(limb_weight=0.5)).roi_heads
    both = heads._compute_dense_losses(outputs, [person, LIMBS], BOXES, REGIONS)
    for name, loss in alone.items():
        torch.testing.assert_close(both[name], loss)
    surface = PersonSurface(np.zeros((1, 2), np.float32), np.ones(1, np.uint8), np.zeros((1, 2), np.float32))
    assert not surface.has_limbs_alone
