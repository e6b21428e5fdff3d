"""`/metrics`: well formed, true, and with labels that nobody outside can multiply."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from coterie.app.observability.metrics.families import quantiles
from coterie.app.observability.metrics.http import template_of
from coterie.app.observability.metrics.loop_lag import LoopLag
from coterie.consensus.raft.metrics import Histogram
from coterie.gossip import Address, GossipNode
from tests.app.api.conftest import Part, gossip_node

pytestmark = pytest.mark.anyio

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def families_of(text: str) -> list[Metric]:
    return list(parse_text(text))


def samples(text: str) -> Samples:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families_of(text)
        for sample in family.samples
    }


async def read(api: httpx.AsyncClient) -> Samples:
    answer = await api.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=")
    return samples(answer.text)


async def test_both_formats_are_well_formed_and_hold_the_same(api: httpx.AsyncClient) -> None:
    await api.get("/metrics")  # or the first request is in the second answer alone
    text = samples((await api.get("/metrics")).text)
    answer = await api.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    assert answer.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    assert answer.text.endswith("# EOF\n")
    families: list[Metric] = list(parse_openmetrics(answer.text))  # type: ignore[no-untyped-call]
    assert {sample.name for family in families for sample in family.samples} <= {name for name, _ in text}


async def test_names_keep_the_conventions(api: httpx.AsyncClient) -> None:
    families = families_of((await api.get("/metrics")).text)
    assert len(families) > 60
    for family in families:
        assert family.documentation, family.name
        assert re.match("coterie_|process_|python_", family.name), family.name
        assert re.fullmatch("[a-z][a-z0-9_]*", family.name), family.name
        # Base units, at the end of the name; the parser takes _total off counters.
        assert not re.search("_(ms|milliseconds|kb|kilobytes|percent|count|total)$", family.name), family.name
        for sample in family.samples:
            if family.type == "counter":
                assert sample.name.endswith("_total"), sample


async def test_raft_counts_writes_and_how_long_they_and_their_syncs_took(api: httpx.AsyncClient, part: Part) -> None:
    before = await read(api)
    for number in range(3):
        assert (await api.put(f"/v1/meta/jobs/{number}", content=b"x")).status_code == 200
    after = await read(api)

    def grown(name: str, **labels: str) -> float:
        key = name, tuple(sorted(labels.items()))
        return after[key] - before[key]

    assert grown("coterie_raft_proposals_total", outcome="done") == 3
    assert grown("coterie_raft_proposal_duration_seconds_count") == 3
    assert grown("coterie_raft_proposal_duration_seconds_sum") > 0
    assert grown("coterie_raft_log_sync_duration_seconds_count") >= 3
    assert grown("coterie_metadata_keys") == 3
    assert grown("coterie_raft_applied_index") == grown("coterie_raft_commit_index") == 3
    assert after["coterie_raft_role", (("role", "leader"),)] == 1
    assert after["coterie_raft_elections_total", (("kind", "vote"),)] == 1
    assert after["coterie_raft_leader_changes_total", ()] == 1
    assert after["coterie_raft_term", ()] == part.picture().term


async def test_requests_are_counted_by_template_method_and_class_of_status(api: httpx.AsyncClient) -> None:
    for number in range(5):
        await api.get(f"/v1/meta/secret-name-{number}")
        await api.get(f"/v1/members/secret-name-{number}")
        await api.get(f"/secret-name-{number}")
    await api.request("SECRET", "/v1/meta/secret-name")
    await api.put("/v1/kv/a", content=b"x")
    text = (await api.get("/metrics")).text
    assert "secret" not in text.lower()
    counted = {
        tuple(labels[name] for name in ("route", "method", "status")): value
        for (name, pairs), value in samples(text).items()
        if name == "coterie_http_requests_total" and (labels := dict(pairs))
    }
    assert counted == {
        ("/v1/meta/{key}", "GET", "4xx"): 5,
        ("/v1/members/{node_id}", "GET", "4xx"): 5,
        ("none", "GET", "4xx"): 5,
        ("/v1/meta/{key}", "other", "4xx"): 1,
        ("/v1/kv/{key}", "PUT", "2xx"): 1,
    }
    assert samples(text)["coterie_http_requests_in_flight", ()] == 1


async def test_what_other_nodes_say_makes_no_labels(api: httpx.AsyncClient, gossip: GossipNode) -> None:
    before = {key for key, _ in (await read(api)).items() if key[0].startswith("coterie_gossip")}
    source = Address("127.0.0.1", 20_000)
    for number in range(20):
        other = gossip_node(f"loud-{number}", 20_000 + number)
        (syn,) = other.engine.open_handshakes([gossip.node.gossip_advertise_addr], 0.0)
        gossip.engine.receive(syn[1], source, float(number))
        await other.stop()
    gossip.engine.receive(b"nonsense", source, 1.0)
    text = (await api.get("/metrics")).text
    assert "loud" not in text
    after = samples(text)
    assert after["coterie_gossip_nodes", (("state", "joining"),)] == 20
    assert after["coterie_gossip_membership_changes_total", (("change", "joined"),)] == 20
    assert after["coterie_gossip_received_datagrams_total", (("kind", "syn"),)] == 20
    assert after["coterie_gossip_datagram_faults_total", (("fault", "magic"),)] == 1
    new = {key for key in after if key[0].startswith("coterie_gossip")} - before
    assert new == {("coterie_gossip_datagram_faults_total", (("fault", "magic"),))}


async def test_a_node_that_lags_says_by_how_much(api: httpx.AsyncClient, gossip: GossipNode) -> None:
    other = gossip_node("writer", 20_001)
    for number in range(4):
        other.set(f"key-{number}", "x")
    now = time.monotonic()
    (syn,) = other.engine.open_handshakes([gossip.node.gossip_advertise_addr], now)
    ((_, syn_ack),) = gossip.engine.receive(syn[1], other.node.gossip_advertise_addr, now)
    assert (await read(api))["coterie_gossip_versions_behind", ()] == 4
    ((_, ack),) = other.engine.receive(syn_ack, gossip.node.gossip_advertise_addr, now)
    gossip.engine.receive(ack, other.node.gossip_advertise_addr, now)
    after = await read(api)
    assert after["coterie_gossip_versions_behind", ()] == 0
    assert after["coterie_gossip_key_values", ()] == 4
    await other.stop()


async def test_a_loop_that_is_blocked_is_noticed() -> None:
    lag = LoopLag()
    watching = asyncio.create_task(lag.watch())
    await asyncio.sleep(0)
    time.sleep(0.8)  # noqa: ASYNC251 - to block the loop is the point
    await asyncio.sleep(0.05)  # its timer was due long ago, and comes before this one
    watching.cancel()
    assert lag.seconds.total >= 0.25


def test_a_histogram_counts_up_to_and_with_its_bounds() -> None:
    taken = Histogram((1.0, 2.0))
    for value in (0.5, 1.0, 1.5, 2.0, 99.0):
        taken.observe(value)
    assert taken.cumulated() == [(1.0, 2), (2.0, 4), (float("inf"), 5)]
    assert (taken.count, taken.total) == (5, 104.0)


def test_quantiles_are_of_the_nearest_rank() -> None:
    family = quantiles("phi", "help", [float(n) for n in range(101)])
    assert {s.labels["quantile"]: s.value for s in family.samples} == {"0.5": 50, "0.9": 90, "0.99": 99, "1": 100}
    assert quantiles("phi", "help", []).samples == []


def test_the_template_of_a_request_that_is_passed_on() -> None:
    app = FastAPI()
    app.post("/v1/locks/{name:path}")(lambda: None)
    scope: Callable[[str, str], Any] = lambda method, path: {  # noqa: E731
        "type": "http",
        "method": method,
        "path": path,
        "root_path": "",
        "headers": [],
    }
    assert template_of(scope("POST", "/v1/locks/a/b"), app.routes) == "/v1/locks/{name}"
    assert template_of(scope("POST", "/v1/other"), app.routes) == "none"
