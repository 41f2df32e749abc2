"""Decoding of masks from COCO's compressed run lengths (RLE).

In COCO's text each byte is 48, plus five bits of a number, plus 32 where the number goes on; the lowest bits
come first. From the fourth run on, it has the difference of each to the last but one.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from models.training.errors import DataError

_FIRST_CODE = 48
_CONTINUES = 32
_LAST_CODE = _FIRST_CODE + 63
_SIGN = 16
_MOST_CODES = 8


def decode_run_lengths(lengths: Mapping[str, Any]) -> npt.NDArray[np.uint8]:
    """Decode one mask.

    Args:
        lengths: `size` (height, width) and `counts`, as in pycocotools.

    Returns:
        (H, W), 0 and 1.
    """
    from pycocotools import mask as mask_api

    with warnings.catch_warnings():
        # numpy 2 warns about the keyword `copy`, which pycocotools' arrays lack.
        warnings.simplefilter("ignore", DeprecationWarning)
        return np.asarray(mask_api.decode(lengths), np.uint8)


def parse_run_lengths(text: bytes) -> npt.NDArray[np.int64]:
    """Read COCO's text of run lengths, which pycocotools does not check.

    Returns:
        The lengths, of 0 and 1 by turns; in a damaged text some may be negative.

    Raises:
        ValueError: It is no such text; the message says why.
    """
    codes = np.frombuffer(text, np.uint8)
    if not len(codes) or codes.min() < _FIRST_CODE or codes.max() > _LAST_CODE:
        raise ValueError("expected COCO's text of run lengths")
    values = codes.astype(np.int64) - _FIRST_CODE
    ends = np.flatnonzero(values < _CONTINUES)
    if not len(ends) or ends[-1] != len(values) - 1:
        raise ValueError("expected COCO's text of run lengths; it ends within a number")
    starts = np.concatenate([[0], ends[:-1] + 1])
    num_codes = ends - starts + 1
    if num_codes.max() > _MOST_CODES:
        raise ValueError("expected COCO's text of run lengths; a number is too long")
    shifts = 5 * (np.arange(len(values)) - np.repeat(starts, num_codes))
    numbers = np.add.reduceat((values & (_CONTINUES - 1)) << shifts, starts)
    numbers -= np.where(values[ends] & _SIGN, np.int64(1) << 5 * num_codes, 0)
    # The first run is a number of its own; the others are sums of every second one.
    numbers[1::2] = numbers[1::2].cumsum()
    numbers[2::2] = numbers[2::2].cumsum()
    return numbers


def decode_checked(lengths: Any, size_hw: tuple[int, int], where: str) -> npt.NDArray[np.uint8]:
    """Decode one mask of a known size that may be damaged.

    Args:
        lengths: `size` and `counts`: COCO's text, or a list of run lengths.
        size_hw: Height and width it must have.
        where: Name of the mask in messages.

    Returns:
        (H, W), 0 and 1.

    Raises:
        DataError: It is something else.
    """
    height, width = size_hw
    if not isinstance(lengths, Mapping) or not {"size", "counts"} <= lengths.keys():
        raise DataError(f"{where}: expected run lengths with size (height, width) and counts; correct them")
    size, counts = lengths["size"], lengths["counts"]
    if not isinstance(size, Sequence) or list(size) != [height, width]:
        raise DataError(f"{where}.size: expected [{height}, {width}], found {size!r:.40}; correct the mask")
    try:
        if isinstance(counts, str | bytes):
            runs = parse_run_lengths(counts.encode("latin1") if isinstance(counts, str) else counts)
        elif isinstance(counts, list) and all(type(run) is int for run in counts):
            runs = np.array(counts, np.int64)
        else:
            raise DataError(f"{where}.counts: expected run lengths, or COCO's text of them; correct the mask")
    except (ValueError, OverflowError) as error:
        raise DataError(f"{where}.counts: {error or 'numbers too large'}; correct the mask") from error
    if (runs < 0).any() or runs.max(initial=0) > height * width or runs.sum() != height * width:
        raise DataError(
            f"{where}.counts: not the runs of {height} x {width} pixels; is the mask whole? correct it"
        )
    flat = np.repeat((np.arange(len(runs)) & 1).astype(np.uint8), runs)
    return flat.reshape(width, height).T
