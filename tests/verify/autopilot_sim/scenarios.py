"""What happens to both layers together: each scenario from a seed, to the verdict of the invariants and the clients."""

from __future__ import annotations

from collections.abc import Iterator

from coterie.app.raft import leaders
from coterie.consensus.autopilot.announcement import FoundingRule
from tests.verify.autopilot_sim.gossips import Lies
from tests.verify.autopilot_sim.world import Computer, JointWorld

FOUNDED = 30.0
"""Seconds for the founding, if all stay up."""

RECOVERED = 60.0
"""Seconds from the end of all faults until all is as it should be."""


def best_voters(up: int) -> int:
    """How many are to vote in the end, of so many computers that are up."""
    return min(5, up if up % 2 else up - 1) if up > 2 else up


def founded(seed: int, count: int, *, spread: float = 1.0, **options: object) -> JointWorld:
    """A cluster of all computers, with as many voters as there should be, started in any order."""
    world = JointWorld(seed, count, FoundingRule(3 if count < 6 else 5), **options)  # type: ignore[arg-type]
    order = list(world.computers.values())
    world.rng.shuffle(order)
    for computer in order:
        computer.start()
        world.run(spread * world.rng.random())
    world.until(lambda: all(it.cluster is not None for it in order), FOUNDED, "one cluster of all")
    world.until(world.settled(best_voters(count)), RECOVERED, "all voters")
    return world


def shapes(names: list[str]) -> Iterator[dict[str, int]]:
    """Every way to part them into sides."""

    def rest(at: int, sides: int) -> Iterator[list[int]]:
        if at == len(names):
            yield []
            return
        for side in range(sides + 1):
            for later in rest(at + 1, max(sides, side + 1)):
                yield [side, *later]

    for sides in rest(0, 0):
        yield dict(zip(names, sides, strict=True))


def partition(seed: int, count: int, side: dict[str, int], seconds: float = 15.0) -> JointWorld:
    """Parted for longer than the grace of dead voters, under load; then healed."""
    world = founded(seed, count, spread=0.0)
    world.clients()
    world.run(1.0)
    world.part(side)
    world.note(f"parted: {side}")
    world.run(seconds)
    world.part({})
    world.note("healed")
    return recovered(world, count)


def recovered(world: JointWorld, count: int) -> JointWorld:
    world.until(world.settled(best_voters(count)), RECOVERED, "all voters again")
    world.serve_all()
    world.finish()
    return world


def rolling_restart(seed: int, count: int) -> JointWorld:
    """One after the other, half of them by the sword; nobody loses its vote."""
    world = founded(seed, count)
    world.clients()
    before = world.chief().node.voters  # type: ignore[union-attr]
    for computer in world.computers.values():
        if world.rng.random() < 0.5:
            computer.hand_over()
            world.run(1.0)
        computer.stop()
        world.run(0.3 + world.rng.random())
        computer.start()
        world.until(world.settled(best_voters(count)), RECOVERED, f"{computer.name} is back")
    after = world.chief().node.voters  # type: ignore[union-attr]
    if after != before:
        world.fail(f"the voters were {before}, and are {after}")
    return recovered(world, count)


def addresses_changed(seed: int, count: int, *, at_once: bool) -> JointWorld:
    """Every computer comes back with another address, all at once or one after the other."""
    world = founded(seed, count)
    world.clients()
    computers = list(world.computers.values())
    before = world.chief().node.voters  # type: ignore[union-attr]
    for group in [computers] if at_once else [[it] for it in computers]:
        for computer in group:
            computer.stop()
        world.run(1.0)
        for computer in group:
            world.ports += 1
            computer.port = world.ports
            computer.start()
        world.until(world.settled(best_voters(count)), RECOVERED, "back with other addresses")
    if world.chief().node.voters != before:  # type: ignore[union-attr]
        world.fail("a voter was replaced")
    return recovered(world, count)


def disks_wiped(seed: int, count: int) -> JointWorld:
    """One disk after the other is lost; each time the computer comes back as a new member, and is promoted."""
    world = founded(seed, count)
    world.clients()
    for computer in world.computers.values():
        computer.stop()
        computer.wipe()
        world.run(world.rng.random() * 3.0)
        computer.start()
        world.until(world.settled(best_voters(count)), RECOVERED, f"{computer.name} votes as a new member")
    return recovered(world, count)


