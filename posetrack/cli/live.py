"""`posetrack live`: people tracked in real time in a camera, a stream or a file."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Thread, Timer
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer

from models.image_size import MAX_PIXELS
from posetrack.cli.draw_options import PeopleDrawOptions
from posetrack.cli.messages import start_logging, tell_loading
from posetrack.cli.options import ComputeOptions, MaxPixelsOption, RecipeOptions, check_finite
from posetrack.cli.selection_options import SelectionOptions
from posetrack.cli.serve_options import DEFAULT_ADDRESS, TokenOption, print_address, read_address
from posetrack.errors import PoseTrackError
from posetrack.garbage import without_garbage
from posetrack.live.controls import LiveControls, LiveSettings
from posetrack.live.json_lines import JsonLines
from posetrack.live.recorder import Recorder
from posetrack.live.session import LiveFrame, LiveOutput, LiveSession
from posetrack.outputs import check_output_file
from posetrack.recipe import read_recipe, without_delay
from posetrack.recipe_files import list_recipes
from posetrack.skeleton import Skeleton
from posetrack.video.live import LiveSource, open_live

if TYPE_CHECKING:
    from posetrack.build import Pipeline
    from posetrack.live.window import Window

_RECORDING = Path("live.mp4")
_PRINT_EVERY_S = 5.0
_LEAVE_S = 10.0
# Ten years; timers do not take any number.
_LONGEST_DURATION_S = 315_360_000


@dataclass(frozen=True)
class PlayOptions:
    """Options of the source and the duration."""

    PANEL: ClassVar[str] = "Source"

    mirror: Annotated[bool, typer.Option("--mirror", help="Mirror the images.")] = False
    loop: Annotated[bool, typer.Option("--loop", help="Play a file repeatedly.")] = False
    speed: Annotated[
        float,
        typer.Option(
            min=0.01, max=1000, metavar="FACTOR", callback=check_finite, help="Playback speed of a file."
        ),
    ] = 1.0
    max_pixels: MaxPixelsOption = MAX_PIXELS
    timeout: Annotated[
        float | None,
        typer.Option(
            min=0.1,
            metavar="SECONDS",
            help="End when there is no image for so long.",
            show_default="connect again for ever",
        ),
    ] = None
    duration: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=_LONGEST_DURATION_S,
            callback=check_finite,
            metavar="SECONDS",
            help="Duration.",
            show_default="until the end or Ctrl-C",
        ),
    ] = None

    def open(self, source: str) -> LiveSource:
        """Open the source.

        Raises:
            VideoError: There is no such source, or it delivers no image.
        """
        return open_live(
            source,
            mirror=self.mirror,
            loop=self.loop,
            speed=self.speed,
            max_pixels=self.max_pixels,
            timeout_s=self.timeout,
        )


@dataclass(frozen=True)
class LivePeopleOptions(SelectionOptions):
    """Options of the people: who they are, and how their keypoints move."""

    smooth: Annotated[bool, typer.Option("--smooth", help="Smooth keypoints over time.")] = False


@dataclass(frozen=True)
class DisplayOptions:
    """Options of the display."""

    PANEL: ClassVar[str] = "Display"

    window: Annotated[bool, typer.Option("--window", help="Show a window on this machine.")] = False
    serve: Annotated[
        str | None,
        typer.Option(
            metavar="[HOST:]PORT",
            help="Show a page in the browser; other hosts than 127.0.0.1 ask for a token.",
            show_default=f"{DEFAULT_ADDRESS}, unless --window or --json is given",
        ),
    ] = None
    token: TokenOption = None


@dataclass(frozen=True)
class SaveOptions:
    """Options of the output."""

    PANEL: ClassVar[str] = "Output"

    record: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Record the annotated images from the start.", show_default=False),
    ] = None
    json_to: Annotated[
        str | None, typer.Option("--json", metavar="-", help="Write poses as JSON lines to the output.")
    ] = None
    quiet: Annotated[bool, typer.Option("--quiet", help="Print nothing but warnings and errors.")] = False

    def check(self, source: str) -> None:
        """Find mistakes before the networks are loaded.

        Args:
            source: The source, which must not be written to.

        Raises:
            PoseTrackError: What is asked for cannot be written.
        """
        if self.json_to not in (None, "-"):
            raise PoseTrackError(
                f"--json {self.json_to}: only '-' is known, the standard output; use > for a file"
            )
        if self.record is not None:
            _check_recording(self.record, source)


def live_command(
    recipe: RecipeOptions,
    compute: ComputeOptions,
    play: PlayOptions,
    view: DisplayOptions,
    save: SaveOptions,
    drawing: PeopleDrawOptions,
    people: LivePeopleOptions,
    source: Annotated[
        str, typer.Argument(help="Camera number, /dev/video0, rtsp://..., http://... or a video file.")
    ] = "0",
) -> None:
    """Track people in real time: always the newest frame, so that the image does not lag.

    Keys in the window and on the page: s skeletons, m masks, b boxes, i ids, t trails, u dense poses,
    p or space pause, r record, n next recipe, q quit (window).
    """
    start_logging(logging.WARNING)
    save.check(source)
    read_address(view.serve or DEFAULT_ADDRESS)
    settings = LiveSettings(
        recipe.recipe,
        drawing.add_to(drawing.make_style(recipe.read())),
        is_recording=save.record is not None,
    )
    with without_garbage():
        build = _make_builder(
            recipe, compute, people, with_faces=settings.style.blur_faces, is_quiet=save.quiet
        )
        # Before the source is opened, so that no frames are missed meanwhile.
        built = {recipe.recipe: build(recipe.recipe)}
    controls = _make_controls(settings)
    outputs: list[LiveOutput] = []
    with play.open(source) as live:
        session = LiveSession(live, lambda name: built.pop(name, None) or build(name), controls, outputs)
        window = _open_window(controls, live.name, session.stop) if view.window else None
        if save.json_to is not None:
            outputs.append(_write_json(live.name, session.pipeline.skeleton, read_recipe(recipe.recipe).name))
        outputs.append(recorder := Recorder(save.record or _RECORDING, controls.stop_recording))
        if view.serve is not None or not (view.window or save.json_to):
            outputs.append(_serve(view, controls, live, recorder))
        if not save.quiet:
            outputs.append(_Printer())
        if window is None:
            _run(session, play.duration)
        else:
            outputs.append(window)
            _run_beside(window, session, play.duration)


def _make_builder(
    recipe: RecipeOptions,
    compute: ComputeOptions,
    people: LivePeopleOptions,
    *,
    with_faces: bool,
    is_quiet: bool,
) -> Callable[[str], Pipeline]:
    """Make the builder of pipelines by recipe name; the given weights are for the first recipe only."""
    # Torch takes seconds to import: only commands that run networks wait for it.
    from posetrack.build import build_pipeline

    chosen, selection = compute.choose(), people.read()

    def build(name: str) -> Pipeline:
        settings = recipe.read() if name == recipe.recipe else read_recipe(name)
        if not is_quiet:
            tell_loading(settings)
        return build_pipeline(
            without_delay(settings),
            chosen,
            smoothed=people.smooth,
            selection=selection,
            with_faces=with_faces,
        )

    return build


def _make_controls(settings: LiveSettings) -> LiveControls:
    from posetrack.needs import find_lack

    # The others are those that can run here, so that every key press has an effect.
    others = [name for name in list_recipes() if find_lack(read_recipe(name)) is None]
    return LiveControls(settings, tuple(dict.fromkeys((settings.recipe, *others))))


def _run(session: LiveSession, duration_s: float | None) -> None:
    if duration_s is None:
        session.run()
        return
    timer = Timer(duration_s, session.stop)
    timer.daemon = True
    timer.start()
    try:
        session.run()
    finally:
        timer.cancel()


def _run_beside(window: Window, session: LiveSession, duration_s: float | None) -> None:
    """Run the window on this thread, as Tk requires, and the session on another."""
    failures: list[BaseException] = []
    thread = Thread(target=_catch, args=(lambda: _run(session, duration_s), failures), daemon=True)
    thread.start()
    try:
        window.loop()
    finally:
        session.stop()
        thread.join(_LEAVE_S)
    if failures:
        raise failures[0]


def _open_window(controls: LiveControls, title: str, stop: Callable[[], None]) -> Window:
    try:
        from posetrack.live.window import Window
    except ImportError as error:
        raise PoseTrackError(
            "--window: this Python has no Tk; install it (Debian: apt install python3-tk), or use --serve"
        ) from error
    return Window(controls, title, stop)


def _write_json(source: str, skeleton: Skeleton, recipe: str) -> LiveOutput:
    # Unbuffered: a blocked reader would keep the lock of Python's buffer when the program ends.
    file = open(sys.stdout.fileno(), "wb", buffering=0, closefd=False)  # noqa: SIM115
    return JsonLines(file, source=source, skeleton=skeleton, recipe=recipe)


def _check_recording(path: Path, source: str) -> None:
    check_output_file(path, [Path(source)], "--record")
    if os.path.lexists(path):
        raise PoseTrackError(f"{path}: is there already; give --record another name")
    if not path.parent.is_dir():
        raise PoseTrackError(f"{path}: there is no such folder; make it first")
    if not os.access(path.parent, os.W_OK):
        raise PoseTrackError(f"{path}: its folder may not be written to; give --record another one")


def _catch(work: Callable[[], None], failures: list[BaseException]) -> None:
    try:
        work()
    except BaseException as error:  # noqa: BLE001, carried over to the main thread
        failures.append(error)


def _serve(view: DisplayOptions, controls: LiveControls, live: LiveSource, recorder: Recorder) -> LiveOutput:
    from posetrack.live.server import BrowserView

    host, port = read_address(view.serve or DEFAULT_ADDRESS)
    page = BrowserView(
        controls,
        host=host,
        port=port,
        token=view.token,
        source=live.name,
        read_status=lambda: live.status,
        read_recording=lambda: recorder.path,
    )
    print_address(page.url, port, is_shared=page.is_shared, purpose="watch from")
    return page


class _Printer:
    """Prints the numbers of the session periodically."""

    def __init__(self) -> None:
        self._printed_s = time.monotonic()
        self._last: LiveFrame | None = None
        self._advice = ""

    def show(self, shown: LiveFrame) -> None:
        self._last = shown
        if shown.advice != self._advice:
            self._advice = shown.advice
            print(f"posetrack: {shown.advice or 'fast enough again'}", file=sys.stderr)
        if time.monotonic() - self._printed_s >= _PRINT_EVERY_S:
            self._print(shown)

    def close(self) -> None:
        if self._last is not None:
            self._print(self._last)

    def _print(self, shown: LiveFrame) -> None:
        self._printed_s = time.monotonic()
        print(f"posetrack: {shown.describe()}", file=sys.stderr)
