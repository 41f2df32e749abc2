import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from posetrack.errors import ResultsError
from posetrack.evaluation.posetrack.average_precision import KeypointLabels, integrate_curve
from posetrack.evaluation.posetrack.evaluate import SequenceEvaluation, TrackAssignment, collect
from posetrack.evaluation.posetrack.hota import ALPHAS, HotaCounts
from posetrack.evaluation.posetrack.metrics import SequenceCounts
from posetrack.evaluation.posetrack.mota import MotCounts
from posetrack.evaluation.posetrack.plots import (
    color_of,
    draw_mota,
    draw_plots,
    draw_timeline,
    find_segments,
    find_switches,
    make_envelope,
)

K = 15


def make_assignment(*rows: tuple[int, int, int]) -> TrackAssignment:
    frames, people, tracks = np.array(rows, np.int64).reshape(-1, 3).T
    true_ids, predicted_ids = (np.arange(column.max(initial=-1) + 1) + 100 for column in (people, tracks))
    return TrackAssignment(frames, people, tracks, true_ids, predicted_ids)


ASSIGNMENT = make_assignment(
    # frame, person, predicted track
    (0, 0, 5),
    (0, 1, 6),
    (1, 0, 5),
    (1, 1, -1),
    (2, 0, 7),  # another track: a switch
    (2, 1, 6),  # the same as before it was missed: none
    (3, 1, -1),
    (4, 1, 5),  # another than before it was missed: a switch
    (6, 0, 7),  # back after two frames outside the image: none
    (7, 0, 5),  # back to its first track: a switch
)


def make_counts(*, tracked: bool = True) -> SequenceCounts:
    labels = KeypointLabels(
        (np.array([0.9, 0.8, 0.7]),) * K, (np.array([True, False, True]),) * K, np.full(K, 4, np.int64)
    )
    if not tracked:
        return SequenceCounts(labels, None, None)
    ints = (np.full(K, 4), np.full(K, 3), np.full(K, 2), np.full(K, 1))
    mot = MotCounts(*ints, np.full(K, 0.2), np.full(K, 0.4))
    shape = (len(ALPHAS), K)
    hota = HotaCounts(np.full(K, 4), np.full(K, 3), np.full(shape, 2), np.ones(shape), np.ones(shape))
    return SequenceCounts(labels, mot, hota)


def make_sequence(name: str = "street", *, tracked: bool = True) -> SequenceEvaluation:
    return SequenceEvaluation(name, 8, make_counts(tracked=tracked), ASSIGNMENT)


def read_png_size(path: Path) -> tuple[int, int]:
    content = path.read_bytes()
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", content[16:24])
    return width, height


def test_a_switch_is_another_track_than_the_last_one_the_person_had():
    rows = np.flatnonzero(find_switches(ASSIGNMENT))
    assert rows.tolist() == [4, 7, 9]
    assert find_switches(make_assignment()).tolist() == []
    assert find_switches(make_assignment((0, 0, -1), (1, 0, 3), (2, 0, 3))).tolist() == [False] * 3


def test_segments_end_where_the_track_changes_or_the_person_leaves():
    assert find_segments(ASSIGNMENT).tolist() == [
        [0, 5, 0, 1],
        [0, 7, 2, 2],
        [0, 7, 6, 6],
        [0, 5, 7, 7],
        [1, 6, 0, 0],
        [1, -1, 1, 1],
        [1, 6, 2, 2],
        [1, -1, 3, 3],
        [1, 5, 4, 4],
    ]
    assert find_segments(make_assignment()).shape == (0, 4)


def test_the_area_under_the_drawn_curve_is_the_average_precision():
    rng = np.random.default_rng(0)
    for num in (0, 1, 2, 50):
        found = (rng.random(num) < 0.6).cumsum()
        precision, recall = found / np.arange(1, num + 1), found / 60
        x, y = make_envelope(precision, recall)
        area = float((np.diff(x) * (y[1:] + y[:-1]) / 2).sum())
        assert area == pytest.approx(integrate_curve(precision, recall))


def test_neighbouring_tracks_differ_in_colour_and_from_missed():
    colors = np.array([color_of(track) for track in range(60)])
    grey = np.array(color_of(-1))
    for track in range(60):
        others = colors[track + 1 : track + 25]
        assert (np.abs(others - colors[track]).sum(axis=1) > 0.25).all()
        assert np.ptp(colors[track]) > 0.3
    assert np.ptp(grey) == 0


