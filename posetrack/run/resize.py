"""Frames at another size: the image, and people in its pixels."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from models.densepose.pixel_box import find_pixels
from posetrack.frame import BoolArray, Frame, ImageArray, Instances


def scale_size(size_wh: tuple[int, int], scale: float) -> tuple[int, int]:
    """The size of an image that is drawn larger or smaller, with even sides, which codecs need."""
    width, height = (max(2, 2 * round(side * scale / 2)) for side in size_wh)
    return width, height


def resize_frame(frame: Frame, size_wh: tuple[int, int]) -> Frame:
    """Scale a frame, with its people, to a size in pixels."""
    if frame.size_wh == size_wh:
        return frame
    is_smaller = size_wh[0] * size_wh[1] < frame.size_wh[0] * frame.size_wh[1]
    how = cv2.INTER_AREA if is_smaller else cv2.INTER_LINEAR
    image = np.asarray(cv2.resize(frame.image, size_wh, interpolation=how), np.uint8)
    return put_image(frame, image)


def put_image(frame: Frame, image: ImageArray) -> Frame:
    """Give a frame another image of the same scene; where its size differs, the people are scaled to it."""
    size_wh = image.shape[1], image.shape[0]
    if frame.size_wh == size_wh:
        return replace(frame, image=image)
    ratio_xy = np.divide(size_wh, frame.size_wh, dtype=np.float32)
    motion = frame.background_motion
    if motion is not None:
        # From pixels of the new size to the old ones, the motion, and back.
        linear = motion[:, :2] * ratio_xy[:, None] / ratio_xy[None]
        motion = np.column_stack([linear, motion[:, 2] * ratio_xy]).astype(np.float32)
    people = _scale_people(frame.instances, ratio_xy, size_wh)
    faces = None if frame.faces_xyxy is None else frame.faces_xyxy * np.tile(ratio_xy, 2)
    return replace(frame, image=image, instances=people, background_motion=motion, faces_xyxy=faces)


def _scale_people(people: Instances, ratio_xy: ImageArray, size_wh: tuple[int, int]) -> Instances:
    points = {
        name: value * ratio_xy
        for name in ("keypoints_xy", "smoothed_xy")
        if (value := getattr(people, name)) is not None
    }
    boxes = None if people.boxes_xyxy is None else people.boxes_xyxy * np.tile(ratio_xy, 2)
    masks = None if people.masks is None else _scale_masks(people.masks, size_wh)
    dense = people.dense
    if dense is not None and boxes is not None:
        dense = tuple(
            _scale_dense(pose, find_pixels(box)[2:]) if pose.size else pose
            for pose, box in zip(dense, boxes, strict=True)
        )
    return people.with_columns(**points, boxes_xyxy=boxes, masks=masks, dense=dense)


def _scale_masks(masks: BoolArray, size_wh: tuple[int, int]) -> BoolArray:
    scaled = np.zeros((len(masks), size_wh[1], size_wh[0]), np.bool_)
    for mask, out in zip(masks, scaled, strict=True):
        out[:] = cv2.resize(mask.view(np.uint8), size_wh, interpolation=cv2.INTER_NEAREST)
    return scaled


def _scale_dense(pose: ImageArray, size_wh: tuple[int, int]) -> ImageArray:
    """Scale charts and coordinates without mixing them."""
    return np.asarray(cv2.resize(pose, size_wh, interpolation=cv2.INTER_NEAREST), np.uint8)
