"""The floor: a rectangle of known size in the image, which gives every place on it in metres."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import numpy as np

from posetrack.errors import PoseTrackError
from posetrack.low_pass import DoubleArray

_EXPECTED = (
    "expected four corners in pixels and the size in metres, x1,y1,x2,y2,x3,y3,x4,y4@WIDTHxDEPTH, such as "
    "100,300,500,300,620,460,10,460@4x6"
)
_FLATTEST = 1e-3
"""Least sine of the angle at a corner."""
_HORIZON = 1e-3
"""Least w: what is a thousand times as far away as the rectangle has no place."""


@dataclass(frozen=True)
class MeasuredFloor:
    """A rectangle on the floor.

    >>> from posetrack import MeasuredFloor
    >>> floor = MeasuredFloor.read("100,300,500,300,620,460,10,460@4x6")
    >>> floor.to_metres([620, 460]).round(3).tolist()
    [4.0, 6.0]

    Attributes:
        corners_xy: Its four corners in the image, in order around it: pixels of the upright image.
        width_m: Length of the side from the first corner to the second.
        depth_m: Length of the side from the second corner to the third.

    Raises:
        PoseTrackError: A length is not above 0, or the corners do not go around a quadrilateral whose corners
            are all convex, as the image of a rectangle has.
    """

    corners_xy: tuple[tuple[float, float], ...]
    width_m: float
    depth_m: float

    def __post_init__(self) -> None:
        corners = np.array(self.corners_xy, np.float64)
        if corners.shape != (4, 2) or not np.isfinite(corners).all():
            raise PoseTrackError(f"floor: {_EXPECTED}")
        for length_m in (self.width_m, self.depth_m):
            if not (math.isfinite(length_m) and length_m > 0):
                raise PoseTrackError(f"floor: {length_m:g} m; expected a width and a depth above 0")
        sides = np.roll(corners, -1, axis=0) - corners
        lengths = np.hypot(*sides.T)
        after = np.roll(sides, -1, axis=0)
        turns = sides[:, 0] * after[:, 1] - sides[:, 1] * after[:, 0]
        if (lengths == 0).any():
            raise PoseTrackError("floor: two corners are one point; give the four corners of a rectangle")
        sines = turns / (lengths * np.roll(lengths, -1))
        if (np.abs(sines) < _FLATTEST).any():
            raise PoseTrackError(
                "floor: three corners are on a line, so that they are no rectangle's; give its four corners"
            )
        if not (np.sign(sines) == np.sign(sines[0])).all():
            raise PoseTrackError(
                "floor: the corners do not go around a rectangle; give them in order, the first and the second "
                "on the side of WIDTH"
            )

    @classmethod
    def read(cls, text: str) -> MeasuredFloor:
        """Read a floor as in the option `--floor`.

        >>> MeasuredFloor.read("0,0,100,0,100,50,0,50@2x1").width_m
        2.0

        Raises:
            PoseTrackError: It is none.
        """
        match = re.fullmatch(r"\s*([^@]+)@\s*([^x@]+)x([^x@]+)", text)
        if match is None:
            raise PoseTrackError(f"--floor {text}: {_EXPECTED}")
        try:
            numbers = [float(number) for number in re.split(r"[,\s]+", match[1].strip())]
            width_m, depth_m = float(match[2]), float(match[3])
        except ValueError as error:
            raise PoseTrackError(f"--floor {text}: {_EXPECTED}") from error
        if len(numbers) != 8:
            raise PoseTrackError(f"--floor {text}: {len(numbers)} numbers; {_EXPECTED}")
        return cls(tuple(zip(numbers[::2], numbers[1::2], strict=True)), width_m, depth_m)

    @property
    def homography(self) -> DoubleArray:
        """The map from image to floor, (3, 3): of (x, y, 1) in pixels to (u w, v w, w) in metres.

        Its scale is such that w is 1 in the middle of the corners, and above 0 wherever the floor is.
        """
        middle = np.mean(self.corners_xy, axis=0)
        # From the middle, where w cannot be 0, as it is at the horizon.
        shift = np.array([[1, 0, -middle[0]], [0, 1, -middle[1]], [0, 0, 1]])
        rows: list[list[float]] = []
        right: list[float] = []
        for (x, y), (u, v) in zip(np.subtract(self.corners_xy, middle), self._list_places(), strict=True):
            rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
            right += [u, v]
        centred = np.append(np.linalg.solve(np.array(rows), np.array(right)), 1.0).reshape(3, 3)
        return np.asarray(centred @ shift)

    def to_metres(self, points_xy: object) -> DoubleArray:
        """Places on the floor of points of the image.

        Args:
            points_xy: (..., 2) pixels.

        Returns:
            (..., 2) metres from the first corner, x along the first side and y along the second; NaN for points
            that are not below the horizon, where no floor is.
        """
        points = np.asarray(points_xy, np.float64)
        mapped = np.concatenate([points, np.ones((*points.shape[:-1], 1))], axis=-1) @ self.homography.T
        w = mapped[..., 2:]
        return np.asarray(np.divide(mapped[..., :2], w, out=np.full(points.shape, np.nan), where=w > _HORIZON))

    def check_image(self, size_wh: tuple[int, int]) -> None:
        """Check that the rectangle is not beside an image.

        Raises:
            PoseTrackError: It is, so that its corners are those of another image, or of another size.
        """
        low, high = np.min(self.corners_xy, axis=0), np.max(self.corners_xy, axis=0)
        if (high <= 0).any() or (low >= size_wh).any():
            size = " x ".join(map(str, size_wh))
            raise PoseTrackError(
                f"floor: its corners are all outside the image of {size} px; give pixels of it"
            )

    def _list_places(self) -> list[tuple[float, float]]:
        return [(0.0, 0.0), (self.width_m, 0.0), (self.width_m, self.depth_m), (0.0, self.depth_m)]
