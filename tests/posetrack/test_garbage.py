"""Loading without the garbage collector."""

import gc

import pytest

from posetrack import garbage
from posetrack.garbage import without_garbage


@pytest.fixture(autouse=True)
def _a_process_that_has_loaded_nothing(monkeypatch):
    monkeypatch.setattr(garbage, "_frozen", [])
    yield
    gc.unfreeze()
    gc.enable()


def test_garbage_is_collected_again_afterwards_whatever_happens():
    with without_garbage():
        assert not gc.isenabled()
        with without_garbage():
            pass
        assert not gc.isenabled(), "the outer one lasts"
    assert gc.isenabled()

    def fail():
        with without_garbage():
            raise ValueError("no such file")

    with pytest.raises(ValueError, match="no such"):
        fail()
    assert gc.isenabled()


def test_only_what_is_loaded_first_is_kept_for_good():
    gc.unfreeze()
    with without_garbage():
        pass
    first = gc.get_freeze_count()
    assert first > 1000
    with without_garbage():
        _ = [[] for _ in range(5000)]
    assert gc.get_freeze_count() <= first


def test_a_process_without_a_collector_stays_so():
    gc.disable()
    with without_garbage():
        pass
    assert not gc.isenabled()
