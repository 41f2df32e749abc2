"""Files that are not what they should be: one line that names file and field, never another exception."""

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posetrack.annotations.coco import encode_coco
from posetrack.annotations.convert import read_sequences
from posetrack.annotations.posetrack17 import encode_posetrack17
from posetrack.annotations.posetrack18 import encode_posetrack18
from posetrack.annotations.read import read_annotations
from posetrack.errors import ResultsError

MISSING = object()
FORMATS = {
    "17": encode_posetrack17,
    "18": encode_posetrack18,
    "coco": lambda video: encode_coco([video]),
}


@pytest.fixture(scope="package")
def contents(video):
    """A good file of each format, as text."""
    return {name: json.dumps(encode(video)) for name, encode in FORMATS.items()}


def put(data, value, *keys):
    """Change one place of a file; returns the file."""
    if not keys:
        return value
    *parents, last = keys
    place = data
    for key in parents:
        place = place[key]
    if value is MISSING:
        del place[last]
    else:
        place[last] = value
    return data


def fail(path, read=read_sequences):
    with pytest.raises(ResultsError) as caught:
        read(path)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert message.isprintable()
    return message.removeprefix(str(path))


FRAME = ("annolist", 1)
RECT = (*FRAME, "annorect", 0)
POINT = (*RECT, "annopoints", 0, "point", 2)
IN_RECT = ": frame 1 (images/street/000001.jpg): annorect[0]"
IN_POINT = f"{IN_RECT}.annopoints[0].point[2]"
BOTH = ("18", "coco")
ANNOTATION = ("annotations", 1)
HERE = ": annotations[1] (frame 1)"

