"""Crops: one clip or one image a person, cut out of the video of saved poses."""

from __future__ import annotations

import math
from collections.abc import Generator
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from posetrack.errors import PoseTrackError, ResultsError, VideoError
from posetrack.frame import Frame, ImageArray
from posetrack.run.crop_windows import CropPlan, DoubleArray, follow_people, group_plans, plan_crops

if TYPE_CHECKING:
    from posetrack.results.poses import SavedPoses
    from posetrack.video.base import VideoInfo, VideoSource
    from posetrack.video.writer import VideoWriter

# OpenCV and FFmpeg are imported when crops are cut, to keep `import posetrack` fast.

MOST_ENCODERS = 8
"""Clips that are written at the same time, at most; for more people the video is read again."""

OWN_FILES = "person-*.*"
_SMALLEST_PX = 16
# Sides of clips are whole blocks.
_BLOCK_PX = 2


def crop_people(
    poses: SavedPoses,
    folder: str | Path,
    *,
    video: str | Path | None = None,
    thumbnails: bool = False,
    padding: float = 1.25,
    blur_faces: bool = False,
    overwrite: bool = False,
) -> tuple[Path, ...]:
    """Cut everyone with a track id out of the video: one clip a person, or one image.

    A clip has one size, which holds nearly all boxes of the person, and its window moves smoothly. Frames
    without the person are left out, but for gaps of up to a second. Windows stay inside the image.

    >>> from tempfile import TemporaryDirectory
    >>> from posetrack import Tracker, crop_people, read_poses
    >>> with TemporaryDirectory() as folder:
    ...     report = Tracker("fast").run("docs/media/street.mp4", folder, overlay=False, start_s=3.2, end_s=3.3)
    ...     files = crop_people(read_poses(f"{folder}/poses.jsonl"), f"{folder}/crops", thumbnails=True)
    ...     print([file.name for file in files])
    ['person-1.png']

    Args:
        poses: The poses; `read_poses(...).select(...)` chooses people.
        folder: The folder to write into: `person-<id>.mp4`, or `.png`.
        video: The video of the poses; None for the source that they name.
        thumbnails: Write an image of each person, from the frame that shows them best, instead of a clip.
        padding: Size of the window, in sizes of the person's box.
        blur_faces: Whether the faces of all people of the poses are blurred, of those who were not chosen too.
        overwrite: Whether crops that are in the folder are replaced.

    Returns:
        The written files, by track id.

    Raises:
        ResultsError: There are crops already, nobody has a track id, or the poses or files cannot be used.
        VideoError: The video cannot be read, or is another one.
    """
    from posetrack.results.files import make_whole_folder
    from posetrack.run.images_of_poses import open_video_of

    if not (math.isfinite(padding) and 0.1 <= padding <= 10):
        raise PoseTrackError(f"padding: {padding}; expected 0.1 to 10 times the box")
    folder = Path(folder)
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir()) and not overwrite):
        raise ResultsError(f"{folder}: is there already; use --overwrite, or another --out")
    plans, first = _plan(poses)
    everyone = poses.with_deleted()
    with ExitStack() as stack:
        source = stack.enter_context(open_video_of(everyone, first, video))
        part = stack.enter_context(make_whole_folder(folder, OWN_FILES))
        if blur_faces:
            _check_blur(everyone, source)
        cutter = _Cutter(poses, everyone, source, blur_faces=blur_faces, padding=padding)
        if thumbnails:
            cutter.write_images(plans, part)
        else:
            cutter.write_clips(plans, part)
    end = "png" if thumbnails else "mp4"
    return tuple(folder / f"person-{track_id}.{end}" for track_id in sorted(plans))


def _plan(poses: SavedPoses) -> tuple[dict[int, CropPlan], Frame]:
    """Plan the crops; gives the first frame as well."""
    plans = plan_crops(poses)
    first = next(iter(poses), None)
    if not plans or first is None:
        chosen = "has a track id" if poses.selection.is_everyone else f"fits {poses.selection}"
        raise ResultsError(f"{poses.path}: nobody {chosen}, so there is nobody to cut out")
    return plans, first


def _check_blur(everyone: SavedPoses, source: VideoSource) -> None:
    from posetrack.run.images_of_poses import warn_of_faces

    if (source.info.width, source.info.height) != everyone.header.size_wh:
        raise VideoError(f"{source.info.source}: faces are blurred in the poses' own video only; give that one")
    warn_of_faces(everyone)


