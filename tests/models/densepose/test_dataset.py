import json
import pickle
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from pycocotools import mask as mask_api
from reference.densepose_scene import make_symmetry

from models.data.instances import join_instances
from models.densepose.dataset import SurfaceDataset, read_surface_samples, rotate_surface
from models.densepose.symmetry import mirror_mask
from models.densepose.targets import PersonPoints, place_points, resample_masks
from models.detection.augment import DetectionAugment
from models.detection.dataset import collate_samples
from models.detection.plan import Canvas
from models.detection.rotation import Rotation
from models.training.errors import DataError

W, H = 140, 100
BOX = [20.0, 30.0, 40.0, 50.0]
MOSAICS = DetectionAugment(
    scale_range=(0.6, 2.0),
    aspect_factor=1.4,
    mosaic_fraction=0.5,
    mosaic_scale_range=(0.5, 2.0),
    min_visible_fraction=0.1,
)


def make_mask():
    """The coarse parts of the made person: 1 on the left, 3 below on the right, 2 above."""
    mask = np.ones((256, 256), np.uint8)
    mask[:, 128:] = 3
    mask[:64, 128:] = 2
    return mask


def encode(mask):
    lengths = mask_api.encode(np.asfortranarray(mask.astype(np.uint8)))
    return {"size": lengths["size"], "counts": lengths["counts"].decode()}


def make_dense():
    """A point at each colour of the image: u and v are its place, its chart tells the colour."""
    mask = make_mask()
    # The first mask covers all; those after it lie on top.
    masks = [encode(mask > 0), encode(mask == 2), encode(mask == 3)] + [[]] * 11
    places = [(x, y) for x in (20, 90, 150, 230) for y in (30, 120, 240)]
    return {
        "dp_x": [float(x) for x, _ in places],
        "dp_y": [float(y) for _, y in places],
        "dp_I": [float(mask[y, x]) for x, y in places],
        "dp_U": [x / 256 for x, _ in places],
        "dp_V": [y / 256 for _, y in places],
        "dp_masks": masks,
    }


def make_content():
    """Three images: a person with a dense annotation, one without, and both beside a region to ignore."""
    plain = {"bbox": [90.0, 20.0, 20.0, 60.0], "category_id": 1, "iscrowd": 0, "keypoints": [1, 2, 2] * 17}
    dense = {"bbox": BOX, "category_id": 1, "iscrowd": 0, "segmentation": [], "track_id": 4, **make_dense()}
    regions = {
        "ignore_regions_x": [[100, 120, 110]],
        "ignore_regions_y": [[5, 5, 15]],
        "has_no_densepose": False,
    }
    people = [(5, dense), (6, plain), (7, plain), (7, dense)]
    return {
        "images": [
            {"id": i, "file_name": f"{i}.png", "width": W, "height": H} | (regions if i == 7 else {})
            for i in (5, 6, 7)
        ],
        "annotations": [person | {"id": n, "image_id": i} for n, (i, person) in enumerate(people)],
        "categories": [{"id": 1, "name": "person"}],
    }


def write(folder, content):
    (folder / "people.json").write_text(json.dumps(content))
    return folder / "people.json"


@pytest.fixture
def folder(tmp_path):
    """Images whose dense person is painted red, green and blue where the parts 1, 2 and 3 are."""
    x, y, w, h = (int(side) for side in BOX)
    parts = cv2.resize(make_mask(), (w, h), interpolation=cv2.INTER_NEAREST)
    for i in (5, 6, 7):
        image = np.zeros((H, W, 3), np.uint8)
        if i != 6:
            for part in (1, 2, 3):
                image[y : y + h, x : x + w][parts == part, part - 1] = 255
        cv2.imwrite(str(tmp_path / f"{i}.png"), image[..., ::-1])
    return tmp_path


@pytest.fixture
def samples(folder):
    return read_surface_samples(write(folder, make_content()), folder)


def make_dataset(samples, augment=None, size_wh=(128, 96), **options):
    return SurfaceDataset(samples, canvas=Canvas(size_wh), augment=augment, **options)


