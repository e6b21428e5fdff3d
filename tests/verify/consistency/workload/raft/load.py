"""The workload on the Raft layer: clients of all kinds on the metadata, and the record of what became of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from contextlib import aclosing, suppress
from dataclasses import asdict
from random import Random
from typing import Any, Literal

from tests.verify.consistency.contract import Cluster, NodeHandle, Recording, SettleError, Verdict
from tests.verify.consistency.judging.folder import Lines
from tests.verify.consistency.judging.raft.verdict import judge_raft
from tests.verify.consistency.workload.choosing import Chooser
from tests.verify.consistency.workload.http_client import GoneError
from tests.verify.consistency.workload.raft.actor import Actor
from tests.verify.consistency.workload.raft.client import Raft, RaftClient
from tests.verify.consistency.workload.raft.holder import Holder
from tests.verify.consistency.workload.raft.keeper import Keeper, LeaseLine
from tests.verify.consistency.workload.raft.watcher import Watcher, follow
from tests.verify.consistency.workload.sampling import sample_raft
from tests.verify.consistency.workload.tasks import Tasks
from tests.verify.linearizability import Commit, History, Operation, Watch, head_line, line_of
from tests.verify.linearizability.histories import requests as words

ACTORS = 8
HOLDERS = 3
KEEPERS = 2

HOLDERS_SHARE = 0.15
"""Of the operations, those of the holders; the keepers' few come on top."""

WATCHED = ("", "r/", "m/")

END_SECONDS = 20.0
"""No call takes longer than this to end."""

RECORD_SECONDS = 60.0
"""How long a node may take to tell its whole history, and old leases to end, once all is well."""

POLL_SECONDS = 0.1


