"""`summary.csv`: rows of earlier runs stay, and say what is finished."""

from pathlib import Path

import pytest

from posetrack.errors import ResultsError
from posetrack.run.finished import report_finished
from posetrack.run.report import RunReport
from posetrack.workers.summary import Summary, SummaryRow, make_row

REPORT = RunReport("clip", 40, 100, 3, 8.0, 0, ())


def test_rows_are_read_back_and_replaced(tmp_path):
    path = tmp_path / "out" / "summary.csv"
    summary = Summary(path)
    summary.add(make_row("clip.mp4", "clip", REPORT, "1"))
    summary.add(SummaryRow("bad.mp4", "", error="bad.mp4: not a video, says FFmpeg"))
    assert path.read_text().splitlines() == [
        "source,folder,frames,people,ids,fps,seconds,worker,error",
        "clip.mp4,clip,40,2.5,3,5.0,8.0,1,",
        'bad.mp4,,0,0.0,0,0.0,0.0,,"bad.mp4: not a video, says FFmpeg"',
    ]
    again = Summary(path)
    assert again.find_finished("clip.mp4", "clip") == make_row("clip.mp4", "clip", REPORT, "1")
    assert again.find_finished("other.mp4", "clip") is None
    assert again.find_finished("bad.mp4", "bad") is None
    again.add(make_row("bad.mp4", "bad", REPORT, "2"))
    assert [line.split(",")[1] for line in path.read_text().splitlines()[1:]] == ["clip", "bad"]


def test_a_failed_source_is_not_finished(tmp_path):
    summary = Summary(tmp_path / "summary.csv")
    summary.add(make_row("clip.mp4", "clip", REPORT, "1", "clip: 2 damaged packets (--strict)"))
    assert summary.find_finished("clip.mp4", "clip") is None


@pytest.mark.parametrize("content", [b"a,b\n1,2\n", b"\xff\xfe", b""])
def test_another_file_of_that_name_is_not_replaced(content, tmp_path):
    path = tmp_path / "summary.csv"
    path.write_bytes(content)
    with pytest.raises(ResultsError, match=r"summary\.csv: .*move it away, or use another --out"):
        Summary(path)
    assert path.read_bytes() == content


def test_a_damaged_row_is_told(tmp_path):
    path = tmp_path / "summary.csv"
    Summary(path).add(make_row("clip.mp4", "clip", REPORT, "1"))
    path.write_text(path.read_text().replace(",40,", ",forty,"))
    with pytest.raises(ResultsError, match="cannot be read"):
        Summary(path)


def test_a_run_is_not_finished_where_a_file_is_missing():
    assert report_finished(Path("none.jsonl"), 3, [Path("no-such-overlay.mp4")], "clip") is None
