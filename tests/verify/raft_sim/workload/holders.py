"""Clients with leases: holders of locks, which write under their fencing tokens and at times sleep too long, and
keepers, each with a key that lives with its lease. Beside them goes each leader's duty to end leases.

Draws from a stream of its own. The judges of `tests/verify/consistency` say what is wrong (raft spec 3).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any

from coterie.consensus import store
from coterie.consensus.member.metadata.lease_expiry import LeaseExpiry
from coterie.consensus.raft.errors import RaftError, StoppedError
from coterie.consensus.store import encode
from tests.verify.consistency.judging.raft.leases import KeptLease
from tests.verify.consistency.workload.raft.holder import LOCKS, fenced_key, fenced_value
from tests.verify.linearizability.histories.requests import (
    Acquire,
    Compare,
    Get,
    Put,
    Relation,
    Release,
    Request,
    Target,
    Txn,
)
from tests.verify.raft_sim.workload.clients import Clients
from tests.verify.raft_sim.workload.metadata import Metadata

if TYPE_CHECKING:
    from tests.verify.raft_sim.world import Host, World

TTL_MS = 1_000
"""The shortest that is allowed."""

PATIENCE_SECONDS = 2.5
"""How long a client waits for a process that does not answer, or for a lock."""

Answer = tuple[str, object]
"""The name of the operation, and its result; None: it was refused, or nobody knows."""

Step = float | Callable[[Callable[[str, object], None]], None]
"""What a client does next: it sleeps, or asks for something."""

Life = Generator[Step, Any, None]
"""Is sent each `Answer`."""


class Holders:
    """`turn` is called in each tick of a host's node."""

    def __init__(self, world: World, clients: Clients) -> None:
        self.world = world
        self.clients = clients
        clients.holding = True
        self.rng = random.Random(f"{world.seed} holders")
        self.over = False
        self._duties: dict[str, tuple[int, LeaseExpiry]] = {}

    def begin(self) -> None:
        for number in range(4):
            self._live(self._holder(f"h{number}"))
        for number in range(3):
            self._live(self._keeper(f"k{number}"))

    def end(self) -> None:
        """Nobody asks for more, and all leases end."""
        self.over = True
        hosts = self.world.hosts.values()
        if not self.world.run_until(lambda: not any(host.machine.state.leases.table for host in hosts), 10.0):
            self.world.fail("leases that nobody renews do not end")

    def turn(self, host: Host) -> None:
        node, machine = host.node, host.machine
        assert node is not None
        assert isinstance(machine, Metadata)
        if node.stopped:
            return
        life, duty = self._duties.get(host.name, (-1, None))
        if duty is None or life != host.life:
            duty = LeaseExpiry(node, machine, 1.0)
            self._duties[host.name] = host.life, duty
        if node.leading:
            machine.keep_time()
        duty.turn()

    # lives

    def _live(self, life: Life) -> None:
        """Take one step after the other, each once the one before has its answer."""

        def go(answer: Answer | None = None) -> None:
            try:
                step = life.send(answer)
            except StopIteration:
                return
            if isinstance(step, float):
                self.world.after(step, go)
                return
            answered = False

            def once(name: str, told: object) -> None:
                nonlocal answered
                if not answered:
                    answered = True
                    self.world.after(0.0, lambda: go((name, told)))

            step(once)
            self.world.after(PATIENCE_SECONDS, lambda: once("", None))

        go()

    def _pause(self) -> float:
        return self.rng.expovariate(5.0)

    def _holder(self, client: str) -> Life:
        while not self.over:
            yield self._pause()
            lock = self.rng.choice(LOCKS)
            _, lease = yield self._ask_lease(store.LeaseGrant(TTL_MS))
            if not isinstance(lease, store.LeaseDone):
                continue
            token = yield from self._acquire(client, lock, lease.lease)
            if token:
                yield from self._hold(client, lock, lease.lease, token)
            if self.rng.random() < 0.6:
                yield self._ask_lease(store.LeaseRevoke(lease.lease))

    def _acquire(self, client: str, lock: str, lease: int) -> Generator[Step, Any, int]:
        """The fencing token; 0: the lock was not to be had in time."""
        owner = f"{client}.{lease}"
        name, told = yield self._ask(client, Acquire(lock, owner), lease=lease)
        if not isinstance(told, store.AcquireDone) or told.token:
            return told.token if isinstance(told, store.AcquireDone) else 0
        until = self.world.now + PATIENCE_SECONDS
        while self.world.now < until:
            yield self._pause()
            _, entries = yield self._look(lock)
            assert isinstance(entries, list | None)
            for entry in entries or ():
                if entry.key == told.key and entry.token:
                    self.clients.granted(name, entry.token)
                    return int(entry.token)
            if self.rng.random() < 0.5:
                yield self._ask_lease(store.LeaseKeepAlive(lease))
        return 0

    def _hold(self, client: str, lock: str, lease: int, token: int) -> Life:
        for _ in range(self.rng.randrange(1, 6)):
            yield self._ask(client, self._fenced(lock, token))
            yield self._pause()
            if self.rng.random() < 0.4:
                yield self._ask_lease(store.LeaseKeepAlive(lease))
        if self.rng.random() < 0.4:
            yield 2.5 * self.rng.random()  # as a process that stood still: it goes on with the token it had
            yield self._ask(client, self._fenced(lock, token))
        if self.rng.random() < 0.6:
            yield self._ask(client, Release(lock, token), lease=lease)

    def _fenced(self, lock: str, token: int) -> Txn:
        key = fenced_key(lock)
        held = Compare(lock, Target.TOKEN, Relation.EQUAL, token)
        return Txn((held,), (Put(key, fenced_value(token, str(len(self.clients.operations)))),), (Get(key),))

    def _keeper(self, client: str) -> Life:
        while not self.over:
            yield self._pause()
            began = self.world.now
            _, told = yield self._ask_lease(store.LeaseGrant(TTL_MS))
            if not isinstance(told, store.LeaseDone):
                continue
            lease, revoked, renewals = told.lease, None, [(began, self.world.now)]
            _, put = yield self._ask(client, Put(f"l/{client}", f"{lease}", str(lease)))
            for _ in range(self.rng.randrange(1, 8)):
                yield 0.8 * self.rng.random()
                began = self.world.now
                _, told = yield self._ask_lease(store.LeaseKeepAlive(lease))
                if isinstance(told, store.LeaseDone):
                    renewals.append((began, self.world.now))
            if self.rng.random() < 0.3:
                revoked = self.world.now
                yield self._ask_lease(store.LeaseRevoke(lease))
            if put is not None:
                ttl = TTL_MS / 1000
                self.clients.kept.append(KeptLease(lease, ttl, "", 0, renewals, revoked))
            yield 2.0 * self.rng.random()

    # steps

    def _host(self) -> Host:
        return self.rng.choice(list(self.world.hosts.values()))

    def _ask(self, client: str, request: Request, *, lease: int = 0) -> Step:
        host, tries = self._host(), self.rng.choice([1, 3])
        return lambda once: self.clients.ask(client, request, host, once, tries=tries, lease=lease)

    def _ask_lease(self, asked: store.LeaseGrant | store.LeaseKeepAlive | store.LeaseRevoke) -> Step:
        host = self._host()

        def ask(once: Callable[[str, object], None]) -> None:
            def done(error: RaftError | None, told: object) -> None:
                once("", told if error is None else None)

            try:
                if host.node is not None and host.paused is None:
                    host.node.propose(encode(asked), done, PATIENCE_SECONDS)
            except StoppedError:
                once("", None)

        return ask

    def _look(self, lock: str) -> Step:
        host = self._host()

        def ask(once: Callable[[str, object], None]) -> None:
            machine = host.machine

            def done(error: RaftError | None, _: object) -> None:
                entries = machine.state.queue_entries(store.QueueKind.LOCK, lock.encode(), 100)
                once("", entries if error is None else None)

            try:
                if host.node is not None and host.paused is None:
                    host.node.read(done, PATIENCE_SECONDS)
            except StoppedError:
                once("", None)

        return ask
