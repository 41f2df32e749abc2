from dataclasses import fields, replace
from io import StringIO

import numpy as np
import pytest
from rich.console import Console

from posetrack.evaluation.posetrack.average_precision import KeypointLabels
from posetrack.evaluation.posetrack.evaluate import PoseTrackEvaluation, SequenceEvaluation, TrackAssignment
from posetrack.evaluation.posetrack.metrics import NAMES, PoseTrackMetrics, SequenceCounts
from posetrack.evaluation.posetrack.mota import MotCounts
from posetrack.evaluation.posetrack.report import CORRECTED_NOTE, format_latex, format_percent, make_tables

NOBODY = np.zeros(0, np.int64)
LABELS = KeypointLabels((np.zeros(0),) * 15, (np.zeros(0, bool),) * 15, np.zeros(15, np.int64))
MOT = MotCounts(*(np.zeros(15, np.int64),) * 4, *(np.zeros(15),) * 2)


def make_metrics(first: float = 10.0) -> PoseTrackMetrics:
    """Each measure has its own start: joint k is 0.2 k^2 above it, the total 50."""
    measures = {}
    for position, entry in enumerate(fields(PoseTrackMetrics)):
        start = first + position
        measures[entry.name] = np.append(start + 0.2 * np.arange(15) ** 2, start + 50)
    return PoseTrackMetrics(**measures)


def make_evaluation(*names: str, untracked: int = 0) -> PoseTrackEvaluation:
    sequences = tuple(
        SequenceEvaluation(
            name,
            1,
            SequenceCounts(LABELS, None if position < untracked else MOT, None),
            TrackAssignment(NOBODY, NOBODY, NOBODY, NOBODY, NOBODY),
        )
        for position, name in enumerate(names)
    )
    per_sequence = {name: make_metrics(10.0 + position) for position, name in enumerate(names)}
    return PoseTrackEvaluation(make_metrics(30.0), per_sequence, sequences)


def cells_of(table) -> list[list[str]]:
    return [
        list(row)
        for row in zip(*([str(cell) for cell in column.cells] for column in table.columns), strict=True)
    ]


def show(table, width: int) -> str:
    file = StringIO()
    Console(file=file, width=width).print(table)
    return file.getvalue()


def test_the_columns_are_those_of_the_papers():
    tables = make_tables(make_evaluation("a"))
    joints = ["Head", "Shou", "Elb", "Wri", "Hip", "Knee", "Ankl", "Total"]
    headings = [[str(column.header).replace("\n", "") for column in table.columns] for table in tables]
    assert headings == [
        joints,
        [*joints, "MOTP", "Prec", "Rec"],
        [*joints, "DetA", "AssA", "FragA", "FA-HOTA"],
    ]
    assert [table.title for table in tables] == [
        "Average precision (AP)",
        "Multiple object tracking (MOTA)",
        "HOTA",
    ]


def test_each_column_is_the_mean_of_its_joints_and_each_total_its_measures():
    ap, mot, hota = (cells_of(table) for table in make_tables(make_evaluation("a")))
    # By number, shoulders are 8 and 9, elbows 7 and 10, wrists 6 and 11, hips 2 and 3, knees 1 and 4, ankles 0
    # and 5; neck, nose and head top are 12 to 14.
    assert ap == [["63.9", "44.5", "44.9", "45.7", "31.3", "31.7", "32.5", "80.0"]]
    start = {entry.name: 30 + position for position, entry in enumerate(fields(PoseTrackMetrics))}
    assert mot[0][0] == f"{start['mota'] + 0.2 * 509 / 3:.1f}"
    assert mot[0][7:] == [f"{start[name] + 50:.1f}" for name in ("mota", "motp", "mot_precision", "mot_recall")]
    assert hota[0][6:8] == [f"{start['hota'] + 2.5:.1f}", f"{start['hota'] + 50:.1f}"]
    assert hota[0][8:] == [f"{start[name] + 50:.1f}" for name in ("deta", "assa", "fraga", "fa_hota")]


def test_what_is_undefined_is_a_dash():
    evaluation = make_evaluation("a")
    ap = evaluation.total.ap.copy()
    ap[NAMES.index("left_wrist")] = np.nan
    mota = np.full(16, np.nan)
    evaluation = replace(evaluation, total=replace(evaluation.total, ap=ap, mota=mota))
    tables = make_tables(evaluation)
    assert cells_of(tables[0])[0][2:5] == ["44.9", "-", "31.3"]
    assert cells_of(tables[1])[0][:8] == ["-"] * 8
    assert cells_of(tables[1])[0][8] != "-"


