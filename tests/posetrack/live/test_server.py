"""The server of the browser view, with images from nowhere and viewers of every kind."""

import asyncio
import json
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import cv2
import numpy as np
import pytest

from posetrack.errors import PoseTrackError
from posetrack.frame import NO_DENSE, UNTRACKED, Frame, Instances
from posetrack.live import feed as feed_module
from posetrack.live.controls import LiveControls, LiveSettings
from posetrack.live.feed import ViewOptions
from posetrack.live.server import BrowserView
from posetrack.live.session import LiveFrame
from posetrack.live.state import StateReader
from posetrack.live.stats import LiveStats
from posetrack.render import color_of
from posetrack.video.live import LiveStatus
from posetrack.web.jpeg import encode_jpeg

WAIT_S = 10.0
SETTINGS = LiveSettings("fast")
PEOPLE = Instances(
    boxes_xyxy=[[10, 20, 60, 100], [80, 20, 110, 90]], box_scores=[0.9, np.nan], track_ids=[7, UNTRACKED]
)


def make_image(index: int = 0, *, width: int = 160, height: int = 120, people: Instances = PEOPLE) -> LiveFrame:
    """A grey image, as bright as its index."""
    image = np.full((height, width, 3), index % 256, np.uint8)
    frame = Frame(index, index / 25, image, people)
    return LiveFrame(frame, image, SETTINGS, LiveStats(24.96, 40.4, 80.6), LiveStatus("live"))


@contextmanager
def serve(controls: LiveControls | None = None, **options: Any) -> Iterator[BrowserView]:
    view = BrowserView(controls or LiveControls(SETTINGS, ("fast", "default")), port=0, **options)
    try:
        yield view
    finally:
        view.close()


def talk(use: Callable[[aiohttp.ClientSession], Awaitable[None]]) -> None:
    async def run() -> None:
        async with asyncio.timeout(30), aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as client:
            await use(client)

    asyncio.run(run())


def address_of(view: BrowserView, path: str, scheme: str = "http") -> str:
    return f"{scheme}://127.0.0.1:{view.port}{path}"


class Viewer:
    """A page, as far as the server can tell."""

    def __init__(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        self.ws = ws
        self.num_images = 0

    async def read_message(self) -> dict[str, Any]:
        return json.loads(await self.ws.receive_str(timeout=WAIT_S))

    async def read_state(
        self, is_wanted: Callable[[dict[str, Any]], bool] = lambda state: True
    ) -> dict[str, Any]:
        """The first state that is wanted; images on the way are drawn."""
        while True:
            message = await self.read_message()
            if message.get("image") is not None:
                await self._draw(message["image"])
            if "state" in message and is_wanted(message["state"]):
                return message["state"]

    async def read_image(self, *, is_drawn: bool = True) -> tuple[dict[str, Any], np.ndarray]:
        """The next image (H, W, 3) and its state."""
        while (message := await self.read_message()).get("image") is None:
            pass
        return message["state"], await self._draw(message["image"] if is_drawn else None)

    async def _draw(self, number: int | None) -> np.ndarray:
        jpeg = await self.ws.receive_bytes(timeout=WAIT_S)
        self.num_images += 1
        if number is not None:
            await self.ws.send_json({"ack": number})
        return cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)


def watch(client: aiohttp.ClientSession, view: BrowserView) -> AbstractContextManager:
    return client.ws_connect(address_of(view, "/ws"))


def test_the_page_is_served_with_headers_that_forbid_what_it_does_not_need():
    with serve(source="camera 0") as view:

        async def use(client: aiohttp.ClientSession) -> None:
            async with client.get(view.url) as answer:
                assert answer.status == 200
                text = await answer.text()
                assert "<script>" not in text
                assert " style=" not in text
                assert " onclick=" not in text
                assert answer.headers["X-Content-Type-Options"] == "nosniff"
                assert answer.headers["Cache-Control"] == "no-store"
                assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
                assert "unsafe" not in answer.headers["Content-Security-Policy"]
                assert "Set-Cookie" not in answer.headers
            for path, kind in (
                ("app.js", "text/javascript"),
                ("style.css", "text/css"),
                ("icon.svg", "image/svg+xml"),
            ):
                async with client.get(view.url + path) as answer:
                    assert (answer.status, answer.content_type) == (200, kind)
            async with client.get(view.url + "healthz") as answer:
                assert await answer.text() == "ok\n"
            for path in ("index.htm", "../server.py", "%2e%2e/server.py", "//etc/passwd"):
                async with client.get(view.url + path) as answer:
                    assert answer.status == 404
                    assert "nosniff" in answer.headers["X-Content-Type-Options"]

        talk(use)


