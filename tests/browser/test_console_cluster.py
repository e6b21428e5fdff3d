"""The console on five real nodes: what happens to them is on the page, and what the page asks for happens to them."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, expect

from tests.browser.support.console import Console, console
from tests.browser.support.five_nodes import NAMES, five_nodes, set_key, url
from tests.browser.test_console_accessibility import asked_of_everybody
from tests.cluster.processes import Node
from tests.cluster.test_autopilot import Cluster, put, raft
from tests.waiting import wait_until

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

LOUD = ("ERR_CONNECTION_REFUSED", "WebSocket connection to", "Failed to load resource", "failed: ")
"""What the browser itself says while the node is away, or refuses; a page cannot keep it from that."""

TRANSFERS = 5
"""Tries: on a machine that is too busy for elections another node may be elected, which the page has to say."""

MOVED_AT_MOST = 0.01
"""Of the window, by the browser's measure of layout shifts; up to 0.1 counts as good."""


@pytest.mark.timeout(600)  # five processes start, and two of them again, on a machine that may be busy
def test_five_nodes_on_a_page(browser: Browser, tmp_path: Path, figure: Callable[[str], None]) -> None:
    with five_nodes(tmp_path) as nodes, console(browser) as seen:
        front = next(name for name in NAMES if name != nodes.leader())
        seen.open(url(nodes.running[front]))
        seen.until_live()
        expect(seen.tally("live")).to_have_text("5")
        leader = shows_who_leads(seen, nodes)
        goal, victim, writer = [name for name in NAMES if name not in (leader, front)][:3]

        shows_keys_set_elsewhere(seen, nodes.running[writer])
        figure(f"console, keys set all the time: layout shifts of {stays_in_place(seen, nodes.running[writer]):.4f}")
        hands_on_leadership(seen, nodes, goal)
        assert seen.watched.problems == []
        shows_a_dead_node(seen, nodes, victim)
        assert seen.watched.problems == []
        removes_no_node_that_lives(seen, nodes, victim)
        survives_a_restart(seen, nodes, front, writer)
        shows_a_dead_node(seen, nodes, victim)
        removes_a_dead_node(seen, nodes, victim)
        assert [each for each in seen.watched.problems if not any(word in each for word in LOUD)] == []


def shows_who_leads(seen: Console, nodes: Cluster) -> str:
    """Whom all nodes and the page name: while five nodes start on a busy machine another may be elected."""
    shown = seen.page.locator(".fact-leader")

    def agreed() -> bool:
        named = {raft(node)["leader"] for node in nodes.running.values()}
        return named == {shown.inner_text()} and named <= nodes.running.keys()

    wait_until(agreed)
    return shown.inner_text()


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
    dialog.get_by_role("button", name="Cancel").click()
    expect(dialog).to_be_hidden()
    assert [each for each in seen.watched.requests if "/raft/transfer" in each] == []

    for _ in range(TRANSFERS):
        if handed_on(seen, goal):
            break
    expect(page.locator(".fact-leader")).to_have_text(goal)
    wait_until(lambda: raft(nodes.running[goal])["leader"] == goal)


def handed_on(seen: Console, goal: str) -> bool:
    """Whether the page says that it was done: only then has it to be so."""
    page = seen.page
    page.get_by_role("button", name="Transfer leadership…").click()
    dialog = page.get_by_role("dialog", name="Transfer leadership?")
    dialog.get_by_label("New leader").select_option(goal)
    dialog.get_by_role("button", name="Transfer leadership").click()
    told = dialog.get_by_role("status")
    expect(told).to_have_text(re.compile(rf"^({goal} leads now\.|Not done, because .+|It is not known .+)$"))
    done = told.inner_text() == f"{goal} leads now."
    dialog.get_by_role("button", name="Done" if done else "Cancel").click()
    return done


def shows_a_dead_node(seen: Console, nodes: Cluster, victim: str) -> None:
    seen.go("overview")
    nodes.kill(victim)
    expect(seen.tally("dead")).to_have_text("1")
    expect(seen.tally("live")).to_have_text("4")
    expect(seen.page.locator(".finding", has_text=victim).first).to_be_visible()
    seen.go("nodes")
    row = seen.page.get_by_role("row").filter(has_text=victim)
    expect(row).to_contain_text("dead")


