"""What the server of a review serves: the page, poses in chunks, images, and the edits that it takes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from aiohttp import web

from posetrack.errors import PoseTrackError
from posetrack.review.export import EXPORTS
from posetrack.review.session import ReviewSession
from posetrack.web.access import Access
from posetrack.web.pages import make_page_app

_PAGE = Path(__file__).parent / "page"

Result = TypeVar("Result")


class ReviewSite:
    """The routes of a review.

    Poses and edits are served by one thread, images by another, so that a slow video delays no edit.

    Args:
        session: What is reviewed.
        export: Writes ground truth in a format, and returns where it is.
    """

    def __init__(self, session: ReviewSession, export: Callable[[str], Path]) -> None:
        self._session = session
        self._export = export
        self._work = ThreadPoolExecutor(1, "posetrack-review")
        self._images = ThreadPoolExecutor(1, "posetrack-review-images")

    def open(self, access: Access) -> web.Application:
        """Make the application."""
        app = make_page_app(access, _PAGE)
        router = app.router
        router.add_get("/session.json", self._tell_session)
        router.add_get("/rows.bin", self._tell_rows)
        router.add_get("/timeline.json", self._tell_timeline)
        router.add_get("/people.json", self._tell_people)
        router.add_get("/image.jpg", self._show_image)
        router.add_get("/video", self._play)
        router.add_post("/edit", self._edit)
        router.add_post("/export", self._write)
        return app

    async def end(self) -> None:
        """Nothing is left to say: pages find out by themselves."""

    def close(self) -> None:
        """Wait for the edit that is being written."""
        self._work.shutdown(cancel_futures=True)
        self._images.shutdown(wait=False, cancel_futures=True)

    async def _tell_session(self, request: web.Request) -> web.StreamResponse:
        return _answer(await self._run(self._session.describe))

    async def _tell_rows(self, request: web.Request) -> web.StreamResponse:
        packed = await self._run(self._session.pack_rows)
        return web.Response(body=packed, content_type="application/octet-stream")

    async def _tell_timeline(self, request: web.Request) -> web.StreamResponse:
        return _answer(await self._run(self._session.make_timeline))

    async def _tell_people(self, request: web.Request) -> web.StreamResponse:
        start, stop = _read_count(request, "start"), _read_count(request, "stop")
        return _answer(await self._run(lambda: self._session.read_people(start, stop)))

    async def _show_image(self, request: web.Request) -> web.StreamResponse:
        position = _read_count(request, "position")
        loop = asyncio.get_running_loop()
        try:
            jpeg = await loop.run_in_executor(self._images, self._session.read_image, position)
        except PoseTrackError as error:
            raise web.HTTPNotFound(text=f"{error}\n") from error
        return web.Response(body=jpeg, content_type="image/jpeg")

    async def _play(self, request: web.Request) -> web.StreamResponse:
        video = self._session.video
        if video is None or video.file is None:
            raise web.HTTPNotFound(text="there is no video that a browser could play\n")
        return web.FileResponse(video.file)

    async def _edit(self, request: web.Request) -> web.StreamResponse:
        command = await _read_object(request)
        return _answer(await self._run(lambda: self._session.edit(command)))

    async def _write(self, request: web.Request) -> web.StreamResponse:
        format_name = (await _read_object(request)).get("format")
        if format_name not in EXPORTS:
            raise web.HTTPBadRequest(text=f"format: expected one of {', '.join(EXPORTS)}\n")
        return _answer({"path": str(await self._run(lambda: self._export(str(format_name))))})

    async def _run(self, work: Callable[[], Result]) -> Result:
        """Work on the thread of the session; what it refuses is said in one line."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._work, work)
        except PoseTrackError as error:
            raise web.HTTPConflict(text=f"{error}\n") from error


def _answer(value: object) -> web.Response:
    return web.json_response(value, dumps=lambda each: json.dumps(each, separators=(",", ":")))


def _read_count(request: web.Request, name: str) -> int:
    text = request.query.get(name, "")
    if not text.isdecimal() or len(text) > 12:
        raise web.HTTPBadRequest(text=f"{name}: expected a whole number\n")
    return int(text)


async def _read_object(request: web.Request) -> dict[str, Any]:
    if request.content_type != "application/json":
        raise web.HTTPUnsupportedMediaType(text="expected application/json\n")
    try:
        value = json.loads(await request.text())
    except (ValueError, RecursionError) as error:
        raise web.HTTPBadRequest(text="not JSON\n") from error
    if not isinstance(value, dict):
        raise web.HTTPBadRequest(text="expected an object\n")
    return value
