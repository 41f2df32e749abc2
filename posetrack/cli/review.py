"""`posetrack review`: saved poses looked at and corrected in the browser."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

import typer

from models.image_size import MAX_PIXELS
from posetrack.cli.messages import start_logging
from posetrack.cli.options import MaxPixelsOption
from posetrack.cli.progress import count_workers, show_reading
from posetrack.cli.serve_options import DEFAULT_ADDRESS, TokenOption, print_address, read_address


@dataclass(frozen=True)
class ReviewedVideoOptions:
    """Options of the video behind the poses."""

    PANEL: ClassVar[str] = "Video"

    video: Annotated[
        str | None,
        typer.Option(
            metavar="FILE", help="Video of the poses.", show_default="the source in POSES, or none: on grey"
        ),
    ] = None
    max_pixels: MaxPixelsOption = MAX_PIXELS


@dataclass(frozen=True)
class ReviewPageOptions:
    """Options of the page."""

    PANEL: ClassVar[str] = "Page"

    serve: Annotated[
        str,
        typer.Option(metavar="[HOST:]PORT", help="Where; other hosts than 127.0.0.1 ask for a token."),
    ] = DEFAULT_ADDRESS
    token: TokenOption = None


@dataclass(frozen=True)
class GroundTruthOptions:
    """Options of the ground truth that corrected poses give."""

    PANEL: ClassVar[str] = "Ground truth"

    export: Annotated[
        str | None,
        typer.Option(
            metavar="FORMAT",
            help="Write the corrected poses as posetrack18 or coco, and show no page.",
            show_default=False,
        ),
    ] = None
    out: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Folder of ground truth.", show_default="the folder of the poses"),
    ] = None


def review_command(
    poses: Annotated[Path, typer.Argument(help="A poses.jsonl, or the folder of a run.", show_default=False)],
    video: ReviewedVideoOptions,
    page: ReviewPageOptions,
    truth: GroundTruthOptions,
) -> None:
    """Look at saved poses in the browser, and correct them: ids, keypoints, gaps.

    Every edit is saved at once, in edits.jsonl beside the poses, which stay as they are; draw, convert, measure
    and eval apply it when they read them. Press ? on the page for its keys.
    """
    from posetrack.results.poses import find_poses
    from posetrack.review.export import export_ground_truth
    from posetrack.review.session import open_review
    from posetrack.review.site import ReviewSite
    from posetrack.web.server import WebServer

    start_logging(logging.WARNING)
    path = find_poses(poses)
    out_dir = path.parent if truth.out is None else truth.out
    if truth.export is not None:
        print(export_ground_truth(path, truth.export, out_dir))
        return
    host, port = read_address(page.serve)
    with show_reading() as progress:
        session = open_review(
            path, video.video, video.max_pixels, progress=progress, num_workers=count_workers()
        )
    site = ReviewSite(session, lambda format_name: export_ground_truth(path, format_name, out_dir))
    server = WebServer(site, host=host, port=port, token=page.token)
    print_address(server.url, port, is_shared=server.is_shared, purpose="review from")
    try:
        threading.Event().wait()
    finally:
        server.close()
        session.close()
