"""Metadata in the headers of weights, which may hold anything."""

import pytest

from models.data.json_file import read_json
from models.metadata import FORMAT, decode_metadata
from models.training.errors import DataError


@pytest.mark.parametrize("text", ["9" * 400, "1e400", "NaN", "true", "[1]", "[" * 3000, "9" * 5000, "text"])
def test_traits_that_are_no_values_are_named(text):
    header = {"format": FORMAT, "network": "hrnet-w32", "trait.width_px": text}
    with pytest.raises(ValueError, match=r"^trait\.width_px: "):
        decode_metadata(header)


@pytest.mark.parametrize("text", ["[" * 3000, "9" * 5000, '{"a": 1', "\udcff"])
def test_json_of_data_sets_that_cannot_be_read_is_one_error(text, tmp_path):
    path = tmp_path / "a.json"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(DataError, match="not valid JSON"):
        read_json(path)
