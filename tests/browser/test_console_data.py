"""The console's data on three real nodes: what is written elsewhere appears, and what is done on the page happens,
unless somebody else was faster."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Route, expect

from tests.browser.support.console import PHONE, Console, console
from tests.browser.support.five_nodes import set_key, url
from tests.browser.test_console_accessibility import asked_of_everybody, faults
from tests.cluster.processes import Node
from tests.cluster.test_autopilot import Cluster, cluster, get, put, serves
from tests.waiting import wait_until

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

REFUSED = "412 (Precondition Failed)"
"""The browser itself says so of every conflict; a page cannot keep it from that."""


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with cluster(tmp_path_factory.mktemp("data")) as nodes:
        nodes.found("one", "two", "three")
        yield nodes


@pytest.fixture
def seen(browser: Browser, three: Cluster) -> Iterator[Console]:
    """The page of node one."""
    with console(browser) as seen:
        seen.open(url(three.running["one"]))
        seen.until_live()
        yield seen


ENDED = "/v1/watch?"
"""A page that leaves a key ends its watch, which the browser counts as a request that failed."""


def well(seen: Console, *, conflicts: bool = False, loud: tuple[str, ...] = ()) -> None:
    expected = (ENDED, *loud, *((REFUSED,) if conflicts else ()))
    assert [each for each in seen.watched.problems if not any(word in each for word in expected)] == []


def key_row(seen: Console, *words: str) -> Locator:
    rows = seen.page.get_by_role("row")
    for word in words:
        rows = rows.filter(has_text=word)
    return rows


def dialog(seen: Console, name: str) -> Locator:
    return seen.page.get_by_role("dialog", name=name)


def press(place: Locator, name: str) -> None:
    place.get_by_role("button", name=name, exact=True).click()


def lease_of(node: Node, **body: Any) -> int:
    made: int = node.client.post("/v1/leases", json=body, timeout=30).raise_for_status().json()["lease"]
    return made


# -- metadata ----------------------------------------------------------------------------------------------------------


def test_a_key_is_created_changed_and_deleted_and_its_history_stays(seen: Console, three: Cluster) -> None:
    two = three.running["two"]
    seen.go("metadata")
    seen.page.get_by_role("button", name="Create a key…").click()
    create = dialog(seen, "Create a key")
    create.get_by_label("Key", exact=True).fill("fruit/apple")
    create.get_by_label("Value", exact=True).fill("green")
    press(create, "Create")
    expect(create.get_by_role("status")).to_contain_text("Written at revision")
    press(create, "Done")
    assert get(two, "fruit/apple") == "green"

    put(two, "fruit/apple", "red").raise_for_status()
    panel = seen.page.locator(".key-panel")
    expect(panel.get_by_label("Value", exact=True)).to_have_text("red")
    press(panel, "Delete…")
    delete = dialog(seen, "Delete fruit/apple?")
    press(delete, "Delete")
    expect(delete.get_by_role("status")).to_contain_text("Deleted at revision")
    press(delete, "Done")
    assert get(two, "fruit/apple") is None
    expect(panel).to_contain_text("There is no such key now.")
    expect(panel.locator(".version-value")).to_have_text(["deleted", "red", "green"])
    panel.locator(".version .link").last.click()
    expect(panel.locator(".version-whole .value-text")).to_have_text("green")
    assert faults(seen.page, "a key with its history") == []
    well(seen)


def test_a_write_over_somebody_elses_says_so_and_happens_only_when_told_again(seen: Console, three: Cluster) -> None:
    two = three.running["two"]
    put(two, "limit", "1").raise_for_status()
    seen.page.evaluate("location.hash = '#/metadata/key%3Alimit'")
    press(seen.page.locator(".key-panel"), "Set…")
    write = dialog(seen, "Set limit?")
    write.get_by_label("Value", exact=True).fill("2")
    theirs = put(two, "limit", "3").raise_for_status().json()["revision"]
    press(write, "Write")
    expect(write.get_by_role("status")).to_contain_text("Somebody else was faster")
    expect(write.get_by_label(f"Theirs, revision {theirs}")).to_have_text("3")
    expect(write.get_by_label("Yours")).to_have_value("2")
    assert get(two, "limit") == "3"
    assert faults(seen.page, "a conflict") == []
    press(write, f"Write mine over revision {theirs}")
    expect(write.get_by_role("status")).to_contain_text("Written at revision")
    assert get(two, "limit") == "2"
    well(seen, conflicts=True)


def test_keys_appear_in_folders_and_bytes_are_shown_as_such(seen: Console, three: Cluster) -> None:
    two = three.running["two"]
    seen.go("metadata")
    for number in range(3):
        put(two, f"deep/er/{number}", str(number)).raise_for_status()
    expect(key_row(seen, "deep/")).to_contain_text("3 keys")
    seen.page.get_by_role("link", name="deep/").click()
    seen.page.get_by_role("link", name="er/").click()
    expect(seen.page.get_by_role("row")).to_have_count(4)
    two.client.put("/v1/meta/deep/er/0", content=b"\xff\x00A", timeout=30).raise_for_status()
    seen.page.get_by_role("link", name="0", exact=True).click()
    expect(seen.page.locator(".value-text").first).to_contain_text("ff 00 41")
    seen.page.locator(".key-panel").get_by_role("radio", name="Base64").check()
    expect(seen.page.locator(".value-text").first).to_have_text("/wBB")
    well(seen)


@pytest.mark.parametrize("name", [".", ".."])
def test_keys_that_no_path_can_name_are_changed_as_well(seen: Console, three: Cluster, name: str) -> None:
    two = three.running["two"]

    def there() -> str | None:
        told = two.client.post("/v1/txn", json={"then": [{"get": {"key": name}}]}, timeout=30).raise_for_status().json()
        record = told["results"][0]["get"]["record"]
        return None if record is None else record["value"]

    seen.go("metadata")
    press(seen.page.locator("#content"), "Create a key…")
    create = dialog(seen, "Create a key")
    create.get_by_label("Key", exact=True).fill(name)
    create.get_by_label("Value", exact=True).fill("first")
    press(create, "Create")
    expect(create.get_by_role("status")).to_contain_text("Written at revision")
    press(create, "Done")
    assert there() == "first"

    panel = seen.page.locator(".key-panel")
    press(panel, "Set…")
    write = dialog(seen, f"Set {name}?")
    theirs = {"put": {"key": name, "value": "theirs"}}
    two.client.post("/v1/txn", json={"then": [theirs]}, timeout=30).raise_for_status()
    write.get_by_label("Value", exact=True).fill("_w")
    write.get_by_label("This is base64 of bytes").check()
    press(write, "Write")
    expect(write.get_by_role("status")).to_contain_text("This is not base64")
    write.get_by_label("Value", exact=True).fill("bWluZQ")
    press(write, "Write")
    expect(write.get_by_role("status")).to_contain_text("Somebody else was faster")
    assert there() == "theirs"
    write.get_by_role("button", name="Write mine over").click()
    expect(write.get_by_role("status")).to_contain_text("Written at revision")
    press(write, "Done")
    assert there() == "mine"

    expect(panel.get_by_label("Value", exact=True)).to_have_text("mine")
    press(panel, "Delete…")
    delete = dialog(seen, f"Delete {name}?")
    press(delete, "Delete")
    expect(delete.get_by_role("status")).to_contain_text("Deleted at revision")
    press(delete, "Done")
    assert there() is None
    well(seen, conflicts=True)


# -- gossip ------------------------------------------------------------------------------------------------------------


def test_gossip_keys_of_all_nodes_and_writing_those_of_this_one(seen: Console, three: Cluster) -> None:
    one, two = three.running["one"], three.running["two"]
    seen.go("gossip")
    set_key(two, "color", "blue")
    expect(key_row(seen, "two", "color")).to_contain_text("blue")
    expect(key_row(seen, "two", "color").get_by_role("button")).to_have_count(0)  # it is two's to write
    expect(seen.page.locator(".spread", has_text="two")).to_contain_text("confirmed on 2 of 2 live peers")

    seen.page.get_by_role("button", name="Set a key…").click()
    write = dialog(seen, "Set a key")
    write.get_by_label("Key", exact=True).fill("shape")
    write.get_by_label("Value", exact=True).fill("round")
    press(write, "Set")
    expect(write.get_by_role("status")).to_contain_text("Written at version")
    press(write, "Done")
    wait_until(lambda: two.value("one", "shape") == "round")

    key_row(seen, "shape", "round").get_by_role("button", name="Delete shape").click()
    delete = dialog(seen, "Delete shape?")
    press(delete, "Delete")
    expect(delete.get_by_role("status")).to_contain_text("Deleted at version")
    press(delete, "Done")
    expect(key_row(seen, "shape")).to_contain_text("deleted")
    wait_until(lambda: two.value("one", "shape") is None)
    assert one.value("one", "shape") is None
    well(seen)


# -- locks and leases --------------------------------------------------------------------------------------------------


def test_a_lock_appears_with_its_holder_and_goes_with_its_lease(seen: Console, three: Cluster) -> None:
    two = three.running["two"]
    seen.go("locks")
    lease = lease_of(two, ttl=600)
    held = two.client.post("/v1/locks/nightly", json={"lease": lease, "value": "worker-1"}, timeout=30)
    token = held.raise_for_status().json()["token"]
    put(two, "workers/1", "up", params={"lease": str(lease)}).raise_for_status()
    expect(key_row(seen, "nightly", "worker-1")).to_contain_text(f"token {token}")
    expect(key_row(seen, "holds the lock nightly")).to_contain_text("workers/1")

    seen.page.get_by_role("button", name=f"Revoke lease {lease}").click()
    revoke = dialog(seen, f"Revoke lease {lease}?")
    expect(revoke).to_contain_text("workers/1")
    expect(revoke).to_contain_text("lock nightly")
    assert faults(seen.page, "a lease to be revoked") == []
    press(revoke, "Revoke lease")
    expect(revoke.get_by_role("status")).to_contain_text("has ended")
    press(revoke, "Done")
    expect(key_row(seen, "nightly")).to_have_count(0)
    assert get(two, "workers/1") is None
    assert two.client.get("/v1/locks/nightly", timeout=30).json()["holders"] == []
    well(seen)


# -- where there is less -----------------------------------------------------------------------------------------------


def test_a_node_without_raft_shows_the_metadata_that_it_asks_the_leader_for(browser: Browser, three: Cluster) -> None:
    two = three.running["two"]
    put(two, "asked/for", "1").raise_for_status()
    lease = lease_of(two, ttl=600)
    two.client.post("/v1/locks/far", json={"lease": lease}, timeout=30).raise_for_status()
    outside = three.start("outside", RAFT__ENABLED="false")
    wait_until(lambda: serves(outside))
    with console(browser) as seen:
        seen.open(url(outside), "metadata/key%3Aasked%2Ffor")
        value = seen.page.locator(".key-panel").get_by_label("Value", exact=True)
        expect(value).to_have_text("1")
        put(two, "asked/for", "2").raise_for_status()
        expect(value).to_have_text("2")
        expect(seen.page.locator("#content")).to_contain_text("takes no part in Raft")
        seen.go("locks")
        expect(key_row(seen, "far", "token")).to_contain_text(f"lease {lease}")
        well(seen)


def test_a_cluster_without_raft_says_how_to_switch_it_on(
    browser: Browser, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with cluster(tmp_path_factory.mktemp("off")) as nodes, console(browser) as seen:
        seen.open(url(nodes.start("alone", RAFT__ENABLED="false")), "metadata")
        expect(seen.page.get_by_role("heading", name="The Raft layer is off")).to_be_visible()
        expect(seen.page.locator("#content")).to_contain_text("bootstrap_expect = 3")
        well(seen)


def test_a_phone_needs_no_scrolling_aside(seen: Console, three: Cluster) -> None:
    long = "a-rather-long-folder/" * 4 + "key"
    put(three.running["two"], long, "x" * 3000).raise_for_status()
    set_key(three.running["two"], "k" * 80, "v" * 300)
    seen.page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    for view in ("gossip", "metadata", f"metadata/key%3A{long.replace('/', '%2F')}", "locks"):
        seen.page.evaluate("view => { location.hash = `#/${view}`; }", view)
        expect(seen.page.locator("#content")).not_to_contain_text("Waiting for")
        seen.settle()
        assert seen.page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"], view
    well(seen)


# -- leadership --------------------------------------------------------------------------------------------------------


def answered(route: Route, code: str, status: int, message: str, reason: str | None = None) -> None:
    details = None if reason is None else {"reason": reason}
    told = {"error": {"code": code, "message": message, "parameter": None, "details": details}}
    route.fulfill(status=status, json=told)


def test_a_transfer_is_called_done_when_it_is_and_else_why_not(seen: Console, three: Cluster) -> None:
    page, before = seen.page, three.leader()
    goal = next(name for name in three.running if name != before)
    button = page.get_by_role("button", name="Transfer leadership…")
    button.focus()
    page.keyboard.press("Enter")
    found = asked_of_everybody(seen, "Transfer leadership?")
    expect(button).to_be_focused()
    assert found == []

    button.click()
    ask = dialog(seen, "Transfer leadership?")
    ask.get_by_label("New leader").select_option(goal)
    does = "**/v1/raft/transfer"
    page.route(does, lambda route: answered(route, "unavailable", 503, "the voter is too far behind", "target_behind"))
    press(ask, "Transfer leadership")
    expect(ask.get_by_role("status")).to_have_text("Not done, because the voter is too far behind.")
    page.unroute(does)

    page.route(does, lambda route: answered(route, "outcome_unknown", 504, "it may still do so"))
    press(ask, "Transfer leadership")
    expect(ask.get_by_role("status")).to_contain_text("It is not known whether this will happen")
    expect(ask.get_by_role("status")).to_contain_text("as far as this node knows (it may still do so)")
    page.unroute(does)

    def lost(route: Route) -> None:
        """It happens, and the answer gets lost."""
        wait_until(lambda: handed_over(three, goal))
        answered(route, "outcome_unknown", 504, "it may still do so")

    page.route(does, lost)
    press(ask, "Transfer leadership")
    expect(ask.get_by_role("status")).to_have_text(f"{goal} leads now.")
    press(ask, "Done")
    well(seen, loud=("503 (", "504 ("))


def handed_over(three: Cluster, goal: str) -> bool:
    return three.running["one"].client.post("/v1/raft/transfer", json={"node": goal}, timeout=30).status_code == 200
