"""What one connection can have a node keep is bounded, with either of uvicorn's parsers and without a token."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from coterie.app.wire.tokens import hash_of
from tests.app.processes import Running, read_answer, read_to_end, running

pytestmark = pytest.mark.cluster

TOKEN = "coterie_narrow_" + "a" * 64
NARROW = f"""[[auth.tokens]]
id = "narrow"
hash = "{hash_of(TOKEN)}"
rules = [{{layer = "metadata", action = "read", prefix = "nothing/"}}]
"""
"""May do next to nothing."""

HEAD_SECONDS = 2
BODY_SECONDS = 1
LINGER_SECONDS = 2
MARGIN_SECONDS = 20
"""For a busy machine."""

MOST_MEGABYTES = 60
"""What a node may grow by: without its bounds each flood here takes a multiple."""

GET = b"GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n"
POST = b"POST /v1/txn HTTP/1.1\r\nhost: localhost\r\n"
CHUNKED = b"transfer-encoding: chunked\r\n\r\n"


@pytest.fixture(scope="module", params=["httptools", pytest.param("h11", marks=pytest.mark.slow)])
def node(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Nothing is allowed without a token. `h11`, and asyncio's own loop, stand in where C extensions are absent."""
    absent = tmp_path_factory.mktemp("absent")
    if request.param == "h11":
        for name in ("httptools", "uvloop"):
            (absent / f"{name}.py").write_text("raise ImportError\n")
    config = absent / "node.toml"
    config.write_text(NARROW)
    with running(
        extra_path=[absent],
        CONFIG=str(config),
        AUTH__ANONYMOUS="none",
        HTTP__HEAD_SECONDS=str(HEAD_SECONDS),
        HTTP__BODY_SECONDS=str(BODY_SECONDS),
    ) as node:
        yield node
        assert node.end() == 0
        assert "Traceback" not in node.log


