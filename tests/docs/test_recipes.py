"""Each recipe against a real cluster, with the failure that it is about."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import signal
import sys
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coterie.app.client import Client
from tests import ROOT
from tests.docs.support.checkout import Checkout, NoOwnAddressError
from tests.docs.support.programs import Program, Programs, programs
from tests.waiting import PATIENCE_SECONDS, wait_until

RECIPES = ROOT / "docs" / "recipes"
PATIENT = ("--ttl", "15")
"""Seconds for which a process may be late with its renewals, and still leads."""

PAGE = (RECIPES / "README.md").read_text()


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    try:
        return Checkout(tmp_path)
    except NoOwnAddressError as error:
        pytest.skip(f"only Linux has all of 127/8 as loopback addresses: {error}")


@pytest.fixture
def started(checkout: Checkout) -> Iterator[Programs]:
    with programs(checkout) as here:
        yield here


def shown(started: Programs, command: str, *more: str) -> Program:
    """Run a recipe as the page shows it. `more`: what a busy machine needs beside that."""
    assert f"python docs/recipes/{command}\n" in PAGE.replace(" &\n", "\n")
    name, *arguments = command.split()
    return started.start(RECIPES / name, *arguments, *more)


@cache
def module(name: str) -> ModuleType:
    """A recipe as a module."""
    spec = importlib.util.spec_from_file_location(name, RECIPES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    sys.modules[name] = loaded
    spec.loader.exec_module(loaded)
    return loaded


def values(checkout: Checkout, prefix: str) -> dict[str, str]:
    """The metadata under a prefix."""

    async def read() -> dict[str, str]:
        async with Client(f"{checkout.address}:10001") as client:
            page = (await client.metadata.prefix(prefix.encode())).value
            return {each.key.decode().removeprefix(prefix): each.value.decode() for each in page.records}

    return asyncio.run(read())


@pytest.mark.slow
@pytest.mark.cluster
def test_an_instance_that_dies_disappears(started: Programs) -> None:
    started.start_one_node()
    finder = shown(started, "service_discovery.py find web")
    seen = finder.wait_for("(none)")
    first = shown(started, "service_discovery.py register web 10.0.0.5:8080")
    seen = finder.wait_for("10.0.0.5:8080", seen)
    second = started.start(RECIPES / "service_discovery.py", "register", "web", "10.0.0.6:8080")
    seen = finder.wait_for("10.0.0.5:8080 10.0.0.6:8080", seen)
    first.end(signal.SIGKILL)
    # An instance that a busy machine kept from renewing registers anew, and is listed again.
    seen = finder.wait_for("10.0.0.6:8080", seen, whole=True)
    assert second.end() == 0
    finder.wait_for("(none)", seen)
    assert finder.end() == 0


@pytest.mark.slow
@pytest.mark.cluster
def test_a_change_reaches_who_follows_across_a_restart_of_the_node(started: Programs, checkout: Checkout) -> None:
    node = started.start_one_node()
    follower = shown(started, "config.py follow shop --cache shop.json")
    assert shown(started, "config.py set shop color=blue size=7").process.wait() == 0
    seen = follower.wait_for('{"color": "blue", "size": "7"}')  # both at once
    node.end(signal.SIGKILL)
    late = shown(started, "config.py follow shop --cache shop.json")
    late.wait_for('{"color": "blue", "size": "7"}')  # no node is there: from the file
    started.start_node("one.toml")
    started.wait_until_ready()
    assert started.start(RECIPES / "config.py", "set", "shop", "color=red").process.wait() == 0
    follower.wait_for('{"color": "red", "size": "7"}', seen)
    late.wait_for('{"color": "red", "size": "7"}')
    assert json.loads((checkout.directory / "shop.json").read_text()) == {"color": "red", "size": "7"}
    assert follower.end() == 0
    assert late.end() == 0


@pytest.mark.slow
@pytest.mark.cluster
def test_another_leads_when_the_leader_dies_and_when_raft_changes_its_own(
    started: Programs, checkout: Checkout
) -> None:
    nodes = {name: started.start_node(f"configs/three-nodes/{name}.toml") for name in ("node1", "node2", "node3")}
    for port in (10001, 10002, 10003):
        started.wait_until_ready(port)
    first = shown(started, "leader_election.py nightly-report --name A", *PATIENT)
    first.wait_for("A leads")
    first.wait_for("A did step 1")
    second = shown(started, "leader_election.py nightly-report --name B", *PATIENT)
    second.wait_for("B is a candidate")
    raft: Any = httpx.get(f"http://{checkout.address}:10001/v1/cluster", timeout=PATIENCE_SECONDS).json()["raft"]
    nodes[raft["leader"]].end(signal.SIGKILL)
    first.wait_for("A did step", len(first.lines))  # it goes on, at other nodes
    first.end(signal.SIGKILL)
    second.wait_for("B leads")
    done = [int(line.rpartition(" ")[2]) for line in first.lines if "did step" in line]
    carried_on = int(second.lines[second.wait_for("B did step") - 1].rpartition(" ")[2])
    assert done == list(range(1, done[-1] + 1))
    assert carried_on in {done[-1] + 1, done[-1] + 2}  # A may have died between writing a step and saying so
    assert second.end() == 0


@pytest.mark.slow
@pytest.mark.cluster
def test_the_late_write_of_a_stopped_holder_is_refused(started: Programs) -> None:
    started.start_one_node()
    stopped = shown(started, "fenced_lock.py stock.db --take 3 --ask", "--ttl", "5")
    stopped.wait_for("sees 100")
    stopped.send(signal.SIGSTOP)
    other = shown(started, "fenced_lock.py stock.db --take 5", *PATIENT)
    other.wait_for("wrote 95")
    assert other.process.wait() == 0
    stopped.send(signal.SIGCONT)
    assert stopped.process.stdin is not None
    stopped.process.stdin.write("\n")
    stopped.process.stdin.flush()
    stopped.wait_for("refused: token")
    assert stopped.process.wait() == 1
    after = shown(started, "fenced_lock.py stock.db --take 5", *PATIENT)
    after.wait_for("wrote 90")


@pytest.mark.slow
@pytest.mark.cluster
def test_shards_of_a_worker_that_dies_are_assigned_anew(started: Programs, checkout: Checkout) -> None:
    started.start_one_node()
    ann = shown(started, "worker_pool.py --name ann")
    ann.wait_for("ann owns 00 01 02 03 04 05 06 07 08 09 10 11")
    bob = shown(started, "worker_pool.py --name bob")
    bob.wait_for("bob owns 06 07 08 09 10 11")
    seen = len(bob.lines)
    ann.end(signal.SIGKILL)  # the coordinator, too
    bob.wait_for("bob coordinates", seen)
    bob.wait_for("bob owns 00 01 02 03 04 05 06 07 08 09 10 11", seen)
    assert set(values(checkout, "pool/owners/").values()) == {"bob"}
    before = int(values(checkout, "pool/steps/")["00"])
    wait_until(lambda: int(values(checkout, "pool/steps/")["00"]) >= before + 2)
    assert bob.end() == 0
    assert values(checkout, "pool/workers/") == {}


@given(
    st.dictionaries(st.integers(0, 99).map(str), st.sampled_from([None, "a", "b", "c", "d"])),
    st.sets(st.sampled_from("abcd"), min_size=1),
)
def test_shards_are_assigned_evenly_and_few_move(former: dict[str, str | None], workers: set[str]) -> None:
    owners = module("worker_pool").assign(former, sorted(workers))
    load = Counter(owners.values())
    counts = [load[worker] for worker in workers]
    assert owners.keys() == former.keys()
    assert set(owners.values()) <= workers
    assert max(counts) - min(counts) <= 1
    kept = sum(owners[shard] == owner for shard, owner in former.items())
    share, more = divmod(len(former), len(workers))
    had = sorted((Counter(former.values())[worker] for worker in workers), reverse=True)
    assert kept == sum(min(count, share + (place < more)) for place, count in enumerate(had))
