"""What histories depend on: whether a request may have arrived, what an answer means, and what a stream says."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from tests.verify.consistency.workload.http_client import Address, Answer, Caller, Connection, GoneError
from tests.verify.consistency.workload.raft.watcher import Message, delivery_of, messages
from tests.verify.consistency.workload.raft.words import call_of, compare_and_set, result_of
from tests.verify.linearizability import Delivery, KeyDeleted, KeyPut
from tests.verify.linearizability.histories import requests as words

pytestmark = pytest.mark.anyio

ENOUGH = 30.0


@asynccontextmanager
async def serving(answer: Callable[[asyncio.StreamWriter], Awaitable[None]]) -> AsyncIterator[Address]:
    """A server that reads the head of each request, and does as it is told."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                await answer(writer)
                await writer.drain()
        except (EOFError, OSError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()
    finally:
        server.close()


def saying(*parts: bytes) -> Callable[[asyncio.StreamWriter], Awaitable[None]]:
    async def answer(writer: asyncio.StreamWriter) -> None:
        for part in parts:
            writer.write(part)

    return answer


async def test_a_connection_serves_many_requests() -> None:
    async with serving(saying(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")) as address:
        connection = await Connection.open(address)
        for _ in range(3):
            assert await connection.ask("GET", "/", seconds=ENOUGH) == Answer(200, b"hi")
        connection.close()


async def test_who_was_never_reached_did_nothing() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))  # taken, and nobody listens
        with pytest.raises(GoneError) as gone:
            await Caller().ask(held.getsockname(), "PUT", "/", b"x", seconds=ENOUGH)
    assert not gone.value.sent


async def cut(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nhalf")
    writer.close()


async def hang_up(writer: asyncio.StreamWriter) -> None:
    writer.close()


@pytest.mark.parametrize("answer", [cut, hang_up, saying(b"HTTP/1.1 what\r\n\r\n")])
async def test_of_whom_the_answer_is_missing_nothing_is_known(
    answer: Callable[[asyncio.StreamWriter], Awaitable[None]],
) -> None:
    async with serving(answer) as address:
        with pytest.raises(GoneError) as gone:
            await Caller().ask(address, "PUT", "/", seconds=ENOUGH)
    assert gone.value.sent


async def test_who_never_answers_is_given_up() -> None:
    async with serving(saying()) as address:
        with pytest.raises(GoneError) as gone:
            await Caller().ask(address, "GET", "/", seconds=0.05)
    assert gone.value.sent


async def test_a_stream_is_read_piece_by_piece_whatever_the_pieces() -> None:
    text = b'retry: 1000\n: progress\nid: 4\n\nid: 5\nevent: change\ndata: {"revision":5,"changes":[]}\n\n'
    chunks = [b"%x\r\n%s\r\n" % (len(part), part) for part in (text[:17], text[17:40], text[40:])]
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    async with serving(saying(head, *chunks, b"0\r\n\r\n")) as address:
        connection = await Connection.open(address)
        answer, pieces = await connection.stream("/v1/watch", seconds=ENOUGH)
        assert answer.status == 200
        assert [message async for message in messages(pieces)] == [
            Message("", 4, b""),
            Message("change", 5, b'{"revision":5,"changes":[]}'),
        ]


def test_changes_and_progress_are_deliveries() -> None:
    assert delivery_of(Message("", 4, b""), 1.0) == Delivery(1.0, 4)
    put = b'{"type":"put","key":"k","value":"1","create_revision":5,"version":1,"lease":7}'
    told = b'{"revision":5,"changes":[%s,{"type":"delete","key":"x"}]}' % put
    assert delivery_of(Message("change", 5, told), 1.0) == Delivery(
        1.0, 5, (KeyPut("k", "1", "7", 5, 1), KeyDeleted("x"))
    )
    assert delivery_of(Message("end", None, b"{}"), 1.0) is None


def test_a_compare_and_set_goes_under_a_precondition() -> None:
    assert call_of(compare_and_set("c/0", "v", 17)).headers == {"if-match": '"17"'}
    assert call_of(compare_and_set("c/0", "v", 0)).headers == {"if-none-match": "*"}
    answer = Answer(200, b'{"key":"c/0","revision":18}')
    assert result_of(compare_and_set("c/0", "v", 17), answer) == words.Decided(18, True, (words.Written(18),))
    assert result_of(compare_and_set("c/0", "v", 17), Answer(412, b"{}")) is None


def test_a_key_that_is_not_there_is_an_answer_with_its_revision() -> None:
    missing = Answer(404, b'{"error":{"code":"key_not_found","details":{"revision":9}}}')
    assert result_of(words.Get("k"), missing) == words.Found(9)
    assert result_of(words.Get("k"), Answer(503, b'{"error":{"code":"unavailable"}}')) is None


def test_a_transaction_is_answered_by_the_branch_it_took() -> None:
    held = words.Compare("lock", words.Target.TOKEN, words.Relation.EQUAL, 5)
    txn = words.Txn((held,), (words.Put("k", "v"),), (words.Get("k"),))
    assert b'"held":{"kind":"lock","name":"lock","token":5}' in call_of(txn).body
    done = Answer(200, b'{"revision":7,"succeeded":true,"results":[{"put":{"revision":7,"prev":null}}]}')
    assert result_of(txn, done) == words.Decided(7, True, (words.Written(7),))
    other = Answer(200, b'{"revision":7,"succeeded":false,"results":[{"get":{"record":null}}]}')
    assert result_of(txn, other) == words.Decided(7, False, (words.Found(7),))
