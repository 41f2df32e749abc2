"""A Ray cluster: addresses, and a node that is lost in the middle of a run (where Ray is installed)."""

import importlib.util
import os
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from models.extras import MissingPackageError
from posetrack.errors import PoseTrackError
from posetrack.workers import ray_cluster
from posetrack.workers.ray_cluster import connect
from posetrack.workers.ray_runner import SharedFolder, _find_lack
from posetrack.workers.task import VideoTask

ROOT = Path(__file__).parents[3]
CROSSING = ROOT / "docs" / "media" / "crossing.mp4"
needs_ray = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="Ray is not installed: pip install 'posetrack[cluster]'"
)
MISMATCH = (
    "Version mismatch: The cluster was started with:\n    Ray: 2.40.0\n    Python: 3.11.7\n"
    "This process on node 10.0.0.2 was started with:\n    Ray: 2.60.0\n    Python: 3.11.7\n"
)


def test_without_ray_the_line_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(
        MissingPackageError, match=r"--cluster auto: needs ray, .*pip install 'posetrack\[cluster\]'"
    ):
        connect("auto")


@needs_ray
@pytest.mark.parametrize("address", ["", "host", "host:port", "a b:1", "host:123456", "ray://host:10001"])
def test_addresses_that_are_none(address):
    with pytest.raises(PoseTrackError, match="expected auto, or HOST:PORT"):
        connect(address)


@needs_ray
def test_nobody_answers():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(PoseTrackError, match=f"--cluster 127.0.0.1:{port}: nobody answers"):
        connect(f"127.0.0.1:{port}")


@needs_ray
def test_a_server_that_is_not_rays(monkeypatch):
    monkeypatch.setattr(ray_cluster, "_CONNECT_S", 1.0)
    accepted = []

    def serve(server):
        with suppress(OSError):
            while True:
                accepted.append(server.accept()[0])

    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(5)
        thread = threading.Thread(target=serve, args=(server,))
        thread.start()
        port = server.getsockname()[1]
        with pytest.raises(PoseTrackError, match="a server is there, but not Ray's"):
            connect(f"127.0.0.1:{port}")
        thread.join()
    for connection in accepted:
        connection.close()


def test_another_version_is_named_with_its_command():
    error = ray_cluster._explain("10.0.0.1:6379", RuntimeError(MISMATCH))
    assert "other versions than this machine" in str(error)
    assert str(error).endswith("pip install 'ray[default]==2.40.0'")
    assert "\n" not in str(error)


def test_a_machine_of_no_cluster():
    error = ray_cluster._explain("auto", ConnectionError("Could not find any running Ray instance."))
    assert str(error).startswith("--cluster auto: nobody answers: this machine belongs to no cluster")


def test_what_a_node_does_not_see(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    token, clip = tmp_path / "out" / ".shared", tmp_path / "clip.mp4"
    token.parent.mkdir()
    shared = SharedFolder(str(tmp_path), "out", str(token))
    task = VideoTask(0, "clip.mp4", "clip.mp4", {}, None)
    lack = _find_lack(task, SharedFolder(str(tmp_path / "none"), "out", str(token)), "node")
    assert (lack.is_fatal, "node node has no such folder" in lack.error) == (True, True)
    lack = _find_lack(task, shared, "node")
    assert (lack.is_fatal, lack.error.startswith("out: is not shared: node node does not see")) == (True, True)
    token.touch()
    lack = _find_lack(task, shared, "node")
    assert (lack.is_fatal, lack.error.startswith("clip.mp4: node node cannot read it")) == (False, True)
    clip.touch()
    assert _find_lack(task, shared, "node") is None


@needs_ray
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "arguments", [["--end", "4"], [str(CROSSING), "--split", "4"]], ids=["videos", "parts"]
)
def test_a_lost_worker_and_a_lost_node_change_no_file(arguments):
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "simulate_cluster.py"), *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "removed a node" in done.stdout
    assert "borne" in done.stdout
