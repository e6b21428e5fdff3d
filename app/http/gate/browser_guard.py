"""Refuses requests that a browser sends for pages of other sites.

Two checks on every request. The name in `Host` must be one of this node's: a page whose own name resolves to this
node's address (DNS rebinding) would otherwise be of the node's origin. And the site that a browser names (`Origin`,
`Sec-Fetch-Site`; pages cannot write these) must be this one, because the documented endpoints change state by GET,
which any page can make a browser send. Programs send neither header, and pass.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Sequence
from ipaddress import ip_address

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Scope

from coterie.app.http.errors import ApiError
from coterie.app.settings.tables import HttpSettings
from coterie.app.wire.errors import Code

CHANGING_GETS = frozenset({"/set_kv", "/set_kv/", "/mark_for_deletion", "/mark_for_deletion/"})

_WATCHED = frozenset(
    {b"authorization", b"host", b"origin", b"sec-fetch-site", b"sec-fetch-mode", b"sec-fetch-dest", b"user-agent"},
)

_OWN_SITE = frozenset({b"same-origin", b"none"})
"""`none`: the person at the browser asked for it: typed, or a bookmark."""

_AUTHORITY = re.compile(r"(\[[0-9a-f:.]+\]|[^\[\]:/@?#\\\s]+)(?::(\d{0,5}))?", re.IGNORECASE)

_MAX_KNOWN = 256
"""Values of `Host` that are remembered as good; clients use few."""


class BrowserGuard:
    """Raises ApiError for what comes from another site, or by a name that is not this node's."""

    def __init__(self, settings: HttpSettings) -> None:
        names = {name.lower() for name in settings.allowed_hosts}
        self._any_host = "*" in names
        self._suffixes = tuple(name.removeprefix("*") for name in names if name.startswith("*."))
        self._names = {"localhost", socket.gethostname().lower(), *names}
        self._origins = frozenset(origin.lower() for origin in settings.allowed_origins)
        self._known: set[bytes] = set()

    def check(self, scope: Scope) -> bytes | None:
        """Of a request or a WebSocket's handshake; returns its `Authorization`, which is read on the way."""
        found: dict[bytes, bytes] = {}
        for name, value in scope["headers"]:
            if name in _WATCHED:
                if name in found:
                    raise ApiError(Code.INVALID_REQUEST, f"the header {name.decode()} is given twice", name.decode())
                found[name] = value
        host = found.get(b"host")
        if host is None:
            if scope.get("http_version") != "1.0":
                raise ApiError(Code.INVALID_REQUEST, "the header Host is missing", "Host")
        elif host not in self._known:
            self._check_host(host)
            if len(self._known) < _MAX_KNOWN:
                self._known.add(host)
        if b"origin" in found:
            self._check_origin(found[b"origin"], host)
        elif b"sec-fetch-site" in found or b"user-agent" in found:
            _check_site(scope, found)
        return found.get(b"authorization")

    def _check_host(self, host: bytes) -> None:
        text = host.decode("latin-1").lower()
        parts = _AUTHORITY.fullmatch(text)
        if parts is None:
            raise ApiError(Code.INVALID_REQUEST, f"the header Host must be a name or an address, not {text!r}", "Host")
        name = parts[1].rstrip(".")
        if self._any_host or name in self._names or name.endswith((".localhost", *self._suffixes)) or _is_ip(name):
            return
        raise ApiError(
            Code.FOREIGN_HOST,
            f"this node does not answer to the name {name!r}; if it is one of its names, add it to http.allowed_hosts",
            "Host",
        )

    def _check_origin(self, origin: bytes, host: bytes | None) -> None:
        text = origin.decode("latin-1").lower()
        if text in self._origins or "*" in self._origins:
            return
        scheme, _, authority = text.partition("://")
        if scheme in {"http", "https"} and host is not None and authority == host.decode("latin-1").lower():
            return
        raise ApiError(
            Code.FOREIGN_ORIGIN,
            f"pages of {text!r} may not use this node; to allow them, add that origin to http.allowed_origins",
            "Origin",
        )


def _check_site(scope: Scope, found: dict[bytes, bytes]) -> None:
    site = found.get(b"sec-fetch-site")
    changes = scope["path"] in CHANGING_GETS
    if site is None:
        # Browsers tell the site to https and to loopback addresses alone. Elsewhere a page could have an image
        # loaded from here, and nothing in the request would say so but that a browser sent it.
        if changes and found[b"user-agent"].startswith(b"Mozilla/"):
            raise ApiError(
                Code.FOREIGN_ORIGIN,
                "this browser does not say from which site the request comes, and other sites may change nothing here; "
                "use curl, or PUT and DELETE at /v1/kv/{key}",
                "Sec-Fetch-Site",
            )
        return
    if site in _OWN_SITE:
        return
    # Following a link to a page of this node is no harm: the other site does not see the answer.
    follows_link = (
        found.get(b"sec-fetch-mode") == b"navigate"
        and found.get(b"sec-fetch-dest") == b"document"
        and scope.get("method") == "GET"
    )
    if not follows_link or changes:
        raise ApiError(
            Code.FOREIGN_ORIGIN,
            "pages of other sites may not use this node; http.allowed_origins names those that may",
            "Sec-Fetch-Site",
        )


def _is_ip(name: str) -> bool:
    try:
        ip_address(name.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    return True


def for_other_origins(app: ASGIApp, origins: Sequence[str]) -> ASGIApp:
    """Have browsers show the answers to pages of these origins (CORS). Never with a browser's own credentials."""
    return CORSMiddleware(
        app,
        allow_origins=origins,
        allow_methods=["GET", "HEAD", "PUT", "POST", "DELETE"],
        allow_headers=[
            "Authorization",
            "Content-Type",
            "Coterie-Request-Id",
            "Coterie-Timeout",
            "If-Match",
            "If-None-Match",
            "Last-Event-ID",
        ],
        expose_headers=[
            "Coterie-Consistency",
            "Coterie-Revision",
            "Coterie-Stale-Seconds",
            "Coterie-Version",
            "ETag",
            "Retry-After",
        ],
    )
