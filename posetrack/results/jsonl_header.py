"""The header of results files as an object of JSON, and back."""

from __future__ import annotations

import os
import re
from fractions import Fraction
from pathlib import Path
from typing import Any

from posetrack.errors import ResultsError
from posetrack.json_fields import expect_count, expect_object, expect_text, make_error, show
from posetrack.results.provenance import decode_provenance, encode_provenance
from posetrack.results.record import SCHEMA, Header
from posetrack.skeleton import SKELETONS, Skeleton
from posetrack.skeleton_files import decode_fields, list_fields

_LONGEST_SIDE_PX = 2**30
_OWN = ("pairs", "limbs", "sigmas")
"""Fields of skeletons that are not built in."""


def encode_header(header: Header, folder: Path | None = None) -> dict[str, object]:
    """The header as an object of JSON.

    Args:
        header: Of the video.
        folder: Of the results file; None for no file.
    """
    fields: dict[str, object] = {
        "schema": header.schema,
        "source": header.source,
        "width": header.width,
        "height": header.height,
        "fps": f"{header.fps.numerator}/{header.fps.denominator}",
        "skeleton": header.skeleton.name,
        "keypoints": header.skeleton.names,
        **_describe_own(header.skeleton),
        "recipe": header.recipe,
    }
    if header.provenance is not None:
        fields["run"] = encode_provenance(header.provenance)
    if header.has_blurred_faces:
        fields["blurred_faces"] = True
    if header.dense is not None:
        fields["dense"] = _relate(header.dense, folder or Path())
    return fields


def _describe_own(skeleton: Skeleton) -> dict[str, object]:
    """What a header says of a skeleton that is not built in."""
    if SKELETONS.get(skeleton.name) == skeleton:
        return {}
    fields = list_fields(skeleton)
    return {name: fields[name] for name in _OWN}


def _relate(path: Path, folder: Path) -> str:
    """The path from a folder, so that both can be moved together; with "/" everywhere."""
    try:
        return Path(os.path.relpath(path, folder)).as_posix()
    except ValueError:  # On another drive.
        return path.absolute().as_posix()


def decode_header(fields: Any, where: str, folder: Path, schema: str = SCHEMA) -> Header:
    """The header from an object of JSON; the inverse of `encode_header`.

    Args:
        fields: The object.
        where: File and line, for messages.
        folder: Of the results file.
        schema: Name and version of the layout that is expected.

    Raises:
        ResultsError: A field is not what it should be.
    """
    fields = expect_object(fields, where)
    if fields.get("schema") != schema:
        raise make_error(f"{where}: schema", f"'{schema}'", fields.get("schema"))
    for field in ("source", "fps", "skeleton", "recipe"):
        expect_text(fields.get(field), f"{where}: {field}")
    skeleton = _decode_skeleton(fields, where)
    dense = expect_text(fields["dense"], f"{where}: dense") if "dense" in fields else None
    return Header(
        source=fields["source"],
        width=parse_side(fields.get("width"), f"{where}: width"),
        height=parse_side(fields.get("height"), f"{where}: height"),
        fps=_parse_fps(fields["fps"], where),
        skeleton=skeleton,
        recipe=fields["recipe"],
        provenance=decode_provenance(fields["run"], f"{where}: run") if "run" in fields else None,
        has_blurred_faces=fields.get("blurred_faces") is True,
        dense=None if dense is None else Path(os.path.normpath(folder / dense)),
    )


def _decode_skeleton(fields: dict[str, Any], where: str) -> Skeleton:
    """The built-in skeleton of a header, or one of its own with limbs, pairs and sigmas."""
    name = fields["skeleton"]
    if any(field in fields for field in _OWN):
        table = {"name": name, "names": fields.get("keypoints"), **{field: fields.get(field) for field in _OWN}}
        try:
            return decode_fields(table, where, is_whole=True)
        except ValueError as error:
            raise ResultsError(str(error)) from error
    skeleton = SKELETONS.get(name)
    if skeleton is None:
        known = ", ".join(SKELETONS)
        raise ResultsError(f"{where}: skeleton: unknown {show(name)}; known: {known}")
    if fields.get("keypoints") != list(skeleton.names):
        raise ResultsError(f"{where}: keypoints: not the {skeleton.num_keypoints} names of {skeleton.name}")
    return skeleton


def parse_side(value: Any, where: str) -> int:
    """Take the width or height of an image in pixels, or raise ResultsError."""
    side = expect_count(value, 1, where)
    if side > _LONGEST_SIDE_PX:
        raise make_error(where, f"at most {_LONGEST_SIDE_PX:,} pixels", value)
    return side


def _parse_fps(text: str, where: str) -> Fraction:
    match = re.fullmatch(r"([0-9]{1,12})(?:/([1-9][0-9]{0,11}))?", text)
    if match is None:
        raise make_error(f"{where}: fps", "a fraction such as '30000/1001'", text)
    return Fraction(int(match[1]), int(match[2] or 1))
