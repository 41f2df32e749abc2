"""Regions: rectangles and polygons in pixels or percent, and what is refused."""

import json

import pytest

from posetrack.errors import PoseTrackError
from posetrack.selection.region import ImageRegion, read_regions

SIZE = (640, 272)


def test_a_rectangle_in_pixels_holds_its_border():
    region = ImageRegion.read("100,50,200,272")
    points = [(150, 100), (100, 50), (200, 272), (99.9, 100), (150, 49)]
    assert region.find_inside(points, SIZE).tolist() == [True, True, True, False, False]
    assert str(region) == "100,50 200,50 200,272 100,272"


def test_percent_go_with_the_image_and_pixels_with_its_first_size():
    half = ImageRegion.read("50%,0,100%,100%")
    assert half.place(SIZE).tolist() == [[320, 0], [640, 0], [640, 272], [320, 272]]
    assert half.place((100, 50)).tolist() == [[50, 0], [100, 0], [100, 50], [50, 50]]
    pixels = ImageRegion.read("320,0,640,272")
    assert pixels.place((320, 136), SIZE).tolist() == [[160, 0], [320, 0], [320, 136], [160, 136]]


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("one.json", '[[0, 0], [320, 0.5], ["50%", 272]]', ["0,0 320,0.5 50%,272"]),
        ("ring.json", "[[0, 0], [9, 0], [9, 9], [0, 0]]", ["0,0 9,0 9,9"]),
        ("two.json", "[[[0, 0], [9, 0], [9, 9]], [[20, 20], [30, 20], [30, 30]]]", 2),
        ("one.csv", "x,y\n0,0\n9,0\n9,9\n", ["0,0 9,0 9,9"]),
        ("two.txt", "# the court\n0 0\n9 0\n9 9\n\n\n20;20\n30;20\n30;30", 2),
    ],
)
def test_files_of_polygons(tmp_path, name, content, expected):
    path = tmp_path / name
    path.write_text(content)
    regions = read_regions(str(path))
    if expected == 2:
        expected = ["0,0 9,0 9,9", "20,20 30,20 30,30"]
        assert regions[1].name.endswith("polygon 2")
    assert [str(region) for region in regions] == expected


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("0,0\n9,9", "expected 3 to 1000 corners, found 2"),
        ("0,0\n9,0\n0,0\n9,0", "expected 3 to 1000 corners, found 2"),
        ("0,0\n9,9\n9,0\n0,9", "its lines cross"),
        ("0,0\n9,9\n18,18", "has no area"),
        ("0,0\n9,0\nnan,9", r"line 3: expected x,y from 0 up, found 'nan,9'"),
        ("0,0\n-9,0\n9,9", r"line 2: expected x,y from 0 up, found '-9,0'"),
        ("0,0,0\n", "line 1: expected x,y"),
        ("", "has no points"),
        ("[]", "has no points"),
        ("[[0, 0], [9, 0], [NaN, 9]]", "'nan' is no number from 0 up"),
        ("[[0, 0], [9, 0], [-9, 9]]", "'-9' is no number from 0 up"),
        ("[[0, 0], [9, 0], [1e300, 9]]", "'1e[+]300' is no number from 0 up"),
        ('[[0, 0], ["120%", 0], [9, 9]]', "120% is more than 100%"),
        ("[[0, 0], [9, 0], [true, 9]]", "expected numbers, found bool"),
        ("[[0, 0], [9, 0], [9]]", "expected JSON, a list of points"),
        ('{"points": []}', "expected JSON, a list of points"),
        ("[[0, 0], [9, 0]", "expected JSON, a list of points .*; found "),
        ("[1, 2, 3]", "expected JSON, a list of points"),
    ],
)
def test_what_is_no_polygon_is_refused_in_one_line(tmp_path, content, message):
    path = tmp_path / "court"
    path.write_text(content)
    with pytest.raises(PoseTrackError, match=message) as caught:
        read_regions(str(path))
    assert str(caught.value).startswith(f"--roi {path}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,2,3", "no such file, and no rectangle: expected x1,y1,x2,y2"),
        ("-5,0,10,10", "no such file, and no rectangle"),
        ("nan,0,10,10", "no such file, and no rectangle"),
        ("10,0,5,10", "x1 must be less than x2"),
        ("0,50%,100,50%", "y1 must be less than y2"),
        ("court.json", "no such file"),
        ("x" * 9999, "no such file"),
        ("", "."),
    ],
)
def test_what_is_no_rectangle_is_refused(text, message):
    with pytest.raises(PoseTrackError, match=message):
        read_regions(text)


def test_a_folder_or_a_file_that_is_no_text_is_refused(tmp_path):
    with pytest.raises(PoseTrackError, match="cannot be read"):
        read_regions(str(tmp_path))
    (tmp_path / "clip.mp4").write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(PoseTrackError, match="not text"):
        read_regions(str(tmp_path / "clip.mp4"))
    (tmp_path / "long.txt").write_bytes(b"1" * 1_000_001)
    with pytest.raises(PoseTrackError, match="too large"):
        read_regions(str(tmp_path / "long.txt"))


def test_a_region_outside_the_image_is_refused():
    with pytest.raises(PoseTrackError, match="lies outside the image, which is 640x272 when shown upright"):
        ImageRegion.read("640,0,700,100").check_size(SIZE)
    ImageRegion.read("600,0,9999,100").check_size(SIZE)


def test_lines_of_mixed_units_are_checked_when_the_size_is_known():
    bow = ImageRegion((("0", 0), ("50%", 100), (200, 0), ("0", 100)))
    with pytest.raises(PoseTrackError, match="its lines cross"):
        bow.check_size((400, 272))


def test_corners_may_be_numbers():
    assert ImageRegion([(0, 0), (9.5, 0), ("50%", 9)]) == ImageRegion((("0", "0"), ("9.5", "0"), ("50%", "9")))
    assert json.dumps(ImageRegion([(0, 0), (9, 0), (9, 9)]).corners) == '[["0", "0"], ["9", "0"], ["9", "9"]]'
