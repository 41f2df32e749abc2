"""A file comes whole or not at all, from whichever address has it, and goes on where it was cut off."""

import hashlib
import threading
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random

import pytest

from posetrack.weights.download import DownloadError, download, make_address

CONTENT = Random(7).randbytes(700_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
OTHER = Random(8).randbytes(700_000)


class Server:
    """What a test's server has and does, and what it was asked.

    Attributes:
        content: The file.
        tag: Its ETag.
        has_range: Whether it goes on where asked.
        cut_bytes: After so many bytes of a body it hangs up; None for never.
        cuts: How many bodies it cuts.
        status: The status of its answers; 200 or 206 where it answers as it should.
        kind: Content-Type.
        has_length: Whether it states one.
        shift: How far behind the asked place it goes on.
        asked: The headers of each request.
    """

    def __init__(self, content=CONTENT):
        self.content = content
        self.tag = '"first"'
        self.has_range = True
        self.cut_bytes = None
        self.cuts = 10**9
        self.status = 200
        self.kind = "application/octet-stream"
        self.has_length = True
        self.shift = 0
        self.asked = []
        self.url = ""


class Handler(BaseHTTPRequestHandler):
    def __init__(self, server_state, *arguments):
        self.state = server_state
        super().__init__(*arguments)

    def log_message(self, *_):
        pass

    def do_GET(self):
        state = self.state
        state.asked.append(dict(self.headers))
        if state.status != 200:
            self.send_error(state.status)
            return
        start = 0
        wanted = self.headers.get("Range")
        if wanted and state.has_range and self.headers.get("If-Range", state.tag) == state.tag:
            start = int(wanted.removeprefix("bytes=").removesuffix("-")) + state.shift
            if start >= len(state.content):
                self.send_error(416)
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(state.content) - 1}/{len(state.content)}")
        else:
            self.send_response(200)
        body = state.content[start:]
        if state.has_length:
            self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Type", state.kind)
        self.send_header("ETag", state.tag)
        self.end_headers()
        if state.cut_bytes is not None and state.cuts:
            state.cuts -= 1
            body = body[: state.cut_bytes]
        self.wfile.write(body)


class QuietServer(ThreadingHTTPServer):
    def handle_error(self, request, client_address):
        """A client that hangs up is part of the tests."""


@contextmanager
def serve(state):
    with QuietServer(("127.0.0.1", 0), partial(Handler, state)) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        state.url = f"http://127.0.0.1:{server.server_port}/net.pth"
        try:
            yield state
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")


@pytest.fixture
def server():
    with serve(Server()) as state:
        yield state


@pytest.fixture
def part(tmp_path):
    return tmp_path / "net.part.pth"


def test_a_file_comes_whole(server, part):
    seen = []
    url, digest = download([server.url], part, sha256=SHA256, on_progress=lambda *now: seen.append(now))
    assert (url, digest) == (server.url, SHA256)
    assert part.read_bytes() == CONTENT
    assert seen[0] == (0, len(CONTENT))
    assert seen[-1] == (len(CONTENT), len(CONTENT))


def test_first_digits_are_enough_and_the_whole_digest_comes_back(server, part):
    assert download([server.url], part, sha256=SHA256[:8])[1] == SHA256


def test_a_file_that_is_there_already_is_not_asked_for(server, part):
    part.write_bytes(CONTENT)
    assert download([server.url], part, sha256=SHA256)[1] == SHA256
    assert server.asked == []


def test_a_cut_transfer_goes_on_by_itself(server, part):
    server.cut_bytes, server.cuts = 300_000, 2
    download([server.url], part, sha256=SHA256)
    assert part.read_bytes() == CONTENT
    assert [headers.get("Range") for headers in server.asked] == [None, "bytes=300000-", "bytes=600000-"]


