"""When the names of seeds are looked up again (gossip spec 7)."""

from __future__ import annotations

import asyncio
import time
from random import Random

import pytest

from coterie.gossip import Address, Engine, GossipConfig, GossipNode, NodeId, open_udp_socket

pytestmark = pytest.mark.anyio


async def test_a_failed_look_up_is_tried_again_soon_and_then_ever_more_slowly(monkeypatch: pytest.MonkeyPatch) -> None:
    sock = open_udp_socket(Address("127.0.0.1", 0))
    own = NodeId("n", 1, Address(*sock.getsockname()))
    node = GossipNode(Engine(GossipConfig(), own, Random(1), now=time.monotonic()), sock, ["seed.test:1"])
    slept: list[float] = []

    async def refresh() -> dict[str, OSError]:
        return {"seed.test:1": OSError("no such name")} if len(slept) != 8 else {}

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 11:
            raise asyncio.CancelledError

    monkeypatch.setattr(node._seeds, "refresh", refresh)
    monkeypatch.setattr("coterie.gossip.shell.node.asyncio.sleep", sleep)
    with pytest.raises(asyncio.CancelledError):
        await node._run_lookups()
    sock.close()
    assert slept == [1, 2, 4, 8, 16, 32, 60, 60, 60, 1, 2]
