"""Decoding of masks from COCO's compressed run lengths (RLE)."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from pycocotools import mask as mask_api


def decode_run_lengths(lengths: Mapping[str, Any]) -> npt.NDArray[np.uint8]:
    """Decode one mask.

    Args:
        lengths: `size` (height, width) and `counts`, as in pycocotools.

    Returns:
        (H, W), 0 and 1.
    """
    with warnings.catch_warnings():
        # numpy 2 warns about the keyword `copy`, which pycocotools' arrays lack.
        warnings.simplefilter("ignore", DeprecationWarning)
        return np.asarray(mask_api.decode(lengths), np.uint8)
