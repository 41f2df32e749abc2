"""Encoding and decoding data set files gives back what went in, but for what the encoders' docstrings name."""

import json
from dataclasses import fields, replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from posetrack.annotations.coco import decode_coco, encode_coco
from posetrack.annotations.coco_style import decode_box, encode_box
from posetrack.annotations.posetrack17 import decode_posetrack17, encode_posetrack17
from posetrack.annotations.posetrack18 import decode_posetrack18, encode_posetrack18
from posetrack.annotations.video import AnnotatedFrame, AnnotatedPeople, AnnotatedVideo, PeopleBuilder

NAN = float("nan")
FIRST_ID = {"000342_mpii_test": 10_003_420_000, "000007_bonn": 20_000_070_000, "street": 10_000_000_000}

coordinates = st.one_of(st.integers(-9, 9).map(float), st.floats(-1e5, 1e5))
unit_scores = st.one_of(st.just(NAN), st.just(0.0), st.floats(0, 1))
# Multiples of 1/64 pixel: corners come back from width and height to the last bit.
spans = st.lists(st.integers(-(10**6), 10**6).map(lambda n: n / 64), min_size=2, max_size=2).map(sorted)
boxes = st.one_of(st.none(), st.tuples(spans, spans).map(lambda s: (s[0][0], s[1][0], s[0][1], s[1][1])))
points = st.dictionaries(
    st.integers(0, 14),
    st.tuples(coordinates, coordinates, unit_scores, st.sampled_from([NAN, 0, 1, 2])),
    max_size=4,
)
regions = st.lists(
    st.lists(st.tuples(coordinates, coordinates), max_size=4).map(lambda c: np.array(c, float).reshape(-1, 2)),
    max_size=2,
).map(tuple)


@st.composite
def videos(draw, name=None):
    name = draw(st.sampled_from(sorted(FIRST_ID))) if name is None else name
    count = draw(st.integers(0, 4))
    ids = st.lists(st.integers(0, 10**12), min_size=count, max_size=count, unique=True)
    image_ids = draw(st.one_of(st.just([None] * count), ids))
    frames = tuple(
        AnnotatedFrame(
            file_name=draw(st.sampled_from(["", f"images/{name}/{i:06d}.jpg"])),
            is_labeled=draw(st.sampled_from([None, False, True])),
            ignore_regions=draw(regions),
            image_id=image_ids[i],
            size_wh=draw(st.sampled_from([None, (640, 480)])),
        )
        for i in range(count)
    )
    people = PeopleBuilder()
    for person in range(draw(st.integers(0, 4)) if count else 0):
        people.frame_index.append(draw(st.integers(0, count - 1)))
        people.track_ids.append(draw(st.one_of(st.none(), st.integers(0, 10**6))))
        people.scores.append(draw(st.one_of(st.none(), st.floats(-5, 5))))
        people.head_boxes_xyxy.append(draw(boxes))
        people.boxes_xyxy.append(draw(boxes))
        placed = draw(points)
        people.has_points.append(bool(placed) or draw(st.booleans()))
        people.points += [(person, keypoint, *values) for keypoint, values in placed.items()]
    return AnnotatedVideo(name, frames, people.build())


def select(people, rows):
    return AnnotatedPeople(**{field.name: getattr(people, field.name)[rows] for field in fields(people)})


def change_frames(video, image_ids, **changes):
    frames = zip(video.frames, image_ids, strict=True)
    return replace(video, frames=tuple(replace(frame, image_id=i, **changes) for frame, i in frames))


def lose_in_17(video):
    people = select(video.people, np.argsort(video.people.frame_index, kind="stable"))
    people = replace(people, boxes_xyxy=np.full((len(people), 4), NAN))
    return replace(change_frames(video, [None] * len(video.frames), size_wh=None), people=people)


def number_as_posetrack(video):
    ids = [frame.image_id for frame in video.frames]
    if None in ids:
        ids = [FIRST_ID[video.name] + i for i in range(len(ids))]
    return change_frames(video, ids)


def fill_gaps(people):
    has_any = (~np.isnan(people.keypoint_scores)).any(axis=1, keepdims=True)
    gaps = np.isnan(people.keypoint_scores) & people.present & has_any
    return replace(
        people,
        has_points=np.ones(len(people), bool),
        keypoint_scores=np.where(gaps, -9999.0, people.keypoint_scores),
    )


def lose_in_18(video):
    people = video.people
    unsaid = people.present & np.isnan(people.visibility)
    visibility = np.where(unsaid, 1.0, people.visibility)
    dropped = (people.keypoints_xy == 0).all(axis=-1) & (visibility == 0)
    people = replace(
        people,
        keypoints_xy=np.where(dropped[..., None], NAN, people.keypoints_xy),
        keypoint_scores=np.where(dropped, NAN, people.keypoint_scores),
        visibility=np.where(dropped, NAN, visibility),
    )
    return replace(number_as_posetrack(video), people=fill_gaps(people))


