"""What clients did and saw, checked by revision: A before B in real time means A's revision below B's; a read returns
the state at a revision no older than anything finished before it began."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from coterie.consensus.raft.errors import RaftError, RaftRefusedError, RaftUnknownOutcomeError, StoppedError
from tests.verify.raft_sim.workload.machine import encode_op

if TYPE_CHECKING:
    from tests.verify.raft_sim.world import Host, World


def encode_write(number: int, key: str) -> bytes:
    """For `Registers`."""
    return encode_op((number, key, number))


@dataclass
class Write:
    number: int
    key: str
    began: float
    revision: int | None = None
    refused: bool = False


Entered = tuple[str, int, int]
"""A call: its host, the host's life, and a number."""


class OpenCalls:
    """Calls without an answer. Each must end by its deadline, by the clock of its host."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._open: dict[Entered, float] = {}
        self._count = 0
        world.on_tick = self._check

    def enter(self, host: Host, timeout: float) -> Entered:
        self._count += 1
        call = (host.name, host.life, self._count)
        self._open[call] = host.clock.monotonic() + timeout
        return call

    def end(self, call: Entered) -> None:
        """Raises KeyError where it has ended before."""
        del self._open[call]

    def __len__(self) -> int:
        """How many wait at a process that still lives."""
        hosts = self._world.hosts
        return sum(hosts[name].node is not None and hosts[name].life == life for name, life, _ in self._open)

    def _check(self, host: Host) -> None:
        now = host.clock.monotonic() - self._world.late_by
        for (name, life, _), deadline in self._open.items():
            if deadline <= now and (name, life) == (host.name, host.life) and host.node and not host.node.stopped:
                self._world.fail(f"a call at {name} goes on {now - deadline:.3f} s after its deadline")


class History:
    """Writes and reads of a run; `floor` is the highest revision that anybody has been told of."""

    def __init__(self, world: World, encode: Callable[[int, str], bytes] = encode_write) -> None:
        """`encode`: an operation that writes a number under a key. Its result is the revision, or has it."""
        self.world = world
        self._encode = encode
        self.writes: dict[int, Write] = {}
        self.floor = 0
        self.acknowledged = 0
        self.read = 0
        self.unknown = 0
        self.refused = 0
        self._calls = OpenCalls(world)

    @property
    def open(self) -> int:
        return len(self._calls)

    def write(self, host: Host, key: str, timeout: float = 2.0) -> Write:
        write = Write(len(self.writes) + 1, key, self.world.now)
        self.writes[write.number] = write
        floor = self.floor
        call = self._calls.enter(host, timeout)

        def done(error: RaftError | None, told: Any) -> None:
            self._calls.end(call)  # called once, or this raises
            if error is None:
                revision: int = getattr(told, "revision", told)
                if revision <= floor:
                    self.world.fail(f"write {write.number} took revision {revision}, {floor} was told before it began")
                write.revision = revision
                self.floor = max(self.floor, revision)
                self.acknowledged += 1
            elif isinstance(error, RaftRefusedError):
                write.refused = True
                self.refused += 1
            else:
                assert isinstance(error, RaftUnknownOutcomeError)
                self.unknown += 1

        if host.node is None or host.paused is not None:
            self._calls.end(call)
            write.refused = True
            return write
        try:
            host.node.propose(self._encode(write.number, key), done, timeout)
        except StoppedError:
            self._calls.end(call)
            write.refused = True
        return write

    def begin_read(self, host: Host, timeout: float = 2.0) -> None:
        floor = self.floor
        machine = host.machine
        if host.node is None or host.paused is not None:
            return
        call = self._calls.enter(host, timeout)

        def done(error: RaftError | None, _: int | None) -> None:
            self._calls.end(call)
            if error is None:
                if machine.revision < floor:
                    self.world.fail(
                        f"stale read on {host.name}: revision {machine.revision}, {floor} was told before it began"
                    )
                self.floor = max(self.floor, machine.revision)
                self.read += 1

        try:
            host.node.read(done, timeout)
        except StoppedError:
            self._calls.end(call)

    def check_end(self, host: Host) -> None:
        """Against the final state: acknowledged writes are in it at their revision, refused ones are not."""
        places = host.machine.places()
        place = dict(places)
        if len(place) != len(places):
            self.world.fail("an operation was applied twice")
        for write in self.writes.values():
            if write.revision is not None and place.get(write.number) != write.revision:
                self.world.fail(
                    f"write {write.number}, acknowledged at {write.revision}, is at {place.get(write.number)}"
                )
            if write.refused and write.number in place:
                self.world.fail(f"write {write.number} was refused for good, and happened")
