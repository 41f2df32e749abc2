"""The viewers of the browser view: a limited number of places, which the inattentive lose to newcomers."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import ip_address

from posetrack.web.gate import find_peer

_IDLE_S = 3.0


@dataclass(eq=False)
class Viewer:
    """A connected viewer.

    Attributes:
        transport: Its connection.
        peer: Whom it counts for.
        is_stream: Whether it acknowledges nothing, as readers of MJPEG.
        wake_up: Set when there is something new to send; the viewer's task clears it.
        owes_since_s: Since when it owes a sign that somebody is watching: an answer after it has connected, an
            acknowledgement of an image. None if it owes none.
    """

    transport: asyncio.Transport
    peer: str
    is_stream: bool = False
    wake_up: asyncio.Event = field(default_factory=asyncio.Event)
    owes_since_s: float | None = field(default_factory=time.monotonic)

    def owe(self) -> None:
        """Note that it now owes a sign, if it does not already."""
        if self.owes_since_s is None:
            self.owes_since_s = time.monotonic()

    def settle(self) -> None:
        """Note that it has given a sign."""
        self.owes_since_s = None


class Audience:
    """The viewers at a time.

    A newcomer without a place takes that of the viewer who has owed a sign for longest, if for some seconds.
    Else it takes the last of the address that has most viewers, if that has at least two more than its own.
    Streams, which cannot show that somebody is watching, may have half of the places.

    Args:
        max_viewers: Largest number of viewers.
    """

    def __init__(self, max_viewers: int) -> None:
        self._max_viewers = max_viewers
        self._viewers: dict[Viewer, None] = {}

    def __len__(self) -> int:
        """The number of viewers."""
        return len(self._viewers)

    def __iter__(self) -> Iterator[Viewer]:
        """The viewers, in the order in which they came."""
        return iter(tuple(self._viewers))

    def admit(self, transport: asyncio.Transport, *, is_stream: bool = False) -> Viewer | None:
        """Admit a viewer; None if there is no place."""
        address = transport.get_extra_info("peername")
        viewer = Viewer(transport, find_peer(str(address[0])) if address else "", is_stream)
        num_streams = sum(other.is_stream for other in self._viewers)
        if len(self) >= self._max_viewers or (is_stream and num_streams >= max(1, self._max_viewers // 2)):
            dropped = self._find_idle(is_stream) or self._find_greedy(viewer)
            if dropped is None:
                return None
            self.leave(dropped)
            dropped.transport.abort()
        self._viewers[viewer] = None
        return viewer

    def leave(self, viewer: Viewer) -> None:
        """Free a viewer's place, if it still has one."""
        self._viewers.pop(viewer, None)

    def wake(self) -> None:
        """Wake all viewers' tasks."""
        for viewer in self._viewers:
            viewer.wake_up.set()

    def _find_idle(self, is_stream: bool) -> Viewer | None:
        due_s = time.monotonic() - _IDLE_S
        owing = [
            (viewer.owes_since_s, position, viewer)
            for position, viewer in enumerate(self._viewers)
            if viewer.owes_since_s is not None
            and viewer.owes_since_s <= due_s
            and viewer.is_stream >= is_stream
        ]
        return min(owing)[2] if owing else None

    def _find_greedy(self, newcomer: Viewer) -> Viewer | None:
        others = [viewer for viewer in self._viewers if viewer.is_stream >= newcomer.is_stream]
        counts = Counter(viewer.peer for viewer in others if not _is_proxy(viewer.peer))
        for peer, count in counts.most_common(1):
            if count >= counts[newcomer.peer] + 2 and peer != newcomer.peer:
                return next(viewer for viewer in reversed(others) if viewer.peer == peer)
        return None


def _is_proxy(peer: str) -> bool:
    """Whether a peer may be a reverse proxy on this machine, and its viewers those of many addresses."""
    return not peer or ip_address(peer).is_loopback