def test_a_server_that_always_cuts_leaves_what_came_and_the_next_attempt_goes_on(server, part):
    server.cut_bytes = 100_000
    with pytest.raises(DownloadError, match="cut off after 300000 of 700000 bytes"):
        download([server.url], part, sha256=SHA256)
    assert part.read_bytes() == CONTENT[:300_000]
    server.cut_bytes = None
    download([server.url], part, sha256=SHA256)
    assert part.read_bytes() == CONTENT
    assert server.asked[-1]["Range"] == "bytes=300000-"
    assert server.asked[-1]["If-Range"] == '"first"'


def test_without_a_digest_only_what_the_server_says_is_the_same_file_goes_on(server, part):
    server.cut_bytes, server.cuts = 300_000, 1
    assert download([server.url], part, sha256="") == (server.url, SHA256)
    assert server.asked[-1]["If-Range"] == '"first"'
    # What was left by another address, or by nobody knows whom.
    for left in (CONTENT, OTHER[:300_000]):
        part.with_name(f"{part.name}.json").unlink()
        part.write_bytes(left)
        server.asked.clear()
        assert download([server.url], part, sha256="")[1] == SHA256
        assert part.read_bytes() == CONTENT
        assert ["Range" in headers for headers in server.asked] == [False]


def test_a_server_without_ranges_starts_again(server, part):
    server.has_range = False
    part.write_bytes(CONTENT[:300_000])
    download([server.url], part, sha256=SHA256)
    assert part.read_bytes() == CONTENT
    assert len(server.asked) == 1


def test_a_cut_without_ranges_ends_instead_of_trying_for_ever(server, part):
    server.has_range, server.cut_bytes = False, 100_000
    with pytest.raises(DownloadError, match="cut off after 100000"):
        download([server.url], part, sha256=SHA256)
    assert len(server.asked) == 2


def test_a_file_that_changed_since_starts_again(server, part):
    server.cut_bytes, server.content, server.tag = 100_000, OTHER, '"old"'
    with pytest.raises(DownloadError):
        download([server.url], part, sha256=SHA256)
    server.cut_bytes, server.content, server.tag = None, CONTENT, '"new"'
    download([server.url], part, sha256=SHA256)
    assert part.read_bytes() == CONTENT
    assert server.asked[-1]["If-Range"] == '"old"'


def test_a_beginning_of_another_file_is_thrown_away(server, part):
    part.write_bytes(OTHER[:300_000])
    download([server.url], part, sha256=SHA256)
    assert part.read_bytes() == CONTENT
    assert [headers.get("Range") for headers in server.asked] == ["bytes=300000-", None]


def test_a_beginning_longer_than_the_file_is_thrown_away(server, part):
    part.write_bytes(CONTENT + b"more")
    download([server.url], part, sha256=SHA256)
    assert part.read_bytes() == CONTENT


def test_another_address_goes_on_with_what_the_first_gave(server, part):
    with serve(Server()) as dying:
        dying.cut_bytes, dying.cuts, dying.tag = 200_000, 10, '"its own"'
        dying.has_range = False
        url, _ = download([dying.url, server.url], part, sha256=SHA256)
    assert url == server.url
    assert part.read_bytes() == CONTENT
    assert server.asked[0]["Range"] == "bytes=200000-"
    assert "If-Range" not in server.asked[0]


@pytest.mark.parametrize("sha256", [SHA256, SHA256[:8]], ids=["whole", "digits"])
def test_wrong_bytes_are_refused_and_the_next_address_is_tried(server, part, sha256):
    with serve(Server(OTHER)) as wrong:
        assert download([wrong.url, server.url], part, sha256=sha256) == (server.url, SHA256)
        with pytest.raises(DownloadError, match=r"wrong file: SHA-256 \w{16}\.\.\., expected"):
            download([wrong.url], part.with_name("b.pth"), sha256=sha256)
    assert not part.with_name("b.pth").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"status": 404}, "HTTP 404"),
        ({"status": 503}, "HTTP 503"),
        ({"kind": "text/html; charset=utf-8"}, "a web page, not the file"),
        ({"content": CONTENT[:-1]}, "wrong file: 699999 bytes, expected 700000"),
    ],
)
def test_what_is_not_the_file_does_not_touch_what_came_before(server, part, change, message):
    part.write_bytes(CONTENT[:10])
    server.has_range = False
    vars(server).update(change)
    with pytest.raises(DownloadError, match=message):
        download([server.url], part, sha256=SHA256, size_bytes=len(CONTENT))
    assert part.read_bytes() == CONTENT[:10]


