"""The console in a page: opened with an eye on all that goes wrong, and asked what it shows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.conftest import PATIENCE_MS, Watched

expect.set_options(timeout=PATIENCE_MS)

DESKTOP = {"width": 1280, "height": 860}
PHONE = {"width": 390, "height": 844}

WATCH_SHIFTS = """
window.shifts = [];
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) {
    if (entry.hadRecentInput) continue;
    const moved = entry.sources.map(({ node }) => node?.className || node?.nodeName || "gone");
    window.shifts.push({ value: entry.value, moved });
  }
}).observe({ type: "layout-shift", buffered: true });
"""
"""What moved although nobody touched it."""


class Console:
    """What a person sees, by roles and words."""

    def __init__(self, watched: Watched) -> None:
        self.watched = watched

    @property
    def page(self) -> Page:
        return self.watched.page

    def open(self, url: str, view: str = "overview") -> None:
        self.page.goto(f"{url}/ui/#/{view}")

    def until_live(self) -> None:
        state = self.page.locator(".connection-live")
        expect(state, f"{self.watched.problems}").to_be_visible()

    def go(self, view: str) -> None:
        """By the address: a click on the navigation is tested once."""
        self.page.evaluate("view => { location.hash = `#/${view}`; }", view)
        expect(self.page.locator(f'nav a[href="#/{view}"]')).to_have_attribute("aria-current", "page")
        self.page.locator("#content h1").wait_for()

    @property
    def views(self) -> list[str]:
        hrefs: list[str] = self.page.evaluate("[...document.querySelectorAll('nav li a')].map(a => a.hash)")
        return [href.removeprefix("#/") for href in hrefs]

    def tally(self, status: str) -> Locator:
        """How many nodes the overview counts as live, dead, joining or left."""
        return self.page.locator(f".count.status-{status} .count-number")

    def settle(self) -> None:
        """Two frames drawn: what was told before is on the page."""
        self.page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def forget_shifts(self) -> None:
        self.page.evaluate("() => { window.shifts = []; }")

    def shifts(self) -> list[dict[str, Any]]:
        """Layout shifts since `forget_shifts`, but for those that followed what a person did."""
        self.settle()
        found: list[dict[str, Any]] = self.page.evaluate("window.shifts")
        return found


@contextmanager
def console(browser: Browser, **context: Any) -> Iterator[Console]:
    """A profile of its own with a page in it; `context`: options of playwright's `new_context`."""
    made = browser.new_context(**{"viewport": DESKTOP, **context})
    made.set_default_timeout(PATIENCE_MS)
    made.add_init_script(WATCH_SHIFTS)
    watched = Watched(made.new_page())
    watched.watch()
    try:
        yield Console(watched)
    finally:
        made.close()
