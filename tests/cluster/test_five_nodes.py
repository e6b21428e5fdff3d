"""Five real nodes on loopback: agreement, spreading, death, return, sleep, strangers."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Iterator

import pytest

from tests.cluster.processes import Node, Nodes, nodes
from tests.waiting import wait_until

pytestmark = pytest.mark.cluster

DEAD_NODE_GRACE = 12.0
UPTIME_BEFORE_KILL = 30.0
SLEEP_SECONDS = 20.0


@pytest.fixture(name="five")
def five_nodes(figure: Callable[[str], None]) -> Iterator[tuple[Nodes, list[Node]]]:
    with nodes(GOSSIP__DEAD_NODE_GRACE_PERIOD=str(DEAD_NODE_GRACE)) as started:
        first = started.start("node-0")
        rest = [started.start(f"node-{i}", seeds=[first.address]) for i in range(1, 5)]
        running = [first, *rest]
        everyone = {node.node_id for node in running}
        took = wait_until(lambda: all(n.live() == everyone for n in running))
        figure(f"cluster: five nodes agreed on five live nodes after {took:.2f} s")
        yield started, running


def test_a_key_set_on_one_is_read_on_all(five: tuple[Nodes, list[Node]], figure: Callable[[str], None]) -> None:
    _, running = five
    took = []
    for i in range(20):
        writer = running[i % 5]
        writer.set("color", f"shade {i}")
        took.append(
            wait_until(lambda w=writer, i=i: all(n.value(w.node_id, "color") == f"shade {i}" for n in running))  # type: ignore[misc]
        )
    figure(
        f"cluster: a key was on all five after {statistics.median(took):.2f} s (median of 20; worst {max(took):.2f} s)"
    )


@pytest.mark.slow
def test_a_killed_node_is_found_and_its_return_is_a_new_generation(
    five: tuple[Nodes, list[Node]], figure: Callable[[str], None]
) -> None:
    started, running = five
    *others, victim = running
    # How quickly a death is found depends on how long the node was known: 30 s is the documented case.
    time.sleep(UPTIME_BEFORE_KILL)
    generation = victim.state()["live_nodes"][-1]["generation"]
    victim.kill()
    took = wait_until(lambda: all(victim.node_id in n.dead() for n in others))
    figure(f"cluster: kill -9 after {UPTIME_BEFORE_KILL:.0f} s was seen by all four others after {took:.2f} s")
    assert all(victim.node_id not in n.live() for n in others)

    again = started.start(victim.node_id, listen_addr=victim.address, seeds=[others[0].address])
    wait_until(lambda: all(victim.node_id in n.live() for n in others))
    for node in [*others, again]:
        live = [n for n in node.state()["live_nodes"] if n["node_id"] == victim.node_id]
        assert [n["generation"] > generation for n in live] == [True]
    wait_until(lambda: all(not n.dead() for n in others))


@pytest.mark.slow
def test_the_old_generation_leaves_the_live_set_when_the_new_one_comes(five: tuple[Nodes, list[Node]]) -> None:
    started, running = five
    *others, victim = running
    victim.kill()
    # Restarted at once: the old identity is not found dead by silence, but outlived.
    started.start(victim.node_id, listen_addr=victim.address, seeds=[others[0].address])

    def replaced(node: Node) -> bool:
        state = node.state()
        live = [n["generation"] for n in state["live_nodes"] if n["node_id"] == victim.node_id]
        dead = [n["generation"] for n in state["dead_nodes"] if n["node_id"] == victim.node_id]
        return len(live) == 1 and len(dead) == 1 and live[0] > dead[0]

    wait_until(lambda: all(replaced(n) for n in others))
    wait_until(lambda: all(not n.dead() for n in others))


@pytest.mark.slow
def test_a_node_that_slept_takes_nobody_for_dead(five: tuple[Nodes, list[Node]]) -> None:
    _, running = five
    *others, sleeper = running
    time.sleep(3.0)
    sleeper.pause()
    time.sleep(SLEEP_SECONDS)
    wait_until(lambda: all(sleeper.node_id in n.dead() for n in others))
    sleeper.wake()
    wait_until(lambda: all(sleeper.node_id in n.live() for n in others))
    deaths = [json.loads(line) for line in sleeper.lines if '"node dead"' in line]
    assert deaths == []
    assert len(sleeper.live()) == 5


def test_a_node_of_another_cluster_changes_nothing(five: tuple[Nodes, list[Node]]) -> None:
    started, running = five
    everyone = {node.node_id for node in running}
    stranger = started.start("stranger", seeds=[running[0].address], CLUSTER_ID="another")
    wait_until(lambda: any("another cluster" in line for line in stranger.lines + running[0].lines))
    for node in running:
        state = node.state()
        known = {s["chitchat_id"]["node_id"] for s in state["cluster_state"]["node_states"]}
        assert known == everyone
        assert {n["node_id"] for n in state["live_nodes"]} == everyone
    assert stranger.live() == {"stranger"}


def test_a_seed_by_host_name_is_found() -> None:
    with nodes() as started:
        first = started.start("node-0")
        port = first.address.rpartition(":")[2]
        second = started.start("node-1", seeds=[f"localhost:{port}"])
        wait_until(lambda: first.live() == second.live() == {"node-0", "node-1"})
