"""Parsing of JSON."""

import json
import math

import pytest

from models import json_text
from models.json_text import parse_json


@pytest.fixture(params=[True, False], ids=["orjson", "without"], autouse=True)
def _parser(request, monkeypatch):
    if not request.param:
        monkeypatch.setattr(json_text, "orjson", None)


@pytest.mark.parametrize(
    "text",
    [
        '{"a": [1, 2.5, -0.0, 1e5, true, null, "é\\u00e9"], "a": 3}',
        "[9223372036854775808, 18446744073709551615, 0.1, 5e-324, 1.7976931348623157e308]",
        "\ufeff[1]",
        '["\\ud800"]',
        "[Infinity, -Infinity, 1e400]",
        "[" * 900 + "]" * 900,
    ],
)
def test_values_are_those_of_pythons_own_parser(text):
    expected = json.loads(text.removeprefix("\ufeff"))
    found = parse_json(text.encode())
    assert found == expected
    assert repr(found) == repr(expected), "types too"
    (number,) = parse_json(b"[NaN]")
    assert math.isnan(number)


def test_errors_are_those_of_pythons_own_parser():
    with pytest.raises(json.JSONDecodeError, match="line 2 column 5"):
        parse_json(b'{"a": 1,\n"b" 2}')
    with pytest.raises(json.JSONDecodeError, match="Extra data"):
        parse_json(b"{} {}")
    with pytest.raises(UnicodeDecodeError):
        parse_json(b'["\xff"]')
    with pytest.raises(RecursionError):
        parse_json(b"[" * 100_000)
