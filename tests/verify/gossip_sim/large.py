"""Clusters past the size of a datagram: `python -m tests.verify.gossip_sim.large --nodes 1500 --seconds 600`.

Identities have generated-style names and ten keys each. In the course of the run a key is written, a node joins and a
node is killed; what comes of each is printed, with memory and virtual seconds per real second.
"""

from __future__ import annotations

import argparse
import gc
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

from coterie.gossip import Address, GossipConfig
from coterie.gossip.events.events import Event, NodeDead
from tests.verify.gossip_sim.cluster import Cluster, SimNode
from tests.verify.gossip_sim.interning import shared_key_values
from tests.verify.gossip_sim.network import Link
from tests.verify.gossip_sim.spread import KeySpread

CONVERGENCE_LIMIT = 600.0
"""Virtual seconds within which a cluster has to come together, and each piece of news to reach all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to simulate. Times are in virtual seconds."""

    nodes: int = 1_500
    seconds: float = 600.0
    """How long to run after all nodes are alive everywhere; news come after a sixth, a third and a half of it."""
    keys: int = 10
    interval: float = 1.0
    sampling_window: int = 64
    start_within: float = 30.0
    """The nodes start at random times within this."""
    loss: float = 0.0
    seed: int = 1

    def config(self) -> GossipConfig:
        """The defaults, with the detector's times in their default proportion to the gossip interval."""
        defaults = GossipConfig()
        scale = self.interval / defaults.gossip_interval
        return GossipConfig(
            gossip_interval=self.interval,
            initial_interval=defaults.initial_interval * scale,
            max_interval=defaults.max_interval * scale,
            sampling_window=self.sampling_window,
        )


@dataclass(slots=True)
class Result:
    """What came of it. Rounds are gossip intervals; seconds are virtual unless said otherwise."""

    converged_after: float
    digest_bytes: int
    stripes: int
    key_everywhere_rounds: float
    newcomer_alive_everywhere: float
    newcomer_holds_all: float
    death_everywhere: float
    false_deaths: int
    bytes_per_node_second: float
    largest_datagram: int
    real_seconds: float
    virtual_seconds: float
    rss_bytes: int

    def lines(self) -> list[str]:
        return [
            f"all alive everywhere and every key held after {self.converged_after:8.1f} s of virtual time",
            f"digest                          {self.digest_bytes:10,d} bytes in {self.stripes} stripes",
            f"a new key on every node after   {self.key_everywhere_rounds:10.1f} rounds",
            f"a newcomer alive everywhere     {self.newcomer_alive_everywhere:10.1f} s after its start",
            f"a newcomer holds every key      {self.newcomer_holds_all:10.1f} s after its start",
            f"a death found by every survivor {self.death_everywhere:10.1f} s after the kill",
            f"live nodes taken for dead       {self.false_deaths:10d}",
            f"sent in calm                    {self.bytes_per_node_second / 1e3:10.1f} kB per node and second",
            f"largest datagram                {self.largest_datagram:10,d} bytes",
            f"memory                          {self.rss_bytes / 2**20:10.0f} MiB resident",
            f"virtual seconds per real second {self.virtual_seconds / self.real_seconds:10.3f}",
            f"virtual and real time           {self.virtual_seconds:10.0f} s in {self.real_seconds:.0f} s",
        ]


