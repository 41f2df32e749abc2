"""Run lengths read without pycocotools, which trusts them, equal what it writes."""

import numpy as np
import pytest
from pycocotools import mask as mask_api

from models.data.run_lengths import decode_checked, parse_run_lengths
from models.training.errors import DataError


@pytest.mark.parametrize("seed", range(20))
def test_equals_pycocotools(seed):
    rng = np.random.default_rng(seed)
    mask = (rng.random(rng.integers(1, 30, 2)) < rng.random()).astype(np.uint8)
    mask = np.asfortranarray(np.kron(mask, np.ones((1 + seed, 1 + 2 * seed), np.uint8)))
    lengths = mask_api.encode(mask)
    np.testing.assert_array_equal(decode_checked(lengths, mask.shape, "m"), mask)
    runs = parse_run_lengths(lengths["counts"]).tolist()
    plain = {"size": list(mask.shape), "counts": runs}
    np.testing.assert_array_equal(decode_checked(plain, mask.shape, "m"), mask)
    assert mask_api.frPyObjects(plain, *mask.shape)["counts"] == lengths["counts"]


@pytest.mark.parametrize(
    "counts", [b"", "\x10", "0P", "P" * 40 + "0", [1, 2], [-1, 5], [2.0, 2.0], [2**70, 0], None, "é"]
)
def test_damaged_ones_are_refused(counts):
    with pytest.raises(DataError, match=r"^m\.counts: "):
        decode_checked({"size": [2, 2], "counts": counts}, (2, 2), "m")
