"""Poses of other programs as a `poses.jsonl`, with which everything else can be done."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from fractions import Fraction
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from posetrack.errors import PoseTrackError, ResultsError
from posetrack.foreign.base import ForeignFrame, ForeignOptions, ForeignPoses
from posetrack.foreign.read import read_foreign
from posetrack.frame import Instances
from posetrack.outputs import check_output_file, name_part
from posetrack.results.jsonl import JsonlWriter
from posetrack.results.record import Header, Record
from posetrack.video.base import VideoSource
from posetrack.video.source import open_video

DEFAULT_FPS = Fraction(25)
"""The frame rate of files that do not say it."""

ASK_NOTHING = ForeignOptions()
"""For files that say everything."""

_FEW_GAPS = 1000
_GAPS_PER_FRAME = 10

_log = logging.getLogger(__name__)


def import_poses(path: Path | str, out: Path | str, options: ForeignOptions = ASK_NOTHING) -> Path:
    r"""Save poses of another program as a `poses.jsonl`, with the track ids that they have.

    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from posetrack import ForeignOptions, import_poses, read_poses
    >>> with TemporaryDirectory() as folder:
    ...     _ = Path(folder, "det.txt").write_text("1,-1,10,20,30,40,0.9\n3,-1,12,20,30,40,0.8\n")
    ...     path = import_poses(f"{folder}/det.txt", f"{folder}/poses.jsonl", ForeignOptions(size_wh=(64, 64)))
    ...     print([len(frame.instances) for frame in read_poses(path)])
    [1, 0, 1]

    With a video there is a line for each of its frames, at its time; without, for each number from the file's
    first to its last one, unless nearly all are missing.

    Args:
        path: A folder of OpenPose's JSON files, AlphaPose's or COCO's results, a file of PoseTrack or COCO, or
            MOTChallenge's boxes.
        out: The file to write; created or replaced when everything is in it.
        options: What the poses do not say.

    Returns:
        The file.

    Raises:
        ResultsError: The poses cannot be read, do not say the size of their images, or the file cannot be
            written.
        VideoError: The video cannot be read.
    """
    path, out = Path(path), Path(out)
    check_output_file(out, [path])
    poses = read_foreign(path, options)
    part = name_part(out, ".part.jsonl")
    with ExitStack() as stack:
        video = None
        if options.video is not None:
            rate = options.fps or poses.fps or DEFAULT_FPS
            video = stack.enter_context(
                open_video(options.video, image_fps=rate, max_pixels=options.max_pixels)
            )
        frames = _number_frames(poses, options, video, str(path))
        header = _make_header(poses, frames, options, video, path)
        stack.callback(part.unlink, missing_ok=True)
        with JsonlWriter(part, header) as writer:
            for record in _make_records(frames, header, video, str(path)):
                writer.write(record.frame, record.time_s, record.instances, record.size_wh)
        part.replace(out)
    return out


@contextmanager
def open_as_poses(path: Path, options: ForeignOptions) -> Iterator[Path]:
    """Save poses of another program for a while, where a `poses.jsonl` is needed.

    Args:
        path: As for `import_poses`.
        options: Likewise.

    Yields:
        The file, which is removed in the end; errors name the other program's.

    Raises:
        PoseTrackError: As for `import_poses`.
    """
    with TemporaryDirectory(prefix="posetrack-") as folder:
        poses = Path(folder) / "poses.jsonl"
        try:
            yield import_poses(path, poses, options)
        except PoseTrackError as error:
            raise type(error)(str(error).replace(str(poses), str(path))) from error


def _number_frames(
    poses: ForeignPoses, options: ForeignOptions, video: VideoSource | None, where: str
) -> dict[int, ForeignFrame]:
    """The frames by their positions in the video, in order."""
    files = () if video is None or video.info.kind != "images" else video.list_files()
    stems = {file.stem: i for i, file in enumerate(files)}
    names = [PurePosixPath(frame.name).stem for frame in poses.frames]
    if stems and all(name in stems for name in names):
        numbers = [stems[name] for name in names]
    elif any(frame.number is None for frame in poses.frames):
        numbers = list(range(len(poses.frames)))
    else:
        first = poses.first_frame if options.first_frame is None else options.first_frame
        numbers = [(frame.number or 0) - first for frame in poses.frames]
    if len(set(numbers)) < len(numbers):
        twice = next(i for i, number in enumerate(numbers) if number in numbers[:i])
        raise ResultsError(
            f"{where}: frame {numbers[twice]} stands twice ({poses.frames[twice].name or 'no name'}); give "
            "poses of one video"
        )
    if numbers and min(numbers) < 0:
        raise ResultsError(
            f"{where}: frame {min(numbers)} comes before the first one; give the number of the first with "
            "--first-frame"
        )
    return dict(sorted(zip(numbers, poses.frames, strict=True)))


def _make_header(
    poses: ForeignPoses,
    frames: Mapping[int, ForeignFrame],
    options: ForeignOptions,
    video: VideoSource | None,
    path: Path,
) -> Header:
    of_images = next((frame.size_wh for frame in frames.values() if frame.size_wh is not None), None)
    size_wh = options.size_wh or poses.size_wh or of_images
    if video is not None:
        size_wh = video.info.width, video.info.height
    if size_wh is None:
        raise ResultsError(
            f"{path}: does not say the size of its images; give the video with --video, or the size with --size"
        )
    fps = options.fps or poses.fps or DEFAULT_FPS
    return Header(
        source=str(path) if video is None else video.info.source,
        width=size_wh[0],
        height=size_wh[1],
        fps=fps if video is None else video.info.fps,
        skeleton=poses.skeleton,
        recipe=poses.kind,
    )


def _make_records(
    frames: Mapping[int, ForeignFrame], header: Header, video: VideoSource | None, where: str
) -> Iterator[Record]:
    if video is not None:
        yield from _follow_video(frames, header, video, where)
        return
    numbers = list(frames)
    missing = numbers[-1] + 1 - numbers[0] - len(numbers) if numbers else 0
    if missing > _FEW_GAPS + _GAPS_PER_FRAME * len(numbers):
        _log.warning("%s: %d frames are missing; they are left out, as of single images", where, missing)
        indices: Iterator[int] = iter(numbers)
    else:
        indices = iter(range(numbers[0], numbers[-1] + 1) if numbers else ())
    for index in indices:
        frame = frames.get(index)
        time_s = float(index / header.fps)
        if frame is None:
            yield Record(index, time_s, Instances.empty())
        else:
            size_wh = frame.size_wh if frame.size_wh != header.size_wh else None
            yield Record(index, time_s, frame.read(), size_wh)


def _follow_video(
    frames: Mapping[int, ForeignFrame], header: Header, video: VideoSource, where: str
) -> Iterator[Record]:
    last = -1
    for image in video:
        last, found = image.index, frames.get(image.index)
        people = Instances.empty() if found is None else found.read()
        said = None if found is None else found.size_wh
        if said is not None and said != image.size_wh:
            raise ResultsError(
                f"{where}: frame {last}: {said[0]} x {said[1]}, but in {header.source} {image.size_wh[0]} x "
                f"{image.size_wh[1]}; give the video that the poses come from"
            )
        size_wh = image.size_wh if image.size_wh != header.size_wh else None
        yield Record(last, image.time_s, people, size_wh)
    beyond = next((index for index in frames if index > last), None)
    if beyond is not None:
        raise ResultsError(
            f"{where}: has frame {beyond}, but {header.source} ends at {last}; give the video that the poses "
            "are from, or the number of the first frame with --first-frame"
        )
