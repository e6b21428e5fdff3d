"""A real browser for tests of pages: Debian's chromium, without a window, with nothing of its own to fetch."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, sync_playwright

from tests.browser.support.console_files import BLANK, serve_console
from tests.waiting import PATIENCE_SECONDS

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

PATIENCE_MS = PATIENCE_SECONDS * 1000
"""After this a test gives up; nothing is measured by it."""


@dataclass
class Watched:
    """A page, what its console said was wrong, and all that it asked for."""

    page: Page
    problems: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def watch(self) -> None:
        def console(message: ConsoleMessage) -> None:
            if message.type in {"error", "warning"}:
                self.problems.append(f"{message.type}: {message.text}")

        def failed(request: Request) -> None:
            self.problems.append(f"failed: {request.url}")

        self.page.on("console", console)
        self.page.on("pageerror", lambda error: self.problems.append(f"thrown: {error}"))
        self.page.on("requestfailed", failed)
        self.page.on("request", lambda request: self.requests.append(request.url))


@pytest.fixture(scope="package")  # while playwright is there, an event loop counts as running: none of other tests' can
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("chromium is not installed (Debian: apt-get install chromium): pages are not opened")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture
def watched(browser: Browser) -> Iterator[Watched]:
    """A fresh page in a profile of its own."""
    context = browser.new_context()
    context.set_default_timeout(PATIENCE_MS)
    watched = Watched(context.new_page())
    watched.watch()
    yield watched
    context.close()


@pytest.fixture(scope="module")
def modules(browser: Browser) -> Iterator[Page]:
    """An empty page into which the console's modules are imported; one for all tests of what is pure."""
    yield from _blank(browser)


@pytest.fixture
def fresh(browser: Browser) -> Iterator[Page]:
    """The same for one test: for what changes the page, its clock or its network."""
    yield from _blank(browser)


def _blank(browser: Browser) -> Iterator[Page]:
    context = browser.new_context()
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    serve_console(page)
    page.goto(BLANK)
    yield page
    context.close()
