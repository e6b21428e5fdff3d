"""HTTP/2 on the listener's port: beside HTTP/1, and bounded in what a client can cause."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress

import pytest
from h2.errors import ErrorCodes
from h2.settings import SettingCodes
from hyperframe.frame import DataFrame, Frame, PingFrame, SettingsFrame, WindowUpdateFrame

from coterie.app.etcd.grpc.framing import frame
from coterie.app.etcd.grpc.http2 import connection as limits
from coterie.app.etcd.grpc.protobuf import encode_message
from coterie.app.etcd.messages.kv import RangeRequest
from coterie.app.etcd.rpcs import EtcdCode
from coterie.app.http.protocol import HTTP2_PREFACE
from tests.app.etcd.grpc.client import Client, connected
from tests.app.etcd.grpc.service import Serving, serving
from tests.app.etcd.grpc.test_calls import A_PUT, A_WAIT, A_WATCH, PUT, RANGE, WATCH, asked_for
from tests.waiting import eventually

pytestmark = pytest.mark.anyio


async def still_serves(it: Serving) -> None:
    async with connected(it.port) as client:
        assert (await client.call(PUT, A_PUT)).status == EtcdCode.OK


async def over_http1(port: int, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    found = await reader.read()
    writer.close()
    return found


# -- one port for both -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "PUT"])
async def test_http1_is_served_as_ever(method: str) -> None:
    async with serving() as it:
        request = f"{method} /x HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n".encode()
        assert f"{method} /x 1.1 0".encode() in await over_http1(it.port, request)


async def test_the_preface_may_come_in_parts() -> None:
    async with serving() as it:
        reader, writer = await asyncio.open_connection("127.0.0.1", it.port)
        writer.write(HTTP2_PREFACE[:1])
        await eventually(lambda: [each._first for each in it.connections] == [HTTP2_PREFACE[:1]])
        writer.write(HTTP2_PREFACE[1:20])
        await eventually(lambda: [each._first for each in it.connections] == [HTTP2_PREFACE[:20]])
        writer.write(HTTP2_PREFACE[20:] + SettingsFrame(0).serialize())
        assert Frame.parse_frame_header(memoryview(await reader.readexactly(9)))[0].type == SettingsFrame.type
        writer.close()


async def test_other_requests_reach_the_listener_over_http2_too() -> None:
    async with serving() as it, connected(it.port) as client:
        plain = {b"content-type": b"application/json"}
        answer = await client.answer(client.start("/version?x", headers=plain, method="GET"))
        assert answer.body == b"GET /version 2 0"
        assert b"connection" not in answer.headers
        assert (await client.call("/v3/kv/put", b"x" * 50_000, plain)).body == b"POST /v3/kv/put 2 50000"


async def test_an_idle_connection_is_closed_in_order() -> None:
    async with serving(keep_alive_seconds=1) as it, connected(it.port) as client:
        assert (await client.call(PUT, A_PUT)).status == EtcdCode.OK
        await client.until_closed()
        assert client.goaway == ErrorCodes.NO_ERROR


async def test_a_silent_client_is_asked_whether_it_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "PING_SECONDS", 0.1)
    monkeypatch.setattr(limits, "PONG_SECONDS", 0.1)
    async with serving() as it, connected(it.port) as client, connected(it.port) as dead:
        for each in (client, dead):
            each.start(WATCH, A_WATCH, ends=False)
        while client.pings < 3:
            await client.pump()  # answers
        await eventually(lambda: len(it.connections) == 1)
        assert client.closed is False


async def test_health_connections_past_the_limit_do_not_speak_http2() -> None:
    async with serving(max_connections=1) as it, connected(it.port) as first:
        assert (await first.call(PUT, A_PUT)).status == EtcdCode.OK
        async with connected(it.port) as second:
            await second.until_closed()


# -- what clients can cause --------------------------------------------------------------------------------------------


async def test_a_message_that_is_too_large_is_refused_before_it_is_sent() -> None:
    async with serving(max_body_bytes=100_000) as it, connected(it.port) as client:
        number = client.start(PUT, ends=False)
        await client.send_all(number, frame(b"x" * 10_000_000), ends=True)
        answer = await client.answer(number)
        assert answer.status == EtcdCode.RESOURCE_EXHAUSTED
        assert "http.max_body_bytes" in answer.message
        assert (await client.call(PUT, A_PUT)).status == EtcdCode.OK


async def test_bodies_in_part_are_bounded_together() -> None:
    async with serving(max_body_bytes=60_000, max_bodies_bytes=200_000) as it, connected(it.port) as client:
        part = frame(b"x" * 60_000)[:50_000]
        numbers = [client.start(PUT, ends=False) for _ in range(8)]
        for number in numbers:
            await client.send_all(number, part)
        answers = [client.answers[number] for number in numbers]
        while sum(each.reset is not None for each in answers) < 4:
            await client.pump()
        assert {each.reset for each in answers} == {None, ErrorCodes.ENHANCE_YOUR_CALM}
        for number in numbers:
            if not client.answers[number].ended and client.answers[number].reset is None:
                client.h2.reset_stream(number)
        client.flush()
        await eventually(lambda: not it.tasks)
        assert (await client.call(PUT, A_PUT)).status == EtcdCode.OK


async def test_a_request_that_does_not_come_is_not_waited_for() -> None:
    async with serving(body_seconds=1) as it, connected(it.port) as client:
        answer = await client.answer(client.start(PUT, A_PUT[:4], ends=False))
        assert answer.status == EtcdCode.INVALID_ARGUMENT
        assert "did not come within 1 seconds" in answer.message


async def test_what_no_window_takes_is_not_held() -> None:
    """A watch that is never read, and answers that are never taken."""
    async with serving(send_seconds=1) as it, connected(it.port, window=0) as client:
        it.service.answers = 1_000_000
        watch = client.start(WATCH, A_WATCH, ends=False)
        unary = client.start(RANGE, asked_for(1_000_000))
        await eventually(lambda: it.figures.unsent_bytes() > 1_000_000)
        assert it.figures.unsent_bytes() < 1_010_000
        for number in (watch, unary):
            assert (await client.answer(number)).reset == ErrorCodes.CANCEL
        assert it.figures.slow_clients == 2
        assert it.figures.unsent_bytes() == 0
        await eventually(lambda: it.service.closed)


async def test_while_much_is_unsent_calls_are_refused() -> None:
    async with serving(max_unsent_bytes=500_000) as it, connected(it.port, window=0) as client:
        client.start(RANGE, asked_for(1_000_000))
        await eventually(lambda: it.figures.unsent_bytes() > 500_000)
        answer = await client.call(PUT, A_PUT)
        assert (answer.status, answer.message) == (EtcdCode.RESOURCE_EXHAUSTED, "etcdserver: too many requests")


async def test_a_client_that_reads_nothing_at_all_is_not_read_either() -> None:
    async with serving() as it, connected(it.port, window=2**31 - 1) as client:
        client.h2.increment_flow_control_window(2**31 - 1 - 65_535)
        client.start(WATCH, A_WATCH, ends=False)
        it.service.answers = 1_000_000
        client.start(WATCH, A_WATCH, ends=False)
        await eventually(lambda: it.figures.unsent)
        assert it.figures.unsent_bytes() < 1_000_000


async def test_streams_past_the_limit_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is still carried out counts, even where its client has cancelled it."""
    monkeypatch.setattr(limits, "MAX_STREAMS", 2)
    async with serving() as it, connected(it.port) as client:
        await client.pump()
        assert client.h2.remote_settings[SettingCodes.MAX_CONCURRENT_STREAMS] == 2
        stubborn = frame(encode_message(RangeRequest(key=b"stubborn")))
        started = [client.start(RANGE, stubborn) for _ in range(2)]
        await eventually(lambda: len(it.service.requests) == 2)
        for number in started:
            client.h2.reset_stream(number)
        assert (await client.call(PUT, A_PUT)).reset == ErrorCodes.REFUSED_STREAM
        it.service.released.set()
        await eventually(lambda: not it.tasks)
        assert (await client.call(PUT, A_PUT)).status == EtcdCode.OK


