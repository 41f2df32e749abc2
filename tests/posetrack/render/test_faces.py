from dataclasses import replace

import numpy as np
import pytest

from posetrack.frame import Frame, Instances
from posetrack.render import FaceBlur, Renderer, RenderStyle
from posetrack.render.faces import pixelate
from posetrack.render.heads import HeadRegion
from posetrack.skeleton import COCO_17, CROWDPOSE_14, MPII_16, POSETRACK_15, SKELETONS

HEIGHT, WIDTH = 480, 640
# A person of 320 pixels who stands at x = 0 with the feet at y = 320: the head is from 0 to 42.
BODY = {
    "nose": (0, 24),
    "eye": (6, 19),
    "ear": (14, 21),
    "head_top": (0, 0),
    "upper_neck": (0, 44),
    "neck": (0, 50),
    "thorax": (0, 58),
    "shoulder": (34, 60),
    "elbow": (44, 118),
    "wrist": (46, 170),
    "pelvis": (0, 165),
    "hip": (20, 165),
    "knee": (20, 240),
    "ankle": (20, 305),
    "heel": (18, 318),
    "big_toe": (18, 320),
    "small_toe": (26, 320),
}
HEAD_HEIGHT = 42
HEAD = {name for name, (_, y) in BODY.items() if y < 60}


def make_people(
    skeleton=COCO_17, x=300.0, y=80.0, hidden=(), scale=1.0, track_id=1, profile=False
) -> Instances:
    points, scores = [], []
    for name in skeleton.names:
        part = name.removeprefix("left_").removeprefix("right_")
        dx, dy = BODY[part]
        sign = {"left": 1, "right": -1}.get(name.partition("_")[0], 1)
        if profile:
            sign, dx = 1, {"nose": 20, "eye": 14, "ear": 0}.get(part, dx * 0.2)
        points.append((x + sign * dx * scale, y + dy * scale))
        scores.append(0.05 if part in hidden else 0.9)
    box = (x - 50 * scale, y - 4 * scale, x + 50 * scale, y + 320 * scale)
    return Instances(
        boxes_xyxy=[box],
        box_scores=[0.9],
        keypoints_xy=[points],
        keypoint_scores=[scores],
        track_ids=None if track_id is None else [track_id],
    )


def make_frame(people: Instances, index: int = 0, size_wh=(WIDTH, HEIGHT)) -> Frame:
    noise = np.random.default_rng(7).integers(0, 256, (size_wh[1], size_wh[0], 3), np.uint8)
    return Frame(index, index / 25, noise, people)


def is_hidden(drawn: np.ndarray, frame: Frame, x: float, y: float, scale: float = 1.0) -> bool:
    """Whether nothing is left of a head whose top is at (x, y): an ellipse of a head's proportions."""
    rows, columns = np.mgrid[: drawn.shape[0], : drawn.shape[1]]
    half = HEAD_HEIGHT / 2 * scale
    is_head = ((columns - x) / (0.8 * half)) ** 2 + ((rows - y - half) / half) ** 2 < 1
    assert is_head.sum() > 20
    # Noise is averaged away: neighbours are nearly equal.
    steps = np.abs(np.diff(drawn.astype(int), axis=1)).max(axis=2)[is_head[:, 1:] & is_head[:, :-1]]
    return bool(steps.max() < 40)


@pytest.mark.parametrize("scale", [0.2, 0.6, 1.0])
@pytest.mark.parametrize("skeleton", SKELETONS.values(), ids=SKELETONS)
def test_the_whole_head_is_hidden_with_every_skeleton(skeleton, scale):
    frame = make_frame(make_people(skeleton, scale=scale))
    hidden = FaceBlur(skeleton)(frame)
    assert is_hidden(hidden, frame, 300, 80, scale)
    body = np.s_[int(80 + 100 * scale) :, :]
    assert (hidden[body] == frame.image[body]).all()
    assert not is_hidden(frame.image, frame, 300, 80, scale)


@pytest.mark.parametrize(
    "hidden",
    [
        {"nose", "eye"},
        {"nose", "eye", "ear"},
        HEAD,
        HEAD | {"elbow", "wrist", "hip", "knee", "ankle"},
        HEAD | {"shoulder"},
        set(BODY),
        {"eye", "ear"},
    ],
)
@pytest.mark.parametrize("skeleton", [COCO_17, POSETRACK_15, MPII_16, CROWDPOSE_14], ids=lambda s: s.name)
def test_heads_without_their_keypoints_are_hidden_too(skeleton, hidden):
    frame = make_frame(make_people(skeleton, hidden=hidden))
    assert is_hidden(FaceBlur(skeleton)(frame), frame, 300, 80)


def test_heads_in_profile_are_hidden_up_to_the_back():
    frame = make_frame(make_people(profile=True))
    drawn = FaceBlur(COCO_17)(frame)
    assert is_hidden(drawn, frame, 300, 80)
    assert is_hidden(drawn, frame, 310, 80)


def test_people_with_boxes_only_and_with_keypoints_only():
    people = make_people()
    box = Instances(boxes_xyxy=people.boxes_xyxy)
    for bare in (box, replace(people, boxes_xyxy=None, box_scores=None, track_ids=None)):
        frame = make_frame(bare)
        assert is_hidden(FaceBlur(COCO_17)(frame), frame, 300, 80)
    # Somebody who lies: the head is at either end.
    frame = make_frame(Instances(boxes_xyxy=[[100, 200, 420, 290]]))
    drawn = FaceBlur(COCO_17)(frame)
    assert is_hidden(drawn, frame, 125, 225)
    assert is_hidden(drawn, frame, 395, 225)


