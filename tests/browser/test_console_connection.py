"""How the console asks its node, in Chromium with a made-up network: repeated writes, and the connection."""

from __future__ import annotations

import json
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.browser.support.console_files import run
from tests.browser.support.console_messages import THREE

# -- writes and the connection -----------------------------------------------------------------------------------------

FAKE_FETCH = """
    const answers = a;
    const later = window.setTimeout;
    window.setTimeout = (what) => later(what, 0);
    const asked = [];
    window.fetch = async (url, options) => {
        const path = String(url).split('/').slice(3).join('/');
        asked.push([options.method, path, options.headers['Coterie-Request-Id'] ?? null]);
        if (String(url).endsWith('request_ids')) return new Response('{"request_id": "1-x"}');
        const [status, body] = answers.shift();
        if (status === 0) throw new TypeError('failed');
        return new Response(JSON.stringify(body), {status});
    };
    let told;
    try { told = await m.writeOnce('PUT', 'v1/meta/a', {body: 'x'}); }
    catch (error) { told = [error.status, error.code]; }
    return [told, asked];
"""

UNKNOWN = {"error": {"code": "outcome_unknown", "message": "not known", "parameter": None}}
UNAVAILABLE = {"error": {"code": "unavailable", "message": "not now", "parameter": None}}
CONFLICT = {"error": {"code": "precondition_failed", "message": "changed", "parameter": None}}

WRITES: list[tuple[list[Any], Any, int]] = [
    ([[200, {"revision": 3}]], {"revision": 3}, 1),
    ([[0, None], [200, {"revision": 3}]], {"revision": 3}, 2),
    ([[504, UNKNOWN], [503, UNAVAILABLE], [200, {"revision": 3}]], {"revision": 3}, 3),
    ([[412, CONFLICT]], [412, "precondition_failed"], 1),
    ([[503, UNAVAILABLE]] * 3, [503, "unavailable"], 3),
    ([[504, UNKNOWN], [503, UNAVAILABLE], [503, UNAVAILABLE]], [504, "outcome_unknown"], 3),
]


@pytest.mark.parametrize(("answers", "outcome", "tries"), WRITES)
def test_a_write_is_repeated_under_its_id(fresh: Page, answers: list[Any], outcome: Any, tries: int) -> None:
    told, asked = run(fresh, "core/net/api.js", FAKE_FETCH, answers)
    assert told == outcome
    assert asked == [["POST", "v1/request_ids", None], *[["PUT", "v1/meta/a", "1-x"]] * tries]


FAKE_SOCKET = """
    window.sockets = [];
    window.WebSocket = class {
        constructor(url, protocols) {
            Object.assign(this, {url: String(url), protocols, sent: []});
            sockets.push(this);
        }
        send(text) { this.sent.push(JSON.parse(text)); }
        close() {}
        say(message) { this.onmessage({data: JSON.stringify(message)}); }
    };
    window.answer = {status: 200, body: {id: 'anonymous', rules: [{layer: '*', action: 'read'}]}};
    window.fetch = async () => {
        if (answer.status === 0) throw new TypeError('failed');
        return new Response(JSON.stringify(answer.body), {status: answer.status});
    };
    const { store } = await import('./core/store.js');
    window.store = store;
    window.model = store.model;
    window.connection = new m.Connection(store);
    connection.start();
"""


def begin_connection(page: Page) -> None:
    page.clock.install()
    run(page, "core/net/connection.js", FAKE_SOCKET)
    page.wait_for_function("window.sockets.length === 1")
    say = "sockets[0].onopen(); for (const each of " + json.dumps(THREE) + ") sockets[0].say(each);"
    page.evaluate(f"() => {{ {say} }}")


def test_the_connection_goes_on_behind_the_last_event(fresh: Page) -> None:
    begin_connection(fresh)
    first = fresh.evaluate("[model.connection.state, sockets[0].url, sockets[0].protocols, sockets[0].sent[0]]")
    assert first[:3] == ["live", "ws://console.test/v1/ws?wait=true", ["coterie.live.v1"]]
    assert "figures" in first[3]["kinds"]
    assert "last_id" not in first[3]

    fresh.evaluate("sockets[0].onclose({code: 1006})")
    assert fresh.evaluate("[model.connection.state, model.connection.reason]") == ["lost", "the connection broke"]
    fresh.clock.run_for(1_000)
    fresh.wait_for_function("window.sockets.length === 2")
    fresh.evaluate("sockets[1].onopen()")
    assert fresh.evaluate("sockets[1].sent[0].last_id") == "e-5"
    fresh.evaluate("sockets[1].say({...model.hello, resumed: true})")
    assert fresh.evaluate("model.connection.state") == "live"


def test_a_heartbeat_that_stays_away_is_a_loss(fresh: Page) -> None:
    begin_connection(fresh)
    fresh.clock.run_for(15_000)
    assert fresh.evaluate("model.connection.state") == "live"
    fresh.evaluate("answer = {status: 0}")
    fresh.clock.run_for(5_000)
    assert fresh.evaluate("model.connection.state") == "lost"


@pytest.mark.parametrize(("status", "code"), [(401, "unauthorized"), (429, "too_many_tries")])
def test_a_node_that_wants_a_token_is_asked_no_further(fresh: Page, status: int, code: str) -> None:
    begin_connection(fresh)
    error = {"code": code, "message": "no", "parameter": None}
    fresh.evaluate("([status, error]) => { answer = {status, body: {error}}; }", [status, error])
    fresh.evaluate("sockets[0].onclose({code: 1008})")
    fresh.wait_for_function("model.connection.state === 'token'")
    fresh.clock.run_for(120_000)
    assert fresh.evaluate("sockets.length") == 1


def test_why_the_node_ends_a_connection_is_told(fresh: Page) -> None:
    begin_connection(fresh)
    error = {"code": "too_slow", "message": "this client takes events too slowly", "parameter": None}
    fresh.evaluate("(error) => sockets[0].say({type: 'end', error})", error)
    fresh.evaluate("sockets[0].onclose({code: 1013})")
    assert fresh.evaluate("model.connection.reason") == "this client takes events too slowly"


def test_under_other_rules_it_asks_for_what_they_allow_and_begins_anew(fresh: Page) -> None:
    begin_connection(fresh)
    rules = [{"layer": "gossip", "action": "read", "prefix": "a/"}, {"layer": "locks", "action": "read"}]
    fresh.evaluate("(rules) => { answer.body.rules = rules; }", rules)
    fresh.evaluate("sockets[0].onclose({code: 1008, reason: 'rights_changed'})")
    fresh.wait_for_function("window.sockets.length === 2")
    fresh.evaluate("sockets[1].onopen()")
    assert fresh.evaluate("[store.model.complete, store.model.members.size]") == [False, 0]
    assert fresh.evaluate("sockets[1].sent") == [{"type": "subscribe", "kinds": ["gossip", "queues", "leases"]}]

    # Less is allowed since it asked what is.
    error = {"code": "forbidden", "message": "no", "parameter": "kinds", "details": {"withheld": ["gossip", "raft"]}}
    fresh.evaluate("(error) => sockets[1].say({type: 'error', error})", error)
    assert fresh.evaluate("sockets[1].sent[1].kinds") == ["queues", "leases"]
