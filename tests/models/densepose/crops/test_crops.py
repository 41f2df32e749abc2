"""Dense poses in crops: the network, the geometry of samples and results, the losses."""

import numpy as np
import pytest
import torch
from made_dense_crops import BOX, SMALL, STEP, write_people

from models.data.augment import AugmentConfig
from models.densepose.crops.codec import decode_crop, place_in_crops
from models.densepose.crops.dataset import MOST_POINTS, DenseCropDataset, keep_surfaces
from models.densepose.crops.network import OUTPUT_CHANNELS, STRIDE, DenseCropNetwork
from models.densepose.crops.recipe import read_dense_crop_recipe
from models.densepose.crops.train import make_dense_crop_losses, read_people
from models.densepose.dataset import read_surface_samples
from models.densepose.losses import DenseLossConfig
from models.densepose.parts import CHART_MIRROR, CHART_TO_MASK
from models.densepose.pixel_box import PixelBox
from models.densepose.symmetry import MadeSymmetry
from models.settings import SettingsError
from models.training.errors import DataError
from models.training.recipe import list_recipes
from posetrack.skeleton import COCO_17

WHOLE = AugmentConfig(rotation_deg=0, scale_range=(1, 1), flip_fraction=0)
TURNED = AugmentConfig(rotation_deg=40, rotation_fraction=1, scale_range=(0.8, 1.3), shift=0.07)


def make_dataset(folder, augment, symmetry=None, **settings):
    samples = keep_surfaces(read_surface_samples(folder / "people.json", folder))
    return DenseCropDataset(
        samples, size_wh=(192, 256), augment=augment, symmetry=symmetry, padding=1.1, **settings
    )


def read_colour(sample, point):
    x, y = np.floor(point).astype(int)
    return sample["image"][y, x].astype(float)


@pytest.mark.parametrize("flip", [0.0, 1.0])
def test_points_and_labels_of_a_sample_are_where_the_image_shows_them(tmp_path, flip):
    write_people(tmp_path)
    augment = AugmentConfig(**{**vars(TURNED), "flip_fraction": flip})
    dataset = make_dataset(tmp_path, augment, MadeSymmetry())
    whole = (1, 2, 23, 24)
    for epoch in range(6):
        sample = dataset[epoch, 0]
        assert sample["image"].shape == (256, 192, 3)
        given = sample["is_given"]
        assert 50 < given.sum() <= 72
        for point, chart, uv in zip(
            *(sample[name][given] for name in ("points_xy", "charts", "coordinates_uv")), strict=True
        ):
            red, green, blue = read_colour(sample, point)
            shown = CHART_MIRROR[chart] if flip else chart
            assert red == pytest.approx(STEP * shown, abs=3)
            u = 1 - uv[0] if flip and chart in whole and chart == CHART_MIRROR[chart] else uv[0]
            assert (green / 255, blue / 255) == pytest.approx((u, uv[1]), abs=0.03)
            column, row = np.floor(point / STRIDE).astype(int)
            around = sample["labels"][max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2]
            assert CHART_TO_MASK[chart] in around


def test_labels_cover_the_box_to_half_a_cell(tmp_path):
    write_people(tmp_path)
    sample = make_dataset(tmp_path, None)[0, 0]
    rows, columns = np.nonzero(sample["labels"])
    _, _, w, h = BOX
    # The box is extended to 3:4 and by 1.1, over 192 x 256 pixels; its middle is that of pixel (96, 128).
    scale = 192 / (max(w, h * 0.75) * 1.1)
    wanted = np.array([96 - w / 2 * scale, 96 + w / 2 * scale, 128 - h / 2 * scale, 128 + h / 2 * scale]) + 0.5
    found = STRIDE * np.array([columns.min(), columns.max() + 1, rows.min(), rows.max() + 1])
    assert np.abs(found - wanted).max() <= STRIDE / 2


def test_samples_depend_on_seed_epoch_and_index_alone(tmp_path):
    write_people(tmp_path, 2)
    dataset = make_dataset(tmp_path, TURNED, MadeSymmetry(), seed=3)
    first, again = dataset[4, 1], make_dataset(tmp_path, TURNED, MadeSymmetry(), seed=3)[4, 1]
    other = dataset[5, 1]
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert not np.array_equal(first["image"], other["image"])


def test_without_a_symmetry_people_with_charts_are_not_mirrored(tmp_path):
    write_people(tmp_path)
    augment = AugmentConfig(**{**vars(WHOLE), "flip_fraction": 1.0})
    plain, asked = (make_dataset(tmp_path, each)[0, 0] for each in (WHOLE, augment))
    assert np.array_equal(plain["image"], asked["image"])


def test_samples_have_places_for_so_many_points(tmp_path):
    write_people(tmp_path)
    sample = make_dataset(tmp_path, None)[0, 0]
    assert sample["points_xy"].shape == (MOST_POINTS, 2)
    assert sample["is_given"].sum() == 72


