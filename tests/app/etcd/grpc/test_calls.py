"""Calls over gRPC: answers, errors, streams, deadlines, and what a client that goes leaves behind."""

from __future__ import annotations

import pytest

from coterie.app.etcd.grpc.framing import frame
from coterie.app.etcd.grpc.protobuf import decode_message, encode_message
from coterie.app.etcd.messages.kv import EtcdKeyValue, PutRequest, PutResponse, RangeRequest, RangeResponse
from coterie.app.etcd.messages.lease import LeaseKeepAliveRequest, LeaseKeepAliveResponse
from coterie.app.etcd.messages.watch import WatchProgressRequest, WatchRequest
from coterie.app.etcd.rpcs import RPCS, EtcdCode, EtcdError, Shape
from coterie.app.observability.metrics.http import ETCD_GRPC_STREAMS
from tests.app.etcd.grpc.client import connected
from tests.app.etcd.grpc.service import serving
from tests.waiting import eventually

pytestmark = pytest.mark.anyio

PUT, RANGE = "/etcdserverpb.KV/Put", "/etcdserverpb.KV/Range"
WATCH, KEEP_ALIVE = "/etcdserverpb.Watch/Watch", "/etcdserverpb.Lease/LeaseKeepAlive"

A_PUT = frame(encode_message(PutRequest(key=b"k", value=b"v")))
A_WAIT = frame(encode_message(RangeRequest(key=b"k")))
A_WATCH = frame(encode_message(WatchRequest(progress_request=WatchProgressRequest())))


def asked_for(size: int) -> bytes:
    return frame(encode_message(RangeRequest(key=b"k", limit=size)))


async def test_a_call_is_answered() -> None:
    async with serving() as it, connected(it.port) as client:
        answer = await client.call(PUT, A_PUT)
        assert answer.headers[b":status"] == b"200"
        assert answer.headers[b"content-type"] == b"application/grpc"
        assert answer.body == frame(encode_message(PutResponse(prev_kv=EtcdKeyValue(key=b"k", value=b"v"))))
        assert answer.trailers == {b"grpc-status": b"0"}
        assert it.figures.requests[PUT, "POST", 2] == 1


async def test_a_large_answer_comes_whole_through_a_small_window() -> None:
    async with serving() as it, connected(it.port, window=1_000) as client:
        answer = await client.call(RANGE, asked_for(300_000))
        found = decode_message(RangeResponse, bytes(answer.body[5:]))
        assert found.kvs == (EtcdKeyValue(value=b"x" * 300_000),)
        assert answer.status == EtcdCode.OK
        assert not it.figures.unsent


async def test_many_calls_at_once_are_answered() -> None:
    async with serving() as it, connected(it.port) as client:
        started = [client.start(RANGE, asked_for(size)) for size in range(1, 200)]
        for size, number in enumerate(started, start=1):
            answer = await client.answer(number)
            assert len(answer.body) > size
            assert answer.status == EtcdCode.OK


async def test_an_error_is_told_in_the_trailers() -> None:
    async with serving() as it, connected(it.port) as client:
        it.service.error = EtcdError(EtcdCode.OUT_OF_RANGE, "etcdserver: mvcc: required revision has been compacted")
        answer = await client.call(PUT, A_PUT)
        assert answer.headers[b":status"] == b"200"
        assert not answer.body
        assert (answer.status, answer.message) == (11, it.service.error.message)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/etcdserverpb.KV/Nope", "unknown method Nope for service etcdserverpb.KV"),
        ("/grpc.health.v1.Health/Check", "unknown service grpc.health.v1.Health"),
        ("/etcdserverpb.Maintenance/Snapshot", "not served: Snapshot"),
    ],
)
async def test_what_is_not_served_is_unimplemented(path: str, message: str) -> None:
    async with serving() as it, connected(it.port) as client:
        answer = await client.call(path, frame(b""))
        assert (answer.status, answer.message) == (EtcdCode.UNIMPLEMENTED, message)


@pytest.mark.parametrize("body", [b"", b"\0\0\0", b"\0\0\0\0\x05abc", frame(b"\xff\xff")])
async def test_a_malformed_request_is_an_error(body: bytes) -> None:
    async with serving() as it, connected(it.port) as client:
        answer = await client.call(PUT, body)
        assert answer.status == EtcdCode.INVALID_ARGUMENT
        assert answer.message.startswith("malformed request: ")
        assert (await client.call(PUT, A_PUT)).status == EtcdCode.OK


async def test_a_compressed_request_is_refused() -> None:
    async with serving() as it, connected(it.port) as client:
        answer = await client.call(PUT, A_PUT, {b"grpc-encoding": b"gzip"})
        assert answer.status == EtcdCode.UNIMPLEMENTED
        assert answer.headers[b"grpc-accept-encoding"] == b"identity"


async def test_another_content_type_of_grpc_is_refused() -> None:
    async with serving() as it, connected(it.port) as client:
        answer = await client.call(PUT, A_PUT, {b"content-type": b"application/grpc+json"})
        assert answer.headers[b":status"] == b"415"
        assert (await client.call(PUT, A_PUT, {b"content-type": b"application/grpc+proto"})).status == EtcdCode.OK


@pytest.mark.parametrize("name", [b"token", b"authorization"])
async def test_the_token_is_metadata(name: bytes) -> None:
    async with serving() as it, connected(it.port) as client:
        await client.call(PUT, A_PUT, {name: b"coterie_x"})
        answer = await client.call(PUT, A_PUT, {name: b"bad"})
        assert (answer.status, answer.message) == (16, "etcdserver: invalid auth token")
        assert it.service.shown == [b"coterie_x", b"bad"]


