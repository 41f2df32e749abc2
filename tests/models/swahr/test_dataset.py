import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from pycocotools import mask as coco_mask
from torch.utils.data import DataLoader, default_collate

from models.data.crop import transform_points
from models.data.people_crops import draw_mask, read_image_samples
from models.swahr.codec import decode_people
from models.swahr.dataset import CrowdDataset, ImageAugmentConfig, augment_image
from models.swahr.targets import encode_targets
from models.training.batches import BatchPlan, BatchSampler
from models.training.errors import DataError
from models.training.workers import WORKER_START

K = 3
CATEGORY = {"id": 1, "name": "person", "keypoints": ["nose", "left_eye", "right_eye"]}
FLIP_INDEX = (0, 2, 1)
COLORS = ((255, 0, 0), (0, 255, 0), (0, 0, 255))
SIZE = (160, 120)
PEOPLE = ([[60, 40], [40, 60], [80, 66]], [[110, 50], [100, 80], [125, 84]])


def annotate(**fields):
    return {"image_id": 7, "iscrowd": 0, "bbox": [5, 5, 20, 30], "keypoints": [0] * (3 * K), **fields}


def write_data(folder, annotations, images=None):
    image = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
    for person in PEOPLE:
        for (x, y), color in zip(person, COLORS, strict=True):
            cv2.circle(image, (x, y), 3, color, -1)
    cv2.imwrite(str(folder / "a.png"), image[..., ::-1])
    images = images or [{"id": 7, "file_name": "a.png", "width": SIZE[0], "height": SIZE[1]}]
    path = folder / "people.json"
    path.write_text(json.dumps({"images": images, "annotations": annotations, "categories": [CATEGORY]}))
    return read_image_samples(path, folder, CATEGORY["keypoints"])


def list_people(known=(2, 2, 2)):
    people = []
    for points in PEOPLE:
        low, high = np.min(points, axis=0) - 6, np.max(points, axis=0) + 6
        keypoints = [value for (x, y), v in zip(points, known, strict=True) for value in (x, y, v)]
        people.append(annotate(bbox=[*low.tolist(), *(high - low).tolist()], keypoints=keypoints))
    return people


@pytest.fixture
def samples(tmp_path):
    return write_data(tmp_path, list_people())


def make_dataset(samples, augment=None, size_px=128, **options):
    return CrowdDataset(samples, size_px=size_px, flip_index=FLIP_INDEX, augment=augment, **options)


def test_keypoints_lie_where_the_image_shows_them(samples):
    dataset = make_dataset(samples, ImageAugmentConfig(scale_range=(1.2, 1.6), shift=10))
    mirrored = 0
    for epoch in range(12):
        sample = dataset[(epoch, 0)]
        image = sample["image"].astype(int)
        points, known = sample["keypoints_xy"], sample["is_known"]
        assert known[:2].all()
        assert not known[2:].any()
        colors = list(COLORS)
        # Mirrored, keypoint 1 is the dot of colour 2: it is the other side now.
        x, y = points[0, 1].round().astype(int)
        is_mirrored = (image[y, x] * COLORS[2]).sum() > 127 * 255
        mirrored += is_mirrored
        if is_mirrored:
            colors[1:] = colors[:0:-1]
        for k, color in enumerate(colors):
            for x, y in points[:2, k]:
                rows, columns = np.nonzero((image * np.array(color)).sum(axis=2) > 127 * 255)
                near = (abs(columns - x) < 9) & (abs(rows - y) < 9)
                found = np.array([columns[near].mean(), rows[near].mean()])
                np.testing.assert_allclose(found, [x, y], atol=0.8)
        back = transform_points(points[None, :2].reshape(1, -1, 2), sample["matrices"][:1])[0]
        expected = np.array(PEOPLE)[:, FLIP_INDEX] if is_mirrored else np.array(PEOPLE)
        np.testing.assert_allclose(back, expected.reshape(-1, 2), atol=1e-3)
    assert 0 < mirrored < 12


def test_the_region_varies_as_far_as_it_may():
    config = ImageAugmentConfig()
    regions = [augment_image((400, 200), config, np.random.default_rng(i)) for i in range(400)]
    widths = np.array([region.width_px for region in regions])
    shifts = np.array([region.centre_xy - [200, 100] for region in regions]) / widths[:, None]
    angles = np.array([region.rotation_deg for region in regions])
    assert (widths.min(), widths.max()) == (pytest.approx(150, abs=2), pytest.approx(250, abs=2))
    assert np.abs(shifts).max() == pytest.approx(0.2, abs=0.005)
    assert (angles.min(), angles.max()) == (pytest.approx(-30, abs=0.5), pytest.approx(30, abs=0.5))
    assert 0.4 < np.mean([region.is_flipped for region in regions]) < 0.6
    long = replace(config, fitted_side="long")
    assert augment_image((400, 200), long, np.random.default_rng(0)).width_px == 2 * widths[0]


