"""Download of one file from several addresses: resumed after interruptions, verified by its SHA-256.

What was received is kept in a part file, with a note of its address beside it, so that the next attempt
resumes.
"""

from __future__ import annotations

import json
import logging
import urllib.parse
from collections.abc import Callable, Sequence
from pathlib import Path

from models.checkpoints import compute_sha256
from posetrack.addresses import show_address
from posetrack.weights.transport import (
    Response,
    TransportError,
    add_file_name,
    open_address,
    read_length,
    read_piece,
)

Progress = Callable[[int, int | None], None]
"""Called with the bytes received and the total, which is None if the server does not say."""

_TIMEOUT_S = 30.0
_ATTEMPTS = 3
_CHUNK_BYTES = 1 << 18
# More than any weights file: an endless response must not fill the disk.
_MAX_BYTES = 8 << 30
_SCHEMES = ("http", "https", "file")
_NOT_SATISFIABLE = 416
_PARTIAL = 206
_LOG = logging.getLogger(__name__)


class DownloadError(Exception):
    """No address delivered the file; the message gives the reason for each address."""


class _AddressError(Exception):
    """One address did not deliver the file."""


class _CutError(_AddressError):
    """A transfer was cut off; what was received is kept."""


def make_address(mirror: str, file_name: str) -> str:
    """Make the address of a file on a mirror.

    Args:
        mirror: `http:`, `https:` or `file:` address of the file or of a folder that contains it; or a path.
        file_name: Name of the file.

    Returns:
        The file's address.

    Raises:
        DownloadError: It is not such an address.
    """
    try:
        scheme = urllib.parse.urlsplit(mirror).scheme
    except ValueError as error:
        raise DownloadError(f"{show_address(mirror)}: not a mirror; {error}") from None
    # A scheme of one letter is a drive.
    if len(scheme) < 2:
        path = Path(mirror).expanduser().resolve()
        return path.as_uri() if path.is_file() else f"{path.as_uri()}/{file_name}"
    if scheme not in _SCHEMES or (scheme != "file" and "://" not in mirror):
        raise DownloadError(
            f"{show_address(mirror)}: not a mirror; give an http, https or file address, or a path"
        )
    return add_file_name(mirror, file_name)


def download(
    urls: Sequence[str],
    part: Path,
    *,
    sha256: str,
    size_bytes: int | None = None,
    on_progress: Progress = lambda here, total: None,
    timeout_s: float = _TIMEOUT_S,
) -> tuple[str, str]:
    """Download a file to `part`, from the first address that delivers it complete and with the right digest.

    Args:
        urls: Addresses in order of preference; each `http:`, `https:` or `file:`.
        part: Path of the part file. If an earlier attempt left one, the transfer is resumed.
        sha256: Its digest, or the first digits of it; empty if nothing is known, and then a transfer is only
            resumed where the server says that it is the same file.
        size_bytes: Its size, if known.
        on_progress: Called after every chunk.
        timeout_s: Longest time without data from a server.

    Returns:
        The address that delivered it, without secrets, and its full SHA-256.

    Raises:
        DownloadError: No address delivered it. What was received stays in `part`, unless its digest is wrong.
        OSError: `part` cannot be written.
    """
    if sha256 and part.is_file() and (size_bytes is None or part.stat().st_size == size_bytes):
        digest = compute_sha256(part)
        if digest.startswith(sha256):
            return _read_origin(part).get("url", ""), digest
    transfer = _Transfer(part, sha256, size_bytes, on_progress, timeout_s)
    reasons = []
    for url in urls:
        try:
            return show_address(url), transfer.bring(url)
        except _AddressError as error:
            reasons.append(f"{_find_host(url)}: {error}")
            _LOG.info("%s: %s", show_address(url), error)
    raise DownloadError("; ".join(reasons) or "no address is known")


