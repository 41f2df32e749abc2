import cv2
import numpy as np
import pytest

from trackers.flow import FLOWS, DisFlow
from trackers.flow_tracker import FlowTrackerConfig
from trackers.scene_cut import compute_scene_similarity, is_blank

THRESHOLD = FlowTrackerConfig().scene_cut_similarity


def make_scene(seed, height=200, width=320):
    """An image of rectangles and ellipses over a slope of light, blurred a little, (height, width) uint8."""
    rng = np.random.default_rng(seed)
    image = np.tile(np.linspace(*rng.integers(40, 200, 2), width), (height, 1)).astype(np.float32)
    for _ in range(60):
        x, y, w, h = (int(value) for value in rng.integers((0, 0, 5, 5), (width, height, 60, 60)))
        gray = float(rng.integers(20, 230))
        cv2.rectangle(image, (x, y), (x + w, y + h), gray, -1)
        cv2.ellipse(image, (width - x, height - y), (w // 2, h // 3), 30.0, 0.0, 360.0, 230 - gray, 2)
    noisy = cv2.GaussianBlur(image, (0, 0), 1) + rng.normal(0, 2, image.shape)
    return np.clip(noisy, 0, 255).astype(np.uint8)


def similarity(previous, gray, flow="dis"):
    return compute_scene_similarity(previous, gray, FLOWS[flow]()(previous, gray))


@pytest.mark.parametrize("flow", FLOWS)
@pytest.mark.parametrize("seed", range(5))
def test_strange_images_are_a_cut_and_flow_cannot_hide_it(flow, seed):
    assert similarity(make_scene(seed), make_scene(seed + 100), flow) < THRESHOLD


def brighten(gray, gain, offset=0):
    return np.clip(gray.astype(np.float32) * gain + offset, 0, 255).astype(np.uint8)


@pytest.mark.parametrize(
    "change",
    [
        lambda gray: brighten(gray, 1.6),
        lambda gray: brighten(gray, 0.3),
        lambda gray: brighten(gray, 2, 60),
        lambda gray: (255 * (gray / 255) ** 0.5).astype(np.uint8),
        lambda gray: cv2.GaussianBlur(gray, (0, 0), 2),
        lambda gray: np.roll(gray, (6, 15), (0, 1)),
        lambda gray: cv2.resize(gray[20:180, 32:288], (320, 200)),
        lambda gray: np.where(np.arange(320) < 100, 128, gray).astype(np.uint8),
    ],
    ids=["brighter", "darker", "flash", "gamma", "blurred", "panned", "zoomed", "partly hidden"],
)
@pytest.mark.parametrize("seed", range(3))
def test_the_same_scene_changed_is_no_cut(change, seed):
    scene = make_scene(seed)
    assert similarity(scene, change(scene)) > THRESHOLD


CONTRASTS = [1, 0.3, 0.1, 0.05]


@pytest.mark.parametrize("contrast", [*CONTRASTS, 0.01])
def test_an_image_is_as_similar_to_itself_as_can_be_however_dim(contrast):
    scene = brighten(make_scene(0), contrast, 10)
    still = np.zeros((200, 320, 2), np.float32)
    assert compute_scene_similarity(scene, scene, still) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("contrast", CONTRASTS)
@pytest.mark.parametrize("seed", range(3))
def test_cuts_are_told_from_pans_in_dim_images_too(contrast, seed):
    scene, panned, other = make_scene(seed), np.roll(make_scene(seed), (6, 15), (0, 1)), make_scene(seed + 100)
    scene, panned, other = (brighten(image, contrast, 10) for image in (scene, panned, other))
    assert similarity(scene, panned) > THRESHOLD
    assert similarity(scene, other) < THRESHOLD


def test_nothing_to_compare_is_no_cut():
    flat, white = np.full((64, 64), 90, np.uint8), np.full((64, 64), 255, np.uint8)
    zeros = np.zeros((64, 64, 2), np.float32)
    assert compute_scene_similarity(flat, flat, zeros) == 1
    assert compute_scene_similarity(make_scene(0, 64, 64), white, zeros) == 1
    one = np.zeros((1, 1), np.uint8)
    assert compute_scene_similarity(one, one, DisFlow()(one, one)) == 1


def test_a_flow_that_leads_out_of_the_image_shows_nothing_alike():
    scene = make_scene(0)
    assert compute_scene_similarity(scene, scene, np.full((200, 320, 2), 900, np.float32)) == 0


def test_blank_images():
    rng = np.random.default_rng(0)
    assert is_blank(np.zeros((90, 160), np.uint8))
    assert is_blank(np.full((90, 160), 255, np.uint8))
    assert is_blank(rng.integers(0, 4, (90, 160)).astype(np.uint8))
    assert is_blank(np.zeros((1, 1), np.uint8))
    assert not is_blank(make_scene(0))
    assert is_blank(np.clip(rng.normal(20, 3, (144, 256)), 0, 255).astype(np.uint8))
    assert not is_blank(brighten(make_scene(0), 0.3))
    assert not is_blank(brighten(make_scene(0), 0.05, 10))
