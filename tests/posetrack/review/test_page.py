"""The page of a review in a real browser: every edit by keyboard and by mouse, checked in what readers get."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp
import numpy as np
import pytest
from browser import NEEDS_CHROMIUM, Page, use_page

from posetrack.frame import Instances
from posetrack.results.poses import read_poses

DESKTOP, PHONE = (1400, 900, False), (390, 844, True)

LANES = "document.getElementById('lanes-canvas').getBoundingClientRect().toJSON()"
PLAYING = "document.body.dataset.playing"
SMALL = "[...document.querySelectorAll('button')].filter((b) => b.offsetWidth && b.offsetHeight < 28).length"
GREY = """(() => {
    const image = document.getElementById("image");
    window.probe ??= new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
    probe.drawImage(image, image.width / 2, image.height / 20, 1, 1, 0, 0, 1, 1);
    return probe.getImageData(0, 0, 1, 1).data[0];
})()"""
"""The brightness at the top of the image, where nobody stands."""

pytestmark = NEEDS_CHROMIUM


class ReviewPage:
    """The page, with the words in which it is used."""

    def __init__(self, page: Page, path: Path) -> None:
        self.page = page
        self.path = path
        self.num_edits = 0

    async def open(self, url: str, size: tuple[int, int, bool] = DESKTOP) -> None:
        await self.page.open(url, *size)
        await self.page.wait_until("document.body?.dataset.ready === 'true' && review.isFresh")

    async def press(self, *keys: str) -> None:
        for key in keys:
            *modifiers, name = key.split("+") if len(key) > 1 else [key]
            await self.page.press(name, *modifiers)

    async def key(self, **event: object) -> None:
        """A press of a key of another keyboard."""
        given = json.dumps({**event, "bubbles": True})
        await self.page.evaluate(f"void document.body.dispatchEvent(new KeyboardEvent('keydown', {given}))")

    async def type(self, text: str) -> None:
        await self.page.wait_until("!document.getElementById('ask').hidden")
        await self.press(*text, "Enter")

    async def go_to(self, row: int) -> None:
        """By keyboard."""
        await self.press("Home", *["Shift+ArrowRight"] * (row // 10), *["ArrowRight"] * (row % 10))
        await self.page.wait_until(f"document.body.dataset.row === '{row}'")

    async def select(self, track_id: int) -> None:
        """By keyboard: the lanes are in the order of their first frames."""
        await self.press("Escape", "Escape", *["ArrowDown"] * track_id)
        await self.page.wait_until(f"document.body.dataset.selected === '{track_id}'")

    async def click_lane(self, number: int, row: int) -> None:
        box = await self.page.evaluate(
            "document.getElementById('lanes-canvas').getBoundingClientRect().toJSON()"
        )
        x = box["left"] + await self.page.evaluate(f"review.placeRow({row} + 0.5)")
        await self.page.drag((x, box["top"] + number * 22 + 11))
        await self.page.wait_until(f"document.body.dataset.row === '{row}'")

    async def place(self, x: float, y: float) -> tuple[float, float]:
        left, top = await self.page.evaluate(f"review.place({x}, {y})")
        return left, top

    async def wait_for_edit(self) -> None:
        self.num_edits += 1
        await self.page.wait_until(f"document.body.dataset.saved === '{self.num_edits}' && review.isFresh")

    def read(self, frame: int) -> Instances:
        """The people of a frame as every reader gets them now."""
        return list(read_poses(self.path))[frame].instances

    def find(self, frame: int) -> dict[int, int]:
        """The place of each id in a frame, from 0 at the left."""
        people = self.read(frame)
        middles = people.boxes_xyxy[:, [0, 2]].mean(axis=1)
        places = np.round((middles - 110) / 140).astype(int)
        return dict(zip(people.track_ids.tolist(), places.tolist(), strict=True))


def review(
    devtools: str, path: Path, use: Callable[[ReviewPage], Awaitable[None]], expected_problems: int = 0
) -> None:
    async def run(page: Page) -> None:
        await use(ReviewPage(page, path))
        assert len(page.problems) == expected_problems, page.problems

    asyncio.run(use_page(devtools, run))


def test_every_edit_by_keyboard(devtools, make_poses, serve):
    path = make_poses()
    server = serve(path)

    async def use(page: ReviewPage) -> None:
        await page.open(server.url)
        # The suspected switch, mended.
        await page.press(".")
        await page.page.wait_until("document.body.dataset.row === '20'")
        await page.page.wait_until("document.body.dataset.selected === '1'")
        await page.press("w")
        await page.type("2")
        await page.wait_for_edit()
        assert page.find(19) == {1: 0, 2: 1, 3: 2}
        assert page.find(20) == {1: 0, 2: 1, 3: 2}
        await page.press("Ctrl+z")
        await page.wait_for_edit()
        assert page.find(20) == {1: 1, 2: 0, 3: 2}
        await page.press("Ctrl+y")
        await page.wait_for_edit()
        assert page.find(20) == {1: 0, 2: 1, 3: 2}

        await page.select(3)
        await page.go_to(25)
        await page.press("s")
        await page.wait_for_edit()
        assert page.find(24) == {1: 0, 2: 1, 3: 2}
        assert page.find(25) == {1: 0, 2: 1, 5: 2}
        await page.press("m")
        await page.type("5")
        await page.wait_for_edit()
        assert page.find(25) == {1: 0, 2: 1, 3: 2}

        await page.go_to(12)
        await page.press("i")
        await page.wait_for_edit()
        assert page.find(12) == {1: 0, 2: 1, 3: 2}
        assert page.read(12).is_interpolated.tolist() == [False, False, True]

        await page.press("r")
        await page.type("30")
        await page.wait_for_edit()
        assert page.find(12) == {1: 0, 2: 1, 30: 2}
        await page.page.wait_until("document.body.dataset.selected === '30'")

        await page.go_to(7)
        await page.press("k", "k", "Shift+K", "Alt+ArrowRight", "Alt+Shift+ArrowDown")
        await page.page.wait_until("document.body.dataset.keypoint === '0'")
        page.num_edits += 1
        await page.wait_for_edit()
        nose = page.read(7).keypoints_xy[2, 0]
        assert nose.tolist() == [390 - 24 + 1, 200 - 48 + 10]
        assert page.read(7).keypoint_scores[2, 0] == 1
        await page.press("k", "a")
        await page.wait_for_edit()
        assert page.read(7).keypoint_scores[2, :3].tolist() == pytest.approx([1, 0, 0.9])

        await page.press("[", "ArrowRight", "ArrowRight", "]", "Shift+Delete")
        await page.wait_for_edit()
        assert [30 in page.find(frame) for frame in range(6, 11)] == [True, False, False, False, True]
        await page.press("x", "t")
        await page.type("")  # As proposed: a second.
        await page.wait_for_edit()
        assert page.find(31) == {1: 0, 2: 1, 30: 2}
        await page.press("Delete")
        await page.wait_for_edit()
        assert page.find(31) == {1: 0, 2: 1}
        assert await page.page.evaluate("document.body.dataset.selected") == ""

    review(devtools, path, use)
    kinds = [json.loads(line)["edit"] for line in (path.parent / "edits.jsonl").read_text().splitlines()[1:]]
    assert kinds == [
        *(
            "swap",
            "undo",
            "redo",
            "split",
            "merge",
            "interpolate",
            "rename",
            "keypoint",
            "keypoint",
            "keypoint",
        ),
        *("delete", "drop-short", "delete"),
    ]


def test_every_edit_by_mouse(devtools, make_poses, serve):
    path = make_poses()
    server = serve(path)

    async def use(page: ReviewPage) -> None:
        await page.open(server.url)
        # Lane 1 is the second; then the other person is clicked in the image.
        await page.click_lane(0, 20)
        await page.page.click("[data-do=swap]")
        await page.page.wait_until("!document.getElementById('ask').hidden")
        await page.page.drag(await page.place(110, 215))
        await page.wait_for_edit()
        assert page.find(20) == {1: 0, 2: 1, 3: 2}

        await page.page.drag(await page.place(390, 215))
        await page.page.wait_until("document.body.dataset.selected === '3'")
        await page.page.drag(await page.place(366, 152), await page.place(376.4, 140))
        await page.wait_for_edit()
        assert page.read(20).keypoints_xy[2, 0].tolist() == pytest.approx([376.4, 140], abs=0.6)
        assert page.read(19).keypoints_xy[2, 0].tolist() == [366, 152]

        await page.click_lane(2, 25)
        await page.page.click("[data-do=split]")
        await page.wait_for_edit()
        assert page.find(25) == {1: 0, 2: 1, 5: 2}
        # Merged by a click on the lane of the other: it is the fourth now.
        await page.page.click("[data-do=merge]")
        await page.page.wait_until("!document.getElementById('ask').hidden")
        box = await page.page.evaluate(
            "document.getElementById('lanes-canvas').getBoundingClientRect().toJSON()"
        )
        await page.page.drag((box["left"] + 20, box["top"] + 3 * 22 + 11))
        await page.wait_for_edit()
        assert page.find(25) == {1: 0, 2: 1, 3: 2}

        await page.page.click("[data-do=interpolate-all]")
        await page.wait_for_edit()
        assert page.find(12) == {1: 0, 2: 1, 3: 2}
        await page.page.click("[data-do=rename]")
        await page.type("8")
        await page.wait_for_edit()
        await page.click_lane(2, 3)
        await page.page.click("[data-do=mark-in]")
        await page.click_lane(2, 6)
        await page.page.click("[data-do=mark-out]")
        await page.page.click("[data-do=delete-range]")
        await page.wait_for_edit()
        assert [8 in page.find(frame) for frame in (2, 3, 6, 7)] == [True, False, False, True]
        await page.page.click("[data-do=drop-short]")
        await page.page.click("#ask button.main")
        await page.wait_for_edit()
        assert page.find(31) == {1: 0, 2: 1, 8: 2}
        await page.page.click("[data-do=delete]")
        await page.wait_for_edit()
        assert page.find(31) == {1: 0, 2: 1}
        for expected in ({1: 0, 2: 1, 8: 2}, {1: 0, 2: 1, 8: 2, 4: 3}):
            await page.page.click("[data-do=undo]")
            await page.wait_for_edit()
            assert page.find(31) == expected
        await page.page.click("[data-do=redo]")
        await page.wait_for_edit()
        assert page.find(31) == {1: 0, 2: 1, 8: 2}

        await page.page.click("#show-export")
        await page.page.click("[data-format=coco]")
        await page.page.wait_until("document.getElementById('exported').textContent.startsWith('Written: ')")

    review(devtools, path, use)
    annotations = json.loads((path.parent / "coco.json").read_text())["annotations"]
    assert {each["track_id"] for each in annotations} == {1, 2, 8}


def test_a_refused_edit_says_why_and_changes_nothing(devtools, make_poses, serve):
    path = make_poses()
    server = serve(path)

    async def use(page: ReviewPage) -> None:
        await page.open(server.url)
        toast = "document.getElementById('toast').textContent"
        await page.press("s")
        await page.page.wait_until(f"{toast} === 'Select a person first.'")
        # Keys of other keyboards: of a Russian one, and with AltGr, which Windows reports as Ctrl and Alt too.
        await page.page.evaluate("document.getElementById('toast').textContent = ''")
        await page.key(key="ь", code="KeyM")
        await page.page.wait_until(f"{toast} === 'Select a person first.'")
        await page.key(key="[", code="Digit8", ctrlKey=True, altKey=True, modifierAltGraph=True)
        await page.page.wait_until("!document.getElementById('marks').hidden")
        await page.key(key="?", code="Minus", shiftKey=True)
        await page.page.wait_until("document.getElementById('keys').open")
        await page.page.click("#keys form button")
        await page.press("x")
        await page.select(1)
        await page.press("m")
        await page.type("2")
        await page.page.wait_until(f"{toast}.startsWith('Merge: 1 and 2 are both in frame 0')")
        await page.press("Shift+Delete")
        await page.page.wait_until(f"{toast}.startsWith('Mark a range first')")
        await page.press("r", "Escape")
        await page.page.wait_until("document.getElementById('ask').hidden")
        await page.page.wait_until("document.getElementById('saved').textContent === 'No edits'")

    review(devtools, path, use, expected_problems=1)  # The browser's own line about the status 409.
    assert not (path.parent / "edits.jsonl").exists()


def test_edits_outlive_a_killed_tab_and_an_ended_program(devtools, make_poses, serve):
    path = make_poses()
    server = serve(path)

    async def use_first(raw: Page) -> None:
        page = ReviewPage(raw, path)
        await page.open(server.url)
        await page.select(1)
        await page.press("Delete")
        await page.wait_for_edit()
        # Sent, and the tab is killed before the answer.
        await raw.evaluate("void document.querySelector('[data-do=drop-short]').click()")
        await page.type("1")
        async with (
            aiohttp.ClientSession() as client,
            client.get(f"{devtools}/json/list") as answer,
        ):
            tabs = json.loads(await answer.text())
            number = next(tab["id"] for tab in tabs if tab["url"] == server.url)
            await client.get(f"{devtools}/json/close/{number}")

    async def use_second(raw: Page) -> None:
        page = ReviewPage(raw, path)
        await page.open(server.url)
        await raw.wait_until("Number(document.body.dataset.saved) >= 1")
        assert 1 not in page.find(0)
        assert len(page.find(0)) == 2
        await asyncio.to_thread(server.close)
        await page.press("ArrowDown", "Delete")
        await raw.wait_until("document.getElementById('saved').textContent === 'Not connected'")
        assert len(page.find(0)) == 2
        again = serve(path, port=server.port)
        await raw.wait_until("document.body?.dataset.ready === 'true' && !document.body.dataset.lost")
        await page.press("ArrowDown", "Delete")
        await raw.wait_until("document.getElementById('saved').textContent.endsWith('saved')")
        await raw.wait_until("document.querySelectorAll('#history li').length >= 2")
        assert len(page.find(0)) == 1
        assert again.port == server.port

    asyncio.run(use_page(devtools, use_first))
    asyncio.run(use_page(devtools, use_second))


def test_a_long_file_stays_out_of_the_page(devtools, make_poses, serve):
    path = make_poses(num_frames=12_000)
    server = serve(path)

    async def use(page: ReviewPage) -> None:
        await page.open(server.url)
        await page.press("End")
        await page.page.wait_until("document.body.dataset.row === '11999' && review.people?.length === 3")
        for row in range(100, 12_000, 190):
            await page.page.evaluate(f"review.seek({row})")
            await asyncio.sleep(0.005)
        await page.page.evaluate("review.seek(31)")
        await page.page.wait_until("review.isFresh && review.people?.length === 4")
        assert await page.page.evaluate("review.chunks") <= 48
        assert await page.page.evaluate("document.querySelectorAll('*').length") < 400
        # The time line shows a part after zooming in, and follows.
        await page.press("+", "+", "+", "+", "End")
        await page.page.wait_until("review.placeRow(11999) < innerWidth && review.placeRow(11000) < 0")
        # It has the lanes of those who are there: 4 is at the beginning only.
        assert await page.page.evaluate("review.lanes.join()") == "1,2,3"
        await page.press("0")
        await page.page.wait_until("review.lanes.join() === '1,2,3,4'")

    review(devtools, path, use)


@pytest.mark.parametrize("codec", ["libx264", "mpeg4"], ids=["by-the-browser", "by-the-server"])
def test_the_image_is_that_of_the_poses(devtools, make_poses, make_clip, serve, codec):
    """The grey of an image tells which one it is; a browser plays no MPEG-4 part 2."""
    path = make_poses(str(make_clip("clip.mp4", 40, codec=codec)))
    server = serve(path)

    async def use(page: ReviewPage) -> None:
        await page.open(server.url)
        kind = await page.page.evaluate("document.body.dataset.film")
        assert kind == {"libx264": "video", "mpeg4": "images"}[codec]
        await page.press("b", "f")
        for row in (0, 1, 2, 25, 24, 39, 11):
            await page.page.evaluate(f"review.seek({row})")
            await page.page.wait_until(f"review.image_row === {row}")
            await page.page.wait_until(f"Math.abs({GREY} - {20 + 5 * row}) <= 3")
        await page.press("Home", " ")
        await page.page.wait_until(f"{PLAYING} === 'true'")
        await page.page.wait_until(f"document.body.dataset.row === '39' && {PLAYING} === 'false'")

    review(devtools, path, use)


def test_a_phone(devtools, make_poses, serve):
    path = make_poses()
    server = serve(path)

    async def use(page: ReviewPage) -> None:
        await page.open(server.url, PHONE)
        assert await page.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert await page.page.evaluate(SMALL) == 0
        await page.page.drag(await page.place(110, 215))
        await page.page.wait_until("document.body.dataset.selected === '1'")
        await page.page.click("[data-do=delete]")
        await page.wait_for_edit()
        assert page.find(0) == {2: 1, 3: 2}

    review(devtools, path, use)


def test_a_box_has_no_keypoint_to_move(devtools, make_poses, serve):
    path = make_poses(has_keypoints=False)
    server = serve(path)

    async def use(page: ReviewPage) -> None:
        await page.open(server.url)
        await page.select(1)
        for keys in (("k", "Alt+ArrowRight"), ("a",)):
            await page.page.evaluate("document.getElementById('toast').textContent = ''")
            await page.press(*keys)
            await page.page.wait_until(
                "document.getElementById('toast').textContent === '1 is only a box here, without keypoints.'"
            )

    review(devtools, path, use)
    assert not (path.parent / "edits.jsonl").exists()
