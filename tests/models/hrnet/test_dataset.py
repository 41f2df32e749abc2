from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from models.data.augment import AugmentConfig
from models.data.crop import crop_image, fit_boxes, make_crop_matrices, transform_points
from models.data.image_files import ImageFile, read_image
from models.data.samples import PoseSamples
from models.hrnet.codec import HeatmapCoding
from models.hrnet.dataset import PoseDataset
from models.hrnet.train import make_pose_losses
from models.training.batches import BatchPlan, BatchSampler
from models.training.workers import WORKER_START

K = 3
FLIP_INDEX = (0, 2, 1)
SIZE_WH = (64, 96)
COLORS = ((255, 0, 0), (0, 255, 0), (0, 0, 255))


@pytest.fixture
def samples(tmp_path):
    """Four people, each three coloured dots: keypoint k has colour k."""
    rng = np.random.default_rng(1)
    paths, points = [], []
    for i in range(4):
        image = np.zeros((200, 160, 3), np.uint8)
        xy = np.array([[80, 60], [60, 100], [100, 110]]) + rng.integers(-8, 8, (K, 2))
        for (x, y), color in zip(xy.tolist(), COLORS, strict=True):
            cv2.circle(image, (x, y), 4, color, -1)
        path = Path(tmp_path / f"{i}.png")
        cv2.imwrite(str(path), image[..., ::-1])
        paths.append(path)
        points.append(xy)
    return PoseSamples(
        images=tuple(map(ImageFile, paths)),
        image_ids=np.arange(4),
        image_index=np.arange(4),
        boxes_xyxy=np.array([[50, 40, 110, 130]] * 4, np.float32),
        scores=np.ones(4, np.float32),
        keypoints_xy=np.array(points, np.float32),
        weights=np.tile(np.array([1.0, 0.5, 0.25], np.float32), (4, 1)),
    )


def make_dataset(samples, augment=None, seed=0, **options):
    return PoseDataset(samples, size_wh=SIZE_WH, flip_index=FLIP_INDEX, augment=augment, seed=seed, **options)


def find_color(image, color):
    rows, columns = np.nonzero((image.astype(int) * np.array(color)).sum(axis=2) > 127 * 255)
    return np.array([columns.mean(), rows.mean()])


@pytest.mark.parametrize("is_unbiased", [False, True])
def test_keypoints_lie_where_the_image_shows_them(samples, is_unbiased):
    config = AugmentConfig(rotation_deg=30, scale_range=(0.9, 1.4), rotation_fraction=1)
    dataset = make_dataset(samples, config, is_unbiased=is_unbiased)
    flipped = 0
    for epoch in range(10):
        sample = dataset[(epoch, epoch % 4)]
        # Mirrored, keypoint 1 is the dot of colour 2: it is the other side now.
        is_flipped = sample["weights"].tolist() == [1.0, 0.25, 0.5]
        flipped += is_flipped
        colors = [COLORS[i] for i in FLIP_INDEX] if is_flipped else COLORS
        for xy, color in zip(sample["keypoints_xy"], colors, strict=True):
            np.testing.assert_allclose(find_color(sample["image"], color), xy, atol=0.8)
    assert 0 < flipped < 10


@pytest.mark.parametrize("is_unbiased", [False, True])
def test_without_augmentation_crops_are_those_of_inference(samples, is_unbiased):
    nothing = AugmentConfig(rotation_deg=0, scale_range=(1.0, 1.0), flip_fraction=0, half_body_fraction=0)
    training = make_dataset(samples, nothing, is_unbiased=is_unbiased)
    plain = make_dataset(samples, is_unbiased=is_unbiased)
    matrices = make_crop_matrices(
        *fit_boxes(samples.boxes_xyxy, SIZE_WH, 1.25), SIZE_WH, is_unbiased=is_unbiased
    )
    for index in range(4):
        a, b = training[(3, index)], plain[(0, index)]
        for name in a:
            np.testing.assert_array_equal(a[name], b[name])
        points = transform_points(samples.keypoints_xy[index][None], matrices[index][None])[0]
        np.testing.assert_array_equal(points, a["keypoints_xy"])
        crop = crop_image(read_image(samples.images[index]), matrices[index], SIZE_WH)
        np.testing.assert_array_equal(crop, a["image"])


def test_samples_depend_on_seed_epoch_and_index_alone(samples):
    dataset = make_dataset(samples, AugmentConfig())
    first = dataset[(2, 1)]
    dataset[(0, 3)]
    np.random.seed(5)
    again = make_dataset(samples, AugmentConfig())[(2, 1)]
    for name in first:
        np.testing.assert_array_equal(first[name], again[name])
    for other in (dataset[(3, 1)], make_dataset(samples, AugmentConfig(), seed=1)[(2, 1)]):
        assert not np.array_equal(first["keypoints_xy"], other["keypoints_xy"])


def test_colours_change_without_the_keypoints(samples):
    colored = AugmentConfig(hue_deg=20, brightness=0.3, saturation=0.3, grey_fraction=0.2, erase_fraction=1)
    a, b = (make_dataset(samples, config)[(2, 1)] for config in (AugmentConfig(), colored))
    np.testing.assert_array_equal(a["keypoints_xy"], b["keypoints_xy"])
    np.testing.assert_array_equal(a["weights"], b["weights"])
    assert (a["image"] != b["image"]).any()


def test_workers_give_the_same_samples(samples):
    dataset = make_dataset(samples, AugmentConfig(brightness=0.2, erase_fraction=0.5))
    batches = [
        list(
            DataLoader(
                dataset,
                batch_sampler=BatchSampler(BatchPlan(4, 2, 2), 0, 4),
                num_workers=count,
                multiprocessing_context=WORKER_START if count else None,
            )
        )
        for count in (0, 2)
    ]
    for a, b in zip(*batches, strict=True):
        assert all(torch.equal(a[name], b[name]) for name in a)


def test_unknown_keypoints_do_not_count_and_scores_weigh(samples):
    coding = HeatmapCoding(SIZE_WH, 2.0)
    compute = make_pose_losses(coding, "mse")
    batch = {name: torch.as_tensor(value)[None] for name, value in make_dataset(samples)[(0, 0)].items()}
    zeros = lambda images: torch.zeros(1, K, 24, 16)  # noqa: E731
    losses = [
        compute(zeros, batch | {"weights": torch.tensor([weights])})["heatmap"].item()
        for weights in ([1.0, 0, 0], [0.25, 0, 0], [0, 0, 0])
    ]
    assert losses[0] > 0
    assert losses[1] == pytest.approx(0.25 * losses[0])
    assert losses[2] == 0
