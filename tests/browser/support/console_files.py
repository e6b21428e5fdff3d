"""The console's files in a page without a node: the browser's requests are answered from `app/api/console/assets`."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Page, Route

from tests import ROOT

ASSETS = ROOT / "app" / "api" / "console" / "assets"

ORIGIN = "http://console.test"
"""No such host is ever asked: every request is answered here."""

_TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}

BLANK = f"{ORIGIN}/ui/blank"
"""A page of the same origin with nothing in it, for modules to be imported into."""


def serve_console(page: Page) -> None:
    """What is no file of the console is answered 404."""

    def answer(route: Route) -> None:
        name = route.request.url.removeprefix(f"{ORIGIN}/ui/").split("?")[0].split("#")[0]
        file = ASSETS / name
        if name == "blank":
            route.fulfill(body="<!doctype html><title>modules</title>", content_type="text/html")
        elif name and file.is_file():
            route.fulfill(body=file.read_bytes(), content_type=_TYPES.get(file.suffix, "text/plain"))
        else:
            route.fulfill(status=404, body="{}", content_type="application/json")

    page.route(f"{ORIGIN}/**", answer)


def run(page: Page, module: str, body: str, argument: Any = None) -> Any:
    """What `body` returns, with the module's exports as `m` and an argument as `a`."""
    script = f"async (a) => {{ const m = await import('./{module}'); {body} }}"
    return page.evaluate(script, argument)
