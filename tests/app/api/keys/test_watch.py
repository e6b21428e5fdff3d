"""`GET /v1/watch`: ordered, gap-free, resumable; and how a stream ends."""

from __future__ import annotations

import asyncio
import json

import httpx
import pytest
from starlette.types import ASGIApp

from coterie.app.api.app import create_app
from coterie.app.api.keys import watch as watch_module
from coterie.app.http.errors import ApiError
from coterie.consensus.api.errors import UnavailableError
from tests.app.api.conftest import HTTP, RAFT, Part, error_of
from tests.app.api.streams import Stream, streaming
from tests.waiting import PATIENCE_SECONDS

pytestmark = pytest.mark.anyio


async def put(api: httpx.AsyncClient, *keys: str) -> None:
    for key in keys:
        assert (await api.put(f"/v1/meta/{key}", content=key)).status_code == 200


async def test_changes_come_by_revision(app: ASGIApp, api: httpx.AsyncClient) -> None:
    async with streaming(app, "/v1/watch", "prefix=jobs/&prev=true") as stream:
        assert (stream.status, stream.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
        assert stream.headers["cache-control"] == "no-store"
        assert await stream.next() == {"retry": "1000", "comment": "progress", "id": "0"}
        await put(api, "other", "jobs/1")
        await api.post(
            "/v1/txn",
            json={"then": [{"put": {"key": "jobs/2", "value": "x"}}, {"delete": {"key": "jobs/1"}}]},
        )
        record = {
            "key": "jobs/1",
            "value": "jobs/1",
            "encoding": "utf-8",
            "create_revision": 2,
            "mod_revision": 2,
            "version": 1,
            "lease": 0,
        }
        message = await stream.next()
        assert message is not None
        assert (message["event"], message["id"]) == ("change", "2")
        assert json.loads(message["data"]) == {"revision": 2, "changes": [{"type": "put", **record, "prev": None}]}
        changes = (await stream.next_data())["changes"]
        assert [(change["type"], change["key"]) for change in changes] == [("put", "jobs/2"), ("delete", "jobs/1")]
        assert changes[1] == {"type": "delete", "key": "jobs/1", "prev": record}


@pytest.mark.parametrize(("kind", "types"), [("put", ["put", "put"]), ("delete", ["delete"])])
async def test_one_kind_alone_can_be_watched(kind: str, types: list[str], app: ASGIApp, api: httpx.AsyncClient) -> None:
    async with streaming(app, "/v1/watch", f"key=a&kind={kind}") as stream:
        await put(api, "a", "b")
        await api.delete("/v1/meta/a")
        await put(api, "a")
        assert [(await stream.next_data())["changes"][0]["type"] for _ in types] == types


@pytest.mark.parametrize("how", ["revision", "header"])
async def test_a_watch_is_resumed_without_a_gap(how: str, app: ASGIApp, api: httpx.AsyncClient) -> None:
    await put(api, "a", "b", "c")
    query, headers = ("prefix=&revision=2", []) if how == "revision" else ("prefix=", [(b"last-event-id", b"1")])
    async with streaming(app, "/v1/watch", query, headers) as stream:
        seen = [await stream.next_data() for _ in range(2)]
        await put(api, "d")
        seen.append(await stream.next_data())
    assert [each["revision"] for each in seen] == [2, 3, 4]
    assert [each["changes"][0]["key"] for each in seen] == ["b", "c", "d"]


async def test_where_nothing_happens_progress_is_told(api: httpx.AsyncClient, part: Part) -> None:
    eager = RAFT.model_copy(update={"watch_heartbeat": 0.01})
    app = create_app(part.node, HTTP, eager, part)
    async with streaming(app, "/v1/watch", "key=nothing") as stream:
        await put(api, "a", "b")
        message = await stream.next()
        while message != {"comment": "progress", "id": "2"}:
            assert message is not None
            assert "data" not in message
            message = await stream.next()


async def test_what_is_compacted_is_told_before_the_stream(app: ASGIApp, api: httpx.AsyncClient, part: Part) -> None:
    await put(api, "a", "b", "c")
    await part.metadata.compact(2)
    answer = await api.get("/v1/watch?prefix=", headers={"Last-Event-ID": "1"})
    assert answer.status_code == 410
    assert error_of(answer) == {
        "code": "compacted",
        "message": "the history up to revision 2 is gone; read anew, and go on from there",
        "parameter": None,
        "details": {"compacted": 2},
    }


async def test_a_watcher_that_falls_behind_history_is_told_so(app: ASGIApp, api: httpx.AsyncClient, part: Part) -> None:
    class Slow(Stream):
        """Takes the first message, then nothing until it is let."""

        def __init__(self) -> None:
            super().__init__()
            self.goes_on = asyncio.Event()
            self.sent = 0

        async def send(self, message: object) -> None:
            await super().send(message)
            self.sent += 1
            if self.sent == 3:
                await self.goes_on.wait()

    async with streaming(app, "/v1/watch", "prefix=", client=Slow) as stream:
        assert isinstance(stream, Slow)
        await put(api, "a")
        for number in range(600):
            await part.metadata.put(b"k%d" % number, b"")
        await part.metadata.compact(590)
        stream.goes_on.set()
        message = await stream.next()
        while message is not None and message.get("event") != "compacted":
            message = await stream.next()
        assert message == {"event": "compacted", "data": '{"compacted":590}'}
        assert await stream.next() is None


async def test_a_client_that_takes_nothing_is_let_go(api: httpx.AsyncClient, part: Part) -> None:
    hasty = RAFT.model_copy(update={"watch_stall": 0.01})
    app = create_app(part.node, HTTP, hasty, part)
    async with streaming(app, "/v1/watch", "prefix=") as stream:
        stream.stalls.set()
        await put(api, "a")
        async with asyncio.timeout(PATIENCE_SECONDS):
            await stream.aborted.wait()
    assert len(part.metadata.watches) == 0


async def test_there_are_so_many_watches_and_no_more(app: ASGIApp, api: httpx.AsyncClient, part: Part) -> None:
    async with streaming(app, "/v1/watch", "key=a"), streaming(app, "/v1/watch", "key=b"):
        answer = await api.get("/v1/watch?key=c")
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert error_of(answer) == {
            "code": "unavailable",
            "message": "the cluster cannot serve this now: 2 watches are open at this member",
            "parameter": None,
            "details": {"reason": "too_many_watches"},
        }
    assert len(part.metadata.watches) == 0
    async with streaming(app, "/v1/watch", "key=c") as stream:
        assert stream.status == 200


async def test_a_stopping_node_ends_its_streams(part: Part) -> None:
    stopping = asyncio.Event()
    app = create_app(part.node, HTTP, RAFT, part, stopping)
    async with streaming(app, "/v1/watch", "prefix=") as stream:
        await stream.next()
        stopping.set()
        message = await stream.next()
        assert message is not None
        assert message["event"] == "end"
        error = json.loads(message["data"])["error"]
        assert (error["code"], error["details"]) == ("unavailable", {"reason": "stopped"})
        assert await stream.next() is None


async def test_a_member_that_stops_ends_its_streams(app: ASGIApp, part: Part) -> None:
    async with streaming(app, "/v1/watch", "prefix=") as stream:
        await stream.next()
        await part.member.stop()
        message = await stream.next()
        assert message is not None
        assert message["event"] == "end"
        assert await stream.next() is None


@pytest.mark.parametrize(
    ("query", "headers", "status", "code", "message", "parameter"),
    [
        ("", {}, 400, "invalid_request", "give either key or prefix", "key"),
        ("key=a&prefix=b", {}, 400, "invalid_request", "give either key or prefix", "key"),
        ("key=", {}, 400, "empty_parameter", "the parameter key must not be empty", "key"),
        (
            "key=a&revision=0",
            {},
            400,
            "invalid_request",
            "the parameter revision: Input should be greater than or equal to 1",
            "revision",
        ),
        (
            "key=a&kind=x",
            {},
            400,
            "invalid_request",
            "the parameter kind: Input should be 'put' or 'delete'",
            "kind",
        ),
        (
            "key=a",
            {"Last-Event-ID": "x"},
            400,
            "invalid_request",
            "Last-Event-ID must be a revision, not 'x'",
            "Last-Event-ID",
        ),
    ],
)
async def test_what_is_refused_is_named(
    query: str,
    headers: dict[str, str],
    status: int,
    code: str,
    message: str,
    parameter: str,
    api: httpx.AsyncClient,
) -> None:
    answer = await api.get(f"/v1/watch?{query}", headers=headers)
    assert error_of(answer) == {"code": code, "message": message, "parameter": parameter}
    assert answer.status_code == status


async def test_a_watch_that_cannot_begin_now_says_so(api: httpx.AsyncClient, part: Part) -> None:
    part.metadata.fails = UnavailableError("timed_out")
    answer = await api.get("/v1/watch?key=a")
    assert (answer.status_code, error_of(answer)["details"]) == (503, {"reason": "timed_out"})


async def test_a_node_that_hears_of_no_leader_says_so_and_ends_the_watch(
    api: httpx.AsyncClient, part: Part, monkeypatch: pytest.MonkeyPatch
) -> None:
    age = 0.0
    monkeypatch.setattr(part.metadata, "_staleness", lambda: age)
    monkeypatch.setattr(watch_module, "FRESH_SECONDS", 0.05)
    eager = RAFT.model_copy(update={"watch_heartbeat": 0.01})
    app = create_app(part.node, HTTP, eager, part)
    async with streaming(app, "/v1/watch", "key=nothing&revision=1") as stream:
        assert (await stream.next() or {})["comment"] == "progress"
        assert (await stream.next() or {})["comment"] == "progress"
        age = 7.25
        async with asyncio.timeout(PATIENCE_SECONDS):
            while (told := await stream.next()) is not None and "event" not in told:
                pass
        assert told is not None
        assert (told["event"], json.loads(told["data"])) == ("stale", {"age_seconds": 7.2})
        assert "id" not in told
        age = eager.watch_max_staleness + 1
        async with asyncio.timeout(PATIENCE_SECONDS):
            while (told := await stream.next()) is not None and told.get("event") != "end":
                assert told.get("comment") != "progress"
        assert told is not None
        assert json.loads(told["data"])["error"]["details"] == {"reason": "stale"}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://localhost") as client:
        answer = await client.get("/v1/watch?key=nothing&revision=1")
        assert (answer.status_code, error_of(answer)["details"]) == (503, {"reason": "stale"})
    age = float("inf")
    assert isinstance(watch_module.too_stale(age), ApiError)
