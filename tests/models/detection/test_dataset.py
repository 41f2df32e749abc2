import pickle
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from models.data.image_files import ImageFile
from models.data.instances import InstanceSamples, select_rows
from models.data.letterbox import CANVAS_COLOR
from models.detection.augment import DetectionAugment
from models.detection.dataset import DetectionDataset, collate_samples
from models.detection.plan import Canvas

K = 2
CANVAS = Canvas((96, 64))
COLORS = ((255, 0, 0), (0, 0, 255))
BOXES = np.array([[20, 30, 60, 70], [90, 20, 110, 80]], np.float32)
STRONG = DetectionAugment(
    scale_range=(0.7, 1.6), aspect_factor=1.4, flip_fraction=0.5, mosaic_fraction=0.5, min_visible_fraction=0.3
)


@pytest.fixture
def samples(tmp_path):
    """Four images of a red and a blue block, each its own keypoints: upper left and lower right corner."""
    paths = []
    for i in range(4):
        image = np.zeros((100, 140, 3), np.uint8)
        for (left, top, right, bottom), color in zip(BOXES.astype(int), COLORS, strict=True):
            image[top:bottom, left:right] = color
        path = Path(tmp_path / f"{i}.png")
        cv2.imwrite(str(path), image[..., ::-1])
        paths.append(path)
    # COCO counts keypoints from the middle of the first pixel.
    corners = BOXES.reshape(2, 2, 2) - 0.5
    keypoints = np.concatenate([corners, np.ones((2, 2, 1), np.float32)], axis=2)
    left, top, right, bottom = BOXES[0].tolist()
    return InstanceSamples(
        images=tuple(map(ImageFile, paths)),
        image_ids=np.arange(4),
        image_index=np.repeat(np.arange(4), 2),
        boxes_xyxy=np.tile(BOXES, (4, 1)),
        is_ignored=np.zeros(8, bool),
        keypoints_xyw=np.tile(keypoints, (4, 1, 1)),
        outlines=([[left, top, right, top, right, bottom, left, bottom]], None) * 4,
    )


def make_dataset(samples, augment=None, canvas=CANVAS, **options):
    return DetectionDataset(samples, canvas=canvas, flip_index=(1, 0), augment=augment, **options)


def measure_color(image, box):
    left, top, right, bottom = np.round(box).astype(int)
    inner = image[top + 1 : max(bottom - 1, top + 2), left + 1 : max(right - 1, left + 2)]
    return inner.reshape(-1, 3).mean(axis=0)


def test_boxes_are_full_of_their_people(samples):
    dataset = make_dataset(samples, STRONG)
    seen = set()
    for epoch in range(12):
        sample = dataset[(epoch, epoch % 4)]
        boxes = sample["boxes"]
        assert (boxes >= 0).all()
        assert (boxes <= np.array([96, 64, 96, 64])).all()
        for box in boxes[((boxes[:, 2:] - boxes[:, :2]) > 6).all(axis=1)]:
            red, green, blue = measure_color(sample["image"], box)
            assert max(red, blue) > 200
            assert min(red, blue) + green < 30
            seen.add(bool(red > blue))
    assert seen == {True, False}


def test_mosaics_show_more_people(samples):
    counts = [
        np.mean([len(make_dataset(samples, config)[(epoch, 0)]["boxes"]) for epoch in range(10)])
        for config in (DetectionAugment(), DetectionAugment(mosaic_fraction=1, mosaic_scale_range=(0.3, 0.5)))
    ]
    assert counts[0] == 2
    assert counts[1] > 5


def test_who_is_cut_too_far_is_ignored(samples):
    config = DetectionAugment(scale_range=(2.5, 2.5), flip_fraction=0, min_visible_fraction=0.5)
    ignored = 0
    for epoch in range(12):
        sample = make_dataset(samples, config)[(epoch, 0)]
        again = make_dataset(samples, DetectionAugment(**(vars(config) | {"min_visible_fraction": 0.0})))[
            (epoch, 0)
        ]
        # None is lost: a box is a person's or to be ignored.
        both = np.concatenate([sample["boxes"], sample["ignored_boxes"]])
        assert sorted(both.tolist()) == sorted(again["boxes"].tolist())
        assert len(sample["boxes"]) == len(sample["labels"]) == len(sample["keypoints"])
        ignored += len(sample["ignored_boxes"])
    assert ignored > 0


def test_small_and_unsure_people_are_ignored(samples):
    small = make_dataset(samples, DetectionAugment(flip_fraction=0, min_side_px=14))[(0, 0)]
    # The second block is 20 px wide in an image that shrinks to 64 %.
    assert len(small["boxes"]) == len(small["ignored_boxes"]) == 1
    unsure = InstanceSamples(**(vars(samples) | {"is_ignored": np.arange(8) % 2 == 0}))
    sample = make_dataset(unsure)[(0, 1)]
    np.testing.assert_allclose(sample["ignored_boxes"][0] / 0.64, BOXES[0], atol=1)


