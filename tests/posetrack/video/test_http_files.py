"""Video files on servers: all images come, however the server keeps its connections."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import av
import pytest

from posetrack.video.source import open_video

CLIP = Path(__file__).parents[3] / "docs" / "media" / "street.mp4"
NUM_FRAMES = 115


class RangeHandler(BaseHTTPRequestHandler):
    """Sends parts of one file."""

    data = b""

    def do_GET(self) -> None:
        first = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").split("-")[0])
        body = self.data[first:]
        self.send_response(206)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Range", f"bytes {first}-{len(self.data) - 1}/{len(self.data)}")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        try:
            self.wfile.write(body)
        except OSError:  # The client has jumped elsewhere.
            self.close_connection = True

    def handle(self) -> None:
        with suppress(OSError):
            super().handle()

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture(params=["HTTP/1.0", "HTTP/1.1"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Address of a clip with its index at the end."""
    path = tmp_path / "clip.mp4"
    with av.open(str(CLIP)) as source, av.open(str(path), "w") as out:
        stream = out.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                out.mux(packet)
    members = {"protocol_version": request.param, "data": path.read_bytes()}
    with ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (RangeHandler,), members)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/clip.mp4"
        server.shutdown()


def test_all_images_of_a_file_with_its_index_at_the_end(address: str) -> None:
    with open_video(address) as video:
        times_s = [frame.time_s for frame in video]
        assert video.warnings == []
    assert times_s == pytest.approx([i / 25 for i in range(NUM_FRAMES)])
