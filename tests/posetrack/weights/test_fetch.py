"""Fetching on systems that have no file locks."""

from __future__ import annotations

import importlib.util
import sys

from posetrack.weights import fetch


def test_windows_has_no_locks_and_needs_none(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setitem(sys.modules, "fcntl", None)
    spec = importlib.util.spec_from_file_location("fetch_on_windows", fetch.__file__)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with module._hold_lock(tmp_path / "lock", "tiny"):
        pass
    assert list(tmp_path.iterdir()) == []
