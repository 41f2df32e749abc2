import pytest
from made_crossing import make_crossing, write_poses


@pytest.fixture
def poses(tmp_path):
    return write_poses(tmp_path / "poses.jsonl", make_crossing())