def megabytes(node: Running) -> int:
    lines = Path(f"/proc/{node.process.pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) // 1024


def flood(connection: socket.socket, unit: bytes, size: int) -> int:
    """Send up to `size` bytes: how many went before the node ended the connection."""
    sent = 0
    with suppress(OSError):
        while sent < size:
            connection.sendall(unit)
            sent += len(unit)
    return sent


@pytest.mark.parametrize(
    ("head", "unit"),
    [
        (POST + CHUNKED + b"0\r\n", b"x-trailer: " + b"v" * 8_000 + b"\r\n"),
        (POST + CHUNKED + b"0\r\nx-trailer: ", b"v" * 65_536),
        (POST + CHUNKED, b"10000\r\n" + b"b" * 65_536 + b"\r\n"),
        (POST + CHUNKED + b"1;", b"e" * 65_536),
        (POST + b"content-length: 9000000000\r\n\r\n", b"b" * 65_536),
        (GET[:-2] + CHUNKED + b"0\r\n", b"x-trailer: " + b"v" * 8_000 + b"\r\n"),
    ],
    ids=["trailers", "trailer", "chunks", "extension", "body", "trailers of a public path"],
)
def test_a_message_without_end_is_cut(head: bytes, unit: bytes, node: Running) -> None:
    before = megabytes(node)
    with node.connect() as connection:
        connection.sendall(head[: head.index(b"\r\n\r\n") + 4])
        answer = read_answer(connection)
        assert b"connection: close" in answer.lower()
        with suppress(OSError):
            connection.sendall(head[head.index(b"\r\n\r\n") + 4 :])
        assert flood(connection, unit, 200_000_000) < 100_000_000
    assert megabytes(node) - before < MOST_MEGABYTES


def test_an_answer_before_the_body_arrives_whole_although_the_body_still_comes(node: Running) -> None:
    """Closed at once, the connection would be reset."""
    with node.connect() as connection:
        connection.sendall(POST + b"content-length: 1000000\r\n\r\n")
        time.sleep(0.1)
        connection.sendall(b"b" * 500_000)
        assert read_to_end(connection).startswith(b"HTTP/1.1 401 ")


@pytest.mark.parametrize("reads", [True, False])
def test_requests_in_a_row_are_queued_up_to_a_bound(node: Running, reads: bool) -> None:
    before = megabytes(node)
    with node.connect() as connection:
        connection.setblocking(False)
        unit, sent, end = GET * 1_000, 0, time.monotonic() + MARGIN_SECONDS
        with suppress(ConnectionError):
            while sent < 12_000_000 and time.monotonic() < end:
                try:
                    sent += connection.send(unit)
                except BlockingIOError:
                    time.sleep(0.01)
                if reads:
                    with suppress(BlockingIOError):
                        connection.recv(1 << 20)
    assert megabytes(node) - before < MOST_MEGABYTES
    assert read_livez(node).startswith(b"HTTP/1.1 200 ")


def test_requests_in_a_row_within_the_bound_are_answered(node: Running) -> None:
    with node.connect() as connection:
        connection.sendall(GET * 50 + GET.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n"))
        assert read_to_end(connection).count(b"HTTP/1.1 200 ") == 51


def read_livez(node: Running) -> bytes:
    with node.connect() as connection:
        connection.sendall(GET)
        return read_answer(connection)


@pytest.mark.parametrize(
    "sent",
    [
        POST + b"content-length: 1000\r\n\r\n",
        POST + CHUNKED + b"0\r\n",
        GET + b"\r\n",
        GET + GET[:20],
        GET[:-2] + b"content-length: 10\r\n\r\n",
    ],
    ids=["body", "trailers", "line end", "second head", "body of a GET"],
)
def test_a_client_that_stops_within_a_request_is_not_waited_for(sent: bytes, node: Running) -> None:
    with node.connect() as connection:
        connection.sendall(sent)
        read_answer(connection)
        with suppress(OSError):
            connection.sendall(b"x")
        started = time.monotonic()
        connection.settimeout(HEAD_SECONDS + LINGER_SECONDS + MARGIN_SECONDS)
        with suppress(ConnectionError):
            read_to_end(connection)
        assert time.monotonic() - started < HEAD_SECONDS + LINGER_SECONDS + MARGIN_SECONDS


@pytest.mark.parametrize("path", [b"/%76%31/txn", b"/v1%2ftxn", b"/%761/leases", b"/v1/%74xn", b"/set_kv", b"/nowhere"])
def test_a_body_is_bounded_however_its_path_is_written(path: bytes, node: Running) -> None:
    before = megabytes(node)
    head = b" HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer " + TOKEN.encode()
    with node.connect() as connection:
        connection.sendall(b"POST " + path + head + b"\r\ncontent-length: 200000000\r\n\r\n")
        assert flood(connection, b" " * 65_536, 200_000_000) < 100_000_000
    assert megabytes(node) - before < MOST_MEGABYTES


@pytest.mark.parametrize("path", ["/%76%31/tokens/self", "/v1/%74okens/self", "/v1/tokens/%73elf", "/v1%2Ftokens/self"])
def test_an_escape_in_the_fixed_part_of_a_path_is_refused(path: str, node: Running) -> None:
    with node.connect() as connection:
        head = f"GET {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {TOKEN}\r\n\r\n"
        connection.sendall(head.encode())
        answer = read_answer(connection)
    assert answer.startswith(b"HTTP/1.1 404 ")
    assert b'"not_found"' in answer


UPGRADE = b"host: localhost\r\nconnection: Upgrade\r\nupgrade: websocket\r\n"
KEY = b"sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n"


@pytest.mark.parametrize(
    "handshake",
    [
        b"POST /v1/ws HTTP/1.1\r\n" + UPGRADE + KEY + b"content-length: 3\r\n\r\nabc",
        b"GET /v1/ws HTTP/1.1\r\n" + UPGRADE + KEY + b"content-length: 3\r\n\r\nabc",
        b"GET /v1/ws HTTP/1.1\r\n" + UPGRADE + KEY + CHUNKED,
        b"GET /v1/ws HTTP/1.1\r\n" + UPGRADE + b"\r\n",
        b"GET /v1/ws HTTP/1.1\r\n" + UPGRADE + KEY + b"".join(b"x%d: a\r\n" % i for i in range(200)) + b"\r\n",
        b"GET /v1/ws HTTP/1.1\r\n" + UPGRADE + KEY + b"x: " + b"a" * 9_000 + b"\r\n\r\n",
        b"GET /v1/ws HTTP/1.1\r\n" + UPGRADE + KEY + b"\r\n",
    ],
    ids=["post", "body", "chunked", "no key", "many headers", "long header", "no token"],
)
def test_a_handshake_of_a_websocket_that_goes_wrong_is_answered(handshake: bytes, node: Running) -> None:
    with node.connect() as connection:
        connection.sendall(handshake)
        connection.settimeout(HEAD_SECONDS + MARGIN_SECONDS)
        assert read_to_end(connection).startswith(b"HTTP/1.1 4")


def frame(opcode: int, data: bytes = b"") -> bytes:
    return bytes([opcode, 0x80 | len(data), 0, 0, 0, 0]) + data


@pytest.mark.parametrize("unit", [frame(0x00), frame(0x89), frame(0x81, b"{}")], ids=["fragments", "pings", "messages"])
def test_a_websocket_takes_frames_up_to_a_rate(unit: bytes, node: Running) -> None:
    with node.connect() as connection:
        connection.sendall(
            b"GET /v1/ws HTTP/1.1\r\n" + UPGRADE + KEY + b"authorization: Bearer " + TOKEN.encode() + b"\r\n\r\n"
        )
        assert connection.recv(12) == b"HTTP/1.1 101"
        with suppress(OSError):
            connection.sendall(frame(0x01, b"a"))
        started = time.monotonic()
        assert flood(connection, unit * 5_000, 16_000_000) < 16_000_000
        assert time.monotonic() - started < MARGIN_SECONDS


def test_one_address_gets_a_share_of_the_connections_and_health_is_still_told() -> None:
    with running(HTTP__MAX_CONNECTIONS_PER_CLIENT="4", HTTP__HEAD_SECONDS="600") as node:
        held = [node.connect() for _ in range(4)]
        flooding = [node.connect() for _ in range(40)]
        with node.connect() as connection:
            connection.sendall(GET)
            assert read_answer(connection).startswith(b"HTTP/1.1 200 ")
        with node.connect() as connection:
            connection.sendall(GET.replace(b"/livez", b"/"))
            answer = read_to_end(connection)
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b"http.max_connections_per_client = 4" in answer
        for connection in flooding:
            with suppress(ConnectionError):
                assert b" 503 " in read_to_end(connection)
        for connection in (*held, *flooding):
            connection.close()