async def test_a_client_that_opens_more_streams_than_it_may_is_not_served(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_STREAMS", 2)
    async with serving() as it, connected(it.port) as client:
        for _ in range(3):  # before it has read what it may
            client.start(RANGE, A_WAIT)
        await client.until_closed()
        await still_serves(it)


async def test_a_flood_of_control_frames_ends_the_connection() -> None:
    async with serving() as it, connected(it.port) as client:
        for _ in range(limits.MAX_CONTROL_FRAMES_PER_SECOND * 3):
            client.writer.write(PingFrame(0, opaque_data=b"12345678").serialize())
        await client.until_closed()
        assert client.goaway == ErrorCodes.ENHANCE_YOUR_CALM
        await still_serves(it)


async def test_streams_that_are_opened_and_reset_end_the_connection() -> None:
    async with serving() as it, connected(it.port) as client:
        for _ in range(limits.MAX_CONTROL_FRAMES_PER_SECOND * 2):
            client.h2.reset_stream(client.start(RANGE, A_WAIT))
            client.flush()
            if client.writer.is_closing():
                break
        await client.until_closed()
        assert client.goaway == ErrorCodes.ENHANCE_YOUR_CALM
        await eventually(lambda: not it.tasks)
        await still_serves(it)


async def test_endless_headers_end_the_connection() -> None:
    async with serving() as it, connected(it.port) as client:
        client.start(PUT, A_PUT, {b"x": b"y" * 40_000})
        await client.until_closed()
        await still_serves(it)


async def test_too_large_a_window_ends_the_connection() -> None:
    async with serving() as it, connected(it.port) as client:
        client.writer.write(WindowUpdateFrame(0, window_increment=2**31 - 1).serialize())
        await client.until_closed()
        await still_serves(it)


async def test_more_than_the_window_allows_ends_the_connection() -> None:
    async with serving() as it, connected(it.port) as client:
        number = client.start(WATCH, ends=False)
        for _ in range(20):
            client.writer.write(DataFrame(number, data=b"\0" * 16_384).serialize())
        await client.until_closed()
        await still_serves(it)


# -- what is no HTTP/2 -------------------------------------------------------------------------------------------------


def _good_bytes() -> bytes:
    """What a client sends for two calls."""

    class _Writer:
        sent = b""

        def write(self, data: bytes) -> None:
            self.sent += data

    writer = _Writer()
    client = Client(None, writer, window=65_535)  # type: ignore[arg-type]
    client.start(PUT, A_PUT)
    client.start(WATCH, A_WATCH, ends=False)
    client.h2.ping(b"12345678")
    client.flush()
    return writer.sent


async def _sent(it: Serving, data: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", it.port)
    with suppress(ConnectionError):
        writer.write(data)
        writer.write_eof()
        await reader.read(1)
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()


async def test_broken_frames_end_the_connection_and_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    good = _good_bytes()
    rng = random.Random(1)
    async with serving() as it:
        for _ in range(150):
            bad = bytearray(good)
            for _ in range(rng.randrange(1, 6)):
                place = rng.randrange(len(HTTP2_PREFACE), len(bad))
                if rng.random() < 0.6:
                    bad[place] = rng.randrange(256)
                elif rng.random() < 0.5:
                    bad[place:place] = rng.randbytes(rng.randrange(1, 40))
                else:
                    del bad[place : place + rng.randrange(1, 20)]
            await _sent(it, bytes(bad))
        await eventually(lambda: not it.connections and not it.tasks)
        await still_serves(it)
    assert not caplog.records
