"""A trial of faults of one layer alone, in a process of its own: real nodes in namespaces, UDP or TCP alone cut.

A lease that is bound to a node lives while the node does: a leader that is deaf by gossip ends none, nor does one that
has lost its connections to the node; one whose node is killed ends. Prints the name of each part that went well.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from tests.verify.consistency.network import Link, enter
from tests.verify.consistency.network.wiring import between
from tests.verify.consistency.nodes.asking import AskError, ask
from tests.verify.consistency.nodes.cluster import Cluster
from tests.verify.consistency.nodes.node import Node
from tests.verify.consistency.recording import FileRecording

HOLD_SECONDS = 1.0

CUT_SECONDS = 6.0
"""Several times as long as it takes to hold a node dead, and the hold."""


async def bind(leader: Node, node: Node) -> int:
    lease = await ask(leader.url, "/v1/leases", method="POST", body={"node": node.name, "hold": HOLD_SECONDS})
    return int(lease["lease"])


async def is_there(cluster: Cluster, lease: int) -> bool:
    try:
        await ask((await cluster.led()).url, f"/v1/leases/{lease}")
    except AskError as error:
        if " 404 " in str(error):
            return False
        raise
    return True


async def dead_for(leader: Node) -> set[str]:
    return {each["node_id"] for each in (await ask(leader.url, "/v1/cluster"))["gossip"]["dead"]}


async def trial(folder: Path) -> None:
    cluster = Cluster(folder, FileRecording(folder), founders=3)
    try:
        await cluster.start(1)
        leader = await cluster.led()
        others = [node for node in cluster.up if node is not leader]
        leases = [await bind(leader, node) for node in others]
        numbers = [node.number for node in others]

        await cluster.wiring.lay(1, between([leader.number], numbers, Link(cut=True, only="udp")))

        async def deaf() -> bool:
            return await dead_for(leader) >= {node.name for node in others}

        await cluster.until(deaf, "the leader still hears the others by gossip")
        await asyncio.sleep(CUT_SECONDS)
        assert all([await is_there(cluster, lease) for lease in leases])
        await cluster.wiring.lift(1)
        await cluster.whole()
        print("udp-cut")

        held = others[0]
        rest = [node.number for node in cluster.up if node is not held]
        await cluster.wiring.lay(2, between([held.number], rest, Link(cut=True, only="tcp")))
        await asyncio.sleep(CUT_SECONDS)
        assert await is_there(cluster, leases[0])
        await cluster.wiring.lift(2)
        await cluster.whole()
        print("tcp-cut")

        await held.kill()

        async def ended() -> bool:
            return not await is_there(cluster, leases[0])

        await cluster.until(ended, "the lease of a killed node is still there")
        print("killed")
    finally:
        await cluster.close(keep_disks=False)


if __name__ == "__main__":
    enter()
    asyncio.run(trial(Path(sys.argv[1])))
