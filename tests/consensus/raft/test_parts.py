"""The small parts by themselves: configuration, batches, durability, flow, deadlines, messages, the engine's check."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coterie.consensus.pysyncobj import engine
from coterie.consensus.raft import messages
from coterie.consensus.raft.core.model.configuration import (
    Configurations,
    changed,
    decode_change,
    decode_voters,
    encode_change,
    encode_voters,
    is_membership,
)
from coterie.consensus.raft.core.model.entries import decode_batch, encode_batch
from coterie.consensus.raft.core.model.log import Durability
from coterie.consensus.raft.core.model.pending import Call, Deadlines
from coterie.consensus.raft.core.model.progress import STREAM, Progress
from coterie.consensus.raft.errors import (
    CorruptStateError,
    ProtocolError,
    RaftRefusedError,
    RaftUnavailableError,
)
from coterie.consensus.raft.ports import Entry
from coterie.consensus.raft.settings import RaftConfig


def latest(base: tuple[str, ...], entries: list[Entry]) -> tuple[str, ...]:
    """The configuration in force with `entries` in the log, computed anew."""
    for command, _, _ in entries:
        base = decode_voters(command) if is_membership(command) else base
    return base


members = st.sampled_from(["a", "b", "c", "d"])
voter_sets = st.sets(members, min_size=1)


@given(voter_sets, st.lists(st.one_of(st.none(), voter_sets), max_size=12), st.data())
def test_the_kept_configuration_is_the_function_of_snapshot_and_log(
    base: set[str], commands: list[set[str] | None], data: st.DataObject
) -> None:
    founders = tuple(sorted(base))
    log = [
        (b"\x01" if voters is None else encode_voters(voters), index, 1)
        for index, voters in enumerate(commands, start=2)
    ]
    kept = Configurations(founders, log)
    assert kept.latest == latest(founders, log)
    for index in range(1, len(log) + 2):
        assert kept.as_of(index) == latest(founders, [entry for entry in log if entry[1] <= index])
    first_gone = data.draw(st.integers(2, len(log) + 2))
    kept.truncated(first_gone)
    log = [entry for entry in log if entry[1] < first_gone]
    assert kept.latest == latest(founders, log)
    cut = data.draw(st.integers(1, len(log) + 1))
    kept.compacted(cut, kept.as_of(cut))
    assert kept.latest == latest(founders, log)
    assert not kept.founding


def test_a_change_is_by_one_voter() -> None:
    assert changed(("a", "b"), "c", add=True) == ("a", "b", "c")
    assert changed(("a", "b"), "a", add=False) == ("b",)
    for voters, member, add in ((("a",), "a", True), (("a", "b"), "c", False), (("a",), "a", False)):
        with pytest.raises(RaftRefusedError):
            changed(voters, member, add=add)
    assert decode_change(encode_change("a", add=False)) == ("a", False)


@pytest.mark.parametrize("body", [b"", b"\x93\xa1b\xa1a\xa1c", b"\x92\xa1a\xa1a", b"\x91\x01", b"\xa1a"])
def test_a_membership_entry_that_is_no_sorted_set_of_names_is_corrupt(body: bytes) -> None:
    with pytest.raises(CorruptStateError):
        decode_voters(b"\x02" + body)


@given(st.lists(st.binary(max_size=40), max_size=20))
def test_batches_come_back(ops: list[bytes]) -> None:
    assert decode_batch(encode_batch(ops)) == ops


@given(st.lists(st.binary(min_size=1, max_size=10), min_size=1, max_size=5), st.data())
def test_a_batch_cut_short_is_noticed_or_is_a_shorter_batch(ops: list[bytes], data: st.DataObject) -> None:
    whole = encode_batch(ops)
    part = whole[: data.draw(st.integers(0, len(whole) - 1))]
    with suppress(CorruptStateError):
        assert decode_batch(part) == ops[: len(decode_batch(part))]


def test_what_a_sync_covers_is_what_was_there_when_it_began() -> None:
    disk = Durability(5)
    disk.changed()
    disk.begin(8)
    assert disk.in_flight
    disk.changed()
    disk.truncated(7)  # entries 7 and 8 were replaced while they were being written
    disk.done()
    assert disk.durable == 6
    assert disk.dirty
    disk.begin(9)
    disk.done()
    assert disk.durable == 9
    disk.begin(9)
    disk.replaced(4)
    disk.done()
    assert disk.durable == 4


@given(st.lists(st.tuples(st.sampled_from(["add", "cut", "begin", "done"]), st.integers(0, 3)), max_size=40))
def test_durable_entries_are_on_the_disk_as_they_are_in_memory(steps: list[tuple[str, int]]) -> None:
    disk, memory, platter = Durability(1), [0], [0]
    writing: list[int] | None = None
    for serial, (step, amount) in enumerate(steps, start=1):
        if step == "add":
            memory += [serial] * amount
            disk.changed()
        elif step == "cut" and len(memory) > amount:
            del memory[len(memory) - amount :]
            disk.truncated(len(memory) + 1)
        elif step == "begin" and writing is None:
            writing = list(memory)
            disk.begin(len(memory))
        elif step == "done" and writing is not None:
            platter, writing = writing, None
            disk.done()
        assert platter[: disk.durable] == memory[: disk.durable]


def test_a_window_frees_what_is_acknowledged() -> None:
    progress = Progress(1, 0.0)
    progress.mode = STREAM
    for last, size in ((5, 100), (9, 50), (12, 25)):
        progress.sent(last, size, 1.0)
    progress.acknowledged(9, 2.0)
    assert (list(progress.in_flight), progress.in_flight_bytes) == ([(12, 25)], 25)


def test_deadlines_come_due_once_and_not_for_calls_that_ended() -> None:
    deadlines = Deadlines()
    calls = [Call(lambda _error, _result: None, float(at), RaftUnavailableError("timed_out")) for at in (3, 1, 2)]
    for call in calls:
        deadlines.add(call)
    calls[1].ended = True
    assert deadlines.next == 2.0
    assert deadlines.due(2.5) == [calls[2]]
    assert deadlines.all() == [calls[0]]
    assert deadlines.due(9.0) == [calls[0]]
    assert deadlines.next is None


@given(st.binary(max_size=200))
def test_random_bytes_are_no_message(data: bytes) -> None:
    try:
        message = messages.decode(data)
    except ProtocolError:
        return
    assert messages.decode(messages.encode(message)) == message


@pytest.mark.parametrize(
    "change",
    [{"term": -1}, {"term": 2**63}, {"prev_index": "1"}, {"entries": [[b"\x01", -2, 1]]}, {"entries": [[b"", 1]]}],
)
def test_fields_are_checked(change: dict[str, object]) -> None:
    whole: dict[str, object] = {"type": "append_entries", "term": 1, "prev_index": 1, "prev_term": 0, "commit": 1}
    assert messages.decode(msgspec.msgpack.encode(whole)) == messages.AppendEntries(1, 1, 0, 1)
    with pytest.raises(ProtocolError):
        messages.decode(msgspec.msgpack.encode({**whole, **change}))


@pytest.mark.parametrize("change", [{"timeout": float("nan")}, {"timeout": -1.0}, {"kind": "delete"}, {"body": "text"}])
def test_a_forwarded_call_is_checked(change: dict[str, object]) -> None:
    whole: dict[str, object] = {"type": "forward", "request": 1, "kind": "read", "body": b"", "timeout": 1.0}
    assert messages.decode(msgspec.msgpack.encode(whole)) == messages.Forward(1, "read", b"", 1.0)
    with pytest.raises(ProtocolError):
        messages.decode(msgspec.msgpack.encode({**whole, **change}))


def test_an_unknown_release_of_the_engine_is_refused(tmp_path: Path) -> None:
    installed = Path(engine.syncobj.__file__).parent
    engine.check_sources(installed)
    for module in installed.glob("*.py"):
        (tmp_path / module.name).write_bytes(module.read_bytes())
    engine.check_sources(tmp_path)
    (tmp_path / "node.py").write_bytes((tmp_path / "node.py").read_bytes() + b"\n# another release\n")
    with pytest.raises(engine.EngineMismatchError, match=r"0\.3\.17"):
        engine.check_sources(tmp_path)


@pytest.mark.parametrize(
    "change", [{"leader_fallback": 0.5}, {"election_max": 0.3}, {"heartbeat": 0.2}, {"max_batch_bytes": 10}]
)
def test_settings_that_cannot_work_are_refused(change: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must"):
        RaftConfig(**change)  # type: ignore[arg-type]
