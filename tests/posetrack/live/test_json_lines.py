"""JSON lines into a pipe."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterator

import pytest

from posetrack.live.json_lines import JsonLines
from posetrack.results.jsonl import read_jsonl
from posetrack.skeleton import COCO_17


def make_output(file) -> JsonLines:
    return JsonLines(file, source="cam", skeleton=COCO_17, recipe="fast")


def test_a_header_with_the_first_image_then_a_line_a_image(make_image):
    file = io.BytesIO()
    output = make_output(file)
    assert file.getvalue() == b""
    output.show(make_image(4, time_s=0.25))
    assert file.getvalue().count(b"\n") == 2, "at once"
    output.show(make_image(9, time_s=0.5))
    output.close()
    header, first, second = map(json.loads, file.getvalue().splitlines())
    assert header["schema"] == "posetrack/1"
    assert (header["source"], header["recipe"], header["width"], header["height"]) == ("cam", "fast", 64, 48)
    assert (first["frame"], first["time"]) == (4, 0.25)
    assert (second["frame"], second["time"]) == (9, 0.5)
    (person,) = first["people"]
    assert (person["track_id"], person["box"]) == (7, [1.0, 2.0, 30.0, 40.0])


def test_what_it_writes_is_what_results_files_hold(tmp_path, make_image):
    path = tmp_path / "poses.jsonl"
    with path.open("wb", buffering=0) as file:
        output = make_output(file)
        for index in range(3):
            output.show(make_image(index))
    header, records = read_jsonl(path)
    assert header.skeleton == COCO_17
    assert [record.frame for record in records] == [0, 1, 2]


def test_lines_are_whole_where_a_pipe_takes_them_piece_by_piece(make_image):
    class Pipe(io.BytesIO):
        def write(self, data) -> int | None:
            self.is_full = not getattr(self, "is_full", False)
            return None if self.is_full else super().write(data[:10])

    pipe = Pipe()
    make_output(pipe).show(make_image())
    assert [
        json.loads(line)["schema" if i == 0 else "frame"] for i, line in enumerate(pipe.getvalue().splitlines())
    ] == ["posetrack/1", 0]


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reading, writing = os.pipe()
    yield reading, writing
    os.close(writing)


def test_a_reader_who_is_gone_is_told_to_the_session(pipe, make_image):
    reading, writing = pipe
    os.close(reading)
    with open(writing, "wb", buffering=0, closefd=False) as file, pytest.raises(BrokenPipeError):
        make_output(file).show(make_image())
