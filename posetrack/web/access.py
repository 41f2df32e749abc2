"""Access control of the browser view: a token for viewers, and no requests from other web sites."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

from aiohttp import web

SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; media-src 'self'; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""Headers of every response. The URL may contain the token, so no referrer is sent."""


@dataclass(frozen=True)
class Access:
    """The rules by which a request is accepted.

    Attributes:
        token: The secret that viewers have to know; None if none is needed.
        is_loopback: Whether only this machine is served. Then the Host header must be one of its names: after
            DNS rebinding, another site's page still sends its own.
        cookie: Name of the cookie. It contains the port, because cookies are shared between ports.
    """

    token: str | None
    is_loopback: bool
    cookie: str

    def check(self, request: web.Request) -> None:
        """Check a request.

        Raises:
            web.HTTPException: The request is refused.
        """
        if self.is_loopback and not is_loopback_name(_read_hostname(request.host)):
            raise web.HTTPForbidden(text=f"Host {request.host}: not a name of this machine; use 127.0.0.1\n")
        self._check_origin(request)
        if self.token is None or self.has_token(request):
            return
        cookie = request.cookies.get(self.cookie)
        if cookie is not None and _is_same(cookie, self.make_cookie()):
            return
        if "token" in request.query or cookie is not None:
            raise web.HTTPForbidden(text="wrong token; open the address that posetrack printed\n")
        raise web.HTTPUnauthorized(
            text="a token is needed; open the address that posetrack printed\n",
            headers={"WWW-Authenticate": 'Token realm="posetrack"'},
        )

    def has_token(self, request: web.Request) -> bool:
        """Whether the URL contains the right token."""
        return self.token is not None and _is_same(request.query.get("token", ""), self.token)

    def make_cookie(self) -> str:
        """The value of the cookie: a digest of the token, not the token itself."""
        return hmac.new((self.token or "").encode(), self.cookie.encode(), hashlib.sha256).hexdigest()

    def _check_origin(self, request: web.Request) -> None:
        origin = request.headers.get("Origin")
        if origin is not None and _read_netloc(origin) != request.host.lower():
            raise web.HTTPForbidden(text=f"Origin {origin}: pages of other sites may not connect\n")
        # Browsers send no Origin header for images, but they do say whether the request is cross-site.
        site = request.headers.get("Sec-Fetch-Site", "none")
        if site not in ("none", "same-origin") and request.headers.get("Sec-Fetch-Mode") != "navigate":
            raise web.HTTPForbidden(text="pages of other sites may not show this\n")


def make_token() -> str:
    """Make a random secret that can stand in a URL."""
    return secrets.token_urlsafe()


def is_loopback_name(hostname: str) -> bool:
    """Whether a host name or address is a loopback one, which no DNS server can redirect."""
    if hostname == "localhost":
        return True
    try:
        return ip_address(hostname).is_loopback
    except ValueError:
        return False


def _is_same(given: str, wanted: str) -> bool:
    return hmac.compare_digest(given.encode(errors="surrogatepass"), wanted.encode())


def _read_hostname(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _read_netloc(origin: str) -> str:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""
