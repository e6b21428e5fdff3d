"""Snapshots: complete, canonical, fixed while the state goes on, and refused when anything is wrong with them."""

from __future__ import annotations

import itertools
from zlib import crc32

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coterie.consensus.store import (
    KNOWN_LEVEL,
    Acquire,
    Ban,
    Batch,
    BatchDone,
    Compact,
    CompactedRevisionError,
    Delete,
    FoundCluster,
    Idempotent,
    LeaseBind,
    LeaseDone,
    LeaseGrant,
    Put,
    PutDone,
    QueueKind,
    SingleOperation,
    SnapshotError,
    State,
    StateDecoder,
    UnsupportedVersionError,
    WatchHub,
    encode,
    read_snapshot,
    state_digest,
    write_snapshot,
)
from coterie.consensus.store.schema.levels import SNAPSHOT_FORMATS
from coterie.consensus.store.schema.limits import RESTORE_REVISION_STEP
from coterie.consensus.store.snapshot.format import CHUNK_BYTES, FRAME, HEAD, HEAD_CHECKED
from tests.consensus.store.helpers import Driver, restored, snapshot
from tests.consensus.store.model.strategies import operations


def full() -> Driver:
    """A state with something of everything."""
    driver = Driver()
    driver.at_time(1_000, FoundCluster("cluster"), Ban("m1", "wiped"), LeaseGrant(5_000), LeaseBind("n1", 3, 1_000))
    driver.state.configure(b"voters", driver.index)
    for number in range(5):
        driver.put(b"k%d" % number, b"v%d" % number, lease=number % 3)
    driver.do(Compact(4))
    driver.put(b"k0", b"again")
    driver.put(b"k3", b"again")
    driver.do(Delete(b"k1"))
    driver.do(Acquire(QueueKind.LOCK, b"x", 1, b"one"))
    driver.do(Acquire(QueueKind.LOCK, b"x", 2, b"two"))
    driver.do(Idempotent(b"id", 900, Put(b"k4", b"once", prev=True)))
    return driver


@settings(max_examples=150, suppress_health_check=list(HealthCheck))
@given(st.lists(operations, max_size=60), st.lists(operations, max_size=30))
def test_a_restored_state_is_equal_and_behaves_the_same_from_there(
    before: list[SingleOperation], after: list[SingleOperation]
) -> None:
    driver = Driver(max_history_events=12, request_window_ms=500)
    for time_ms, operation in enumerate(before):
        driver.at_time(time_ms * 50, operation)
    data = snapshot(driver.state)
    twin = Driver()
    twin.state, twin.index = restored(data), driver.index
    assert snapshot(twin.state) == data
    assert state_digest(twin.state) == state_digest(driver.state)
    for time_ms, operation in enumerate(after, len(before)):
        assert twin.at_time(time_ms * 50, operation) == driver.at_time(time_ms * 50, operation)
    assert state_digest(twin.state) == state_digest(driver.state)
    assert twin.state.sizes() == driver.state.sizes()


def test_everything_is_in_it() -> None:
    driver = full()
    fresh = restored(snapshot(driver.state))
    assert fresh.sizes() == driver.state.sizes()
    for name in (
        "feature_level",
        "applied_index",
        "time_ms",
        "cluster_id",
        "membership_epoch",
        "config",
        "bans",
        "limits",
    ):
        assert getattr(fresh, name) == getattr(driver.state, name)
    assert fresh.leases.table == driver.state.leases.table
    assert fresh.leases.next_id == 3
    assert fresh.queue_entries(QueueKind.LOCK, b"x") == driver.state.queue_entries(QueueKind.LOCK, b"x")
    assert fresh.lease_keys(1) == driver.state.lease_keys(1)
    assert [lease.id for lease in fresh.due_leases(6_000)] == [1]
    assert [lease.id for lease in fresh.leases_of_node("n1")] == [2]
    assert list(fresh.keyspace.history.after(4)) == list(driver.state.keyspace.history.after(4))
    for revision in range(4, driver.revision + 1):
        assert fresh.range(b"", None, revision=revision) == driver.state.range(b"", None, revision=revision)


def test_versions_that_records_and_history_share_are_one_object_after_a_restore() -> None:
    driver = full()
    fresh = restored(snapshot(driver.state))
    events = list(fresh.keyspace.history.after(4))
    assert any(event.record is not None and event.record is fresh.get(event.key) for event in events)
    by_key: dict[bytes, object] = {}
    for event in events:
        if event.key in by_key:
            assert event.prev is by_key[event.key]
        by_key[event.key] = event.record