class _Transfer:
    """A download from one address at a time; see `download`."""

    def __init__(
        self, part: Path, sha256: str, size_bytes: int | None, on_progress: Progress, timeout_s: float
    ) -> None:
        self._part = part
        self._sha256 = sha256
        self._size_bytes = size_bytes
        self._on_progress = on_progress
        self._timeout_s = timeout_s

    def bring(self, url: str) -> str:
        """Download the file from this address; returns its SHA-256."""
        attempts = _ATTEMPTS
        while True:
            before = _measure(self._part)
            try:
                self._receive(url)
            except _CutError as error:
                attempts -= 1
                if not attempts or _measure(self._part) <= before:
                    raise
                _LOG.info("%s: %s; going on", show_address(url), error)
                continue
            digest = compute_sha256(self._part)
            if digest.startswith(self._sha256):
                return digest
            remove_part(self._part)
            _LOG.warning("%s: delivered a wrong file, which was removed", show_address(url))
            if not before:
                raise _AddressError(f"wrong file: SHA-256 {digest[:16]}..., expected {self._sha256[:16]}...")
            # The beginning was left by an earlier attempt, perhaps from another address: start again.

    def _receive(self, url: str) -> None:
        offset = _measure(self._part)
        try:
            with open_address(url, self._make_headers(url, offset), self._timeout_s) as answer:
                self._store(answer, url, offset)
        except TransportError as error:
            if error.status != _NOT_SATISFIABLE or not offset:
                raise _AddressError(str(error)) from error
            remove_part(self._part)
            self._receive(url)

    def _make_headers(self, url: str, offset: int) -> dict[str, str]:
        if not offset:
            return {}
        origin = _read_origin(self._part)
        # At another address the same file has another ETag, so only its digest can tell.
        tag = origin.get("tag") if origin.get("url") == show_address(url) else ""
        if not tag and not self._sha256:
            return {}
        return {"Range": f"bytes={offset}-", **({"If-Range": tag} if tag else {})}

    def _store(self, answer: Response, url: str, offset: int) -> None:
        """Write the response to the part file, appending if the server resumes there."""
        start = offset if answer.status == _PARTIAL else 0
        if answer.status == _PARTIAL and not _is_from(answer, offset):
            raise _AddressError("the server sent another range than the one requested")
        if answer.headers.get_content_type() == "text/html":
            raise _AddressError("a web page, not the file")
        length = read_length(answer)
        total = self._size_bytes if length is None else start + length
        if self._size_bytes is not None and total != self._size_bytes:
            raise _AddressError(f"wrong file: {total} bytes, expected {self._size_bytes}")
        here = start
        with self._part.open("ab" if start else "wb") as file:
            _write_origin(self._part, url, answer)
            self._on_progress(here, total)
            while piece := _read_piece(answer):
                file.write(piece)
                here += len(piece)
                if here > (total or _MAX_BYTES):
                    raise _AddressError("the server sends more bytes than the file has")
                self._on_progress(here, total)
        if total is not None and here < total:
            raise _CutError(f"cut off after {here} of {total} bytes")


def _read_piece(answer: Response) -> bytes:
    try:
        return read_piece(answer, _CHUNK_BYTES)
    except TransportError as error:
        raise _CutError(str(error)) from error


def _is_from(answer: Response, offset: int) -> bool:
    return str(answer.headers.get("Content-Range", "")).startswith(f"bytes {offset}-")


def _find_host(url: str) -> str:
    """The name of an address in messages: its host, or the full address of a file."""
    parts = urllib.parse.urlsplit(show_address(url))
    return parts.netloc.rpartition("@")[2] or urllib.parse.unquote(parts.path)


def _measure(part: Path) -> int:
    return part.stat().st_size if part.is_file() else 0


def _find_origin(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")


def _read_origin(part: Path) -> dict[str, str]:
    """Read where a part file came from; empty if unknown."""
    try:
        content = json.loads(_find_origin(part).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return {str(key): str(value) for key, value in content.items()} if isinstance(content, dict) else {}


def _write_origin(part: Path, url: str, answer: Response) -> None:
    tag = answer.headers.get("ETag") or ""
    # A weak ETag does not guarantee identical bytes.
    if not tag or tag.startswith("W/"):
        tag = answer.headers.get("Last-Modified") or ""
    _find_origin(part).write_text(json.dumps({"url": show_address(url), "tag": tag}), encoding="utf-8")


def remove_part(part: Path) -> None:
    """Remove a part file and the note beside it."""
    part.unlink(missing_ok=True)
    _find_origin(part).unlink(missing_ok=True)
