"""A made place to walk on: slabs in front of a brick wall with windows, as a background."""

from __future__ import annotations

import cv2
import numpy as np

from synthesis.cameras import Camera
from synthesis.looks import to_linear
from synthesis.noise import sample_noise
from synthesis.pack import Floats

_WALL_Z_M = -15.0
_SUBPIXELS = 2


def draw_plaza(camera: Camera) -> Floats:
    """What a camera that looks along -z sees without people: (H, W, 3), linear light, blue first."""
    width, height = camera.size_wh
    rows, columns = (np.mgrid[: height * _SUBPIXELS, : width * _SUBPIXELS] + 0.5).astype(
        np.float32
    ) / _SUBPIXELS
    ways = camera.cast(np.stack([columns.ravel(), rows.ravel()], 1))
    wall = camera.place + ways * ((_WALL_Z_M - camera.place[2]) / ways[:, 2])[:, None]
    colours = _paint_wall(wall)
    is_ground = wall[:, 1] < 0
    down = ways[is_ground]
    colours[is_ground] = _paint_ground(camera.place - down * (camera.place[1] / down[:, 1])[:, None])
    image = colours.reshape(height * _SUBPIXELS, width * _SUBPIXELS, 3)
    return np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), np.float32)


def _paint_ground(points: Floats) -> Floats:
    colour = np.broadcast_to(to_linear([0.60, 0.63, 0.65]), points.shape).copy()
    slab = np.floor(points[:, [0, 2]] / np.float32(0.9))
    tone = np.sin(slab @ np.float32([12.9898, 78.233])) * 43758.5453 % 1
    colour *= (0.88 + 0.18 * tone)[:, None] * (1 + 0.05 * sample_noise(points, 1.2)[:, :1])
    is_joint = ((points[:, [0, 2]] / np.float32(0.9)) % 1 < 0.025).any(1)
    colour[is_joint] *= np.float32(0.6)
    return colour.astype(np.float32)


def _paint_wall(points: Floats) -> Floats:
    x, y = points[:, 0], points[:, 1]
    course = np.floor(y / 0.16)
    brick = np.floor(x / 0.5 + 0.5 * (course % 2))
    tone = np.sin(brick * 12.9898 + course * 78.233) * 43758.5453 % 1
    colour = to_linear([0.40, 0.47, 0.62]) * (0.75 + 0.35 * tone)[:, None]
    is_mortar = (y / 0.16 % 1 < 0.1) | ((x / 0.5 + 0.5 * (course % 2)) % 1 < 0.04)
    colour[is_mortar] = to_linear([0.58, 0.60, 0.62])
    # A window of 1.6 m every 3.4 m, with a frame around it, above a plinth.
    across, up = np.abs(x % 3.4 - 1.7), np.abs(y - 2.3)
    is_frame, is_pane = (across < 0.8) & (up < 0.95), (across < 0.72) & (up < 0.87) & (across > 0.03)
    colour[is_frame] = to_linear([0.78, 0.80, 0.80])
    sky = to_linear([0.62, 0.52, 0.42]) * (0.55 + 0.3 * y.clip(0, 4) / 4)[:, None]
    colour[is_pane] = sky[is_pane]
    colour[y < 0.45] = to_linear([0.42, 0.43, 0.44])
    return (colour * (1 + 0.06 * sample_noise(points, 2.5)[:, :1])).clip(0, 1).astype(np.float32)
