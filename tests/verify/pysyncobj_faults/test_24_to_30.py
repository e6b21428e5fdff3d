"""Faults 24 to 30. Each: `stock` shows it on PySyncObj 0.3.17, `ours` that it is gone."""

from __future__ import annotations

import errno
import os
from collections import deque
from pathlib import Path
from typing import Any

import pytest
from pysyncobj.pipe_notifier import PipeNotifier  # type: ignore[import-untyped]
from pysyncobj.poller import createPoller  # type: ignore[import-untyped]

from coterie.consensus.pysyncobj import engine
from coterie.consensus.raft import messages
from coterie.consensus.raft.errors import CorruptStateError, RaftRefusedError, RaftUnknownOutcomeError
from coterie.consensus.raft.messages import AppendEntries, NextNodeIdx, Ping, Pong, SnapshotAck, SnapshotChunk
from coterie.consensus.raft.recovery import recover
from tests.consensus.raft.helpers import Group
from tests.verify.pysyncobj_faults.stock import StockGroup
from tests.verify.pysyncobj_faults.test_17_to_23 import NO_OP, append, chunk, stock_dump

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")  # stock PySyncObj leaves files open


def test_fault_24_stock_leader_raises_for_ever_after_an_observers_link_ends(stock: StockGroup) -> None:
    stock.full("n0", "n1", "n2")
    leader = stock.elect("n0")
    observer = engine.Node("n3")
    leader.link._onReadonlyNodeConnected(observer)
    leader.addNodeToCluster("n3")
    leader.doTick()
    assert "n3" in leader.voters()
    leader.link._onReadonlyNodeDisconnected(observer)
    with pytest.raises(KeyError):
        stock.run(1.0)
    with pytest.raises(KeyError):
        stock.run(1.0)


def test_fault_24_ours_keeps_one_record_a_member() -> None:
    group = Group(3, 1)
    leader = group.lead("n0")
    group.change("n0", "n3", add=True)
    group.run(0.005)
    group.network.cut("n0", "n3")
    group.run(2.0)
    assert leader.leading
    assert group.settled()
    change = group.change("n0", "n3", add=False)
    assert group.run_until(lambda: not change.open, 2.0)
    group.network.cut("n0", "n3")
    group.run(2.0)
    assert leader.leading
    assert group.settled()


def test_fault_25_stock_follower_says_nothing_while_a_snapshot_arrives(stock: StockGroup) -> None:
    node = stock.full("n0", "n1", "n2")[1]
    before = len(stock.sent)
    for at in range(50):
        node.receive("n0", chunk(1, 5, b"part", first=at == 0, last=False))
    assert len(stock.sent) == before


def test_fault_25_ours_answers_chunks_and_pings() -> None:
    group = Group(3)
    leader = group.lead("n0")
    group.hosts["n1"].disk_latency = 0.0
    group.feed("n1", "n0", SnapshotChunk(leader.term, 5, 10**6, leader.term, 0, b"part", final=False))
    sent = group.feed("n1", "n0", Ping(leader.term, 9, 1))
    assert ("n0", SnapshotAck(leader.term, 5, 0, "receiving")) in sent
    assert any(isinstance(each, Pong) and (to, each.round) == ("n0", 9) for to, each in sent)
    for progress in leader.state.progress.values():
        progress.last_contact = -1e9
    group.feed("n0", "n1", Pong(leader.term, leader.state.round))
    leader.tick()
    assert leader.leading


def test_fault_26_stock_changes_the_configuration_before_an_append_that_fails(
    stock: StockGroup, monkeypatch: pytest.MonkeyPatch
) -> None:
    stock.full("n0", "n1", "n2")
    leader = stock.elect("n0")

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "no space left on device")

    monkeypatch.setattr(leader.private("raftLog"), "add", full)
    leader.removeNodeFromCluster("n2")
    with pytest.raises(OSError, match="no space"):
        leader.doTick()
    assert leader.voters() == {"n0", "n1"}
    assert len(leader.log()) == 2


def test_fault_26_ours_asks_for_space_first_and_stops_at_a_failed_sync() -> None:
    group = Group(3)
    leader = group.lead("n0")
    group.hosts["n0"].platter.full = True
    refused = group.change("n0", "n2", add=False)
    write = group.put("n0", 1)
    group.run(0.1)
    assert isinstance(refused.error, RaftRefusedError)
    assert refused.error.reason == "disk_full"
    assert isinstance(write.error, RaftRefusedError)
    assert leader.voters == ("n0", "n1", "n2")
    group.hosts["n0"].platter.full = False
    group.lead("n0")  # it may have handed over to a member that has space
    group.puts("n0", 1)
    group.hosts["n0"].platter.failing = errno.EIO
    failed = group.change("n0", "n2", add=False)
    group.run(0.1)
    assert leader.stopped
    assert isinstance(failed.error, RaftUnknownOutcomeError)
    group.hosts["n0"].start()  # n1 and n2 may already hold the change, and then need n0 for a majority
    assert group.run_until(lambda: group.leader() is not None and group.settled(), 5.0)