@pytest.mark.parametrize("size", [(64, 96), (96, 64)])
def test_the_network_gives_all_outputs_at_a_quarter(size):
    network = DenseCropNetwork(SMALL).eval()
    with torch.inference_mode():
        outputs = network(torch.randn(2, 3, *size))
    wanted = {name: (2, count, size[0] // 4, size[1] // 4) for name, count in OUTPUT_CHANNELS.items()}
    assert {name: tuple(output.shape) for name, output in outputs.items()} == wanted
    # Coordinates start in the middle.
    assert outputs["u"].mean() == pytest.approx(0.5, abs=0.05)


def test_outputs_are_read_where_points_are_placed():
    """A map that is linear in the crop's pixels, read at points and decoded over the pixels of a box."""
    cells = 64, 48
    middle_y, middle_x = np.meshgrid(*(STRIDE * (np.arange(count) + 0.5) for count in cells), indexing="ij")
    outputs = {name: torch.zeros(count, *cells, dtype=torch.float64) for name, count in OUTPUT_CHANNELS.items()}
    outputs["coarse"][3], outputs["fine"][7] = 1, 1
    outputs["u"][7], outputs["v"][7] = torch.from_numpy(middle_x / 192), torch.from_numpy(middle_y / 256)
    points = torch.rand(1, 40, 2, generator=torch.Generator().manual_seed(0)) * torch.tensor([180, 240]) + 5
    charts = torch.full((1, 40), 7)
    placed = place_in_crops(points, torch.ones(1, 40, dtype=torch.bool), charts, points, cells)
    for name, values in (("u", points[0, :, 0] / 192), ("v", points[0, :, 1] / 256)):
        torch.testing.assert_close(placed.sample_charts(outputs[name][None]).float(), values)
    matrix = np.array([[2.0, 0, -30], [0, 2.0, -50]])
    region = PixelBox(30, 40, 50, 70)
    found, uv = decode_crop(outputs, matrix, region)
    assert (found == 7).all()
    # The middle of pixel x of the image is at 2 x - 30 in indices of the crop's pixels.
    x, y = 2.0 * np.arange(30, 80) - 30 + 0.5, 2.0 * np.arange(40, 110) - 50 + 0.5
    np.testing.assert_allclose(uv[0], np.broadcast_to(x / 192, (70, 50)), atol=1e-5)
    np.testing.assert_allclose(uv[1], np.broadcast_to(y[:, None] / 256, (70, 50)), atol=1e-5)


def test_losses_teach_people_of_both_kinds():
    torch.manual_seed(0)
    network = DenseCropNetwork(SMALL).train()
    config = DenseLossConfig(2, 1, 0.01, "absolute", limb_weight=0.5)
    compute = make_dense_crop_losses(config)
    points = torch.rand(4, MOST_POINTS, 2) * 60 + 2
    batch = {
        "image": torch.randint(0, 256, (4, 64, 64, 3), dtype=torch.uint8),
        "points_xy": points,
        "charts": torch.where(points[..., 0] < 32, 3, 10),
        "coordinates_uv": points / 64,
        "is_given": torch.arange(MOST_POINTS).expand(4, -1) < 100,
        "labels": torch.full((4, 16, 16), 2, dtype=torch.uint8),
        "has_labels": torch.tensor([True, True, False, True]),
        "has_limbs_alone": torch.tensor([False, False, True, False]),
    }
    optimizer = torch.optim.Adam(network.parameters(), 3e-3)
    totals = []
    for _ in range(30):
        losses = compute(network, batch)
        assert losses.keys() == {"coarse", "fine", "u", "v", "limbs"}
        total = torch.stack(list(losses.values())).sum()
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        totals.append(float(total.detach()))
    assert totals[-1] < 0.5 * totals[0]
    unused = [name for name, value in network.named_parameters() if value.grad is None]
    assert all(name.startswith("pyramid.laterals.") or "heads" in name for name in unused), unused


RECIPE = """
[network]
name = "thunder-densepose"
{network}
[data]
train = "people.json"
train_images = "."
{data}
[crop]
[losses]
{losses}
"""


def read(folder, network="", data="", losses=""):
    path = folder / "r.toml"
    path.write_text(RECIPE.format(network=network, data=data, losses=losses))
    return read_dense_crop_recipe(path)


def test_our_recipe_is_read():
    recipe = read_dense_crop_recipe(list_recipes("densepose/crops")["mobile-densepose-b"])
    assert (recipe.size_wh, len(recipe.more), recipe.losses.limb_weight) == ((192, 256), 2, 0.5)
    assert recipe.network.body == "thunder-heatmaps-256x192.safetensors"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"network": 'body = "a"\nweights = "b"'}, "weights: given beside body"),
        ({"network": "frozen_stages = 21"}, r"network\.frozen_stages: expected"),
        ({"data": 'mesh = "made"'}, r"data\.mesh: is for the evaluation of data\.dev"),
        (
            {"losses": 'coordinate_loss = "abs"'},
            "coordinate_loss: unknown 'abs'",
        ),
    ],
)
def test_wrong_recipes_say_what_is_wrong(tmp_path, wrong, message):
    with pytest.raises(SettingsError, match=message):
        read(tmp_path, **wrong)


def test_people_without_anything_to_learn_are_left_out(tmp_path):
    x, y, w, h = BOX
    keypoints = [x + w / 2, y + h / 2, 2] * 17
    write_people(tmp_path, 4, keypoints)
    recipe = read(tmp_path, losses="limb_weight = 0.5")
    (people,) = read_people(recipe, tmp_path, COCO_17.names)
    assert [detail.has_limbs_alone for detail in people.details] == [False, True, False, True]
    (people,) = read_people(read(tmp_path), tmp_path, COCO_17.names)
    assert len(people) == 2
    with pytest.raises(DataError, match=r"people\.json: nobody has dense annotations; give other annotations"):
        read_people(read(tmp_path, data="min_height_px = 500"), tmp_path, COCO_17.names)