def test_a_snapshot_shows_its_index_while_the_state_goes_on() -> None:
    driver = Driver(max_history_events=3_000, request_window_ms=10_000)
    for number in range(4_000):
        driver.do(Idempotent(b"%d" % number, driver.state.time_ms, Put(b"%05d" % (number * 7 % 5_000), b"v" * 50)))
    quiet = snapshot(driver.state)
    chunks = write_snapshot(driver.state)
    written = []
    for number in itertools.count():
        for other in range(40):
            key = b"%05d" % (number * 131 + other * 977 % 6_000)
            driver.do(Delete(key) if other % 3 == 0 else Put(key, b"new"))
        driver.at_time(driver.state.time_ms + 90, LeaseGrant(1_000), Ban(f"m{number}"))
        driver.do(Idempotent(b"new %d" % number, driver.state.time_ms, Put(b"a", b"b")))
        if number == 3:
            driver.do(Compact(driver.revision - 5))
        chunk = next(chunks, None)
        if chunk is None:
            break
        written.append(chunk)
    assert number > 5
    assert b"".join(written) == quiet
    assert max(map(len, written)) < 2 * CHUNK_BYTES


def test_two_snapshots_at_a_time_do_not_disturb_each_other() -> None:
    driver = full()
    first, first_chunks = snapshot(driver.state), write_snapshot(driver.state)
    driver.put(b"k0", b"between")
    second, second_chunks = snapshot(driver.state), write_snapshot(driver.state)
    driver.put(b"k0", b"after")
    assert b"".join(first_chunks) == first
    assert b"".join(second_chunks) == second
    assert first != second


def test_the_bytes_may_come_in_pieces_of_any_size() -> None:
    data = snapshot(full().state)
    for size in (1, 7, 1_000):
        reader = StateDecoder()
        for begin in range(0, len(data), size):
            reader.feed(data[begin : begin + size])
        assert state_digest(reader.finish()) == state_digest(full().state)


def test_a_flip_of_any_byte_is_detected() -> None:
    data = snapshot(full().state)
    for at in range(len(data)):
        for flip in (1, 0x80, 0xFF):
            damaged = bytearray(data)
            damaged[at] ^= flip
            with pytest.raises((SnapshotError, UnsupportedVersionError)):
                restored(bytes(damaged))


def test_a_cut_at_any_byte_is_detected_and_so_are_bytes_too_many() -> None:
    data = snapshot(full().state)
    for end in range(len(data)):
        with pytest.raises(SnapshotError):
            restored(data[:end])
    for more in (b"\0", data, data[HEAD.size :]):
        with pytest.raises(SnapshotError):
            restored(data + more)


def frames_of(data: bytes) -> list[bytes]:
    frames = []
    at = HEAD.size
    while at < len(data):
        size = FRAME.size + FRAME.unpack_from(data, at)[1]
        frames.append(data[at : at + size])
        at += size
    return frames


def test_a_frame_lost_doubled_or_moved_is_detected() -> None:
    data = snapshot(full().state)
    frames = frames_of(data)
    assert len(frames) == 7
    for at in range(len(frames)):
        others = frames[:at] + frames[at + 1 :]
        for changed in (others, [*frames[:at], frames[at], *frames[at:]], [*others, frames[at]], [frames[at], *others]):
            if changed != frames:
                with pytest.raises(SnapshotError):
                    restored(b"".join([data[: HEAD.size], *changed]))


def test_damage_is_detected_with_its_frame_not_only_at_the_end() -> None:
    data = bytearray(snapshot(full().state))
    data[data.index(b"cluster")] = ord("b")  # still a name
    reader = StateDecoder()
    with pytest.raises(SnapshotError, match="byte 16"):
        reader.feed(bytes(data[: HEAD.size + FRAME.size + FRAME.unpack_from(data, HEAD.size)[1]]))


def test_frames_of_two_snapshots_do_not_mix() -> None:
    driver, other = Driver(), Driver()
    driver.put(b"a", b"1")
    other.put(b"a", b"2")
    ours, theirs = frames_of(snapshot(driver.state)), frames_of(snapshot(other.state))
    assert len(ours) == 3
    with pytest.raises(SnapshotError, match="digest"):
        restored(snapshot(driver.state)[: HEAD.size] + ours[0] + theirs[1] + ours[2])


