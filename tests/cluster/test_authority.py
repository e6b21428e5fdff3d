"""What gossip must not decide, with real processes: which cluster, who leads, whose lease ends."""

from __future__ import annotations

import errno
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

import pytest

from coterie.consensus.autopilot.announcement import Announcement, ClusterStatus, encode
from coterie.gossip import LEFT_KEY, Address, Engine, GossipConfig, KeyStatus, KeyValue, NodeId
from coterie.gossip.wire.delta import NodeDelta
from coterie.gossip.wire.messages import Ack
from tests.cluster.processes import Node, Nodes, nodes
from tests.gossip import encoding
from tests.waiting import POLL_SECONDS, wait_until

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

SHARED = "a secret of the nodes of this test"


def raft(node: Node) -> Any:
    return node.client.get("/v1/cluster").json()["raft"]


def put(node: Node, value: str) -> Any:
    return node.client.put("/v1/meta/a", content=value)


def single(started: Nodes, name: str, folder: Path, *seeds: str) -> Node:
    """A Raft cluster of one node."""
    node = started.start(
        name,
        seeds=seeds,
        DATA_DIR=str(folder / name),
        RAFT__ENABLED="true",
        RAFT__FOUNDERS=name,
    )
    wait_until(lambda: raft(node)["leader"] == name)
    return node


def test_a_node_keeps_to_its_cluster_where_two_meet(tmp_path: Path) -> None:
    """The stray one has the higher term by far, and nobody goes over to it."""
    with nodes(INTERVAL_MS="100") as started:
        main = single(started, "main", tmp_path)
        client = started.start("client", seeds=[main.address])
        wait_until(lambda: put(client, "1").status_code == 200)
        for _ in range(3):  # each start of a lone voter is a term
            stray = single(started, "stray", tmp_path)
            stray.kill()
        stray = single(started, "stray", tmp_path, main.address)
        assert raft(stray)["term"] > raft(main)["term"]
        wait_until(lambda: len(client.live()) == 3)

        def unready(node: Node) -> bool:
            answer = node.client.get("/readyz")
            ids = [raft(each)["cluster_id"] for each in (main, stray)]
            return answer.status_code == 503 and any(each in answer.text for each in ids)

        for node in (main, stray, client):
            wait_until(lambda node=node: unready(node))  # type: ignore[misc]
        assert put(client, "2").status_code == 200
        assert main.client.get("/v1/meta/a").json()["value"] == "2"
        assert stray.client.get("/v1/meta/a").status_code == 404

        late = started.start("late", seeds=[main.address])  # it has spoken to neither
        wait_until(lambda: len(late.live()) == 4)
        wait_until(lambda: unready(late))
        assert put(late, "3").status_code == 503


def bind_both() -> tuple[socket.socket, socket.socket]:
    """UDP and TCP at one free port of loopback: one that is free for UDP may be in use for TCP."""
    while True:
        datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        datagrams.bind(("127.0.0.1", 0))
        try:
            return datagrams, socket.create_server(datagrams.getsockname())
        except OSError as error:
            datagrams.close()
            if error.errno != errno.EADDRINUSE:
                raise


class Stranger:
    """Gossips without a secret, and says what it likes."""

    def __init__(self) -> None:
        self.socket, self.http = bind_both()
        self.socket.setblocking(False)
        self.http.setblocking(False)
        self.address = Address(*self.socket.getsockname())
        config = GossipConfig(gossip_interval=0.1)
        self.engine = Engine(config, NodeId("evil", 1, self.address), Random(1), now=time.monotonic())
        self.heard: list[bytes] = []

    def gossip(self) -> None:
        now = time.monotonic()
        out = list(self.engine.round(now))
        while True:
            for to, datagram in out:
                self.socket.sendto(datagram, tuple(to))
            try:
                datagram, source = self.socket.recvfrom(70_000)
            except BlockingIOError:
                break
            out = list(self.engine.receive(datagram, Address(*source), now))
        self.listen()

    def listen(self) -> None:
        """What is sent to the leader that it says to be."""
        try:
            connection, _ = self.http.accept()
        except BlockingIOError:
            return
        with connection:
            connection.settimeout(1.0)
            self.heard.append(connection.recv(65_536))
            body = b'{"value":"evil"}'
            connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body) + body)

    def until(self, condition: Any) -> None:
        def look() -> bool:
            self.gossip()
            return bool(condition())

        wait_until(look)

    def close(self) -> None:
        self.socket.close()
        self.http.close()


@contextmanager
def three(tmp_path: Path) -> Iterator[tuple[Nodes, list[Node], Node]]:
    """Three voters with a secret, which let nobody in without a token, and a node without Raft that has the secret."""
    common = {"INTERVAL_MS": "100", "RAFT__SECRET": SHARED}
    with nodes(**common) as started:
        found: list[Node] = []
        for name in ("n1", "n2", "n3"):
            found.append(
                started.start(
                    name,
                    seeds=[each.address for each in found[:1]],
                    DATA_DIR=str(tmp_path / name),
                    RAFT__ENABLED="true",
                    RAFT__BOOTSTRAP_EXPECT="3",
                )
            )
        client = started.start("client", seeds=[found[0].address])
        wait_until(lambda: all(len(raft(node)["voters"]) == 3 and raft(node)["leader"] for node in found))
        yield started, found, client


def test_a_forged_leader_is_sent_nothing_and_a_forged_goodbye_ends_no_lease(tmp_path: Path) -> None:
    with three(tmp_path) as (_, voters, client):
        wait_until(lambda: put(client, "1").status_code == 200)
        evil = Stranger()
        try:
            said = Announcement(
                member="f" * 32,
                incarnation=1,
                host="127.0.0.1",
                port=9,
                role="voter",
                cluster_id=raft(voters[0])["cluster_id"],
                status=ClusterStatus(2**60, "f" * 32, 0, 0),
            )
            for key, value in encode(said).items():
                evil.engine.set(key, value, time.monotonic(), internal=True)
            evil.engine.seeds = tuple(Address(*socket_of(node)) for node in (*voters, client))
            evil.until(lambda: "evil" in client.live())
            assert put(client, "2").status_code == 200
            assert client.client.get("/v1/meta/a").json()["value"] == "2"
            evil.gossip()
            assert all(b"/v1/meta" not in each for each in evil.heard)
            assert all(raft(node)["leader"] != "evil" for node in (*voters, client))

            leader = next(node for node in voters if node.node_id == raft(voters[0])["leader"])
            victim = next(node for node in voters if node is not leader)
            lease = leader.client.post("/v1/leases", json={"node": victim.node_id, "hold": 0.5}).json()["lease"]
            state = next(each for each in evil.engine.states if each.id.node_id == victim.node_id)
            goodbye = KeyValue.make(LEFT_KEY, "1", state.max_version + 1, KeyStatus.SET)
            forged = encoding.encode(Ack([NodeDelta(state.id, 0, state.max_version, [goodbye], goodbye.version)]))
            for node in voters:
                if node is not victim:
                    evil.socket.sendto(forged, socket_of(node))
            wait_until(lambda: victim.node_id not in leader.live())
            over = time.monotonic() + 3.0  # the hold, and time to ask
            while time.monotonic() < over:
                assert leader.client.get(f"/v1/leases/{lease}").status_code == 200
                time.sleep(POLL_SECONDS)
            victim.kill()
            wait_until(lambda: leader.client.get(f"/v1/leases/{lease}").status_code == 404)
        finally:
            evil.close()


def socket_of(node: Node) -> tuple[str, int]:
    host, _, port = node.address.rpartition(":")
    return host, int(port)
