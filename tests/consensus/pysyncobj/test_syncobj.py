"""Three objects on loopback with PySyncObj's own batteries: they replicate, restart from disk, and outlive a leader."""

# mypy: disable-error-code="untyped-decorator,no-redef"

from __future__ import annotations

import datetime
import logging
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from pysyncobj.batteries import (  # type: ignore[import-untyped]
    ReplCounter,
    ReplDict,
    ReplList,
    ReplLockManager,
    ReplPriorityQueue,
    ReplQueue,
    ReplSet,
)

from coterie.consensus.pysyncobj import (
    FAIL_REASON,
    SyncObj,
    SyncObjConf,
    SyncObjException,
    replicated,
    replicated_sync,
)
from tests.waiting import wait_until


class Program(SyncObj):
    def __init__(self, own: str, partners: list[str], conf: SyncObjConf, consumers: Any = ()) -> None:
        self.things = tuple(consumers)  # before super().__init__: not replicated
        self.mine = threading.Lock()
        super().__init__(own, partners, conf, consumers)
        self.total = 0

    @replicated
    def add(self, value: int) -> int:
        self.total += value
        return self.total

    @replicated_sync
    def add_now(self, value: int) -> int:
        self.total += value
        return self.total

    @replicated
    def fail(self) -> None:
        raise KeyError("on purpose")

    @replicated
    def greet(self) -> str:
        return "old"

    @replicated(ver=1)
    def greet(self) -> str:  # noqa: F811
        return "new"


class Cluster:
    def __init__(self, directory: Path, stack: ExitStack, **conf: Any) -> None:
        self.conf = conf
        self.directory = directory
        self.stack = stack
        self.addresses = free_addresses(3)
        self.nodes = [self.start(at) for at in range(3)]
        self.ready()

    def start(self, at: int, **conf: Any) -> Program:
        own = self.addresses[at]
        consumers = [ReplDict(), ReplCounter(), ReplSet(), ReplList(), ReplQueue(), ReplPriorityQueue()]
        locks = ReplLockManager(60.0, selfID=own)
        self.stack.callback(locks.destroy)
        conf = {"journalFile": str(self.directory / str(at)), "dynamicMembershipChange": True, **self.conf, **conf}
        node = Program(own, [each for each in self.addresses if each != own], SyncObjConf(**conf), [*consumers, locks])
        self.stack.callback(node.destroy_synchronous)
        return node

    def ready(self) -> None:
        wait_until(lambda: all(node.isReady() for node in self.nodes))

    @property
    def leader(self) -> Program:
        wait_until(lambda: any(node._isLeader() for node in self.nodes))
        return next(node for node in self.nodes if node._isLeader())


def free_addresses(count: int) -> list[str]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [f"127.0.0.1:{each.getsockname()[1]}" for each in sockets]


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with ExitStack() as stack:
        yield Cluster(tmp_path, stack)


class Answer:
    def __init__(self) -> None:
        self.got: list[tuple[Any, int]] = []

    def __call__(self, result: Any, reason: int) -> None:
        self.got.append((result, reason))

    def wait(self) -> tuple[Any, int]:
        wait_until(lambda: self.got)
        return self.got[0]


def test_batteries_work_from_every_node_and_outlive_a_restart(cluster: Cluster) -> None:
    names, count, unique, items, queue, ranked, locks = cluster.nodes[0].things
    names.set((1, "a"), {2, 3}, sync=True)
    names["b"] = b"\x00"
    assert [node.things[1].inc(sync=True) for node in cluster.nodes] == [1, 2, 3]
    unique.add((1, 2), sync=True)
    items.append(None, sync=True)
    queue.put({"job": [1]}, sync=True)
    ranked.put(2, sync=True)
    ranked.put(1, sync=True)
    assert ranked.get(sync=True) == 1
    assert locks.tryAcquire("lock", sync=True)
    assert not cluster.nodes[1].things[-1].tryAcquire("lock", sync=True)
    assert [node.add_now(5) for node in cluster.nodes] == [5, 10, 15]
    answer = Answer()
    cluster.nodes[1].add(1, callback=answer)
    assert answer.wait() == (16, FAIL_REASON.SUCCESS)
    cluster.leader.forceLogCompaction()
    count.add(10, sync=True)
    for node in cluster.nodes:
        node.things[-1].destroy()
        node.destroy_synchronous()
        assert not node.tick_thread_alive()

    cluster.nodes = [cluster.start(at) for at in range(3)]
    cluster.ready()
    for node in cluster.nodes:
        names, count, unique, items, queue, ranked, locks = node.things
        assert names.rawData() == {(1, "a"): {2, 3}, "b": b"\x00"}
        assert (count.get(), unique.rawData(), items.rawData(), len(queue), len(ranked)) == (13, {(1, 2)}, [None], 1, 1)
        assert node.total == 16
    assert cluster.nodes[0].things[-1].isAcquired("lock")