class _Cutter:
    """Cuts people out of one video."""

    def __init__(
        self,
        poses: SavedPoses,
        everyone: SavedPoses,
        video: VideoSource,
        *,
        blur_faces: bool,
        padding: float,
    ) -> None:
        self._poses, self._everyone = poses, everyone
        self._video: VideoSource | None = video
        self._source, self._info = video, video.info
        self._blur_faces, self._padding = blur_faces, padding

    def write_images(self, plans: dict[int, CropPlan], folder: Path) -> None:
        """Write the best image of each person."""
        import cv2

        wanted: dict[int, list[CropPlan]] = {}
        for plan in plans.values():
            wanted.setdefault(plan.best_index, []).append(plan)
        with closing(self._read_images()) as frames:
            for frame in frames:
                for plan in wanted.pop(frame.index, ()):
                    box = plan.best_box
                    centre, size = (box[:2] + box[2:]) / 2, (box[2:] - box[:2]) * self._padding
                    size_px = _round_size(size * frame.size_wh, frame.size_wh)
                    image = cv2.cvtColor(_cut(frame.image, centre * frame.size_wh, size_px), cv2.COLOR_RGB2BGR)
                    encoded = cv2.imencode(".png", image)[1]
                    (folder / f"person-{plan.track_id}.png").write_bytes(encoded.tobytes())
                if not wanted:
                    return

    def write_clips(self, plans: dict[int, CropPlan], folder: Path) -> None:
        """Write a clip of each person, a group of them in one pass over the video."""
        for group in group_plans(plans.values(), MOST_ENCODERS):
            self._write_group({plan.track_id: plan for plan in group}, folder)

    def _write_group(self, plans: dict[int, CropPlan], folder: Path) -> None:
        last = max(plan.last for plan in plans.values())
        clips: dict[int, _Clip] = {}
        try:
            with closing(self._read_images()) as frames:
                for position, (centres, frame) in enumerate(
                    zip(follow_people(self._poses), frames, strict=True)
                ):
                    for track_id in centres.keys() & plans.keys():
                        plan = plans[track_id]
                        if track_id not in clips:
                            clips[track_id] = _Clip(plan, self._padding, self._info, folder)
                        clips[track_id].write(position, frame, centres[track_id])
                        if position == plan.last:
                            clips[track_id].close()
                    if position == last:
                        break
        except BaseException:
            for clip in clips.values():
                clip.abort()
            raise

    def _read_images(self) -> Generator[Frame]:
        """The frames of the poses with their images, from a video that is opened again after the first time."""
        from posetrack.render import Renderer, RenderStyle
        from posetrack.run.paired import add_images

        video, self._video = self._video, None
        with ExitStack() as stack:
            if video is None:
                again = self._source.reopen()
                if again is None:
                    raise VideoError(
                        f"{self._info.source}: cannot be read a second time, for more than {MOST_ENCODERS} "
                        "people at once; save it to a file first, or choose people with --only"
                    )
                video = stack.enter_context(again)
            style = RenderStyle(
                skeletons=False, masks=False, boxes=False, ids=False, iuv=False, blur_faces=True
            )
            blur = Renderer(self._everyone.header.skeleton, style)
            for frame in add_images(self._everyone, video, remedy="give their video with --video"):
                yield replace(frame, image=blur(frame)) if self._blur_faces else frame


class _Clip:
    """The clip of one person."""

    def __init__(self, plan: CropPlan, padding: float, info: VideoInfo, folder: Path) -> None:
        from posetrack.video.writer import VideoWriter

        self._size, self._fps = plan.size * padding, info.fps
        self._writer: VideoWriter = VideoWriter(folder / f"person-{plan.track_id}.mp4", info)
        self._last: tuple[int, float] | None = None
        self._step_s, self._time_s = 1 / float(info.fps), 0.0

    def write(self, position: int, frame: Frame, centre: DoubleArray) -> None:
        """Append what is around the person in the next frame with them; time without them is left out."""
        if self._last is not None:
            if position == self._last[0] + 1:
                self._step_s = max(frame.time_s - self._last[1], 0.0)
            self._time_s += self._step_s
        self._last = position, frame.time_s
        image_wh = frame.image.shape[1], frame.image.shape[0]
        size_px = _round_size(self._size * image_wh, image_wh, _BLOCK_PX)
        self._writer.write(_cut(frame.image, centre * image_wh, size_px), self._time_s)

    def close(self) -> None:
        """Finish the file."""
        self._writer.close()

    def abort(self) -> None:
        """Remove the file; nothing after `close`."""
        self._writer.abort()


def _round_size(size: DoubleArray, most_wh: tuple[int, int], block_px: int = 1) -> tuple[int, int]:
    """Whole blocks of pixels, no more than the image has."""
    width, height = (
        max(min(math.ceil(side / block_px - 0.01), most // block_px) * block_px, _SMALLEST_PX)
        for side, most in zip(size.tolist(), most_wh, strict=True)
    )
    return width, height


def _cut(image: ImageArray, centre: DoubleArray, size_wh: tuple[int, int]) -> ImageArray:
    """The part (h, w, 3) of an image around a point, moved into the image; black where that is smaller."""
    width, height = size_wh
    left, top = (
        min(max(round(float(c) - side / 2), 0), max(whole - side, 0))
        for c, side, whole in zip(centre, size_wh, image.shape[1::-1], strict=True)
    )
    part = np.zeros((height, width, 3), np.uint8)
    inside = image[top : top + height, left : left + width]
    part[: inside.shape[0], : inside.shape[1]] = inside
    return part
