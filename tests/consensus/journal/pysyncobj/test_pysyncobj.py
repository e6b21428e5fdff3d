"""PySyncObj's own node, stock, running on this journal: all that it needs of one is here, under other names."""

from __future__ import annotations

from random import Random

from coterie.consensus.journal import DiskThread, MemberDirectory, open_member_directory
from coterie.consensus.raft import ports
from coterie.consensus.raft.ports import SnapshotInfo
from tests.consensus.journal.disks.memory_files import Fate, MemoryFiles
from tests.consensus.journal.member import DIRECTORY, SMALL
from tests.consensus.journal.pysyncobj.stock import StockNode


def stand_behind_the_nodes_ports(
    store: MemberDirectory, disk: DiskThread
) -> tuple[ports.Journal, ports.SnapshotStore, ports.Disk]:
    """Never called: the type checker holds the classes to the node's ports here."""
    return store.journal, store.snapshots, disk


def test_a_node_goes_on_from_what_was_synced_when_the_power_went() -> None:
    files = MemoryFiles()
    commands = [b"\x00%d" % number for number in range(10)]
    for start in range(3):
        store = open_member_directory(DIRECTORY, config=SMALL, files=files)
        term = store.journal.term
        node = StockNode(journal=store.journal)
        node.tick_until(node._isLeader)
        assert store.journal.term > term
        assert store.journal.voted_for == "a"
        for command in commands:
            node._applyCommand(command, None)
        wanted = commands * (start + 1)
        node.tick_until(lambda: [c for c in node.applied if c[1:]] == wanted)  # noqa: B023 - called within the round
        store.journal.sync()
        files = files.rebooted(Fate.DROP, Random(start))


def test_a_node_goes_on_from_a_snapshot_and_the_log_behind_it() -> None:
    files = MemoryFiles()
    store = open_member_directory(DIRECTORY, config=SMALL, files=files)
    node = StockNode(journal=store.journal)
    node.tick_until(node._isLeader)
    for number in range(50):
        node._applyCommand(b"\x00%d" % number, None)
    node.tick_until(lambda: len(node.applied) >= 50)
    store.journal.sync()
    log = store.journal[:]
    info = SnapshotInfo(log[29], log[30], ("a",))
    draft = store.snapshots.create(info)
    draft.seal()
    draft.install()
    store.journal.drop_before(29)
    store = open_member_directory(DIRECTORY, config=SMALL, files=files.rebooted(Fate.DROP, Random(0)))
    latest = store.snapshots.latest()
    assert latest == info
    assert store.journal[:] == log[29:]
    assert (store.journal[0], store.journal[1]) == (latest.prev, latest.last)