def test_keypoints_and_masks_follow_flips(samples):
    dataset = make_dataset(samples, DetectionAugment(flip_fraction=1), with_masks=True)
    sample = dataset[(0, 0)]
    boxes, keypoints = sample["boxes"], sample["keypoints"]
    # Keypoint 0 was the left upper corner; its mirror image is keypoint 1, on the right.
    np.testing.assert_allclose(keypoints[:, 1, :2], boxes[:, [2, 1]], atol=1e-3)
    np.testing.assert_allclose(keypoints[:, 0, :2], boxes[:, [0, 3]], atol=1e-3)
    assert sample["has_masks"].tolist() == [True, False]
    assert sample["has_keypoints"].all()
    is_red = sample["image"][..., 0] > 127
    shared = (is_red & (sample["image"][..., 1] < 60) & (sample["masks"][0] > 0)).sum()
    assert shared > 0.9 * sample["masks"][0].sum() > 0
    assert sample["masks"][1].sum() == 0


def test_keypoints_outside_are_unknown(samples):
    config = DetectionAugment(scale_range=(2.5, 2.5), flip_fraction=0, min_visible_fraction=0)
    outside = 0
    for epoch in range(8):
        for x, y, weight in make_dataset(samples, config)[(epoch, 0)]["keypoints"].reshape(-1, 3):
            assert (weight > 0) == (0 <= x < 96 and 0 <= y < 64)
            outside += weight == 0
    assert outside > 0


def test_without_augmentation_the_whole_image_is_shown(samples):
    image = make_dataset(samples)[(5, 2)]["image"]
    is_canvas = (image == 114).all(axis=(0, 2))
    # 140 x 100 pixels fit 96 x 64 as 90 x 64.
    assert is_canvas[90:].all()
    assert not is_canvas[:90].any()


def test_samples_depend_on_seed_epoch_and_index_alone(samples):
    config = DetectionAugment(**(vars(STRONG) | {"mosaic_fraction": 1.0, "hue_deg": 40.0, "brightness": 0.3}))
    dataset = make_dataset(samples, config)
    first = dataset[(2, 1)]
    dataset[(0, 3)]
    np.random.seed(5)
    again = make_dataset(samples, config)[(2, 1)]
    for name in first:
        np.testing.assert_array_equal(first[name], again[name])
    for other in (dataset[(3, 1)], make_dataset(samples, config, seed=1)[(2, 1)]):
        assert not np.array_equal(first["image"], other["image"])


def test_workers_can_be_given_the_data_set(samples):
    dataset = make_dataset(samples, STRONG, with_masks=True)
    sent = pickle.loads(pickle.dumps(dataset))
    ours, theirs = (collate_samples([part[(1, i)] for i in range(4)]) for part in (dataset, sent))
    assert torch.equal(ours["image"], theirs["image"])
    for one, other in zip(ours["targets"], theirs["targets"], strict=True):
        assert one.keys() == other.keys()
        assert all(torch.equal(one[name], other[name]) for name in one)


def test_images_of_all_sizes_are_padded_to_a_batch(samples):
    canvas = Canvas(short_sides_px=(40, 48, 56), max_side_px=70)
    dataset = make_dataset(samples, DetectionAugment(), canvas, with_masks=True)
    shorts = {min(dataset[(epoch, 0)]["image"].shape[:2]) for epoch in range(20)}
    # 56 x 78 would be too long.
    assert shorts == {40, 48, 50}
    small, large = (dataset[(epoch, 0)] for epoch in (0, next(e for e in range(1, 20) if _differs(dataset, e))))
    batch = collate_samples([small, large])
    assert batch["image"].shape == (2, 64, 96, 3)
    h, w = small["image"].shape[:2]
    assert h < 64
    assert torch.equal(batch["image"][0, :h, :w], torch.from_numpy(small["image"]))
    assert (batch["image"][0, h:] == 114).all()
    assert batch["targets"][0]["masks"].shape == (2, 64, 96)
    assert make_dataset(samples, canvas=canvas)[(0, 0)]["image"].shape == (50, 70, 3)


def _differs(dataset, epoch):
    return dataset[(epoch, 0)]["image"].shape != dataset[(0, 0)]["image"].shape


@pytest.mark.parametrize("flip_fraction", [0.0, 1.0])
def test_empty_parts_show_scenery_alone(samples, flip_fraction):
    only_first = select_rows(samples, np.arange(8) % 2 == 0)
    config = DetectionAugment(empty_fraction=1, flip_fraction=flip_fraction, scale_range=(1.0, 4.0))
    sample = make_dataset(only_first, config)[(0, 1)]
    assert sample["boxes"].shape == sample["ignored_boxes"].shape == (0, 4)
    # Right of the first person, and clear of it, is the second one, of whom these samples know nothing.
    red, green, blue = sample["image"].reshape(-1, 3).max(axis=0)
    assert (red, green, blue) == (CANVAS_COLOR, CANVAS_COLOR, 255)
    # Columns 67 to 140 of the image, at the scale that fits its 100 rows to the canvas's 64.
    columns = (sample["image"] != CANVAS_COLOR).any(axis=(0, 2)).nonzero()[0]
    assert len(columns) == int(73 * 0.64)
