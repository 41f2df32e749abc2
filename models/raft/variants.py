"""Names of the flow networks, without importing torch."""

from __future__ import annotations

NETWORKS: tuple[str, ...] = ("raft-large", "raft-small")
"""Networks by name; the small one has a fifth of the numbers."""