def test_the_state_says_what_is_known():
    controls = LiveControls(SETTINGS, ("fast", "default"))
    status = LiveStatus("live", num_captured=9, num_dropped=2, num_reconnects=1)
    with serve(
        controls, source="camera 0", read_status=lambda: status, read_recording=lambda: Path("a/out-2.mp4")
    ) as view:

        async def use(client: aiohttp.ClientSession) -> None:
            async with client.get(address_of(view, "/state.json")) as answer:
                state = await answer.json()
            assert (state["index"], state["people"], state["fps"], state["recording"]) == (None, [], None, None)
            controls.toggle("record")
            controls.toggle("boxes")
            view.show(make_image(5))
            async with watch(client, view) as ws:
                state, _ = await Viewer(ws).read_image()
            assert state["people"] == [
                {
                    "track_id": 7,
                    "color": "#{:02x}{:02x}{:02x}".format(*color_of(7)),
                    "score": 0.9,
                    "box_xyxy": [10.0, 20.0, 60.0, 100.0],
                },
                {"track_id": None, "color": "#a0a0a0", "score": None, "box_xyxy": [80.0, 20.0, 110.0, 90.0]},
            ]
            expected = {
                "source": "camera 0",
                "index": 5,
                "time_s": 0.2,
                "size_wh": [160, 120],
                "num_people": 2,
                "has_dense": False,
                "has_masks": False,
                "advice": "",
                "fps": 25.0,
                "latency_p50_ms": 40.0,
                "latency_p95_ms": 81.0,
                "status": "live",
                "message": "",
                "num_captured": 9,
                "num_dropped": 2,
                "num_reconnects": 1,
                "recipe": "fast",
                "recipes": ["fast", "default"],
                "recording": "out-2.mp4",
                "is_over": False,
            }
            assert {name: state[name] for name in expected} == expected
            assert state["toggles"]["record"]
            assert not state["toggles"]["boxes"]
            assert not state["toggles"]["pause"]

        talk(use)


def test_the_state_says_whether_there_are_dense_poses_also_while_nobody_is_there():
    shown = make_image()
    nobody = replace(shown, frame=replace(shown.frame, instances=Instances()))
    someone = replace(shown.frame.instances, dense=(NO_DENSE,) * len(shown.frame.instances))
    cases = {
        "no recipe of dense poses": (shown, False),
        "nobody": (nobody, False),
        "nobody now": (replace(nobody, gives_dense=True), True),
        "someone": (replace(shown, frame=replace(shown.frame, instances=someone)), True),
    }
    reader = StateReader(LiveControls(SETTINGS), "camera 0")
    for case, (image, has_dense) in cases.items():
        state = reader.make_state(image, is_fresh=True, is_over=False)
        assert state["has_dense"] is has_dense, case
        assert state["toggles"]["iuv"] is True
    assert reader.make_state(None, is_fresh=False, is_over=False)["has_dense"] is False


def test_a_viewer_gets_a_image_and_the_newest_one_once_it_has_drawn_that():
    with serve(options=ViewOptions(state_every_s=0.05)) as view:

        async def use(client: aiohttp.ClientSession) -> None:
            async with watch(client, view) as ws:
                viewer = Viewer(ws)
                await viewer.read_state()
                view.show(make_image(40, width=200, height=100))
                state, image = await viewer.read_image(is_drawn=False)
                assert state["index"] == 40
                assert image.shape == (100, 200, 3)
                assert np.abs(image.astype(int) - 40).max() <= 2
                for index in range(50, 150):
                    view.show(make_image(index))
                # Not drawn yet: states come, images do not.
                for _ in range(2):
                    assert (await viewer.read_message())["image"] is None
                await ws.send_json({"ack": 999})
                assert (await viewer.read_message())["image"] is None
                await ws.send_json({"ack": 1})
                state, image = await viewer.read_image()
                assert state["index"] == 149
                assert np.abs(image.astype(int) - 149).max() <= 2

        talk(use)