def test_a_mosaic_shows_four_images_and_their_people(samples):
    config = ImageAugmentConfig(15, (0.6, 1.1), 20, 0.0, "long", mosaic_fraction=1.0)
    dataset = make_dataset(samples, config, size_px=256)
    shown = 0
    for epoch in range(6):
        sample = dataset[(epoch, 0)]
        image, points, known = sample["image"].astype(int), sample["keypoints_xy"], sample["is_known"]
        # The only image four times, with its two people.
        assert known[:8].all()
        assert not known[8:].any()
        is_shown = points[:8, :, 0] > -1000
        shown += is_shown.sum()
        for person, keypoint in np.argwhere(is_shown):
            x, y = points[person, keypoint]
            rows, columns = np.nonzero((image * np.array(COLORS[keypoint])).sum(axis=2) > 127 * 255)
            assert (np.hypot(columns - x, rows - y) < 2).any()
        assert (sample["tag_is_visible"][:8] == is_shown).all()
        originals = np.array(PEOPLE * 4, np.float32)
        back = transform_points(points[:8], sample["matrices"][:8])
        np.testing.assert_allclose(back[is_shown], originals[is_shown], atol=1e-3)
        for mask, stride in zip(sample["masks"], (4, 2), strict=True):
            lit = cv2.resize(image.max(axis=2).astype(np.float32), mask.shape, interpolation=cv2.INTER_AREA)
            assert mask[lit > 60].all(), stride
            assert 0.2 < mask.mean() < 1
    assert 0.6 * 6 * 8 * K < shown < 6 * 8 * K


def test_what_is_too_many_in_a_mosaic_is_ignored(samples):
    config = ImageAugmentConfig(0, (1.0, 1.0), 0, 0, "long", mosaic_fraction=1.0)
    some = make_dataset(samples, config, max_people=3)[(0, 0)]
    everyone = make_dataset(samples, config)[(0, 0)]
    assert some["is_known"].all()
    assert some["masks"][1].sum() < everyone["masks"][1].sum()
    sizes = everyone["box_widths_px"]
    # Both people of a tile have boxes of about one size; the largest tiles' are kept.
    assert some["box_widths_px"].min() >= np.sort(sizes)[::-1][4]


def test_without_a_mosaic_samples_are_as_ever(samples):
    never, always = (make_dataset(samples, ImageAugmentConfig(mosaic_fraction=s)) for s in (0.0, 1.0))
    plain = make_dataset(samples, ImageAugmentConfig())
    assert np.array_equal(never[(0, 0)]["image"], plain[(0, 0)]["image"])
    assert not np.array_equal(always[(0, 0)]["image"], plain[(0, 0)]["image"])


def test_samples_depend_on_seed_epoch_and_index_alone(samples):
    config = ImageAugmentConfig(mosaic_fraction=0.5)
    dataset = make_dataset(samples, config)
    first = dataset[(2, 0)]
    dataset[(0, 0)]
    np.random.seed(5)
    again = make_dataset(samples, config)[(2, 0)]
    for name in first:
        for a, b in zip(first[name], again[name], strict=True):
            np.testing.assert_array_equal(a, b)
    for other in (dataset[(3, 0)], make_dataset(samples, config, seed=1)[(2, 0)]):
        assert not np.array_equal(first["keypoints_xy"], other["keypoints_xy"])


def test_workers_give_the_same_batches(samples):
    dataset = make_dataset(samples, ImageAugmentConfig())
    batches = [
        next(
            iter(
                DataLoader(
                    dataset,
                    batch_sampler=BatchSampler(BatchPlan(1, 1, 1), 0, 1),
                    num_workers=count,
                    multiprocessing_context=WORKER_START if count else None,
                )
            )
        )
        for count in (0, 1)
    ]
    for name, value in batches[0].items():
        torch.testing.assert_close(value, batches[1][name], rtol=0, atol=0)
    assert batches[0]["tag_xy"].dtype == torch.int64
    assert [mask.shape for mask in batches[0]["masks"]] == [(1, 32, 32), (1, 64, 64)]


