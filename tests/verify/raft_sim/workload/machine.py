"""The state machine of the simulation: a map of registers whose every write takes the next revision."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

import msgspec

Op = tuple[int, str, int]  # (unique id, key, value)
_op = msgspec.msgpack.Decoder(Op)
_State = tuple[int, int, dict[str, tuple[int, int]], list[int]]
_state = msgspec.msgpack.Decoder(_State)


def encode_op(op: Op) -> bytes:
    return msgspec.msgpack.encode(op)


class Registers:
    """`values`: key -> (value, revision of its last write); `ids`: operations applied, in order; `digest`: of them
    all."""

    def __init__(self) -> None:
        self.revision = 0
        self.digest = 0
        self.values: dict[str, tuple[int, int]] = {}
        self.ids: list[int] = []

    def places(self) -> list[tuple[int, int]]:
        """Each operation applied, and its revision."""
        return [(number, at) for at, number in enumerate(self.ids, 1)]

    def stamp(self) -> None:
        return None

    def configure(self, voters: tuple[str, ...], index: int) -> None: ...

    def skip(self, index: int) -> None: ...

    def apply(self, op: bytes, index: int) -> int:
        number, key, value = _op.decode(op)
        self.revision += 1
        self.digest = zlib.crc32(op, self.digest)
        self.values[key] = (value, self.revision)
        self.ids.append(number)
        return self.revision

    def snapshot(self) -> Iterator[bytes]:
        blob = msgspec.msgpack.encode((self.revision, self.digest, self.values, self.ids))
        return iter([blob[at : at + 100] for at in range(0, len(blob), 100)])

    def restore(self, chunks: Iterator[bytes]) -> None:
        self.become(b"".join(chunks))

    def loader(self) -> Loader:
        return Loader(self)

    def become(self, blob: bytes) -> None:
        self.revision, self.digest, self.values, self.ids = _state.decode(blob)


class Loader:
    def __init__(self, registers: Registers) -> None:
        self.registers = registers
        self.blob = b""

    def feed(self, chunk: bytes) -> None:
        self.blob += chunk

    def finish(self) -> None:
        self.registers.become(self.blob)