def test_another_range_than_the_one_requested_is_refused(server, part):
    server.shift = 1
    part.write_bytes(CONTENT[:300_000])
    with pytest.raises(DownloadError, match="sent another range"):
        download([server.url], part, sha256=SHA256)
    assert part.read_bytes() == CONTENT[:300_000]


def test_a_server_that_sends_too_much_is_stopped(server, part):
    server.has_length, server.content = False, CONTENT * 9
    with pytest.raises(DownloadError, match="sends more bytes than the file has"):
        download([server.url], part, sha256=SHA256, size_bytes=len(CONTENT))


def test_a_server_that_states_no_length_is_believed_by_the_digest(server, part):
    server.has_length = False
    download([server.url], part, sha256=SHA256)
    assert part.read_bytes() == CONTENT


def test_offline_says_which_address_and_why_and_keeps_what_came(server, part):
    part.write_bytes(CONTENT[:10])
    with serve(Server()) as gone:
        pass
    with pytest.raises(DownloadError, match=r"^127\.0\.0\.1:\d+: Connection refused$"):
        download([gone.url], part, sha256=SHA256)
    assert part.read_bytes() == CONTENT[:10]
    assert download([gone.url, server.url], part, sha256=SHA256)[0] == server.url


def test_a_silent_server_is_given_up(part):
    class Silent(Handler):
        def do_GET(self):
            self.state.released.wait(5)

    state = Server()
    state.released = threading.Event()
    with QuietServer(("127.0.0.1", 0), partial(Silent, state)) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
        try:
            with pytest.raises(DownloadError, match="timed out"):
                download([f"http://127.0.0.1:{server.server_port}/x"], part, sha256=SHA256, timeout_s=0.2)
        finally:
            state.released.set()
            server.shutdown()


def test_an_interrupted_transfer_leaves_what_came(server, part):
    def interrupt(here, total):
        if here > 400_000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        download([server.url], part, sha256=SHA256, on_progress=interrupt)
    kept = part.read_bytes()
    assert len(kept) > 400_000
    assert kept == CONTENT[: len(kept)]
    download([server.url], part, sha256=SHA256)
    assert server.asked[-1]["Range"] == f"bytes={len(kept)}-"


def test_files_are_mirrors_too(tmp_path, part):
    (tmp_path / "a folder").mkdir()
    file = tmp_path / "a folder" / "net.pth"
    file.write_bytes(CONTENT)
    missing = make_address(str(tmp_path), "net.pth")
    for mirror in (str(file), str(file.parent), file.parent.as_uri(), file.as_uri()):
        part.unlink(missing_ok=True)
        url = make_address(mirror, "net.pth")
        assert download([missing, url], part, sha256=SHA256) == (file.as_uri(), SHA256)
    part.unlink()
    with pytest.raises(DownloadError, match=r"net\.pth: No such file or directory"):
        download([missing], part, sha256=SHA256)


def test_addresses_of_mirrors():
    assert make_address("https://a.org/w/", "n.pth") == "https://a.org/w/n.pth"
    assert make_address("https://a.org/w", "n.pth") == "https://a.org/w/n.pth"
    assert make_address("https://a.org/w/n.pth", "n.pth") == "https://a.org/w/n.pth"
    assert make_address("http://a.org/ä b/%20?k=v", "n.pth") == "http://a.org/%C3%A4%20b/%20/n.pth?k=v"
    with pytest.raises(DownloadError, match=r"^http://\[a: not a mirror; Invalid IPv6"):
        make_address("http://[a", "n.pth")
    with pytest.raises(DownloadError, match=r"^ftp://a\.org: not a mirror"):
        make_address("ftp://a.org", "n.pth")


def test_no_address_is_an_error(part):
    with pytest.raises(DownloadError, match="no address is known"):
        download([], part, sha256=SHA256)