def test_ignored_regions_and_what_lies_outside_do_not_count(tmp_path):
    polygon = [[100, 60, 140, 60, 140, 100, 100, 100]]
    cover = np.zeros((SIZE[1], SIZE[0]), np.uint8, order="F")
    cover[90:110, 10:40] = 1
    packed = coco_mask.encode(cover)
    counts = {"size": list(packed["size"]), "counts": packed["counts"].decode()}
    plain = {"size": [SIZE[1], SIZE[0]], "counts": [SIZE[0] * SIZE[1] - 60, 60]}
    samples = write_data(
        tmp_path,
        [
            *list_people()[:1],
            annotate(iscrowd=1, bbox=[5, 5, 20, 30]),
            annotate(segmentation=polygon, bbox=[0, 0, 159, 119]),
            annotate(iscrowd=1, segmentation=counts),
            annotate(iscrowd=1, segmentation=plain),
        ],
    )
    assert len(samples.people) == 1
    expected = np.full((SIZE[1], SIZE[0]), 255)
    expected[5:35, 5:25] = 0
    expected[60:100, 100:140] = 0
    expected[90:110, 10:40] = 0
    expected[60:, 159] = 0
    mask = draw_mask(samples.ignored[0], SIZE)
    assert (mask != expected).sum() < 10
    sample = make_dataset(samples, size_px=160)[(0, 0)]
    quarter, half = sample["masks"]
    assert quarter.shape == (40, 40)
    assert not half[:9].any(), "above the image"
    assert not half[71:].any(), "below the image"
    shown = expected[1::2, 1::2][:, :80] > 0
    assert (half[10:70] != shown).mean() < 0.03
    heatmaps, masks = encode_targets(default_collate([sample]))
    assert [maps.shape for maps in heatmaps] == [(1, K, 40, 40), (1, K, 80, 80)]
    assert torch.equal(masks[1][0], torch.from_numpy(half))


def test_people_too_many_are_ignored(samples):
    sample = make_dataset(samples, max_people=1)[(0, 0)]
    everyone = make_dataset(samples)[(0, 0)]
    assert sample["is_known"].shape == (1, K)
    assert everyone["is_known"].sum() == 2 * K
    left_out = everyone["masks"][1] - sample["masks"][1]
    for xy in everyone["keypoints_xy"][1]:
        x, y = (xy / 2).astype(int)
        assert left_out[y, x] == 1
    np.testing.assert_array_equal(sample["keypoints_xy"][0], everyone["keypoints_xy"][0])


def test_unknown_keypoints_are_masked_in_their_persons_box(tmp_path):
    samples = write_data(tmp_path, list_people((2, 2, 0)))
    batch = default_collate([make_dataset(samples, size_px=160)[(0, 0)]])
    heatmaps, masks = encode_targets(batch, unknown_keypoints="masked")
    _, plain = encode_targets(batch)
    for stage in (0, 1):
        assert torch.equal(masks[stage][0, 0], plain[stage][0])
        assert torch.equal(masks[stage][0, 1], plain[stage][0])
        hidden = plain[stage][0] - masks[stage][0, 2]
        area = sum(person["bbox"][2] * person["bbox"][3] for person in list_people())
        assert hidden.sum() == pytest.approx(area / (4, 2)[stage] ** 2, rel=0.1)
        assert not heatmaps[stage][0, 2].any()
    with pytest.raises(ValueError, match="unknown_keypoints 'ignored': known: background, masked"):
        encode_targets(batch, unknown_keypoints="ignored")


def test_targets_decode_to_the_people(samples):
    sample = make_dataset(samples, size_px=320)[(0, 0)]
    heatmaps, _ = encode_targets(default_collate([sample]))
    tags = torch.zeros(1, K, 80, 80)
    for m in range(2):
        for k, (x, y) in enumerate(sample["tag_xy"][m].tolist()):
            assert sample["tag_is_visible"][m, k]
            tags[0, k, y, x] = 5.0 * m
    people = decode_people(heatmaps[0], [tags], (0, 1, 2))[0]
    found = people.keypoints_xy[np.argsort(people.keypoints_xy[:, 0, 0])] * 4
    np.testing.assert_allclose(found, sample["keypoints_xy"][:2], atol=3)


def test_scaled_sigmas_follow_the_box(samples):
    small, large = (default_collate([make_dataset(samples, size_px=size)[(0, 0)]]) for size in (320, 640))
    torch.testing.assert_close(large["box_widths_px"], 2 * small["box_widths_px"])
    areas = [(encode_targets(b, is_sigma_scaled=True)[0][1] > 0.5).sum() for b in (small, large)]
    assert areas[1] > 2 * areas[0]


def test_images_without_annotations_are_left_out(tmp_path):
    images = [{"id": i, "file_name": "a.png", "width": SIZE[0], "height": SIZE[1]} for i in (3, 7)]
    samples = write_data(tmp_path, list_people(), images)
    assert len(samples) == 1
    assert samples.people.image_ids.tolist() == [7]
    assert samples.people.image_index.tolist() == [0, 0]


def test_regions_of_another_size_are_refused(tmp_path):
    images = [{"id": 7, "file_name": "a.png", "width": 50, "height": 60}]
    samples = write_data(tmp_path, [annotate(segmentation=[[1, 1, 9, 1, 9, 9]])], images)
    with pytest.raises(DataError, match="a region of 50 x 60 px on an image of 160 x 120"):
        make_dataset(samples)[(0, 0)]


def test_wrong_settings_are_refused(samples):
    with pytest.raises(ValueError, match="size_px: expected a multiple of 4, got 130"):
        make_dataset(samples, size_px=130)
    with pytest.raises(ValueError, match="fitted_side"):
        ImageAugmentConfig(fitted_side="middle")
    with pytest.raises(ValueError, match="scale_range"):
        ImageAugmentConfig(scale_range=(1.2, 1.0))
