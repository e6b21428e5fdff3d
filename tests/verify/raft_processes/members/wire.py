"""What a test says to a member's process on its standard input, and what it hears on its standard output.

Frames of MessagePack, each after its length (4 bytes, big-endian). Every call has a number that its answers repeat.
"""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from coterie.consensus.store import ClientOperation, Event, Record, SingleResult

HEAD_BYTES = 4
MAX_FRAME_BYTES = 64 << 20

Address = tuple[str, int]


class Call(msgspec.Struct, tag=True, frozen=True, kw_only=True):
    number: int
    timeout: float = 5.0
    """Seconds."""


class Submit(Call, frozen=True, kw_only=True):
    """-> Result. With `request` (id, time in ms) it may be repeated elsewhere; with `retry` the member tries again."""

    operation: ClientOperation
    request: tuple[bytes, int] | None = None
    retry: bool = True


class Read(Call, frozen=True, kw_only=True):
    """Keys from `start` to below `end`; one key where `end` is empty. -> Records"""

    start: bytes
    end: bytes = b""
    stale: bool = False


class NewRequest(Call, frozen=True, kw_only=True):
    """-> Request"""


class WatchAll(Call, frozen=True, kw_only=True):
    """Everything from a revision on, until the member ends. -> Batch, again and again, after one without events."""

    start: int


class Links(Call, frozen=True, kw_only=True):
    """Where the members are now. -> Said"""

    where: dict[str, Address]


class Status(Call, frozen=True, kw_only=True):
    """-> Said: role, leader, term, revision, applied index, log entries, snapshot's index"""


class Fill(Call, frozen=True, kw_only=True):
    """Put `keys` keys with values of `value_bytes`, many at a time. -> Said: seconds"""

    keys: int
    value_bytes: int


class Snapshot(Call, frozen=True, kw_only=True):
    """Take a snapshot and cut the log. -> Said: seconds until it was installed, and the longest stall of the loop"""


class Load(Call, frozen=True, kw_only=True):
    """Drive the API from inside the process: `in_flight` callers, each with one call at a time. -> Measured"""

    kind: str
    """put, get (linearizable) or stale."""
    in_flight: int
    seconds: float
    retry: bool = True
    value_bytes: int = 100


class Said(msgspec.Struct, tag=True, frozen=True):
    number: int
    what: dict[str, Any]


class Listening(msgspec.Struct, tag=True, frozen=True):
    """The first word of a process: it is up, and this is its address."""

    member: str
    address: Address


class Result(msgspec.Struct, tag=True, frozen=True):
    number: int
    result: SingleResult


class Records(msgspec.Struct, tag=True, frozen=True):
    number: int
    records: list[Record]
    revision: int
    staleness: float | None


class Request(msgspec.Struct, tag=True, frozen=True):
    number: int
    id: bytes
    time_ms: int


class Batch(msgspec.Struct, tag=True, frozen=True):
    """Events up to and including `revision`."""

    number: int
    events: list[Event]
    revision: int


class Measured(msgspec.Struct, tag=True, frozen=True):
    """Latencies in seconds, of calls that ended well."""

    number: int
    calls: int
    failed: int
    seconds: float
    p50: float
    p99: float


class Failed(msgspec.Struct, tag=True, frozen=True):
    """`kind`: refused, unavailable, unknown or compacted."""

    number: int
    kind: str
    code: str
    detail: int


Question = Submit | Read | NewRequest | WatchAll | Links | Status | Fill | Snapshot | Load
Answer = Said | Listening | Result | Records | Request | Batch | Measured | Failed

_encode = msgspec.msgpack.Encoder().encode
questions: msgspec.msgpack.Decoder[Question] = msgspec.msgpack.Decoder(Question)
answers: msgspec.msgpack.Decoder[Answer] = msgspec.msgpack.Decoder(Answer)

T = TypeVar("T")


def frame(message: Question | Answer) -> bytes:
    body = _encode(message)
    return len(body).to_bytes(HEAD_BYTES, "big") + body


class Frames:
    """Bytes in, messages out."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes, decoder: msgspec.msgpack.Decoder[T]) -> list[T]:
        self._buffer += data
        found: list[T] = []
        at = 0
        while len(self._buffer) - at >= HEAD_BYTES:
            size = int.from_bytes(self._buffer[at : at + HEAD_BYTES], "big")
            if size > MAX_FRAME_BYTES:
                raise ValueError(f"a frame of {size} bytes")
            if len(self._buffer) - at < HEAD_BYTES + size:
                break
            found.append(decoder.decode(bytes(self._buffer[at + HEAD_BYTES : at + HEAD_BYTES + size])))
            at += HEAD_BYTES + size
        del self._buffer[:at]
        return found