def resident_bytes() -> int:
    """Memory of this process that is in RAM."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise OSError("/proc/self/status has no VmRSS line")


def start_node(cluster: Cluster, plan: Plan, rng: Random, start_after: float | None = None) -> SimNode:
    """A node with a name as `coterie` generates it, `server:<address>-<random>`, and its keys."""
    number = len(cluster.nodes)
    address = Address(f"127.0.0.{1 + number // 50_000}", 10_001 + number % 50_000)
    suffix = "".join(rng.choices("abcdefghijklmnopqrstuvwxyz0123456789", k=6))
    # The same two seeds for everybody, the first of which is the first node.
    seeds = [node.address for node in cluster.nodes[:2]]
    keys = [(f"key_{i}", f"value {i} of node {number}") for i in range(plan.keys)]
    return cluster.add(
        f"server:{address}-{suffix}", address=address, seeds=seeds, key_values=keys, start_after=start_after
    )


def simulate(plan: Plan, tell: Callable[[str], None] = lambda _line: None) -> Result:
    """Run the plan. Raises SimulationError where news does not reach everybody."""
    gc.collect()
    gc.disable()  # millions of objects without cycles: looking through them takes longer than the simulation
    try:
        with shared_key_values():
            return _simulate(plan, tell)
    finally:
        gc.enable()


def _simulate(plan: Plan, tell: Callable[[str], None]) -> Result:
    began = time.perf_counter()

    def progress(what: str) -> None:
        real = time.perf_counter() - began
        tell(f"[{real:7.0f} s real, {cluster.now:6.1f} s virtual, {resident_bytes() / 2**20:6.0f} MiB] {what}")

    def tell_false_death(holder: SimNode, event: Event, now: float) -> None:
        if not isinstance(event, NodeDead):
            return
        subject = next(node for node in cluster.nodes if node.id == event.node)
        if not subject.running:
            return
        replica = holder.engine.state(event.node)
        heard = replica.liveness.last_arrival if replica is not None else None
        silence = f"{now + holder.clock_offset - heard:.1f} s" if heard is not None else "ever"
        progress(
            f"false death: unheard of for {silence}, up for {now - subject.started_at:.1f} s of virtual time, "
            f"by a node that is up for {now - holder.started_at:.1f} s"
        )

    cluster = Cluster(plan.seed, plan.config(), Link(loss=plan.loss))
    cluster.event_observers.append(tell_false_death)
    rng = Random(f"{plan.seed}/large")
    for number in range(plan.nodes):
        start_node(cluster, plan, rng, 0.0 if number < 2 else rng.uniform(0.0, plan.start_within))
    nodes = list(cluster.nodes)
    progress(f"{len(nodes)} nodes made")

    def knows_all(node: SimNode) -> bool:
        held = map(node.engine.state, [other.id for other in cluster.running])
        return all(state is not None and state.max_version >= plan.keys for state in held)

    def run_until(done: Callable[[], bool], what: str) -> float:
        """Poll once an interval."""
        since = cluster.now
        while not done():
            if cluster.now - since > CONVERGENCE_LIMIT:
                raise AssertionError(f"{what}: not within {CONVERGENCE_LIMIT} s; seed {plan.seed}")
            cluster.run(plan.interval / 4)
            if int(cluster.now) % 10 == 0 and cluster.now == int(cluster.now):
                progress(f"waiting: {what}; {len(cluster.false_deaths())} false deaths")
        return cluster.now - since

    run_until(cluster.all_alive_everywhere, "all alive everywhere")
    progress("all alive everywhere")
    run_until(lambda: all(map(knows_all, cluster.running)), "every key held everywhere")
    converged_at = cluster.now
    progress("every key held everywhere")
    step = plan.seconds / 6

    def run_to(time: float) -> None:
        while cluster.now < time:
            cluster.run(min(10.0, time - cluster.now))
            progress(f"{len(cluster.false_deaths())} false deaths")

    sent = sum(node.sent_bytes for node in nodes)
    run_to(converged_at + step)
    calm = (sum(node.sent_bytes for node in nodes) - sent) / len(nodes) / step
    progress("writing a key")
    spread = KeySpread(cluster, rng.choice(nodes))
    run_until(spread.done, "the new key everywhere")
    progress(f"the new key is everywhere after {spread.rounds:.1f} rounds")

    run_to(converged_at + 2 * step)
    newcomer = start_node(cluster, plan, rng)
    alive_after = run_until(cluster.all_alive_everywhere, "the newcomer alive everywhere, and all alive to it")
    progress(f"the newcomer is alive everywhere after {alive_after:.1f} s")
    holds_after = alive_after + run_until(lambda: knows_all(newcomer), "the newcomer holds every key")
    progress(f"the newcomer holds every key after {holds_after:.1f} s")

    run_to(converged_at + 3 * step)
    victim = rng.choice(nodes[2:])
    cluster.kill(victim)
    dead_after = run_until(lambda: cluster.alive_views[victim.id] == 0, "the death found by every survivor")
    progress(f"the death is found by every survivor after {dead_after:.1f} s")

    run_to(converged_at + plan.seconds)
    return Result(
        converged_after=converged_at,
        digest_bytes=newcomer.engine.digest_bytes,
        stripes=1 << newcomer.engine.stripe_bits,
        key_everywhere_rounds=spread.rounds,
        newcomer_alive_everywhere=alive_after,
        newcomer_holds_all=holds_after,
        death_everywhere=dead_after,
        false_deaths=len(cluster.false_deaths()),
        bytes_per_node_second=calm,
        largest_datagram=cluster.largest_datagram,
        real_seconds=time.perf_counter() - began,
        virtual_seconds=cluster.now,
        rss_bytes=resident_bytes(),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    defaults = Plan()
    parser.add_argument("--nodes", type=int, default=defaults.nodes)
    parser.add_argument("--seconds", type=float, default=defaults.seconds, help="virtual time after convergence")
    parser.add_argument("--keys", type=int, default=defaults.keys, help="keys per node")
    parser.add_argument("--interval", type=float, default=defaults.interval, help="gossip interval in seconds")
    parser.add_argument("--window", type=int, default=defaults.sampling_window, help="arrival intervals kept per node")
    parser.add_argument("--loss", type=float, default=defaults.loss, help="share of datagrams lost")
    parser.add_argument("--seed", type=int, default=defaults.seed)
    parser.add_argument("--quiet", action="store_true", help="print the result alone")
    given = parser.parse_args()
    plan = Plan(
        nodes=given.nodes,
        seconds=given.seconds,
        keys=given.keys,
        interval=given.interval,
        sampling_window=given.window,
        loss=given.loss,
        seed=given.seed,
    )
    result = simulate(plan, (lambda _line: None) if given.quiet else (lambda line: print(line, flush=True)))
    print(f"{plan.nodes} nodes, {plan.keys} keys each, interval {plan.interval} s, seed {plan.seed}")
    print("\n".join(result.lines()))


if __name__ == "__main__":
    main()
