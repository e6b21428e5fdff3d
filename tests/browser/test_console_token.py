"""The console at a node that wants a token: it asks, says what is wrong, and keeps the token in the tab alone."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import Browser, expect

from app.auth.tokens import hash_of
from tests.app.auth.conftest import ADMIN, WRONG
from tests.app.processes import running
from tests.browser.console import console
from tests.browser.test_console_accessibility import faults

pytestmark = pytest.mark.cluster

TOKENS = [{"id": "admin", "hash": hash_of(ADMIN), "rules": [{"layer": "*", "action": "admin"}]}]

SECRET = ADMIN.rpartition("_")[2]


def test_a_token_is_asked_for_and_kept_in_the_tab(browser: Browser) -> None:
    with (
        running("--node_id", "closed", AUTH__ANONYMOUS="none", AUTH__TOKENS=json.dumps(TOKENS)) as node,
        console(browser) as seen,
    ):
        url, page = "http://{}:{}".format(*node.address), seen.page
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
