"""Leases, and what is held on them: locks, semaphores, elections."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest
from starlette.types import ASGIApp

from coterie.app.api.app import create_app
from coterie.app.wire.locks import (
    ElectionAnswer,
    HeldAnswer,
    LeaseAnswer,
    LeaseDetailsAnswer,
    LeaseRevoked,
    LeasesAnswer,
    NamesAnswer,
    ProclaimedAnswer,
    QueueAnswer,
    ReleasedAnswer,
)
from coterie.app.wire.pydantic_models import model_of
from coterie.consensus.api.errors import CompactedError, UnavailableError, UnknownOutcomeError
from coterie.consensus.store import Acquire, QueueKind, Release
from coterie.gossip import GossipNode
from tests.app.api.cluster.test_members_and_cluster import NODE_B, hear, see_alive
from tests.app.api.conftest import HTTP, RAFT, Part, error_of
from tests.app.api.streams import streaming
from tests.waiting import PATIENCE_SECONDS

pytestmark = pytest.mark.anyio


async def lease(api: httpx.AsyncClient) -> int:
    answer = await api.post("/v1/leases", json={"ttl": 60})
    assert answer.status_code == 200
    number: int = answer.json()["lease"]
    return number


# -- leases ------------------------------------------------------------------------------------------------------------


async def test_the_life_of_a_lease(api: httpx.AsyncClient) -> None:
    granted = await api.post("/v1/leases", json={"ttl": 7.5})
    model_of(LeaseAnswer).model_validate_json(granted.content, strict=True)
    shown = granted.json()
    assert shown.pop("deadline_ms") >= 7_500
    assert shown == {
        "lease": 1,
        "kind": "ttl",
        "ttl_seconds": 7.5,
        "remaining_seconds": 7.5,
        "node": None,
        "generation": None,
        "hold_seconds": None,
        "renewals": 0,
    }
    await api.put("/v1/meta/a?lease=1", content="x")
    renewed = await api.post("/v1/leases/1/keepalive")
    model_of(LeaseAnswer).model_validate_json(renewed.content, strict=True)
    assert renewed.json()["renewals"] == 1
    one = await api.get("/v1/leases/1")
    model_of(LeaseDetailsAnswer).model_validate_json(one.content, strict=True)
    assert (one.json()["keys"], one.json()["renewals"]) == (["a"], 1)
    ended = await api.delete("/v1/leases/1")
    model_of(LeaseRevoked).model_validate_json(ended.content, strict=True)
    assert ended.json() == {"lease": 1, "revision": 2, "deleted": 1}
    assert (await api.get("/v1/meta/a")).status_code == 404


async def test_a_lease_is_bound_to_a_live_node(api: httpx.AsyncClient, gossip: GossipNode) -> None:
    hear(gossip, NODE_B)
    refused = await api.post("/v1/leases", json={"node": "node-b"})
    assert refused.status_code == 409
    assert error_of(refused) == {
        "code": "refused",
        "message": "the node 'node-b' is not alive",
        "parameter": "node",
        "details": {"reason": "node_not_alive"},
    }
    see_alive(gossip, NODE_B)
    other = await api.post("/v1/leases", json={"node": "node-b", "generation": 8})
    assert error_of(other)["details"] == {"reason": "node_not_alive"}
    bound = await api.post("/v1/leases", json={"node": "node-b", "hold": 2.5, "generation": 7})
    model_of(LeaseAnswer).model_validate_json(bound.content, strict=True)
    assert bound.json() == {
        "lease": 1,
        "kind": "node",
        "ttl_seconds": None,
        "remaining_seconds": None,
        "deadline_ms": None,
        "node": "node-b",
        "generation": 7,
        "hold_seconds": 2.5,
        "renewals": 0,
    }


async def test_leases_are_listed_in_pages(api: httpx.AsyncClient) -> None:
    for _ in range(3):
        await lease(api)
    first = await api.get("/v1/leases?limit=2")
    model_of(LeasesAnswer).model_validate_json(first.content, strict=True)
    assert ([each["lease"] for each in first.json()["leases"]], first.json()["next_page"]) == ([1, 2], "2")
    second = (await api.get("/v1/leases?limit=2&page=2")).json()
    assert ([each["lease"] for each in second["leases"]], second["next_page"]) == ([3], None)


NO_LEASE = "there is no such lease: it ended, or never was"
LEASE_REFUSALS: list[tuple[str, str, Any, int, dict[str, Any]]] = [
    (
        "GET",
        "/v1/leases/9",
        None,
        404,
        {"code": "lease_not_found", "message": NO_LEASE, "parameter": "lease", "details": {"revision": 0}},
    ),
    ("DELETE", "/v1/leases/9", None, 404, {"code": "lease_not_found", "message": NO_LEASE, "parameter": None}),
    ("POST", "/v1/leases/9/keepalive", None, 404, {"code": "lease_not_found", "message": NO_LEASE, "parameter": None}),
    (
        "GET",
        "/v1/leases/x",
        None,
        400,
        {
            "code": "invalid_request",
            "message": "the parameter lease: Input should be a valid integer, unable to parse string as an integer",
            "parameter": "lease",
        },
    ),
    (
        "POST",
        "/v1/leases",
        {"ttl": 0.5},
        400,
        {
            "code": "ttl_out_of_range",
            "message": "the nearest time that is allowed is 1000 ms",
            "parameter": None,
            "details": {"limit": 1000},
        },
    ),
    (
        "POST",
        "/v1/leases",
        {},
        400,
        {"code": "invalid_request", "message": "the parameter body: give either ttl or node", "parameter": "body"},
    ),
    (
        "POST",
        "/v1/leases",
        {"node": "nobody"},
        404,
        {
            "code": "node_not_found",
            "message": "no node 'nobody' is known here; GET /v1/members lists them",
            "parameter": "node",
        },
    ),
]


async def test_refusals_of_leases(api: httpx.AsyncClient, subtests: pytest.Subtests) -> None:
    for method, url, body, status, error in LEASE_REFUSALS:
        with subtests.test(f"{method} {url} {body}"):
            answer = await api.request(method, url, json=body)
            assert error_of(answer) == error
            assert answer.status_code == status


# -- locks, semaphores, elections --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["locks", "semaphores", "elections"])
async def test_one_holds_it_and_the_next_waits(kind: str, api: httpx.AsyncClient) -> None:
    more = {"permits": 1} if kind == "semaphores" else {}
    first, second = await lease(api), await lease(api)
    held = await api.post(f"/v1/{kind}/jobs/7", json={"lease": first, "value": "me", **more})
    model_of(HeldAnswer).model_validate_json(held.content, strict=True)
    key = f"coterie/{kind}/jobs/7@{1:020}"
    assert held.json() == {"name": "jobs/7", "lease": first, "token": 1, "key": key, "revision": 1, "ahead": 0}
    again = await api.post(f"/v1/{kind}/jobs/7", json={"lease": first, **more})
    assert again.json()["token"] == 1

    busy = await api.post(f"/v1/{kind}/jobs/7", json={"lease": second, **more})
    assert busy.status_code == 409
    assert error_of(busy) == {"code": "busy", "message": "others hold it", "parameter": None}

    waiting = asyncio.create_task(api.post(f"/v1/{kind}/jobs/7", json={"lease": second, "wait": 30, **more}))
    queue = await _until_somebody_waits(api, kind)
    place = {"lease": first, "token": 1, "value": "me", "encoding": "utf-8", "since_revision": 1}
    waiter = {"lease": second, "token": None, "value": "", "encoding": "utf-8", "since_revision": 2}
    if kind == "elections":
        model_of(ElectionAnswer).model_validate(queue, strict=True)
        assert queue == {"name": "jobs/7", "revision": 2, "leader": place, "candidates": [waiter]}
    else:
        model_of(QueueAnswer).model_validate(queue, strict=True)
        assert queue == {"name": "jobs/7", "revision": 2, "holders": [place], "waiters": [waiter]}
    names = await api.get(f"/v1/{kind}")
    model_of(NamesAnswer).model_validate_json(names.content, strict=True)
    assert names.json() == {"revision": 2, "names": ["jobs/7"]}

    released = await api.delete(f"/v1/{kind}/jobs/7?lease={first}")
    model_of(ReleasedAnswer).model_validate_json(released.content, strict=True)
    assert released.json() == {"name": "jobs/7", "revision": 3, "released": True}
    key = f"coterie/{kind}/jobs/7@{2:020}"
    granted = {"name": "jobs/7", "lease": second, "token": 3, "key": key, "revision": 3, "ahead": 0}
    assert (await waiting).json() == granted
    not_held = await api.delete(f"/v1/{kind}/jobs/7?lease={first}")
    assert not_held.status_code == 409
    assert error_of(not_held) == {
        "code": "not_held",
        "message": "it is not held or waited for in that name: it was lost, or never asked for",
        "parameter": None,
    }


async def _until_somebody_waits(api: httpx.AsyncClient, kind: str) -> Any:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            queue = (await api.get(f"/v1/{kind}/jobs/7")).json()
            if queue.get("waiters") or queue.get("candidates"):
                return queue


async def test_a_place_in_the_queue_can_be_kept(api: httpx.AsyncClient) -> None:
    first, second = await lease(api), await lease(api)
    held = await api.post("/v1/locks/l", json={"lease": first, "stay": True})
    assert held.json()["token"] == 1
    waits = await api.post("/v1/locks/l", json={"lease": second, "stay": True})
    model_of(HeldAnswer).model_validate_json(waits.content, strict=True)
    key = f"coterie/locks/l@{2:020}"
    assert waits.json() == {"name": "l", "lease": second, "token": None, "key": key, "revision": 2, "ahead": 0}
    await api.delete(f"/v1/locks/l?lease={first}")
    assert (await api.get("/v1/locks/l")).json()["holders"][0]["lease"] == second
    both = await api.post("/v1/locks/l", json={"lease": second, "stay": True, "wait": 1})
    assert both.status_code == 400


async def test_nobody_holds_what_nobody_wants(api: httpx.AsyncClient) -> None:
    assert (await api.get("/v1/locks/x")).json() == {"name": "x", "revision": 0, "holders": [], "waiters": []}
    election = {"name": "x", "revision": 0, "leader": None, "candidates": []}
    assert (await api.get("/v1/elections/x")).json() == election
    assert (await api.get("/v1/locks")).json() == {"revision": 0, "names": []}


async def test_a_wait_that_is_over_leaves_the_queue(api: httpx.AsyncClient) -> None:
    first, second = await lease(api), await lease(api)
    await api.post("/v1/locks/l", json={"lease": first})
    busy = await api.post("/v1/locks/l", json={"lease": second, "wait": 0.01})
    assert (busy.status_code, error_of(busy)["code"]) == (409, "busy")
    assert (await api.get("/v1/locks/l")).json()["waiters"] == []


async def test_whoever_leaves_gives_up_the_wait(app: ASGIApp, api: httpx.AsyncClient, part: Part) -> None:
    first, second = await lease(api), await lease(api)
    await api.post("/v1/locks/jobs/7", json={"lease": first})
    gone = asyncio.Event()
    sent: list[Any] = []
    body = json.dumps({"lease": second, "wait": 30}).encode()
    messages = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Any:
        if messages:
            return messages.pop()
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"host", b"localhost"), (b"content-type", b"application/json")]
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": "/v1/locks/jobs/7",
        "raw_path": b"/v1/locks/jobs/7",
        "query_string": b"",
        "root_path": "",
        "headers": headers,
    }
    asking = asyncio.ensure_future(app(scope, receive, send))
    await _until_somebody_waits(api, "locks")
    gone.set()
    await asking
    async with asyncio.timeout(PATIENCE_SECONDS):
        while (await api.get("/v1/locks/jobs/7")).json()["waiters"]:
            pass
    assert part.state.lease(second) is not None


async def test_a_stopping_node_ends_a_wait(api: httpx.AsyncClient, part: Part) -> None:
    first, second = await lease(api), await lease(api)
    await api.post("/v1/locks/jobs/7", json={"lease": first})
    stopping = asyncio.Event()
    transport = httpx.ASGITransport(app=create_app(part.node, HTTP, RAFT, part, stopping))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        waiting = asyncio.create_task(client.post("/v1/locks/jobs/7", json={"lease": second, "wait": 30}))
        await _until_somebody_waits(api, "locks")
        stopping.set()
        answer = await waiting
    # Whether its place is given back, a node that stops does not know.
    assert (answer.status_code, error_of(answer)["code"]) == (504, "outcome_unknown")


async def test_a_place_that_cannot_be_given_back_is_no_refusal(
    api: httpx.AsyncClient, part: Part, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = await lease(api), await lease(api)
    await api.post("/v1/locks/jobs/7", json={"lease": first})
    submit = part.metadata.submit

    async def without_leader(operation: Any, **options: Any) -> Any:
        if isinstance(operation, Release):
            raise UnavailableError("no_leader")
        return await submit(operation, **options)

    monkeypatch.setattr(part.metadata, "submit", without_leader)  # as in the consistency run mixed --seed 1
    answer = await api.post("/v1/locks/jobs/7", json={"lease": second, "wait": 0.01})
    assert (answer.status_code, error_of(answer)["code"]) == (504, "outcome_unknown")
    monkeypatch.undo()
    await api.delete(f"/v1/leases/{first}")
    # It had stayed in the queue.
    assert [each["lease"] for each in (await api.get("/v1/locks/jobs/7")).json()["holders"]] == [second]


async def test_a_lease_can_be_made_on_the_way(api: httpx.AsyncClient) -> None:
    held = await api.post("/v1/locks/l", json={"ttl": 60})
    assert (held.json()["name"], held.json()["lease"], held.json()["token"]) == ("l", 1, 1)
    busy = await api.post("/v1/locks/l", json={"ttl": 60})
    assert busy.status_code == 409
    async with asyncio.timeout(PATIENCE_SECONDS):
        while len((await api.get("/v1/leases")).json()["leases"]) > 1:  # the vain try's own is ended later
            pass
    await api.delete("/v1/leases/1")
    assert (await api.post("/v1/locks/l", json={"ttl": 60})).json()["token"] > 1


async def test_the_end_of_a_lease_ends_the_wait(api: httpx.AsyncClient) -> None:
    first, second = await lease(api), await lease(api)
    await api.post("/v1/locks/jobs/7", json={"lease": first})
    waiting = asyncio.create_task(api.post("/v1/locks/jobs/7", json={"lease": second, "wait": 30}))
    await _until_somebody_waits(api, "locks")
    await api.delete(f"/v1/leases/{second}")
    answer = await waiting
    assert answer.status_code == 404
    assert error_of(answer) == {
        "code": "lease_not_found",
        "message": "the lease ended while waiting",
        "parameter": "lease",
    }


async def test_a_lock_whose_answer_was_lost_is_asked_for_again(api: httpx.AsyncClient, part: Part) -> None:
    request_id = (await api.post("/v1/request_ids")).json()["request_id"]
    headers = {"Coterie-Request-Id": request_id}
    part.metadata.loses_answers = UnknownOutcomeError("the leader went away")
    lost = await api.post("/v1/locks/l", json={"ttl": 60}, headers=headers)
    assert (lost.status_code, error_of(lost)["details"]) == (504, {"request_id": request_id})
    part.metadata.loses_answers = None
    held = await api.post("/v1/locks/l", json={"ttl": 60}, headers=headers)
    assert (held.json()["name"], held.json()["lease"], held.json()["token"]) == ("l", 1, 1)
    assert len(part.state.leases.table) == 1


GRANT_ENDED = (
    "this request was carried out before, and what it got has ended since "
    "(it was given back, or its lease ended); begin anew, with a new request id"
)


async def test_a_request_whose_grant_has_ended_is_told_so(
    api: httpx.AsyncClient, part: Part, subtests: pytest.Subtests
) -> None:
    for how in ("released", "revoked", "timed out", "a lease on the way"):
        with subtests.test(how):
            headers = {"Coterie-Request-Id": (await api.post("/v1/request_ids")).json()["request_id"]}
            mine, other = await lease(api), await lease(api)
            body: dict[str, Any] = {"ttl": 60} if how == "a lease on the way" else {"lease": mine}
            if how == "timed out":
                await api.post("/v1/locks/l", json={"lease": other})
                body["wait"] = 0.01
            first = await api.post("/v1/locks/l", json=body, headers=headers)
            assert first.status_code == (409 if how == "timed out" else 200)
            if how == "released":
                await api.delete(f"/v1/locks/l?lease={mine}")
            elif how == "revoked":
                await api.delete(f"/v1/leases/{mine}")
            elif how == "a lease on the way":
                await api.delete(f"/v1/locks/l?lease={first.json()['lease']}")
            again = await api.post("/v1/locks/l", json=body, headers=headers)
            assert again.status_code == 409
            assert error_of(again) == {"code": "grant_ended", "message": GRANT_ENDED, "parameter": None}
            if how == "a lease on the way":  # which its owner may use for more than this lock
                await api.post("/v1/locks/l", json=body, headers=headers)
                assert part.state.lease(first.json()["lease"]) is not None
            await api.delete(f"/v1/leases/{other}")


async def test_a_place_given_back_by_another_ends_the_wait(api: httpx.AsyncClient) -> None:
    first, second = await lease(api), await lease(api)
    await api.post("/v1/locks/jobs/7", json={"lease": first})
    waiting = asyncio.create_task(api.post("/v1/locks/jobs/7", json={"lease": second, "wait": 30}))
    await _until_somebody_waits(api, "locks")
    await api.delete(f"/v1/locks/jobs/7?lease={second}")
    answer = await waiting
    assert (answer.status_code, error_of(answer)["code"]) == (409, "grant_ended")
    assert "given back while this request waited" in error_of(answer)["message"]


async def test_a_lease_made_on_the_way_that_has_ended_is_no_lease_that_the_client_named(
    api: httpx.AsyncClient, part: Part, monkeypatch: pytest.MonkeyPatch
) -> None:
    headers = {"Coterie-Request-Id": (await api.post("/v1/request_ids")).json()["request_id"]}
    submit = part.metadata.submit

    async def without_acquiring(operation: Any, **options: Any) -> Any:
        if isinstance(operation, Acquire):
            raise UnknownOutcomeError("the leader went away before it had it")
        return await submit(operation, **options)

    monkeypatch.setattr(part.metadata, "submit", without_acquiring)
    assert (await api.post("/v1/locks/l", json={"ttl": 60}, headers=headers)).status_code == 504
    monkeypatch.undo()
    (made,) = part.state.leases.table
    await api.delete(f"/v1/leases/{made}")
    again = await api.post("/v1/locks/l", json={"ttl": 60}, headers=headers)
    assert (again.status_code, error_of(again)["code"]) == (409, "grant_ended")
    assert "the lease made for this request has ended" in error_of(again)["message"]


async def test_a_wait_goes_on_where_history_was_cut(
    api: httpx.AsyncClient, part: Part, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then the key of the place says how it stands: not yet granted, granted, gone."""
    first, second = await lease(api), await lease(api)
    await api.post("/v1/locks/jobs/7", json={"lease": first})
    watch_key = part.metadata.watch_key
    entered: list[int] = []
    watching = asyncio.Event()

    def cut(key: bytes, *, from_revision: int, **options: Any) -> Any:
        entered.append(from_revision)
        if len(entered) in {1, 2}:
            raise CompactedError(from_revision, from_revision)
        watching.set()
        return watch_key(key, from_revision=from_revision, **options)

    monkeypatch.setattr(part.metadata, "watch_key", cut)
    waiting = asyncio.create_task(api.post("/v1/locks/jobs/7", json={"lease": second, "wait": 30}))
    async with asyncio.timeout(PATIENCE_SECONDS):
        await watching.wait()
    await api.delete(f"/v1/locks/jobs/7?lease={first}")
    held = await waiting
    assert (held.status_code, held.json()["lease"], held.json()["token"]) == (200, second, 3)


