from dataclasses import replace

import pytest
import torch
from reference.rcnn_ignore import PEOPLE, REGIONS, draw_boxes, label_box, make_boxes
from reference.rcnn_scene import DETECTOR, POSED_DETECTOR, H, W, make_scene, shrink

from models.rcnn.codec import decode_keypoints, score_peaks
from models.rcnn.network import make_rcnn
from models.rcnn.offsets import refine_heatmaps
from models.rcnn.variants import MOVENET_MULTITASK, UNREFINED


@pytest.mark.parametrize("config", [POSED_DETECTOR, shrink(MOVENET_MULTITASK)])
def test_keypoints_in_inference_are_those_of_the_modules_one_by_one(config):
    torch.manual_seed(0)
    network = make_rcnn(config).eval()
    heads = network.roi_heads
    # Before training all offsets are 0.
    torch.nn.init.normal_(heads.keypoint_predictor.kps_score_lowres.weight, std=0.3)
    images = make_scene()[0] / 255
    with torch.no_grad():
        found = network(images)
        boxes = [people["boxes"] for people in found]
        pooled = heads.keypoint_roi_pool(network.backbone(images), boxes, [(H, W)] * 2)
        heatmaps, offsets = heads.keypoint_predictor(heads.keypoint_head(pooled))
    N, K, S, _ = heatmaps.shape
    refined = refine_heatmaps(heatmaps, offsets.reshape(N, K, 2, S, S), are_logits=True)
    keypoints, _ = decode_keypoints(refined, torch.cat(boxes))
    assert [len(each) > 0 for each in boxes] == [True, True]
    torch.testing.assert_close(torch.cat([people["keypoints"] for people in found]), keypoints)
    torch.testing.assert_close(torch.cat([people["keypoint_scores"] for people in found]), score_peaks(refined))


def test_nobody_found_has_no_keypoints():
    torch.manual_seed(0)
    detector = make_rcnn(replace(POSED_DETECTOR, score_threshold=0.999)).eval()
    with torch.no_grad():
        found = detector(make_scene()[0])
    assert [tuple(people["keypoints"].shape) for people in found] == [(0, 3, 2)] * 2


def test_strides_are_not_inferred_from_a_padded_image():
    torch.manual_seed(0)
    heads = make_rcnn(DETECTOR).roi_heads
    # The map of stride 4 has 16 rows: nearer to a half than to a quarter of the image's 40.
    maps = {name: torch.rand(1, 16, 64 // s, 640 // s) for name, s in zip("0123", (4, 8, 16, 32), strict=True)}
    boxes = [torch.tensor([[8.0, 8.0, 40.0, 40.0], [200.0, 0.0, 400.0, 40.0]])]
    padded, whole = (heads.box_roi_pool(maps, boxes, [(height, 640)]) for height in (40, 64))
    assert heads.box_roi_pool.scales == [1 / 4, 1 / 8, 1 / 16, 1 / 32]
    assert torch.equal(padded, whole)


def test_people_without_masks_or_keypoints_do_not_teach_these_heads():
    torch.manual_seed(0)
    network = make_rcnn(shrink(UNREFINED)).train()
    images, targets = make_scene()
    someone = targets[0]
    lacking = torch.zeros(2, dtype=torch.bool)
    losses = network(images, [someone | {"has_masks": lacking, "has_keypoints": lacking}, targets[1]])
    assert losses["mask"].item() == 0
    assert losses["keypoint"].item() == 0
    assert losses["person"].item() > 0
    wrong = someone["masks"].clone()
    wrong[0] = 1 - wrong[0]
    one = {"has_masks": torch.tensor([False, True])}
    found = []
    for masks in (someone["masks"], wrong):
        torch.manual_seed(3)
        found.append(network(images, [someone | one | {"masks": masks}, targets[1]])["mask"].item())
    assert found[0] == found[1] > 0


def test_proposals_in_ignored_regions_are_not_drawn():
    heads = make_rcnn(DETECTOR).roi_heads
    proposals = draw_boxes(200)
    people, regions = make_boxes(PEOPLE), make_boxes(REGIONS)
    target = {
        "boxes": people,
        "labels": torch.ones(2, dtype=torch.int64),
        "ignored_boxes": regions,
    }
    drawn, _, labels, _ = heads.select_training_samples([proposals], [target])
    expected = [label_box(tuple(box), PEOPLE, REGIONS, low=0.5, high=0.5) for box in proposals.tolist()]
    found = dict(zip(map(tuple, drawn[0].tolist()), labels[0].tolist(), strict=True))
    for box, label in zip(map(tuple, proposals.tolist()), expected, strict=True):
        # All background there is fits into the sample of 256, a quarter of which may be people.
        assert found.get(box) == (None if label == -1 else label)
    assert -1 in expected
    assert 0 in expected
    assert set(map(tuple, people.tolist())) <= set(found)


def test_a_second_stage_in_bfloat16_learns_the_true_boxes():
    torch.manual_seed(0)
    detector = make_rcnn(DETECTOR).train()
    person = torch.tensor([[301.3, 8.6, 318.9, 52.2]])
    target = {"boxes": person, "labels": torch.ones(1, dtype=torch.int64)}
    images = torch.rand(1, 3, 64, 416)
    with torch.autocast("cpu", torch.bfloat16):
        proposals, _ = detector.rpn(detector.backbone(images), (64, 416), [(64, 416)], [target])
    regions, _, labels, deltas = detector.roi_heads.select_training_samples(proposals, [target])
    assert (labels[0] == 1).any()
    decoded = detector.roi_heads.box_coder.decode(deltas[0], [regions[0]])[:, 0]
    torch.testing.assert_close(decoded[labels[0] == 1], person.expand(int((labels[0] == 1).sum()), 4))