@settings(max_examples=300)
@given(st.binary(max_size=300), st.integers(0, 400))
def test_random_bytes_are_no_snapshot(data: bytes, keep: int) -> None:
    with pytest.raises((SnapshotError, UnsupportedVersionError)):
        restored(snapshot(full().state)[:keep] + data)


def test_a_snapshot_that_fails_leaves_the_state_as_it_was() -> None:
    driver = full()
    digest = state_digest(driver.state)
    other = Driver()
    other.put(b"other")
    with pytest.raises(SnapshotError):
        driver.state = read_snapshot([snapshot(other.state)[:-1]])
    assert state_digest(driver.state) == digest
    assert isinstance(driver.do(Put(b"k", b"")), PutDone)


def test_a_snapshot_of_a_later_format_says_what_to_do() -> None:
    head = HEAD.pack(b"coterie\n", SNAPSHOT_FORMATS[KNOWN_LEVEL] + 1, 0)[:HEAD_CHECKED]
    with pytest.raises(UnsupportedVersionError, match="upgrade"):
        restored(head + crc32(head).to_bytes(4, "big"))


def test_a_frame_that_claims_too_much_is_refused_before_it_is_waited_for() -> None:
    data = snapshot(State())
    head = FRAME.pack(1, 2**31, 0, 0)[:-4]
    reader = StateDecoder()
    with pytest.raises(SnapshotError):
        reader.feed(data[: HEAD.size] + head + crc32(head).to_bytes(4, "big"))


def test_a_restore_as_a_new_cluster_never_repeats_a_revision_or_a_lease() -> None:
    driver = full()
    old = driver.revision
    data = snapshot(driver.state)
    driver.state.start_new_cluster("another", 1)
    state = driver.state
    assert (state.cluster_id, state.applied_index, state.config, state.membership_epoch) == ("another", 0, b"", 2)
    assert set(state.bans) == {"m1"}
    with pytest.raises(CompactedRevisionError):
        WatchHub(state.keyspace).watch(b"", None, from_revision=old + 1)
    with pytest.raises(CompactedRevisionError):
        state.get(b"k0", old)
    assert state.range(b"", None).records == restored(data).range(b"", None).records
    driver.index = 0
    assert driver.put(b"k0") == old + RESTORE_REVISION_STEP + 1
    assert driver.expect(LeaseDone, LeaseGrant(1_000)).lease == 3 + RESTORE_REVISION_STEP
    assert driver.record(b"k0").version == 3
    again = restored(snapshot(driver.state))
    assert state_digest(again) == state_digest(driver.state)
    assert driver.do(Batch(5_000)) == BatchDone(())


def test_equal_logs_give_equal_digests_and_different_ones_do_not() -> None:
    one, other = full(), full()
    assert state_digest(one.state) == state_digest(other.state)
    for operation in (Put(b"k", b"v"), Ban("m9"), LeaseGrant(1_000), Idempotent(b"i", 1_000, Delete(b"none"))):
        one.do(operation)
        other.raw(encode(Batch(0)))
        assert state_digest(one.state) != state_digest(other.state)
        other.index -= 1
        other.do(operation)
        assert state_digest(one.state) == state_digest(other.state)


def test_restores_of_one_backup_repeat_no_number() -> None:
    data = snapshot(full().state)

    def restore_at(unix_us: int, backup: bytes = data) -> State:
        state = restored(backup)
        state.start_new_cluster("another", unix_us)
        return state

    def numbers(state: State) -> tuple[int, int]:
        return state.keyspace.revision, state.leases.next_id

    now = 1_796_000_000_000_000
    monday, tuesday = restore_at(now), restore_at(now + 60_000_000)
    assert numbers(monday) == (now, now)
    assert numbers(tuesday) == (now + 60_000_000, now + 60_000_000)
    backup = snapshot(monday)
    again = [numbers(restore_at(now + seconds * 1_000_000, backup)) for seconds in (10, 20)]
    assert again == [(now + 10_000_000, now + 10_000_000), (now + 20_000_000, now + 20_000_000)]
    assert numbers(restore_at(1, backup)) == (now + 10**9, now + 10**9)  # the clock was set back
    assert max(numbers(restore_at(2**53))) < 2**52
