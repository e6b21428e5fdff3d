"""Snapshots on the running node: nothing blocks the loop, what is loaded appears at once and at the end, and a transfer
goes on where its link broke (faults 12, 18, 22; raft spec 2b)."""

from __future__ import annotations

import errno
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from coterie.consensus.raft.core.model.drafts import Loading
from coterie.consensus.raft.messages import AppendEntries, Message, SnapshotAck, SnapshotChunk
from tests.consensus.raft.helpers import SETTINGS, Answer, Group


def _behind(writes: int = 150, chunk: int = 256) -> Group:
    """n2 lacks a log that only n0's and n1's snapshots still hold."""
    group = Group(3, settings=replace(SETTINGS, snapshot_chunk_bytes=chunk, compact_after=10**6))
    group.lead("n0")
    group.cut_off("n2")
    group.puts("n0", writes)
    for name in ("n0", "n1"):
        node = group.node(name)
        group.run(0.3)
        node.compact()
        assert group.run_until(lambda node=node: node.state.log.first_index > writes, 5.0)  # type: ignore[misc]
    return group


def _loading(group: Group) -> Loading:
    """Heal, and stop in the middle of loading, with some slices in and some to come."""
    group.hosts["n2"].disk_latency = 0.05
    group.heal()
    node = group.node("n2")
    fed: list[bytes] = []

    def begun() -> bool:
        loading = None if node.state.incoming is None else node.state.incoming.loading
        if loading is not None and not fed:
            feed = loading.loader.feed
            loading.loader.feed = lambda chunk: (fed.append(chunk), feed(chunk))[1]  # type: ignore[method-assign,func-returns-value]
        return len(fed) > 2

    assert group.run_until(begun, 20.0)
    assert node.state.incoming is not None
    assert node.state.incoming.loading is not None
    return node.state.incoming.loading


def _state(group: Group, name: str) -> tuple[int, int, list[int]]:
    machine = group.hosts[name].machine
    return machine.revision, machine.digest, list(machine.ids)


def test_a_state_is_loaded_beside_the_old_one_and_switched_over_at_once() -> None:
    group = _behind()
    node = group.node("n2")
    loading = _loading(group)
    while not node.state.state_ahead:
        assert len(group.hosts["n2"].machine.ids) < 100  # what it held before, to the last slice
        assert group.run_until(lambda: group.steps % 2 == 0 or node.state.state_ahead, 5.0)
        group.run(0.001)
    assert len(group.hosts["n2"].machine.ids) >= 150
    assert node.applied < loading.info.index  # the log follows once the disk has the snapshot under its name
    assert group.run_until(group.settled, 5.0)
    assert node.snapshot_index == loading.info.index
    assert _state(group, "n2") == _state(group, "n0")
    assert group.node("n0").leading


def test_only_one_slice_is_loaded_in_one_event() -> None:
    group = _behind()
    node = group.node("n2")
    loading = _loading(group)
    fed: list[int] = []
    feed = loading.loader.feed
    loading.loader.feed = lambda chunk: (fed.append(group.steps), feed(chunk))[1]  # type: ignore[method-assign,func-returns-value]
    assert group.run_until(lambda: node.state.incoming is None, 10.0)
    assert len(fed) > 2
    assert max(fed.count(step) for step in fed) <= SETTINGS.snapshot_load_slice


def test_messages_and_calls_between_slices_are_served() -> None:
    group = _behind()
    node = group.node("n2")
    loading = _loading(group)
    read, write = Answer(), group.put("n2", 7, 5.0)
    node.read(read, 5.0)
    assert group.run_until(lambda: not read.open and not write.open, 10.0)
    assert read.error is None
    assert read.result >= loading.info.index  # a fresh read waits until the snapshot is in force
    assert 7 in group.hosts["n2"].machine.ids


