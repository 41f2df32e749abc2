"""Checks of single fields; what whole files are refused for stands with their readers."""

import math

import numpy as np
import pytest

from posetrack.errors import ResultsError
from posetrack.json_fields import (
    expect_array,
    expect_column,
    expect_count,
    expect_flag,
    expect_id,
    expect_integer,
    find_not_finite,
    show,
)


@pytest.mark.parametrize("value", [3, 3.0, "3", "03", np.int32(3), np.float64(3)])
def test_ids_may_be_written_as_floats_or_text(value):
    assert expect_id(value, "id") == 3
    assert type(expect_id(value, "id")) is int


@pytest.mark.parametrize(
    "value", [None, "im3", "3.0", "-3", "", "9" * 5000, 3.5, True, np.bool_(True), math.nan, 2**60, [3]]
)
def test_other_values_are_no_ids(value):
    with pytest.raises(ResultsError, match=r"^x\.id: expected a whole number, found "):
        expect_id(value, "x.id")


def test_whole_numbers_say_why_they_are_refused():
    assert (expect_integer(4.0, "a"), expect_count(4, 0, "a")) == (4, 4)
    with pytest.raises(ResultsError, match="a: expected a number below 2"):
        expect_integer(2**60, "a")
    with pytest.raises(ResultsError, match=r"a: expected a whole number, found 4\.5"):
        expect_integer(4.5, "a")
    for value in (4.0, -2, True, None):
        with pytest.raises(ResultsError, match="a: expected a whole number from -1, found"):
            expect_count(value, -1, "a")


def test_flags_are_numbers_or_booleans():
    assert [expect_flag(value, "f") for value in (True, 0, 1.0)] == [True, False, True]
    with pytest.raises(ResultsError, match="f: expected a finite number, found 'yes'"):
        expect_flag("yes", "f")


def test_arrays_have_their_shape_and_finite_numbers():
    np.testing.assert_array_equal(expect_array([[1, 2.5]], (1, 2), "a"), [[1, 2.5]])
    assert expect_array(4, (), "a").dtype == np.float64
    for value in ([1, 2], [[1], [2, 3]], "text", [[True, False]], None):
        with pytest.raises(ResultsError, match=r"a: expected 2 finite numbers, found"):
            expect_array(value, (1, 2), "a")
    with pytest.raises(ResultsError, match="found NaN or infinity; take the entry out"):
        expect_array([math.inf], (1,), "a")


def test_a_column_names_the_row_that_is_wrong():
    rows = [{"box": [1, 2]}, {"box": [3, 4]}]
    np.testing.assert_array_equal(expect_column(rows, "box", (2,), "a pair", "people"), [[1, 2], [3, 4]])
    assert expect_column([], "box", (2,), "a pair", "people").shape == (0, 2)
    with pytest.raises(ResultsError, match=r"people\[1\]\.box: expected a pair, found 1$"):
        expect_column([rows[0], {"box": [3]}], "box", (2,), "a pair", "people")
    with pytest.raises(ResultsError, match=r"people\[0\]\.box: expected a pair, found nothing"):
        expect_column([{}], "box", (2,), "a pair", "people")


def test_the_number_that_json_lacks_is_named():
    assert find_not_finite({"people": [{"box": [0.0, 1.0]}, {"box": [math.nan]}]}) == "people[1].box[0]"
    assert find_not_finite({"a": [1, "b", None]}) == ""


def test_values_are_shown_on_one_line():
    assert show(None) == "nothing"
    assert "\n" not in show(np.zeros((3, 3)))
    assert len(show("x" * 1000)) < 60
