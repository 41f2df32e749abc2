"""User, password and query of a source are used to open it, and appear nowhere."""

import base64
import traceback
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from posetrack.errors import VideoError
from posetrack.video.live import open_live
from posetrack.video.source import open_video

PASSWORD = "S3CRET"
EXPECTED = "Basic " + base64.b64encode(f"me:{PASSWORD}".encode()).decode()


@contextmanager
def serve_to_me(content: bytes):
    """Serve these bytes to who has the password; yields the port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            is_welcome = self.headers.get("Authorization") == EXPECTED
            self.send_response(200 if is_welcome else 401)
            if not is_welcome:
                self.send_header("WWW-Authenticate", 'Basic realm="x"')
            self.send_header("Content-Length", str(len(content) if is_welcome else 0))
            self.end_headers()
            if is_welcome:
                self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def port(make_video):
    options = {"movflags": "faststart"}
    with serve_to_me(make_video("two.mp4", container_options=options).read_bytes()) as port:
        yield port


def test_a_source_is_opened_with_its_password_and_shown_without(port):
    with open_video(f"http://me:{PASSWORD}@127.0.0.1:{port}/two.mp4?key={PASSWORD}") as video:
        assert video.info.source == f"http://***@127.0.0.1:{port}/two.mp4?***"
        assert video.info.name == "two"
        assert sum(1 for _ in video) == 20


def test_a_live_source_is_named_without_its_password(port):
    with open_live(f"http://me:{PASSWORD}@127.0.0.1:{port}/two.mp4") as live:
        assert live.name == f"http://***@127.0.0.1:{port}/two.mp4"


@pytest.mark.parametrize(
    "address",
    [
        "http://me:S3CRETx@127.0.0.1:{}/two.mp4",
        "http://me:S3CRET@127.0.0.1:1/two.mp4",
        "http://me:S3CRET@[",
        "http:/me:S3CRET@127.0.0.1:{}/two.mp4",
        "rtmp://127.0.0.1:1/app/S3CRET",
        "concat:http://me:S3CRET@127.0.0.1:1/1.ts|http://127.0.0.1:1/2.ts",
        "none://me:S3CRET@host/x",
        "http://me:S3CRET\udcff@127.0.0.1:1/x",
    ],
)
def test_failures_do_not_repeat_secrets_even_in_a_traceback(address, port, caplog):
    for open_it in (open_video, open_live):
        with pytest.raises(VideoError) as caught:
            open_it(address.format(port))
        shown = "".join(traceback.format_exception(caught.value))
        assert PASSWORD not in shown
        assert "\n" not in str(caught.value)
    assert PASSWORD not in caplog.text
