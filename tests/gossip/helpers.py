"""What the tests of the gossip core share: short ways to make nodes, messages and engines, and to look at them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from random import Random
from typing import Any

from coterie.gossip import Address, Engine, GossipConfig, KeyStatus, KeyValue, NodeId, NodeState
from coterie.gossip.anti_entropy.handshake import Datagram
from coterie.gossip.wire.delta import NodeDelta
from coterie.gossip.wire.digest import Digest
from coterie.gossip.wire.messages import Ack, Decoder, Message, Syn, SynAck
from coterie.gossip.wire.stripe import WHOLE, Stripe
from tests.gossip.encoding import encode

Row = tuple[NodeId, int, int, int]
"""A digest entry: node, heartbeat, last_gc_version, max_version."""

Kv = tuple[str, str, int, KeyStatus]
"""Key, value, version, status."""

SET, DELETE, TTL = KeyStatus.SET, KeyStatus.DELETE, KeyStatus.DELETE_AFTER_TTL

SELF = NodeId("self", 1, Address("127.0.0.1", 1))
UNKNOWN_PEER = Address("192.0.2.9", 999)


def node(name: str, generation: int = 1, port: int = 7280, host: str = "127.0.0.1") -> NodeId:
    return NodeId(name, generation, Address(host, port))


def make_engine(
    own: NodeId = SELF,
    *,
    now: float = 0.0,
    seed: int = 1,
    key_values: Iterable[tuple[str, str]] = (),
    live_filter: Callable[[NodeState], bool] | None = None,
    **settings: Any,
) -> Engine:
    config = GossipConfig(**settings)
    return Engine(config, own, Random(seed), now=now, key_values=key_values, live_filter=live_filter)


def digest_of(*rows: Row) -> Digest:
    columns = list(zip(*rows, strict=True)) or [(), (), (), ()]
    return Digest(tuple(n.encoded for n in columns[0]), *columns[1:])


def rows_of(digest: Digest) -> dict[bytes, tuple[int, int, int]]:
    """Encoded identity to heartbeat, last_gc_version, max_version."""
    columns = zip(digest.ids, digest.heartbeats, digest.last_gc_versions, digest.max_versions, strict=True)
    return {encoded: (heartbeat, gc, maximum) for encoded, heartbeat, gc, maximum in columns}


def delta_of(
    owner: NodeId, *key_values: Kv, gc: int = 0, from_version: int = 0, max_version: int | None = None
) -> NodeDelta:
    made = [KeyValue.make(*kv) for kv in key_values]
    if max_version is None:
        max_version = made[-1].version if made else 0
    return NodeDelta(owner, gc, from_version, made, max_version)


def contents(state: NodeState) -> list[Kv]:
    """Everything a state holds, tombstones included, in its own order."""
    return [(kv.key, kv.value, kv.version, KeyStatus(kv.status)) for kv in state.key_values.values()]


def held(engine: Engine, of: NodeId) -> NodeState:
    state = engine.state(of)
    assert state is not None, f"{of} is not known"
    return state


def decode_one(sent: Sequence[Datagram]) -> Message:
    """The meaning of the one datagram that was sent."""
    assert len(sent) == 1, f"{len(sent)} datagrams instead of one"
    return Decoder().decode(sent[0][1])


def hear(
    engine: Engine, *rows: Row, now: float, source: Address = UNKNOWN_PEER, cluster_id: str = "testing"
) -> SynAck | None:
    """Let an engine receive a Syn with these digest rows: its answer, if it gives one."""
    sent = engine.receive(encode(Syn(digest_of(*rows), cluster_id)), source, now)
    if not sent:
        return None
    answer = decode_one(sent)
    assert isinstance(answer, SynAck)
    return answer


def hear_delta(engine: Engine, *deltas: NodeDelta, now: float, source: Address = UNKNOWN_PEER) -> None:
    """Let an engine receive an Ack."""
    assert engine.receive(encode(Ack(list(deltas))), source, now) == []


def answer_to_syn_ack(
    engine: Engine,
    *rows: Row,
    delta: Sequence[NodeDelta] = (),
    now: float,
    source: Address = UNKNOWN_PEER,
    stripe: Stripe = WHOLE,
) -> Ack | None:
    """Let an engine receive a SynAck: its Ack, if it gives one."""
    sent = engine.receive(encode(SynAck(digest_of(*rows), list(delta), stripe)), source, now)
    if not sent:
        return None
    answer = decode_one(sent)
    assert isinstance(answer, Ack)
    return answer


def revive(engine: Engine, *nodes: NodeId, start: float, beats: int = 5, interval: float = 0.5) -> float:
    """Raise the heartbeats of nodes, with a round after each; returns the time of the last round.

    Heartbeats go on from what the engine holds of them.
    """
    now = start
    for _ in range(beats):
        rows = []
        for each in nodes:
            state = engine.state(each)
            heartbeat, gc, maximum = (
                (0, 0, 0) if state is None else (state.heartbeat, state.last_gc_version, state.max_version)
            )
            rows.append((each, heartbeat + 1, gc, maximum))
        for at in range(0, len(rows), 50):  # more at once are not taken from a stranger
            hear(engine, *rows[at : at + 50], now=now)
        engine.round(now)
        now += interval
    return now - interval


def snapshot(engine: Engine) -> object:
    """All of an engine's state that a message could change, but for counters and events."""
    return (
        [
            (
                s.id,
                s.heartbeat,
                s.last_gc_version,
                s.max_version,
                contents(s),
                dict(s.expiring or {}),
                s.scheduled_for_deletion,
                (list(s.liveness.intervals), s.liveness.last_arrival, s.liveness.alive, s.liveness.dead_since),
            )
            for s in engine.states
        ],
        engine.live_nodes,
        engine.dead_nodes,
        engine.digest_bytes,
        engine.stripe_bits,
    )


class Wire:
    """Carries datagrams between engines at once and without loss, and keeps a record of them."""

    def __init__(self, *engines: Engine) -> None:
        self.engines = {e.own.id.gossip_advertise_addr: e for e in engines}
        self.carried: list[bytes] = []

    def carry(self, source: Engine, sent: Iterable[Datagram], now: float) -> None:
        """Deliver what `source` sends, and every answer to it."""
        waiting = deque((source.own.id.gossip_advertise_addr, to, datagram) for to, datagram in sent)
        while waiting:
            came_from, to, datagram = waiting.popleft()
            self.carried.append(datagram)
            receiver = self.engines.get(to)
            if receiver is not None:
                waiting.extend((to, back, answer) for back, answer in receiver.receive(datagram, came_from, now))

    def round(self, now: float) -> None:
        """A round of every engine, one after the other."""
        for engine in self.engines.values():
            self.carry(engine, engine.round(now), now)

    def introduce(self) -> None:
        """Make the first engine everyone's seed."""
        first = next(iter(self.engines))
        for address, engine in self.engines.items():
            engine.seeds = [first] if address != first else []
