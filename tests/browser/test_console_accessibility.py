"""The console for everybody: axe-core finds nothing serious in any view, all of it goes by keyboard, and what moves can
be kept still."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Browser, Page, expect

from tests.browser.support.console import DESKTOP, PHONE, Console, console
from tests.browser.support.five_nodes import set_key, url
from tests.cluster.processes import Node
from tests.cluster.test_autopilot import cluster, put

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

NARROW = 360
"""CSS pixels: the narrowest phones in use."""

SERIOUS = {"serious", "critical"}


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """A cluster of one, in which there is something of everything to show."""
    with cluster(tmp_path_factory.mktemp("one")) as nodes:
        nodes.found("solo")
        solo = nodes.running["solo"]
        set_key(solo, "color", "blue")
        for number in range(3):
            put(solo, "config/limit", str(number)).raise_for_status()
        lease = solo.client.post("/v1/leases", json={"ttl": 600}).raise_for_status().json()
        solo.client.post("/v1/locks/nightly", json={"lease": lease["lease"]}).raise_for_status()
        yield solo


def faults(page: Page, where: str) -> list[str]:
    """What axe-core takes for serious or worse."""
    found = [each for each in Axe().run(page).response["violations"] if each["impact"] in SERIOUS]
    places = [[node["html"][:150] for node in each["nodes"][:3]] for each in found]
    return [f"{where}: {each['id']}: {each['help']}: {at}" for each, at in zip(found, places, strict=True)]


def test_axe_finds_nothing_serious(browser: Browser, node: Node) -> None:
    with console(browser) as seen:
        seen.open(url(node))
        seen.until_live()
        found = []
        for view in seen.views:
            seen.go(view)
            seen.page.wait_for_timeout(300)
            for scheme in ("light", "dark"):
                seen.page.emulate_media(color_scheme=scheme)
                for size, width in (("desktop", DESKTOP), ("phone", PHONE)):
                    seen.page.set_viewport_size(width)  # type: ignore[arg-type]
                    seen.settle()
                    found += faults(seen.page, f"{view}, {scheme}, {size}")
                    wide = seen.page.evaluate("document.documentElement.scrollWidth")
                    assert wide <= width["width"], f"{view} is {wide} wide on a {size}"
                fits(seen, view)
            seen.page.set_viewport_size(DESKTOP)  # type: ignore[arg-type]
        assert found == []


def fits(seen: Console, view: str) -> None:
    """On a narrow phone neither the page nor a table in it scrolls sideways; a row is still one, with its head."""
    seen.page.set_viewport_size({"width": NARROW, "height": 800})
    seen.settle()
    if view == "map" and seen.page.locator("details[open]").count() == 0:
        seen.page.locator("summary").click()
        expect(seen.page.get_by_role("table")).to_be_visible()
    wide = seen.page.evaluate(
        """() => [document.documentElement, ...document.querySelectorAll('.table-room')]
            .filter((each) => each.scrollWidth > each.clientWidth).map((each) => each.ariaLabel ?? each.nodeName)"""
    )
    assert wide == [], view
    for table in seen.page.get_by_role("table").filter(visible=True).all():
        expect(table.get_by_role("columnheader").first).to_be_attached()
        expect(table.get_by_role("row").last).to_be_visible()
    for name in seen.page.locator(".table-room tbody th").all():
        expect(name).to_have_css("display", "block")


def test_axe_finds_nothing_serious_in_dialogs(browser: Browser, node: Node) -> None:
    with console(browser) as seen:
        seen.open(url(node))
        seen.until_live()
        found = []
        seen.page.keyboard.press("?")
        expect(seen.page.get_by_role("dialog")).to_be_visible()
        found += faults(seen.page, "help")
        seen.page.keyboard.press("Escape")
        seen.page.evaluate("location.hash = '#/nodes/solo'")
        expect(seen.page.get_by_role("dialog", name="solo")).to_be_visible()
        for scheme in ("light", "dark"):
            seen.page.emulate_media(color_scheme=scheme)
            seen.settle()
            found += faults(seen.page, f"a node's details, {scheme}")
        assert found == []


def focused(page: Page) -> str:
    """What has the focus, as a screen reader would name it."""
    name: str = page.evaluate(
        """() => {
            const element = document.activeElement;
            return (element.ariaLabel ?? element.labels?.[0]?.innerText ?? element.innerText).trim();
        }"""
    )
    return name


def tab_to(seen: Console, name: str) -> None:
    for _ in range(60):
        seen.page.keyboard.press("Tab")
        if focused(seen.page) == name:
            return
    pytest.fail(f"{name!r} is not reached with Tab")


def test_every_view_is_reached_by_keyboard(browser: Browser, node: Node) -> None:
    with console(browser) as seen:
        seen.open(url(node))
        seen.until_live()
        page = seen.page
        page.keyboard.press("Tab")
        assert focused(page) == "Skip to the content"
        page.keyboard.press("Enter")
        expect(page.locator("#content")).to_be_focused()
        titles = page.locator("nav li a").all_inner_texts()
        views = seen.views
        for number, (view, title) in enumerate(zip(views, titles, strict=True), 1):
            seen.go(views[number % len(views)])
            page.evaluate("document.activeElement.blur()")
            tab_to(seen, title)
            outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
            assert outline != "none", f"{title}: no focus to be seen"
            page.keyboard.press("Enter")
            expect(page.locator(f'nav a[href="#/{view}"]')).to_have_attribute("aria-current", "page")
            expect(page.locator("#content h1")).to_be_visible()
            expect(page.locator("#content")).to_be_focused()
            seen.go(views[number % len(views)])
            page.keyboard.press(str(number))
            expect(page.locator(f'nav a[href="#/{view}"]')).to_have_attribute("aria-current", "page")


def test_a_key_is_set_and_deleted_by_keyboard(browser: Browser, node: Node) -> None:
    with console(browser) as seen:
        seen.open(url(node), "gossip")
        seen.until_live()
        page = seen.page
        tab_to(seen, "Set a key…")
        page.keyboard.press("Enter")
        tab_to(seen, "Key")
        page.keyboard.type("typed")
        tab_to(seen, "Value")
        page.keyboard.type("by hand")
        tab_to(seen, "Set")
        page.keyboard.press("Enter")
        dialog = page.get_by_role("dialog")
        expect(dialog.get_by_role("status")).to_contain_text("Written at version")
        page.keyboard.press("Escape")
        expect(dialog).to_be_hidden()
        row = page.get_by_role("row").filter(has_text="typed")
        expect(row).to_contain_text("by hand")
        assert node.client.get("/v1/kv/typed").json()["value"] == "by hand"

        tab_to(seen, "Delete typed")
        page.keyboard.press("Enter")
        expect(dialog).to_contain_text("deletes its key")
        tab_to(seen, "Delete")
        page.keyboard.press("Enter")
        expect(dialog.get_by_role("status")).to_contain_text("Deleted at version")
        page.keyboard.press("Escape")
        expect(dialog).to_be_hidden()
        assert node.client.get("/v1/kv/typed").status_code == 404


def test_a_dialog_keeps_the_focus_and_gives_it_back(browser: Browser, node: Node) -> None:
    with console(browser) as seen:
        seen.open(url(node), "nodes")
        seen.until_live()
        page = seen.page
        link = page.get_by_role("row").get_by_role("link", name="solo")
        link.focus()
        page.keyboard.press("Enter")
        dialog = page.get_by_role("dialog", name="solo")
        expect(dialog).to_be_visible()
        for _ in range(12):
            page.keyboard.press("Tab")
            # Past the last of it comes the browser's own, which is the body to the page.
            assert page.evaluate(
                "document.activeElement === document.body || !!document.activeElement.closest('dialog')"
            )
        page.keyboard.press("Escape")
        expect(dialog).to_be_hidden()
        expect(link).to_be_focused()


CONFIRMATIONS = [
    ("gossip", "Set a key…", "Set a key"),
    ("gossip", "Set color", "Set color?"),
    ("gossip", "Delete color", "Delete color?"),
    ("metadata", "Create a key…", "Create a key"),
    ("metadata/key%3Aconfig%2Flimit", "Set…", "Set config/limit?"),
    ("metadata/key%3Aconfig%2Flimit", "Delete…", "Delete config/limit?"),
    ("locks", "Revoke lease 1", "Revoke lease 1?"),
]


@pytest.mark.parametrize(("view", "opener", "name"), CONFIRMATIONS)
def test_what_asks_before_it_acts_is_for_everybody(
    browser: Browser, node: Node, view: str, opener: str, name: str
) -> None:
    """The focus goes in, stays in and comes back; nothing serious in light and dark; Escape does nothing else."""
    with console(browser) as seen:
        seen.open(url(node), view)
        seen.until_live()
        button = seen.page.get_by_role("button", name=opener, exact=True)
        button.focus()
        seen.page.keyboard.press("Enter")
        found = asked_of_everybody(seen, name)
        expect(button).to_be_focused()
        assert found == []
        assert seen.watched.problems == []


def asked_of_everybody(seen: Console, name: str) -> list[str]:
    """What is wrong with the dialog that is open, for axe-core; it is closed by Escape."""
    page = seen.page
    dialog = page.get_by_role("dialog", name=name, exact=True)
    expect(dialog).to_be_visible()
    inside = "!!document.activeElement.closest('dialog')"
    assert page.evaluate(inside)
    found = []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        seen.settle()
        found += faults(page, f"{name}, {scheme}")
    reached = set()
    for _ in range(12):
        page.keyboard.press("Tab")
        # Past the last of it comes the browser's own, which is the body to the page.
        assert page.evaluate(f"document.activeElement === document.body || {inside}")
        reached.add(focused(page))
    assert reached >= {"Close"}
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    return found


def test_nothing_moves_for_who_wants_it_still(browser: Browser, node: Node) -> None:
    """Animations and transitions that the browser runs: none of any length, in any view."""
    with console(browser, reduced_motion="reduce") as seen:
        seen.open(url(node))
        seen.until_live()
        for view in seen.views:
            seen.go(view)
            seen.settle()
            running = seen.page.evaluate(
                """() => document.getAnimations()
                    .filter((each) => each.effect.getComputedTiming().duration > 1)
                    .map((each) => each.animationName ?? each.transitionProperty ?? each.effect.target.className)"""
            )
            assert running == [], view
