import numpy as np

from models.data.crop import compute_region_areas
from posetrack.evaluation.alike import suppress_alike
from posetrack.skeleton import COCO_17

K = COCO_17.num_keypoints


def test_alike_poses_leave_the_highest_scoring():
    # 60 x 40 becomes 60 x 80 for the crop's shape, and 75 x 100 with the padding.
    areas = compute_region_areas(np.array([[0, 0, 60, 40]] * 2, np.float32), (192, 256), 1.25)
    np.testing.assert_allclose(areas, 75 * 100)
    # Moved by d, the OKS is the mean of exp(-d^2 / (2 area (2 sigma)^2)).
    sigmas = np.array(COCO_17.sigmas)
    oks = lambda d, area: np.exp(-(d**2) / (2 * area * (2 * sigmas) ** 2)).mean()  # noqa: E731
    assert oks(2.6, 60 * 40) < 0.9 < oks(2.6, 75 * 100)
    poses = np.random.default_rng(0).uniform(0, 50, (1, K, 2)).repeat(2, axis=0).astype(np.float32)
    poses[1, :, 0] += 2.6
    scores = np.array([0.5, 0.9], np.float32)
    assert suppress_alike(poses, scores, areas, COCO_17.sigmas).tolist() == [1]
    poses[1, :, 0] += 5
    assert suppress_alike(poses, scores, areas, COCO_17.sigmas).tolist() == [0, 1]
    assert suppress_alike(poses[:0], scores[:0], areas[:0], COCO_17.sigmas).tolist() == []
