"""Provenance: what decides the poses of a run, kept in the header of its file for `posetrack run --resume`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from posetrack.json_fields import expect_count, expect_list, expect_number, expect_object, expect_text

_DIGEST_LENGTH = 16
_BATCHES = ("batch_frames", "batch_crops")
"""Settings that decide how fast a run is, not what it finds."""

_OPTIONAL = ("smoother", "stitcher")
"""Tables that are used or not, whatever the recipe."""


@dataclass(frozen=True)
class Provenance:
    """What decides the poses of a run: two runs that agree in it find the same.

    Attributes:
        recipe: Digests of the recipe's tables, by their names; of the smoother and the stitcher where they are
            used.
        weights: Digests of the files of weights, by the tables of their networks.
        engine: Engine of the networks.
        precision: Precision of the networks.
        start_s: Start of the part of the source, in seconds.
        end_s: Its end; None for that of the source.
        every: Every so many-th frame is processed.
        source: Fingerprint of the source's files; None for a stream, a pipe or a camera, whose content cannot
            be compared.
        selection: Which people were wanted, as options of the command line; empty for everyone.
        processors: Names of the user's own processors.
    """

    recipe: Mapping[str, str]
    weights: Mapping[str, str]
    engine: str
    precision: str
    start_s: float = 0.0
    end_s: float | None = None
    every: int = 1
    source: str | None = None
    selection: str = ""
    processors: tuple[str, ...] = ()


def digest_settings(settings: Any) -> str:
    """Digest of a table of a recipe: of all settings but batch sizes, and weights, which have their own.

    Args:
        settings: The dataclass of the table.
    """
    kept = {key: value for key, value in asdict(settings).items() if key not in (*_BATCHES, "weights")}
    return shorten_digest(hashlib.sha256(json.dumps(kept, sort_keys=True, default=str).encode()).hexdigest())


def shorten_digest(sha256: str) -> str:
    """The part of a SHA-256 that tells contents apart in a header."""
    return sha256[:_DIGEST_LENGTH]


def encode_provenance(provenance: Provenance) -> dict[str, object]:
    """The value of the header's key `run`."""
    fields: dict[str, object] = {
        "recipe": dict(provenance.recipe),
        "weights": dict(provenance.weights),
        "engine": provenance.engine,
        "precision": provenance.precision,
        "start": provenance.start_s,
        "end": provenance.end_s,
        "every": provenance.every,
        "source": provenance.source,
    }
    # Only where there are some: files of most runs look as they did before there were any.
    if provenance.selection:
        fields["selection"] = provenance.selection
    if provenance.processors:
        fields["processors"] = list(provenance.processors)
    return fields


def decode_provenance(value: Any, where: str) -> Provenance:
    """Read the value of the header's key `run`.

    Args:
        value: From JSON.
        where: What messages call it.

    Raises:
        ResultsError: It is not what it should be.
    """
    fields = expect_object(value, where)
    digests = {name: expect_object(fields.get(name), f"{where}.{name}") for name in ("recipe", "weights")}
    for name, table in digests.items():
        for key, digest in table.items():
            expect_text(digest, f"{where}.{name}.{key}")
    end_s, source = fields.get("end"), fields.get("source")
    return Provenance(
        recipe=digests["recipe"],
        weights=digests["weights"],
        engine=expect_text(fields.get("engine"), f"{where}.engine"),
        precision=expect_text(fields.get("precision"), f"{where}.precision"),
        start_s=float(expect_number(fields.get("start"), f"{where}.start")),
        end_s=None if end_s is None else float(expect_number(end_s, f"{where}.end")),
        every=expect_count(fields.get("every"), 1, f"{where}.every"),
        source=None if source is None else expect_text(source, f"{where}.source"),
        selection=expect_text(fields.get("selection", ""), f"{where}.selection"),
        processors=tuple(
            expect_text(name, f"{where}.processors[{i}]")
            for i, name in enumerate(expect_list(fields.get("processors", []), f"{where}.processors"))
        ),
    )


def describe_differences(before: Provenance, now: Provenance, *, same_recipe_name: bool) -> list[str]:
    """Name what differs between two runs.

    Args:
        before: The saved run.
        now: The other one.
        same_recipe_name: Whether their recipes have one name; otherwise neither tables nor weights are named,
            since it is said already that the recipes differ.

    Returns:
        One text for each difference; none where nothing differs.
    """
    found = [
        f"{label}: {old}, but this run has {new}"
        for label, old, new in (
            ("smoothing", _say_used(before, "smoother"), _say_used(now, "smoother")),
            ("joining of tracks", _say_used(before, "stitcher"), _say_used(now, "stitcher")),
            ("engine", before.engine, now.engine),
            ("precision", before.precision, now.precision),
            ("--start", f"{before.start_s:g}", f"{now.start_s:g}"),
            ("--end", _say_end(before.end_s), _say_end(now.end_s)),
            ("--every", before.every, now.every),
            ("choice of people", before.selection or "everyone", now.selection or "everyone"),
            ("own processors", ", ".join(before.processors) or "none", ", ".join(now.processors) or "none"),
        )
        if old != new
    ]
    if same_recipe_name:
        found += [
            f"content of the recipe's [{name}]: changed"
            for name in _find_changed(before.recipe, now.recipe)
            if name in before.recipe.keys() & now.recipe.keys() or name not in _OPTIONAL
        ]
        found += [f"weights of the {name}: changed" for name in _find_changed(before.weights, now.weights)]
    if before.source is not None and now.source is not None and before.source != now.source:
        found.append("source's content: changed")
    return found


def _say_used(provenance: Provenance, table: str) -> str:
    return "on" if table in provenance.recipe else "off"


def _say_end(end_s: float | None) -> str:
    return "that of the source" if end_s is None else f"{end_s:g}"


def _find_changed(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    return [name for name in {**before, **now} if before.get(name) != now.get(name)]