def test_large_images_are_scaled_down():
    assert cv2.imdecode(
        np.frombuffer(encode_jpeg(np.zeros((50, 200, 3), np.uint8), 100, 80), np.uint8), 1
    ).shape == (
        25,
        100,
        3,
    )
    image = np.zeros((4, 4, 3), np.uint8)
    image[..., 0] = 200
    decoded = cv2.imdecode(np.frombuffer(encode_jpeg(image, 100, 95), np.uint8), 1)
    assert decoded.shape == (4, 4, 3)
    assert decoded[0, 0, 2] > 150 > decoded[0, 0, 0]  # Red stays red.


def test_viewers_share_one_encoding_and_without_viewers_there_is_none(monkeypatch: pytest.MonkeyPatch):
    encoded: list[int] = []

    def encode(image: np.ndarray, max_side_px: int, quality: int) -> bytes:
        encoded.append(int(image[0, 0, 0]))
        return encode_jpeg(image, max_side_px, quality)

    monkeypatch.setattr(feed_module, "encode_jpeg", encode)
    with serve() as view:

        async def use(client: aiohttp.ClientSession) -> None:
            for index in range(20):
                view.show(make_image(index))
            async with watch(client, view) as ws:
                viewer = Viewer(ws)
                await viewer.read_state(lambda state: state["index"] == 19)
            encoded.clear()
            async with watch(client, view) as a, watch(client, view) as b, watch(client, view) as c:
                viewers = [Viewer(ws) for ws in (a, b, c)]
                for viewer in viewers:
                    await viewer.read_image()
                for index in range(100, 110):
                    view.show(make_image(index))
                    for viewer in viewers:
                        state, _ = await viewer.read_image()
                        assert state["index"] == index
            assert encoded[-10:] == list(range(100, 110))
            assert len(encoded) <= 11
            encoded.clear()
            view.show(make_image(200))
            async with client.get(address_of(view, "/state.json")) as answer:
                assert (await answer.json())["num_people"] == 2
            assert encoded == []

        talk(use)


def test_a_hidden_page_gets_states_only():
    with serve(options=ViewOptions(state_every_s=0.05)) as view:

        async def use(client: aiohttp.ClientSession) -> None:
            async with watch(client, view) as ws:
                viewer = Viewer(ws)
                await ws.send_json({"watch": False})
                await ws.send_json({})
                while "error" not in await viewer.read_message():
                    pass
                view.show(make_image(3))
                await viewer.read_state(lambda state: state["index"] == 3)
                assert viewer.num_images == 0
                await ws.send_json({"watch": True})
                await viewer.read_image()

        talk(use)


def connect_hung(view: BrowserView, path: str) -> socket.socket:
    """A viewer that asks and never reads; little of what it is sent fits into its buffers."""
    hung = socket.socket()
    hung.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    hung.connect(("127.0.0.1", view.port))
    upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    hung.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{view.port}\r\n{upgrade}{key}\r\n".encode())
    return hung


@pytest.mark.parametrize("path", ["/ws", "/stream.mjpg"])
def test_a_hung_viewer_holds_up_neither_the_session_nor_another_viewer(path: str):
    noise = np.random.default_rng(0).integers(0, 255, (480, 640, 3), np.uint8)
    with serve() as view, connect_hung(view, path):

        async def use(client: aiohttp.ClientSession) -> None:
            async with watch(client, view) as ws:
                viewer = Viewer(ws)
                await viewer.read_state()
                for index in range(200):
                    view.show(replace(make_image(index), drawn=noise))
                    if index % 20 == 19:
                        # The other one gets this very image, so nobody waits for the hung one.
                        while (await viewer.read_image())[0]["index"] != index:
                            pass
                assert viewer.num_images >= 10

        talk(use)
        began_s = time.monotonic()
        view.close()
        assert time.monotonic() - began_s < 3


