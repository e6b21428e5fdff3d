"""Limits of the HTTP server, on real connections, with either of uvicorn's parsers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.app.processes import Running, read_answer, read_to_end, running

pytestmark = pytest.mark.cluster

MAX_CONNECTIONS = 4
MAX_QUERY_BYTES = 200
MAX_HEADER_BYTES = 400
PARTIAL_HEAD = b"GET / HTTP/1.1\r\nhost:"
GET = b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n"


@pytest.fixture(scope="module", params=["httptools", pytest.param("h11", marks=pytest.mark.slow)])
def absent(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """`h11`, and asyncio's own loop, are what is left where the C extensions cannot be had."""
    if request.param == "httptools":
        return []
    path = tmp_path_factory.mktemp("absent")
    for name in ("httptools", "uvloop"):
        (path / f"{name}.py").write_text("raise ImportError\n")
    return [path]


@contextmanager
def limited(absent: list[Path], *, keep_alive: int, head: int) -> Iterator[Running]:
    with running(
        extra_path=absent,
        HTTP__MAX_CONNECTIONS=str(MAX_CONNECTIONS),
        HTTP__MAX_QUERY_BYTES=str(MAX_QUERY_BYTES),
        HTTP__MAX_HEADER_BYTES=str(MAX_HEADER_BYTES),
        HTTP__KEEP_ALIVE_SECONDS=str(keep_alive),
        HTTP__HEAD_SECONDS=str(head),
    ) as node:
        yield node
        assert node.end() == 0
        assert [entry["event"] for entry in node.entries] == ["node started", "node stopped"]


@pytest.fixture(scope="module")
def node(absent: list[Path]) -> Iterator[Running]:
    """Waits longer than any test."""
    with limited(absent, keep_alive=600, head=600) as node:
        yield node


@pytest.fixture(scope="module")
def hasty(absent: list[Path]) -> Iterator[Running]:
    """Waits for heads no longer than a busy machine takes to send one."""
    with limited(absent, keep_alive=600, head=2) as node:
        yield node


def error_of(answer: bytes) -> tuple[int, Any]:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"content-type: application/json" in head
    return int(head.split()[1]), json.loads(body)["error"]


def test_connections_past_the_limit_are_refused_until_one_ends(node: Running) -> None:
    connections = []
    try:
        for _ in range(MAX_CONNECTIONS):
            connections.append(node.connect())
            connections[-1].sendall(GET)
            assert read_answer(connections[-1]).startswith(b"HTTP/1.1 200 ")
        with node.connect() as refused:
            answer = read_to_end(refused)
        assert b"retry-after: 1\r\n" in answer
        assert error_of(answer) == (
            503,
            {
                "code": "too_many_connections",
                "message": f"this node serves http.max_connections = {MAX_CONNECTIONS} already",
                "parameter": None,
            },
        )
    finally:
        for connection in connections:
            connection.close()
    while b" 200 OK" not in answer:
        with node.connect() as connection:
            connection.sendall(GET)
            answer = read_answer(connection)


@pytest.mark.parametrize(("requests_before", "sent"), [(0, b""), (0, PARTIAL_HEAD), (1, PARTIAL_HEAD)])
def test_a_head_that_does_not_come_ends_the_connection(requests_before: int, sent: bytes, hasty: Running) -> None:
    with hasty.connect() as connection:
        for _ in range(requests_before):
            connection.sendall(GET)
            assert read_answer(connection).startswith(b"HTTP/1.1 200 ")
        connection.sendall(sent)
        assert read_to_end(connection) == b""


def test_an_idle_connection_is_closed(absent: list[Path]) -> None:
    with limited(absent, keep_alive=1, head=600) as node, node.connect() as connection:
        connection.sendall(GET)
        assert read_to_end(connection).startswith(b"HTTP/1.1 200 ")


def test_a_connection_serves_one_request_after_the_other(node: Running) -> None:
    with node.connect() as connection:
        for _ in range(3):
            connection.sendall(GET)
            assert read_answer(connection).startswith(b"HTTP/1.1 200 ")
        connection.sendall(GET + GET.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n"))
        assert read_to_end(connection).count(b"HTTP/1.1 200 ") == 2


def test_a_long_query_is_refused(node: Running) -> None:
    room = MAX_QUERY_BYTES - len("/set_kv" + "key=a&value=")
    assert node.get("/set_kv?key=a&value=" + "x" * room) == {"status": True}
    error = node.get("/set_kv?key=a&value=" + "x" * (room + 1))["error"]
    assert error["code"] == "query_too_long"


def test_large_headers_are_refused(node: Running) -> None:
    with node.connect() as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nhost: localhost\r\nx-padding: " + b"x" * MAX_HEADER_BYTES + b"\r\n\r\n")
        status, error = error_of(read_answer(connection))
    assert (status, error["code"]) == (431, "headers_too_large")


def test_a_head_without_end_is_not_taken(node: Running) -> None:
    """Bounded by far less than what is sent here: the connection ends."""
    head = b"GET / HTTP/1.1\r\nx-padding: " + b"x" * 32 * 1024 * 1024
    with node.connect() as connection, pytest.raises(ConnectionError):
        connection.sendall(head)


@pytest.mark.parametrize(
    "garbage",
    [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", b"hello\r\n\r\n", "GET /é HTTP/1.1\r\n\r\n".encode()],
)
def test_what_is_no_http_is_refused_in_the_same_shape(garbage: bytes, node: Running) -> None:
    with node.connect() as connection:
        connection.sendall(garbage)
        status, error = error_of(read_to_end(connection))
    assert status == 400
    assert error == {
        "code": "invalid_request",
        "message": "this is not an HTTP request (what is not ASCII must be %-escaped)",
        "parameter": None,
    }


def test_a_body_that_nobody_asked_for_does_no_harm(node: Running) -> None:
    body = b"x" * 1_000_000
    with node.connect() as connection:
        with suppress(ConnectionError):
            connection.sendall(
                b"GET / HTTP/1.1\r\nhost: localhost\r\ncontent-length: %d\r\n\r\n" % len(body) + body + GET
            )
        assert read_answer(connection).startswith(b"HTTP/1.1 200 ")
    assert node.get("/")["cluster_id"] == "testing"
