"""Observers of the gossip layer: each asks one node for all it knows, several times a second.

Written down is what differs from the view before: an identity's versions, the keys that came, changed or vanished. An
observer's first view of a process is whole. What the cluster itself writes (keys under `coterie/`) is left out.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from tests.verify.consistency.contract import NodeHandle
from tests.verify.consistency.workload.choosing import address_of
from tests.verify.consistency.workload.http_client import Caller, GoneError

INTERVAL_SECONDS = 0.25

ANSWER_SECONDS = 2.0

RESERVED = "coterie/"

Identity = tuple[str, int]
State = tuple[int, int, dict[str, list[Any]]]
"""Max version, last collected version, and by key: value, version, status."""


class Observer:
    def __init__(self, node: NodeHandle, write: Callable[[str, dict[str, Any]], None]) -> None:
        self._node = node
        self._write = write
        self._caller = Caller()
        self._generation: int | None = None
        self.states: dict[Identity, State] = {}
        """As of the latest view."""
        self.live: set[Identity] = set()
        self.seen = 0.0
        """When the latest view was asked for."""

    @property
    def name(self) -> str:
        return self._node.name

    @property
    def own(self) -> Identity | None:
        return None if self._generation is None else (self._node.name, self._generation)

    async def run(self, over: asyncio.Event) -> None:
        try:
            while not over.is_set() and not self._node.gone:
                began = time.monotonic()
                await self.look()
                await asyncio.sleep(max(0.0, INTERVAL_SECONDS - (time.monotonic() - began)))
        finally:
            self._caller.close()

    async def look(self) -> bool:
        """One view, written down; whether there was an answer."""
        asked = time.monotonic()
        try:
            answer = await self._caller.ask(address_of(self._node), "GET", "/", seconds=ANSWER_SECONDS)
        except GoneError:
            self._write("gossip_silence", {"observer": self._node.name, "asked": asked, "until": time.monotonic()})
            return False
        if answer.status == 200:
            self._take(asked, answer.json())
        return answer.status == 200

    def _take(self, asked: float, told: dict[str, Any]) -> None:
        live = {_identity(each) for each in told["live_nodes"]}
        now = {_identity(each["chitchat_id"]): _state(each) for each in told["cluster_state"]["node_states"]}
        generation = max(generation for name, generation in now if name == self._node.name)
        if generation != self._generation:
            self._generation, self.states = generation, {}
        self._write(
            "gossip_view",
            {
                "observer": self._node.name,
                "generation": generation,
                "asked": asked,
                "answered": time.monotonic(),
                "live": sorted(live),
                "dead": sorted(_identity(each) for each in told["dead_nodes"]),
                "states": [
                    _changes(identity, self.states.get(identity), state)
                    for identity, state in now.items()
                    if self.states.get(identity) != state
                ],
                "forgotten": sorted(self.states.keys() - now.keys()),
            },
        )
        self.states, self.live, self.seen = now, live, asked


def _identity(told: dict[str, Any]) -> Identity:
    return told["node_id"], told["generation"]


def _state(told: dict[str, Any]) -> State:
    keys = {
        key: [each["value"], each["version"], each["status"]]
        for key, each in told["key_values"].items()
        if not key.startswith(RESERVED)
    }
    return told["max_version"], told["last_gc_version"], keys


def _changes(identity: Identity, before: State | None, state: State) -> dict[str, Any]:
    max_version, last_gc_version, keys = state
    known = {} if before is None else before[2]
    return {
        "node": identity[0],
        "generation": identity[1],
        "max_version": max_version,
        "last_gc_version": last_gc_version,
        "set": {key: each for key, each in keys.items() if known.get(key) != each},
        "lost": sorted(known.keys() - keys.keys()),
    }