def list_surfaces(sample):
    counts = sample["dense_counts"].tolist()
    columns = ("dense_points_xy", "dense_charts", "dense_coordinates_uv")
    parts = [np.split(sample[name], np.cumsum(counts)[:-1]) for name in columns]
    return list(zip(sample["dense_boxes"], *parts, strict=True)) if counts else []


def test_people_with_and_without_surfaces_are_read(samples):
    assert [detail is not None for detail in samples.details] == [True, False, False, True, False]
    assert samples.is_ignored.tolist() == [False] * 4 + [True]
    assert samples.boxes_xyxy[4].tolist() == [100, 5, 120, 15]
    surface = samples.details[0]
    np.testing.assert_array_equal(surface.unpack_mask(), make_mask())
    assert surface.charts.tolist() == make_dense()["dp_I"]
    assert len(surface.packed_mask) < 2000
    twice = join_instances(samples, samples)
    assert len(twice) == 10
    assert twice.image_index.tolist() == [0, 1, 2, 2, 2, 3, 4, 5, 5, 5]


def test_points_and_masks_are_those_of_the_file(samples):
    sample = make_dataset(samples)[(0, 2)]
    assert sample["has_dense"].tolist() == [False, True]
    assert len(sample["ignored_boxes"]) == 1
    ((box, points, charts, uv),) = list_surfaces(sample)
    np.testing.assert_allclose(box, sample["boxes"][1])
    dense = make_dense()
    assert points.T.tolist() == [dense["dp_x"], dense["dp_y"]]
    assert charts.tolist() == dense["dp_I"]
    np.testing.assert_allclose(uv.T, [dense["dp_U"], dense["dp_V"]])
    np.testing.assert_array_equal(sample["dense_masks"][0], make_mask())
    nobody = make_dataset(samples)[(0, 1)]
    assert nobody["has_dense"].tolist() == [False]
    assert nobody["dense_points_xy"].shape == (0, 2)
    assert nobody["dense_masks"].shape == (0, 256, 256)


@pytest.mark.parametrize("rotation_deg", [0, 30])
@pytest.mark.parametrize("is_mirrored", [False, True])
def test_surfaces_lie_on_their_colours_however_images_are_placed(samples, is_mirrored, rotation_deg):
    symmetry = make_symmetry() if is_mirrored else None
    dataset = make_dataset(samples, replace(MOSAICS, rotation_deg=rotation_deg), symmetry=symmetry)
    cut = seen = 0
    for epoch in range(40):
        sample = dataset[(epoch, epoch % 3)]
        image = sample["image"]
        for (box, points, charts, _), mask, whole in zip(
            list_surfaces(sample), sample["dense_masks"], sample["boxes"][sample["has_dense"]], strict=True
        ):
            cut += not np.allclose(box, whole, atol=1e-3)
            places = box[:2] + points * (box[2:] - box[:2]) / 256
            assert ((places >= whole[:2] - 1) & (places <= whole[2:] + 1)).all()
            sizes = box[2:] - box[:2]
            if sizes.min() < 20:
                continue
            seen += len(points)
            for (x, y), chart in zip(places, charts, strict=True):
                color = image[min(int(y), 95), min(int(x), 127)].astype(int)
                # The right hand, 3, is in a mirrored image the left one, 4.
                assert color.argmax() == min(chart, 3) - 1
            region = torch.from_numpy(whole)[None]
            labels = resample_masks(torch.from_numpy(mask)[None], torch.from_numpy(box)[None], region, 8)
            # Of a rotated box its corners are not the person's.
            assert (labels > 0).float().mean() > (0.2 if rotation_deg else 0.9)
    assert cut > 5
    assert seen > 50


