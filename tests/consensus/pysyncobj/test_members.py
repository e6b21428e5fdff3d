"""Who is there besides voters: read-only nodes, administrators, the metadata as a consumer; and links with TLS."""

# mypy: disable-error-code="untyped-decorator"

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from pysyncobj.batteries import ReplCounter, ReplDict  # type: ignore[import-untyped]

from coterie.consensus.api.errors import ConflictError
from coterie.consensus.api.metadata import Metadata
from coterie.consensus.pysyncobj import ReplMetadata, SyncObj, SyncObjConf, SyncObjException
from coterie.consensus.pysyncobj.admin import ask, executeAdminCommand
from coterie.consensus.pysyncobj.codec import encode
from coterie.consensus.pysyncobj.machine import ConsumersStateMachine, Methods
from coterie.consensus.pysyncobj.settings import CLUSTER, address_of
from coterie.consensus.raft.net.session import Identity
from coterie.consensus.raft.net.tcp import TcpTransport
from coterie.consensus.store import Limits
from tests.app.certificates import Authority
from tests.consensus.pysyncobj.test_syncobj import Answer, free_addresses
from tests.waiting import wait_until


class Program(SyncObj):
    names: Any
    count: Any
    metadata: Any

    def __init__(self, *args: Any, **options: Any) -> None:
        self.names, self.count, self.metadata = args[3]  # before super().__init__: not replicated
        super().__init__(*args, **options)

    @property
    def node(self) -> Any:
        return self._group._node


class Trio:
    """Three voters, and what else is started; each with a dict, a counter and the metadata."""

    def __init__(self, directory: Path, stack: ExitStack, tls: Any = None) -> None:
        self.directory = directory
        self.stack = stack
        self.tls = tls
        self.addresses = free_addresses(3)
        self.voters = [self.start(own) for own in self.addresses]
        self.ready(*self.voters)

    def start(self, own: str | None, name: str | None = None, **conf: Any) -> Program:
        files = {} if name is None and own is None else {"journalFile": str(self.directory / (name or str(own)))}
        conf = {"dynamicMembershipChange": True, "password": "word", **files, **conf}
        consumers = [ReplDict(), ReplCounter(), ReplMetadata()]
        partners = [each for each in self.addresses if each != own]
        node = Program(own, partners, SyncObjConf(**conf), consumers, tls=self.tls)
        self.stack.callback(node.destroy)
        return node

    @staticmethod
    def ready(*nodes: Program) -> None:
        wait_until(lambda: all(node.isReady() for node in nodes))

    @property
    def leader(self) -> Program:
        wait_until(lambda: any(node._isLeader() for node in self.voters))
        return next(node for node in self.voters if node._isLeader())

    @property
    def follower(self) -> Program:
        leader = self.leader
        return next(node for node in self.voters if node is not leader)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def trio(tmp_path: Path) -> Iterator[Trio]:
    with ExitStack() as stack:
        yield Trio(tmp_path, stack)


def test_a_read_only_node_follows_and_calls_and_has_no_vote(trio: Trio) -> None:
    trio.voters[0].names.set("before", 1, sync=True)
    watcher = trio.start(None)
    trio.ready(watcher)
    assert watcher.names["before"] == 1
    watcher.names.set("its", 2, sync=True)
    wait_until(lambda: trio.voters[2].names.get("its") == 2)
    assert watcher.selfNode is None
    assert watcher._getLeader() == trio.leader.selfNode
    assert {str(node.id) for node in watcher.otherNodes} == set(trio.addresses)
    assert [node.getStatus()["readonly_nodes_count"] for node in trio.voters] == [1, 1, 1]
    assert set(trio.leader._group.voters) == set(trio.addresses)
    watcher.destroy()
    wait_until(lambda: [node.getStatus()["readonly_nodes_count"] for node in trio.voters] == [0, 0, 0])


def test_read_only_nodes_are_no_majority(trio: Trio) -> None:
    watchers = [trio.start(None), trio.start(None, "kept")]
    trio.ready(*watchers)
    for gone in trio.voters[:2]:
        gone.destroy()
    wait_until(lambda: not trio.voters[2].hasQuorum)
    with pytest.raises(SyncObjException):
        watchers[0].names.set("alone", 1, sync=True, timeout=1.0)


def test_a_kept_read_only_node_goes_on_from_its_directory(trio: Trio) -> None:
    watcher = trio.start(None, "kept")
    trio.ready(watcher)
    trio.voters[0].names.set("a", 1, sync=True)
    wait_until(lambda: watcher.names.get("a") == 1)
    name = watcher._group.own
    watcher.destroy()
    again = trio.start(None, "kept")
    trio.ready(again)
    assert again._group.own == name
    assert again.names["a"] == 1


def test_any_voter_changes_the_voters(trio: Trio) -> None:
    leader, follower = trio.leader, trio.follower
    other = next(node for node in trio.voters if node not in {leader, follower})
    removed, added = Answer(), Answer()
    follower.removeNodeFromCluster(other.selfNode, removed)
    assert removed.wait() == (None, 0)
    assert leader.otherNodes == {follower.selfNode}
    follower.addNodeToCluster(other.selfNode, added)
    assert added.wait() == (None, 0)
    assert leader.otherNodes == {follower.selfNode, other.selfNode}