def test_corrected_stands_in_every_title():
    for table in make_tables(make_evaluation("a"), corrected=True):
        assert "corrected: not comparable with published numbers" in str(table.title)
    for table in make_tables(make_evaluation("a")):
        assert "corrected" not in str(table.title)


def test_a_row_a_sequence_above_the_total_set_off_by_a_line():
    tables = make_tables(make_evaluation("one", "[two]"), per_sequence=True)
    for table, start in zip(tables, (10, 13, 18), strict=True):
        rows = cells_of(table)
        assert [row[0] for row in rows] == ["one", "[two]", "total"]
        assert [row[8] for row in rows] == [f"{start + 50:.1f}", f"{start + 51:.1f}", f"{start + 70:.1f}"]
        lines = show(table, 80).splitlines()
        last = next(number for number, line in enumerate(lines) if line.startswith("total"))
        assert set(lines[last - 1].strip()) == {"─"}
        # A name is no markup.
        assert lines[last - 2].startswith("[two]")


@pytest.mark.parametrize(
    ("untracked", "caption"), [(2, "no track ids: AP only"), (1, "no track ids in 1 of 2 sequences: AP only")]
)
def test_without_track_ids_there_is_one_table(untracked, caption):
    tables = make_tables(make_evaluation("a", "b", untracked=untracked))
    assert [table.title for table in tables] == ["Average precision (AP)"]
    assert tables[0].caption == caption


@pytest.mark.parametrize("width", [80, 200])
def test_no_number_is_cut(width):
    name = "000100_mpii_test" * 3
    evaluation = make_evaluation(name)
    low = replace(make_metrics(), mota=-np.linspace(300, 999.9, 16))
    evaluation = replace(evaluation, per_sequence={name: low})
    for table in make_tables(evaluation, per_sequence=True):
        text = show(table, width)
        words = text.split()
        for row in cells_of(table):
            assert set(row[1:]) <= set(words)
        assert "…" not in text
        assert max(map(len, text.splitlines())) <= width


def test_names_of_the_data_set_stay_on_one_line_in_80_columns():
    for table in make_tables(make_evaluation("000100_mpii_test"), per_sequence=True):
        assert "000100_mpii_test " in show(table, 80)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0.0"),
        (-0.04, "0.0"),
        (99.96, "100.0"),
        (12.34, "12.3"),
        (-12.36, "-12.4"),
        (-999.9, "-999.9"),
        (-999.96, "-1000"),
        (-2345.6, "-2346"),
        (np.nan, "-"),
    ],
)
def test_one_decimal_unless_far_below_zero(value, text):
    assert format_percent(value) == text


def test_latex_has_headings_and_numbers_of_all_three():
    metrics = replace(make_metrics(30.0), motp=np.full(16, np.nan))
    comments, rows = [], []
    for line in format_latex(metrics).splitlines():
        if line.startswith("%"):
            comments.append(line)
            continue
        assert line.startswith("& ")
        assert line.endswith(r" \\")
        rows.append([cell.strip() for cell in line.removeprefix("&").removesuffix(r"\\").split("&")])
    assert [comment.split(",")[0] for comment in comments] == ["% AP", "% MOTA", "% HOTA"]
    assert [len(row) for row in rows] == [8, 8, 11, 11, 12, 12]
    assert rows[0] == ["Head", "Shou", "Elb", "Wri", "Hip", "Knee", "Ankl", "Total"]
    assert rows[1] == ["63.9", "44.5", "44.9", "45.7", "31.3", "31.7", "32.5", "80.0"]
    assert rows[2][8:] == ["MOTP", "Prec", "Rec"]
    assert rows[3][7:] == ["83.0", "-", "86.0", "87.0"]
    assert rows[5][7:] == ["88.0", "89.0", "90.0", "91.0", "92.0"]


def test_latex_says_in_comments_that_numbers_are_corrected():
    lines = format_latex(make_metrics(), corrected=True).splitlines()
    assert [CORRECTED_NOTE in line for line in lines] == [True, False, False] * 3
