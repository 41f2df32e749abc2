"""Skeletons of one's own: tables, texts and categories, and what is wrong with them."""

import json

import pytest

from posetrack.errors import RecipeError, ResultsError
from posetrack.skeleton import BODY_25, COCO_17, SKELETONS, Skeleton
from posetrack.skeleton_files import (
    decode_fields,
    decode_skeleton,
    describe_skeleton,
    encode_skeleton,
    list_category_fields,
    list_fields,
    read_category,
    read_skeleton,
)

HAND = Skeleton(
    "hand4",
    ("left_tip", "right_tip", "wrist", "palm"),
    (("wrist", "palm"), ("palm", "left_tip")),
    (("left_tip", "right_tip"),),
    (0.05, 0.05, 0.06, 0.07),
)


@pytest.mark.parametrize("skeleton", [*SKELETONS.values(), HAND], ids=lambda skeleton: skeleton.name)
def test_texts_come_back(skeleton):
    text = encode_skeleton(skeleton)
    assert decode_skeleton(text) == skeleton
    assert (text == skeleton.name) == (skeleton is not HAND)
    assert decode_fields(list_fields(skeleton), "x") == skeleton


def test_a_category_comes_back():
    assert read_category(list_category_fields(HAND), "x") == HAND
    assert list_category_fields(COCO_17).keys() == {"keypoints", "skeleton"}


def test_a_skeleton_without_pairs_stays_without():
    bare = Skeleton("bare2", ("left_a", "right_a"), (), (), (0.1, 0.1))
    assert decode_skeleton(encode_skeleton(bare)) == bare


def test_what_a_table_may_leave_out():
    names = ["left_wrist", "right_wrist", "nose"]
    skeleton = decode_fields({"name": "three", "names": names}, "x")
    assert skeleton.flip_pairs == (("left_wrist", "right_wrist"),)
    assert skeleton.flip_index == (1, 0, 2)
    assert skeleton.sigmas == (0.062, 0.062, 0.026)
    assert skeleton.grouping_order == (2, 0, 1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"names": ["a", "a", "b", "c"]}, r"^x\.names: 'a' stands twice"),
        ({"names": []}, r"^x\.names: missing; list the keypoints"),
        ({"name": ""}, r"^x\.name: missing"),
        ({"name": "coco17"}, r"^x\.name: coco17 is built in, with other keypoints"),
        ({"sigmas": []}, r"^x\.sigmas: none is known for left_tip; list one for each of the 4 names"),
        ({"sigmas": [0.1]}, r"^x\.sigmas: 1, but there are 4 names"),
        ({"sigmas": [0.1, 0.1, 0.1, 0]}, r"^x\.sigmas: expected numbers above 0"),
        ({"sigmas": [0.1, 0.1, 0.1, "b"]}, r"^x\.sigmas: expected a number, got 'b'"),
        ({"limbs": [["wrist", "plam"]]}, r"^x\.limbs: 'plam' is none of the names; did you mean 'palm'\?"),
        ({"limbs": [["wrist"]]}, r"^x\.limbs: expected a list of 2 texts"),
        ({"limbs": [["wrist", "wrist"]]}, r"^x\.limbs: 'wrist' with itself"),
        ({"limbs": "wrist"}, r"^x\.limbs: expected a list of lists"),
        ({"pairs": [["wrist", "palm"], ["palm", "left_tip"]]}, r"^x\.pairs: 'palm' is in two pairs"),
        ({"edges": []}, r"^x: unknown key 'edges'"),
        ({"names": ["a\n", "b", "c", "d"], "limbs": [], "pairs": []}, r"^x\.names: expected words"),
    ],
)
def test_a_table_with_a_mistake(change, message):
    with pytest.raises(ValueError, match=message) as error:
        decode_fields(list_fields(HAND) | change, "x")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("text", ["coco71", "{", "[]", '{"name": "x"}', "{" * 100_000])
def test_a_text_that_is_none(text):
    with pytest.raises(ValueError, match="skeleton"):
        decode_skeleton(text)
    assert describe_skeleton(text) == text


def test_files(tmp_path):
    assert read_skeleton("body25") is BODY_25
    path = tmp_path / "hand.toml"
    fields = list_fields(HAND)
    path.write_text(
        "[skeleton]\n" + "".join(f"{name} = {json.dumps(value)}\n" for name, value in fields.items())
    )
    assert read_skeleton(path) == HAND
    path.write_text("[skeleton]\nname = 3\n")
    with pytest.raises(RecipeError, match=r"hand\.toml: skeleton\.name: expected a text, got 3"):
        read_skeleton(path)
    path.write_text("[data]\n")
    with pytest.raises(RecipeError, match=r"hand\.toml: no table \[skeleton\] in it"):
        read_skeleton(path)
    with pytest.raises(
        RecipeError, match=r"skeleton coco71: neither a file nor built in; did you mean 'coco17'"
    ):
        read_skeleton("coco71")
    annotations = tmp_path / "gt.json"
    annotations.write_text(json.dumps({"categories": [list_category_fields(HAND)]}))
    assert read_skeleton(annotations) == HAND
    annotations.write_text(json.dumps({"categories": [{"keypoints": list(COCO_17.names)}]}))
    assert read_skeleton(annotations) is COCO_17
    annotations.write_text(json.dumps({"categories": [{"keypoints": ["a", "b"], "skeleton": [[1, 3]]}]}))
    with pytest.raises(RecipeError, match=r"categories\[0\]\.skeleton: expected pairs of numbers from 1 to 2"):
        read_skeleton(annotations)
    annotations.write_text("[")
    with pytest.raises(ResultsError, match="not JSON"):
        read_skeleton(annotations)
