"""Servers that answer with nonsense, and mirrors with secrets."""

import base64
import hashlib
import socket
import threading
from contextlib import contextmanager, suppress

import pytest

from posetrack.weights.download import DownloadError, download, make_address

CONTENT = b"weights" * 100
SHA256 = hashlib.sha256(CONTENT).hexdigest()
GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(CONTENT), CONTENT)


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")


@contextmanager
def answer_with(*answers: bytes):
    """Serve these bytes, the last of them for good; yields the port and the requests."""
    requests: list[bytes] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        waiting = list(answers)
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection, suppress(OSError):  # A client may have hung up already.
                requests.append(connection.recv(65536))
                connection.sendall(waiting.pop(0) if len(waiting) > 1 else waiting[0])
                connection.shutdown(socket.SHUT_WR)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1], requests
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(10)


def redirect_to(address: str) -> bytes:
    return b"HTTP/1.1 302 Found\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n" % address.encode()


def fetch(url, tmp_path, **options):
    return download([url], tmp_path / "x.part", sha256=SHA256, timeout_s=5, **options)


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("file:///etc/hostname", "file"),
        ("ftp://127.0.0.1:1/x", "redirects to ftp://127.0.0.1:1/x, which is no web address"),
        ("data:text/plain,x", "data"),
        ("http://[", "not valid"),
        ("http://127.0.0.1:99999999999/", "."),
        ("http://127.0.0.1:port/", "not valid"),
        ("http://" + "a" * 300 + "/", "."),
        ("http://a..b/", "."),
        ("//", "."),
        ("", "."),
        ("/", "redirect"),
    ],
)
def test_redirections_to_nonsense_are_one_line(target, reason, tmp_path):
    with answer_with(redirect_to(target)) as (port, _), pytest.raises(DownloadError, match=reason) as caught:
        fetch(f"http://127.0.0.1:{port}/x", tmp_path)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(f"127.0.0.1:{port}: ")


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\r\n\r\n",
        b"nonsense",
        b"HTTP/9.9 abc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nContent-Length: ٣\r\n\r\nabc".encode(),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nabc",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
        b"HTTP/1.1 200 OK\r\nContent-Length: 4900\r\n\r\nabc",
        b"HTTP/1.1 206 Partial\r\nContent-Range: bytes x-\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\nabc",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70000 + b"\r\n\r\nabc",
        b"HTTP/1.1 302 Found\r\n\r\n",
        b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n",
    ],
)
def test_answers_that_are_none_are_one_line(answer, tmp_path):
    with answer_with(answer) as (port, _), pytest.raises(DownloadError) as caught:
        fetch(f"http://127.0.0.1:{port}/x", tmp_path)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


def test_more_bytes_than_the_file_has_are_not_stored(tmp_path):
    answer = b"HTTP/1.1 200 OK\r\n\r\n" + bytes(3_000_000)
    with answer_with(answer) as (port, _), pytest.raises(DownloadError, match="more bytes than the file has"):
        fetch(f"http://127.0.0.1:{port}/x", tmp_path, size_bytes=len(CONTENT))
    assert (tmp_path / "x.part").stat().st_size < 1_000_000


def test_user_and_password_reach_their_server_alone_and_are_shown_nowhere(tmp_path, caplog):
    with (
        answer_with(GOOD) as (other, others),
        answer_with(redirect_to(f"http://localhost:{other}/x")) as (port, own),
    ):
        url, digest = fetch(f"http://me:S3%20CRET@127.0.0.1:{port}/x?key=S3CRET#S3CRET", tmp_path)
    word = base64.b64encode(b"me:S3 CRET")
    assert word in own[0]
    assert b"key=S3CRET" in own[0]
    assert b"Authorization" not in others[0]
    assert digest == SHA256
    assert url == f"http://***@127.0.0.1:{port}/x?***"
    assert "S3" not in (tmp_path / "x.part.json").read_text() + caplog.text


@pytest.mark.parametrize("mirror", ["http://me:S3CRET@[", "ftp://me:S3CRET@host/x", "http:/me:S3CRET@host"])
def test_mirrors_that_are_none_do_not_repeat_their_secrets(mirror, tmp_path):
    with pytest.raises(DownloadError) as caught:
        fetch(make_address(mirror, "n.pth"), tmp_path)
    assert "S3CRET" not in str(caught.value)


@pytest.mark.parametrize("user", ["me:S3#CRET", "me:S3CRET", "me:S3@CRET"])
def test_failures_do_not_repeat_secrets(user, tmp_path):
    with pytest.raises(DownloadError) as caught:
        fetch(make_address(f"http://{user}@127.0.0.1:1/?k=CRET", "n.pth"), tmp_path)
    assert "S3" not in str(caught.value)
    assert "CRET" not in str(caught.value)