def test_another_leader_between_slices_changes_nothing() -> None:
    group = _behind()
    node = group.node("n2")
    loading = _loading(group)
    group.node("n0").transfer(Answer(), "n1")
    assert group.run_until(lambda: group.node("n1").leading, 5.0)
    assert node.state.incoming is not None
    assert node.state.incoming.loading is loading  # what is committed stays good whoever leads
    term = group.node("n1").term
    offer = SnapshotChunk(term, 999, loading.info.index, loading.info.term, 0, b"x", final=False)
    [answer] = [message for _, message in group.feed("n2", "n1", offer) if isinstance(message, SnapshotAck)]
    assert answer == SnapshotAck(term, 999, 0, "failed")  # it is to ask again: its bytes may be others
    assert group.run_until(group.settled, 10.0)
    assert node.snapshot_index == loading.info.index


def test_a_newer_snapshot_waits_until_the_one_that_is_here_is_loaded() -> None:
    group = _behind()
    node, leader = group.node("n2"), group.node("n0")
    loading = _loading(group)
    newer = SnapshotChunk(leader.term, 999, loading.info.index + 5, leader.term, 0, b"x", final=False)
    assert group.feed("n2", "n0", newer) == [("n0", SnapshotAck(leader.term, 999, 0, "failed"))]
    assert node.state.incoming is not None
    assert node.state.incoming.loading is loading
    assert group.run_until(lambda: node.snapshot_index == loading.info.index, 10.0)


def test_a_snapshot_that_the_commit_index_passes_between_slices_is_dropped() -> None:
    group = _behind()
    node, leader = group.node("n2"), group.node("n0")
    loading = _loading(group)
    everything = [entry for entry in _whole_log(group) if node.last_index < entry[1] <= loading.info.index]
    append = AppendEntries(
        leader.term, node.last_index, node.state.log.last_term, loading.info.index, tuple(everything)
    )
    group.feed("n2", "n0", append)
    assert node.commit == loading.info.index
    assert group.run_until(lambda: node.state.incoming is None, 5.0)
    assert node.snapshot_index == 0
    assert group.run_until(group.settled, 5.0)
    assert _state(group, "n2") == _state(group, "n0")


def _whole_log(group: Group) -> list[tuple[bytes, int, int]]:
    return [(command, index, term) for index, (term, command, _) in sorted(group.invariants.committed.items())]


def test_what_is_committed_while_the_disk_installs_is_applied_after_it() -> None:
    group = _behind()
    node, leader = group.node("n2"), group.node("n0")
    loading = _loading(group)
    assert group.run_until(lambda: node.state.state_ahead, 5.0)
    entries = [entry for entry in _whole_log(group) if entry[1] > node.last_index]
    append = AppendEntries(leader.term, node.last_index, node.state.log.last_term, leader.commit, tuple(entries))
    group.feed("n2", "n0", append)
    node.tick()
    assert node.commit >= loading.info.index
    assert node.applied < loading.info.index
    offer = SnapshotChunk(leader.term, 999, loading.info.index, loading.info.term, 0, b"x", final=False)
    group.feed("n2", "n0", offer)
    assert node.state.incoming is not None  # the disk is still at work on it
    assert group.run_until(group.settled, 5.0)
    assert _state(group, "n2") == _state(group, "n0")


@pytest.mark.parametrize("when", ["loading", "installing"])
def test_a_stop_or_a_crash_in_the_middle_of_loading_loses_nothing(when: str) -> None:
    group = _behind()
    node = group.node("n2")
    _loading(group)
    if when == "installing":
        assert group.run_until(lambda: node.state.state_ahead, 5.0)
    node.stop()
    group.run(1.0)
    assert node.stopped
    assert node.failure is None
    group.restart(group.hosts["n2"])
    group.reconnect()
    assert group.run_until(group.settled, 20.0)
    assert _state(group, "n2") == _state(group, "n0")


