"""PoseTrack17 predictions: an `annolist` of frames, one file a video, named like its ground truth."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from posetrack.results.files import open_whole_file, write_json_array
from posetrack.results.people import ExportedPeople, ExportOptions
from posetrack.results.posetrack_people import TrackNumbers, raise_zero_scores, select_posetrack_people
from posetrack.results.record import Header, Record


def write_posetrack17(records: Iterable[Record], header: Header, out_dir: Path, options: ExportOptions) -> Path:
    """Write `posetrack17/<video>.json`.

    The video's keypoints become PoseTrack's (`find_posetrack_conversion`). The head box x1, y1, x2, y2 is
    zeros: only that of the ground truth is used.

    Args:
        records: Frames in order, one at a time in memory.
        header: Of the video.
        out_dir: The folder that holds `posetrack17/`.
        options: Thresholds for people and keypoints.

    Returns:
        The file.

    Raises:
        ResultsError: The file cannot be written, or the video has more than 10,000 tracks.
    """
    path = out_dir / "posetrack17" / f"{header.video_name}.json"
    with open_whole_file(path) as file:
        file.write('{"annolist": ')
        write_json_array(file, _make_frames(records, header, options))
        file.write("}\n")
    return path


def _make_frames(
    records: Iterable[Record], header: Header, options: ExportOptions
) -> Iterator[dict[str, object]]:
    numbers = TrackNumbers()
    for record in records:
        people = select_posetrack_people(record.instances, header.skeleton, options)
        yield {
            "image": [{"name": f"images/{header.video_name}/{record.frame:08d}.jpg"}],
            "imgnum": [record.frame + 1],
            "is_labeled": [int(len(people) > 0)],
            "annorect": [
                {
                    "x1": [0.0],
                    "y1": [0.0],
                    "x2": [0.0],
                    "y2": [0.0],
                    "score": [score],
                    "track_id": [track_id],
                    "annopoints": [{"point": points}],
                }
                for score, track_id, points in zip(
                    raise_zero_scores(people.person_scores),
                    numbers.number(people.track_ids),
                    _make_points(people),
                    strict=True,
                )
            ],
        }


def _make_points(people: ExportedPeople) -> list[list[dict[str, object]]]:
    return [
        [
            {"id": [joint], "x": [x], "y": [y], "score": [score]}
            for joint, ((x, y), score, is_present) in enumerate(zip(points, scores, flags, strict=True))
            if is_present
        ]
        for points, scores, flags in zip(
            people.keypoints_xy.tolist(),
            people.keypoint_scores.tolist(),
            people.present.tolist(),
            strict=True,
        )
    ]
