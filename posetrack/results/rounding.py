"""Rounding of numbers in results files: pixels to 2 decimals, scores to 4, seconds to 6."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

_PIXEL_DECIMALS = 2
_SCORE_DECIMALS = 4
_TIME_DECIMALS = 6

RoundedArray = npt.NDArray[np.float64]


def round_pixels(values: npt.ArrayLike) -> RoundedArray:
    """Round coordinates to a hundredth of a pixel, as float64 so that they print short."""
    return _round(values, _PIXEL_DECIMALS)


def round_scores(values: npt.ArrayLike) -> RoundedArray:
    """Round scores to four decimals, as float64 so that they print short."""
    return _round(values, _SCORE_DECIMALS)


def round_time(time_s: float) -> float:
    """Round a time to a microsecond."""
    return round(float(time_s), _TIME_DECIMALS)


def _round(values: npt.ArrayLike, decimals: int) -> RoundedArray:
    # Adding zero turns -0.0 into 0.0.
    return np.asarray(np.round(np.asarray(values, np.float64), decimals) + 0.0, np.float64)
