"""COCO keypoints: one `coco.json` with images, annotations and categories, as `pycocotools` reads it."""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from posetrack.frame import UNTRACKED
from posetrack.results.coco_entries import PERSON_CATEGORY_ID, encode_entries
from posetrack.results.files import open_whole_file, write_json_array
from posetrack.results.masks import compute_mask_areas
from posetrack.results.people import ExportedPeople, ExportOptions, flatten_keypoints, select_people
from posetrack.results.record import Header, Record
from posetrack.results.rounding import round_pixels, round_time
from posetrack.skeleton import Skeleton
from posetrack.skeleton_files import list_category_fields
from trackers.oks import SEGMENT_FRACTION

_VISIBLE = 2


class _Images:
    """The images of the frames that went by, a few numbers each."""

    def __init__(self) -> None:
        self._frames, self._times_s = array("q"), array("d")
        self._widths, self._heights = array("q"), array("q")

    def add(self, record: Record, header: Header) -> None:
        """Note the image of a frame."""
        width, height = record.get_size_wh(header)
        self._frames.append(record.frame)
        self._times_s.append(record.time_s)
        self._widths.append(width)
        self._heights.append(height)

    def describe(self, video_name: str) -> Iterator[dict[str, object]]:
        """Make COCO's entries, in order."""
        columns = zip(self._frames, self._times_s, self._widths, self._heights, strict=True)
        for frame, time_s, width, height in columns:
            yield {
                "id": frame,
                "file_name": f"{video_name}/{frame:06d}.jpg",
                "width": width,
                "height": height,
                "time": round_time(time_s),
            }


def write_coco(records: Iterable[Record], header: Header, out_dir: Path, options: ExportOptions) -> Path:
    """Write `coco.json`.

    It loads with `COCO(path)`, and its list of annotations as results with `loadRes`. An image's id is the
    frame's index and it carries its time in seconds. Keypoints are indices of pixels; one that is present has
    v = 2. People with a mask
    have it as `segmentation` (RLE) and its area; the others have the area of their box. Beside COCO's own
    fields an annotation has `score` (`Instances.person_scores`), `track_id` (-1: none) and `keypoint_scores`.
    Ground truth has none of the scores and no keypoint outside the image, and the area of a box is scaled to
    that of a person.

    Args:
        records: Frames in order, one at a time in memory.
        header: Of the video.
        out_dir: The folder to write into.
        options: Thresholds for people and keypoints.

    Returns:
        The file.

    Raises:
        ResultsError: The file cannot be written.
    """
    path = out_dir / "coco.json"
    images = _Images()
    with open_whole_file(path) as file:
        info = {"description": f"{header.source}, by PoseTrack with recipe {header.recipe}"}
        file.write(f'{{"info": {json.dumps(info)},\n"annotations": ')
        write_json_array(file, _make_annotations(records, header, options, images))
        file.write(',\n"images": ')
        write_json_array(file, images.describe(header.video_name))
        file.write(f',\n"categories": {json.dumps([_make_category(header.skeleton)])}}}\n')
    return path


def _make_annotations(
    records: Iterable[Record], header: Header, options: ExportOptions, images: _Images
) -> Iterator[dict[str, object]]:
    """Make one annotation a person, and note every frame that went by in `images`."""
    annotation_id = 0
    for record in records:
        images.add(record, header)
        people = select_people(record.instances, header.skeleton, options, keypoints_as_indices=True)
        if options.is_truth:
            people = _drop_outside(people, record.get_size_wh(header))
        entries = encode_entries(
            record.frame,
            people.person_scores,
            boxes_xywh=people.boxes_xywh,
            keypoints=flatten_keypoints(people, _VISIBLE),
            masks=people.masks,
        )
        for entry, track_id, keypoint_scores, area in zip(
            entries,
            people.track_ids.tolist(),
            (people.keypoint_scores * people.present).tolist(),
            _measure_areas(people, is_truth=options.is_truth),
            strict=True,
        ):
            annotation_id += 1  # From 1: COCO's evaluation takes 0 for "no annotation".
            annotation = {
                "id": annotation_id,
                **entry,
                "area": area,
                "iscrowd": 0,
                "num_keypoints": entry["keypoints"][2::3].count(_VISIBLE),
                "track_id": track_id,
                "keypoint_scores": keypoint_scores,
            }
            yield _drop_predicted(annotation) if options.is_truth else annotation


def _drop_outside(people: ExportedPeople, size_wh: tuple[int, int]) -> ExportedPeople:
    """The people without keypoints outside the image, which are a guess and which nobody could annotate."""
    inside = ((people.keypoints_xy >= 0) & (people.keypoints_xy < size_wh)).all(axis=2)
    return replace(people, present=people.present & inside)


def _drop_predicted(annotation: dict[str, object]) -> dict[str, object]:
    """An annotation without what only predictions have."""
    dropped = {"score", "keypoint_scores"}
    if annotation["track_id"] == UNTRACKED:
        dropped.add("track_id")
    return {name: value for name, value in annotation.items() if name not in dropped}


def _measure_areas(people: ExportedPeople, *, is_truth: bool) -> list[float]:
    """Areas of the masks, or else of the boxes, in square pixels, one a person.

    OKS takes the area of a true person for that of the segment, which is smaller than the box.
    """
    if people.masks is not None:
        return compute_mask_areas(people.masks)
    scale = SEGMENT_FRACTION if is_truth else 1.0
    areas: list[float] = round_pixels(scale * people.boxes_xywh[:, 2:].prod(axis=1)).tolist()
    return areas


def _make_category(skeleton: Skeleton) -> dict[str, object]:
    return {
        "id": PERSON_CATEGORY_ID,
        "name": "person",
        "supercategory": "person",
        **list_category_fields(skeleton),
    }
