"""Faults that a program can meet through PySyncObj's own interface: the same program on stock and on ours.

The others need a message at a moment, a crash between two lines or a full disk, which the interface does not give.
"""

# mypy: disable-error-code="untyped-decorator"

from __future__ import annotations

import os
import pickle
import socket
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from coterie.consensus.pysyncobj import SyncObj, SyncObjConf, SyncObjException, engine, replicated
from coterie.consensus.raft.errors import CorruptStateError
from tests.consensus.pysyncobj.test_syncobj import Answer, free_addresses
from tests.verify.pysyncobj_faults.test_01_to_08 import RAN, Evil
from tests.waiting import wait_until

# Stock leaves its journal to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

SUCCESS = 0
WHILE_SECONDS = 3.0
"""Longer than an election, and than a leader of ours leads on alone."""


class World:
    """One engine, and programs on it in this process."""

    def __init__(self, name: str, directory: Path, stack: ExitStack) -> None:
        self.stock = name == "stock"
        self.directory = directory
        self.stack = stack
        base = engine.syncobj.SyncObj if self.stock else SyncObj

        class Program(base):  # type: ignore[misc, valid-type]
            def __init__(self, *args: Any) -> None:
                super().__init__(*args)
                self.data: dict[str, int] = {}

            @replicated
            def put(self, key: str, value: int) -> int:
                self.data[key] = value
                return value

            @replicated
            def raise_error(self) -> None:
                raise ValueError("a bug in a replicated method")

        class WithOneMethodMore(Program):
            @replicated
            def add_first(self, key: str, value: int) -> None:
                self.data[key] = -value

        self.program, self.with_one_method_more = Program, WithOneMethodMore

    def start(self, own: str, partners: list[str] | tuple[str, ...] = (), program: Any = None, **conf: Any) -> Any:
        conf = {"journalFile": str(self.directory / own), "dynamicMembershipChange": True, **conf}
        node = (program or self.program)(own, [each for each in partners if each != own], SyncObjConf(**conf))
        self.stack.callback(self.end, node)
        return node

    @staticmethod
    def end(node: Any) -> None:
        """`destroy` of stock returns before its thread has let the address and the files go."""
        node.destroy()
        wait_until(lambda: not node.tick_thread_alive())

    def group(self, count: int = 3, **conf: Any) -> list[Any]:
        addresses = free_addresses(count)
        nodes = [self.start(own, addresses, **conf) for own in addresses]
        wait_until(lambda: all(node.isReady() for node in nodes))
        return nodes

    def alone(self, nodes: list[Any]) -> Any:
        """The leader, after all others have ended."""
        wait_until(lambda: any(node._isLeader() for node in nodes))
        leader = next(node for node in nodes if node._isLeader())
        for node in nodes:
            if node is not leader:
                self.end(node)
        return leader


