"""BrowserView: live images, figures and controls for browsers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from aiohttp import web

from posetrack.live.controls import LiveControls
from posetrack.live.feed import ImageFeed, ViewOptions
from posetrack.live.routes import Routes
from posetrack.live.session import LiveFrame
from posetrack.live.state import StateReader
from posetrack.video.live import LiveStatus
from posetrack.web.access import Access
from posetrack.web.server import WebServer

_FAREWELL_S = 0.4


class BrowserView:
    """A live output for browsers; the server starts when the object is made.

    Each viewer has at most one unacknowledged image and is sent the newest one after it has drawn that, so that
    no slow or hung viewer delays the session or other viewers.

    Attributes:
        host: The host as given.
        port: The port in use.
        url: The address to open, with the token if one is needed.
        is_shared: Whether other machines can reach it.
    """

    def __init__(
        self,
        controls: LiveControls,
        *,
        host: str = "127.0.0.1",
        port: int = 8000,
        token: str | None = None,
        source: str = "",
        read_status: Callable[[], LiveStatus] | None = None,
        read_recording: Callable[[], Path] | None = None,
        options: ViewOptions | None = None,
    ) -> None:
        """Start serving.

        Args:
            controls: The settings that viewers may change.
            host: Host name or address to listen on; 127.0.0.1 serves this machine only.
            port: Port to listen on; 0 for any free one.
            token: The secret that viewers have to know. None makes a random one, or none at all if only this
                machine is served.
            source: Name of the source on the page.
            read_status: Returns the status of the source, such as `lambda: live_source.status`; without it a
                lost source is not reported.
            read_recording: Returns the path of the recording, such as `lambda: recorder.path`.
            options: Sizes and limits.

        Raises:
            PoseTrackError: It cannot listen on this host and port.
        """
        options = options or ViewOptions()
        self._site = _LiveSite(controls, StateReader(controls, source, read_status, read_recording), options)
        self.host = host
        self._server = WebServer(
            self._site,
            host=host,
            port=port,
            token=token,
            limits=options.gate,
            calmed=("posetrack.live.viewers",),
        )
        self.port, self.url = self._server.port, self._server.url
        self.is_shared = self._server.is_shared

    def show(self, shown: LiveFrame) -> None:
        """Offer an image to the viewers; never blocks."""
        if self._site.feed is not None:
            self._site.feed.offer(shown)

    def close(self) -> None:
        """Tell the viewers that the session has ended, and stop the server; may be called twice."""
        self._server.close()


class _LiveSite:
    """What the server serves: the page, with a feed of images that lives in the server's loop."""

    def __init__(self, controls: LiveControls, reader: StateReader, options: ViewOptions) -> None:
        self._controls = controls
        self._reader = reader
        self._options = options
        self.feed: ImageFeed | None = None

    def open(self, access: Access) -> web.Application:
        self.feed = ImageFeed(self._reader, self._options)
        return Routes(access, self.feed, self._controls, self._options).make_app()

    async def end(self) -> None:
        if self.feed is not None:
            await self.feed.end(_FAREWELL_S)

    def close(self) -> None:
        if self.feed is not None:
            self.feed.close()
