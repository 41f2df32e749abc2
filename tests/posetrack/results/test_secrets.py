"""Results of earlier versions may hold an address with its password: what is made from them does not."""

import pytest
from typer.testing import CliRunner

from posetrack.cli.main import app
from posetrack.results.export import FORMATS
from posetrack.results.jsonl import JsonlWriter, read_jsonl
from posetrack.results.poses import SavedPoses

SOURCE = "http://me:S3CRET@host:80/clips/two.mp4?key=S3CRET"


@pytest.fixture
def old_poses(header, records, tmp_path):
    path = tmp_path / "poses.jsonl"
    with JsonlWriter(path, header) as writer:
        for record in records:
            writer.write(record.frame, record.time_s, record.instances)
    path.write_text(path.read_text().replace(header.source, SOURCE))
    assert "S3CRET" in path.read_text()
    return path


def test_the_header_of_an_old_file_is_read_without_secrets(old_poses):
    header, _ = read_jsonl(old_poses)
    assert header.source == "http://***@host:80/clips/two.mp4?***"
    assert header.video_name == "two"
    assert "S3CRET" not in repr(SavedPoses(old_poses))


@pytest.mark.parametrize("name", FORMATS)
def test_no_format_repeats_secrets(name, old_poses, tmp_path):
    done = CliRunner().invoke(app, ["convert", str(old_poses), "--to", name, "--out", str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    written = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert written
    assert not [path for path in written if "S3CRET" in path.read_text() + path.name]


def test_retrack_asks_for_a_source_whose_secrets_were_not_saved(old_poses, tmp_path):
    done = CliRunner().invoke(app, ["retrack", str(old_poses), "--out", str(tmp_path / "new.jsonl")])
    assert done.exit_code == 0, done.output
    assert "its secrets were not saved; give it with --video" in done.output
    assert "S3CRET" not in done.output + (tmp_path / "new.jsonl").read_text()
