"""The state machine that the Raft node drives: it applies entries, stamps them with cluster time, feeds the watches.

Cluster time (raft spec 3): the leader adds its own monotonic elapsed time to the last value that it knows, and puts the
sum before each entry's operations. A new leader goes on from the last value, so a change of leaders lengthens leases
and never shortens them. No wall clock is read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec

from coterie.consensus.member.metadata.digests import Digests
from coterie.consensus.raft.errors import SafetyError
from coterie.consensus.store import (
    DigestDue,
    DigestTold,
    Result,
    State,
    StateDecoder,
    WatchHub,
    apply,
    encode_batch,
    write_snapshot,
)

_encode_voters = msgspec.msgpack.Encoder().encode
_decode_voters = msgspec.msgpack.Decoder(tuple[str, ...]).decode


class HaltedError(SafetyError):
    """The cluster went on to operations that this release does not know."""

    def __init__(self, level: int) -> None:
        super().__init__(f"the cluster uses operations of level {level}; run a newer release of coterie on this node")


class MetadataStateMachine:
    """`on_change` is called after entries were applied, once for each run of them at the earliest."""

    def __init__(self, state: State, monotonic: Callable[[], float], on_change: Callable[[], None]) -> None:
        self.state = state
        self.hub = WatchHub(state.keyspace)
        self.digests = Digests()
        self._monotonic = monotonic
        self._on_change = on_change
        self._base: tuple[float, int] | None = None

    # cluster time, at the leader

    def lead(self) -> None:
        """This node has begun to lead: its time goes on from the state's."""
        self._base = (self._monotonic(), self.state.time_ms)

    def follow(self) -> None:
        """This node leads no longer."""
        self._base = None

    @property
    def now_ms(self) -> int:
        """Cluster time: the leader's now, or a follower's as of the last entry applied."""
        if self._base is None:
            return self.state.time_ms
        since, base = self._base
        return max(self.state.time_ms, base + int((self._monotonic() - since) * 1000))

    def stamp(self) -> bytes:
        return encode_batch(self.now_ms, ())

    # the port (`raft.ports.StateMachine`)

    def apply(self, op: bytes, index: int) -> Result:
        result = apply(self.state, op, index)
        if self.state.halted:
            raise HaltedError(self.state.halted)
        if isinstance(result, DigestDue):
            self.digests.begin(self.state)
        elif isinstance(result, DigestTold):
            self.digests.told(result)
        self._on_change()
        return result

    def configure(self, voters: tuple[str, ...], index: int) -> None:
        self.state.configure(_encode_voters(voters), index)
        self.digests.voters = voters
        self._on_change()

    def skip(self, index: int) -> None:
        self.state.skip(index)

    def snapshot(self) -> Iterator[bytes]:
        return write_snapshot(self.state)

    def restore(self, chunks: Iterator[bytes]) -> None:
        loader = self.loader()
        for chunk in chunks:
            loader.feed(chunk)
        loader.finish()

    def loader(self) -> MetadataStateLoader:
        return MetadataStateLoader(self)

    def restored(self, state: State) -> None:
        self.state = state
        self.digests.voters = _decode_voters(state.config) if state.config else ()
        self.hub.follow(state.keyspace)
        self._on_change()


class MetadataStateLoader:
    """Reads a snapshot chunk by chunk; `finish` makes it the state. Raises SnapshotError, the former state intact."""

    def __init__(self, machine: MetadataStateMachine) -> None:
        self._machine = machine
        self._decoder = StateDecoder(machine.state.known_level)

    def feed(self, chunk: bytes) -> None:
        self._decoder.feed(chunk)

    def finish(self) -> None:
        self._machine.restored(self._decoder.finish())
