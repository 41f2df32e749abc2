"""Options of commands that serve a page: where, and the token."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from posetrack.errors import PoseTrackError

DEFAULT_ADDRESS = "127.0.0.1:8000"

TokenOption = Annotated[
    str | None, typer.Option(metavar="WORD", help="Token of the page.", show_default="a random one")
]
"""The secret in the address of a page that other machines can reach."""


def read_address(address: str) -> tuple[str, int]:
    """The host and the port of `--serve`.

    Raises:
        PoseTrackError: It is no such address.
    """
    host, _, port = address.rpartition(":")
    if not port.isdecimal() or len(port) > 5 or int(port) >= 65536:
        raise PoseTrackError(f"--serve {address}: expected PORT or HOST:PORT, such as 8000 or 0.0.0.0:8000")
    return host.strip("[]") or "127.0.0.1", int(port)


def print_address(url: str, port: int, *, is_shared: bool, purpose: str) -> None:
    """Say where the page is.

    Args:
        url: Its address.
        port: Its port.
        is_shared: Whether other machines can reach it.
        purpose: What these can do, for the hint that says how.
    """
    elsewhere = "" if is_shared else f"; to {purpose} another machine, start with --serve 0.0.0.0:{port}"
    print(f"posetrack: open {url} in a browser{elsewhere}; Ctrl-C ends", file=sys.stderr)
