import pytest

from models.settings import SettingsError
from posetrack.skeleton import COCO_17
from posetrack.training.skeletons import find_skeleton


def test_skeletons_are_found_by_name():
    assert find_skeleton("coco17") is COCO_17


def test_unknown_skeletons_are_named():
    with pytest.raises(SettingsError, match=r"data\.skeleton: unknown 'coco71'; did you mean 'coco17'\?"):
        find_skeleton("coco71")
