"""`/docs` in a browser: it opens, shows every operation, tries one, and asks nobody but the node."""

from __future__ import annotations

import pytest

from tests.app.processes import running
from tests.browser.conftest import Watched

pytestmark = [pytest.mark.cluster, pytest.mark.slow]


def test_docs_open_and_try_an_operation(watched: Watched) -> None:
    with running("--node_id", "shown") as node:
        url = "http://{}:{}".format(*node.address)
        operations = [
            operation["operationId"]
            for item in node.get("/openapi.json")["paths"].values()
            for operation in item.values()
        ]
        page = watched.page
        page.goto(f"{url}/docs")
        page.wait_for_selector(".opblock")
        for scheme in ("dark", "light"):
            page.emulate_media(color_scheme=scheme)
            page.wait_for_function(
                "scheme => document.documentElement.classList.contains('dark-mode') === (scheme === 'dark')", arg=scheme
            )
        page.wait_for_function(f"document.querySelectorAll('.opblock').length === {len(operations)}")

        members = page.locator("#operations-members-list_members")
        members.locator(".opblock-summary-control").click()
        members.get_by_role("button", name="Try it out").click()
        members.get_by_role("button", name="Execute").click()
        answer = members.locator(".live-responses-table .response-col_description .highlight-code").first
        assert "shown" in answer.inner_text()

        assert watched.problems == []
        assert {each.split("/")[2] for each in watched.requests if not each.startswith("data:")} == {url[7:]}


def test_the_live_socket_in_a_browser(watched: Watched) -> None:
    with running("--node_id", "shown") as node:
        url = "http://{}:{}".format(*node.address)
        watched.page.goto(f"{url}/docs")
        told = watched.page.evaluate(
            """async () => {
                const told = [];
                const socket = new WebSocket(`ws://${location.host}/v1/ws?kinds=members,gossip`, "coterie.live.v1");
                const stream = new EventSource("/v1/events?kinds=members");
                const streamed = new Promise((done) => stream.addEventListener("ready", (event) => done(event.data)));
                await new Promise((done) => {
                    socket.onmessage = async (message) => {
                        const said = JSON.parse(message.data);
                        told.push(said.type);
                        if (said.type === "ready") await fetch("/v1/kv/from-a-page", {method: "PUT", body: "1"});
                        if (said.type === "events" && said.events.some((event) => event.key === "from-a-page")) done();
                    };
                });
                told.push(JSON.parse(await streamed).type, socket.protocol);
                stream.close();
                socket.close();
                return told;
            }"""
        )
        assert told[:4] == ["hello", "snapshot", "snapshot", "ready"]
        assert told[-3:] == ["events", "ready", "coterie.live.v1"]
        assert watched.problems == []
