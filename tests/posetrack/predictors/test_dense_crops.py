"""Dense poses in crops, over the pixels of boxes."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from made_dense_crops import BOX, STEP, ColourReader, draw_person
from torch import nn
from torch.nn import functional

from models.densepose.crops.network import OUTPUT_CHANNELS
from models.densepose.parts import CHART_MIRROR
from posetrack.compute import Compute
from posetrack.predictors.dense_crops import DenseCropPredictor
from posetrack.predictors.settings import DenseCropSettings

SETTINGS = DenseCropSettings("thunder-densepose", width_px=192, height_px=256, padding=1.25, batch_crops=2)
EAGER = Compute(torch.device("cpu"), engine="torch", precision="f32")
OPENVINO = Compute(torch.device("cpu"), engine="openvino", precision="f32")


@pytest.mark.parametrize("compute", [EAGER, OPENVINO], ids=["torch", "openvino"])
def test_dense_poses_lie_where_the_image_shows_them(compute):
    image = draw_person()
    x, y, w, h = BOX
    boxes = np.array([[x, y, x + w, y + h], [x + 7.3, y + 20.6, x + w + 9, y + h + 8]], np.float32)
    predict = DenseCropPredictor(ColourReader(), SETTINGS, compute)
    # More boxes than in a batch, an image without people, and one of another size.
    wide = np.pad(image, ((0, 0), (50, 0), (0, 0)))
    none = np.zeros((0, 4), np.float32)
    moved = boxes + np.array([50, 0, 50, 0], np.float32)
    first, empty, second = predict.estimate_dense([image, image, wide], [boxes, none, moved])
    assert empty == ()
    for poses, source, own in ((first, image, boxes), (second, wide, moved)):
        for pose, box in zip(poses, own, strict=True):
            left, top = box[:2].astype(int)
            height, width = pose.shape[:2]
            assert (height, width) == (int(box[3] - box[1]), int(box[2] - box[0]))
            shown = source[top : top + height, left : left + width].astype(float)
            inside = np.zeros(pose.shape[:2], bool)
            inside[: shown.shape[0], : shown.shape[1]] = shown[..., 0] > 0
            # Cells of 4 pixels mix the colours at borders.
            body = inside[4:-4, 4:-4] if inside.all() else _shrink(inside)[4:-4, 4:-4]
            found, shown = pose[4:-4, 4:-4][body], shown[4:-4, 4:-4][body[: shown.shape[0] - 8]]
            assert np.abs(found[:, 1:].astype(float) - shown[:, 1:]).max() < 9
            assert (np.abs(found[:, 0] * STEP - shown[:, 0]) < 6).mean() > 0.75
            assert (np.abs(found[:, 0] * STEP - shown[:, 0]) <= STEP).mean() > 0.99


def test_what_is_not_the_person_is_background():
    x, y, w, h = BOX
    box = np.array([[x - 20, y - 10, x + w + 20, y + h + 10]], np.float32)
    ((pose,),) = DenseCropPredictor(ColourReader(), SETTINGS, EAGER).estimate_dense([draw_person()], [box])
    rows, columns = np.nonzero(pose[..., 0])
    # To a cell, which shows a person as soon as it has some of them.
    assert (columns.min(), columns.max() + 1) == (pytest.approx(20, abs=4), pytest.approx(20 + w, abs=4))
    assert (rows.min(), rows.max() + 1) == (pytest.approx(10, abs=4), pytest.approx(10 + h, abs=4))
    assert (pose[pose[..., 0] == 0] == 0).all()


def test_with_the_flip_test_the_mirrored_image_has_the_mirrored_dense_pose():
    torch.manual_seed(1)
    network = Guesser()
    image, (x, y, w, h) = draw_person(), BOX
    width = image.shape[1]
    box = np.array([[x, y, x + w, y + h]], np.float32)
    mirrored_box = np.array([[width - x - w, y, width - x, y + h]], np.float32)

    def predict(flip_test):
        predictor = DenseCropPredictor(network, replace(SETTINGS, flip_test=flip_test), EAGER)
        images = [image, np.ascontiguousarray(image[:, ::-1])]
        (pose,), (other,) = predictor.estimate_dense(images, [box, mirrored_box])
        back = other[:, ::-1].copy()
        back[..., 0] = np.array(CHART_MIRROR, np.uint8)[back[..., 0]]
        is_whole = np.isin(back[..., 0], [c for c in range(1, 25) if CHART_MIRROR[c] == c])
        back[..., 1] = np.where(is_whole, 255 - back[..., 1], back[..., 1])
        return pose, back

    pose, back = predict(flip_test=True)
    assert len(np.unique(pose[..., 0])) > 5
    alike = pose[..., 0] == back[..., 0]
    # Crops of mirrored images differ by the rounding of warps.
    assert alike.mean() > 0.95
    assert np.median(np.abs(pose[alike].astype(int) - back[alike])) <= 1
    pose, back = predict(flip_test=False)
    assert (pose[..., 0] == back[..., 0]).mean() < 0.8


def test_charts_of_the_data_set_have_no_flip_test():
    with pytest.raises(ValueError, match="flip_test: needs made charts"):
        DenseCropSettings("thunder-densepose", charts="smpl", flip_test=True)


class Guesser(nn.Module):
    """A network that gives any charts and coordinates, not alike for mirrored crops."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Conv2d(3, sum(OUTPUT_CHANNELS.values()), 3, padding=1)

    def forward(self, crops):
        """As `DenseCropNetwork.forward`."""
        outputs = self.layer(functional.avg_pool2d(crops, 4))
        return dict(zip(OUTPUT_CHANNELS, outputs.split(list(OUTPUT_CHANNELS.values()), dim=1), strict=True))


def _shrink(mask):
    shrunk = mask.copy()
    for axis in (0, 1):
        for shift in range(-4, 5):
            shrunk &= np.roll(mask, shift, axis)
    return shrunk
