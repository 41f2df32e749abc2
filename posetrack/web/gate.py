"""The gate before the HTTP server: accepts connections in bounded numbers, and closes those that say nothing.

It stands before the token is checked: whoever reaches the port can only wear down the gate.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

_SWEEP_S = 0.5
_BACK_OFF_S = 0.5
_IPV6_NETWORK_BITS = 64

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class GateLimits:
    """Limits on connections.

    Attributes:
        max_connections: Largest number at a time.
        max_from_peer: Largest number from one address, or one network of IPv6. This machine may have all: a
            reverse proxy on it brings everybody's.
        silent_s: Longest time for a request to arrive, the first or another one.
        burst_bytes: What a connection may send at once.
        bytes_per_s: What it may send on average.
        kept_files: Number of files that are left to capture and recording; at most a quarter of those that this
            process may have.
    """

    max_connections: int = 128
    max_from_peer: int = 64
    silent_s: float = 10.0
    burst_bytes: int = 1 << 19
    bytes_per_s: float = 1 << 16
    kept_files: int = 64


class Budget:
    """An allowance that grows with time up to a limit.

    Args:
        burst: The limit, and what there is at first.
        per_s: What is added in a second.
    """

    def __init__(self, burst: float, per_s: float) -> None:
        self._burst = burst
        self._per_s = per_s
        self._left = burst
        self._at_s = time.monotonic()

    def take(self, amount: float) -> bool:
        """Take an amount; returns whether there was enough."""
        now_s = time.monotonic()
        self._left = min(self._burst, self._left + (now_s - self._at_s) * self._per_s)
        self._at_s = now_s
        if amount > self._left:
            return False
        self._left -= amount
        return True


class Passage:
    """A connection that the gate let through.

    Attributes:
        peer: Whom it counts for.
        silent_since_s: Since when a request is awaited; None while one is answered.
    """

    def __init__(self, peer: str, limits: GateLimits) -> None:
        self.peer = peer
        self.silent_since_s: float | None = time.monotonic()
        self.transport: asyncio.Transport | None = None
        self._budget = Budget(limits.burst_bytes, limits.bytes_per_s)

    @contextmanager
    def answering(self) -> Iterator[None]:
        """Mark the connection as one whose request is answered, for as long as the context lasts."""
        self.silent_since_s = None
        try:
            yield
        finally:
            self.silent_since_s = time.monotonic()

    def may_receive(self, num_bytes: int) -> bool:
        """Whether a number of received bytes is within the limits."""
        return self._budget.take(num_bytes)

    def close(self) -> None:
        """Close the connection, without waiting for a peer that does not read."""
        if self.transport is None:
            return
        if self.transport.get_write_buffer_size():
            self.transport.abort()
        else:
            self.transport.close()


MakeProtocol = Callable[[Passage], asyncio.Protocol]
"""Makes the protocol of a connection; that sets `Passage.transport`, and calls `Gate.leave` at its end."""


class Gate:
    """Accepts the connections of a listening socket.

    Where there are too many, the one whose request has been awaited for longest makes room: one of the peer
    that has too many, or of the peer that has most. Where none is awaited, the new one is closed.

    Args:
        listening: A listening socket, which does not block.
        make_protocol: Makes the protocol of a connection.
        limits: The limits.
    """

    def __init__(self, listening: socket.socket, make_protocol: MakeProtocol, limits: GateLimits) -> None:
        self._listening = listening
        self._make_protocol = make_protocol
        self._limits = limits
        self._passages: dict[Passage, None] = {}
        most_files = _read_most_files()
        self._most_files = most_files - min(limits.kept_files, most_files // 4)
        # How many connections there may be for the files that are left; found out when these become few.
        self._capacity = limits.max_connections

    async def serve(self) -> None:
        """Accept connections until cancelled."""
        sweeper = asyncio.create_task(self._sweep())
        try:
            while True:
                await self._accept()
        finally:
            sweeper.cancel()
            await asyncio.gather(sweeper, return_exceptions=True)

    def leave(self, passage: Passage) -> None:
        """Forget a connection that is closed."""
        self._passages.pop(passage, None)

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            accepted, address = await loop.sock_accept(self._listening)
        except OSError as error:
            # Out of file descriptors or memory, or the connection ended before it was accepted.
            _log.warning("browser view: no connection can be accepted: %s", error.strerror)
            self._capacity = max(1, len(self._passages) - 1)
            self._make_room(None)
            await asyncio.sleep(_BACK_OFF_S)
            return
        passage = Passage(find_peer(str(address[0])), self._limits)
        if not self._admit(passage, accepted.fileno()):
            accepted.close()
            await asyncio.sleep(0)
            return
        self._passages[passage] = None
        try:
            await loop.connect_accepted_socket(lambda: self._make_protocol(passage), accepted)
        except OSError:
            self.leave(passage)
            accepted.close()

    def _admit(self, passage: Passage, file: int) -> bool:
        """Whether a connection may stay; another one may be closed for it."""
        limits = self._limits
        of_peer = sum(other.peer == passage.peer for other in self._passages)
        if not _is_loopback(passage.peer) and of_peer >= limits.max_from_peer:
            return self._make_room(passage.peer)
        if file >= self._most_files:
            self._capacity = max(1, len(self._passages))
        if len(self._passages) >= self._capacity:
            return self._make_room(None)
        return True

    def _make_room(self, peer: str | None) -> bool:
        """Close the connection that is silent for longest; returns whether there is one.

        Args:
            peer: Whose; None for whoever has most connections.
        """
        silent = [passage for passage in self._passages if passage.silent_since_s is not None]
        counts = Counter(passage.peer for passage in self._passages)
        if peer is not None:
            silent = [passage for passage in silent if passage.peer == peer]
        elif silent:
            most = max(counts[passage.peer] for passage in silent)
            silent = [passage for passage in silent if counts[passage.peer] == most]
        if not silent:
            _log.warning(
                "browser view: too many connections, from %d addresses; new ones are closed", len(counts)
            )
            return False
        _log.warning(
            "browser view: too many connections, from %d addresses; silent ones are closed", len(counts)
        )
        self._close(min(silent, key=lambda passage: passage.silent_since_s or 0.0))
        return True

    async def _sweep(self) -> None:
        """Close the connections whose request does not come."""
        while True:
            await asyncio.sleep(_SWEEP_S)
            self._capacity = min(self._limits.max_connections, self._capacity + 1)
            due_s = time.monotonic() - self._limits.silent_s
            for passage in list(self._passages):
                if passage.silent_since_s is not None and passage.silent_since_s < due_s:
                    self._close(passage)

    def _close(self, passage: Passage) -> None:
        self.leave(passage)
        passage.close()


def find_peer(address: str) -> str:
    """Whom a connection from an address counts for: an address, or the network of an IPv6 address.

    Args:
        address: As the socket says it, with or without a zone.
    """
    parsed = ip_address(address.partition("%")[0])
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        if not parsed.is_loopback:
            bits = 128 - _IPV6_NETWORK_BITS
            return str(IPv6Address(int(parsed) >> bits << bits))
    return str(parsed)


def _is_loopback(peer: str) -> bool:
    return ip_address(peer).is_loopback


def _read_most_files() -> int:
    """How many files this process may have open."""
    with suppress(ImportError):  # Windows
        import resource

        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        return sys.maxsize if soft == resource.RLIM_INFINITY else soft
    return sys.maxsize
