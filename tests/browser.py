"""A real browser for tests of pages: headless Chromium, driven over the DevTools protocol."""

import asyncio
import itertools
import json
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
NEEDS_CHROMIUM = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")
WAIT_S = 20.0
_MODIFIERS = {"Alt": 1, "Ctrl": 2, "Shift": 8}


class Page:
    """One page of a browser, driven over the DevTools protocol."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self.problems: list[str] = []

    async def call(self, method: str, **params: Any) -> dict[str, Any]:
        number = next(self._numbers)
        await self._socket.send_json({"id": number, "method": method, "params": params})
        while True:
            message = await self._socket.receive_json(timeout=WAIT_S)
            self._note(message)
            if message.get("id") == number:
                assert "error" not in message, message
                return message["result"]

    async def evaluate(self, expression: str) -> Any:
        answer = await self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    async def wait_until(self, expression: str) -> None:
        end_s = time.monotonic() + WAIT_S
        while not await self.evaluate(expression):
            assert time.monotonic() < end_s, f"never true: {expression}"
            await asyncio.sleep(0.05)

    async def open(self, url: str, width: int, height: int, is_phone: bool) -> None:
        for domain in ("Page", "Runtime", "Log"):
            await self.call(f"{domain}.enable")
        await self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=is_phone,
        )
        await self.call("Page.navigate", url=url)

    async def press(self, key: str, *modifiers: str) -> None:
        """Press and release a key, such as "a", "Enter" or "ArrowLeft", with "Alt", "Ctrl" or "Shift" held."""
        held = sum(_MODIFIERS[name] for name in modifiers)
        shown = key.upper() if "Shift" in modifiers and len(key) == 1 else key
        text = {"text": shown} if len(key) == 1 and held in (0, 8) else {}
        if key == "Enter":
            text = {"text": "\r"}
        for kind in ("keyDown", "keyUp"):
            given = text if kind == "keyDown" else {}
            code = {"windowsVirtualKeyCode": 13} if key == "Enter" else {}
            await self.call("Input.dispatchKeyEvent", type=kind, key=shown, modifiers=held, **given, **code)

    async def drag(self, start: tuple[float, float], end: tuple[float, float] | None = None) -> None:
        """Press the mouse at a place of the page, move it, and release it; without an end, click."""
        steps = (
            [start]
            if end is None
            else [start, tuple((a + b) / 2 for a, b in zip(start, end, strict=True)), end]
        )
        await self._point("mouseMoved", *start)
        await self._point("mousePressed", *start)
        for x, y in steps[1:]:
            await self._point("mouseMoved", x, y)
        await self._point("mouseReleased", *steps[-1])

    async def click(self, selector: str) -> None:
        """Click the middle of an element."""
        place = f"document.querySelector({json.dumps(selector)})"
        await self.evaluate(f"{place}.scrollIntoView({{block: 'nearest'}})")
        box = await self.evaluate(f"{place}.getBoundingClientRect().toJSON()")
        await self.drag((box["left"] + box["width"] / 2, box["top"] + box["height"] / 2))

    async def _point(self, kind: str, x: float, y: float) -> None:
        pressed = {} if kind == "mouseMoved" else {"clickCount": 1}
        await self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", buttons=1, **pressed)

    def _note(self, message: dict[str, Any]) -> None:
        params = message.get("params", {})
        match message.get("method"):
            case "Runtime.exceptionThrown":
                self.problems.append(str(params["exceptionDetails"]))
            case "Log.entryAdded" if params["entry"]["level"] in ("error", "warning"):
                self.problems.append(str(params["entry"]))
            case "Runtime.consoleAPICalled" if params["type"] in ("error", "warning"):
                self.problems.append(str(params["args"]))


@contextmanager
def start_chromium(folder: Path) -> Iterator[str]:
    """The address of its DevTools."""
    options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
    options += ["--disable-background-networking", "--remote-debugging-port=0", f"--user-data-dir={folder}"]
    process = subprocess.Popen(
        [CHROMIUM or "", *options, "about:blank"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        written = folder / "DevToolsActivePort"
        end_s = time.monotonic() + WAIT_S
        while not (written.exists() and written.read_text().count("\n")):
            assert process.poll() is None, "chromium ended"
            assert time.monotonic() < end_s, "chromium did not start"
            time.sleep(0.05)
        yield f"http://127.0.0.1:{written.read_text().splitlines()[0]}"
    finally:
        process.terminate()
        process.wait(WAIT_S)


async def use_page(devtools: str, use: Callable[[Page], Any]) -> None:
    async with aiohttp.ClientSession() as client:
        async with client.put(f"{devtools}/json/new?about:blank") as answer:
            target = json.loads(await answer.text())
        async with client.ws_connect(target["webSocketDebuggerUrl"], max_msg_size=0) as socket:
            await use(Page(socket))