def test_another_node_leads_when_the_leader_ends_and_it_catches_up(cluster: Cluster) -> None:
    leader = cluster.leader
    at = cluster.nodes.index(leader)
    leader.destroy_synchronous()
    rest = [node for node in cluster.nodes if node is not leader]
    assert rest[0].add(7, sync=True) == 7
    assert rest[0]._getLeader() != leader.selfNode
    wait_until(lambda: not rest[0].isNodeConnected(leader.selfNode))
    assert rest[0].getStatus()["partner_node_status_server_" + cluster.addresses[at]] == 0

    cluster.nodes[at] = cluster.start(at)
    wait_until(cluster.nodes[at].isReady)
    assert cluster.nodes[at].total == 7


def test_members_leave_and_come(cluster: Cluster) -> None:
    leader = cluster.leader
    follower, other = [node for node in cluster.nodes if node is not leader]
    removed, added = Answer(), Answer()
    leader.removeNodeFromCluster(other.selfNode, removed)
    assert removed.wait() == (None, FAIL_REASON.SUCCESS)
    assert leader.otherNodes == {follower.selfNode}
    leader.addNodeToCluster(other.selfNode, added)
    assert added.wait() == (None, FAIL_REASON.SUCCESS)
    assert leader.otherNodes == {follower.selfNode, other.selfNode}
    assert other.add_now(1) == 1


def test_leadership_is_handed_over(cluster: Cluster) -> None:
    leader = cluster.leader
    target = next(node for node in cluster.nodes if node is not leader)
    answer = Answer()
    leader.transferLeadership(target.selfNode, answer)
    assert answer.wait() == (None, FAIL_REASON.SUCCESS)
    wait_until(target._isLeader)


def test_a_new_code_version_is_for_all(cluster: Cluster) -> None:
    first, second, _ = cluster.nodes
    assert second.greet(sync=True) == "old"
    answer = Answer()
    first.setCodeVersion(1, answer)
    assert answer.wait() == (None, FAIL_REASON.SUCCESS)
    wait_until(lambda: second.getCodeVersion() == 1)
    assert second.greet(sync=True) == "new"
    with pytest.raises(Exception, match="wrong version 2"):
        first.setCodeVersion(2)


def test_a_method_that_raises_is_an_outcome_and_the_log_goes_on(cluster: Cluster) -> None:
    with pytest.raises(SyncObjException) as raised:
        cluster.nodes[0].fail(sync=True)
    assert raised.value.errorCode == FAIL_REASON.REQUEST_DENIED
    assert cluster.nodes[0].add_now(1) == 1


def test_what_cannot_travel_is_refused_at_the_call(cluster: Cluster) -> None:
    with pytest.raises(TypeError, match=r"argument 2 of set\(\)\['at'\] is of type datetime.date"):
        cluster.nodes[0].things[0].set("a", {"at": datetime.date(2020, 1, 1)}, sync=True)
    assert cluster.nodes[0].add_now(1) == 1


def test_a_burst_of_large_calls_waits_its_turn(tmp_path: Path) -> None:
    """The election timeout is long: three nodes in one process must not depose each other on a busy machine."""
    reasons: list[int] = []
    with ExitStack() as stack:
        for node in Cluster(tmp_path, stack, raftMinTimeout=5.0, raftMaxTimeout=7.0, connectionTimeout=8.0).nodes:
            for at in range(100):
                node.things[0].set(at, "x" * 100_000, callback=lambda _, reason: reasons.append(reason))
        wait_until(lambda: len(reasons) == 300)
    assert set(reasons) == {FAIL_REASON.SUCCESS}


