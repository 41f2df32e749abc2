"""Poses of four people who stand side by side, and a server that reviews them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from posetrack.frame import Instances
from posetrack.results.jsonl import JsonlWriter
from posetrack.results.provenance import Provenance
from posetrack.results.record import Header
from posetrack.review.export import export_ground_truth
from posetrack.review.session import open_review
from posetrack.review.site import ReviewSite
from posetrack.skeleton import COCO_17
from posetrack.web.server import WebServer

NUM_FRAMES = 40
GAP = range(10, 15)
SWITCH = 20
K = np.arange(17)
SHAPE_XY = np.stack([-24 + 12 * (K % 5), -48 + 24 * (K // 5)], axis=1)


def center_of(place: int) -> tuple[int, int]:
    """Where a person stands, from 0."""
    return 110 + 140 * place, 200


def list_ids(frame: int) -> dict[int, int]:
    """The place of each id: 1 and 2 are swapped from `SWITCH` on, 3 has a gap, 4 is there for three frames."""
    places = {1: 0, 2: 1} if frame < SWITCH else {1: 1, 2: 0}
    if frame not in GAP:
        places[3] = 2
    if frame in (30, 31, 32):
        places[4] = 3
    return places


def make_people(frame: int, *, has_keypoints: bool = True) -> Instances:
    places = list_ids(frame)
    centers = np.array([center_of(place) for place in places.values()], np.float64)
    people = Instances(
        boxes_xyxy=np.hstack([centers - np.array([40, 70]), centers + np.array([40, 70])]),
        box_scores=np.full(len(places), 0.9),
        keypoints_xy=centers[:, None] + SHAPE_XY,
        keypoint_scores=np.full((len(places), 17), 0.2 if frame == 5 else 0.9),
        track_ids=np.array(list(places)),
    )
    return people if has_keypoints else people.with_columns(keypoints_xy=None, keypoint_scores=None)


@pytest.fixture
def make_poses(tmp_path: Path) -> Callable[..., Path]:
    """Writes the poses; their source is not there unless it is given."""

    def make(
        source: str = "not-there.mp4",
        num_frames: int = NUM_FRAMES,
        every: int = 1,
        fingerprint: str = "",
        *,
        has_keypoints: bool = True,
    ) -> Path:
        made_by = Provenance({}, {}, "torch", "f32", source=fingerprint) if fingerprint else None
        header = Header(source, 640, 400, Fraction(25), COCO_17, "fast", made_by)
        path = tmp_path / "run" / "poses.jsonl"
        with JsonlWriter(path, header) as writer:
            for frame in range(0, num_frames * every, every):
                writer.write(frame, frame / 25, make_people(frame, has_keypoints=has_keypoints))
        return path

    return make


@pytest.fixture
def serve() -> Iterator[Callable[..., WebServer]]:
    """Serves a review of a file of poses; ends it with the test."""
    with ExitStack() as stack:

        def start(path: Path, video: str | None = None, **options: object) -> WebServer:
            session = open_review(path, video)
            stack.callback(session.close)
            site = ReviewSite(session, lambda format_name: export_ground_truth(path, format_name, path.parent))
            server = WebServer(site, port=options.pop("port", 0), **options)
            stack.callback(server.close)
            return server

        yield start


@pytest.fixture
def make_clip(tmp_path: Path) -> Callable[..., Path]:
    """Makes a video whose frames tell by their grey which one they are: 20 + 5 x index."""

    def make(name: str, num_frames: int, size_wh: tuple[int, int] = (640, 400), codec: str = "libx264") -> Path:
        path = tmp_path / name
        with av.open(str(path), "w") as container:
            stream = container.add_stream(codec, rate=25)
            stream.width, stream.height, stream.pix_fmt = *size_wh, "yuv420p"
            stream.codec_context.gop_size = 20
            for index in range(num_frames):
                image = np.full((size_wh[1], size_wh[0], 3), min(20 + 5 * index, 250), np.uint8)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
            container.mux(stream.encode(None))
        return path

    return make