def lies(seed: int, count: int, seconds: float = 40.0) -> JointWorld:
    """Gossip lies to everybody at random, while computers die and return; then the truth comes back."""
    world = founded(seed, count, spread=0.0)
    world.clients()
    rate = world.rng.choice([0.05, 0.3, 0.8])
    for computer in world.computers.values():
        computer.lies = Lies(world.rng, rate)
    end = world.now + seconds
    while world.now < end:
        world.run(world.rng.expovariate(0.3))
        computer = world.rng.choice(list(world.computers.values()))
        match world.rng.choice(["stop", "start", "start", "part", "heal"]):
            case "stop":
                computer.stop()
            case "start":
                computer.start()
            case "part":
                world.part({name: int(world.rng.random() < 0.3) for name in world.computers})
            case _:
                world.part({})
    world.part({})
    for computer in world.computers.values():
        computer.lies = None
        computer.start()
    world.note("the truth is back")
    return recovered(world, count)


def lies_while_founding(seed: int, count: int) -> JointWorld:
    """The same while there is no cluster yet. It may cost the operator a command; it never makes two clusters."""
    world = JointWorld(seed, count, FoundingRule(3))
    for computer in world.computers.values():
        computer.lies = Lies(world.rng, world.rng.choice([0.05, 0.3]))
        computer.start()
        world.run(world.rng.random())
    world.run(30.0)
    return world


def voters_die(seed: int, count: int) -> JointWorld:
    """Voters die for good, one after the other: each is replaced while there is anybody to replace it."""
    world = founded(seed, count)
    world.clients()
    left = count
    while left > 3:
        chief = world.chief()
        assert chief is not None
        voters = [it for member in chief.node.voters if (it := world.of_member[member]).up]
        world.rng.choice(voters).stop()
        left -= 1
        world.until(lambda left=left: _all_alive(world, min(left, 5)), RECOVERED, "no dead voter")  # type: ignore[misc]
        world.run(1.0)
    world.serve_all()
    world.finish()
    return world


def _all_alive(world: JointWorld, left: int) -> bool:
    """One dead voter of five may stay where nobody replaces it: without it no more failures would be survived."""
    chief = world.chief()
    if chief is None or chief.node.state.log.configurations.latest_index > chief.node.commit:
        return False
    voters = chief.node.voters
    dead = [member for member in voters if not world.of_member[member].up]
    return len(voters) == 5 and len(dead) == 1 if left == 4 else not dead and len(voters) == left


def one_layer(seed: int, count: int) -> JointWorld:
    """Gossip alone, or the connections alone, of a computer are cut, mostly the leader's: no lease of a living process
    ends. One of a process that is killed, or starts again, does."""
    world = founded(seed, count, spread=0.0)
    world.clients()
    for computer in world.computers.values():
        world.bind_lease(computer)
    for _ in range(4):
        chief = world.chief()
        victim = chief if chief is not None and world.rng.random() < 0.7 else world.rng.choice(world.running_computers)
        if world.rng.random() < 0.6:
            world.note(f"{victim.name} is deaf")
            world.deaf = {victim.name}
        else:
            world.note(f"{victim.name} has no connections")
            world.unlink({victim.name})
        world.run(8.0)
        world.deaf = set()
        world.unlink(set())
        world.run(6.0)
    if any(world.leases_of(name) != 1 for name in world.computers):
        world.fail("a lease of a living process ended")
    killed, again = world.rng.sample(sorted(world.computers), 2)
    world.computers[killed].stop()
    world.computers[again].stop()
    world.run(0.5)
    world.computers[again].start()
    world.until(lambda: not world.leases_of(killed), 20.0, "the end of a lease of a killed process")
    world.until(lambda: not world.leases_of(again), 20.0, "the end of a lease of a process before the present one")
    world.computers[killed].start()
    return recovered(world, count)


