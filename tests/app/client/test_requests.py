"""What the client makes of answers, and of none: which node is asked, how often, and what the program is told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from coterie.app.client import AccessError, Client, ClientError, ClientLimits
from coterie.app.client.request_ids import MAX_AGE_SECONDS, ClusterTime
from coterie.consensus import ConflictError, RefusedError, RequestId, UnavailableError, UnknownOutcomeError
from coterie.consensus.store import LeaseKeepAlive, RefusalCode
from tests.virtual_time import JUMPING

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> Any:
    return JUMPING


QUICK = ClientLimits(first_pause_seconds=0.001, max_pause_seconds=0.01, attempt_seconds=0.2)

Answer = Callable[[httpx.Request], httpx.Response]


def error(status: int, code: str, headers: dict[str, str] | None = None, **details: Any) -> httpx.Response:
    body = {"error": {"code": code, "message": "said so", "parameter": None, "details": details}}
    return httpx.Response(status, json=body, headers=headers)


def done(revision: int = 7) -> httpx.Response:
    return httpx.Response(200, json={"key": "k", "revision": revision})


UNAVAILABLE = error(503, "unavailable", reason="no_leader")
UNKNOWN = error(504, "outcome_unknown", request_id="5-" + "ab" * 16)


class Nodes:
    """Answers from a list, an exception among them too; the last one goes on."""

    def __init__(self, *answers: httpx.Response | Exception, time_ms: int = 1_000) -> None:
        self._answers = list(answers)
        self.time_ms = time_ms
        self.asked: list[httpx.Request] = []
        self.times = 0

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/v1/request_ids":
            self.times += 1
            self.time_ms += 1
            return httpx.Response(200, json={"request_id": f"{self.time_ms}-{'0' * 32}", "valid_seconds": 300.0})
        self.asked.append(request)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return httpx.Response(answer.status_code, content=answer.content, headers=answer.headers)

    @property
    def hosts(self) -> list[str]:
        return [request.url.host for request in self.asked]

    @property
    def ids(self) -> list[str | None]:
        return [request.headers.get("coterie-request-id") for request in self.asked]

    def client(self, *addresses: str, timeout: float = 5.0, **options: Any) -> Client:
        transport = httpx.MockTransport(self)
        return Client(*(addresses or ("a:1", "b:1")), timeout=timeout, limits=QUICK, transport=transport, **options)


REFUSED_CONNECTION = httpx.ConnectError("refused")
LOST_ANSWER = httpx.ReadError("reset")


async def test_the_next_node_is_asked_and_then_stays_the_one() -> None:
    nodes = Nodes(REFUSED_CONNECTION, UNAVAILABLE, done())
    async with nodes.client("a:1", "b:1", "c:1") as client:
        assert (await client.metadata.put(b"k", b"v")).revision == 7
        await client.metadata.put(b"k", b"v")
    assert nodes.hosts == ["a", "b", "c", "c"]


async def test_a_write_is_repeated_under_one_id() -> None:
    nodes = Nodes(LOST_ANSWER, UNKNOWN, UNAVAILABLE, done())
    async with nodes.client() as client:
        await client.metadata.put(b"k", b"v")
    assert len(nodes.ids) == 4
    assert len(set(nodes.ids)) == 1
    assert nodes.ids[0] is not None
    assert nodes.ids[0].startswith("1001-")


async def test_an_outcome_that_stays_unknown_is_told_with_the_id_to_go_on_with() -> None:
    nodes = Nodes(LOST_ANSWER, UNAVAILABLE)
    async with nodes.client(timeout=0.3) as client:
        with pytest.raises(UnknownOutcomeError) as caught:
            await client.metadata.put(b"k", b"v")
        request = caught.value.request
        assert request is not None
        assert f"{request.time_ms}-{request.id.hex()}" == nodes.ids[0]
        nodes.asked.clear()
        with pytest.raises(UnavailableError):  # of this call it is known that it did nothing
            await client.metadata.put(b"k", b"v", request=request, timeout=0.05)
    assert set(nodes.ids) == {f"{request.time_ms}-{request.id.hex()}"}


@pytest.mark.parametrize("later", [error(403, "forbidden"), httpx.Response(200 + 199, text="who?")])
async def test_a_refusal_that_settles_nothing_leaves_the_doubt(later: httpx.Response) -> None:
    nodes = Nodes(LOST_ANSWER, later)
    async with nodes.client() as client:
        with pytest.raises(UnknownOutcomeError):
            await client.metadata.put(b"k", b"v")


async def test_a_refusal_under_the_same_id_settles_the_doubt() -> None:
    nodes = Nodes(LOST_ANSWER, error(412, "precondition_failed", mod_revision=3))
    async with nodes.client() as client:
        with pytest.raises(ConflictError) as caught:
            await client.metadata.put(b"k", b"v", expect=2)
    assert caught.value.mod_revision == 3


async def test_a_write_without_an_id_is_not_repeated() -> None:
    nodes = Nodes(LOST_ANSWER, done())
    async with nodes.client() as client:
        with pytest.raises(UnknownOutcomeError) as caught:
            await client.metadata.submit(LeaseKeepAlive(3), retry=False)
    assert caught.value.request is None
    assert (len(nodes.asked), nodes.ids, nodes.times) == (1, [None], 0)


async def test_what_is_tried_once_moves_on_for_the_next_call() -> None:
    nodes = Nodes(REFUSED_CONNECTION, httpx.Response(200, json={"lease": 3, "renewals": 1, "deadline_ms": 9}))
    async with nodes.client() as client:
        with pytest.raises(UnavailableError):
            await client.metadata.submit(LeaseKeepAlive(3), retry=False)
        await client.metadata.submit(LeaseKeepAlive(3), retry=False)
    assert nodes.hosts == ["a", "b"]


@pytest.mark.parametrize("answer", [LOST_ANSWER, UNKNOWN, error(500, "internal")])
async def test_tokens_are_made_once(answer: httpx.Response | Exception) -> None:
    nodes = Nodes(answer)
    async with nodes.client() as client:
        with pytest.raises(UnknownOutcomeError):
            await client.tokens.create([], token_id="t")  # noqa: S106 - a name
    assert len(nodes.asked) == 1


async def test_a_node_that_hangs_up_may_want_tls() -> None:
    nodes = Nodes(httpx.RemoteProtocolError("disconnected"))
    async with nodes.client() as client:
        with pytest.raises(UnknownOutcomeError, match=r"https://, or a certificate of the client \(cert_file\)"):
            await client.raft.remove("m")


async def test_a_read_is_repeated_and_never_in_doubt() -> None:
    nodes = Nodes(LOST_ANSWER, error(500, "internal"), LOST_ANSWER)
    async with nodes.client(timeout=0.1) as client:
        with pytest.raises(UnavailableError):
            await client.members()
    assert len(nodes.asked) > 3


async def test_a_node_that_says_nothing_is_left_for_the_next() -> None:
    quiet = asyncio.Event()

    async def answer(request: httpx.Request) -> httpx.Response:
        if request.url.host == "a":
            await quiet.wait()
        return httpx.Response(200, json={"cluster_id": "c", "node_id": "b", "members": []})

    async with Client("a:1", "b:1", limits=QUICK, transport=httpx.MockTransport(answer)) as client:
        assert (await client.members()).node_id == "b"


async def test_gossip_writes_never_go_to_another_node() -> None:
    nodes = Nodes(REFUSED_CONNECTION, LOST_ANSWER, UNAVAILABLE)
    async with nodes.client(timeout=0.2) as client:
        with pytest.raises(UnknownOutcomeError):
            await client.kv.put("load", "1")
        assert set(nodes.hosts) == {"a"}
        nodes.asked.clear()
        with pytest.raises(UnavailableError):
            await client.kv.delete("load", at="b:1")
        assert set(nodes.hosts) == {"b"}
        nodes.asked.clear()
        with pytest.raises(UnavailableError):
            await client.kv.get("load")  # this node's own
        assert set(nodes.hosts) == {"a"}
        nodes.asked.clear()
        with pytest.raises(UnavailableError):
            await client.kv.get("load", node="n")
        assert set(nodes.hosts) == {"a", "b"}


@pytest.mark.parametrize("call", ["leave", "raft"])
async def test_leaving_is_for_one_node_and_sent_once(call: str) -> None:
    nodes = Nodes(LOST_ANSWER)
    async with nodes.client() as client:
        with pytest.raises(UnknownOutcomeError):
            await (client.leave(at="b:1") if call == "leave" else client.raft.leave(at="b:1"))
    assert nodes.hosts == ["b"]


@pytest.mark.parametrize(
    ("answer", "code", "hint"),
    [
        (error(401, "unauthorized"), "unauthorized", "COTERIE_CLIENT_TOKEN"),
        (error(403, "forbidden"), "forbidden", "rule"),
        (error(429, "too_many_tries"), "too_many_tries", "wait"),
    ],
)
async def test_access_is_named(answer: httpx.Response, code: str, hint: str) -> None:
    nodes = Nodes(answer)
    async with nodes.client() as client:
        with pytest.raises(AccessError, match=hint) as caught:
            await client.metadata.put(b"k", b"v")
    assert caught.value.code == code
    assert len(nodes.asked) == 1


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(404, text="<html>"),
        httpx.Response(200, text="<html>"),
        httpx.Response(200, json=[]),
        httpx.Response(200, json={"key": "k"}),
        httpx.Response(302, headers={"location": "http://elsewhere/"}),
        error(403, "foreign_host"),
        error(404, "not_found"),
    ],
)
async def test_what_is_no_node_is_named(answer: httpx.Response) -> None:
    nodes = Nodes(answer)
    async with nodes.client() as client:
        with pytest.raises(ClientError):
            await client.metadata.put(b"k", b"v")
        with pytest.raises(ClientError):
            await client.cluster()


@pytest.mark.parametrize("answer", [httpx.Response(502, text="bad gateway"), httpx.Response(504, text="late")])
async def test_a_proxy_that_fails_leaves_a_doubt(answer: httpx.Response) -> None:
    nodes = Nodes(answer)
    async with nodes.client(timeout=0.1) as client:
        with pytest.raises(UnknownOutcomeError, match="proxy"):
            await client.metadata.put(b"k", b"v")


async def test_an_answer_beyond_the_bound_is_not_read() -> None:
    nodes = Nodes(httpx.Response(200, content=b" " * 2_000))
    limits = ClientLimits(max_answer_bytes=1_000)
    async with Client("a:1", limits=limits, transport=httpx.MockTransport(nodes)) as client:
        with pytest.raises(ClientError, match="larger than 1000 bytes"):
            await client.members()


async def test_numbers_of_refusals_come_along() -> None:
    nodes = Nodes(error(507, "too_many_keys", limit=12))
    async with nodes.client() as client:
        with pytest.raises(RefusedError) as caught:
            await client.metadata.put(b"k", b"v")
    assert (caught.value.code, caught.value.detail) == (RefusalCode.TOO_MANY_KEYS, 12)


# -- the time in request ids -------------------------------------------------------------------------------------------


async def test_the_time_is_asked_for_once_in_a_while() -> None:
    nodes = Nodes(done())
    async with nodes.client() as client:
        await asyncio.gather(*(client.metadata.put(b"k", b"v") for _ in range(20)))
    assert nodes.times == 1
    assert len(set(nodes.ids)) == 20


@pytest.mark.parametrize(
    "forgotten", [error(504, "outcome_unknown", reason="request_expired"), error(400, "request_ahead")]
)
async def test_a_time_that_the_cluster_does_not_take_is_asked_for_anew(forgotten: httpx.Response) -> None:
    nodes = Nodes(forgotten, done())
    async with nodes.client() as client:
        await client.metadata.put(b"k", b"v")
    first, second = nodes.ids
    assert first is not None
    assert second is not None
    assert (first[:5], second[:5]) == ("1001-", "1002-")
    assert first != second


async def test_an_expired_id_after_a_lost_answer_is_a_doubt() -> None:
    nodes = Nodes(LOST_ANSWER, error(504, "outcome_unknown", reason="request_expired"), done())
    async with nodes.client() as client:
        with pytest.raises(UnknownOutcomeError):
            await client.metadata.put(b"k", b"v")
    assert len(nodes.asked) == 2


async def test_an_id_of_the_programs_own_is_never_replaced() -> None:
    nodes = Nodes(error(504, "outcome_unknown", reason="request_expired"), done())
    async with nodes.client() as client:
        with pytest.raises(UnknownOutcomeError):
            await client.metadata.put(b"k", b"v", request=RequestId(b"x" * 16, 5))
    assert nodes.times == 0


async def test_the_time_is_renewed_and_outlives_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    answers: list[Any] = [(1, 300.0), (2, 300.0), UnavailableError("no_leader"), UnavailableError("no_leader")]

    async def ask(_seconds: float) -> tuple[int, float]:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        found: tuple[int, float] = answer
        return found

    time = ClusterTime(ask)
    monkeypatch.setattr(time, "_now", lambda: now)
    assert (await time.new_request(1.0)).time_ms == 1
    now += MAX_AGE_SECONDS - 0.1
    assert (await time.new_request(1.0)).time_ms == 1
    now += 0.2
    assert (await time.new_request(1.0)).time_ms == 2
    now += MAX_AGE_SECONDS + 1
    assert (await time.new_request(1.0)).time_ms == 2  # nobody answers: an old one is good for long
    now += 200.0
    with pytest.raises(UnavailableError):
        await time.new_request(1.0)


async def test_secrets_and_headers_go_along() -> None:
    nodes = Nodes(done())
    async with nodes.client(token="coterie_t_00") as client:  # noqa: S106
        await client.metadata.put(b"a/b", b"v", lease=3, prev=False, expect=0)
    (request,) = nodes.asked
    assert request.headers["authorization"] == "Bearer coterie_t_00"
    assert request.headers["if-none-match"] == "*"
    assert request.headers["accept-encoding"] == "identity"
    assert 0 < float(request.headers["coterie-timeout"]) <= QUICK.attempt_seconds
    assert request.url.raw_path == b"/v1/meta/a%2Fb?lease=3"
    assert request.content == b"v"