def asks_to_remove(seen: Console, victim: str) -> Locator:
    """The dialog, with the name typed; what it says was read."""
    seen.page.evaluate("name => { location.hash = `#/nodes/${name}`; }", victim)
    seen.page.get_by_role("button", name=f"Remove {victim}…").click()
    dialog = seen.page.get_by_role("dialog", name=f"Remove {victim}?")
    expect(dialog).to_contain_text("For a node that is lost for good")
    expect(dialog).to_contain_text("which votes, is barred for ever")
    remove = dialog.get_by_role("button", name=f"Remove {victim}")
    expect(remove).to_be_disabled()
    dialog.get_by_label(f"Type {victim} to confirm").fill(victim)
    expect(remove).to_be_enabled()
    return dialog


def votes(node: Node, name: str) -> bool:
    return name in raft(node)["voters"] and name in node.live()


def removes_no_node_that_lives(seen: Console, nodes: Cluster, victim: str) -> None:
    """It came back while somebody was about to remove it."""
    dialog = asks_to_remove(seen, victim)
    nodes.start(victim)
    expect(dialog.get_by_role("alert")).to_contain_text("It is alive")
    dialog.get_by_role("button", name=f"Remove {victim}").click()
    expect(dialog.get_by_role("status")).to_contain_text(f"The node '{victim}' is alive: stop it first")
    dialog.get_by_role("button", name="Cancel").click()
    seen.page.keyboard.press("Escape")
    expect(seen.page.get_by_role("dialog")).to_have_count(0)
    for node in nodes.running.values():
        wait_until(partial(votes, node, victim))


def removes_a_dead_node(seen: Console, nodes: Cluster, victim: str) -> None:
    opener = seen.page.get_by_role("button", name=f"Remove {victim}…")
    asks_to_remove(seen, victim)
    found = asked_of_everybody(seen, f"Remove {victim}?")
    expect(opener).to_be_focused()
    assert found == []
    dialog = asks_to_remove(seen, victim)
    dialog.get_by_role("button", name=f"Remove {victim}").click()
    expect(dialog.get_by_role("status")).to_contain_text(f"{victim} is forgotten")
    expect(dialog.get_by_role("status")).to_contain_text("Barred from Raft")
    # Its details are those of no node now; what came of it stays to be read.
    drawer = seen.page.get_by_role("dialog", name=victim, exact=True)
    expect(drawer).to_contain_text("No node of this name is known here")
    expect(dialog.get_by_role("status")).to_contain_text(f"{victim} is forgotten")
    dialog.get_by_role("button", name="Done").click()
    expect(drawer.get_by_role("button", name="Close")).to_be_focused()
    seen.page.keyboard.press("Escape")
    expect(drawer).to_be_hidden()
    rows = seen.page.get_by_role("rowheader")
    expect(rows).to_have_count(len(nodes.running))
    expect(rows.filter(has_text=victim)).to_have_count(0)
    seen.go("overview")
    expect(seen.tally("dead")).to_have_text("0")
    expect(seen.tally("live")).to_have_text(str(len(nodes.running)))

    def gone(node: Node) -> bool:
        told = raft(node)
        names = {each["node_id"] for each in told["members"]}
        return names == set(told["voters"]) == set(nodes.running) == node.live() and victim not in node.dead()

    for node in nodes.running.values():
        wait_until(partial(gone, node))


def survives_a_restart(seen: Console, nodes: Cluster, front: str, writer: str) -> None:
    """Meanwhile a key is written: the page has to find out by itself."""
    seen.go("overview")
    address = nodes.running[front].address
    nodes.kill(front)
    expect(seen.page.locator(".connection-lost")).to_be_visible()
    notice = seen.page.get_by_label("Connection", exact=True)
    expect(notice).to_contain_text("No connection to")
    put(nodes.running[writer], "config/limit", "while it was away").raise_for_status()
    again = nodes.start(front, listen_addr=address)
    seen.until_live()
    expect(notice).to_be_hidden()
    expect(seen.tally("live")).to_have_text("5")
    seen.page.evaluate("location.hash = '#/metadata/key%3Aconfig%2Flimit'")
    expect(seen.page.locator(".key-panel").get_by_label("Value", exact=True)).to_have_text("while it was away")
    seen.go("timeline")
    set_key(again, "after-the-restart", "again")
    expect(seen.page.locator(".event", has_text="after-the-restart").first).to_contain_text(front)
