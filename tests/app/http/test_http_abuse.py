"""Bytes that a proxy and this server might read differently are refused, and nothing of them is taken for a request."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.app.processes import Running, read_to_end, running

HIDDEN = b"GET /set_kv?key=smuggled&value=x HTTP/1.1\r\nhost: localhost\r\n\r\n"


@pytest.fixture(scope="module")
def node() -> Iterator[Running]:
    with running(HTTP__BODY_SECONDS="1", HTTP__HEAD_SECONDS="1") as node:
        yield node


def send(node: Running, *parts: bytes) -> bytes:
    with node.connect() as connection:
        connection.sendall(b"".join(parts))
        return read_to_end(connection)


@pytest.mark.parametrize(
    "headers",
    [
        b"content-length: 5\r\ncontent-length: %d\r\n" % len(HIDDEN),
        b"content-length: %d\r\ntransfer-encoding: chunked\r\n" % len(HIDDEN),
        b"transfer-encoding: chunked\r\ncontent-length: 0\r\n",
        b"transfer-encoding: chunked, identity\r\n",
        b"transfer-encoding: xchunked\r\n",
        b"content-length: -1\r\n",
        b"content-length: +5\r\n",
        b"content-length: 0x5\r\n",
        b"content-length: 5, 5\r\n",
        b"content-length : 5\r\n",
    ],
)
def test_what_two_servers_could_read_differently_is_refused(node: Running, headers: bytes) -> None:
    answer = send(node, b"PUT /v1/kv/a HTTP/1.1\r\nhost: localhost\r\n", headers, b"\r\n", HIDDEN)
    assert answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 408 ")), answer
    assert b"smuggled" not in json.dumps(node.get("/")).encode()


@pytest.mark.parametrize("length", [b"1000000", b"99999999999999999999999"])
def test_a_body_that_is_shorter_than_it_says_is_not_taken(node: Running, length: bytes) -> None:
    answer = send(node, b"PUT /v1/kv/short HTTP/1.1\r\nhost: localhost\r\ncontent-length: ", length, b"\r\n\r\nx")
    assert answer[:13] in {b"HTTP/1.1 400 ", b"HTTP/1.1 408 ", b"HTTP/1.1 413 "}, answer
    assert b"short" not in json.dumps(node.get("/")).encode()


@pytest.mark.parametrize(
    "path", [b"/v1/kv/../../set_kv", b"/%2e%2e/set_kv", b"/./set_kv", b"//set_kv", b"/set_kv%00", b"/set%5fkv%2f.."]
)
def test_paths_are_taken_as_they_are_written(node: Running, path: bytes) -> None:
    send(node, b"GET ", path, b"?key=odd&value=x HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
    assert b"odd" not in json.dumps(node.get("/")).encode()
