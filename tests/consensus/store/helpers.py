"""What the tests of the replicated state share."""

from __future__ import annotations

from typing import TypeVar

from coterie.consensus.store import (
    AnyOperation,
    Batch,
    BatchDone,
    Limits,
    Put,
    PutDone,
    Record,
    RefusalCode,
    Refused,
    Result,
    SingleOperation,
    State,
    apply,
    encode,
    read_snapshot,
    state_digest,
    write_snapshot,
)

R = TypeVar("R", bound=Result)


class Driver:
    """A state, and the log index to apply at."""

    def __init__(self, **limits: int) -> None:
        self.state = State(Limits(**limits))
        self.index = 0

    def do(self, operation: AnyOperation) -> Result:
        return self.raw(encode(operation))

    def raw(self, data: bytes) -> Result:
        self.index += 1
        return apply(self.state, data, self.index)

    def expect(self, kind: type[R], operation: AnyOperation) -> R:
        result = self.do(operation)
        assert isinstance(result, kind), result
        return result

    def refused(self, code: RefusalCode, operation: AnyOperation) -> int:
        """The operation is refused with this code, and changes nothing. Returns the detail."""
        before = content(self.state)
        result = self.expect(Refused, operation)
        assert result.code is code
        assert content(self.state) == before
        return result.detail

    def put(self, key: bytes, value: bytes = b"v", lease: int = 0) -> int:
        return self.expect(PutDone, Put(key, value, lease)).revision

    def at_time(self, time_ms: int, *operations: SingleOperation) -> tuple[Result, ...]:
        result = self.expect(BatchDone, Batch(time_ms, tuple(encode(it) for it in operations)))
        return result.results

    @property
    def revision(self) -> int:
        return self.state.keyspace.revision

    def keys(self) -> list[bytes]:
        return [record.key for record in self.state.range(b"", None).records]

    def record(self, key: bytes) -> Record:
        record = self.state.get(key)
        assert record is not None
        return record


def content(state: State) -> str:
    """The state's digest, but for the index of the last entry."""
    index, state.applied_index = state.applied_index, 0
    try:
        return state_digest(state)
    finally:
        state.applied_index = index


def snapshot(state: State) -> bytes:
    return b"".join(write_snapshot(state))


def restored(data: bytes) -> State:
    return read_snapshot([data])
