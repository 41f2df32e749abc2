"""A window on this machine's display, by Tk, which most Python installations include."""

from __future__ import annotations

import time
import tkinter as tk
from collections.abc import Callable
from contextlib import suppress
from threading import Lock
from types import TracebackType

import cv2

from posetrack.errors import PoseTrackError
from posetrack.frame import ImageArray
from posetrack.live.controls import LiveControls
from posetrack.live.session import LiveFrame

KEYS = {
    "s": "skeletons",
    "m": "masks",
    "b": "boxes",
    "i": "ids",
    "t": "trails",
    "u": "iuv",
    "p": "pause",
    "space": "pause",
    "r": "record",
}
"""Keys that switch something on and off; `n` is the next recipe, `q` and Escape end the session."""

_POLL_MS = 10
_TITLE_EVERY_S = 0.5


class Window:
    """A live output in a window. Tk requires that `loop` runs on the thread that made the object.

    Args:
        controls: The settings that keys change.
        title: Start of the title bar, before the numbers.
        stop: Called when the window is closed.

    Raises:
        PoseTrackError: There is no display.
    """

    def __init__(self, controls: LiveControls, title: str, stop: Callable[[], None]) -> None:
        try:
            self._root = tk.Tk()
        except tk.TclError as error:
            raise PoseTrackError(f"--window: no display to open it on ({error}); use --serve") from error
        self._controls = controls
        self._title = title
        self._stop = stop
        self._lock = Lock()
        self._newest: LiveFrame | None = None
        self._is_over = False
        self._failure: BaseException | None = None
        self._titled_s = 0.0
        self._photo: tk.PhotoImage | None = None
        self._label = tk.Label(self._root, borderwidth=0, background="black")
        self._label.pack(fill=tk.BOTH, expand=True)
        self._root.title(title)
        # Tk prints what a callback raises and continues; Ctrl-C nearly always arrives in a callback.
        self._root.report_callback_exception = self._fail
        self._root.protocol("WM_DELETE_WINDOW", self._end)
        self._root.bind("<Key>", lambda event: self.press(event.keysym))

    def show(self, shown: LiveFrame) -> None:
        """Receive a finished frame, from any thread; one that was not drawn yet is replaced."""
        with self._lock:
            self._newest = shown

    def close(self) -> None:
        """End `loop`, from any thread."""
        self._is_over = True

    def loop(self) -> None:
        """Draw images until the session ends or the window is closed; runs on the thread that made the window.

        Raises:
            BaseException: What drawing raised, or Ctrl-C.
        """
        try:
            self._root.after_idle(self._draw)
            self._root.mainloop()
        finally:
            # Tk objects must be freed on this thread, not when another one collects garbage.
            self._photo = None
            with suppress(tk.TclError):
                self._root.destroy()
        if self._failure is not None:
            raise self._failure

    def press(self, key: str) -> None:
        """Handle a key.

        Args:
            key: Its Tk name (keysym), in either case.
        """
        key = key.lower()
        if key in ("q", "escape"):
            self._end()
        elif key == "n":
            self._controls.next_recipe()
        elif key in KEYS:
            self._controls.toggle(KEYS[key])

    def _end(self) -> None:
        self._is_over = True
        self._stop()

    def _draw(self) -> None:
        with self._lock:
            shown, self._newest = self._newest, None
        if shown is not None:
            self._photo = tk.PhotoImage(data=encode_ppm(self._fit(shown.drawn)), format="PPM")
            self._label.configure(image=self._photo)
            self._show_numbers(shown)
        if self._is_over:
            self._root.quit()
        else:
            self._root.after(_POLL_MS, self._draw)

    def _fail(self, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        self._failure = error
        self._root.quit()

    def _show_numbers(self, shown: LiveFrame) -> None:
        now_s = time.monotonic()
        if now_s - self._titled_s > _TITLE_EVERY_S:
            self._titled_s = now_s
            self._root.title(f"{self._title} - {shown.describe()}")

    def _fit(self, image: ImageArray) -> ImageArray:
        """Scale an image down to fit the screen."""
        scale = min(
            1.0,
            0.9 * self._root.winfo_screenwidth() / image.shape[1],
            0.9 * self._root.winfo_screenheight() / image.shape[0],
        )
        if scale == 1.0:
            return image
        size_wh = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
        return cv2.resize(image, size_wh, interpolation=cv2.INTER_AREA)  # type: ignore[return-value]


def encode_ppm(image: ImageArray) -> bytes:
    """Encode an image as PPM, which every version of Tk reads.

    Args:
        image: (H, W, 3) uint8 RGB.
    """
    height, width = image.shape[:2]
    return b"P6 %d %d 255\n" % (width, height) + image.tobytes()
