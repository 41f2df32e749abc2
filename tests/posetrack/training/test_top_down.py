import numpy as np

from models.data.crop import compute_region_areas
from models.data.samples import PoseSamples
from models.hrnet.recipe import list_pose_recipes, read_pose_recipe
from posetrack.skeleton import COCO_17
from posetrack.training import top_down

K = COCO_17.num_keypoints


def make_people(boxes, image_index):
    N = len(boxes)
    return PoseSamples(
        image_paths=(),
        image_ids=np.empty(0, np.int64),
        image_index=np.array(image_index),
        boxes_xyxy=np.array(boxes, np.float32),
        scores=np.ones(N, np.float32),
        keypoints_xy=np.zeros((N, K, 2), np.float32),
        weights=np.zeros((N, K), np.float32),
    )


def test_alike_poses_of_a_image_leave_the_surest():
    recipe = read_pose_recipe(list_pose_recipes()["coco-hrnet-w32-256x192"])
    # 60 x 40 becomes 60 x 80 for the crop's shape, and 75 x 100 with the padding.
    people = make_people([[0, 0, 60, 40]] * 3, [0, 0, 1])
    areas = compute_region_areas(people.boxes_xyxy, recipe.size_wh, recipe.crop.padding)
    np.testing.assert_allclose(areas, 75 * 100)
    # Moved by d, the OKS is the mean of exp(-d^2 / (2 area (2 sigma)^2)).
    sigmas = np.array(COCO_17.sigmas)
    oks = lambda d, area: np.exp(-(d**2) / (2 * area * (2 * sigmas) ** 2)).mean()  # noqa: E731
    assert oks(2.6, 60 * 40) < 0.9 < oks(2.6, 75 * 100)
    poses = np.random.default_rng(0).uniform(0, 50, (1, K, 2)).repeat(3, axis=0).astype(np.float32)
    poses[1, :, 0] += 2.6
    scores = np.array([0.5, 0.9, 0.1], np.float32)
    assert top_down.suppress_alike_people(people, poses, scores, areas, COCO_17).tolist() == [1, 2]
    poses[1, :, 0] += 5
    assert top_down.suppress_alike_people(people, poses, scores, areas, COCO_17).tolist() == [0, 1, 2]
    none = make_people(np.empty((0, 4)), np.empty(0, np.int64))
    assert top_down.suppress_alike_people(none, poses[:0], scores[:0], areas[:0], COCO_17).tolist() == []
