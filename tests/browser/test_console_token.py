"""The console at a node that wants a token: it asks, says what is wrong, keeps the token in the tab alone, and shows
what that may read."""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Browser, expect

from coterie.app.wire.tokens import hash_of
from tests.app.auth.conftest import ADMIN, WRONG
from tests.app.processes import running
from tests.browser.support.console import console
from tests.browser.test_console_accessibility import faults
from tests.waiting import PATIENCE_SECONDS

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

NARROW = "coterie_narrow_" + "d4" * 32

TOKENS = [
    {"id": "admin", "hash": hash_of(ADMIN), "rules": [{"layer": "*", "action": "admin"}]},
    {"id": "narrow", "hash": hash_of(NARROW), "rules": [{"layer": "gossip", "action": "write", "prefix": "svc/"}]},
]

SECRET = ADMIN.rpartition("_")[2]


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with running("--node_id", "closed", AUTH__ANONYMOUS="none", AUTH__TOKENS=json.dumps(TOKENS)) as node:
        yield "http://{}:{}".format(*node.address)


def test_a_token_is_asked_for_and_kept_in_the_tab(browser: Browser, url: str) -> None:
    with console(browser) as seen:
        page = seen.page
        seen.open(url)
        dialog = page.get_by_role("dialog", name="This node wants a token")
        expect(dialog.get_by_label("Token")).to_be_focused()
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            seen.settle()
            assert faults(page, f"the token, {scheme}") == []
        dialog.get_by_label("Token").fill(WRONG)
        dialog.get_by_role("button", name="Use token").click()
        expect(dialog.get_by_role("status")).to_contain_text("token")
        expect(page.locator("#content")).not_to_contain_text("closed")

        dialog.get_by_label("Token").fill(ADMIN)
        dialog.get_by_label("Token").press("Enter")
        seen.until_live()
        expect(dialog).to_be_hidden()
        expect(seen.tally("live")).to_have_text("1")

        assert SECRET not in page.evaluate("JSON.stringify(localStorage)")
        assert SECRET not in page.evaluate("document.cookie")
        assert SECRET not in page.content()
        assert not [each for each in [page.url, *seen.watched.requests] if SECRET in each]

        page.reload()
        seen.until_live()
        other = page.context.new_page()
        other.goto(f"{url}/ui/")
        expect(other.get_by_role("dialog", name="This node wants a token")).to_be_visible()
        other.close()

        page.get_by_role("button", name="Forget token").click()
        expect(dialog).to_be_visible()
        expect(page.locator("#content")).not_to_contain_text("closed")
        page.reload()
        expect(dialog).to_be_visible()
        # The browser's own words of what was refused; nothing else.
        assert [each for each in seen.watched.problems if "401" not in each and "Unauthorized" not in each] == []


def test_a_narrow_token_shows_what_it_may_read_and_says_so_of_the_rest(browser: Browser, url: str) -> None:
    def put(key: str) -> None:
        headers = {"Authorization": f"Bearer {ADMIN}"}
        httpx.put(f"{url}/v1/kv/{key}", content="said", headers=headers, timeout=PATIENCE_SECONDS).raise_for_status()

    put("svc/first")
    put("hidden/first")
    with console(browser) as seen:
        page = seen.page
        content = page.locator("#content")
        seen.open(url)
        dialog = page.get_by_role("dialog", name="This node wants a token")
        dialog.get_by_label("Token").fill(NARROW)
        dialog.get_by_label("Token").press("Enter")
        seen.until_live()
        for view, layer in (
            ("overview", "cluster"),
            ("charts", "cluster"),
            ("metadata", "metadata"),
            ("locks", "locks"),
        ):
            seen.go(view)
            expect(content).to_contain_text(f"The token narrow may not read the layer {layer}")
        expect(page.locator(".verdict")).to_have_text("Not known to this token")
        content.get_by_role("link", name="Gossip keys").click()

        expect(content).to_contain_text("may read only the keys that begin with svc/")
        expect(content).to_contain_text("How far keys have spread is not told")
        keys = page.get_by_role("region", name="Gossip keys")
        expect(keys.get_by_role("link", name="svc/first")).to_be_visible()
        put("hidden/second")
        put("svc/second")
        expect(keys.get_by_role("button", name="Delete svc/second")).to_be_enabled()
        expect(content).not_to_contain_text("hidden")

        content.get_by_role("button", name="Set a key…").click()
        setting = page.get_by_role("dialog")
        setting.get_by_role("textbox", name="Key").fill("other")
        setting.get_by_role("button", name="Set").click()
        expect(setting).to_contain_text("does not allow to write the layer 'gossip' at 'other'")
        page.keyboard.press("Escape")
        seen.go("timeline")
        expect(content).to_contain_text("may not read cluster, metadata and locks")
        # Nothing is asked for that would be refused but the key that a person wrote, and nothing over and over.
        assert [each for each in seen.watched.requests if "/v1/meta" in each or "/v1/cluster" in each] == []
        refused = [each for each in seen.watched.problems if "401" not in each and "Unauthorized" not in each]
        assert len(refused) == 1
        assert "403" in refused[0]
