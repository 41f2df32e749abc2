"""Cleaning: what of the files counts, in which order, and what is refused."""

import json
import random

import numpy as np
import pytest
from reference.evaluation_cases import HEAD, WRITERS, make_frame, make_person
from reference.evaluation_posetrack import naive_is_strictly_inside

from posetrack.annotations.read import read_annotations
from posetrack.errors import ResultsError
from posetrack.evaluation.posetrack.sequence import check_track_ids, measure_distances, pair_sequence

SQUARE = [(0, 0), (100, 0), (100, 100), (0, 100)]
BOTH_YEARS = pytest.mark.parametrize("year", [17, 18])
FAR = {0: (500, 500)}


@pytest.fixture
def read(tmp_path):
    """`read(frames, year)`: frames written as a file of that year and read again."""

    def run(frames, year=17, change=None):
        content = WRITERS[year](frames)
        if change is not None:
            change(content)
        path = tmp_path / "000001_mpii_test.json"
        path.write_text(json.dumps(content))
        return read_annotations(path)

    return run


def list_points(poses):
    """[(frame, joint, x, y), ...]."""
    return [(poses.frame_index[n], k, *poses.keypoints_xy[n, k]) for n, k in np.argwhere(poses.present)]


@BOTH_YEARS
def test_frames_without_ground_truth_go_with_their_predictions(read, year):
    truth = read(
        [make_frame(make_person(1, FAR)), make_frame(), make_frame(make_person(1, {1: (600, 500)}))], year
    )
    predictions = read([make_frame(make_person(t, {0: (t, t)})) for t in (5, 6, 7)], year)
    sequence = pair_sequence(truth, predictions)
    assert sequence.num_frames == 2
    assert list_points(sequence.truth) == [(0, 0, 500, 500), (1, 1, 600, 500)]
    assert list_points(sequence.predictions) == [(0, 0, 5, 5), (1, 0, 7, 7)]


def test_annorect_may_be_absent(read):
    frames = [make_frame(make_person(1, FAR)), make_frame(make_person(1, FAR))]
    truth = read(frames, change=lambda content: content["annolist"][0].pop("annorect"))
    assert pair_sequence(truth, read(frames)).num_frames == 1


def test_is_labeled_plays_no_part(read):
    """The reference tool looks for people, whatever the flag says."""
    frames = [make_frame(make_person(1, FAR))] * 2

    def unlabel(content):
        content["annolist"][0]["is_labeled"] = [0]

    assert pair_sequence(read(frames, change=unlabel), read(frames)).num_frames == 2


def test_people_without_a_list_of_points_go_but_their_frame_stays(read):
    pointless = {**make_person(2, {}), "points": None}
    truth = read([make_frame(pointless), make_frame(pointless, make_person(1, FAR))])
    predictions = read([make_frame(make_person(1, FAR), pointless)] * 2)
    sequence = pair_sequence(truth, predictions)
    assert sequence.num_frames == 2
    assert sequence.truth.frame_index.tolist() == [1]
    assert sequence.predictions.frame_index.tolist() == [0, 1]


@BOTH_YEARS
def test_an_empty_list_of_points_is_a_person_but_not_when_corrected(read, year):
    """In PoseTrack18 everybody has a list, be it all zeros."""
    video = read([make_frame(make_person(1, {}))], year)
    assert len(pair_sequence(video, video).truth.frame_index) == 1
    assert len(pair_sequence(video, video, corrected=True).truth.frame_index) == 0


@BOTH_YEARS
def test_points_strictly_inside_ignore_regions_go_on_both_sides(read, year):
    points = {0: (50, 50), 1: (100, 50), 2: (100, 100), 3: (101, 50), 4: (99.9, 99.9), 5: (250, 250)}
    other = [(200, 200), (300, 200), (300, 300)]
    person = make_person(1, points)
    truth = read([make_frame(person, regions=[SQUARE, other]), make_frame(person)], year)
    predictions = read([make_frame(person), make_frame(person, regions=[SQUARE])], year)
    sequence = pair_sequence(truth, predictions)
    for poses in (sequence.truth, sequence.predictions):
        # Points on the edge or a corner stay: (250, 250) is on that of the triangle.
        assert [k for frame, k, *_ in list_points(poses) if frame == 0] == [1, 2, 3, 5]
        # The predictions' own regions play no part.
        assert [k for frame, k, *_ in list_points(poses) if frame == 1] == [0, 1, 2, 3, 4, 5]


@BOTH_YEARS
def test_people_left_without_points_by_a_region_go(read, year):
    inside, outside, nothing = make_person(1, {0: (50, 50)}), make_person(2, FAR), make_person(3, {})
    truth = read([make_frame(inside, outside, nothing, regions=[SQUARE]), make_frame(nothing)], year)
    sequence = pair_sequence(truth, truth)
    # Nobody without points is left in the frame with the region; in the other frame they stay.
    assert sequence.truth.frame_index.tolist() == [0, 1]
    assert sequence.predictions.frame_index.tolist() == [0, 1]


def test_random_points_in_random_regions(read):
    rng = random.Random(0)
    for _ in range(20):
        region = [(rng.randrange(20), rng.randrange(20)) for _ in range(rng.choice((3, 4)))]
        points = {k: (rng.randrange(20), rng.randrange(20)) for k in range(15)}
        if len(region) == 4 and _is_twisted(region):
            continue
        truth = read([make_frame(make_person(1, points), make_person(2, FAR), regions=[region])])
        found = [k for _, k, x, _ in list_points(pair_sequence(truth, truth).truth) if x < 500]
        assert found == [k for k, point in points.items() if not naive_is_strictly_inside(*point, region)]


