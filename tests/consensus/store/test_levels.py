"""Levels: nothing of a later level is written, read or kept to in a cluster of an earlier one."""

from __future__ import annotations

import typing
from typing import Any

import msgspec
import pytest

from coterie.consensus.store import (
    KNOWN_LEVEL,
    AnyOperation,
    Batch,
    CodecError,
    Done,
    Idempotent,
    IdempotentFor,
    Limits,
    Put,
    PutDone,
    RefusalCode,
    Refused,
    SetFeatureLevel,
    SetLimits,
    SnapshotError,
    State,
    StateDecoder,
    UnsupportedVersionError,
    apply,
    decode,
    encode,
    encode_batch,
    encode_limits,
    read_snapshot,
    state_digest,
)
from coterie.consensus.store.schema import levels
from coterie.consensus.store.schema import operations as ops
from tests.consensus.store.helpers import Driver, restored, snapshot

PUT = Put(b"k", b"v")
FOR = IdempotentFor(b"i", 0, b"f", PUT)


def classes(kind: Any) -> set[type]:
    return {kind} if isinstance(kind, type) else {each for arm in typing.get_args(kind) for each in classes(arm)}


def test_every_operation_and_part_of_one_has_a_level() -> None:
    assert set(levels.SINCE) == classes(
        AnyOperation | ops.TxnOp | ops.TreeOp | ops.Compare | ops.CompareRange | ops.Guard
    )
    assert levels.check_tables() == []


def test_the_first_bytes_say_the_level_that_an_operation_needs() -> None:
    assert encode(PUT)[0] == encode(Idempotent(b"i", 0, PUT))[0] == encode(Batch(0))[0] == 1
    assert encode(FOR)[0] == 2


def test_level_1_has_the_bytes_that_it_had() -> None:
    """As the first release wrote them: its members read nothing else."""
    assert encode(PUT) == b"\x01" + msgspec.msgpack.encode([1, b"k", b"v", 0, False, None])
    once = encode(Idempotent(b"i", 7, PUT))
    assert once == b"\x01" + msgspec.msgpack.encode([23, b"i", 7, [1, b"k", b"v", 0, False, None]])
    assert encode_batch(9, [once]) == b"\x01" + msgspec.msgpack.encode([24, 9, [once]])
    assert encode_limits(SetLimits(Limits()), 1) == b"\x01" + msgspec.msgpack.encode([21, FIRST_LIMITS])


FIRST_LIMITS = {
    "max_key_bytes": 1_024,
    "max_value_bytes": 1_048_576,
    "max_keys": 1_000_000,
    "max_data_bytes": 268_435_456,
    "max_history_events": 100_000,
    "max_history_bytes": 67_108_864,
    "max_txn_ops": 128,
    "max_delete_keys": 10_000,
    "max_result_bytes": 4_194_304,
    "max_page_items": 10_000,
    "max_leases": 20_000,
    "max_lease_keys": 10_000,
    "min_ttl_ms": 1_000,
    "max_ttl_ms": 604_800_000,
    "max_name_bytes": 256,
    "max_queue_entries": 10_000,
    "request_window_ms": 300_000,
    "max_requests": 200_000,
    "max_request_bytes": 16_777_216,
    "max_bans": 10_000,
    "max_config_bytes": 65_536,
}
"""What a log that says nothing of limits means, for ever: other limits for new clusters are logged by their founder."""


def test_the_limits_of_a_log_that_says_none_never_change() -> None:
    limits = levels.limits_at(Limits(), 1)
    assert (limits if isinstance(limits, dict) else msgspec.structs.asdict(limits)) == FIRST_LIMITS


@pytest.mark.parametrize("level", range(1, KNOWN_LEVEL + 1))
def test_bytes_that_claim_too_low_a_level_are_malformed_at_every_level(level: int) -> None:
    """A member that knows no more than level 1 does not know the tag: all must refuse it alike."""
    data = b"\x01" + encode(FOR)[1:]
    with pytest.raises(CodecError):
        decode(data)
    driver = Driver()
    assert driver.do(SetFeatureLevel(level)) == Done(0)
    assert driver.raw(data) == Refused(RefusalCode.MALFORMED)


def test_an_operation_of_a_later_level_is_refused_below_it_and_done_from_there_on() -> None:
    driver = Driver()
    assert driver.do(FOR) == Refused(RefusalCode.UNSUPPORTED, 1)
    assert driver.do(SetFeatureLevel(2)) == Done(0)
    assert driver.do(FOR) == PutDone(1)
    assert driver.do(Idempotent(b"i", 0, PUT)) == PutDone(1)


def test_a_level_and_its_limits_come_in_one_batch() -> None:
    driver = Driver()
    limits = Limits(max_key_bytes=64)
    batch = encode_batch(3, [encode(SetFeatureLevel(2)), encode_limits(SetLimits(limits), 2)])
    driver.raw(batch)
    assert (driver.state.feature_level, driver.state.limits) == (2, limits)


def test_a_node_that_knows_the_first_level_alone_stops_at_the_second() -> None:
    state = State(known_level=1)
    apply(state, encode(SetFeatureLevel(2)), 1)
    assert state.halted == 2


def test_a_snapshot_is_in_the_format_of_the_level_and_refused_by_a_node_that_does_not_know_it() -> None:
    driver = Driver()
    driver.do(Idempotent(b"old", 0, PUT))
    first = snapshot(driver.state)
    assert first[11] == 1
    decoder = StateDecoder(known_level=1)
    decoder.feed(first)
    assert decoder.finish().sizes() == driver.state.sizes()
    driver.do(SetFeatureLevel(2))
    driver.do(FOR)
    second = snapshot(driver.state)
    assert second[11] == 2
    with pytest.raises(UnsupportedVersionError, match="upgrade"):
        StateDecoder(known_level=1).feed(second)
    fresh = restored(second)
    assert fresh.feature_level == 2
    assert state_digest(fresh) == state_digest(driver.state)


def test_a_snapshot_whose_level_is_not_known_is_refused() -> None:
    driver = Driver()
    driver.state.feature_level = driver.state.known_level = KNOWN_LEVEL + 1
    levels_then = {**levels.SNAPSHOT_FORMATS, KNOWN_LEVEL + 1: 1}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("coterie.consensus.store.snapshot.writer.SNAPSHOT_FORMATS", levels_then)
        data = snapshot(driver.state)
    with pytest.raises((UnsupportedVersionError, SnapshotError), match="upgrade"):
        read_snapshot([data])
