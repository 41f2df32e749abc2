"""Cameras: where a point of the world is in the image, and the rays of its pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from synthesis.pack import Floats


@dataclass(frozen=True, eq=False)
class Camera:
    """A camera without distortion; pixel (0, 0) covers 0..1.

    Attributes:
        size_wh: Width and height of the image, px.
        focal_px: Focal length.
        matrix: (3, 3), the world's axes (y up) to the camera's: x right, y down, z ahead.
        place: (3,) metres.
    """

    size_wh: tuple[int, int]
    focal_px: float
    matrix: Floats
    place: Floats

    def project(self, points: Floats) -> tuple[Floats, Floats]:
        """Project points (M, 3) of the world.

        Returns:
            (M, 2) px, and (M,) distances ahead, in metres, of which those below 0 are behind.
        """
        own = (points - self.place) @ self.matrix.T
        ahead = np.maximum(own[:, 2:], 1e-6)
        middle = np.array(self.size_wh, np.float32) / 2
        return np.asarray(own[:, :2] / ahead * self.focal_px + middle, np.float32), own[:, 2]

    def cast(self, pixels_xy: Floats) -> Floats:
        """Directions (M, 3) in the world of rays through (M, 2) px; their length is 1 along the axis ahead."""
        middle = np.array(self.size_wh, np.float32) / 2
        flat = (pixels_xy - middle) / np.float32(self.focal_px)
        return np.asarray(np.column_stack([flat, np.ones(len(flat))]) @ self.matrix, np.float32)

    def describe(self) -> dict[str, object]:
        """As fields of JSON."""
        return {
            "focal_px": round(self.focal_px, 6),
            "center_px": [side / 2 for side in self.size_wh],
            "world_to_camera": np.round(self.matrix.astype(float), 7).tolist(),
            "place_m": np.round(self.place.astype(float), 6).tolist(),
        }


def aim_camera(
    size_wh: tuple[int, int], focal_px: float, place: Floats, aim: tuple[Floats, Floats], roll_rad: float
) -> Camera:
    """A camera that sees a point of the world, `aim[0]` (3,), at a place of the image, `aim[1]` (2,) px."""
    target, at_px = aim
    ahead = np.asarray(target - place, np.float64)
    yaw = np.arctan2(ahead[0], -ahead[2])
    pitch = np.arctan2(ahead[1], np.hypot(ahead[0], ahead[2]))
    yaw -= np.arctan((at_px[0] - size_wh[0] / 2) / focal_px)
    pitch += np.arctan((at_px[1] - size_wh[1] / 2) / focal_px)
    # Columns: the camera's axes right, down and ahead in the world, before turning: it looks along -z.
    level = np.diag([1.0, -1.0, -1.0])
    turned = Rotation.from_euler("YX", [-yaw, pitch]).as_matrix() @ level
    rolled = turned @ Rotation.from_rotvec([0, 0, roll_rad]).as_matrix()
    return Camera(size_wh, float(focal_px), rolled.T.astype(np.float32), np.asarray(place, np.float32))
