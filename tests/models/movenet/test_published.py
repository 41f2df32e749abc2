"""Our MoveNet against the published graphs' own outputs."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from models.backbones.variants import MOVENET_MULTIPOSE, MoveNetConfig
from models.checkpoints import load_embedded
from models.movenet.codec import decode_multiple
from models.movenet.network import MoveNet

GOLDEN = Path(__file__).parents[2] / "golden"
TOLERANCE = 1e-3


@pytest.fixture(scope="module")
def image() -> torch.Tensor:
    bgr = cv2.imread(str(GOLDEN / "movenet_cyclist.png"))
    rgb = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB).repeat(2, axis=0).repeat(2, axis=1)
    return torch.from_numpy(rgb).permute(2, 0, 1)[None]


@pytest.fixture(scope="module")
def published() -> dict[str, np.ndarray]:
    return dict(np.load(GOLDEN / "movenet_published.npz"))


def run_network(config: MoveNetConfig, name: str, image: torch.Tensor) -> dict[str, torch.Tensor]:
    network = MoveNet(config).eval()
    load_embedded(network, name)
    with torch.inference_mode():
        return network(image)


def test_multipose_gives_what_the_published_graph_gives(image, published):
    two = torch.cat([image, image.flip(3)], dim=3)
    heads = run_network(MOVENET_MULTIPOSE, "movenet-multipose", two)
    boxes, box_scores, keypoints, keypoint_scores = decode_multiple(heads, 0.0, max_people=6)[0]
    expected = published["multipose"]
    is_person = expected[:, 55] > 0
    assert is_person.sum() >= 2, "the cyclist and his mirror image"
    points = expected[:, :51].reshape(6, 17, 3)[is_person]
    np.testing.assert_allclose(box_scores.numpy(), expected[:, 55], atol=TOLERANCE)
    np.testing.assert_allclose(keypoints.numpy()[is_person][..., ::-1], points[..., :2], atol=TOLERANCE)
    np.testing.assert_allclose(keypoint_scores.numpy()[is_person], points[..., 2], atol=TOLERANCE)
    np.testing.assert_allclose(
        boxes.numpy()[is_person][:, [1, 0, 3, 2]], expected[is_person, 51:55], atol=TOLERANCE
    )


def test_there_is_no_limit_of_six_people(image):
    crowd = image.repeat(1, 1, 2, 4)
    heads = run_network(MOVENET_MULTIPOSE, "movenet-multipose", crowd)
    _, scores, keypoints, _ = decode_multiple(heads, 0.25)[0]
    assert len(scores) >= 8, "eight copies of a cyclist are eight people"
    assert keypoints.shape == (len(scores), 17, 2)
