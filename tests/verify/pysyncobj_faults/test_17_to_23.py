"""Faults 17 to 23. Each: `stock` shows it on PySyncObj 0.3.17, `ours` that it is gone."""

from __future__ import annotations

import gzip
import io
import pickle
from pathlib import Path
from typing import Any

import pytest

from coterie.consensus.pysyncobj import engine
from coterie.consensus.raft.core.model.configuration import encode_voters
from coterie.consensus.raft.messages import AppendEntries, RequestVote, ResponseVote, SnapshotAck, SnapshotChunk
from tests.consensus.raft.helpers import Group, recorder
from tests.verify.pysyncobj_faults.stock import Stock, StockGroup

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")  # stock PySyncObj leaves files open

NO_OP = b"\x01"


def append(term: int, prev: tuple[int, int], commit: int, *entries: tuple[bytes, int, int]) -> dict[str, Any]:
    return {"type": "append_entries", "term": term, "commit_index": commit, "prevLogIdx": prev[0], "prevLogTerm":
    prev[1], "entries": list(entries)}  # fmt: skip


def change(kind: str, name: str) -> bytes:
    return b"\x02" + pickle.dumps([kind, name, engine.Node(name)], 2)


def stock_dump(index: int, term: int, voters: tuple[str, ...]) -> bytes:
    """A dump of stock PySyncObj whose last entry is (index, term)."""
    state = (None, (NO_OP, index, term), (NO_OP, index - 1, term), {engine.Node(voter) for voter in voters})
    out = io.BytesIO()
    with gzip.GzipFile(fileobj=out, mode="wb") as file:
        pickle.dump(state, file, 2)
    return out.getvalue()


def chunk(term: int, commit: int, data: bytes, *, first: bool, last: bool) -> dict[str, Any]:
    return {"type": "append_entries", "term": term, "commit_index": commit, "serialized": (data, first, last)}


def test_fault_17_stock_commits_an_unverified_tail_on_a_chunk(stock: StockGroup) -> None:
    node = stock.full("n0", "n1", "n2")[1]
    node.receive("n0", append(1, (1, 0), 1, (NO_OP, 2, 1), (NO_OP, 3, 1)))
    node.receive("n2", chunk(2, 3, b"some bytes", first=True, last=False))
    assert node.raftCommitIndex == 3  # entries of a leader that lost


def test_fault_17_ours_moves_nothing_on_a_chunk() -> None:
    group = Group(3)
    leader = group.lead("n0")
    node = group.node("n1")
    tail = ((NO_OP, node.last_index + 1, leader.term),)
    group.feed("n1", "n0", AppendEntries(leader.term, node.last_index, node.state.log.last_term, node.commit, tail))
    before = (node.commit, node.state.log.journal[:])
    part = SnapshotChunk(leader.term + 1, 1, node.last_index + 9, leader.term + 1, 0, b"some bytes", final=False)
    group.feed("n1", "n2", part)
    assert (node.commit, node.state.log.journal[:]) == before


def test_fault_18_stock_is_rewound_by_a_second_snapshot(stock: StockGroup) -> None:
    node = stock.full("n0", "n1", "n2")[1]
    dump = stock_dump(5, 1, ("n0", "n1", "n2"))
    for last in (False, True):
        node.receive("n0", chunk(1, 5, b"" if last else dump, first=not last, last=last))
    node.receive("n0", append(1, (5, 1), 5, *((NO_OP, index, 1) for index in range(6, 10))))
    assert stock.sent[-1][2]["next_node_idx"] == 10  # acknowledged
    for last in (False, True):
        node.receive("n0", chunk(1, 5, b"" if last else dump, first=not last, last=last))
    assert node.log()[-1][1] == 5


def _with_snapshot() -> Group:
    """A leader with a snapshot, followers with more than it covers."""
    group = Group(3)
    leader = group.lead("n0")
    group.puts("n0", 10)
    leader.compact()
    assert group.run_until(lambda: leader.snapshot_index > 5, 5.0)
    group.puts("n0", 5, start=2000)
    group.run(0.5)
    return group


