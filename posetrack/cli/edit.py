"""`posetrack edit`: corrections of saved poses, kept beside them."""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer

from posetrack.cli.messages import start_logging
from posetrack.cli.options import check_finite
from posetrack.cli.progress import count_workers, show_reading
from posetrack.errors import PoseTrackError

if TYPE_CHECKING:
    from posetrack.edits.editor import PosesEditor
    from posetrack.edits.kinds import Edit
    from posetrack.edits.log import EditLog


@dataclass(frozen=True)
class EditOptions:
    """Options of the edits; each takes some of them."""

    PANEL: ClassVar[str] = "Edit"

    frame: Annotated[
        int | None,
        typer.Option("--frame", min=0, metavar="N", help="split, swap: from this frame on; keypoint: in it."),
    ] = None
    first: Annotated[
        int | None,
        typer.Option("--first", min=0, metavar="N", help="delete, interpolate: from this frame on."),
    ] = None
    last: Annotated[
        int | None,
        typer.Option("--last", min=0, metavar="N", help="delete, interpolate: up to this frame, included."),
    ] = None
    seconds: Annotated[
        float | None,
        typer.Option(
            "--seconds",
            metavar="S",
            callback=check_finite,
            help="drop-short: delete who is seen for less.",
        ),
    ] = None
    at: Annotated[str | None, typer.Option("--at", metavar="X,Y", help="keypoint: where it is, in pixels.")] = (
        None
    )
    absent: Annotated[bool, typer.Option("--absent", help="keypoint: it is not to be seen.")] = False


@dataclass(frozen=True)
class _Action:
    """A kind of edit: what it takes, and how it is made."""

    words: str
    make: Callable[[PosesEditor, list[str], EditOptions], Edit]
    options: tuple[str, ...] = ()
    required: tuple[str, ...] = ()


_ACTIONS: dict[str, _Action] = {
    "merge": _Action("ID ID", lambda editor, words, _: editor.merge(_id(words[0]), _id(words[1]))),
    "split": _Action(
        "ID", lambda editor, words, given: editor.split(_id(words[0]), given.frame or 0), ("frame",), ("frame",)
    ),
    "swap": _Action(
        "ID ID",
        lambda editor, words, given: editor.swap(_id(words[0]), _id(words[1]), given.frame or 0),
        ("frame",),
        ("frame",),
    ),
    "rename": _Action("ID NEW", lambda editor, words, _: editor.rename(_id(words[0]), _id(words[1]))),
    "delete": _Action(
        "ID",
        lambda editor, words, given: editor.delete(_id(words[0]), given.first, given.last),
        ("first", "last"),
    ),
    "drop-short": _Action(
        "", lambda editor, _, given: editor.drop_short(given.seconds or 0.0), ("seconds",), ("seconds",)
    ),
    "keypoint": _Action(
        "ID NAME",
        lambda editor, words, given: editor.move_keypoint(
            _id(words[0]), given.frame or 0, words[1], _read_place(given)
        ),
        ("frame", "at", "absent"),
        ("frame",),
    ),
    "interpolate": _Action(
        "ID",
        lambda editor, words, given: editor.interpolate(_id(words[0]), given.first, given.last),
        ("first", "last"),
    ),
}
_OTHERS = ("undo", "redo", "list", "tracks")


