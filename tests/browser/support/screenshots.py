"""Pictures of the console for the documentation, of five real nodes: `python -m tests.browser.support.screenshots`.

Writes `docs/console-*.png`. What is on them happened: keys were set, a lock is held, a node was killed.
"""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import Browser, expect, sync_playwright

from tests import ROOT
from tests.browser.conftest import CHROMIUM, FLAGS
from tests.browser.support.console import DESKTOP, PHONE, Console, console
from tests.browser.support.five_nodes import five_nodes, set_key, url
from tests.cluster.processes import Node
from tests.cluster.test_autopilot import Cluster, put

DOCS = ROOT / "docs"

CHART_SECONDS = 45.0
"""Of traffic, for the charts to have something to draw."""

MOST_BYTES = 150_000


class Work(threading.Thread):
    """What a cluster does in a quiet hour, until it is told to stop."""

    def __init__(self, nodes: list[Node]) -> None:
        super().__init__()
        self.nodes = nodes
        """Those that are asked; replaced where one goes."""
        self.over = threading.Event()

    def run(self) -> None:
        number = 0
        while not self.over.wait(0.03 + 0.05 * (number // 100 % 3)):
            number += 1
            node = self.nodes[number % len(self.nodes)]
            with suppress(httpx.HTTPError):  # the one that was killed
                set_key(node, "load", f"{(number * 37) % 100 / 100:.2f}")
                put(node, f"jobs/{number % 12}", f"ready since turn {number}")
                node.client.get(f"/v1/meta/jobs/{number % 12}")


@contextmanager
def working(nodes: list[Node]) -> Iterator[Work]:
    work = Work(nodes)
    work.start()
    try:
        yield work
    finally:
        work.over.set()
        work.join()


def furnish(node: Node) -> None:
    def post(path: str, **body: object) -> dict[str, Any]:
        answer: dict[str, Any] = node.client.post(path, json=body).raise_for_status().json()
        return answer

    for color in ("red", "green", "blue"):
        put(node, "config/color", color).raise_for_status()
    put(node, "config/limits/requests", "1000").raise_for_status()
    post("/v1/locks/nightly-report", ttl=600, value="worker-3")
    post("/v1/locks/nightly-report", ttl=600, value="worker-1", stay=True)
    post("/v1/elections/ingest", ttl=600, value="10.0.0.7:8080")
    for worker in ("worker-1", "worker-2"):
        post("/v1/semaphores/imports", ttl=3600, value=worker, permits=3)


def shoot(seen: Console, name: str, view: str, height: int = 0) -> None:
    """`height`: where not of the whole window."""
    seen.go(view)
    if view == "metadata":
        seen.page.get_by_role("link", name="config/").click()
        seen.page.get_by_role("link", name="color").click()
    seen.page.wait_for_timeout(2_500)
    path = DOCS / f"console-{name}.png"
    width, whole = seen.page.viewport_size["width"], seen.page.viewport_size["height"]  # type: ignore[index]
    seen.page.screenshot(path=path, clip={"x": 0, "y": 0, "width": width, "height": height or whole})
    size = path.stat().st_size
    print(f"{path.relative_to(DOCS.parent)}: {size / 1000:.0f} kB")
    assert size <= MOST_BYTES, f"{path} is larger than {MOST_BYTES} bytes"


def opened(seen: Console, node: Node) -> Console:
    seen.open(url(node))
    seen.until_live()
    return seen


def tell(browser: Browser, nodes: Cluster) -> None:
    leader = nodes.leader()
    front, victim, *_ = (name for name in nodes.running if name != leader)
    node = nodes.running[front]
    furnish(node)
    with (
        console(browser, viewport=DESKTOP, color_scheme="light") as light,
        console(browser, viewport=DESKTOP, color_scheme="dark") as dark,
        console(browser, viewport=PHONE, color_scheme="light") as phone,
    ):
        for seen in (light, dark, phone):
            opened(seen, node)
        with working(list(nodes.running.values())) as work:
            time.sleep(CHART_SECONDS)
            shoot(light, "overview", "overview", 680)
            shoot(dark, "map", "map")
            shoot(light, "charts", "charts")
            shoot(phone, "phone", "overview")
            shoot(phone, "phone-nodes", "nodes")
            shoot(light, "gossip", "gossip", 780)
            shoot(dark, "metadata", "metadata", 700)
            shoot(light, "locks", "locks", 780)
            dark.go("overview")
            work.nodes = [each for each in work.nodes if each is not nodes.running[victim]]
            nodes.kill(victim)
            expect(dark.tally("dead")).to_have_text("1")
            shoot(dark, "failing", "overview", 780)


def main() -> None:
    with (
        sync_playwright() as playwright,
        tempfile.TemporaryDirectory() as directory,
        five_nodes(Path(directory)) as nodes,
    ):
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        tell(browser, nodes)
        browser.close()


if __name__ == "__main__":
    main()
