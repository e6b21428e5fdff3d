"""Requests of every form that the HTTP front takes, to be mutated. None ends a node; `ENDLESS` ones are not answered to
an end, so that nothing behind them is."""

from __future__ import annotations

import struct
from random import Random

from tests.verify.front_fuzz.mutations import mutate

TOKEN = "coterie_fuzz_" + "f" * 64

_HOST = f"Host: localhost\r\nAuthorization: Bearer {TOKEN}\r\n"
_UPGRADE = (
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)


def _request(line: str, body: bytes = b"", headers: str = "") -> bytes:
    length = f"Content-Length: {len(body)}\r\n" if body else ""
    return f"{line} HTTP/1.1\r\n{_HOST}{headers}{length}\r\n".encode() + body


def _chunked(line: str, *chunks: bytes, trailers: bytes = b"") -> bytes:
    parts = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks)
    return _request(line, headers="Transfer-Encoding: chunked\r\n") + parts + b"0\r\n" + trailers + b"\r\n"


def frame(opcode: int, payload: bytes, *, final: bool = True) -> bytes:
    """A client's frame of a WebSocket, with a mask of zeros."""
    length = bytes((0x80 | len(payload),)) if len(payload) < 126 else b"\xfe" + struct.pack(">H", len(payload))
    return bytes(((0x80 if final else 0) | opcode,)) + length + bytes(4) + payload


_SOCKET = _request("GET /v1/ws?kinds=raft", headers=_UPGRADE)

CORPUS = [
    _request("GET /livez"),
    _request("GET /healthz?verbose"),
    _request("HEAD /"),
    _request("GET /set_kv?key=a&value=b"),
    _request("GET /mark_for_deletion?key=a"),
    _request("GET /v1/kv/a%20b?raw=true"),
    _request("PUT /v1/kv/a", b"value"),
    _request("DELETE /v1/kv/a?after=60"),
    _request("PUT /v1/meta/fuzz/a?prev=true", b"value", "If-Match: *\r\n"),
    _request("GET /v1/meta/fuzz/a?consistency=stale"),
    _request("GET /v1/meta?prefix=fuzz/&limit=3"),
    _chunked("PUT /v1/meta/fuzz/b", b"one", b"two", trailers=b"x-checksum: 1\r\n"),
    _request(
        "POST /v1/txn",
        b'{"compare":[{"key":"fuzz/a","target":"version","op":"=","operand":0}],'
        b'"then":[{"put":{"key":"fuzz/a","value":"1"}}],"else":[{"get":{"key":"fuzz/a"}}]}',
        "Content-Type: application/json\r\n",
    ),
    _chunked("POST /v1/txn", b'{"then":[', b'{"range":{"prefix":"fuzz/","limit":2}}]}'),
    _request("POST /v1/leases", b'{"ttl":5}', "Content-Type: application/json\r\n"),
    _request("POST /v1/locks/fuzz/l", b'{"ttl":5}', "Content-Type: application/json\r\n"),
    _request("GET /v1/locks/fuzz/l"),
    _request("GET /v1/members", headers="Accept-Encoding: gzip\r\n"),
    _request("GET http://localhost/v1/cluster"),
    _request("OPTIONS *"),
    _request("GET /%76%31/meta/fuzz%2Fa"),
    _request("GET /v1/kv?prefix=a&limit=2&page=x"),
    _request("GET /v1/raft/statement?nonce=5f2b8c01&address=127.0.0.1:1&proof=9d1c77ab"),
    _request("POST /v1/elections/fuzz/e", b'{"ttl":5,"value":"\xe9"}', "Content-Type: application/json\r\n"),
    _request("POST /v1/semaphores/fuzz/s", b'{"ttl":5,"limit":2}', "Content-Type: application/json\r\n"),
    _request("GET /v1/tokens/self", headers="Cookie: a=b\r\nOrigin: http://localhost\r\n"),
    _request("PUT /v1/meta/fuzz/c", b"v" * 9_000, "Expect: 100-continue\r\n"),
    _request("GET /openapi.json", headers="X-Long: " + "a" * 3_000 + "\r\n"),
]

ENDLESS = [
    _request("GET /v1/watch?prefix=fuzz/", headers="Last-Event-ID: 1\r\n"),
    _request("GET /v1/events?kinds=raft"),
    _SOCKET + frame(1, b'{"type":"ping"}') + frame(9, b"x") + frame(8, b"\x03\xe8"),
    _SOCKET + frame(2, b"b" * 200) + frame(1, b"\xff") + frame(3, b"") + frame(8, b"\x00"),
    _SOCKET + b"\x81\xff" + struct.pack(">Q", 2**62) + bytes(40) + b"\x81\x05plain",
    _SOCKET + frame(1, b'{"type":"sub', final=False) + frame(0, b'scribe","kinds":["raft"]}') + frame(8, b""),
]


def stream(random: Random) -> tuple[bytes, int]:
    """What one connection sends, and of how many requests that was made: some as they are, most of them mutated."""
    count = random.choice((1, 1, 2, 5, 20, 80))
    parts = []
    for number in range(count):
        request = random.choice(ENDLESS if number + 1 == count and random.random() < 0.2 else CORPUS)
        plain = random.random() < (0.2 if count == 1 else 0.95)
        parts.append(request if plain else mutate(request, random, [*CORPUS, *ENDLESS]))
    return b"".join(parts), count
