"""The code in docs/extend.md runs as it stands, and does what the page says."""

import re
from pathlib import Path

import pytest

import posetrack

ROOT = Path(__file__).parents[2]
BLOCKS = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "extend.md").read_text(), re.DOTALL)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A folder in which the paths of the page lead to the clip."""
    (tmp_path / "docs").symlink_to(ROOT / "docs")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_processor_keeps_raised_hands(folder):
    names: dict[str, object] = {}
    exec(compile(BLOCKS[0], "docs/extend.md", "exec"), names)
    assert len(re.findall(r"\n\S|\n +\S", BLOCKS[0])) <= 23, "about twenty lines"
    people = sum(
        len(frame.instances) for frame in posetrack.track("docs/media/street.mp4", recipe="fast", start_s=3)
    )
    assert people > 0
    assert names["report"].num_frames == 25
    assert names["report"].num_people == 0, "the cyclist raises no hand"


def test_the_network_finds_and_tracks(capsys):
    exec(compile(BLOCKS[1], "docs/extend.md", "exec"), {})
    assert capsys.readouterr().out == "".join(f"{i} [1]\n" for i in range(80, 85))