async def test_a_semaphore_has_so_many_permits(api: httpx.AsyncClient) -> None:
    for _ in range(2):
        assert (await api.post("/v1/semaphores/s", json={"ttl": 60, "permits": 2})).status_code == 200
    assert (await api.post("/v1/semaphores/s", json={"ttl": 60, "permits": 2})).status_code == 409
    differ = await api.post("/v1/semaphores/s", json={"ttl": 60, "permits": 3})
    assert differ.status_code == 409
    assert error_of(differ) == {
        "code": "permits_differ",
        "message": "the semaphore is in use with 2 permits",
        "parameter": None,
        "details": {"permits": 2},
    }
    missing = await api.post("/v1/semaphores/s", json={"ttl": 60})
    assert (missing.status_code, error_of(missing)["parameter"]) == (400, "permits")


async def test_an_election_is_observed(app: ASGIApp, api: httpx.AsyncClient) -> None:
    first, second = await lease(api), await lease(api)
    async with streaming(app, "/v1/elections/e", "watch=true") as stream:
        assert (await stream.next_data())["leader"] is None
        await api.post("/v1/elections/e", json={"lease": first, "value": "10.0.0.1"})
        leader = (await stream.next_data())["leader"]
        assert (leader["lease"], leader["value"]) == (first, "10.0.0.1")
        proclaimed = await api.put("/v1/elections/e", json={"token": leader["token"], "value": "10.0.0.2"})
        model_of(ProclaimedAnswer).model_validate_json(proclaimed.content, strict=True)
        assert proclaimed.json() == {"name": "e", "revision": 2, "token": 1}
        assert (await stream.next_data())["leader"]["value"] == "10.0.0.2"
        waiting = asyncio.create_task(api.post("/v1/elections/e", json={"lease": second, "wait": 30}))
        assert (await stream.next_data())["candidates"][0]["lease"] == second
        await api.delete(f"/v1/elections/e?lease={first}")
        assert (await waiting).status_code == 200
        shown = await stream.next_data()
        model_of(ElectionAnswer).model_validate(shown, strict=True)
        assert (shown["leader"]["lease"], shown["candidates"]) == (second, [])
    late = await api.put("/v1/elections/e", json={"token": 1, "value": "10.0.0.3"})
    assert (late.status_code, error_of(late)["code"]) == (409, "not_held")


