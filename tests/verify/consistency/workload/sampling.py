"""What each node says of the Raft layer, sampled for the report: role, term and the leader it knows."""

from __future__ import annotations

import asyncio
import time

from tests.verify.consistency.contract import Cluster, NodeHandle, Recording
from tests.verify.consistency.workload.choosing import address_of
from tests.verify.consistency.workload.http_client import Caller, GoneError

INTERVAL_SECONDS = 0.5

ANSWER_SECONDS = 0.5


async def sample_raft(cluster: Cluster, recording: Recording, over: asyncio.Event) -> None:
    callers: dict[str, Caller] = {}
    try:
        while not over.is_set():
            nodes = [node for node in cluster.nodes.values() if node.up]
            await asyncio.gather(*[_sample(node, callers.setdefault(node.name, Caller()), recording) for node in nodes])
            await asyncio.sleep(INTERVAL_SECONDS)
    finally:
        for caller in callers.values():
            caller.close()


async def _sample(node: NodeHandle, caller: Caller, recording: Recording) -> None:
    try:
        answer = await caller.ask(address_of(node), "GET", "/v1/raft/status", seconds=ANSWER_SECONDS)
    except GoneError:
        return
    if answer.status == 200:
        told = answer.json()
        state = {"at": time.monotonic(), "node": node.name}
        recording.write("state", state | {name: told[name] for name in ("leader", "term", "role", "revision")})