def test_administrators_ask_any_voter_and_prove_the_password(trio: Trio) -> None:
    def say(node: Program, *words: str, proof: str = "word") -> str:
        return executeAdminCommand(["-conn", node._group.own, "-pass", proof, *words])

    leader, follower = trio.leader, trio.follower
    status = dict(line.split(": ") for line in say(follower, "-status").splitlines())
    assert status["self"] == str(follower.selfNode)
    assert status["leader"] == str(leader.selfNode)
    assert status.keys() == follower.getStatus().keys()
    other = next(node for node in trio.voters if node not in {leader, follower})._group.own
    assert say(follower, "-remove", other) == f"SUCCESS REMOVE {other}"
    assert say(leader, "-add", other) == f"SUCCESS ADD {other}"
    assert say(leader, "-add", other).startswith("FAIL ADD")
    assert say(follower, "-set_version", "7").startswith("wrong version 7")
    assert "wrong_secret" in say(leader, "-status", proof="guessed")
    assert leader.getStatus()["readonly_nodes_count"] == 0
    assert set(leader._group.linked) <= {*trio.addresses}
    assert say(leader, "-transfer", follower._group.own) == f"SUCCESS TRANSFER {follower._group.own}"
    wait_until(follower._isLeader)


@pytest.mark.anyio
async def test_a_member_without_an_administrators_port_refuses_one() -> None:
    events: list[str] = []
    [address] = free_addresses(1)
    identity = Identity(CLUSTER, address, 1, b"process", b"secret")
    transport = TcpTransport(identity, lambda _: None, on_event=lambda kind, _: events.append(kind))
    await transport.listen(*address_of(address))
    with pytest.raises(ConnectionError):
        await ask(address, b"secret", ["status"])
    assert events == ["no_guests"]
    assert transport.links == {}
    await transport.close()


def test_a_program_has_the_metadata_of_a_node_beside_its_own_consumers(trio: Trio, tmp_path: Path) -> None:
    first, second, third = trio.voters

    async def locked(metadata: Metadata) -> int:
        async with metadata.lock(b"job", ttl=5.0) as held:
            return held.token

    done = first.metadata.run(lambda m: m.put(b"k", b"v"))
    assert second.count.inc(sync=True) == 1
    assert third.metadata.run(lambda m: m.get(b"k")).value.mod_revision == done.revision
    with pytest.raises(ConflictError):
        second.metadata.run(lambda m: m.put(b"k", b"other", expect=0))
    tokens = [node.metadata.run(locked) for node in trio.voters]
    assert tokens == sorted(set(tokens))
    for node in trio.voters:
        node.forceLogCompaction()
    wait_until(lambda: all(node.node.snapshot_index for node in trio.voters))
    late = trio.start(None)
    trio.ready(late)
    assert (late.count.get(), late.metadata.run(lambda m: m.get(b"k")).value.value) == (1, b"v")
    for node in trio.voters:
        node.destroy()
    trio.voters[:] = [trio.start(own) for own in trio.addresses]
    trio.ready(*trio.voters)
    assert trio.voters[0].count.inc(sync=True) == 2
    assert trio.voters[1].metadata.run(lambda m: m.get(b"k")).value.value == b"v"
    with pytest.raises(SyncObjException, match="Stopped"):
        late.metadata.run(lambda m: _destroyed_meanwhile(late))
    with pytest.raises(SyncObjException, match="Stopped"):
        late.metadata.run(lambda m: m.get(b"k"))
    with pytest.raises(SyncObjException, match="at most once"):
        SyncObj(None, [], SyncObjConf(), [ReplMetadata(), ReplMetadata()])
    with pytest.raises(SyncObjException, match="NotStarted"):
        ReplMetadata().run(lambda m: m.get(b"k"))


async def _destroyed_meanwhile(node: Program) -> None:
    threading.Thread(target=node.destroy).start()
    await asyncio.Event().wait()


def test_a_snapshot_is_of_one_program() -> None:
    def machine(metadata: bool) -> ConsumersStateMachine:
        counter = ReplCounter()
        consumer = ReplMetadata(Limits()).consumer.machine if metadata else None
        return ConsumersStateMachine([counter], Methods([counter]), lambda _, __: None, consumer)

    both, plain = machine(metadata=True), machine(metadata=False)
    for of, into in ((both, plain), (plain, both)):
        with pytest.raises(ValueError, match=r"program|value"):
            into.restore(of.snapshot())
    for chunk_bytes in (1, 7, 1 << 20):
        data = b"".join(both.snapshot())
        both.restore(iter([data[at : at + chunk_bytes] for at in range(0, len(data), chunk_bytes)]))
    with pytest.raises(ValueError, match="another program"):
        both.restore(iter([data[:12]]))
    assert encode([0, [{}]], "")[0] >= 0x80


def test_links_and_administrators_use_tls_where_the_program_gives_it(tmp_path: Path) -> None:
    authority = Authority("own")
    trusted, (certificate, key) = authority.file(tmp_path), authority.certify(tmp_path, "127.0.0.1")
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=trusted)
    server.verify_mode = ssl.CERT_REQUIRED
    client = ssl.create_default_context(cafile=trusted)
    for context in (server, client):
        context.load_cert_chain(certificate, key)
    with ExitStack() as stack:
        trio = Trio(tmp_path, stack, tls=(server, client))
        trio.voters[0].names.set("a", 1, sync=True)
        words = ["-conn", trio.addresses[0], "-pass", "word", "-status"]
        assert "has_quorum: True" in executeAdminCommand([*words, "-ca", trusted, "-cert", certificate, "-key", key])
        assert executeAdminCommand(words).startswith("no answer")
        added = Answer()
        trio.follower.removeNodeFromCluster(trio.addresses[2], added)
        assert added.wait() == (None, 0)
