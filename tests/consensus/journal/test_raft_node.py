"""The hardened node, alone in its cluster, on these files: what it acknowledged outlives the power."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

from coterie.consensus.journal import MemberDirectory, open_member_directory
from coterie.consensus.raft.errors import RaftError
from coterie.consensus.raft.messages import Message
from coterie.consensus.raft.node import RaftNode
from coterie.consensus.raft.settings import RaftConfig
from tests.consensus.journal.disks.memory_files import Fate, MemoryFiles
from tests.consensus.journal.member import DIRECTORY, SMALL
from tests.verify.raft_sim.workload.machine import Registers, encode_op


class NoTransport:
    def bind(self, *_: Any) -> None: ...

    def send(self, _member: str, _message: Message) -> None: ...

    def add(self, _member: str) -> None: ...

    def drop(self, _member: str) -> None: ...


class Hand:
    """Disk and clock, moved by hand: jobs run at once and report when `turn` is called."""

    def __init__(self) -> None:
        self.now = 0.0
        self.reports: list[tuple[Callable[..., None], Any, BaseException | None]] = []

    def submit(self, job: Callable[[], Any], done: Callable[..., None]) -> None:
        self.reports.append((done, job(), None))

    def monotonic(self) -> float:
        return self.now

    def random(self) -> float:
        return 0.5

    def turn(self, node: RaftNode) -> None:
        self.now += 0.02
        node.tick()
        reports, self.reports = self.reports, []
        for done, result, error in reports:
            done(result, error)


def run(store: MemberDirectory, first: int) -> tuple[RaftNode, Registers, list[int]]:
    """A node that has led, taken 40 operations from number `first` on, and cut its log; what it acknowledged."""
    machine, hand, acknowledged = Registers(), Hand(), list[int]()
    node = RaftNode(
        "a",
        ("a",),
        journal=store.journal,
        snapshots=store.snapshots,
        machine=machine,
        transport=NoTransport(),
        disk=hand,
        clock=hand,
        settings=RaftConfig(),
    )
    node.load()
    node.start()
    while not node.leading:
        hand.turn(node)

    def answered(error: RaftError | None, revision: int) -> None:
        assert error is None
        acknowledged.append(revision)

    for number in range(first, first + 40):
        node.propose(encode_op((number, "key", number)), answered, 5.0)
        hand.turn(node)
        if number % 15 == 0:
            node.compact()
    while len(acknowledged) < 40:
        hand.turn(node)
    return node, machine, acknowledged


def test_what_the_node_acknowledged_is_there_after_every_power_cut() -> None:
    files = MemoryFiles()
    for start in range(5):
        store = open_member_directory(DIRECTORY, config=SMALL, files=files)
        node, machine, acknowledged = run(store, 1 + 40 * start)
        assert node.failure is None
        assert acknowledged == list(range(1 + 40 * start, 41 + 40 * start))
        assert machine.ids == list(range(1, 41 + 40 * start))
        latest = store.snapshots.latest()
        assert latest is not None
        assert len(store.journal) < 60
        files = files.rebooted(Fate.MIXED, Random(start))
