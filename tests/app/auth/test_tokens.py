"""Tokens of the metadata: made, used, replaced, revoked; and no client sees or changes them as keys."""

from __future__ import annotations

import json
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest
from msgspec import structs
from starlette.types import ASGIApp

from coterie.app.api.app import create_app
from coterie.app.auth import token_store as kept
from coterie.app.auth.authority import Authority
from coterie.app.settings.auth import AuthSettings
from coterie.app.wire.tokens import hash_of, new_token
from coterie.gossip import GossipNode
from tests.app.api.conftest import HTTP, RAFT, Part, raw_request
from tests.app.api.streams import streaming
from tests.app.auth.conftest import ADMIN, SMALL, bearer, code, make

pytestmark = pytest.mark.anyio


async def status(client: httpx.AsyncClient, token: str, path: str = "/v1/tokens/self") -> int:
    return (await client.get(path, headers=bearer(token))).status_code


async def test_a_token_is_shown_once_and_only_its_hash_is_kept(client: httpx.AsyncClient, part: Part) -> None:
    token = await make(client, [("metadata", "read")], id="reader", description="reads")
    assert token.startswith("coterie_reader_")
    listed = (await client.get("/v1/tokens", headers=bearer(ADMIN))).json()["tokens"]
    assert [(each["id"], each["description"], each["expires"]) for each in listed] == [("reader", "reads", None)]
    assert token not in json.dumps(listed)
    record = part.state.get(kept.key_of("reader"))
    assert record is not None
    assert token.encode() not in record.value
    assert hash_of(token).encode() in record.value
    async for chunk in part.save():
        assert token.encode() not in chunk


async def test_a_token_says_what_it_allows(client: httpx.AsyncClient) -> None:
    token = await make(client, [("metadata", "write", "jobs/")], id="deploy")
    own = (await client.get("/v1/tokens/self", headers=bearer(token))).json()
    assert own == {"id": "deploy", "rules": [{"layer": "metadata", "action": "write", "prefix": "jobs/"}]}


async def test_a_revoked_token_is_refused_at_once(client: httpx.AsyncClient) -> None:
    token = await make(client, [("cluster", "read")], id="short")
    assert await status(client, token, "/v1/members") == 200
    assert (await client.delete("/v1/tokens/short", headers=bearer(ADMIN))).json() == {"revoked": "short"}
    assert await status(client, token, "/v1/members") == 401
    assert code(await client.delete("/v1/tokens/short", headers=bearer(ADMIN))) == "token_not_found"