def test_a_viewer_that_never_draws_is_closed():
    with serve(options=ViewOptions(state_every_s=0.05, silent_after_s=0.2, closed_after_s=0.6)) as view:

        async def use(client: aiohttp.ClientSession) -> None:
            async with watch(client, view) as ws:
                view.show(make_image())
                await Viewer(ws).read_image(is_drawn=False)
                async for message in ws:
                    assert message.type is aiohttp.WSMsgType.TEXT
                assert ws.close_code == aiohttp.WSCloseCode.ABNORMAL_CLOSURE

        talk(use)


def test_a_stream_that_nobody_reads_is_ended():
    noise = np.random.default_rng(0).integers(0, 255, (480, 640, 3), np.uint8)
    options = ViewOptions(silent_after_s=0.2, max_viewers=1)
    with serve(options=options) as view, connect_hung(view, "/stream.mjpg"):

        async def use(client: aiohttp.ClientSession) -> None:
            # Once the hung one has lost its place there is one for somebody else.
            status = 503
            for index in range(1000):
                view.show(replace(make_image(index), drawn=noise))
                await asyncio.sleep(0.01)
                if index > 10 and index % 10 == 0:
                    async with client.get(address_of(view, "/stream.mjpg")) as answer:
                        status = answer.status
                    if status == 200:
                        break
            assert status == 200

        talk(use)


def test_the_stream_is_mjpeg():
    with serve() as view:

        async def use(client: aiohttp.ClientSession) -> None:
            view.show(make_image(60))
            async with client.get(address_of(view, "/stream.mjpg")) as answer:
                assert answer.content_type == "multipart/x-mixed-replace"
                boundary = answer.content_type and answer.headers["Content-Type"].partition("boundary=")[2]
                for index in (60, 90):
                    view.show(make_image(index))
                    image = None
                    while image is None or abs(int(image[0, 0, 0]) - index) > 2:
                        assert (await answer.content.readline()).strip().decode() == f"--{boundary}"
                        assert await answer.content.readline() == b"Content-Type: image/jpeg\r\n"
                        size = int((await answer.content.readline()).split(b":")[1])
                        await answer.content.readline()
                        jpeg = await answer.content.readexactly(size)
                        await answer.content.readline()
                        image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
                    assert image.shape == (120, 160, 3)

        talk(use)


def test_viewers_change_settings_and_everybody_hears_of_it():
    controls = LiveControls(SETTINGS, ("fast", "default"))
    with serve(controls, options=ViewOptions(state_every_s=30)) as view:

        async def use(client: aiohttp.ClientSession) -> None:
            async with watch(client, view) as a, watch(client, view) as b:
                await a.send_json({"toggle": "trails"})
                for ws in (a, b):
                    await Viewer(ws).read_state(lambda state: state["toggles"]["trails"])
                await b.send_json({"recipe": "default"})
                for ws in (a, b):
                    await Viewer(ws).read_state(lambda state: state["recipe"] == "default")
            assert controls.settings.style.trails
            assert controls.settings.recipe == "default"

        talk(use)


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("{", "not JSON"),
        ("[" * 4000, "not JSON"),
        ("[]", "unknown command"),
        ('"toggle"', "unknown command"),
        ('{"toggle": 3}', "unknown command"),
        ('{"toggle": ["boxes"]}', "unknown command"),
        ('{"toggle": "boxs"}', "did you mean 'boxes'?"),
        ('{"recipe": "../../etc/passwd"}', "no recipe '../../etc/passwd' here"),
        ('{"quit": true}', "unknown command"),
    ],
)
def test_a_wrong_command_is_answered_and_changes_nothing(command: str, said: str):
    controls = LiveControls(SETTINGS, ("fast", "default"))
    with serve(controls) as view:

        async def use(client: aiohttp.ClientSession) -> None:
            async with watch(client, view) as ws:
                await ws.send_str(command)
                while "error" not in (message := await Viewer(ws).read_message()):
                    pass
                assert said in message["error"]
                await ws.send_str('{"toggle": "ids"}')  # It still listens.
                await Viewer(ws).read_state(lambda state: not state["toggles"]["ids"])

        talk(use)
        assert controls.settings == replace(SETTINGS, style=replace(SETTINGS.style, ids=False))


