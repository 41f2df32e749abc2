"""Edits as a page asks for them: objects of JSON, checked, and made by the editor.

{"edit": "merge", "keep": 3, "other": 7}          {"edit": "split", "id": 3, "frame": 120}
{"edit": "swap", "a": 3, "b": 7, "frame": 120}    {"edit": "rename", "id": 3, "new": 12}
{"edit": "delete", "id": 3, "first": 0, "last": 9}          without "first" and "last": in all frames
{"edit": "drop-short", "seconds": 1.0}            {"edit": "undo"}    {"edit": "redo"}
{"edit": "keypoint", "id": 3, "frame": 120, "keypoint": 9, "xy": [310.5, 220.0]}     "xy": null: not seen
{"edit": "interpolate", "id": 3, "first": 0, "last": 9}     without "first" and "last": all gaps
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from posetrack.edits.codec import show_edit
from posetrack.edits.editor import PosesEditor
from posetrack.edits.kinds import Edit
from posetrack.errors import ResultsError
from posetrack.json_fields import expect_array, expect_count, expect_number, expect_object, show

_WHERE = "edit"


def make_edit(editor: PosesEditor, command: object) -> str:
    """Make the edit that a command asks for.

    Args:
        editor: The poses.
        command: An object of JSON.

    Returns:
        What was done, in one line.

    Raises:
        ResultsError: The command is not understood, or the edit cannot be made.
    """
    fields = expect_object(command, _WHERE)
    kind = fields.get("edit")
    make = _COMMANDS.get(kind) if isinstance(kind, str) else None
    if make is None:
        raise ResultsError(f"{_WHERE}: unknown {show(kind)}; known: {', '.join(_COMMANDS)}")
    done = show_edit(make(editor, _Command(fields)), editor.index.header.skeleton)
    return {"undo": f"undone: {done}", "redo": f"redone: {done}"}.get(str(kind), done)


class _Command:
    """The fields of a command, checked as they are taken."""

    def __init__(self, fields: Mapping[str, Any]) -> None:
        self._fields = fields

    def take(self, name: str) -> int:
        return expect_count(self._fields.get(name), 0, f"{_WHERE}: {name}")

    def take_end(self, name: str) -> int | None:
        return None if self._fields.get(name) is None else self.take(name)

    def take_number(self, name: str) -> float:
        return float(expect_number(self._fields.get(name), f"{_WHERE}: {name}"))

    def take_place(self) -> tuple[float, float] | None:
        if "xy" in self._fields and self._fields["xy"] is None:
            return None
        x, y = expect_array(self._fields.get("xy"), (2,), f"{_WHERE}: xy").tolist()
        return x, y


_COMMANDS: dict[str, Callable[[PosesEditor, _Command], Edit]] = {
    "merge": lambda editor, get: editor.merge(get.take("keep"), get.take("other")),
    "split": lambda editor, get: editor.split(get.take("id"), get.take("frame")),
    "swap": lambda editor, get: editor.swap(get.take("a"), get.take("b"), get.take("frame")),
    "rename": lambda editor, get: editor.rename(get.take("id"), get.take("new")),
    "delete": lambda editor, get: editor.delete(get.take("id"), get.take_end("first"), get.take_end("last")),
    "drop-short": lambda editor, get: editor.drop_short(get.take_number("seconds")),
    "keypoint": lambda editor, get: editor.move_keypoint(
        get.take("id"), get.take("frame"), get.take("keypoint"), get.take_place()
    ),
    "interpolate": lambda editor, get: editor.interpolate(
        get.take("id"), get.take_end("first"), get.take_end("last")
    ),
    "undo": lambda editor, _: editor.undo(),
    "redo": lambda editor, _: editor.redo(),
}
"""By the word that names the kind, as in the log."""