CASES = [
    # PoseTrack17
    ("17", MISSING, ("annolist",), ": neither `annolist` (PoseTrack17) nor `images`"),
    ("17", 3, ("annolist",), ": annolist: expected a list, found 3"),
    ("17", None, FRAME, ": annolist[1]: expected an object {...}, found nothing"),
    ("17", "x.jpg", (*FRAME, "image"), ": annolist[1].image: expected a list, found 'x.jpg'"),
    ("17", 5, (*FRAME, "image", 0, "name"), ": annolist[1].image[0].name: expected text, found 5"),
    ("17", ["no"], (*FRAME, "is_labeled"), ": annolist[1].is_labeled: expected a finite number, found 'no'"),
    (
        "17",
        [{"point": [{"x": [1]}]}],
        (*FRAME, "ignore_regions"),
        ": annolist[1].ignore_regions[0].point[0].y: expected",
    ),
    ("17", [[]], (*FRAME, "ignore_regions"), ": annolist[1].ignore_regions[0]: expected an object"),
    (
        "17",
        {},
        (*FRAME, "annorect"),
        ": frame 1 (images/street/000001.jpg): annorect: expected a list, found {}",
    ),
    ("17", 7, RECT, f"{IN_RECT}: expected an object {{...}}, found 7"),
    ("17", MISSING, (*RECT, "x2"), f"{IN_RECT}.x2: expected a finite number, found nothing"),
    ("17", [math.nan], (*RECT, "y1"), f"{IN_RECT}.y1: expected a finite number, found nan"),
    ("17", 4.5, (*RECT, "x1"), f"{IN_RECT}.x1: expected a list, found 4.5"),
    ("17", ["x7"], (*RECT, "track_id"), f"{IN_RECT}.track_id: expected a whole number, found 'x7'"),
    ("17", [7.5], (*RECT, "track_id"), f"{IN_RECT}.track_id: expected a whole number, found 7.5"),
    ("17", [2**70], (*RECT, "track_id"), f"{IN_RECT}.track_id: expected a whole number, found 1"),
    ("17", [1e300], (*RECT, "track_id"), f"{IN_RECT}.track_id: expected a whole number, found 1e+300"),
    ("17", [math.inf], (*RECT, "score"), f"{IN_RECT}.score: expected a finite number, found inf"),
    ("17", 5, (*RECT, "annopoints"), f"{IN_RECT}.annopoints: expected a list, found 5"),
    (
        "17",
        {},
        (*RECT, "annopoints", 0, "point"),
        f"{IN_RECT}.annopoints[0].point: expected a list, found {{}}",
    ),
    ("17", "p", POINT, f"{IN_POINT}: expected id, x and y as lists of one number"),
    ("17", MISSING, (*POINT, "x"), f"{IN_POINT}: expected id, x and y as lists of one number"),
    ("17", [], (*POINT, "y"), f"{IN_POINT}: expected id, x and y as lists of one number"),
    ("17", [-math.inf], (*POINT, "x"), f"{IN_POINT}.x: expected a finite number, found -inf"),
    ("17", ["5"], (*POINT, "y"), f"{IN_POINT}.y: expected a finite number, found '5'"),
    ("17", [1e20], (*POINT, "y"), f"{IN_POINT}.y: expected a number below 2**53, found 1e+20"),
    ("17", [1.5], (*POINT, "id"), f"{IN_POINT}.id: expected a whole number, found 1.5"),
    ("17", 0.5, (*POINT, "score"), f"{IN_POINT}.score: expected a list, found 0.5"),
    ("17", {"a": 1}, (*POINT, "score"), f"{IN_POINT}.score: expected a list"),
    ("17", ["v"], (*POINT, "is_visible"), f"{IN_POINT}.is_visible: expected a finite number, found 'v'"),
    # PoseTrack18 and COCO
    (BOTH, MISSING, ("images",), ": neither `annolist` (PoseTrack17) nor `images`"),
    (BOTH, {}, ("images",), ": images: expected a list, found {}"),
    (BOTH, 3, ("images", 1), ": images[1]: expected an object"),
    (BOTH, MISSING, ("images", 1, "id"), ": images[1].id: expected a whole number, found nothing"),
    (BOTH, "im41", ("images", 1, "id"), ": images[1].id: expected a whole number, found 'im41'"),
    (BOTH, 2**60, ("images", 1, "id"), ": images[1].id: expected a whole number"),
    (BOTH, 40, ("images", 1, "id"), ": images[1].id: image 40 stands twice; give every image its own id"),
    (BOTH, None, ("images", 1, "file_name"), ": images[1].file_name: expected text, found nothing"),
    (BOTH, "yes", ("images", 1, "is_labeled"), ": images[1].is_labeled: expected a finite number, found 'yes'"),
    (
        BOTH,
        MISSING,
        ("images", 0, "ignore_regions_y"),
        ": images[0].ignore_regions_y: expected a list, found nothing",
    ),
    (BOTH, [], ("images", 0, "ignore_regions_y"), ": images[0].ignore_regions_y: 0 regions, but 1 in x"),
    (
        BOTH,
        [[1, 2]],
        ("images", 0, "ignore_regions_y"),
        ": images[0].ignore_regions_y[0]: expected 3 numbers, found 2",
    ),
    (
        BOTH,
        [[1, 2, "3"]],
        ("images", 0, "ignore_regions_x"),
        ": images[0].ignore_regions_x[0][2]: expected a finite",
    ),
    (BOTH, MISSING, ("annotations",), ": annotations: expected a list, found nothing"),
    (BOTH, [], ANNOTATION, ": annotations[1]: expected an object {...}, found []"),
    (
        BOTH,
        MISSING,
        (*ANNOTATION, "image_id"),
        ": annotations[1].image_id: expected a whole number, found nothing",
    ),
    (BOTH, {}, (*ANNOTATION, "image_id"), ": annotations[1].image_id: expected a whole number, found {}"),
    (
        BOTH,
        [{"image_id": 9}],
        ("annotations",),
        ": annotations: every image_id is missing in `images`",
    ),
    (BOTH, "8a", (*ANNOTATION, "track_id"), f"{HERE}.track_id: expected a whole number, found '8a'"),
    (BOTH, 1e300, (*ANNOTATION, "track_id"), f"{HERE}.track_id: expected a whole number"),
    (BOTH, math.nan, (*ANNOTATION, "score"), f"{HERE}.score: expected a finite number, found nan"),
    (BOTH, [1, 2, 3], (*ANNOTATION, "bbox_head"), f"{HERE}.bbox_head: expected 4 numbers, found 3"),
    (BOTH, [1e308] * 4, (*ANNOTATION, "bbox_head"), f"{HERE}.bbox_head[0]: expected a number below 2**53"),
    (BOTH, MISSING, (*ANNOTATION, "keypoints"), f"{HERE}.keypoints: expected a list, found nothing"),
    (BOTH, [0] * 45, (*ANNOTATION, "keypoints"), f"{HERE}.keypoints: expected 51 numbers, found 45"),
    (
        BOTH,
        math.inf,
        (*ANNOTATION, "keypoints", 4),
        f"{HERE}.keypoints[4]: expected a finite number, found inf",
    ),
    (BOTH, True, (*ANNOTATION, "keypoints", 4), f"{HERE}.keypoints[4]: expected a finite number, found True"),
    (BOTH, [0.5] * 15, (*ANNOTATION, "scores"), f"{HERE}.scores: expected 17 numbers, found 15"),
    (BOTH, None, (*ANNOTATION, "scores", 3), f"{HERE}.scores[3]: expected a finite number, found nothing"),
    (BOTH, MISSING, ("categories",), ": categories: expected a list, found nothing"),
    (BOTH, [], ("categories",), ": categories: expected one with `keypoints`, or one of them"),
    (BOTH, [3], ("categories",), ": categories[0]: expected an object {...}, found 3"),
    (
        BOTH,
        MISSING,
        ("categories", 0, "keypoints"),
        ": categories: expected one with `keypoints`, or one of them named 'person'; found 0 with",
    ),
    ("18", "hat", ("categories", 0, "keypoints", 1), ": categories[0].keypoints: no 'head_bottom'"),
    (BOTH, [], ("categories", 0, "keypoints", 0), ": categories[0].keypoints[0]: expected text, found []"),
    (
        "18",
        MISSING,
        ("categories", 0, "keypoints", 3),
        ": categories[0].keypoints: expected 15 or 17 names, found 16",
    ),
    ("coco", "hat", ("categories", 0, "keypoints", 9), ": categories[0].keypoints: no 'left_wrist'"),
    (BOTH, "nose", ("categories", 0, "keypoints", 9), ": categories[0].keypoints: 'nose' stands twice"),
    ("coco", "one", ("categories", 0, "id"), ": categories[0].id: expected a whole number, found 'one'"),
    ("coco", "one", (*ANNOTATION, "category_id"), f"{HERE}.category_id: expected a whole number, found 'one'"),
    (BOTH, "wide", ("images", 1, "width"), ": images[1].width: expected a whole number, found 'wide'"),
    ("coco", "no", (*ANNOTATION, "iscrowd"), f"{HERE}.iscrowd: expected a finite number, found 'no'"),
    ("coco", [1, 2], (*ANNOTATION, "head_top"), f"{HERE}.head_top: expected 3 numbers, found 2"),
    ("coco", [1], (*ANNOTATION, "head_scores"), f"{HERE}.head_scores: expected 2 numbers, found 1"),
    ("coco", 5, ("images", 1, "sequence"), ": images[1].sequence: expected text, found 5"),
    (
        "coco",
        "../up",
        ("images", 1, "sequence"),
        ": images[1].sequence: '../up' cannot be the name of a sequence",
    ),
]


