from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from posetrack import Tracker
from posetrack.errors import ResultsError
from posetrack.frame import Frame, Instances
from posetrack.processors.restored import skip_restored
from posetrack.results.record import Record
from posetrack.run.resume import restore

CLIP = Path(__file__).parents[3] / "docs" / "media" / "street.mp4"
IMAGE = np.zeros((4, 4, 3), np.uint8)
SOMEONE = Instances(boxes_xyxy=[[0, 0, 1, 1]], track_ids=[7])


def make_frames(count, first=0):
    return iter([Frame(i, i / 25, IMAGE) for i in range(first, first + count)])


def mark(frames):
    """Stands for a network: counts what it sees."""
    for frame in frames:
        yield replace(frame, instances=Instances(box_scores=[0.5], boxes_xyxy=[[1, 1, 2, 2]]))


@pytest.mark.parametrize("saved", [0, 1, 3, 5])
def test_saved_frames_keep_their_people_and_networks_see_the_rest(saved):
    records = [Record(i, i / 25, SOMEONE) for i in range(saved)]
    frames = list(skip_restored(mark)(restore(records, "x.jsonl")(make_frames(5))))
    assert [frame.index for frame in frames] == list(range(5))
    assert all(frame.instances is SOMEONE for frame in frames[:saved])
    assert [frame.is_restored for frame in frames] == [True] * saved + [False] * (5 - saved)
    assert all(frame.instances.track_ids is None and len(frame.instances) == 1 for frame in frames[saved:])


def test_a_saved_frame_without_anybody_counts_as_restored():
    nobody = Instances(boxes_xyxy=np.zeros((0, 4)), track_ids=[])
    first, second = skip_restored(mark)(restore([Record(0, 0.0, nobody)], "x.jsonl")(make_frames(2)))
    assert (len(first.instances), len(second.instances)) == (0, 1)


def test_frames_of_another_part_are_refused():
    with pytest.raises(ResultsError, match=r"x.jsonl: continues with frame 0, .* frame 50; .*--start"):
        list(restore([Record(0, 0.0, SOMEONE)], "x.jsonl")(make_frames(3, first=50)))


def test_ids_that_no_run_saved_are_no_reason_to_pass_by_the_networks():
    frames = [Frame(0, 0.0, IMAGE, SOMEONE)]
    (seen,) = skip_restored(mark)(iter(frames))
    assert seen.instances.track_ids is None


@pytest.mark.parametrize("content", [b"", b'{"schema": "posetrack/1", "sou', b"\n"])
def test_a_run_that_was_killed_before_its_first_line_was_whole_starts_over(content, tmp_path, caplog):
    (tmp_path / "poses.jsonl").write_bytes(content)
    report = Tracker("fast").run(CLIP, tmp_path, start_s=3.2, end_s=3.3, overlay=False, existing="resume")
    assert report.num_frames == 3
    assert len((tmp_path / "poses.jsonl").read_text().splitlines()) == 4
    assert "was cut off before its first frame; it starts over" in caplog.text