def test_fault_27_stock_loses_its_journals_tail_when_a_codec_yields_lists(stock: StockGroup, tmp_path: Path) -> None:
    (tmp_path / "dump").write_bytes(b"there")
    node = stock.add(
        "n0",
        [],
        fullDumpFile=str(tmp_path / "dump"),
        serializer=lambda name, data: None,
        deserializer=lambda name: ([NO_OP, 2, 1], [NO_OP, 1, 0], []),
    )
    log = node.private("raftLog")
    for index in range(2, 10):
        log.add(NO_OP, index, 1)
    node.doTick()
    assert len(node.log()) < 9  # the tail is gone, though the dump is of the same log


def test_fault_27_ours_decodes_tuples_and_refuses_lists() -> None:
    message = AppendEntries(3, 1, 0, 1, ((b"\x01", 2, 1), (b"\x00abc", 3, 2)))
    decoded = messages.decode(messages.encode(message))
    assert decoded == message
    assert isinstance(decoded, AppendEntries)
    assert all(type(entry) is tuple for entry in decoded.entries)
    group = Group(1)
    group.lead("n0")
    host = group.hosts["n0"]
    host.journal.entries[1] = list(host.journal.entries[1])
    with pytest.raises(CorruptStateError):
        recover(host.journal, host.snapshots, ("n0",))


def test_fault_28_stock_answers_before_it_has_loaded_its_dump(stock: StockGroup, tmp_path: Path) -> None:
    (tmp_path / "dump").write_bytes(stock_dump(22, 1, ("n0", "n1")))
    node = stock.add("n0", ["n1"], fullDumpFile=str(tmp_path / "dump"))
    node.receive("n1", append(1, (1, 0), 1, (NO_OP, 2, 1)))
    assert stock.sent[-1][2]["success"]
    assert node.log()[-1][1] == 2


def test_fault_28_ours_takes_no_message_before_it_has_loaded() -> None:
    group = Group(3)
    leader = group.lead("n0")
    node = group.node("n1")
    node.state.started = False
    refused: list[object] = []
    group.hosts["n1"].transport.drop = refused.append  # type: ignore[method-assign,assignment]
    assert group.feed("n1", "n0", Ping(leader.term, 1, 1)) == []
    assert len(refused) == 1


def test_fault_29_stock_rewrites_entries_that_it_has_acknowledged(
    stock: StockGroup, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = stock.full("n0", "n1", "n2")[1]
    entries = [(NO_OP, index, 1) for index in range(2, 8)]
    node.receive("n0", append(1, (1, 0), 1, *entries))
    journal = node.private("raftLog")
    crash = RuntimeError("power loss between the deletion and the rewriting")

    def add(*_: Any) -> None:
        raise crash

    monkeypatch.setattr(journal, "add", add)
    with pytest.raises(RuntimeError):
        node.receive("n0", append(1, (2, 1), 7, *entries[1:]))
    assert len(node.log()) == 2


def test_fault_29_ours_touches_only_what_conflicts() -> None:
    group = Group(3)
    leader = group.lead("n0")
    group.puts("n0", 6)
    node = group.node("n1")
    before = node.state.log.journal[:]
    removed: list[object] = []
    group.hosts["n1"].journal.on_remove = removed.append
    [(_, answer)] = group.feed(
        "n1", "n0", AppendEntries(leader.term, before[2][1], before[2][2], node.commit, tuple(before[3:]))
    )
    assert isinstance(answer, NextNodeIdx)
    assert answer.match == before[-1][1]
    assert removed == []
    assert node.state.log.journal[:] == before


def test_fault_30_stock_pipe_runs_full() -> None:
    notifier = PipeNotifier(createPoller("auto"))
    with pytest.raises(BlockingIOError):
        deque((notifier.notify() for _ in range(70_000)), maxlen=0)
    os.close(notifier._PipeNotifier__pipeR)
    os.close(notifier._PipeNotifier__pipeW)


def test_fault_30_ours_has_no_pipe() -> None:
    node = Group(1).lead("n0")
    assert not hasattr(node, "_SyncObj__pipeNotifier")
