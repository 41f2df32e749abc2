"""Parsing of JSON."""

from __future__ import annotations

import json
from typing import Any

try:
    import orjson
except ImportError:  # An extra.
    orjson = None  # type: ignore[assignment]


def parse_json(text: bytes) -> Any:
    """Parse UTF-8 text of JSON as `json.loads` does; where orjson is installed, in half the time.

    Whole numbers of 20 digits and more may become floats.

    Raises:
        UnicodeDecodeError: It is not UTF-8.
        ValueError: It is not JSON: a `json.JSONDecodeError`, or a number with thousands of digits.
        RecursionError: It is nested too deeply.
    """
    if orjson is not None:
        try:
            return orjson.loads(text)
        except ValueError:
            # Python takes more: a byte order mark, NaN and infinity, half a surrogate pair. It says more, too.
            pass
    return json.loads(text.decode("utf-8-sig"))