class RaftWorkload:
    layer: Literal["raft"] = "raft"

    def __init__(self) -> None:
        self._over = asyncio.Event()
        self._tasks = Tasks()
        self._clients: list[RaftClient] = []

    async def start(self, cluster: Cluster, recording: Recording, rng: Random, rate: float) -> None:
        self._cluster = cluster
        self._recording = recording
        self._rng = rng
        self._raft = Raft(self._write, f"{rng.getrandbits(64):016x}")
        self._acknowledged = 0
        self._watchers = [
            Watcher(f"w{number}", prefix, self._chooser(), Random(rng.random()), self._write_watch)
            for number, prefix in enumerate(WATCHED)
        ]
        interval = ACTORS / (rate * (1 - HOLDERS_SHARE))
        for number in range(ACTORS):
            actor = Actor(self._client(f"c{number}", patient=number % 2 == 0), Random(rng.random()), interval)
            self._tasks.start(actor.run(self._over))
        for number in range(HOLDERS):
            client, chooser = self._client(f"h{number}", patient=True), self._chooser()
            holder = Holder(client, chooser, Random(rng.random()), HOLDERS / (rate * HOLDERS_SHARE))
            self._tasks.start(holder.run(self._over))
        for number in range(KEEPERS):
            client, chooser = self._client(f"k{number}", patient=True), self._chooser()
            self._tasks.start(Keeper(client, chooser, Random(rng.random()), self._write_lease).run(self._over))
        for watcher in self._watchers:
            self._tasks.start(watcher.run(self._over))
        self._tasks.start(sample_raft(cluster, recording, self._over))

    def _chooser(self) -> Chooser:
        return Chooser(self._cluster, Random(self._rng.random()))

    def _client(self, name: str, *, patient: bool) -> RaftClient:
        client = RaftClient(name, self._raft, self._chooser(), Random(self._rng.random()), patient=patient)
        self._clients.append(client)
        return client

    # -- the whole -----------------------------------------------------------------------------------------------------

    async def settle(self, within: float) -> float:
        began = time.monotonic()
        client = self._client("settler", patient=False)
        missing = ""
        while time.monotonic() - began < within:
            self._tasks.check()
            missing = await self._missing(client)
            if not missing:
                return time.monotonic() - began
            await asyncio.sleep(POLL_SECONDS)
        raise SettleError(f"{within:g} s after the healing, {missing}")

    async def _missing(self, client: RaftClient) -> str:
        """What does not work yet: a write and a linearizable read through every node."""
        for name, node in self._cluster.nodes.items():
            if node.gone:
                continue
            id_ = client.next_id()
            write = await client.do(words.Put("s/settled", id_), id_=id_, node=node)
            read = await client.do(words.Get("s/settled"), node=node)
            for operation in (write, read):
                if not operation.ok:
                    return f"a {operation.request.kind} at {name} ends in {operation.error}"
        return ""

    async def stop(self) -> None:
        self._over.set()
        try:
            await self._tasks.end(END_SECONDS)
        finally:
            for client in self._clients:
                client.close()

    async def judge(self) -> Verdict:
        self._recording.raw(head_line(History((), leases_expire=True)))
        client = self._client("judge", patient=True)
        there = [node for node in self._cluster.nodes.values() if not node.gone]
        try:
            await self._old_leases_end(client, there)
            last = await client.do(words.Get("s/settled"), node=there[0], seconds=5.0)
            if last.result is None:
                raise SettleError(f"the last read at {there[0].name} ends in {last.error}")
            for number, node in enumerate(there):
                watch = await self._record(node, last.result.revision)
                if number == 0:
                    for delivery in watch.deliveries:
                        if delivery.events:
                            self._recording.raw(line_of(Commit(delivery.revision, delivery.events)))
                else:
                    self._write_watch(watch)
        finally:
            client.close()
        for error in self._raft.internal_errors:
            self._recording.write("internal_error", {"layer": "raft", "what": error})
        self._recording.flush()
        return await asyncio.to_thread(lambda: judge_raft(Lines.of(self._cluster.directory)))

    async def _record(self, node: NodeHandle, goal: int) -> Watch:
        """All that a watch of everything from revision 1 tells at a node, up to a revision."""
        name = f"end of {node.name}"
        end = time.monotonic() + RECORD_SECONDS
        while time.monotonic() < end:
            async with aclosing(follow(node, "", 1)) as growing:
                try:
                    async with asyncio.timeout_at(asyncio.get_running_loop().time() + end - time.monotonic()):
                        async for heard in growing:
                            if heard.deliveries and heard.position >= goal:
                                return heard.as_watch(name, name, "")
                except TimeoutError:
                    break
            await asyncio.sleep(POLL_SECONDS)
        raise SettleError(f"{node.name} did not tell its history up to revision {goal} within {RECORD_SECONDS:g} s")

    async def _old_leases_end(self, client: RaftClient, there: list[NodeHandle]) -> None:
        """Write down which leases there are, once those that must end had the time to."""
        end = time.monotonic() + RECORD_SECONDS
        found: dict[str, Any] = {}
        while time.monotonic() < end:
            with suppress(GoneError):
                found = await self._leases(client, there) or found
            if found and not any(_must_end(each, found["generations"]) for each in found["leases"]):
                break
            await asyncio.sleep(POLL_SECONDS)
        if not found:
            raise SettleError(f"no node told its leases within {RECORD_SECONDS:g} s")
        self._recording.write("leases_left", found)

    async def _leases(self, client: RaftClient, there: list[NodeHandle]) -> dict[str, Any] | None:
        """All leases, and the generations of the processes that run; None where somebody does not say."""
        generations = {}
        for node in there:
            answer = await client.ask(node, "GET", f"/v1/members/{node.name}")
            if answer.status != 200:
                return None
            generations[node.name] = answer.json()["generation"]
        answer = await client.ask(self._rng.choice(there), "GET", "/v1/leases?limit=10000")
        if answer.status != 200:
            return None
        return {"at": time.monotonic(), "leases": answer.json()["leases"], "generations": generations}

    # -- the recording -------------------------------------------------------------------------------------------------

    def _write(self, operation: Operation) -> None:
        self._recording.raw(line_of(operation))

    def _write_watch(self, watch: Watch) -> None:
        self._recording.raw(line_of(watch))

    def _write_lease(self, line: LeaseLine) -> None:
        self._recording.write("lease", asdict(line))


def _must_end(lease: Mapping[str, Any], generations: Mapping[str, int]) -> bool:
    """Whether nothing keeps a lease any more."""
    return bool(lease["kind"] == "ttl" or generations.get(lease["node"]) != lease["generation"])