@pytest.mark.parametrize("angle_deg", [-25.0, 4.0, 90.0])
@pytest.mark.parametrize("has_outline", [False, True])
def test_points_and_masks_lie_on_their_colours_in_a_rotated_image(folder, angle_deg, has_outline):
    """The colour of the image is the part's, at each point and under each pixel of the mask."""
    content = make_content()
    x, y, w, h = BOX
    if has_outline:
        content["annotations"][0]["segmentation"] = [[x, y, x + w, y, x + w, y + h, x, y + h]]
    samples = read_surface_samples(write(folder, content), folder, keeps_outlines=has_outline)
    surface, before = samples.details[0], samples.boxes_xyxy[0]
    dataset = make_dataset(samples)
    rotation = Rotation((W, H), angle_deg)
    after = rotation.place_box(before, dataset.list_extent(0))
    image = rotation.draw_image(cv2.imread(str(folder / "5.png"))[..., ::-1])
    (found, nobody) = (dataset.rotate_details(slice(i, i + 1), after[None], rotation)[0] for i in (0, 1))
    assert nobody is None
    np.testing.assert_array_equal(found.charts, surface.charts)
    np.testing.assert_array_equal(found.coordinates_uv, surface.coordinates_uv)
    places = after[:2] + found.points_xy * (after[2:] - after[:2]) / 256
    colors = [image[int(y), int(x)].argmax() + 1 for x, y in places]
    assert colors == surface.charts.tolist()
    np.testing.assert_allclose(
        rotation.place_points(before[:2] + surface.points_xy * (w, h) / 256), places, atol=1e-3
    )
    mask = found.unpack_mask()
    # The first pixel's middle lies on one edge of the box and the last one's on the other.
    rows, columns = np.indices(mask.shape) / 255
    x, y = (after[i] + axis * (after[i + 2] - after[i]) for i, axis in enumerate((columns, rows)))
    seen = image[y.clip(0, image.shape[0] - 1).astype(int), x.clip(0, image.shape[1] - 1).astype(int)]
    is_plain = seen.max(axis=2) == 255
    wrong = (mask[is_plain] != seen[is_plain].argmax(axis=1) + 1).mean()
    assert is_plain.mean() > 0.3
    assert wrong < 0.02
    # All of the person is in the mask.
    kept = (mask > 0).mean() * np.prod(after[2:] - after[:2])
    assert kept == pytest.approx(w * h, rel=0.03)


def test_rotation_by_nothing_changes_nothing(samples):
    box = samples.boxes_xyxy[0]
    found = rotate_surface(samples.details[0], box, box, Rotation((W, H), 0.0))
    np.testing.assert_allclose(found.points_xy, samples.details[0].points_xy, atol=1e-4)
    np.testing.assert_array_equal(found.unpack_mask(), make_mask())
    plain, rotated = (
        make_dataset(samples, replace(MOSAICS, **change)) for change in ({}, {"rotation_deg": 0.0})
    )
    for name, column in plain[(0, 2)].items():
        np.testing.assert_array_equal(column, rotated[(0, 2)][name])


@pytest.mark.parametrize("size_wh", [(128, 96), (0, 0)])
def test_rotated_images_are_of_use_with_any_canvas(samples, size_wh):
    canvas = Canvas(size_wh, (64,) if size_wh == (0, 0) else ())
    angles = []
    for degrees in (0, 20):
        augment = DetectionAugment(flip_fraction=0, rotation_deg=degrees)
        sample = SurfaceDataset(samples, canvas=canvas, augment=augment)[(3, 2)]
        ((box, points, *_),) = list_surfaces(sample)
        np.testing.assert_allclose(box, sample["boxes"][1])
        places = box[:2] + points * (box[2:] - box[:2]) / 256
        # From the first point of a column to the last one.
        x, y = places[2] - places[0]
        angles.append(np.degrees(np.arctan2(-x, y)))
    assert abs(angles[0]) < 1
    assert 1 < abs(angles[1]) <= 20


def test_what_a_window_cuts_off_is_not_learned(samples):
    # The image twice as large, of which the canvas shows a part.
    augment = DetectionAugment(scale_range=(2.5, 2.5), flip_fraction=0, min_visible_fraction=0.05)
    dataset = make_dataset(samples, augment)
    num_points = len(make_dense()["dp_x"])
    fewer = 0
    for epoch in range(30):
        sample = dataset[(epoch, 0)]
        for (box, points, charts, _), mask in zip(list_surfaces(sample), sample["dense_masks"], strict=True):
            places = box[:2] + points * (box[2:] - box[:2]) / 256
            assert ((places >= 0) & (places < (128, 96))).all()
            fewer += len(charts) < num_points
            columns = box[0] + np.arange(256) / 255 * (box[2] - box[0])
            pixel = (box[2] - box[0]) / 255
            is_outside = (columns < -pixel) | (columns > 128 + pixel)
            assert not mask[:, is_outside].any()
            assert mask[:, ~is_outside].any()
            # A region on the visible part gets exactly the visible points.
            person = PersonPoints(*map(torch.from_numpy, (points, charts, points)))
            region = torch.tensor([[0.0, 0.0, 128.0, 96.0]])
            assert len(place_points([person], torch.from_numpy(box)[None], region, 8)) == len(points)
    assert fewer > 5


