"""The console on five real nodes: what happens to them is on the page, and what the page asks for happens to them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.console import Console, console
from tests.browser.five_nodes import NAMES, five_nodes, set_key, url
from tests.cluster.processes import Node
from tests.cluster.test_hybrid import Cluster, put, raft

pytestmark = pytest.mark.cluster

LOUD = ("ERR_CONNECTION_REFUSED", "WebSocket connection to", "Failed to load resource", "failed: ")
"""What the browser itself says while the node is away; a page cannot keep it from that."""

MOVED_AT_MOST = 0.01
"""Of the window, by the browser's measure of layout shifts; up to 0.1 counts as good."""


@pytest.mark.timeout(600)  # five processes start, and two of them again, on a machine that may be busy
def test_five_nodes_on_a_page(browser: Browser, tmp_path: Path, figure: Callable[[str], None]) -> None:
    with five_nodes(tmp_path) as nodes, console(browser) as seen:
        leader = nodes.leader()
        front, goal, victim, writer = (name for name in NAMES if name != leader)
        seen.open(url(nodes.running[front]))
        seen.until_live()
        expect(seen.tally("live")).to_have_text("5")
        expect(seen.page.locator(".fact-leader")).to_have_text(leader)

        shows_keys_set_elsewhere(seen, nodes.running[writer])
        figure(f"console, keys set all the time: layout shifts of {stays_in_place(seen, nodes.running[writer]):.4f}")
        hands_on_leadership(seen, nodes, goal)
        assert seen.watched.problems == []
        shows_a_dead_node(seen, nodes, victim)
        assert seen.watched.problems == []
        survives_a_restart(seen, nodes, front, victim)
        assert [each for each in seen.watched.problems if not any(word in each for word in LOUD)] == []


def shows_keys_set_elsewhere(seen: Console, writer: Node) -> None:
    seen.go("timeline")
    set_key(writer, "color", "blue")
    put(writer, "config/limit", "7").raise_for_status()
    expect(seen.page.locator(".event", has_text="color").first).to_contain_text(writer.node_id)
    expect(seen.page.locator(".event", has_text="config/limit").first).to_be_visible()
    seen.go("gossip")
    row = seen.page.get_by_role("row").filter(has_text="color").filter(has_text=writer.node_id)
    expect(row).to_contain_text("blue")
    set_key(writer, "color", "green")
    expect(row).to_contain_text("green")


def stays_in_place(seen: Console, writer: Node) -> float:
    """What changes in number stays where it is. Returns by how much things moved, all views together."""
    total = 0.0
    for view in seen.views:
        seen.go(view)
        expect(seen.page.locator("#content")).not_to_contain_text("Waiting for")
        seen.page.wait_for_timeout(300)  # what a view asks for by itself comes
        seen.forget_shifts()
        for number in range(6):
            set_key(writer, "color", f"shade {number}")
            put(writer, "config/limit", str(number)).raise_for_status()
            seen.page.wait_for_timeout(120)
        found = [] if view == "timeline" else seen.shifts()  # its lines move on: that is what it shows
        assert sum(shift["value"] for shift in found) <= MOVED_AT_MOST, (view, found)
        total += sum(shift["value"] for shift in found)
    return total


def hands_on_leadership(seen: Console, nodes: Cluster, goal: str) -> None:
    seen.go("overview")
    page = seen.page
    page.get_by_role("button", name="Transfer leadership…").click()
    dialog = page.get_by_role("dialog", name="Transfer leadership?")
    expect(dialog).to_contain_text("hands over")
    before = nodes.leader()
    dialog.get_by_role("button", name="Cancel").click()
    expect(dialog).to_be_hidden()
    assert nodes.leader() == before

    page.get_by_role("button", name="Transfer leadership…").click()
    dialog.get_by_label("New leader").select_option(goal)
    dialog.get_by_role("button", name="Transfer leadership").click()
    expect(dialog.get_by_role("status")).to_have_text(f"{goal} leads now.")
    dialog.get_by_role("button", name="Done").click()
    expect(page.locator(".fact-leader")).to_have_text(goal)
    assert raft(nodes.running[goal])["leader"] == goal


def shows_a_dead_node(seen: Console, nodes: Cluster, victim: str) -> None:
    seen.go("overview")
    nodes.kill(victim)
    expect(seen.tally("dead")).to_have_text("1")
    expect(seen.tally("live")).to_have_text("4")
    expect(seen.page.locator(".finding", has_text=victim).first).to_be_visible()
    seen.go("nodes")
    row = seen.page.get_by_role("row").filter(has_text=victim)
    expect(row).to_contain_text("dead")


def survives_a_restart(seen: Console, nodes: Cluster, front: str, victim: str) -> None:
    """Meanwhile the dead node comes back: the page has to find out by itself."""
    seen.go("overview")
    address = nodes.running[front].address
    nodes.kill(front)
    expect(seen.page.locator(".connection-lost")).to_be_visible()
    notice = seen.page.get_by_label("Connection", exact=True)
    expect(notice).to_contain_text("No connection to")
    nodes.start(victim)
    again = nodes.start(front, listen_addr=address)
    seen.until_live()
    expect(notice).to_be_hidden()
    expect(seen.tally("live")).to_have_text("5")
    seen.go("timeline")
    set_key(again, "after-the-restart", "again")
    expect(seen.page.locator(".event", has_text="after-the-restart").first).to_contain_text(front)
