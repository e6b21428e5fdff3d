"""`/docs`: the OpenAPI document as a page to read and to try. It loads nothing but from this node.

Swagger UI (release 5.35.0 of the npm package swagger-ui-dist, Apache-2.0) stands in `docs_assets/`, compressed as it is
sent. The headers of the page allow the browser this node alone.
"""

from __future__ import annotations

import gzip
from functools import cache
from importlib.resources import files

from fastapi import FastAPI, Request
from starlette.responses import Response

SWAGGER_UI_RELEASE = "5.35.0"

_SECURITY = {
    # Swagger UI sets styles of elements; its own pictures are data: addresses.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; font-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Coterie API</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="docs/swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</body>
</html>
"""

_START = """const dark = matchMedia("(prefers-color-scheme: dark)");
const paint = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
paint();
dark.addEventListener("change", paint);

SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  // The badge of the stock page shows the document to a server elsewhere.
  validatorUrl: null,
});
"""

_PACKED = {
    "swagger-ui-bundle.js": "text/javascript; charset=utf-8",
    "swagger-ui.css": "text/css; charset=utf-8",
}


@cache
def _packed(name: str) -> bytes:
    return (files("coterie.app.api.console") / "docs_assets" / f"{name}.gz").read_bytes()


@cache
def _plain(name: str) -> bytes:
    """Unpacked once, and shared by all answers: unpacking 1.7 MB takes the event loop 6 ms, and anybody may ask."""
    return gzip.decompress(_packed(name))


def add_docs(app: FastAPI) -> None:
    @app.get("/docs", include_in_schema=False)
    async def page() -> Response:
        return Response(_PAGE, headers={**_SECURITY, "Cache-Control": "no-cache"}, media_type="text/html")

    @app.get("/docs/start.js", include_in_schema=False)
    async def start() -> Response:
        return Response(_START, headers={**_SECURITY, "Cache-Control": "no-cache"}, media_type="text/javascript")

    def add_packed(name: str, media_type: str) -> None:
        @app.get(f"/docs/{name}", include_in_schema=False)
        async def asset(request: Request) -> Response:
            tag = f'"{SWAGGER_UI_RELEASE}"'
            headers = {**_SECURITY, "Cache-Control": "no-cache", "ETag": tag, "Vary": "Accept-Encoding"}
            if request.headers.get("if-none-match") == tag:
                return Response(status_code=304, headers=headers)
            if "gzip" in request.headers.get("accept-encoding", ""):
                return Response(_packed(name), headers={**headers, "Content-Encoding": "gzip"}, media_type=media_type)
            return Response(_plain(name), headers=headers, media_type=media_type)

    for name, media_type in _PACKED.items():
        add_packed(name, media_type)