def _send_snapshot(group: Group, target: str, term: int, blob: bytes, index: int, entry_term: int) -> list[Any]:
    sent = group.feed(target, "n0", SnapshotChunk(term, 77, index, entry_term, 0, blob, final=True))
    if not sent:  # the disk is at work: its answer goes to n0, which does not know the transfer
        captured: list[Any] = []
        group.hosts[target].transport.send = recorder(captured)  # type: ignore[method-assign,assignment]
        group.run_until(lambda: any(isinstance(answer, SnapshotAck) for _, answer in captured), 1.0)
        del group.hosts[target].transport.send
        sent = [item for item in captured if isinstance(item[1], SnapshotAck)]
    return sent


def test_fault_18_ours_does_not_install_what_it_has() -> None:
    group = _with_snapshot()
    leader, node = group.node("n0"), group.node("n1")
    blob = group.hosts["n0"].platter.snapshot
    assert blob is not None
    before = (node.commit, node.applied, node.state.log.journal[:])
    [(_, answer)] = _send_snapshot(group, "n1", leader.term, blob, leader.snapshot_index, leader.term)
    assert answer.state == "installed"
    assert (node.commit, node.applied, node.state.log.journal[:]) == before


def test_fault_18_ours_keeps_a_suffix_that_matches_a_newer_snapshot() -> None:
    group = Group(3)
    leader = group.lead("n0")
    node = group.node("n1")
    at = node.last_index
    # n1 holds entries that are committed elsewhere, and does not know that they are.
    entries = tuple((NO_OP, at + i, leader.term) for i in range(1, 6))
    group.feed("n1", "n0", AppendEntries(leader.term, at, leader.term, node.commit, entries))
    from coterie.consensus.raft.ports import SnapshotInfo
    from tests.verify.raft_sim.disk import write_snapshot

    info = SnapshotInfo(entries[1], entries[2], node.voters)
    blob = write_snapshot(info, list(group.hosts["n0"].machine.snapshot()))
    group.invariants.top = 10**6  # nobody else has these entries: the run's bookkeeping does not apply
    group.invariants.check = lambda host: None  # type: ignore[method-assign]
    [(_, answer)] = _send_snapshot(group, "n1", leader.term, blob, at + 3, leader.term)
    assert answer.state == "installed"
    assert (node.state.log.first_index, node.last_index, node.commit, node.applied) == (
        at + 2,
        at + 5,
        at + 3,
        at + 3,
    )


def test_fault_19_stock_takes_the_dumps_configuration_over_the_given_one(stock: StockGroup, tmp_path: Path) -> None:
    (tmp_path / "dump").write_bytes(stock_dump(5, 1, ("n0", "n1")))
    node = stock.add("n0", ["n1", "n2", "n3", "n4"], fullDumpFile=str(tmp_path / "dump"))
    assert len(node.voters()) == 5
    node.doTick()
    assert node.voters() == {"n0", "n1"}


def test_fault_19_ours_keeps_what_the_log_says() -> None:
    group = Group(3, 2)
    leader = group.lead("n0")
    group.puts("n0", 5)
    leader.compact()
    assert group.run_until(lambda: leader.snapshot_index > 0, 5.0)
    added = group.change("n0", "n3", add=True)
    assert group.run_until(lambda: not added.open, 5.0)
    again = group.restart(group.hosts["n0"])
    assert again.snapshot_index > 0
    assert again.voters == ("n0", "n1", "n2", "n3")


def test_fault_20_stock_brings_a_removed_voter_back_at_commit(stock: StockGroup) -> None:
    node = stock.full("n0", "n1", "n2")[1]
    node.receive("n0", append(1, (1, 0), 1, (change("add", "n3"), 2, 1), (change("rem", "n3"), 3, 1)))
    assert "n3" not in node.voters()
    node.receive("n0", append(1, (3, 1), 2))
    node.doTick()
    assert "n3" in node.voters()


