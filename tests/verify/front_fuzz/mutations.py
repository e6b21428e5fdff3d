"""Bytes of valid requests and datagrams, and what chance makes of them."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

WORDS = [
    b"\r\n", b"\r\n\r\n", b"\n", b"\0", b"%00", b"%2f", b"%76", b"%ff", b"..", b"//", b"?", b"&", b"=", b"#", b";",
    b": ", b"\t", b" ", b"\xe9", b"\xff\xff\xff\xff", b"Content-Length: 5\r\n", b"Content-Length: 99999999999999\r\n",
    b"Content-Length: -1\r\n", b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: identity\r\n", b"0\r\n\r\n",
    b"ffffffffffffffff\r\n", b"1;x=y\r\na\r\n", b"x-trailer: 1\r\n", b"Expect: 100-continue\r\n", b"HTTP/1.0",
    b"HTTP/2.0", b"Connection: close\r\n", b"Connection: keep-alive, upgrade\r\n", b"Upgrade: websocket\r\n",
    b"Upgrade: h2c\r\n", b"Host: localhost\r\n", b"[", b"]", b"{", b"}", b'"', b"\\u0000", b"1e999", b"null", b"-1",
    b"Authorization: Bearer x\r\n", b"If-Match: *\r\n", b"Last-Event-ID: 7\r\n", b"Coterie-Forwarded: x\r\n",
]  # fmt: skip


def mutate(data: bytes, random: Random, corpus: Sequence[bytes], words: Sequence[bytes] = WORDS) -> bytes:
    """One to four changes of a kind each."""
    made = bytearray(data)
    for _ in range(random.randint(1, 4)):
        at = random.randrange(len(made) + 1)
        end = min(len(made), at + random.choice((1, 1, 2, 8, 64)))
        match random.randrange(8):
            case 0 if at < len(made):
                made[at] ^= 1 << random.randrange(8)
            case 1:
                del made[at:end]
            case 2:
                made[at:at] = made[at:end] * random.choice((1, 2, 50))
            case 3:
                made[at:at] = random.choice(words)
            case 4:
                made[at:end] = random.randbytes(end - at)
            case 5:
                other = random.choice(corpus)
                made[at:] = other[random.randrange(len(other) + 1) :]
            case 6:
                del made[at:]
            case _:
                made[at:at] = random.choice(words) * random.choice((1, 3, 300))
    return bytes(made)
