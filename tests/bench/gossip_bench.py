"""What gossip costs: handshakes, a full delta, a liveness pass, memory (issue figures beside ours)."""

from __future__ import annotations

import gc
import timeit
import tracemalloc
from collections.abc import Callable, Iterator
from time import process_time

from coterie.gossip import Engine
from tests.bench.clusters import engine, generated_id, knowing

REPEATS = 7


def best_microseconds(run: Callable[[], object], setup: Callable[[], object] | None = None, number: int = 20) -> float:
    """The best mean of several series, with the cyclic collector off as timeit has it. `setup` is not counted.

    Processor time, not time on the clock: who else is on the machine shall not count.
    """
    if setup is None:
        return min(timeit.repeat(run, timer=process_time, number=number, repeat=REPEATS)) / number * 1e6
    return min(timeit.repeat(run, setup, timer=process_time, number=1, repeat=REPEATS * number)) * 1e6


class Pair:
    """Two nodes of a settled cluster, half a second apart from one handshake to the next."""

    def __init__(self, nodes: int) -> None:
        self.a, self.b = knowing(0, nodes), knowing(1, nodes)
        self.now = 3.0

    def shake_hands(self) -> None:
        """Syn, SynAck and Ack with encoding and decoding on both sides."""
        self.now += 0.5
        a, b = self.a, self.b
        a_addr, b_addr = a.own.id.gossip_advertise_addr, b.own.id.gossip_advertise_addr
        syn = a.open_handshakes([b_addr], self.now)[0][1]
        syn_ack = b.receive(syn, a_addr, self.now)[0][1]
        ack = a.receive(syn_ack, b_addr, self.now)[0][1]
        b.receive(ack, a_addr, self.now)

    def move_heartbeats(self) -> None:
        for state in self.a.states:
            state.heartbeat += 1


def handshakes() -> Iterator[tuple[str, float]]:
    for nodes in (10, 100, 500, 5_000):
        pair = Pair(nodes)
        pair.shake_hands()
        yield f"handshake, {nodes} nodes, in sync (us)", best_microseconds(pair.shake_hands)
        moved = best_microseconds(pair.shake_hands, pair.move_heartbeats)
        yield f"handshake, {nodes} nodes, all heartbeats moved (us)", moved
    # The last pair is past a datagram: each of its handshakes covers one stripe.
    yield f"digest of {nodes} nodes (bytes)", pair.a.digest_bytes
    yield f"stripes of {nodes} nodes", 1 << pair.a.stripe_bits


def full_delta() -> Iterator[tuple[str, float]]:
    a = knowing(0, 500)
    a_addr = generated_id(0).gossip_advertise_addr
    newcomer_addr = generated_id(1).gossip_advertise_addr
    held: list[Engine] = []

    def fresh() -> None:
        # A newcomer that has heard of all nodes but holds no key of any.
        b = engine(1, keys=0)
        for state in a.states:
            if state.id != b.own.id:
                b.reset_node_state_if_update(state.id, [], 0, 0, 0.0)
                b.state(state.id).heartbeat = 1  # type: ignore[union-attr]
        held[:] = [b]

    def run() -> None:
        b = held[0]
        b_syn = b.open_handshakes([a_addr], 3.0)[0][1]
        answer = a.receive(b_syn, newcomer_addr, 3.0)[0][1]
        b.receive(answer, a_addr, 3.0)

    fresh()
    run()
    taken = sum(len(s.key_values) for s in held[0].states)
    micros = best_microseconds(run, fresh, number=3)
    yield f"full delta, 500 nodes x 10 keys ({taken} key-values taken), Syn to applied (us)", micros


def liveness_pass() -> Iterator[tuple[str, float]]:
    a = knowing(0, 500)
    yield "liveness pass, 500 nodes (us)", best_microseconds(lambda: a._membership.evaluate(2.5))


def memory() -> Iterator[tuple[str, float]]:
    knowing(0, 10)
    gc.collect()
    tracemalloc.start()
    small = knowing(0, 100)
    middle = tracemalloc.get_traced_memory()[0]
    large = knowing(0, 1_100)
    after = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    # Two clusters differ by what 1,000 more nodes take; the smaller one's own share is in `middle`.
    per_node = (after - middle - middle / 100 * 100) / 1_000
    yield "memory per known node with 10 keys (bytes)", per_node
    del small, large


def rows() -> Iterator[tuple[str, float]]:
    yield from handshakes()
    yield from full_delta()
    yield from liveness_pass()
    yield from memory()