def lose_in_coco(video):
    people = video.people
    visible = np.where(people.present, (people.visibility != 0).astype(float), NAN)
    return replace(number_as_posetrack(video), people=fill_gaps(replace(people, visibility=visible)))


def through_text(data):
    return json.loads(json.dumps(data, allow_nan=False))


def through_17(video):
    return decode_posetrack17(through_text(encode_posetrack17(video)), video.name, "made.json")


def through_18(video):
    return decode_posetrack18(through_text(encode_posetrack18(video)), video.name, "made.json")


def through_coco(video):
    decoded = decode_coco(through_text(encode_coco([video])), "made", "made.json")
    if not video.frames:
        assert [len(left.frames) for left in decoded] == [0]
        return video
    assert len(decoded) == 1
    return decoded[0]


def assert_same(left, right):
    assert left.name == right.name
    assert len(left.frames) == len(right.frames)
    for a, b in zip(left.frames, right.frames, strict=True):
        assert (a.file_name, a.is_labeled, a.image_id, a.size_wh) == (
            b.file_name,
            b.is_labeled,
            b.image_id,
            b.size_wh,
        )
        assert len(a.ignore_regions) == len(b.ignore_regions)
        for region, other in zip(a.ignore_regions, b.ignore_regions, strict=True):
            np.testing.assert_array_equal(region, other, strict=True)
    for field in fields(AnnotatedPeople):
        columns = getattr(left.people, field.name), getattr(right.people, field.name)
        np.testing.assert_array_equal(*columns, strict=True, err_msg=field.name)


@given(videos())
def test_17_to_17(video):
    assert_same(through_17(video), lose_in_17(video))


@given(videos())
def test_18_to_18(video):
    assert_same(through_18(video), lose_in_18(video))


@given(videos())
def test_17_to_18_to_17(video):
    video = through_17(video)
    assert_same(through_17(through_18(video)), lose_in_17(lose_in_18(video)))


@given(videos())
def test_18_to_17_to_18(video):
    video = through_18(video)
    assert_same(through_18(through_17(video)), lose_in_18(lose_in_17(video)))


@given(videos())
def test_18_to_coco_to_18(video):
    video = through_18(video)
    assert_same(through_18(through_coco(video)), lose_in_18(lose_in_coco(video)))


@given(videos())
def test_17_to_coco_to_17(video):
    video = through_17(video)
    assert_same(through_17(through_coco(video)), lose_in_17(lose_in_coco(video)))


@given(videos())
def test_a_second_time_changes_nothing(video):
    """Even the files are the same."""
    for through, encode in (
        (through_17, encode_posetrack17),
        (through_18, encode_posetrack18),
        (through_coco, lambda video: encode_coco([video])),
    ):
        once = through(video)
        assert_same(through(once), once)
        assert encode(through(once)) == encode(once)


@settings(max_examples=50)
@given(st.tuples(*(videos(name) for name in sorted(FIRST_ID))))
def test_sequences_share_one_coco_file(group):
    decoded = decode_coco(through_text(encode_coco(group)), "made", "made.json")
    kept = [video for video in group if video.frames]
    ids = [frame.image_id for video in kept for frame in number_as_posetrack(video).frames]
    if len(set(ids)) < len(ids):
        ids = list(range(1, len(ids) + 1))
    numbers = iter(ids)
    expected = [change_frames(lose_in_coco(v), [next(numbers) for _ in v.frames]) for v in kept]
    if not kept:
        assert [(video.name, video.frames) for video in decoded] == [("made", ())]
        return
    assert len(decoded) == len(expected)
    for video, other in zip(decoded, expected, strict=True):
        assert_same(video, other)


def through_box(box):
    return decode_box({"bbox": encode_box(np.array(box))}, "bbox", "made.json")


@settings(max_examples=500)
@given(st.tuples(*(st.floats(-1e9, 1e9) for _ in range(4))))
def test_any_box_stays_within_a_rounding_error(box):
    corners = through_box(box)
    np.testing.assert_allclose(corners, box, rtol=0, atol=2 * np.spacing(max(map(abs, box))))
    assert through_box(corners) == corners


@settings(max_examples=500)
@given(*(st.lists(st.floats(0, 1e4), min_size=2, max_size=2).map(sorted) for _ in "xy"))
def test_a_box_in_the_image_stays_within_the_last_bit(xs, ys):
    box = (xs[0], ys[0], xs[1], ys[1])
    corners = through_box(box)
    assert corners[:2] == box[:2]
    assert all(abs(a - b) <= np.spacing(b) for a, b in zip(corners[2:], box[2:], strict=True))


def test_image_ids_that_stand_twice_are_numbered_afresh():
    frames = (AnnotatedFrame(image_id=5), AnnotatedFrame(image_id=5))
    video = AnnotatedVideo("000342_mpii_test", frames, PeopleBuilder().build())
    images = encode_posetrack18(video)["images"]
    assert [(image["id"], image["vid_id"]) for image in images] == [
        (10003420000, "000342"),
        (10003420001, "000342"),
    ]
