"""Findings of a check, counted by kind with a few examples."""

from __future__ import annotations

from dataclasses import dataclass, field

_EXAMPLES, _LONGEST = 3, 300


@dataclass
class Finding:
    """What was found of one kind.

    Attributes:
        kind: What it is, in words.
        is_fault: Whether it is wrong, not only worth knowing.
        count: How often it was found.
        examples: Where it was found first.
    """

    kind: str
    is_fault: bool
    count: int = 0
    examples: list[str] = field(default_factory=list)


class Findings:
    """Collects findings by kind, in the order in which the kinds were found first."""

    def __init__(self) -> None:
        self._found: dict[str, Finding] = {}

    def add_fault(self, kind: str, example: str) -> None:
        """Count something that is wrong."""
        self._add(kind, example, is_fault=True)

    def add_note(self, kind: str, example: str) -> None:
        """Count something that is worth knowing."""
        self._add(kind, example, is_fault=False)

    def _add(self, kind: str, example: str, *, is_fault: bool) -> None:
        finding = self._found.setdefault(kind, Finding(kind, is_fault))
        finding.count += 1
        if len(finding.examples) < _EXAMPLES:
            finding.examples.append((example if example.isprintable() else repr(example))[:_LONGEST])

    def list_all(self) -> list[Finding]:
        """All findings, faults first."""
        return sorted(self._found.values(), key=lambda finding: not finding.is_fault)
