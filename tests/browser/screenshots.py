"""Pictures of the console for the documentation, of five real nodes: `python -m tests.browser.screenshots`.

Writes `docs/console-*.png`. What is on them happened: keys were set, a lock is held, a node was killed.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, expect, sync_playwright

from tests.browser.conftest import CHROMIUM, FLAGS
from tests.browser.console import DESKTOP, PHONE, Console, console
from tests.browser.five_nodes import five_nodes, set_key, url
from tests.cluster.processes import Node
from tests.cluster.test_hybrid import Cluster, put

DOCS = Path(__file__).parents[2] / "docs"

CHART_SECONDS = 45.0
"""Of traffic, for the charts to have something to draw."""

MOST_BYTES = 150_000


def work(nodes: Cluster, seconds: float) -> None:
    """What a cluster does in a quiet hour."""
    every = list(nodes.running.values())
    deadline, number = time.monotonic() + seconds, 0
    while time.monotonic() < deadline:
        number += 1
        node = every[number % len(every)]
        set_key(node, "load", f"{(number * 37) % 100 / 100:.2f}")
        put(node, f"jobs/{number % 12}", f"ready since turn {number}").raise_for_status()
        node.client.get(f"/v1/meta/jobs/{number % 12}").raise_for_status()
        time.sleep(0.03 + 0.05 * (number // 100 % 3))


def furnish(node: Node) -> None:
    put(node, "config/color", "blue").raise_for_status()
    put(node, "config/limits/requests", "1000").raise_for_status()
    for name, ttl in (("nightly-report", 600), ("reindex", 3600)):
        lease = node.client.post("/v1/leases", json={"ttl": ttl}).raise_for_status().json()["lease"]
        node.client.post(f"/v1/locks/{name}", json={"lease": lease}).raise_for_status()


def shoot(seen: Console, name: str, view: str, **options: Any) -> None:
    seen.go(view)
    seen.page.wait_for_timeout(1_500)
    path = DOCS / f"console-{name}.png"
    seen.page.screenshot(path=path, **options)
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
        work(nodes, CHART_SECONDS)
        shoot(light, "overview", "overview")
        shoot(dark, "map", "map")
        shoot(light, "charts", "charts")
        shoot(phone, "phone", "overview")
        for view in ("gossip", "metadata", "locks"):
            if view in light.views:
                shoot(light if view != "metadata" else dark, view, view)
        nodes.kill(victim)
        dark.go("overview")
        expect(dark.tally("dead")).to_have_text("1")
        shoot(dark, "failing", "overview")


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
