from dataclasses import replace

import pytest

from posetrack.errors import ResultsError
from posetrack.predictors.settings import MultiposeSettings
from posetrack.results.provenance import (
    Provenance,
    decode_provenance,
    describe_differences,
    digest_settings,
    encode_provenance,
)

RUN = Provenance(
    recipe={"detector": "a", "tracker": "b"},
    weights={"detector": "c"},
    engine="torch",
    precision="f32",
    start_s=1.0,
    end_s=2.5,
    every=2,
    source="d",
)


@pytest.mark.parametrize("run", [RUN, replace(RUN, end_s=None, source=None)])
def test_it_comes_back_from_the_header(run):
    assert decode_provenance(encode_provenance(run), "x") == run


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("recipe", None),
        ("weights", {"detector": 3}),
        ("engine", 1),
        ("precision", None),
        ("start", "0"),
        ("end", float("nan")),
        ("every", 0),
        ("source", 5),
    ],
)
def test_what_it_should_not_be_is_named(field, value):
    with pytest.raises(ResultsError, match=rf"line 1: run\.{field}"):
        decode_provenance({**encode_provenance(RUN), field: value}, "line 1: run")
    with pytest.raises(ResultsError, match="line 1: run: expected an object"):
        decode_provenance(5, "line 1: run")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, []),
        ({"recipe": {**RUN.recipe, "smoother": "s"}}, ["smoothing: off, but this run has on"]),
        ({"recipe": {**RUN.recipe, "stitcher": "s"}}, ["joining of tracks: off, but this run has on"]),
        ({"recipe": {**RUN.recipe, "tracker": "z"}}, ["content of the recipe's [tracker]: changed"]),
        ({"recipe": {**RUN.recipe, "estimator": "z"}}, ["content of the recipe's [estimator]: changed"]),
        ({"weights": {"detector": "z"}}, ["weights of the detector: changed"]),
        ({"engine": "openvino"}, ["engine: torch, but this run has openvino"]),
        ({"precision": "fp16"}, ["precision: f32, but this run has fp16"]),
        ({"start_s": 0.0}, ["--start: 1, but this run has 0"]),
        ({"end_s": None}, ["--end: 2.5, but this run has that of the source"]),
        ({"every": 1}, ["--every: 2, but this run has 1"]),
        ({"source": "z"}, ["source's content: changed"]),
        ({"source": None}, []),
        ({"every": 1, "source": "z"}, ["--every: 2, but this run has 1", "source's content: changed"]),
    ],
)
def test_what_differs_is_named(change, expected):
    assert describe_differences(RUN, replace(RUN, **change), same_recipe_name=True) == expected


def test_settings_of_an_optional_table_count_where_both_use_it():
    one, other = (replace(RUN, recipe={"smoother": digest}) for digest in "ab")
    (found,) = describe_differences(one, other, same_recipe_name=True)
    assert found == "content of the recipe's [smoother]: changed"


def test_speed_and_the_place_of_weights_decide_nothing():
    settings = MultiposeSettings(network="movenet", weights="a/x.safetensors")
    same = replace(settings, weights="b/y.safetensors", batch_frames=7)
    assert digest_settings(settings) == digest_settings(same)
    assert digest_settings(settings) != digest_settings(replace(settings, nms_iou=0.5))