@pytest.fixture(params=["stock", "ours"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    with ExitStack() as stack:
        yield World(request.param, tmp_path, stack)


def acknowledged(node: Any, key: str) -> bool:
    try:
        return bool(node.put(key, 1, sync=True, timeout=2.0) == 1)
    except SyncObjException:
        return False


def test_fault_01_a_minority_removes_its_way_to_a_majority(world: World) -> None:
    leader = world.alone(world.group())
    removed = [Answer() for _ in leader.otherNodes]
    for node, answer in zip(list(leader.otherNodes), removed, strict=True):
        leader.removeNodeFromCluster(node, answer)
    time.sleep(WHILE_SECONDS)
    assert acknowledged(leader, "split") is world.stock
    assert any(answer.got[:1] == [(None, SUCCESS)] for answer in removed) is world.stock


def test_fault_02_two_founding_lists_elect_two_leaders(world: World) -> None:
    """The member in both lists is not there: each side has two of its three."""
    a, b, both, c, d = free_addresses(5)
    nodes = [
        world.start(own, partners) for own, partners in ((a, [b, both]), (b, [a, both]), (c, [d, both]), (d, [c, both]))
    ]
    if world.stock:
        wait_until(lambda: sum(node._isLeader() for node in nodes) == 2)
    else:
        time.sleep(WHILE_SECONDS)
        assert not any(node._isLeader() for node in nodes)


def test_fault_03_a_change_that_is_not_committed_is_forgotten_at_a_restart(world: World) -> None:
    nodes = world.group(raftMinTimeout=4.0, raftMaxTimeout=5.0, connectionTimeout=8.0)  # so long it leads on alone
    leader = world.alone(nodes)
    own, partners = leader.selfNode.address, [node.address for node in leader.otherNodes]
    [newcomer] = free_addresses(1)
    leader.addNodeToCluster(newcomer)
    wait_until(lambda: engine.TCPNode(newcomer) in leader.otherNodes)
    time.sleep(0.5)  # for what was appended to be on the disk
    world.end(leader)
    again = world.start(own, partners)
    wait_until(lambda: again.getStatus()["log_len"] > 2)
    assert (engine.TCPNode(newcomer) in again.otherNodes) is not world.stock


def test_fault_05_a_write_is_acknowledged_before_it_is_durable(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    [node] = world.group(1)
    syncs: list[int] = []
    real = {"fsync": os.fsync, "fdatasync": os.fdatasync}
    for name, sync in real.items():

        def noticed(fd: int, sync: Any = sync) -> None:
            syncs.append(fd)
            sync(fd)

        monkeypatch.setattr(os, name, noticed)
    assert acknowledged(node, "k")
    assert (not syncs) is world.stock


def test_fault_06_a_stranger_runs_code(world: World) -> None:
    RAN.clear()
    own = free_addresses(1)[0]
    world.start(own).waitBinded()
    host, _, port = own.rpartition(":")
    data = zlib.compress(pickle.dumps(Evil(), 2))
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(len(data).to_bytes(4, "little") + data)
        if world.stock:
            wait_until(lambda: RAN == ["before authentication"])
        else:
            assert connection.recv(1) == b""  # it closes the connection
            assert RAN == []


def test_fault_08_a_method_that_raises_ends_all_writes(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threading, "excepthook", lambda _: None)  # of stock's thread
    [node] = world.group(1)
    assert acknowledged(node, "before")
    node.raise_error()
    assert acknowledged(node, "after") is not world.stock


def test_fault_09_no_callback_after_the_end(world: World) -> None:
    own, partner = free_addresses(2)
    node = world.start(own, [partner])
    answer = Answer()
    node.put("k", 1, callback=answer)
    time.sleep(0.2)
    world.end(node)
    assert (answer.got == []) is world.stock
    assert world.stock or answer.got[0][1] != SUCCESS


def test_fault_10_a_damaged_snapshot_counts_as_installed(world: World) -> None:
    own = free_addresses(1)[0]
    files = {"journalFile": None, "fullDumpFile": str(world.directory / "dump")}
    node = world.start(own, [], **files)
    wait_until(node.isReady)
    assert acknowledged(node, "k")
    node.forceLogCompaction()
    dump = world.directory / "dump"

    def snapshots() -> list[Path]:
        return [dump] if dump.is_file() else [each for each in dump.glob("snapshot-*") if each.suffix != ".tmp"]

    wait_until(snapshots)
    world.end(node)
    for file in snapshots():
        # Half of it: one flipped bit may meet a byte of the gzip header that stock never looks at.
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    if world.stock:
        again = world.start(own, [], **files)
        wait_until(again.isReady)
        assert again.data == {}
    else:
        with pytest.raises(CorruptStateError):
            world.start(own, [], **files)


def test_fault_11_a_leader_without_a_majority_leads_on(world: World) -> None:
    leader = world.alone(world.group())
    time.sleep(WHILE_SECONDS)
    assert leader._isLeader() is world.stock


def test_fault_14_a_new_method_changes_what_the_log_calls(world: World) -> None:
    own = free_addresses(1)[0]
    node = world.start(own)
    wait_until(node.isReady)
    assert acknowledged(node, "k")
    world.end(node)
    again = world.start(own, program=world.with_one_method_more)
    wait_until(lambda: again.isReady() and "k" in again.data)
    assert again.data == {"k": -1 if world.stock else 1}


@pytest.mark.slow
def test_fault_30_many_calls_raise_although_they_are_queued(world: World) -> None:
    node = world.start(free_addresses(1)[0], autoTick=False, appendEntriesUseBatch=False)
    raised = 0
    for _ in range(70_000):
        try:
            node.put("k", 1)
        except OSError:
            raised += 1
    assert (raised > 0) is world.stock