@pytest.mark.parametrize("name", ["n0", "n2"])
def test_an_install_that_fails_stops_the_node_and_keeps_the_log(name: str) -> None:
    group = _behind()
    host, node = group.hosts[name], group.node(name)
    if name == "n0":
        group.puts("n0", 5, start=5000)
        node.compact()
    before = node.state.log.first_index
    host.snapshots.fail_install = errno.ENOSPC  # whatever the errno: the name may be there or not
    group.heal()
    assert group.run_until(lambda: node.stopped, 20.0)
    assert isinstance(node.failure, OSError)
    assert host.journal[0][1] == before
    host.start()
    assert group.run_until(group.settled, 20.0)
    assert _state(group, name) == _state(group, "n1")


def test_a_full_disk_delays_a_snapshot_and_a_failing_one_stops_the_node() -> None:
    group = _behind()
    host, node = group.hosts["n2"], group.node("n2")
    host.snapshots.fail_write = errno.ENOSPC
    group.heal()
    group.run(2.0)
    assert not node.stopped
    assert node.snapshot_index == 0
    host.snapshots.fail_write = errno.EIO
    assert group.run_until(lambda: node.stopped, 5.0)
    assert isinstance(node.failure, OSError)


# transfers


def _sent_chunks(group: Group) -> list[SnapshotChunk]:
    sent: list[SnapshotChunk] = []
    send = group.network.send

    def record(source: str, target: str, message: Message, link: int | None) -> None:
        if isinstance(message, SnapshotChunk):
            sent.append(message)
        send(source, target, message, link)

    group.network.send = record  # type: ignore[method-assign]
    return sent


def _size(group: Group, name: str) -> int:
    snapshot = group.hosts[name].platter.snapshot
    assert snapshot is not None
    return len(snapshot)


def test_a_transfer_whose_link_breaks_goes_on_from_what_is_there() -> None:
    group = _behind(chunk=16)
    sent = _sent_chunks(group)
    group.heal()
    node, leader = group.node("n2"), group.node("n0")
    size = _size(group, "n0")
    for share in (4, 2):
        assert group.run_until(
            lambda part=size // share: node.state.incoming is not None and node.state.incoming.offset > part,  # type: ignore[misc]
            20.0,
        )
        group.network.cut("n0", "n2")
        group.network.connect("n0", "n2")
    assert group.run_until(group.settled, 20.0)
    assert leader.leading
    assert node.snapshot_index == leader.snapshot_index
    assert len({chunk.transfer for chunk in sent}) >= 3
    # What was on its way when a link broke goes twice, and so does the first chunk.
    assert sum(len(chunk.data) for chunk in sent) <= size + 2 * (SETTINGS.snapshot_window + 1) * 16


def test_a_transfer_whose_link_breaks_after_the_last_byte_sends_no_byte_twice_but_the_first_chunk() -> None:
    group = _behind(chunk=16)
    _loading(group)
    sent = _sent_chunks(group)
    group.network.cut("n0", "n2")
    group.network.connect("n0", "n2")
    assert group.run_until(group.settled, 20.0)
    assert all(chunk.offset == 0 for chunk in sent)


def test_another_leaders_bytes_are_not_mixed_with_those_that_are_here() -> None:
    group = _behind(chunk=16)
    group.heal()
    node = group.node("n2")
    assert group.run_until(lambda: node.state.incoming is not None and node.state.incoming.offset > 64, 20.0)
    group.node("n0").transfer(Answer(), "n1")
    assert group.run_until(lambda: group.node("n1").leading, 5.0)
    sent = _sent_chunks(group)
    assert group.run_until(group.settled, 20.0)
    assert min(chunk.offset for chunk in sent) == 0
    assert len({chunk.offset for chunk in sent}) == len(range(0, _size(group, "n1"), 16))


def test_a_member_that_claims_more_than_there_is_breaks_the_protocol() -> None:
    group = _behind(chunk=16)
    leader = group.node("n0")
    group.heal()
    progress = leader.state.progress["n2"]
    assert group.run_until(
        lambda: progress.transfer is not None and 0 < progress.transfer.sent < _size(group, "n0"), 20.0
    )
    dropped: list[Any] = []
    group.hosts["n0"].transport.drop = dropped.append  # type: ignore[method-assign,assignment]
    assert progress.transfer is not None
    ack = SnapshotAck(leader.term, progress.transfer.number, _size(group, "n0") + 1, "receiving")
    group.feed("n0", "n2", ack)
    assert len(dropped) == 1


