"""Connecting to a Ray cluster, and what is asked of it."""

from __future__ import annotations

import importlib
import importlib.util
import logging
import os
import re
import socket
from typing import Any

from models.extras import MissingPackageError
from posetrack.errors import PoseTrackError

_CONNECT_S = 5.0
_MOST_THREADS = 2
"""A worker needs about a core for its networks and one for decoding, drawing and encoding."""


def connect(address: str) -> Any:
    """Connect to a cluster.

    Args:
        address: `auto`, for the one that this machine belongs to, or HOST:PORT of its head.

    Returns:
        The module `ray`.

    Raises:
        MissingPackageError: Ray is not installed.
        PoseTrackError: Nobody answers, or the cluster has another version of Ray or Python.
    """
    if importlib.util.find_spec("ray") is None:
        raise MissingPackageError(f"--cluster {address}", "ray", "cluster")
    _check_address(address)
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    ray: Any = importlib.import_module("ray")
    if ray.is_initialized():  # For the parts of videos already, before their drawings.
        return ray
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, include_dashboard=None)
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        raise _explain(address, error) from error
    return ray


def _check_address(address: str) -> None:
    """Check the form of an address, and whether anybody answers there, since Ray waits long for that."""
    if address == "auto":
        return
    match = re.fullmatch(r"([\w.\-]+):([0-9]{1,5})", address)
    if match is None:
        raise PoseTrackError(f"--cluster {address}: expected auto, or HOST:PORT of the cluster's head")
    try:
        socket.create_connection((match[1], int(match[2])), _CONNECT_S).close()
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise _make_silence(address, reason) from error
    _check_speaks_grpc(address)


def _check_speaks_grpc(address: str) -> None:
    """Check that a server may be Ray's: it waits for two minutes for another one, and then ends the process."""
    if importlib.util.find_spec("grpc") is None or os.environ.get("RAY_USE_TLS", "0") != "0":
        return
    grpc: Any = importlib.import_module("grpc")
    with grpc.insecure_channel(address) as channel:
        try:
            grpc.channel_ready_future(channel).result(timeout=_CONNECT_S)
        except grpc.FutureTimeoutError as error:
            raise _make_silence(address, "a server is there, but not Ray's") from error


def _make_silence(address: str, reason: str) -> PoseTrackError:
    return PoseTrackError(
        f"--cluster {address}: nobody answers ({reason}); start a cluster there with `ray start --head`"
    )


def _explain(address: str, error: Exception) -> PoseTrackError:
    """The error for a cluster that cannot be joined."""
    text = " ".join(str(error).split())
    versions = re.search(r"Ray: (\S+)", text)
    if "ersion mismatch" in text and versions is not None:
        return PoseTrackError(
            f"--cluster {address}: the cluster has other versions than this machine ({text[:200]}); "
            f"pip install 'ray[default]=={versions[1]}'"
        )
    if isinstance(error, ConnectionError) and address == "auto":
        return PoseTrackError(
            "--cluster auto: nobody answers: this machine belongs to no cluster; `ray start --head` makes one, "
            "`ray start --address HOST:PORT` joins one"
        )
    return PoseTrackError(
        f"--cluster {address}: cannot be joined ({text[:200]}); this machine must be a node of it: `ray start "
        f"--address {address}`"
    )


def find_threads(ray: Any) -> int:
    """Cores of each worker: what OMP_NUM_THREADS says; or 2, or 1 if a node has no more."""
    text = os.environ.get("OMP_NUM_THREADS", "")
    if text.isdecimal() and int(text[:5]) > 0:
        return int(text)
    cores = [node["Resources"].get("CPU", 0) for node in ray.nodes() if node["Alive"]]
    return max(min([_MOST_THREADS, *(int(count) for count in cores if count)]), 1)


def count_slots(ray: Any, threads: int, *, on_gpus: bool) -> int:
    """How many workers the cluster has room for now.

    Args:
        ray: The module.
        threads: Cores of a worker.
        on_gpus: Whether each needs a GPU.
    """
    resources = ray.cluster_resources()
    room = int(resources.get("CPU", 0)) // threads
    return min(room, int(resources.get("GPU", 0))) if on_gpus else room