def test_every_image_is_drawn(tmp_path):
    evaluation = collect([make_sequence("b"), make_sequence("a$x$")])
    paths = draw_plots(evaluation, tmp_path / "new" / "plots")
    assert [path.name for path in paths] == [
        "precision_recall.png",
        "mota_per_sequence.png",
        "timeline_a$x$.png",
        "timeline_b.png",
    ]
    for path in paths:
        width, height = read_png_size(path)
        assert 600 < width < 2000
        assert 100 < height < 2000
    assert sorted(path.name for path in (tmp_path / "new" / "plots").iterdir()) == sorted(
        path.name for path in paths
    )


def test_without_track_ids_only_the_curves_are_drawn(tmp_path):
    paths = draw_plots(collect([make_sequence(tracked=False)]), tmp_path)
    assert [path.name for path in paths] == ["precision_recall.png"]


def test_sequences_with_ids_are_drawn_beside_those_without(tmp_path):
    paths = draw_plots(collect([make_sequence("a", tracked=False), make_sequence("b")]), tmp_path)
    assert [path.name for path in paths] == ["precision_recall.png", "mota_per_sequence.png", "timeline_b.png"]


def test_the_timeline_says_how_often_ids_switch():
    axes = draw_timeline(make_sequence(), note="\n(corrected)").axes[0]
    assert axes.get_title() == "street: id timeline, 3 switches, 2 of 10 poses missed\n(corrected)"
    # Of each switch its person, and the border between the frames; a white bar below a black one.
    assert [marks.get_offsets().tolist() for marks in axes.collections[1:]] == [
        [[1.5, 0], [3.5, 1], [6.5, 0]]
    ] * 2


@pytest.mark.parametrize(("num_people", "num_frames"), [(0, 0), (1, 1), (60, 3), (2, 1000)])
def test_timelines_of_any_size_stay_readable(num_people, num_frames):
    rows = [(frame, person, person) for frame in range(num_frames) for person in range(num_people)]
    sequence = SequenceEvaluation("street", num_frames, make_counts(), make_assignment(*rows))
    figure = draw_timeline(sequence)
    width_in, height_in = figure.get_size_inches()
    assert 5 < width_in < 20
    assert height_in >= 0.2 * num_people
    assert len(figure.axes[0].get_yticks()) == num_people
    assert ", 0 switches," in figure.axes[0].get_title()


def test_bars_are_sorted_and_undefined_ones_last():
    figure = draw_mota({"low": -350.0, "none": np.nan, "best": 80.0, "good": 20.0}, 33.3)
    axes = figure.axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["best", "good", "low", "none"]
    assert [bar.get_width() for bar in axes.patches] == [80.0, 20.0, -100.0, 0.0]
    assert [text.get_text() for text in axes.texts] == ["80.0", "20.0", "-350.0", "-"]
    # The best on top.
    bottom, top = axes.get_ylim()
    assert bottom > top
    assert axes.lines[0].get_xdata()[0] == 33.3


def test_200_bars_have_room_and_one_has_a_image():
    many = draw_mota({f"{number:06d}_mpii_test": 50.0 for number in range(200)}, 50.0)
    assert many.get_size_inches()[1] > 200 * 0.15
    assert len(many.axes[0].patches) == 200
    one = draw_mota({"street": np.nan}, np.nan)
    assert one.get_size_inches()[1] > 0.5
    assert len(one.axes[0].lines) == 0


def test_a_folder_that_cannot_be_written_is_a_one_line_error(tmp_path):
    (tmp_path / "file").write_text("")
    evaluation = collect([make_sequence()])
    with pytest.raises(ResultsError, match="file: cannot be written: ") as caught:
        draw_plots(evaluation, tmp_path / "file")
    assert "\n" not in str(caught.value)
    (tmp_path / "out" / "precision_recall.png").mkdir(parents=True)
    with pytest.raises(ResultsError, match=r"precision_recall\.png: cannot be written: is a directory"):
        draw_plots(evaluation, tmp_path / "out")


def test_drawing_needs_no_pyplot():
    code = (
        "import sys, posetrack.evaluation.posetrack.plots as plots\n"
        "plots.draw_mota({'a': 1.0}, 1.0).canvas.draw()\n"
        "sys.exit('matplotlib.pyplot' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
