"""Requests to servers of weights, whatever they answer."""

from __future__ import annotations

import base64
import http.client
import string
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Protocol

from posetrack.addresses import hide_in_text, show_address

_WEB = ("http", "https")
# What urllib and http.client raise on answers of servers: ports of ten digits, names that are none, and so on.
_ODD_ANSWERS = (OSError, http.client.HTTPException, ValueError, LookupError, ArithmeticError)


class TransportError(Exception):
    """An address does not answer as it should; the message is one line without secrets.

    Attributes:
        status: The status that the server answered with; 0 without an answer.
    """

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(" ".join(hide_in_text(message).split()))
        self.status = status


class Response(Protocol):
    """The part of `urlopen`'s response that is used."""

    headers: http.client.HTTPMessage
    status: int | None

    def read(self, amount: int) -> bytes:
        """Read up to this many bytes; empty at the end."""
        ...


def add_file_name(address: str, file_name: str) -> str:
    """Make the address of a file in a folder, unless it is that of the file already; a query stays at the end.

    Args:
        address: An `http:`, `https:` or `file:` address.
        file_name: Name of the file.

    Returns:
        The address, with its spaces and non-ASCII letters quoted.
    """
    parts = urllib.parse.urlsplit(address)
    path = parts.path if parts.path.endswith(f"/{file_name}") else f"{parts.path.rstrip('/')}/{file_name}"
    # What is already quoted is kept.
    return urllib.parse.quote(parts._replace(path=path).geturl(), safe=string.punctuation)


@contextmanager
def open_address(url: str, headers: dict[str, str], timeout_s: float) -> Iterator[Response]:
    """Request an address, with the user and password in it, and follow redirections to web addresses.

    Args:
        url: An `http:`, `https:` or `file:` address.
        headers: Of the request, by name.
        timeout_s: Longest time without an answer.

    Raises:
        TransportError: There is no answer, or one that is none.
    """
    try:
        response = urllib.request.build_opener(_Redirections).open(
            _make_request(url, headers), timeout=timeout_s
        )
    except urllib.error.HTTPError as error:
        error.close()
        raise TransportError(f"HTTP {error.code} {error.reason}", error.code) from None
    except urllib.error.URLError as error:
        raise TransportError(str(getattr(error.reason, "strerror", None) or error.reason)) from None
    except (http.client.InvalidURL, ValueError):  # Whose words repeat parts of the address.
        raise TransportError("the address, or one that it redirects to, is not valid") from None
    except _ODD_ANSWERS as error:
        raise TransportError(_describe(error)) from None
    with response:
        yield response


def read_piece(response: Response, num_bytes: int) -> bytes:
    """Read up to this many bytes of a response; empty at its end.

    Raises:
        TransportError: It was cut off.
    """
    try:
        return response.read(num_bytes)
    except _ODD_ANSWERS as error:
        raise TransportError(f"cut off ({_describe(error)})") from None


def read_length(response: Response) -> int | None:
    """The length in bytes that a response states; None where it states none that a file can have."""
    text = response.headers.get("Content-Length", "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 20 else None


class _Redirections(urllib.request.HTTPRedirectHandler):
    """Follows redirections to web addresses only, and gives user and password to the same server only."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        parts = urllib.parse.urlsplit(newurl)
        if parts.scheme not in _WEB:
            raise urllib.error.URLError(f"redirects to {show_address(newurl)}, which is no web address")
        request = super().redirect_request(req, fp, code, msg, headers, newurl)
        if request is not None and request.host == req.host:
            request.unredirected_hdrs.update(req.unredirected_hdrs)
        return request


def _make_request(url: str, headers: dict[str, str]) -> urllib.request.Request:
    parts = urllib.parse.urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    bare = parts._replace(netloc=host).geturl() if at and parts.scheme in _WEB else url
    request = urllib.request.Request(bare, headers={"User-Agent": "posetrack", **headers})
    if bare != url:
        word = base64.b64encode(urllib.parse.unquote_to_bytes(user)).decode()
        request.add_unredirected_header("Authorization", f"Basic {word}")
    return request


def _describe(error: Exception) -> str:
    return str(error)[:200] or type(error).__name__
