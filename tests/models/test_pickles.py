"""Pickles read without running what they name; large arrays stay on disk."""

import os
import pickle
from collections import OrderedDict
from datetime import date

import numpy as np
import pytest

from models.pickles import LARGE_BYTES, RefusedPickleError, read_pickle


@pytest.fixture
def read(tmp_path):
    def run(content: bytes):
        path = tmp_path / "file.pkl"
        path.write_bytes(content)
        return read_pickle(path, lambda: tmp_path / "cache")

    return run


@pytest.fixture(scope="module")
def large():
    return np.random.default_rng(0).random((300, 500)).astype("<f8")


@pytest.mark.parametrize("protocol", range(1, 6))
def test_large_arrays_are_mapped_and_shared(read, large, protocol, tmp_path):
    content = OrderedDict(a=large, b=[large, np.asfortranarray(large[:, :300])])
    found = read(pickle.dumps(content, protocol=protocol))
    assert isinstance(found["a"], np.memmap)
    assert found["b"][0] is found["a"]
    assert not found["a"].flags.writeable
    np.testing.assert_array_equal(found["a"], large)
    np.testing.assert_array_equal(found["b"][1], large[:, :300])
    # Text is converted, once for each array; bytes are used as they are.
    assert (tmp_path / "cache").exists() == (protocol < 3)


@pytest.mark.parametrize("protocol", range(6))
def test_plain_values_and_small_arrays(read, protocol):
    content = {
        "numbers": [1, 2**70, -3.5, None, True],
        "texts": ("a", "é", b"", b"\xff\0"),
        "scalar": np.float32(1.5),
        "arrays": [np.arange(6, dtype=">i2").reshape(2, 3), np.zeros((0, 3)), np.asfortranarray(np.eye(3)[:2])],
    }
    found = read(pickle.dumps(content, protocol=protocol))
    assert {key: found[key] for key in ("numbers", "texts", "scalar")} == {
        key: content[key] for key in ("numbers", "texts", "scalar")
    }
    for ours, theirs in zip(found["arrays"], content["arrays"], strict=True):
        assert ours.dtype == theirs.dtype
        np.testing.assert_array_equal(ours, theirs)


def test_as_python_2_wrote_it(read, large):
    """Protocol 2 with the bytes of the array as they are (BINSTRING)."""
    data = large.astype("<f4").tobytes()
    content = (
        b"\x80\x02}U\x0cPdist_matrixcnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
        b"(K\x01M" + large.size.to_bytes(3, "little")[:2] + b"K\x01\x86cnumpy\ndtype\nU\x02f4K\x00K\x01\x87R"
        b"(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89T"
        + len(data).to_bytes(4, "little")
        + data
        + b"tbs."
    ).replace(b"M" + large.size.to_bytes(3, "little")[:2], b"J" + large.size.to_bytes(4, "little"), 1)
    assert len(data) < LARGE_BYTES
    np.testing.assert_array_equal(read(content)["Pdist_matrix"][:, 0], large.astype("<f4").ravel())


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (os.system, r"holds (posix|nt)\.system, which is not allowed"),
        (date(2020, 1, 1), "holds datetime.date, which is not allowed"),
        (np.array([None], dtype=object), "an array of object"),
        (np.array(["a"]), "an array of <U1"),
        (eval, r"holds builtins\.eval"),
    ],
)
@pytest.mark.parametrize("protocol", [2, 4])
def test_anything_else_is_refused(read, value, message, protocol):
    message = message if protocol > 2 else message.replace("builtins", "__builtin__")
    with pytest.raises(RefusedPickleError, match=message):
        read(pickle.dumps({"a": value}, protocol=protocol))


def test_damaged_ones_are_refused(read, large):
    content = pickle.dumps({"a": large, "b": [np.arange(5), "text"]}, protocol=4)
    for length in (0, 1, 5, 60, 200, 10**6, len(content) - 1):
        with pytest.raises(RefusedPickleError):
            read(content[:length])
    with pytest.raises(RefusedPickleError, match="protocol 0"):
        read(pickle.dumps(large, protocol=0))
    with pytest.raises(RefusedPickleError, match="whose bytes do not fit its shape"):
        read(pickle.dumps(np.arange(5, dtype="<i4"), protocol=4).replace(b"K\x05\x85", b"K\x06\x85"))
