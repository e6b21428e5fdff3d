"""`/ui/`: the console, static files of `app/api/console/assets/`. They load nothing but from this node.

The files hold no data, so they need no token, as `/docs` needs none: the page asks for its data under `/v1`, with the
user's token. All its addresses are relative, so that it works behind a proxy's path too.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import PurePosixPath

from fastapi import FastAPI, Request
from starlette.responses import Response

from coterie.app.http.errors import ApiError
from coterie.app.wire.errors import Code

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    # Asked for anew each time, and answered 304: after an upgrade no page is made of two releases.
    "Cache-Control": "no-cache",
    "Vary": "Accept-Encoding",
}

_MEDIA_TYPES: Mapping[str, str] = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
}
"""What is no such file, such as a licence, is not served."""

_PACKED_ALREADY = frozenset({".png"})

INDEX = "index.html"


@dataclass(frozen=True)
class Asset:
    """A file of the console; read, hashed and packed once, when it is first asked for."""

    source: Traversable
    suffix: str

    @cached_property
    def plain(self) -> bytes:
        return self.source.read_bytes()

    @cached_property
    def packed(self) -> bytes:
        return gzip.compress(self.plain, mtime=0)

    @cached_property
    def digest(self) -> str:
        return sha256(self.plain).hexdigest()[:32]

    def answer(self, request: Request) -> Response:
        """The file, as small as the browser can take it, or 304 where it has it."""
        packed = self.suffix not in _PACKED_ALREADY and "gzip" in request.headers.get("accept-encoding", "")
        # The two forms are different bytes, and so have different tags.
        tag = f'"{self.digest}-gzip"' if packed else f'"{self.digest}"'
        headers = {**_HEADERS, "ETag": tag}
        held = request.headers.get("if-none-match", "")
        if tag in {each.strip().removeprefix("W/") for each in held.split(",")}:
            return Response(status_code=304, headers=headers)
        if packed:
            headers["Content-Encoding"] = "gzip"
        headers["Content-Type"] = _MEDIA_TYPES[self.suffix]
        return Response(self.packed if packed else self.plain, headers=headers)


def console_files() -> dict[str, Asset]:
    """By path relative to the page. Names are looked up here, not in a directory: nothing beside them can be had."""
    return dict(_walk(files("coterie.app.api.console") / "assets", ""))


def _walk(directory: Traversable, prefix: str) -> Iterator[tuple[str, Asset]]:
    for entry in sorted(directory.iterdir(), key=lambda each: each.name):
        if entry.is_dir():
            yield from _walk(entry, f"{prefix}{entry.name}/")
            continue
        suffix = PurePosixPath(entry.name).suffix
        if suffix in _MEDIA_TYPES:
            yield prefix + entry.name, Asset(entry, suffix)


def add_console(app: FastAPI) -> None:
    assets = console_files()

    @app.get("/ui", include_in_schema=False)
    async def to_page() -> Response:
        # Relative, for proxies that put a path before the node's; the page's own addresses count from the slash.
        return Response(status_code=307, headers={**_HEADERS, "Location": "ui/"})

    @app.get("/ui/{name:path}", include_in_schema=False)
    async def asset(name: str, request: Request) -> Response:
        found = assets.get(name or INDEX)
        if found is None:
            raise ApiError(Code.NOT_FOUND, "the console has no such file; it begins at /ui/")
        return found.answer(request)