def _is_twisted(corners):
    import shapely

    return not shapely.Polygon(corners).is_valid


@BOTH_YEARS
def test_points_at_the_origin(read, year):
    """PoseTrack18 writes absent points as three zeros; a visible one there is real unless corrected."""
    visible = {
        **make_person(1, FAR),
        "points": {
            0: (0, 0, 0.5, 1),
            1: (0, 3, 0.5, 0),
            2: (3, 0, 0.5, 0),
            **make_person(1, {3: (9, 9)})["points"],
        },
    }
    video = read([make_frame(visible)], year)
    assert [k for _, k, *_ in list_points(pair_sequence(video, video).truth)] == [0, 1, 2, 3]
    assert [k for _, k, *_ in list_points(pair_sequence(video, video, corrected=True).truth)] == [1, 2, 3]
    hidden = {**make_person(1, FAR), "points": {0: (0, 0, 0.5, 0), 1: (9, 9, 0.5, 1)}}
    video = read([make_frame(hidden)], year)
    expected = {17: [0, 1], 18: [1]}[year]
    assert [k for _, k, *_ in list_points(pair_sequence(video, video).truth)] == expected
    assert [k for _, k, *_ in list_points(pair_sequence(video, video, corrected=True).truth)] == [1]


def test_of_two_points_with_one_id_the_first_counts(read):
    def repeat(content):
        points = content["annolist"][0]["annorect"][0]["annopoints"][0]["point"]
        points.append({"id": [0], "x": [1.0], "y": [2.0]})
        points.append({"id": [15], "x": [1.0], "y": [2.0]})

    video = read([make_frame(make_person(1, FAR))], change=repeat)
    assert list_points(pair_sequence(video, video).truth) == [(0, 0, 500, 500)]


@BOTH_YEARS
def test_tracks_heads_and_scores(read, year):
    first, second = make_person(40, {0: (1, 2, 0.25), 5: (3, 4, 0.75)}, HEAD), make_person(7, FAR, (5, 5, 5, 5))
    video = read([make_frame(first, second), make_frame(second)], year)
    poses = pair_sequence(video, video).truth
    assert poses.tracks.tolist() == [1, 0, 0]
    assert poses.num_tracks == 2
    np.testing.assert_allclose(poses.head_sizes, [30, 0, 0])
    assert poses.keypoint_scores[0, [0, 5]].tolist() == [0.25, 0.75]


def test_distances():
    person, pose = np.full((1, 3, 2), np.nan), np.full((2, 3, 2), np.nan)
    person[0, :2] = (10, 10), (20, 20)
    pose[0, :] = (13, 14), (20, 20), (5, 5)
    pose[1, 1] = (20, 50)
    np.testing.assert_array_equal(
        measure_distances(pose, person, np.array([10.0])), [[[0.5, 0, np.inf]], [[np.inf, 3, np.inf]]]
    )
    # A head without size is near nobody, not even where the points are the same.
    assert (measure_distances(pose, person, np.array([0.0])) == np.inf).all()
    assert measure_distances(pose[:0], person, np.array([10.0])).shape == (0, 1, 3)


@BOTH_YEARS
def test_another_number_of_frames_is_refused(read, year):
    frame = make_frame(make_person(1, FAR))
    with pytest.raises(ResultsError, match=r"000001_mpii_test.*1 frames, but the ground truth has 2"):
        pair_sequence(read([frame] * 2, year), read([frame], year))


@BOTH_YEARS
def test_head_boxes_are_needed_where_something_is_measured(read, year):
    headless = make_frame(make_person(1, FAR, head=None))
    sound = make_frame(make_person(1, FAR))
    nobody = make_frame()
    with pytest.raises(ResultsError, match=r"000001_mpii_test.*frame 1 .*no head box"):
        pair_sequence(read([sound, headless], year), read([sound, sound], year))
    assert pair_sequence(read([sound, headless], year), read([sound, nobody], year)).num_frames == 2
    # Predictions need none.
    assert pair_sequence(read([sound], year), read([headless], year)).num_frames == 1


@BOTH_YEARS
@pytest.mark.parametrize("count", [1, 2])
def test_a_region_has_three_corners(read, year, count):
    frames = [make_frame(make_person(1, FAR))] * 2 + [
        make_frame(make_person(1, FAR), regions=[SQUARE, SQUARE[:count]])
    ]
    video = read(frames, year)
    with pytest.raises(ResultsError, match=rf"000001_mpii_test.*frame 2.*ignore_regions\[1\]: {count} corners"):
        pair_sequence(video, video)


@BOTH_YEARS
def test_track_ids_are_checked(read, year):
    one, other, large, none = (make_person(track, FAR) for track in (1, 2, 10_000, None))
    for people, message in (
        ((one, other, one), "frame 1.*track_id: 1 occurs twice"),
        ((one, large), "frame 1.*track_id: 10000 is not below 10000"),
        ((one, none), "frame 1.*track_id: missing, but others have one"),
    ):
        video = read([make_frame(one), make_frame(*people)], year)
        with pytest.raises(ResultsError, match=f"^pred.json: {message}"):
            check_track_ids(video, "pred.json", unique=True)
    for people in ((one, other), (make_person(9_999, FAR),), ()):
        check_track_ids(read([make_frame(*people)], year), "pred.json", unique=True)
    check_track_ids(read([make_frame(none, none)], year), "pred.json", unique=True)
    check_track_ids(read([make_frame(one, one)], year), "gt.json", unique=False)
