"""Addresses as they may be shown and saved: without the secrets that people write into them.

Whatever shows, saves or logs the address of a source or a mirror takes it from here. Scheme, host, port and
path stay. Hidden are user and password; the query and the fragment; parameters of the path (`;token=...`, and
`user=...` as some cameras have it); and the end of an RTMP address, its stream key. Paths of files are shown as
they are.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from urllib.parse import unquote

HIDDEN = "***"
"""What stands for a hidden part."""

_NETWORK = "https?|s?ftps?|rtsps?|s?rtp|srt|tcp|tls|udp|udplite|mms[ht]?|rtmp[a-z]*"
# `http:/user:password@host` and `http:user:password@host` are typing errors, and have a password all the same.
_START = re.compile(rf"(?:[a-z][a-z0-9.+-]*://|\b(?:{_NETWORK}):/*)", re.IGNORECASE)
_IN_TEXT = re.compile(rf"{_START.pattern}\S*", re.IGNORECASE)
# Where another address can begin inside one: `tls://http://...`, `concat:http://...|http://...`.
_BEFORE_NESTED = ("://", "|", "/", ",")
_HOST_AND_PORT = re.compile(r"(?:\[[^\]]*\]|[^:\[\]]*)(?::\d*)?")
_PARAMETERS = re.compile(r"([=;]|%3[bdf]|%23).*", re.IGNORECASE)


def show_address(address: str) -> str:
    """Make the form of an address that may be shown and saved.

    Args:
        address: As the user gave it: an address, also one inside another; or a path, which stays as it is.

    Returns:
        Of its own result, the same.
    """
    if address.lower().startswith(("file:", "data:")):
        return address
    starts = [
        match.start()
        for match in _START.finditer(address)
        if not match.start() or address[: match.start()].endswith((*_BEFORE_NESTED, ":"))
    ]
    if not starts:
        return address
    starts = [at for at in starts if at == starts[0] or address[:at].endswith(_BEFORE_NESTED)]
    shown = address[: starts[0]]
    for start, end in zip(starts, [*starts[1:], len(address)], strict=True):
        shown += _show_one(address[start:end])
        if shown.endswith(HIDDEN):  # What follows a query belongs to it, even where it looks like an address.
            break
    return shown


def hide_in_text(text: str) -> str:
    """Replace every address in a text, such as a message of a library, by the form that may be shown."""
    return _IN_TEXT.sub(lambda match: _show_quoted(match[0]), text)


def has_hidden_part(address: str) -> bool:
    """Whether an address from `show_address` lacks something, and so cannot be opened."""
    return HIDDEN in address and _START.search(address) is not None


def name_address(address: str) -> str:
    """Make a name for the outputs of an address: the stem of the last part of its path that is shown."""
    path = re.split(r"[?#]", _START.sub("", show_address(address), count=1), maxsplit=1)[0]
    parts = [part for part in path.split("/")[1:] if part and HIDDEN not in part]
    return PurePosixPath(parts[-1]).stem if parts else "stream"


def _show_one(address: str) -> str:
    """Show one address that begins with its scheme."""
    begin = _START.match(address)
    scheme = begin[0] if begin else ""
    rest, bar, options = address[len(scheme) :].partition("|")
    rest = _hide_user(rest)
    path, mark, _ = re.split(r"([?#])", rest, maxsplit=1) if re.search(r"[?#]", rest) else (rest, "", "")
    if not _START.search(path) and _START.search(unquote(path)):
        return scheme + show_address(unquote(path))
    host, *parts = path.split("/")
    parts = [_PARAMETERS.sub(rf"\1{HIDDEN}", part) for part in parts]
    if scheme.lower().startswith("rtmp") and len(parts) > 1:
        parts = [parts[0], HIDDEN]
    ending = f"{mark}{HIDDEN}" if mark else ""
    return (
        scheme + "/".join([host, *parts]) + ending + bar + (HIDDEN if re.search("[=@]", options) else options)
    )


def _hide_user(rest: str) -> str:
    """Hide user and password in what follows a scheme, also where a password holds `@`, `/`, `?` or `#`."""
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    is_quoted = "@" not in authority and "@" in unquote(authority)
    if is_quoted:
        authority, rest = unquote(authority), unquote(authority) + rest[len(authority) :]
    if "@" in authority:
        end = re.split(r"[?#]", rest, maxsplit=1)[0].rindex("@")
    elif ":" in authority and not _HOST_AND_PORT.fullmatch(authority):
        end = rest.rfind("@")
        if end < 0:
            host = authority.partition(":")[0]
            return f"{host}:{HIDDEN}{rest[len(authority) :]}"
    else:
        return rest
    return f"{HIDDEN if end else ''}{rest[end:]}"  # `udp://@239.0.0.1` names nobody.


def _show_quoted(found: str) -> str:
    """Show an address in a sentence: quotes, brackets and colons at its end belong to that."""
    address = found.rstrip("'\"`.,:;!)]}>…")
    return show_address(address) + found[len(address) :]