def test_mirrored_people_have_the_tables_coordinates(samples):
    symmetry = make_symmetry()
    sample = make_dataset(samples, DetectionAugment(flip_fraction=1), symmetry=symmetry)[(0, 0)]
    surface = samples.details[0]
    wanted = symmetry.mirror_points(surface.points_xy, surface.charts, surface.coordinates_uv)
    ((_, *found),) = list_surfaces(sample)
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(sample["dense_masks"][0], mirror_mask(make_mask()))


@pytest.mark.parametrize("size_wh", [(128, 96), (0, 0)])
def test_without_the_table_dense_people_are_not_mirrored(samples, caplog, size_wh):
    canvas = Canvas(size_wh, (64,) if size_wh == (0, 0) else ())
    augment = DetectionAugment(flip_fraction=1)
    dataset = SurfaceDataset(samples, canvas=canvas, augment=augment)
    assert len(caplog.records) == 1
    assert "data.symmetry" in caplog.text
    plain = SurfaceDataset(samples, canvas=canvas)
    for index, is_flipped in ((0, False), (1, True), (2, False)):
        # A smaller image lies anywhere on the canvas, from top to bottom.
        found, straight = (each[(0, index)]["boxes"][:, ::2] for each in (dataset, plain))
        assert np.allclose(found, straight, atol=1) != is_flipped


def test_a_mask_of_the_whole_person_is_of_use_for_two_parts_alone(folder):
    content = make_content()
    content["annotations"][0]["dp_masks"] = encode(make_mask() > 1)
    samples = read_surface_samples(write(folder, content), folder)
    sample = make_dataset(samples, has_parts=False)[(0, 0)]
    assert sample["dense_masks"].tolist() == [(make_mask() > 1).astype(int).tolist()]
    sample = make_dataset(samples)[(0, 0)]
    assert sample["has_dense_mask"].tolist() == [False]
    assert sample["has_dense"].tolist() == [True]


def test_samples_are_collated_and_pickled(samples):
    dataset = pickle.loads(pickle.dumps(make_dataset(samples, MOSAICS, symmetry=make_symmetry())))
    batch = collate_samples([dataset[(1, i)] for i in range(3)])
    assert batch["image"].shape == (3, 96, 128, 3)
    for target in batch["targets"]:
        people = int(target["has_dense"].sum())
        assert len(target["dense_boxes"]) == len(target["dense_counts"]) == people
        assert len(target["dense_charts"]) == target["dense_counts"].sum()
        assert target["dense_charts"].dtype == torch.int64


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dp_U": [0.5] * 11 + [1.5]}, r"annotations\[0\].dp_U\[11\]"),
        ({"dp_V": [0.5] * 3}, r"annotations\[0\].dp_V: 3 numbers"),
        ({"dp_I": [25.0] * 12}, r"annotations\[0\].dp_I"),
        ({"dp_x": None}, r"annotations\[0\]: no dp_x"),
        ({"dp_masks": [[]] * 13}, r"annotations\[0\].dp_masks: expected 14"),
        ({"dp_masks": [encode(np.ones((200, 256)))] + [[]] * 13}, r"annotations\[0\].dp_masks\[0\]"),
    ],
)
def test_wrong_annotations_are_named(folder, change, message):
    content = make_content()
    content["annotations"][0] |= change
    path = write(folder, content)
    with pytest.raises(DataError, match=message) as caught:
        read_surface_samples(path, folder)
    assert "\n" not in str(caught.value)


def test_wrong_regions_to_ignore_are_named(folder):
    content = make_content()
    content["images"][2]["ignore_regions_y"] = [[1, 2]]
    with pytest.raises(DataError, match=r"images\[2\].ignore_regions_x"):
        read_surface_samples(write(folder, content), folder)