def test_the_status_has_the_keys_of_pysyncobj(cluster: Cluster) -> None:
    status = cluster.leader.getStatus()
    assert status["self"] == status["leader"] == cluster.leader.selfNode
    assert status["has_quorum"]
    assert status["partner_nodes_count"] == status["match_idx_count"] == 2
    assert status["state"] == 2


def test_a_wrong_password_gets_no_link(tmp_path: Path) -> None:
    one, two = free_addresses(2)
    with ExitStack() as stack:
        nodes = []
        for own, partner, password in ((one, two, "right"), (two, one, "wrong")):
            conf = SyncObjConf(journalFile=str(tmp_path / own), password=password)
            nodes.append(Program(own, [partner], conf))
            stack.callback(nodes[-1].destroy_synchronous)
        with pytest.raises(SyncObjException, match="Timeout"):
            nodes[0].add(1, sync=True, timeout=1.0)
        assert not nodes[0].isNodeConnected(two)


def single(tmp_path: Path, **conf: Any) -> Program:
    tmp_path.mkdir(exist_ok=True)
    return Program(free_addresses(1)[0], [], SyncObjConf(journalFile=str(tmp_path / "member"), **conf))


def test_one_thread_may_drive_it(tmp_path: Path) -> None:
    node = single(tmp_path, autoTick=False)
    answer = Answer()
    node.add(3, callback=answer)
    assert node.total == 0
    for _ in range(400):
        node.doTick(0.02)
        if answer.got:
            break
    assert answer.got == [(3, FAIL_REASON.SUCCESS)]
    node.destroy()
    late = Answer()
    node.add(1, callback=late)
    assert late.got == [(None, FAIL_REASON.MISSING_LEADER)]


def test_no_leader_and_a_full_queue_are_said_at_once(tmp_path: Path) -> None:
    own, partner = free_addresses(2)
    conf = SyncObjConf(journalFile=str(tmp_path / "member"), commandsQueueSize=1, autoTick=False)
    node = Program(own, [partner], conf)
    first, second, third = Answer(), Answer(), Answer()
    node.add(1, callback=first)
    node.add(1, callback=second)
    assert second.got == [(None, FAIL_REASON.QUEUE_FULL)]
    conf.commandsWaitLeader = False
    node.add(1, callback=third)
    assert third.got == [(None, FAIL_REASON.MISSING_LEADER)]
    node.destroy()
    assert first.got == [(None, FAIL_REASON.MISSING_LEADER)]


def test_an_attribute_that_cannot_be_saved_is_refused_at_the_start(tmp_path: Path) -> None:
    class Wrong(Program):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            self.lock = threading.Lock()

    conf = SyncObjConf(journalFile=str(tmp_path / "member"))
    with pytest.raises(TypeError, match=r"attribute lock of Wrong is of type _thread.lock.*before super"):
        Wrong(free_addresses(1)[0], [], conf)
    node = single(tmp_path / "another")
    with pytest.raises(TypeError, match=r"attribute lock of Program is of type _thread.lock"):
        node.lock = threading.Lock()
    node.destroy_synchronous()


def test_a_synchronous_call_inside_init_is_refused(tmp_path: Path) -> None:
    class Early(Program):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            try:
                self.add_now(1)
            finally:
                self.destroy()

    with pytest.raises(SyncObjException, match="NotStarted"):
        Early(free_addresses(1)[0], [], SyncObjConf(journalFile=str(tmp_path / "member")))


def test_a_file_of_pysyncobj_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "member").write_bytes(b"PYSYNCOBJ")
    with pytest.raises(FileExistsError, match="cannot be taken over"):
        single(tmp_path)


def test_an_address_that_is_taken_is_a_bind_error(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        own = f"127.0.0.1:{taken.getsockname()[1]}"
        node = Program(own, [], SyncObjConf(journalFile=str(tmp_path / "member"), maxBindRetries=1))
        with pytest.raises(SyncObjException, match="BindError"):
            node.waitBinded()
        node.destroy_synchronous()


def test_without_a_directory_it_says_so(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        node = Program(free_addresses(1)[0], [], SyncObjConf())
    assert "has no journalFile" in caplog.text
    assert node.add(2, sync=True, timeout=60.0) == 2
    node.destroy_synchronous()
