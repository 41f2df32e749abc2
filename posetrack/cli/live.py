"""`posetrack live`: people tracked in a camera, a stream or a file, as it happens."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from threading import Thread, Timer
from typing import TYPE_CHECKING, Annotated

import typer

from posetrack.errors import PoseTrackError
from posetrack.live.controls import LiveControls, LiveSettings
from posetrack.live.json_lines import JsonLines
from posetrack.live.recorder import Recorder
from posetrack.live.session import LiveFrame, LiveOutput, LiveSession
from posetrack.recipe import list_recipes, read_recipe, use_weights
from posetrack.skeleton import Skeleton
from posetrack.video.live import LiveSource, open_live

if TYPE_CHECKING:
    from posetrack.build import Pipeline
    from posetrack.live.window import Window

_RECORDING = Path("live.mp4")
_DEFAULT_ADDRESS = "127.0.0.1:8000"
_PRINT_EVERY_S = 5.0


def live_command(
    source: Annotated[
        str, typer.Argument(help="Camera number, /dev/video0, rtsp://..., http://... or a video file.")
    ] = "0",
    recipe: Annotated[str, typer.Option(help="Name (see `posetrack recipes`) or TOML file.")] = "default",
    weights: Annotated[
        Path | None,
        typer.Option(help="Weights of the pose network, .safetensors or .pth.", show_default="the recipe's"),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    engine: Annotated[str, typer.Option(help="auto, torch, openvino or onnxruntime.")] = "auto",
    precision: Annotated[str, typer.Option(help="auto, f32, bf16 or fp16.")] = "auto",
    window: Annotated[bool, typer.Option("--window", help="Show a window on this machine.")] = False,
    serve: Annotated[
        str | None,
        typer.Option(
            metavar="[HOST:]PORT",
            help="Show a page in the browser; other hosts than 127.0.0.1 ask for a token.",
            show_default=f"{_DEFAULT_ADDRESS}, unless --window or --json is given",
        ),
    ] = None,
    token: Annotated[str | None, typer.Option(help="Token of the page.", show_default="a random one")] = None,
    record: Annotated[
        Path | None, typer.Option(help="Record the annotated images from the start.", show_default=False)
    ] = None,
    json_to: Annotated[
        str | None, typer.Option("--json", metavar="-", help="Write poses as JSON lines to the output.")
    ] = None,
    mirror: Annotated[bool, typer.Option("--mirror", help="Flip left and right, like a mirror.")] = False,
    loop: Annotated[bool, typer.Option("--loop", help="Play a file over and over.")] = False,
    speed: Annotated[float, typer.Option(min=0.01, help="How fast a file plays.")] = 1.0,
    smooth: Annotated[bool, typer.Option("--smooth", help="Smooth keypoints over time.")] = False,
    duration: Annotated[
        float | None, typer.Option(min=0, help="Seconds to run.", show_default="until the end or Ctrl-C")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print nothing but warnings and errors.")] = False,
) -> None:
    """Track people live: the newest frame only, so that the image never lags.

    Keys in the window and on the page: s skeletons, m masks, b boxes, i ids, t trails, p or space pause,
    r record, n next recipe, q quit (window).
    """
    logging.basicConfig(level=logging.WARNING, format="posetrack: %(message)s")
    if json_to not in (None, "-"):
        raise PoseTrackError(f"--json {json_to}: only '-' is known, the standard output; use > for a file")
    if record is not None:
        _check_recording(record)
    # Torch takes seconds to import: only whoever tracks people waits for it.
    from posetrack.build import build_pipeline
    from posetrack.compute import Compute, choose_device
    from posetrack.weights.needs import find_lack

    compute = Compute(choose_device(device), engine, precision)

    def build(name: str) -> Pipeline:
        settings = read_recipe(name)
        if weights is not None and name == recipe:
            settings = use_weights(settings, weights)
        return build_pipeline(settings, compute, batch_frames=1, smoothed=smooth)

    # Before the source is opened, so that nothing of it is missed meanwhile.
    built = {recipe: build(recipe)}
    settings = LiveSettings(recipe, is_recording=record is not None)
    # The others are those that can run here: nobody wants to wait for a key that does nothing.
    others = [name for name in list_recipes() if find_lack(read_recipe(name)) is None]
    controls = LiveControls(settings, tuple(dict.fromkeys((recipe, *others))))
    outputs: list[LiveOutput] = []
    with open_live(source, mirror=mirror, loop=loop, speed=speed) as live:
        session = LiveSession(live, lambda name: built.pop(name, None) or build(name), controls, outputs)
        shown = _open_window(controls, source, session.stop) if window else None
        if json_to is not None:
            outputs.append(_write_json(source, session.pipeline.skeleton, read_recipe(recipe).name))
        outputs.append(recorder := Recorder(record or _RECORDING, controls.stop_recording))
        if serve is not None or not (window or json_to):
            outputs.append(_serve(serve or _DEFAULT_ADDRESS, token, controls, live, recorder))
        if not quiet:
            outputs.append(_Printer())
        if shown is None:
            _run(session, duration)
        else:
            outputs.append(shown)
            _run_beside(shown, session, duration)


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
    """The window takes this thread, as Tk asks for; the session gets one of its own."""
    failures: list[BaseException] = []
    thread = Thread(target=_catch, args=(lambda: _run(session, duration_s), failures), daemon=True)
    thread.start()
    try:
        window.loop()
    finally:
        session.stop()
        thread.join()
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
    # Without Python's buffer, whose lock a reader who does not read would keep when the program ends.
    file = open(sys.stdout.fileno(), "wb", buffering=0, closefd=False)  # noqa: SIM115
    return JsonLines(file, source=source, skeleton=skeleton, recipe=recipe)


def _check_recording(path: Path) -> None:
    if path.exists():
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


def _serve(
    address: str, token: str | None, controls: LiveControls, live: LiveSource, recorder: Recorder
) -> LiveOutput:
    from posetrack.live.server import BrowserView

    host, port = _read_address(address)
    view = BrowserView(
        controls,
        host=host,
        port=port,
        token=token,
        source=live.name,
        read_status=lambda: live.status,
        read_recording=lambda: recorder.path,
    )
    print(f"posetrack: open {view.url} in a browser; Ctrl-C ends", file=sys.stderr)
    return view


def _read_address(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    if not port.isdecimal() or not 0 <= int(port) < 65536:
        raise PoseTrackError(f"--serve {address}: expected PORT or HOST:PORT, such as 8000 or 0.0.0.0:8000")
    return host.strip("[]") or "127.0.0.1", int(port)


class _Printer:
    """Prints the numbers of the session now and then."""

    def __init__(self) -> None:
        self._printed_s = time.monotonic()
        self._last: LiveFrame | None = None

    def show(self, shown: LiveFrame) -> None:
        self._last = shown
        if time.monotonic() - self._printed_s >= _PRINT_EVERY_S:
            self._print(shown)

    def close(self) -> None:
        if self._last is not None:
            self._print(self._last)

    def _print(self, shown: LiveFrame) -> None:
        self._printed_s = time.monotonic()
        print(f"posetrack: {shown.describe()}", file=sys.stderr)