def test_fault_20_ours_changes_nothing_at_commit() -> None:
    group = Group(3)
    leader = group.lead("n0")
    node = group.node("n1")
    at = node.last_index
    group.invariants.check = lambda host: None  # type: ignore[method-assign]
    entries = ((encode_voters(["n0", "n1", "n2", "n3"]), at + 1, leader.term),
               (encode_voters(["n0", "n1", "n2"]), at + 2, leader.term))  # fmt: skip
    group.feed("n1", "n0", AppendEntries(leader.term, at, leader.term, node.commit, entries))
    assert node.voters == ("n0", "n1", "n2")
    group.feed("n1", "n0", AppendEntries(leader.term, at + 2, leader.term, at + 1))
    node.tick()
    assert node.applied == at + 1
    assert node.voters == ("n0", "n1", "n2")


def test_fault_21_stock_stores_the_uncommitted_configuration(stock: StockGroup, tmp_path: Path) -> None:
    dump = tmp_path / "dump"
    node = stock.add("n0", ["n1", "n2"], fullDumpFile=str(dump), useFork=False, logCompactionMinEntries=10**9)
    node.receive("n1", append(1, (1, 0), 3, (NO_OP, 2, 1), (NO_OP, 3, 1), (change("add", "n9"), 4, 1)))
    node.doTick()
    node.forceLogCompaction()
    node.doTick()
    with gzip.open(dump) as file:
        voters = {member.id for member in pickle.load(file)[3]}  # noqa: S301
    assert "n9" in voters  # entry 4 is not in the dump, and may never be committed


def test_fault_21_ours_stores_the_configuration_as_of_the_last_entry() -> None:
    group = Group(3, 1)
    leader = group.lead("n0")
    group.puts("n0", 5)
    group.cut_off("n0")
    group.change("n0", "n3", add=True)
    group.run(0.05)
    assert leader.voters == ("n0", "n1", "n2", "n3")
    leader.compact()
    assert group.run_until(lambda: leader.snapshot_index > 0, 5.0)
    info = group.hosts["n0"].snapshots.latest()
    assert info is not None
    assert info.voters == ("n0", "n1", "n2")


def test_fault_22_stock_acknowledges_a_snapshot_that_does_not_load(stock: StockGroup) -> None:
    node = stock.full("n0", "n1", "n2")[1]
    for last in (False, True):
        node.receive("n0", chunk(1, 5, b"" if last else b"garbage", first=not last, last=last))
    assert stock.sent[-1][2]["success"]


def test_fault_22_ours_refuses_it_however_often_and_says_why() -> None:
    group = Group(3)
    leader = group.lead("n0")
    node = group.node("n1")
    for _ in range(5):
        [(_, answer)] = _send_snapshot(group, "n1", leader.term, b"garbage", 10**6, leader.term)
        assert (answer.state, answer.unreadable) == ("failed", True)
        assert node.applied < 10**6
    group.puts("n0", 3)
    assert group.run_until(group.settled, 2.0)


def test_fault_23_stock_observer_that_was_promoted_does_not_vote(stock: StockGroup) -> None:
    observer = Stock(stock, None, ["n0", "n1", "n2"])
    ask = {"type": "request_vote", "term": 9, "last_log_index": 99, "last_log_term": 8}
    observer.receive("n0", ask)
    assert [message for source, _, message in stock.sent if source == "observer"] == []
    observer.destroy()


def test_fault_23_ours_votes_whatever_its_own_log_says() -> None:
    group = Group(3, 1)
    group.lead("n0")
    node = group.node("n3")
    assert not node.state.votes
    group.cut_off("n3")
    group.run(1.0)
    sent = group.feed("n3", "n1", RequestVote(node.term + 1, node.last_index + 5, node.term))
    assert sent == [("n1", ResponseVote(node.term, granted=True))]
    group.run(3.0)
    assert node.state.campaign is None  # and it never campaigns