async def test_a_fault_is_internal_and_costs_the_call_alone() -> None:
    async with serving() as it, connected(it.port) as client:
        answer = await client.call(RANGE, frame(encode_message(RangeRequest(key=b"fault"))))
        assert answer.status == EtcdCode.INTERNAL
        assert (await client.call(PUT, A_PUT)).status == EtcdCode.OK


async def test_a_deadline_ends_a_call() -> None:
    async with serving() as it, connected(it.port) as client:
        answer = await client.call(RANGE, A_WAIT, {b"grpc-timeout": b"20m"})
        assert (answer.status, answer.message) == (EtcdCode.DEADLINE_EXCEEDED, "context deadline exceeded")
        assert it.service.cancelled == 1
        assert it.service.seconds == [0.02]


async def test_a_client_that_cancels_leaves_nothing_behind() -> None:
    async with serving() as it, connected(it.port) as client:
        number = client.start(RANGE, A_WAIT)
        await eventually(lambda: it.service.requests)
        client.h2.reset_stream(number)
        client.flush()
        await eventually(lambda: it.service.cancelled)
        await eventually(lambda: not it.tasks)
        assert (await client.call(PUT, A_PUT)).status == EtcdCode.OK


async def test_a_client_that_goes_leaves_nothing_behind() -> None:
    async with serving() as it:
        async with connected(it.port) as client:
            client.start(RANGE, A_WAIT)
            client.start(WATCH, A_WATCH, ends=False)
            await eventually(lambda: len(it.service.requests) == 2)
        await eventually(lambda: it.service.cancelled and it.service.closed)
        await eventually(lambda: not it.tasks and not it.connections)
        assert not it.authority.streams
        assert it.figures.connections == 0
        assert it.figures.in_flight == 0


async def test_a_keep_alive_is_answered_one_by_one_and_ends_with_its_requests() -> None:
    async with serving() as it, connected(it.port) as client:
        number = client.start(KEEP_ALIVE, ends=False)
        expected = b""
        for lease in (1, 2**40):
            client.send(number, frame(encode_message(LeaseKeepAliveRequest(ID=lease))))
            expected += frame(encode_message(LeaseKeepAliveResponse(ID=lease, TTL=5)))
            assert await client.bytes_of(number, len(expected)) == expected
        client.h2.end_stream(number)
        client.flush()
        assert (await client.answer(number)).status == EtcdCode.OK


async def test_a_watch_ends_when_its_client_half_closes() -> None:
    async with serving() as it, connected(it.port) as client:
        number = client.start(WATCH, A_WATCH, ends=False)
        client.send(number, A_WATCH, ends=True)
        assert (await client.answer(number)).status == EtcdCode.OK
        assert len(it.service.requests) == 2
        assert it.service.closed == 1


@pytest.mark.parametrize(("less", "code"), [(True, EtcdCode.UNAVAILABLE), (False, EtcdCode.UNAUTHENTICATED)])
async def test_a_stream_ends_with_the_rights_of_its_token(less: bool, code: EtcdCode) -> None:
    async with serving() as it, connected(it.port) as client:
        number = client.start(WATCH, A_WATCH, ends=False)
        await eventually(lambda: it.service.requests)
        next(iter(it.authority.streams.values()))(less)
        assert (await client.answer(number)).status == code
        assert it.service.closed == 1


async def test_what_goes_on_or_waits_is_known_as_such() -> None:
    going_on = {rpc.name for rpc in RPCS if rpc.served and (rpc.waits or rpc.shape is not Shape.UNARY)}
    assert set(ETCD_GRPC_STREAMS) == going_on


async def test_streams_are_no_requests_under_way() -> None:
    """Neither in the limit of an address, nor in how long requests take."""
    async with serving(max_requests_per_client=1) as it, connected(it.port) as client:
        client.start(WATCH, A_WATCH, ends=False)
        number = client.start(WATCH, A_WATCH, ends=False)
        await eventually(lambda: len(it.service.requests) == 2)
        assert (await client.call(PUT, A_PUT)).status == EtcdCode.OK
        client.h2.end_stream(number)
        client.flush()
        assert (await client.answer(number)).status == EtcdCode.OK
        assert it.figures.requests[WATCH, "POST", 2] == 1
        assert set(it.figures.seconds) == {(PUT, "POST")}
        client.start(RANGE, A_WAIT)
        await eventually(lambda: len(it.service.requests) == 4)
        answer = await client.call(PUT, A_PUT)
        assert (answer.status, answer.message) == (EtcdCode.RESOURCE_EXHAUSTED, "etcdserver: too many requests")


async def test_a_node_that_stops_ends_its_streams() -> None:
    async with serving() as it, connected(it.port) as client:
        number = client.start(WATCH, A_WATCH, ends=False)
        await eventually(lambda: it.service.requests)
        it.stopping.set()
        answer = await client.answer(number)
        assert (answer.status, answer.message) == (EtcdCode.UNAVAILABLE, "etcdserver: server stopped")


async def test_a_call_that_a_stopping_node_does_not_wait_for_is_told_so() -> None:
    async with serving() as it, connected(it.port) as client:
        number = client.start(RANGE, A_WAIT)
        await eventually(lambda: it.service.requests)
        next(iter(it.tasks)).cancel()  # as the server does
        answer = await client.answer(number)
        assert (answer.status, answer.message) == (EtcdCode.UNAVAILABLE, "etcdserver: server stopped")
        next(iter(it.connections)).shutdown()
        await client.until_closed()
        assert client.goaway == 0