@pytest.mark.parametrize("track_id", [4, None])
def test_a_head_is_carried_on_with_the_box_and_held_when_nobody_is_found(track_id):
    blur = FaceBlur(COCO_17)
    for i in range(10):
        people = make_people(x=100 + 8 * i, track_id=track_id)
        frame = make_frame(people, i)
        assert is_hidden(blur(frame), frame, 100 + 8 * i, 80)
    for i in range(10, 20):
        people = make_people(x=100 + 8 * i, hidden=set(BODY), track_id=track_id)
        frame = make_frame(people, i)
        assert is_hidden(blur(frame), frame, 100 + 8 * i, 80)
    for i in range(20, 32):
        frame = make_frame(Instances(), i)
        assert is_hidden(blur(frame), frame, 100 + 8 * i, 80), i
    for i in range(32, 60):
        drawn = blur(make_frame(Instances(), i))
    assert (drawn == make_frame(Instances()).image).all(), "not held for ever"


def test_rare_frames_hold_heads_too_and_a_clock_that_goes_back_ends_it():
    blur = FaceBlur(COCO_17)
    blur(make_frame(make_people()))
    frame = replace(make_frame(Instances(), 50))
    assert is_hidden(blur(frame), frame, 300, 80)
    for i in range(40):
        drawn = blur(make_frame(Instances(), 45 - i))
    assert (drawn == frame.image).all() or is_hidden(drawn, frame, 300, 80)
    for i in range(60):
        drawn = blur(make_frame(Instances(), i))
    assert (drawn == frame.image).all()


def test_a_jump_of_keypoints_leaves_the_old_place_hidden():
    blur = FaceBlur(COCO_17)
    blur(make_frame(make_people(x=200)))
    frame = make_frame(make_people(x=500), 1)
    drawn = blur(frame)
    assert is_hidden(drawn, frame, 500, 80)
    assert is_hidden(drawn, frame, 200, 80)


@pytest.mark.parametrize("size", [9, 40, 200])
def test_different_faces_with_the_same_means_look_the_same(size):
    """What tells one face from another is gone: of a region, only 4 x 4 colours are left."""
    rng = np.random.default_rng(2)
    side = 4 * size
    means = rng.integers(60, 190, (4, 4, 3))
    results = []
    for _ in range(2):
        detail = rng.integers(-60, 61, (4, size, 4, size, 3)).astype(float)
        detail -= detail.mean(axis=(1, 3), keepdims=True)
        face = np.clip(means[:, None, :, None] + detail, 0, 255).reshape(side, side, 3).astype(np.uint8)
        image = np.zeros((side + 20, side + 20, 3), np.uint8)
        image[10:-10, 10:-10] = face
        pixelate(image, HeadRegion((10, 10, 10 + side, 10 + side)))
        middle = slice(10 + side // 4, 10 + 3 * side // 4)
        centre = image[middle, middle].astype(int)
        results.append((face, centre))
    (face, first), (other_face, second) = results
    assert np.abs(face.astype(int) - other_face).mean() > 30
    assert np.abs(first - second).max() <= 6


def test_the_style_blurs_everyone_before_anything_is_drawn():
    both = Instances.concatenate([make_people(x=150, track_id=1), make_people(x=450, track_id=2)])
    frame = make_frame(both)
    bare = RenderStyle(skeletons=False, boxes=False, ids=False, blur_faces=True)
    for style in (bare, replace(bare, only=frozenset({2})), replace(bare, drop=frozenset({1, 2}))):
        drawn = Renderer(COCO_17, style)(frame)
        assert is_hidden(drawn, frame, 150, 80)
        assert is_hidden(drawn, frame, 450, 80)
    np.testing.assert_array_equal(Renderer(COCO_17, bare)(frame), FaceBlur(COCO_17)(frame))
    skeletons = Renderer(COCO_17, replace(bare, skeletons=True))(frame)
    assert (skeletons[104, 150] == [235, 235, 235]).all(), "the nose is drawn on top"
    assert (frame.image == make_frame(both).image).all()


def test_frames_that_are_only_followed_count():
    render = Renderer(COCO_17, RenderStyle(skeletons=False, boxes=False, ids=False, blur_faces=True))
    render.follow(make_frame(make_people()))
    frame = make_frame(Instances(), 1)
    assert is_hidden(render(frame), frame, 300, 80)


@pytest.mark.parametrize("size_wh", [(1, 1), (2, 3), (3840, 2160)])
def test_any_size_any_place_and_nobody(size_wh):
    blur = FaceBlur(COCO_17)
    far = make_people()
    for people in (
        make_people(),
        Instances(),
        make_people()[[]],
        replace(far, keypoints_xy=far.keypoints_xy * np.float32(1e9)),
        replace(far, keypoints_xy=np.full((1, 17, 2), np.nan), boxes_xyxy=[[np.inf, np.nan, -1e9, 5]]),
        Instances(boxes_xyxy=[[5, 5, 5, 5]]),
        Instances(track_ids=[3]),
        Instances(keypoints_xy=np.zeros((1, 5, 2)), keypoint_scores=np.ones((1, 5))),
    ):
        frame = make_frame(people, size_wh=size_wh)
        assert blur(frame).shape == frame.image.shape