async def test_a_token_ends_when_its_time_is_over(client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    token = await make(client, [("cluster", "read")], expires_in_seconds=100)
    assert await status(client, token) == 200
    later = kept.now() + 101
    monkeypatch.setattr(kept, "now", lambda: later)
    assert await status(client, token) == 401


async def test_a_replaced_secret_ends_at_once_or_after_a_while(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await make(client, [("cluster", "read")], id="rolling")

    async def rotate(**body: Any) -> str:
        answer = await client.post("/v1/tokens/rolling/rotate", json=body, headers=bearer(ADMIN))
        token: str = answer.json()["token"]
        return token

    second = await rotate(keep_seconds=300)
    assert [await status(client, token) for token in (first, second)] == [200, 200]
    third = await rotate()
    assert [await status(client, token) for token in (first, second, third)] == [401, 401, 200]
    fourth = await rotate(keep_seconds=300)
    later = kept.now() + 301
    monkeypatch.setattr(kept, "now", lambda: later)
    assert [await status(client, token) for token in (third, fourth)] == [401, 200]


async def test_nobody_gives_away_more_than_he_has(client: httpx.AsyncClient) -> None:
    own = [("tokens", "admin"), ("metadata", "write", "jobs/")]
    token = await make(client, own, id="clerk")
    for rule, allowed in [
        ({"layer": "metadata", "action": "write", "prefix": "jobs/a"}, True),
        ({"layer": "metadata", "action": "read", "prefix": "jobs/"}, True),
        ({"layer": "metadata", "action": "write"}, False),
        ({"layer": "metadata", "action": "admin", "prefix": "jobs/"}, False),
        ({"layer": "gossip", "action": "read"}, False),
        ({"layer": "*", "action": "read"}, False),
    ]:
        answer = await client.post("/v1/tokens", json={"rules": [rule]}, headers=bearer(token))
        assert answer.status_code == (200 if allowed else 403), rule
    await make(client, [("*", "admin")], id="boss")
    assert code(await client.post("/v1/tokens/boss/rotate", json={}, headers=bearer(token))) == "forbidden"


async def made_by(client: httpx.AsyncClient, token: str, **body: Any) -> dict[str, Any]:
    answer = await client.post(
        "/v1/tokens",
        json={"rules": [{"layer": "cluster", "action": "read"}, {"layer": "tokens", "action": "admin"}], **body},
        headers=bearer(token),
    )
    assert answer.status_code == 200, answer.text
    made: dict[str, Any] = answer.json()
    return made


CLERK = [("tokens", "admin"), ("cluster", "read")]


async def test_what_a_token_makes_lasts_no_longer_than_itself(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    clerk = await make(client, CLERK, id="clerk", expires_in_seconds=100)
    eternal = await made_by(client, clerk)
    short = await made_by(client, clerk, expires_in_seconds=10)
    listed = {each["id"]: each for each in (await client.get("/v1/tokens", headers=bearer(ADMIN))).json()["tokens"]}
    assert eternal["maker"] == listed[eternal["id"]]["maker"] == "clerk"
    assert listed["clerk"]["maker"] is None
    assert eternal["expires"] == listed["clerk"]["expires"]
    assert short["expires"] < eternal["expires"]
    later = kept.now() + 101
    monkeypatch.setattr(kept, "now", lambda: later)
    assert await status(client, eternal["token"]) == 401


async def test_revoking_a_token_ends_all_that_came_of_it(client: httpx.AsyncClient) -> None:
    clerk = await make(client, CLERK, id="clerk")
    child = (await made_by(client, clerk, id="child"))["token"]
    grandchild = (await made_by(client, child))["token"]
    sibling = await make(client, CLERK)
    assert [await status(client, token) for token in (clerk, child, grandchild, sibling)] == [200] * 4
    await client.delete("/v1/tokens/clerk", headers=bearer(ADMIN))
    assert [await status(client, token) for token in (clerk, child, grandchild, sibling)] == [401, 401, 401, 200]
    assert len((await client.get("/v1/tokens", headers=bearer(ADMIN))).json()["tokens"]) == 1
    # A new token of the old name is another one.
    await make(client, CLERK, id="clerk")
    assert await status(client, child) == 401


async def test_a_token_whose_maker_is_gone_ends_even_where_it_is_still_there(
    client: httpx.AsyncClient, part: Part
) -> None:
    clerk = await make(client, CLERK, id="clerk")
    child = (await made_by(client, clerk, id="child"))["token"]
    await part.metadata.delete(kept.key_of("clerk"))
    assert await status(client, child) == 401
    await make(client, CLERK, id="clerk")
    assert await status(client, child) == 401


async def test_a_row_of_makers_ends(client: httpx.AsyncClient) -> None:
    token = await make(client, CLERK)
    for _ in range(kept.MAX_LINEAGE - 1):
        token = (await made_by(client, token))["token"]
    assert await status(client, token) == 200
    answer = await client.post(
        "/v1/tokens", json={"rules": [{"layer": "cluster", "action": "read"}]}, headers=bearer(token)
    )
    assert code(answer) == "forbidden"


async def test_nobody_revokes_what_allows_more(client: httpx.AsyncClient) -> None:
    clerk = await make(client, CLERK, id="clerk")
    reader = await make(client, [("metadata", "read")], id="reader")
    assert code(await client.delete("/v1/tokens/reader", headers=bearer(clerk))) == "forbidden"
    assert await status(client, reader) == 200
    await make(client, [("cluster", "read")], id="narrow")
    assert (await client.delete("/v1/tokens/narrow", headers=bearer(clerk))).status_code == 200
    assert (await client.delete("/v1/tokens/clerk", headers=bearer(clerk))).status_code == 200


async def test_ids_are_given_once_and_counted(client: httpx.AsyncClient, authority: Authority) -> None:
    await make(client, [("cluster", "read")], id="one")
    again = await client.post(
        "/v1/tokens", json={"id": "one", "rules": [{"layer": "cluster", "action": "read"}]}, headers=bearer(ADMIN)
    )
    assert code(again) == "refused"
    authority.swap(authority.settings.model_copy(update={"max_tokens": 1}))
    full = await client.post(
        "/v1/tokens", json={"rules": [{"layer": "cluster", "action": "read"}]}, headers=bearer(ADMIN)
    )
    assert (full.status_code, code(full)) == (507, "too_many_tokens")


@pytest.mark.parametrize(
    "body",
    [
        {"rules": []},
        {"rules": [{"layer": "x", "action": "read"}]},
        {"rules": [{"layer": "*", "action": "all"}]},
        {"rules": [{"layer": "*", "action": "read", "more": 1}]},
        {"id": "a_b", "rules": [{"layer": "*", "action": "read"}]},
        {"id": "a/b", "rules": [{"layer": "*", "action": "read"}]},
        {"id": "", "rules": [{"layer": "*", "action": "read"}]},
        {"rules": [{"layer": "*", "action": "read"}], "expires_in_seconds": 0},
    ],
)
async def test_what_is_no_token_is_not_made(client: httpx.AsyncClient, body: Any) -> None:
    assert (await client.post("/v1/tokens", json=body, headers=bearer(ADMIN))).status_code == 400


# -- as keys -----------------------------------------------------------------------------------------------------------


async def test_tokens_are_no_keys(client: httpx.AsyncClient, app: ASGIApp) -> None:
    secret = await make(client, [("cluster", "read")], id="hidden")
    key, headers = "coterie/tokens/hidden", bearer(ADMIN)
    kept_hash = hash_of(secret)
    for answer in (
        await client.get(f"/v1/meta/{key}", headers=headers),
        await client.get("/v1/meta/coterie%2Ftokens%2Fhidden?raw=true", headers=headers),
        await client.get(f"/v1/kv/{key}?consistency=strong", headers=headers),
        await client.get(f"/v1/meta/{key}?revision=2", headers=headers),
        await client.put(f"/v1/meta/{key}", content="x", headers=headers),
        await client.delete(f"/v1/meta/{key}", headers=headers),
        await client.delete("/v1/meta?prefix=coterie/", headers=headers),
        await client.post("/v1/txn", json={"then": [{"get": {"key": key}}]}, headers=headers),
        await client.post("/v1/txn", json={"then": [{"put": {"key": key, "value": "x"}}]}, headers=headers),
        await client.post("/v1/txn", json={"then": [{"delete_prefix": {"prefix": "coterie/"}}]}, headers=headers),
        await client.post(
            "/v1/txn", json={"compare": [{"key": key, "target": "value", "op": ">", "operand": "a"}]}, headers=headers
        ),
    ):
        assert code(answer) == "reserved_key", answer.request.url
    for answer in (
        await client.get("/v1/meta", headers=headers),
        await client.get("/v1/meta?prefix=coterie/&limit=1", headers=headers),
        await client.get("/v1/meta?prefix=coterie/tokens/", headers=headers),
        await client.post("/v1/txn", json={"then": [{"range": {"prefix": "coterie/"}}]}, headers=headers),
        await client.get("/", headers=headers),
        await client.get("/v1/cluster", headers=headers),
        await client.get("/v1/raft/decisions", headers=headers),
        await client.get("/metrics", headers=headers),
    ):
        assert answer.status_code == 200
        assert kept_hash not in answer.text
        assert "coterie/tokens/" not in answer.text
    # Deleting by a prefix that takes them in spares them.
    assert (await client.delete("/v1/meta?prefix=c", headers=headers)).status_code == 200
    assert await status(client, secret) == 200


async def test_watches_do_not_tell_of_tokens(client: httpx.AsyncClient, app: ASGIApp) -> None:
    headers = [(b"authorization", b"Bearer " + ADMIN.encode())]
    async with streaming(app, "/v1/watch", "prefix=", headers) as stream:
        await make(client, [("cluster", "read")], id="silent")
        await client.put("/v1/meta/loud", content="x", headers=bearer(ADMIN))
        told = ""
        while "loud" not in told:
            told += str(await stream.next())
        assert "tokens" not in told


# -- reach -------------------------------------------------------------------------------------------------------------


async def test_a_prefix_is_kept_to(client: httpx.AsyncClient) -> None:
    token = await make(
        client, [("metadata", "write", "jobs/"), ("gossip", "write", "jobs/"), ("locks", "write", "jobs/")]
    )
    headers = bearer(token)
    for key in ("other/1", "private"):
        await client.put(f"/v1/meta/{key}", content="x", headers=bearer(ADMIN))

    async def of(method: str, url: str, **more: Any) -> int:
        return (await client.request(method, url, headers=headers, **more)).status_code

    for prefix, expected in (("jobs/", {200}), ("jobs", {403}), ("other/", {403}), ("", {403})):
        assert await of("PUT", f"/v1/meta/{prefix}1", content="x") in expected
        assert await of("GET", f"/v1/meta/{prefix}1") in expected
        assert await of("PUT", f"/v1/kv/{prefix}1", content="x") in expected
        assert await of("GET", f"/set_kv?key={prefix}1&value=x") in expected
        assert await of("PUT", f"/v1/kv/{prefix}1?consistency=strong", content="x") in expected
        assert await of("GET", f"/v1/meta?prefix={prefix}") in expected
        assert await of("GET", f"/v1/kv?prefix={prefix}") in expected
        for operation in (
            {"put": {"key": f"{prefix}2", "value": "x"}},
            {"get": {"key": f"{prefix}2"}},
            {"range": {"prefix": prefix}},
            {"delete": {"key": f"{prefix}2"}},
        ):
            assert await of("POST", "/v1/txn", json={"then": [operation]}) in expected, operation
            assert await of("POST", "/v1/txn", json={"else": [operation]}) in expected, operation
        compare = {"key": f"{prefix}2", "target": "version", "op": "=", "operand": 0}
        assert await of("POST", "/v1/txn", json={"compare": [compare]}) in expected
        assert await of("GET", f"/v1/locks/{prefix}1") in expected
    assert await of("GET", "/") == 403
    assert await of("GET", "/v1/watch?prefix=") == 403
    assert await of("GET", "/v1/watch?key=other/1") == 403


@pytest.mark.parametrize(
    "path",
    [
        "/v1/meta/jobs/../private", "/v1/meta/%6aobs/x", "/v1/meta/jobs%2f..%2fprivate", "/v1/%6deta/private",
        "/v1/meta/%2e%2e/private", "/v1//meta/private", "/v1/meta//private", "/v1/meta/jobs%252fprivate",
        "/v1/kv/../meta/private",
        "/v1/meta/private?prefix=jobs/", "/v1/meta?prefix=jobs/&prefix=", "/v1/meta?prefix=&page=x",
        "/v1/kv/private?consistency=eventual&consistency=strong",
    ],
)  # fmt: skip
async def test_no_way_of_writing_a_path_leads_past_a_prefix(client: httpx.AsyncClient, app: ASGIApp, path: str) -> None:
    """Where it is allowed at all, it is a key under the prefix, byte by byte."""
    token = await make(client, [("metadata", "read", "jobs/"), ("gossip", "read", "jobs/")])
    await client.put("/v1/meta/private", content="treasure", headers=bearer(ADMIN))
    raw, _, query = path.partition("?")
    headers = [(b"authorization", b"Bearer " + token.encode())]
    answer = await raw_request(app, "GET", raw.encode(), query=query.encode(), headers=headers)
    assert answer.status in {400, 403, 404}
    assert b"treasure" not in answer.body


async def test_a_page_does_not_lead_out_of_its_prefix(client: httpx.AsyncClient) -> None:
    for key in ("jobs/1", "jobs/2", "private/1", "private/2"):
        await client.put(f"/v1/meta/{key}", content="x", headers=bearer(ADMIN))
    token = await make(client, [("metadata", "read", "jobs/")])
    first = (await client.get("/v1/meta?prefix=jobs/&limit=1", headers=bearer(token))).json()
    second = await client.get(f"/v1/meta?prefix=jobs/&limit=1&page={first['next_page']}", headers=bearer(token))
    assert [each["key"] for each in second.json()["keys"]] == ["jobs/2"]
    foreign = (await client.get("/v1/meta?prefix=&limit=1", headers=bearer(ADMIN))).json()["next_page"]
    other = (await client.get("/v1/meta?prefix=private/&limit=1", headers=bearer(ADMIN))).json()["next_page"]
    for page in (foreign, other):
        answer = await client.get(f"/v1/meta?prefix=jobs/&page={page}", headers=bearer(token))
        assert code(answer) == "bad_page_token"
    assert (await client.get(f"/v1/meta?page={foreign}", headers=bearer(token))).status_code == 403


async def test_a_lease_is_ended_by_whoever_may_write_what_lives_with_it(client: httpx.AsyncClient) -> None:
    lease = (await client.post("/v1/leases", json={"ttl": 600}, headers=bearer(ADMIN))).json()["lease"]
    await client.put(f"/v1/meta/private?lease={lease}", content="x", headers=bearer(ADMIN))
    await client.post("/v1/locks/private", json={"lease": lease}, headers=bearer(ADMIN))
    for rules, allowed in [
        ([("locks", "write", "")], False),
        ([("metadata", "write", ""), ("locks", "write", "jobs/")], False),
        ([("metadata", "write", "pri"), ("locks", "write", "pri")], True),
    ]:
        headers = bearer(await make(client, rules))
        keys = (await client.get(f"/v1/leases/{lease}", headers=headers)).json()["keys"]
        assert ("private" in keys) == any(rule[0] == "metadata" for rule in rules)
        answer = await client.delete(f"/v1/leases/{lease}", headers=headers)
        assert answer.status_code == (200 if allowed else 403)


# -- configuration -----------------------------------------------------------------------------------------------------


async def test_the_configurations_tokens_are_swapped_for_the_next_request(
    client: httpx.AsyncClient, authority: Authority
) -> None:
    assert await status(client, SMALL) == 200
    authority.swap(authority.settings.model_copy(update={"tokens": authority.settings.tokens[:1]}))
    assert [await status(client, token) for token in (SMALL, ADMIN)] == [401, 200]


@pytest.mark.parametrize(
    ("level", "statuses"),
    [("none", (401, 401, 401)), ("read", (200, 401, 401)), ("write", (200, 200, 401)), ("admin", (200, 200, 200))],
)
async def test_what_is_allowed_without_a_token_is_a_setting(
    client: httpx.AsyncClient, authority: Authority, level: str, statuses: tuple[int, ...]
) -> None:
    authority.swap(authority.settings.model_copy(update={"anonymous": level}))
    asked = (
        await client.get("/v1/kv"),
        await client.put("/v1/kv/a", content="x"),
        await client.get("/v1/tokens"),
    )
    assert tuple(answer.status_code for answer in asked) == statuses
    # Who shows a token may do no less; a wrong one is told so.
    assert await status(client, SMALL, "/v1/kv") == (403 if level == "none" else 200)
    assert await status(client, new_token("admin"), "/v1/kv") == 401


async def test_by_default_all_is_open_on_loopback_and_nothing_elsewhere(part: Part) -> None:
    for on_loopback, allowed in ((True, True), (False, False)):
        made = Authority(AuthSettings(), part, lambda _: False, on_loopback=on_loopback)
        assert made.anonymous.may("tokens", "admin", "") is allowed
        assert made.anonymous.may("gossip", "read", "") is allowed


async def test_who_may_read_of_a_lock_may_follow_its_places(client: httpx.AsyncClient, app: ASGIApp) -> None:
    """They are keys of the metadata, of which such a token may read no other."""
    token = await make(client, [("locks", "read", "jobs/")])
    places = [f"coterie/{kind}/jobs/7@{1:020}" for kind in ("locks", "elections", "semaphores")]
    for place in places:
        assert code(await client.get(f"/v1/meta/{place}", headers=bearer(token))) == "key_not_found"
        headers = [(b"authorization", b"Bearer " + token.encode())]
        async with streaming(app, "/v1/watch", f"key={place}", headers) as stream:
            assert stream.status == 200
    others = ("a", "coterie/locks/other@1", "coterie/locks/jobs/7", "coterie/locks/jobs/7@x", "coterie/tokens/jobs/7@1")
    for other in others:
        assert code(await client.get(f"/v1/meta/{other}", headers=bearer(token))) == "forbidden"
        assert code(await client.get(f"/v1/watch?key={other}", headers=bearer(token))) == "forbidden"
    assert code(await client.get(f"/v1/watch?prefix={places[0]}", headers=bearer(token))) == "forbidden"
    assert code(await client.put(f"/v1/meta/{places[0]}", headers=bearer(token))) == "forbidden"
    reader = await make(client, [("metadata", "read")])
    assert code(await client.get(f"/v1/meta/{places[0]}", headers=bearer(reader))) == "key_not_found"


@pytest.mark.parametrize("path", ["/v1/events?kinds=raft", "/v1/watch?prefix=jobs/"])
async def test_one_token_does_not_take_what_all_share(
    path: str, gossip: GossipNode, part: Part, authority: Authority
) -> None:
    """Streams, and whatever else is under way."""
    app = create_app(gossip, HTTP.model_copy(update={"max_requests_per_token": 2}), RAFT, part, authority=authority)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://localhost") as client:
        rules = [("cluster", "read"), ("metadata", "read", "jobs/")]
        greedy, other = [await make(client, rules) for _ in range(2)]
        raw_path, _, query = path.partition("?")
        async with AsyncExitStack() as streams:
            for _ in range(2):
                await streams.enter_async_context(
                    streaming(app, raw_path, query, headers=[(b"authorization", b"Bearer " + greedy.encode())])
                )
            refused = await client.get("/v1/members", headers=bearer(greedy))
            assert (refused.status_code, code(refused)) == (429, "too_many_requests")
            assert (await client.get("/v1/members", headers=bearer(other))).status_code == 200
            assert (await client.get("/v1/members", headers=bearer(ADMIN))).status_code == 200
        assert (await client.get("/v1/members", headers=bearer(greedy))).status_code == 200


async def test_a_lease_is_for_the_token_that_made_it(client: httpx.AsyncClient) -> None:
    locker = await make(client, [("locks", "write", "jobs/"), ("metadata", "write", "jobs/")], id="locker")
    other = await make(client, [("locks", "write"), ("metadata", "write")], id="other")
    made = await client.post("/v1/leases", json={"ttl": 60}, headers=bearer(locker))
    lease = made.json()["lease"]
    assert (await client.post("/v1/locks/jobs/1", json={"lease": lease}, headers=bearer(locker))).status_code == 200
    put = {"put": {"key": "k", "value": "1", "lease": lease}}
    for answer in (
        await client.post(f"/v1/leases/{lease}/keepalive", headers=bearer(other)),
        await client.post("/v1/locks/x", json={"lease": lease}, headers=bearer(other)),
        await client.put(f"/v1/meta/k?lease={lease}", content="1", headers=bearer(other)),
        await client.put(f"/v1/kv/k?lease={lease}&consistency=strong", content="1", headers=bearer(other)),
        await client.post("/v1/txn", json={"then": [put]}, headers=bearer(other)),
        await client.delete(f"/v1/locks/jobs/1?lease={lease}", headers=bearer(other)),
    ):
        assert (answer.status_code, code(answer)) == (403, "not_owner"), answer.text
    empty = (await client.post("/v1/leases", json={"ttl": 60}, headers=bearer(locker))).json()["lease"]
    assert code(await client.delete(f"/v1/leases/{empty}", headers=bearer(other))) == "not_owner"
    narrow = await make(client, [("locks", "write", "other/")])
    assert code(await client.delete(f"/v1/leases/{lease}", headers=bearer(narrow))) == "forbidden"
    assert (await client.post(f"/v1/leases/{lease}/keepalive", headers=bearer(ADMIN))).status_code == 200
    assert (await client.put(f"/v1/meta/jobs/k?lease={lease}", content="1", headers=bearer(locker))).status_code == 200
    assert (await client.delete(f"/v1/leases/{lease}", headers=bearer(locker))).status_code == 200


async def test_a_token_makes_so_many_leases(client: httpx.AsyncClient, part: Part) -> None:
    part.state.limits = structs.replace(part.state.limits, max_owner_leases=2)
    greedy, other = [await make(client, [("locks", "write", "mine/")]) for _ in range(2)]
    answers = [await client.post("/v1/leases", json={"ttl": 600}, headers=bearer(greedy)) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 507]
    assert code(answers[-1]) == "too_many_leases"
    assert (await client.post("/v1/locks/mine/a", json={"ttl": 60}, headers=bearer(greedy))).status_code == 507
    for token in (other, ADMIN):
        assert (await client.post("/v1/leases", json={"ttl": 600}, headers=bearer(token))).status_code == 200


async def test_lists_of_keys_show_locks_to_those_who_may_read_locks(client: httpx.AsyncClient, app: ASGIApp) -> None:
    """The names of locks stand in the keys of their places."""
    await client.post("/v1/locks/secret/name", json={"ttl": 60}, headers=bearer(ADMIN))
    await client.put("/v1/meta/a", content="1", headers=bearer(ADMIN))
    reader = await make(client, [("metadata", "read")])
    both = await make(client, [("metadata", "read"), ("locks", "read", "secret/")])
    txn = {"then": [{"range": {"prefix": ""}}]}
    for token, wanted in ((reader, 0), (both, 1)):
        listed = (await client.get("/v1/meta?prefix=", headers=bearer(token))).json()["keys"]
        inside = (await client.post("/v1/txn", json=txn, headers=bearer(token))).json()["results"][0]["range"]["keys"]
        for keys in (listed, inside):
            assert [each["key"] for each in keys if each["key"] == "a"] == ["a"]
            assert len([each for each in keys if "secret/name@" in each["key"]]) == wanted
        headers = [(b"authorization", b"Bearer " + token.encode())]
        async with streaming(app, "/v1/watch", "prefix=", headers) as stream:
            await client.post("/v1/locks/secret/name2", json={"ttl": 60, "stay": True}, headers=bearer(ADMIN))
            await client.put("/v1/meta/last", content="1", headers=bearer(ADMIN))
            seen = ""
            while "last" not in seen:
                seen += json.dumps(await stream.next_data())
            assert ("secret/name2" in seen) is bool(wanted)