QUEUE_REFUSALS: list[tuple[str, str, Any, int, str, str, str | None]] = [
    ("POST", "/v1/locks/l", {}, 400, "invalid_request", "the parameter body: give either lease or ttl", "body"),
    (
        "POST",
        "/v1/locks/l",
        {"lease": 9},
        404,
        "lease_not_found",
        "there is no such lease: it ended, or never was",
        None,
    ),
    (
        "POST",
        "/v1/locks/l",
        {"ttl": 60, "value": "?", "encoding": "base64"},
        400,
        "invalid_encoding",
        "value is not base64",
        "value",
    ),
    ("POST", "/v1/locks/", {"ttl": 60}, 400, "empty_parameter", "the parameter name must not be empty", "name"),
    ("DELETE", "/v1/locks/l", None, 400, "missing_parameter", "the parameter lease is missing", "lease"),
    ("PUT", "/v1/elections/e", {"value": ""}, 400, "missing_parameter", "the parameter token is missing", "token"),
    (
        "PUT",
        "/v1/locks/l",
        {},
        405,
        "method_not_allowed",
        "PUT is not possible at this path; use DELETE, GET, POST",
        None,
    ),
]


async def test_refusals_of_queues(api: httpx.AsyncClient, subtests: pytest.Subtests) -> None:
    for method, url, body, status, code, message, parameter in QUEUE_REFUSALS:
        with subtests.test(f"{method} {url} {body}"):
            answer = await api.request(method, url, json=body)
            assert error_of(answer) == {"code": code, "message": message, "parameter": parameter}
            assert answer.status_code == status