def test_binary_is_answered_and_an_oversize_command_closes_the_connection():
    with serve() as view:

        async def use(client: aiohttp.ClientSession) -> None:
            async with watch(client, view) as ws:
                await ws.send_bytes(b"\x00")
                while "error" not in (message := await Viewer(ws).read_message()):
                    pass
                assert "expected text" in message["error"]
                await ws.send_str(json.dumps({"toggle": "x" * 5000}))
                async for _ in ws:
                    pass
                assert ws.close_code == aiohttp.WSCloseCode.MESSAGE_TOO_BIG

        talk(use)


def test_a_lost_source_is_told_although_no_images_come(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(feed_module, "_FRESH_S", 0.2)
    status = LiveStatus("live")
    with serve(read_status=lambda: status, options=ViewOptions(state_every_s=0.05)) as view:

        async def use(client: aiohttp.ClientSession) -> None:
            nonlocal status
            async with watch(client, view) as ws:
                viewer = Viewer(ws)
                view.show(make_image())
                await viewer.read_image()
                status = LiveStatus("lost", "the camera is gone", num_reconnects=2)
                state = await viewer.read_state(lambda state: state["status"] == "lost")
                assert (state["message"], state["num_reconnects"]) == ("the camera is gone", 2)
                # What was measured before does not hold for ever.
                await viewer.read_state(lambda state: state["fps"] is None)

        talk(use)


def test_too_many_viewers_are_told_so():
    with serve(options=ViewOptions(max_viewers=2)) as view:

        async def use(client: aiohttp.ClientSession) -> None:
            async with watch(client, view) as a, watch(client, view) as b:
                await Viewer(a).read_state()
                await Viewer(b).read_state()
                async with watch(client, view) as c:
                    message = await c.receive(timeout=WAIT_S)
                    assert message.data == aiohttp.WSCloseCode.TRY_AGAIN_LATER
                    assert message.extra == "2 viewers are watching already; try again later"
                async with client.get(address_of(view, "/stream.mjpg")) as answer:
                    assert answer.status == 503
                    assert "2 viewers" in await answer.text()

        talk(use)


ROUTES = ("/", "/app.js", "/state.json", "/healthz", "/stream.mjpg", "/ws", "/nothing")


def test_nobody_watches_without_the_token_where_others_can_reach_it():
    with serve(host="0.0.0.0") as view:
        token = view.url.partition("?token=")[2]
        assert len(token) >= 40

        async def use(client: aiohttp.ClientSession) -> None:
            view.show(make_image())
            for path in ROUTES:
                for query, status in (
                    ("", 401),
                    ("?token=", 403),
                    ("?token=x", 403),
                    (f"?token={token}x", 403),
                ):
                    async with client.get(address_of(view, path + query)) as answer:
                        text = await answer.text()
                        assert (path, answer.status) == (path, status)
                        assert text.count("\n") == 1
                        assert token not in text
                        assert "Set-Cookie" not in answer.headers
            with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
                await watch(client, view)
            assert caught.value.status == 401

            # The token is enough, for tools without cookies; so is the cookie that comes with the page.
            async with client.get(address_of(view, f"/state.json?token={token}")) as answer:
                assert answer.status == 200
            async with client.get(address_of(view, f"/?token={token}")) as answer:
                cookie = answer.headers["Set-Cookie"]
            assert "HttpOnly" in cookie
            assert "SameSite=Strict" in cookie
            assert token not in cookie
            cookies = {"Cookie": cookie.partition(";")[0]}
            async with client.get(address_of(view, "/app.js"), headers=cookies) as answer:
                assert answer.status == 200
            async with client.ws_connect(address_of(view, "/ws"), headers=cookies) as ws:
                await Viewer(ws).read_image()
            wrong = {"Cookie": cookies["Cookie"][:-1] + "~"}
            async with client.get(address_of(view, "/app.js"), headers=wrong) as answer:
                assert answer.status == 403
            odd = {"Cookie": cookies["Cookie"].partition("=")[0] + "=ü"}
            async with client.get(address_of(view, "/app.js"), headers=odd) as answer:
                assert answer.status in (401, 403)

        talk(use)


def test_a_given_token_counts_on_this_machine_too():
    with serve(token="a b&c=ü") as view:
        assert view.url.endswith("?token=a%20b%26c%3D%C3%BC")

        async def use(client: aiohttp.ClientSession) -> None:
            async with client.get(view.url) as answer:
                assert answer.status == 200
            async with client.get(address_of(view, "/")) as answer:
                assert answer.status == 401

        talk(use)


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8000", "127.0.0.1.evil.example", "[", "10.0.0.1", ""]
)
def test_a_name_that_was_made_to_point_here_is_refused(host: str):
    with serve() as view:

        async def use(client: aiohttp.ClientSession) -> None:
            for path in ROUTES:
                async with client.get(address_of(view, path), headers={"Host": host}) as answer:
                    assert answer.status in (400, 403)

        talk(use)


def test_names_of_this_machine_are_accepted():
    with serve() as view:

        async def use(client: aiohttp.ClientSession) -> None:
            for host in ("localhost", "LOCALHOST:1234", "127.0.0.1:8000", "127.8.9.1", "[::1]:8000"):
                async with client.get(address_of(view, "/"), headers={"Host": host}) as answer:
                    assert (host, answer.status) == (host, 200)

        talk(use)


def test_pages_from_elsewhere_may_neither_connect_nor_show():
    with serve() as view:

        async def use(client: aiohttp.ClientSession) -> None:
            for origin in (
                "http://evil.example",
                "null",
                "http://127.0.0.1:1",
                "http://[",
                f"http://x:{view.port}",
            ):
                with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
                    await client.ws_connect(address_of(view, "/ws"), origin=origin)
                assert caught.value.status == 403
            async with client.ws_connect(address_of(view, "/ws"), origin=address_of(view, "")) as ws:
                await Viewer(ws).read_state()
            headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}
            async with client.get(address_of(view, "/stream.mjpg"), headers=headers) as answer:
                assert answer.status == 403
            headers["Sec-Fetch-Mode"] = "navigate"  # A link to the page is fine.
            async with client.get(address_of(view, "/"), headers=headers) as answer:
                assert answer.status == 200

        talk(use)