@pytest.mark.parametrize(
    ("name", "value", "keys", "message"),
    [(name, *rest) for names, *rest in CASES for name in ((names,) if isinstance(names, str) else names)],
)
def test_bad_field(tmp_path, contents, name, value, keys, message):
    path = tmp_path / "made.json"
    path.write_text(json.dumps(put(json.loads(contents[name]), value, *keys)))
    assert fail(path).startswith(message)


BIG = "1" * 5000
TEXTS = {
    "empty": (b"", ": not JSON: line 1: expecting value (the file ends there: was it cut short?)"),
    "truncated": (b'{"annolist": [{"image": [', ": not JSON: line 1: expecting value (the file ends there"),
    "list": (b"[1, 2]", ": expected an object {...}, found [1, 2]"),
    "null": (b"null", ": expected an object {...}, found nothing"),
    "no JSON": (b"frame,x,y\n1,2,3", ": not JSON: line 1: expecting value"),
    "garbage": (b'{"annolist": "\xff\xfe"}', ": not JSON: not UTF-8 text at byte 14"),
    "deep": (b"[" * 100_000, ": not JSON: "),
    "deep inside": (b'{"annolist": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", ": not JSON: "),
    "endless integer": (f'{{"annolist": [{BIG}]}}'.encode(), ": not JSON: a number too long"),
}


@pytest.mark.parametrize("read", [read_sequences, read_annotations])
@pytest.mark.parametrize("name", TEXTS)
def test_bad_text(tmp_path, name, read):
    path = tmp_path / "made.json"
    text, message = TEXTS[name]
    path.write_bytes(text)
    assert fail(path, read).lower().startswith(message.lower())


def test_every_cut_of_a_file(tmp_path, contents):
    path = tmp_path / "made.json"
    for text in contents.values():
        for end in range(0, len(text) - 1, 97):
            path.write_text(text[:end])
            assert fail(path).startswith(": not JSON")


def test_names_out_of_a_file_stay_on_one_line(tmp_path, contents):
    path = tmp_path / "made.json"
    data = put(json.loads(contents["17"]), "a\nb\u2028" + "c" * 999, *FRAME, "image", 0, "name")
    path.write_text(json.dumps(put(data, 5, *RECT)))
    assert len(fail(path)) < 200
    data = json.loads(contents["18"])
    for i in (0, 1):
        put(data, f"a\n{i}/x.jpg", "images", i, "file_name")
    path.write_text(json.dumps(data))
    assert fail(path, read_annotations).startswith(": images: of 2 sequences ('a\\n0', 'a\\n1'); one file each")


def test_some_annotations_of_unknown_images(tmp_path, contents, caplog):
    path = tmp_path / "made.json"
    for name in BOTH:
        path.write_text(json.dumps(put(json.loads(contents[name]), 99, *ANNOTATION, "image_id")))
        (video,) = read_sequences(path)
        assert len(video.people) == 2
        assert "1 annotations left out" in caplog.text
        caplog.clear()


scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([2**53, -(2**63), 10**400]),
    st.floats(),
    st.text(max_size=5),
)
names = st.sampled_from(["image", "point", "x", "id", "name", "sequence", "keypoints", "score"])
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3), max_leaves=6
)


def find_places(node, at=()):
    yield at
    for key, child in (
        node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    ):
        yield from find_places(child, (*at, key))


def attempt(function, argument):
    """Call a function; returns what it gives and the message with which it fails, one of them None."""
    try:
        return function(argument), None
    except ResultsError as error:
        return None, str(error)


@pytest.mark.parametrize("name", FORMATS)
def test_any_node_may_be_anything(tmp_path_factory, contents, name):
    path = tmp_path_factory.mktemp("fuzz") / "made.json"
    places = list(find_places(json.loads(contents[name])))

    @settings(max_examples=400, deadline=None)
    @given(st.sampled_from(places), values)
    def check(place, value):
        path.write_text(json.dumps(put(json.loads(contents[name]), value, *place)))
        videos, message = attempt(read_sequences, path)
        if message is not None:
            assert message.startswith(str(path))
            assert message.isprintable()
            return
        # What was read can be written in each format, or is refused in the same manner.
        for encode in FORMATS.values():
            for video in videos:
                data, message = attempt(encode, video)
                assert message.isprintable() if data is None else json.dumps(data, allow_nan=False)

    check()