def edit_command(
    poses: Annotated[
        Path,
        typer.Argument(metavar="POSES", help="A poses.jsonl, or the folder of a run.", show_default=False),
    ],
    action: Annotated[
        str,
        typer.Argument(
            metavar="ACTION",
            help="merge, split, swap, rename, delete, drop-short, keypoint, interpolate; undo, redo, list; or "
            "tracks. See the examples.",
            show_default=False,
        ),
    ],
    given: EditOptions,
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="[ID|NAME]...", help="What ACTION takes.", show_default=False),
    ] = None,
) -> None:
    """Correct saved poses: ids, people and keypoints. The file of poses stays as it is.

    The edits are saved in edits.jsonl beside it. All commands that read the poses apply them unless --raw is
    given.
    """
    from posetrack.edits.codec import show_edit
    from posetrack.edits.editor import PosesEditor
    from posetrack.edits.log import EditLog
    from posetrack.results.poses import find_poses

    start_logging(logging.WARNING)
    path, words = find_poses(poses), words or []
    _check(action, words, given)
    if action == "tracks":
        with show_reading() as progress:
            editor = PosesEditor(path, progress=progress, num_workers=count_workers())
        _print_tracks(editor)
        return
    if action in _OTHERS:
        log = EditLog.open(path)
        if action == "list":
            _print_log(log)
        else:
            edit = log.undo() if action == "undo" else log.redo()
            done = "taken back" if action == "undo" else "made again"
            print(f"{log.path}: {done}: {show_edit(edit, log.skeleton)}")
        return
    with show_reading() as progress:
        editor = PosesEditor(path, with_suspects=False, progress=progress, num_workers=count_workers())
    edit = _ACTIONS[action].make(editor, words, given)
    print(f"{editor.log.path}: {show_edit(edit, editor.log.skeleton)}")


def _check(action: str, words: list[str], given: EditOptions) -> None:
    """Check that an action has what it takes, and nothing else."""
    from models.settings import suggest

    if action not in _ACTIONS and action not in _OTHERS:
        raise PoseTrackError(f"edit: unknown '{action}'; {suggest(action, [*_ACTIONS, *_OTHERS])}")
    taken = _ACTIONS.get(action) or _Action("", lambda editor, words, given: editor.undo())
    for field in fields(given):
        value = getattr(given, field.name)
        is_given = value is not None and value is not False
        if is_given and field.name not in taken.options:
            raise PoseTrackError(f"edit {action}: takes no --{field.name}; leave it out")
        if field.name in taken.required and not is_given:
            raise PoseTrackError(f"edit {action}: --{field.name} is missing")
    if len(words) != len(taken.words.split()):
        raise PoseTrackError(
            f"edit {action}: expected {taken.words or 'nothing'} behind it, "
            f"found {' '.join(words) or 'nothing'}"
        )


def _id(word: str) -> int:
    if re.fullmatch(r"[0-9]{1,15}", word) is None:
        raise PoseTrackError(f"edit: {word}: expected a track id, such as 3")
    return int(word)


def _read_place(given: EditOptions) -> tuple[float, float] | None:
    if (given.at is None) != given.absent:
        raise PoseTrackError("edit keypoint: give either --at X,Y or --absent")
    if given.at is None:
        return None
    try:
        x, y = map(float, given.at.split(","))
    except ValueError:
        raise PoseTrackError(f"--at {given.at}: expected X,Y in pixels, such as 431.5,220") from None
    if not (math.isfinite(x) and math.isfinite(y)):
        raise PoseTrackError(f"--at {given.at}: expected finite pixels")
    return x, y


def _print_log(log: EditLog) -> None:
    from posetrack.edits.codec import show_edit

    for number, edit in enumerate(log.edits, 1):
        print(f"{number:>4}  {show_edit(edit, log.skeleton)}")
    for edit in reversed(log.undone):
        print(f"   -  {show_edit(edit, log.skeleton)}  (undone)")
    if not log.edits and not log.undone:
        print(f"{log.poses}: no edits")


def _print_tracks(editor: PosesEditor) -> None:
    """Print a line for each id, then one for each frame in which an id may have become another person."""
    tracks, frames = editor.tracks, editor.index.frames
    print("  id  frames            seconds  gaps")
    seconds = tracks.measure_s()
    for track_id, runs in tracks.runs.items():
        ends = f"{frames[runs[0, 0]]}-{frames[runs[-1, 1] - 1]}"
        print(f"{track_id:>4}  {ends:<16} {seconds[track_id]:>8.2f}  {len(runs) - 1:>4}")
    for suspect in tracks.suspects:
        who = "may be another person" if suspect.other is None else f"looks like {suspect.other} before"
        likeness = "" if math.isnan(suspect.oks) else f", OKS {suspect.oks:.2f}"
        speed = f"{suspect.speed_hps:.1f} body heights/s"
        print(f"frame {suspect.frame}: {suspect.track_id} {who} ({speed}{likeness})")