def test_a_taken_port_is_one_line():
    with serve() as view:
        with pytest.raises(PoseTrackError) as caught:
            BrowserView(LiveControls(SETTINGS), port=view.port)
        assert str(caught.value) == f"--serve 127.0.0.1:{view.port}: the port is taken; give another one"


@pytest.mark.parametrize(
    ("host", "port", "said"),
    [
        ("192.0.2.7", 0, "not an address of this machine"),
        ("no such host", 8000, "no such address"),
        ("127.0.0.1", 70000, "no such port"),
    ],
)
def test_a_place_where_nobody_can_serve_is_one_line(host: str, port: int, said: str):
    with pytest.raises(PoseTrackError, match=said) as caught:
        BrowserView(LiveControls(SETTINGS), host=host, port=port)
    assert str(caught.value).startswith(f"--serve {host}:{port}: ")
    assert "\n" not in str(caught.value)


def test_the_end_is_told_and_leaves_no_thread():
    before = set(threading.enumerate())
    with serve() as view:

        async def use(client: aiohttp.ClientSession) -> None:
            view.show(make_image())
            async with (
                watch(client, view) as ws,
                watch(client, view) as hung,
                client.get(address_of(view, "/stream.mjpg")) as stream,
            ):
                viewer = Viewer(ws)
                await viewer.read_image()
                await Viewer(hung).read_image(is_drawn=False)
                closing = asyncio.create_task(asyncio.to_thread(view.close))
                await viewer.read_state(lambda state: state["is_over"])
                message = await ws.receive(timeout=WAIT_S)
                assert message.extra == "the session has ended"
                await closing
                await stream.read()

        talk(use)
        view.show(make_image())  # Late, and harmless.
        view.close()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", view.port))
    assert {thread for thread in threading.enumerate() if thread.name.startswith("posetrack")} <= before
