"""A trial of the network itself, in a process of its own: datagrams and connections between two nodes, with links that
work, are cut, are deaf in one direction, reset, and work again. Prints the name of each part that went as it should.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable
from typing import TypeVar

from tests.verify.consistency.network import Link, Wiring, enter, node_network
from tests.verify.consistency.network.namespaces import NodeNetwork, set_namespace
from tests.verify.consistency.network.wiring import between

PATIENCE = 30.0
SILENCE = 0.3
"""Seconds after which nothing more is expected."""

T = TypeVar("T")


def inside(network: NodeNetwork, make: Callable[[], T]) -> T:
    """Call in a node's namespace: sockets that are made there stay there."""
    made: list[T] = []

    def work() -> None:
        set_namespace(network.namespace)
        made.append(make())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    return made[0]


class Pair:
    """Sockets at two nodes."""

    def __init__(self, one: NodeNetwork, other: NodeNetwork) -> None:
        self.nodes = (one, other)
        self.udp = [inside(node, lambda node=node: _udp(node.address)) for node in self.nodes]  # type: ignore[misc]
        self.listener = inside(other, lambda: socket.create_server((other.address, 7)))

    def hears(self, sender: int) -> bool:
        """Whether a datagram of that side reaches the other."""
        receiver = 1 - sender
        self.udp[sender].sendto(b"x", (self.nodes[receiver].address, 7))
        self.udp[receiver].settimeout(SILENCE)
        try:
            return self.udp[receiver].recv(10) == b"x"
        except TimeoutError:
            return False

    def connect(self) -> tuple[socket.socket, socket.socket]:
        address = (self.nodes[1].address, 7)
        client = inside(self.nodes[0], lambda: socket.create_connection(address, timeout=PATIENCE))
        server, _ = self.listener.accept()
        return client, server


def _udp(address: str) -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.bind((address, 7))
    return made


async def main() -> None:
    enter()
    one, other = node_network(1), node_network(2)
    wiring = await Wiring.open([one, other], seed=1)
    pair = Pair(one, other)
    ends = ([one.number], [other.number])

    client, server = await asyncio.to_thread(pair.connect)
    client.sendall(b"hello")
    assert server.recv(10) == b"hello"
    assert pair.hears(0)
    assert pair.hears(1)
    print("works")

    await wiring.lay(1, between(*ends, Link(cut=True)))
    assert not pair.hears(0)
    assert not pair.hears(1)
    print("cut")
    await wiring.lift(1)

    await wiring.lay(2, between(*ends, Link(cut=True), back=False))
    assert not pair.hears(0)
    assert pair.hears(1)
    print("one-way")
    await wiring.lift(2)

    await wiring.lay(3, between(*ends, Link(cut=True, only="tcp")))
    assert pair.hears(0)
    client.sendall(b"more")
    server.settimeout(SILENCE)
    try:
        raise AssertionError(server.recv(10))
    except TimeoutError:
        print("tcp-cut")
    await wiring.lift(3)
    server.settimeout(PATIENCE)
    assert server.recv(10) == b"more"  # it was sent again

    await wiring.lay(4, between(*ends, Link(reset=True)))
    client.sendall(b"last")
    for side in (client, server):
        side.settimeout(PATIENCE)
        try:
            raise AssertionError(side.recv(10))
        except ConnectionResetError:
            pass
    assert pair.hears(0)
    print("reset")
    await wiring.lift_all()

    client, server = await asyncio.to_thread(pair.connect)
    client.sendall(b"again")
    assert server.recv(10) == b"again"
    print("healed")
    await wiring.close()


if __name__ == "__main__":
    asyncio.run(main())
