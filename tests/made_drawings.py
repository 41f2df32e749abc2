"""Videos of noise, and saved poses of them, whose drawings are checked."""

from fractions import Fraction

import cv2
import numpy as np
from PIL import Image

from posetrack.frame import Instances
from posetrack.results.jsonl import JsonlWriter
from posetrack.results.record import Header
from posetrack.skeleton import COCO_17
from posetrack.video.base import VideoInfo
from posetrack.video.writer import VideoWriter

SIZE_WH = (160, 120)
NUM_FRAMES = 10
FPS = Fraction(25)
WALL = np.repeat(np.random.default_rng(0).integers(0, 255, (SIZE_WH[1], SIZE_WH[0], 1), np.uint8), 3, axis=2)
"""Grey noise, in which a blurred part shows."""
HEAD = np.s_[24:36, 34:46]


def make_person(x, track_id, size=1.0):
    """Someone whose head is at HEAD if x is 30: face keypoints in its middle."""
    points = np.stack([np.linspace(x, x + 20, 17), np.linspace(50, 100, 17)], axis=1)
    points[:5] = [[x + 10, 31], [x + 12, 29], [x + 8, 29], [x + 14, 30], [x + 6, 30]]
    return Instances(
        boxes_xyxy=[[x, 20, x + 20, 100]],
        box_scores=[0.9],
        keypoints_xy=points[None] * size,
        keypoint_scores=np.full((1, 17), 0.8),
        track_ids=[track_id],
    )


def make_images(size_wh=SIZE_WH, number=NUM_FRAMES):
    return [cv2.resize(WALL, size_wh)] * number


def write_video(path, images, fps=FPS):
    height, width = images[0].shape[:2]
    info = VideoInfo("made", "made", width, height, fps, Fraction(1, 90_000), None)
    with VideoWriter(path, info, crf=1) as writer:
        for i, image in enumerate(images):
            writer.write(image, i / fps)
    return path


def write_poses(path, people_of, number=NUM_FRAMES, source="clip.mp4", start=0):
    with JsonlWriter(path, Header(str(source), *SIZE_WH, FPS, COCO_17, "fast")) as writer:
        for i in range(start, start + number):
            writer.write(i, i / float(FPS), people_of(i))
    return path


def two_people(i):
    return Instances.concatenate([make_person(30, 1), make_person(100, 5)])


def read_png(path):
    return np.array(Image.open(path))


def find_contrast(image):
    return float(image[HEAD].astype(float).std())