def test_snapshot_work_that_waits_for_the_disk_runs_in_the_disk() -> None:
    """The simulated store checks it at every write, seal, read back, install and abort: here that it does."""
    group = _behind()
    writer = group.hosts["n0"].snapshots.receive()
    calls: list[Callable[[], object]] = [
        lambda: writer.write(b""),
        writer.seal,
        lambda: next(writer.state()),
        writer.install,
        writer.abort,
    ]
    for call in calls:
        with pytest.raises(AssertionError, match="on the loop"):
            call()


# damaged ones


def _refused(group: Group, name: str) -> int:
    return group.node(name).metrics.snapshots["refused"]


def test_a_leader_whose_file_is_damaged_takes_a_new_one_and_nobody_stops() -> None:
    group = _behind()
    leader, host = group.node("n0"), group.hosts["n0"]
    before = leader.snapshot_index
    host.snapshots.rot()
    group.heal()
    assert group.run_until(lambda: group.node("n2").applied >= before, 10.0)
    assert leader.metrics.snapshots["damaged"] == 1
    assert _refused(group, "n2") == 1
    assert not leader.state.snapshot_damaged
    assert host.snapshots.rotten != host.snapshots.installs
    assert group.run_until(group.settled, 5.0)


def test_a_damaged_file_of_an_idle_leader_is_replaced_by_one_of_the_same_entry() -> None:
    group = _behind()
    leader, host = group.node("n0"), group.hosts["n0"]
    assert leader.snapshot_index == leader.applied
    before = host.snapshots.installs
    host.snapshots.rot()
    group.heal()
    assert group.run_until(lambda: host.snapshots.installs > before, 10.0)
    assert leader.snapshot_index == leader.applied
    assert group.run_until(group.settled, 10.0)


def test_bytes_that_break_on_their_way_are_sent_again_and_the_sound_file_stays() -> None:
    group = _behind()
    leader, host = group.node("n0"), group.hosts["n0"]
    before = host.snapshots.installs
    host.snapshots.flip_rate = 1.0
    group.heal()
    assert group.run_until(lambda: _refused(group, "n2") >= 4, 20.0)
    assert not group.node("n2").stopped
    assert host.snapshots.installs == before
    assert leader.metrics.snapshots["damaged"] == 0
    host.snapshots.flip_rate = 0.0
    assert group.run_until(group.settled, 10.0)


def test_a_file_that_cannot_be_opened_is_replaced() -> None:
    group = _behind()
    leader, host = group.node("n0"), group.hosts["n0"]
    opened = host.snapshots.open
    tries: list[int] = []

    def fails() -> Any:
        tries.append(1)
        if len(tries) == 1:
            raise OSError(errno.EIO, "injected")
        return opened()

    host.snapshots.open = fails  # type: ignore[method-assign]
    group.heal()
    assert group.run_until(group.settled, 10.0)
    assert leader.leading
    assert leader.metrics.snapshots["damaged"] == 1


def test_a_member_that_says_so_in_vain_costs_a_look_and_no_more() -> None:
    group = _behind()
    leader, host = group.node("n0"), group.hosts["n0"]
    looks: list[int] = []
    state = host.snapshots.state

    def looked() -> Any:
        looks.append(1)
        return state()

    host.snapshots.state = looked  # type: ignore[method-assign]
    group.heal()
    transferring = leader.state.progress["n2"]
    assert group.run_until(lambda: transferring.transfer is not None and transferring.transfer.sent > 0, 5.0)
    assert transferring.transfer is not None
    number = transferring.transfer.number
    for _ in range(3):
        group.feed("n0", "n2", SnapshotAck(leader.term, number, 0, "failed", unreadable=True))
    group.run(0.3)
    assert looks == [1]
    assert group.run_until(group.settled, 10.0)