def two_clusters_meet(seed: int) -> JointWorld:
    """Two clusters, founded apart, whose gossip and wires then meet, and are parted again. A node without Raft has
    spoken to one of them; a newcomer arrives, and a voter starts again."""
    world = JointWorld(seed, 8, FoundingRule(3))
    world.most_clusters = 2
    computers = list(world.computers.values())
    sides, onlooker, newcomer = (computers[:3], computers[3:6]), computers[6], computers[7]
    onlooker.looks_on = True
    apart = {it.name: int(it in sides[1]) for it in computers}
    world.part(apart)
    for computer in computers[:7]:
        computer.start()
        world.run(world.rng.random())
    for side in sides:
        world.until(world.settled(3, side), FOUNDED, "a cluster of its own")
    before = {it.name: it.cluster for side in sides for it in side}
    chosen = _Chosen(world, onlooker, before[computers[0].name])
    for _ in range(world.rng.randrange(3)):  # the other cluster's term is the higher one
        leader = next(it for it in sides[1] if it.node.leading)
        leader.stop()
        world.run(2.0)
        leader.start()
        world.until(world.settled(3, sides[1]), RECOVERED, "another leader there")
    world.clients()
    world.part({})
    world.note("they meet")
    restarted = world.rng.choice(computers[:6])
    restarted.stop()
    world.run(3.0)
    restarted.start()
    world.until(lambda: all(_names_the_other(it, before) for it in computers[:6]), 20.0, "word of the other cluster")
    world.until(lambda: leaders.meeting(onlooker.seen()) is not None, 10.0, "word of it from the node without Raft")
    newcomer.start()
    world.run(10.0)
    for side in sides:
        world.until(world.settled(3, side), 10.0, "each cluster is as it was")
    joined = newcomer.cluster
    if "clusters" not in f"{newcomer.reason} {newcomer.agent and newcomer.agent.met}":
        world.fail(f"the newcomer is in {joined}, and says {newcomer.reason!r}")
    if joined is not None:  # whichever it heard of alive first
        apart[newcomer.name] = int(joined != before[computers[0].name])
    world.part(apart)
    world.note("they are parted")
    world.until(lambda: not any(it.agent.met for it in computers[:6]), 30.0, "no word of another cluster")  # type: ignore[union-attr]
    if joined is None:
        there = before[computers[0].name]
        world.until(lambda: newcomer.cluster == there, RECOVERED, "the newcomer in the cluster on its side")
    if {it.name: it.cluster for side in sides for it in side} != before:
        world.fail(f"they changed their clusters, which were {before}")
    chosen.over = True
    world.serve_all()
    world.finish()
    return world


def directory_goes_back(seed: int, count: int, starts: int = 2) -> JointWorld:
    """A voter's directory is put back from an earlier copy: it is found out, and comes back as a new member.

    `starts`: of the voter since the copy. After a single one its next start has a number that the others have seen, and
    only gossip can tell it from a copied directory.
    """
    world = founded(seed, count)
    world.clients()
    chief = world.chief()
    computer = world.rng.choice([it for it in world.running_computers if it is not chief])
    former = computer.member
    computer.stop()
    computer.copy_disk()
    for _ in range(starts):
        computer.start()
        world.until(world.settled(best_voters(count)), RECOVERED, f"{computer.name} is back")
        world.run(1.0 + 2 * world.rng.random())
        computer.stop()
    computer.put_back()
    computer.start()
    world.until(lambda: computer.member != former, 10.0, f"{computer.name} found out")
    world.until(world.settled(best_voters(count)), RECOVERED, f"{computer.name} votes as a new member")
    return recovered(world, count)


def _names_the_other(computer: Computer, clusters: dict[str, str | None]) -> bool:
    others = {str(it) for it in clusters.values()} - {str(clusters[computer.name])}
    met = None if computer.agent is None else computer.agent.met
    return met is not None and all(other in met for other in others)


class _Chosen:
    """Whom a node without Raft would send requests to, time and again: nobody but members of the cluster that it has
    spoken to."""

    def __init__(self, world: JointWorld, onlooker: Computer, pinned: str | None) -> None:
        self.over = False
        self._world = world
        self._onlooker = onlooker
        self._pinned = pinned
        self._look()

    def _look(self) -> None:
        if self.over:
            return
        choice = leaders.choose(self._onlooker.seen(), self._pinned)
        strange = [leader for cluster, leader in choice.leaders if self._world.clusters.get(leader) != self._pinned]
        if strange or choice.cluster not in {None, self._pinned}:
            self._world.fail(f"the node without Raft turns to {strange} of another cluster: {choice}")
        self._world.after(0.1, self._look)
