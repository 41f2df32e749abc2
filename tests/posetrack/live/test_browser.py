"""The page of the browser view in a real browser, where there is one."""

import asyncio
import itertools
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread

import numpy as np
import pytest
from browser import NEEDS_CHROMIUM, Page, use_page

from posetrack.frame import Frame, Instances
from posetrack.live.controls import LiveControls, LiveSettings
from posetrack.live.server import BrowserView
from posetrack.live.session import LiveFrame
from posetrack.live.stats import LiveStats
from posetrack.video.live import LiveStatus

SIZES = {"desktop": (1280, 800, False), "phone": (390, 844, True)}

pytestmark = NEEDS_CHROMIUM


class FakeSession:
    """Shows a person walking, 20 images a second, until told that the camera is lost."""

    def __init__(self) -> None:
        self.has_people = True
        self.gives_dense = False
        self.advice = ""
        self.controls = LiveControls(LiveSettings("fast"), ("fast", "default"))
        self.status = LiveStatus("live")
        self.view = BrowserView(
            self.controls,
            port=0,
            source="fake",
            read_status=lambda: self.status,
            read_recording=lambda: Path("me.mp4"),
        )
        self._stop = Event()
        self._thread = Thread(target=self._run)
        self._thread.start()

    def lose(self, message: str) -> None:
        self.status = LiveStatus("lost", message)

    def cut_connections(self) -> None:
        """As a network does."""
        feed = self.view._site.feed

        def cut() -> None:
            for viewer in feed.audience:
                viewer.transport.abort()

        feed._loop.call_soon_threadsafe(cut)

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
        self.view.close()

    def _run(self) -> None:
        for index in itertools.count():
            if self._stop.wait(0.05):
                return
            if self.status.state != "live":
                continue
            image = np.full((360, 640, 3), 90, np.uint8)
            x = index % 500
            image[100:300, x : x + 80] = (200, 40, 40)
            people = Instances(boxes_xyxy=[[x, 100, x + 80, 300]], box_scores=[0.9], track_ids=[3])
            frame = Frame(index, index * 0.05, image, people if self.has_people else Instances())
            stats, settings = LiveStats(20.0, 31.0, 48.0), self.controls.settings
            gives = {"gives_dense": self.gives_dense, "advice": self.advice}
            self.view.show(LiveFrame(frame, image, settings, stats, self.status, **gives))


@pytest.fixture
def session() -> Iterator[FakeSession]:
    fake = FakeSession()
    yield fake
    fake.close()


@pytest.mark.parametrize("size", SIZES)
def test_the_page_shows_images_obeys_and_tells_of_a_lost_camera(devtools: str, session: FakeSession, size: str):
    async def use(page: Page) -> None:
        await page.open(session.view.url, *SIZES[size])
        await page.wait_until("Number(document.getElementById('image')?.dataset.images ?? 0) > 5")
        drawn = "[...document.getElementById('image').getContext('2d').getImageData(320, 20, 1, 1).data]"
        assert await page.evaluate(drawn) == pytest.approx([90, 90, 90, 255], abs=3)
        assert await page.evaluate("document.getElementById('status').textContent") == "Live"
        assert await page.evaluate("document.querySelector('#people .id').textContent") == "3"
        # Nothing sticks out sideways.
        assert await page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")

        boxes = "document.querySelector('[data-toggle=boxes]')"
        assert await page.evaluate(f"{boxes}.getAttribute('aria-pressed')") == "true"
        await page.evaluate(f"{boxes}.click()")
        await page.wait_until(f"{boxes}.getAttribute('aria-pressed') === 'false'")
        assert not session.controls.settings.style.boxes
        for kind in ("keyDown", "keyUp"):
            await page.call("Input.dispatchKeyEvent", type=kind, key="r", code="KeyR", text="r")
        await page.wait_until("document.getElementById('recording').textContent === 'Recording me.mp4'")
        assert session.controls.settings.is_recording
        # What a recipe does not give has no button; its key says so.
        hidden = "[...document.querySelectorAll('[data-toggle][hidden]')].map((b) => b.dataset.toggle)"
        assert await page.evaluate(hidden) == ["masks", "iuv"]
        for kind in ("keyDown", "keyUp"):
            await page.call("Input.dispatchKeyEvent", type=kind, key="m", code="KeyM", text="m")
        await page.wait_until("document.getElementById('toast').textContent.includes('no masks')")
        assert session.controls.settings.style.masks

        assert await page.evaluate("document.getElementById('advice').hidden")
        session.advice = "too slow for this source"
        await page.wait_until("document.getElementById('advice').textContent === 'Too slow for this source.'")
        assert not await page.evaluate("document.getElementById('advice').hidden")
        assert await page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")

        session.lose("the camera gives no image any more")
        await page.wait_until(
            "document.getElementById('notice').textContent.includes('gives no image any more')"
        )
        assert await page.evaluate("document.getElementById('status').textContent") == "Lost"
        assert page.problems == []

    asyncio.run(use_page(devtools, use))


