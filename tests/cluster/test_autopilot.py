"""Both layers in real processes: one cluster found by itself, members that come, die, move and restart, under load."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.cluster.processes import Node, Nodes, nodes
from tests.waiting import PATIENCE_SECONDS, wait_for, wait_until

pytestmark = pytest.mark.cluster

STABILIZATION = 1.0
GRACE = 3.0
HOLD = 1.0


class Cluster:
    """Nodes by name, each with a directory that outlives it."""

    def __init__(self, started: Nodes, directory: Path) -> None:
        self.started = started
        self.directory = directory
        self.running: dict[str, Node] = {}
        self.addresses: list[str] = []

    def start(self, name: str, listen_addr: str = "127.0.0.1:0", **settings: str) -> Node:
        node = self.started.start(
            name,
            listen_addr=listen_addr,
            seeds=self.addresses[-5:],
            **{"DATA_DIR": str(self.directory / name), "RAFT__ENABLED": "true", **settings},
        )
        self.addresses.append(node.address)
        self.running[name] = node
        return node

    def found(self, *names: str) -> None:
        for name in names:
            self.start(name, RAFT__BOOTSTRAP_EXPECT=str(len(names)))
        wait_until(lambda: all(set(raft(node)["voters"]) == set(names) for node in self.running.values()))
        wait_until(lambda: raft(self.running[names[0]])["leader"] is not None)

    def leader(self) -> str:
        """As any node sees it, once one does."""

        def seen() -> str | None:
            return next(
                (name for node in self.running.values() if (name := raft(node)["leader"]) in self.running), None
            )

        return wait_for(seen)

    def kill(self, name: str) -> None:
        self.running.pop(name).kill()


def raft(node: Node) -> dict[str, Any]:
    found: dict[str, Any] = node.client.get("/v1/cluster").json()["raft"]
    return found


def has_applied(node: Node, *, decisions: int) -> bool:
    told = raft(node)["decisions"]
    return len(told) >= decisions and told[-1]["outcome"] == "done"


def put(node: Node, key: str, value: str, **options: Any) -> httpx.Response:
    return node.client.put(f"/v1/meta/{key}", content=value, **options)


def get(node: Node, key: str) -> str | None:
    answer = node.client.get(f"/v1/meta/{key}")
    assert answer.status_code in {200, 404}, answer.text
    return None if answer.status_code == 404 else answer.json()["value"]


def serves(node: Node) -> bool:
    """Whether it answers a linearizable read; a newcomer does not before it has joined."""
    return node.client.get("/v1/meta/any").status_code in {200, 404}


@contextmanager
def cluster(directory: Path, **settings: str) -> Iterator[Cluster]:
    usual = {
        "INTERVAL_MS": "100",
        "GOSSIP__INITIAL_INTERVAL": "0.5",
        "RAFT__STABILIZATION_TIME": str(STABILIZATION),
        "RAFT__DEAD_VOTER_GRACE": str(GRACE),
    }
    with nodes(**{**usual, **settings}) as started:
        yield Cluster(started, directory)


@pytest.mark.slow
def test_three_found_two_join_one_is_replaced_and_each_decision_has_its_reason(
    tmp_path: Path, figure: Callable[[str], None]
) -> None:
    with cluster(tmp_path) as all_nodes:
        all_nodes.found("a", "b", "c")
        a = all_nodes.running["a"]
        assert put(a, "k", "1").status_code == 200
        for name in ("d", "e"):
            all_nodes.start(name)
        took = wait_until(lambda: len(raft(a)["voters"]) == 5)
        figure(f"autopilot: two newcomers were promoted {took:.1f} s after they had started")
        f = all_nodes.start("f")
        wait_until(lambda: raft(f)["observers"] == ["f"] and serves(f))
        assert get(f, "k") == "1"

        victim = next(name for name in "bcde" if name != all_nodes.leader())
        all_nodes.kill(victim)
        took = wait_until(lambda: "f" in raft(f)["voters"] and victim not in raft(f)["voters"])
        figure(f"autopilot: a killed voter was replaced after {took:.1f} s (grace {GRACE:g} s)")
        for node in all_nodes.running.values():
            wait_until(partial(has_applied, node, decisions=4))
            told = raft(node)["decisions"]
            assert [each["action"] for each in told] == ["promote", "promote", "remove", "promote"]
            assert all(each["outcome"] == "done" and each["reason"] for each in told)

        all_nodes.start(victim)
        back = all_nodes.running[victim]
        wait_until(lambda: raft(back)["observers"] == [victim] and serves(back))
        assert get(back, "k") == "1"
        # What it was before, under a member id that is barred now, is told no more.
        assert [each["node_id"] for each in raft(back)["members"]].count(victim) == 1
        # The documented face is what it was.
        assert a.client.get("/set_kv", params={"key": "x", "value": "y"}).json() == {"status": True}
        assert set(a.state()) == {"cluster_id", "cluster_state", "live_nodes", "dead_nodes"}


def test_a_node_with_raft_off_is_a_client_of_the_others(tmp_path: Path) -> None:
    with cluster(tmp_path) as all_nodes:
        all_nodes.found("a", "b", "c")
        client = all_nodes.started.start("client", seeds=all_nodes.addresses)
        wait_until(lambda: raft(client)["leader"] is not None)
        answer = put(client, "from/afar", "1", headers={"If-None-Match": "*"})
        assert answer.status_code == 200, answer.text
        assert get(all_nodes.running["b"], "from/afar") == "1"
        assert get(client, "from/afar") == "1"
        assert put(client, "from/afar", "2", headers={"If-None-Match": "*"}).status_code == 412


class Load:
    """Writers and readers at every node, in threads; each request is tried again elsewhere within its deadline."""

    DEADLINE = PATIENCE_SECONDS

    def __init__(self, all_nodes: Cluster) -> None:
        self._nodes = all_nodes
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(number,)) for number in range(4)]
        self.failures: list[str] = []
        self.done = 0
        self.retried = 0
        for thread in self._threads:
            thread.start()

    def _run(self, number: int) -> None:
        count = 0
        with httpx.Client(timeout=self.DEADLINE) as client:
            while not self._stop.is_set():
                count += 1
                key, value = f"load/{number}", str(count)
                self._try(client, "PUT", key, value, number + count)
                answer = self._try(client, "GET", key, None, number + count + 1)
                if answer is not None and answer.json()["value"] != value:
                    self.failures.append(f"{key} is {answer.json()['value']}, after {value} was acknowledged")

    def _try(self, client: httpx.Client, method: str, key: str, value: str | None, turn: int) -> httpx.Response | None:
        end = time.monotonic() + self.DEADLINE
        problem = ""
        while time.monotonic() < end:
            running = list(self._nodes.running.values())
            node = running[turn % len(running)]
            turn += 1
            try:
                answer = client.request(method, f"http://{node.address}/v1/meta/{key}?timeout=3", content=value)
            except httpx.HTTPError as error:
                problem = repr(error)
            else:
                if answer.status_code == 200:
                    self.done += 1
                    return answer
                problem = answer.text
                if answer.status_code not in {503, 504}:
                    break
            self.retried += 1
            self._stop.wait(0.02)
        self.failures.append(f"{method} {key}: {problem}")
        return None

    def end(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()


@pytest.mark.slow
def test_a_rolling_restart_under_load_fails_no_request(tmp_path: Path, figure: Callable[[str], None]) -> None:
    # On a busy machine a restart takes longer than the dead are waited for elsewhere.
    with cluster(tmp_path, RAFT__DEAD_VOTER_GRACE="600") as all_nodes:
        all_nodes.found("a", "b", "c")
        load = Load(all_nodes)
        try:
            for name in "abc":
                assert all_nodes.running[name].stop() == 0  # requests go on to be sent to it
                # It comes back at another address: port 0 is a new one each time.
                came_back = all_nodes.start(name, RAFT__BOOTSTRAP_EXPECT="3")
                wait_until(partial(serves, came_back))
                wait_until(lambda: all(len(raft(n)["voters"]) == 3 for n in all_nodes.running.values()))
        finally:
            load.end()
        figure(f"autopilot: rolling restart, {load.done} requests done, {load.retried} tries repeated, none failed")
        assert load.failures == []
        assert load.done > 100
        # The names are gossip's: a node that has just started may not know all of them yet.
        everyone = list(all_nodes.running.values())
        wait_until(lambda: all(sorted(raft(node)["voters"]) == ["a", "b", "c"] for node in everyone))
        assert raft(all_nodes.running["a"])["decisions"] == []  # nobody was taken for dead


@pytest.mark.slow
def test_a_lock_bound_to_a_killed_node_goes_to_the_next_with_a_higher_token(
    tmp_path: Path, figure: Callable[[str], None]
) -> None:
    with cluster(tmp_path) as all_nodes:
        all_nodes.found("a", "b", "c")
        leader = all_nodes.leader()
        victim = next(name for name in "abc" if name != leader)
        other = all_nodes.running[next(name for name in "abc" if name not in {leader, victim})]
        first = _lock(other, victim)
        assert first["token"] > 0
        all_nodes.kill(victim)
        killed = time.monotonic()
        detected = wait_until(lambda: victim in all_nodes.running[leader].dead())
        second = _lock(other, leader)
        took = time.monotonic() - killed
        figure(
            f"autopilot: a killed node's lock was free {took:.1f} s after (detected at {detected:.1f}, hold {HOLD:g})"
        )
        assert second["token"] > first["token"]
        assert took > HOLD


def _lock(node: Node, holder: str) -> dict[str, Any]:
    lease = node.client.post("/v1/leases", json={"node": holder, "hold": HOLD})
    assert lease.status_code in {200, 201}, lease.text
    answer = node.client.post(
        "/v1/locks/job", json={"lease": lease.json()["lease"], "wait": 30}, timeout=PATIENCE_SECONDS
    )
    assert answer.status_code == 200, answer.text
    held: dict[str, Any] = answer.json()
    return held