async def test_a_name_must_not_end_itself(api: httpx.AsyncClient, part: Part) -> None:
    answer = await api.post("/v1/locks/a@b", json={"ttl": 60})
    assert answer.status_code == 400
    assert error_of(answer) == {
        "code": "name_invalid",
        "message": 'a name must have from 1 to 256 bytes, and no "@"',
        "parameter": None,
        "details": {"limit": 256},
    }
    assert part.state.queue_names(QueueKind.LOCK) == []


NEED_A_MAJORITY: list[tuple[str, str, Any]] = [
    ("POST", "/v1/leases", {"ttl": 60}),
    ("GET", "/v1/leases", None),
    ("GET", "/v1/leases/1", None),
    ("POST", "/v1/leases/1/keepalive", None),
    ("DELETE", "/v1/leases/1", None),
    ("GET", "/v1/locks", None),
    ("GET", "/v1/locks/l", None),
    ("POST", "/v1/locks/l", {"lease": 1}),
    ("POST", "/v1/locks/l", {"ttl": 60}),
    ("DELETE", "/v1/locks/l?lease=1", None),
    ("GET", "/v1/elections/e", None),
    ("PUT", "/v1/elections/e", {"token": 1, "value": ""}),
    ("DELETE", "/v1/meta?prefix=a", None),
    ("GET", "/v1/meta", None),
]


async def test_whatever_cannot_be_done_now_says_so(
    api: httpx.AsyncClient, part: Part, subtests: pytest.Subtests
) -> None:
    part.metadata.fails = UnavailableError("timed_out")
    for method, url, body in NEED_A_MAJORITY:
        with subtests.test(f"{method} {url}"):
            answer = await api.request(method, url, json=body)
            assert answer.status_code == 503
            assert answer.headers["retry-after"] == "1"
            assert error_of(answer) == {
                "code": "unavailable",
                "message": "the cluster cannot serve this now: no majority, or no leader, answered in time",
                "parameter": None,
                "details": {"reason": "timed_out"},
            }