def test_dense_poses_can_be_switched_with_a_recipe_that_gives_them_whoever_is_there(
    devtools: str, session: FakeSession
):
    async def use(page: Page) -> None:
        button = "document.querySelector('[data-toggle=iuv]')"

        async def wait_for(pressed: str) -> None:
            await page.wait_until(f"!{button}.hidden && {button}.getAttribute('aria-pressed') === '{pressed}'")

        async def press_u() -> None:
            for kind in ("keyDown", "keyUp"):
                await page.call("Input.dispatchKeyEvent", type=kind, key="u", code="KeyU", text="u")

        await page.open(session.view.url, *SIZES["desktop"])
        await page.wait_until("Number(document.getElementById('image')?.dataset.images ?? 0) > 2")
        assert await page.evaluate(f"{button}.hidden")
        await press_u()
        await page.wait_until("document.getElementById('toast').textContent.includes('no dense poses')")
        assert session.controls.settings.style.iuv
        session.gives_dense = True
        await wait_for("true")
        session.has_people = False
        await page.wait_until("!document.getElementById('nobody').hidden")
        await press_u()
        await wait_for("false")
        assert not session.controls.settings.style.iuv
        await page.evaluate(f"{button}.click()")
        await wait_for("true")
        assert session.controls.settings.style.iuv
        assert page.problems == []

    asyncio.run(use_page(devtools, use))


def test_a_hidden_page_asks_for_no_images_a_cut_one_comes_back_an_ended_one_says_so(
    devtools: str, session: FakeSession
):
    async def use(page: Page) -> None:
        await page.open(session.view.url, *SIZES["desktop"])
        images = "Number(document.getElementById('image')?.dataset.images ?? 0)"
        await page.wait_until(f"{images} > 2")
        await page.evaluate(
            "Object.defineProperty(document, 'hidden', {value: true, configurable: true});"
            "document.dispatchEvent(new Event('visibilitychange'))"
        )
        await asyncio.sleep(0.3)
        before = await page.evaluate(images)
        await asyncio.sleep(0.5)
        assert await page.evaluate(images) == before
        await page.evaluate("delete document.hidden; document.dispatchEvent(new Event('visibilitychange'))")
        await page.wait_until(f"{images} > {before}")

        await page.evaluate(
            "window.said = []; const line = document.getElementById('status');"
            "new MutationObserver(() => said.push(line.textContent)).observe(line, {childList: true})"
        )
        session.cut_connections()
        await page.wait_until("said.join() === 'Not connected,Live'")
        before = await page.evaluate(images)
        await page.wait_until(f"{images} > {before}")

        await asyncio.to_thread(session.close)
        await page.wait_until("document.getElementById('notice').textContent.includes('session has ended')")
        assert page.problems == []

    asyncio.run(use_page(devtools, use))
