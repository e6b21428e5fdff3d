"""`coterie bench` against a real node: what it measures, and that nothing of it stays. Never how much."""

from __future__ import annotations

import math
import random
import signal

import pytest

from coterie.app.cli.bench.latencies import LatencyHistogram
from coterie.app.cli.terminal.exits import Exit
from tests.app.cli.conftest import Say
from tests.app.cli.shapes import check_json
from tests.app.cli.started import started
from tests.cluster.processes import Node
from tests.waiting import wait_until


def keys(say: Say, node: Node) -> list[str]:
    return say("meta", "ls", "coterie-bench/", "--keys_only", at=node).out.split()


@pytest.mark.slow
@pytest.mark.cluster
def test_a_load_on_both_layers_leaves_nothing(node: Node, say: Say) -> None:
    mix = "put=1,get=2,stale_get=1,kv_put=1,kv_get=1"
    said = say("bench", "--clients", "3", "--seconds", "1", "--keys", "20", "--mix", mix, "--json", at=node)
    assert said.code == Exit.DONE, said
    told = check_json("bench", said.out)
    assert [each["name"] for each in told["operations"]] == ["put", "get", "stale_get", "kv_put", "kv_get"]
    assert told["total"]["count"] == sum(each["count"] for each in told["operations"]) > 0
    assert told["total"]["errors"] == {}
    assert 0 < told["total"]["p50_ms"] <= told["total"]["p99_ms"] <= told["total"]["max_ms"]
    assert (told["clients"], told["interrupted"]) == (3, False)
    assert keys(say, node) == []
    assert '"keys": []' in say("kv", "ls", "coterie-bench/", "--json").out
    shown = say("bench", "--clients", "2", "--seconds", "0.2", "--keys", "5")
    assert [line.split()[0] for line in shown.out.splitlines()] == ["OPERATION", "put", "get", "all"]
    assert "% of a core" in shown.err


@pytest.mark.cluster
def test_an_interrupted_load_leaves_nothing_and_tells_what_it_measured(node: Node, say: Say) -> None:
    with started(node, "bench", "--seconds", "600", "--clients", "2", "--keys", "10", "--json") as running:
        wait_until(lambda: len(keys(say, node)) == 10)
        code = running.end(signal.SIGINT)
        assert code == Exit.INTERRUPTED, running.errors()
        assert running.process.stdout is not None
        out = running.process.stdout.read()
    assert not out or check_json("bench", out)["interrupted"]  # nothing where it was still writing the first keys
    assert keys(say, node) == []


@pytest.mark.cluster
def test_keys_of_others_are_not_touched(node: Node, say: Say) -> None:
    say("meta", "put", "mine/x", "1", at=node)
    say("kv", "put", "mine-too/x", "1")
    for prefix, mix in (("mine/", "put=1"), ("mine-too/", "kv_put=1")):
        said = say("bench", "--prefix", prefix, "--mix", mix, "--seconds", "0.2")
        assert said.code == Exit.PRECONDITION
        assert f"--prefix '{prefix}' holds keys that are not of a bench, such as '{prefix}x'" in said.err
    assert say("meta", "get", "mine/x").out == "1"
    say("meta", "del", "mine/x")
    say("kv", "del", "mine-too/x")


@pytest.mark.parametrize("mix", ["", "put", "put=", "put=x", "fly=1", "put=1,put=2", "put=0"])
def test_a_mix_that_is_none(say: Say, mix: str) -> None:
    said = say("bench", "--mix", mix, at="127.0.0.1:1")
    assert said.code == Exit.WRONG_USAGE
    assert "--mix" in said.err


def test_percentiles_are_within_one_percent() -> None:
    draw = random.Random(7)
    samples = sorted(draw.lognormvariate(-7, 2) for _ in range(20_000))
    latencies, half = LatencyHistogram(), LatencyHistogram()
    for at, sample in enumerate(samples):
        (latencies if at % 2 else half).add(sample)
    latencies.merge(half)
    for share in (0.01, 0.5, 0.95, 0.99, 1.0):
        exact = samples[max(1, math.ceil(share * len(samples))) - 1]
        told = latencies.percentile(share)
        assert told is not None
        assert exact <= told * 1.000001 <= max(exact, 1e-6) * 1.0101
    assert latencies.max == samples[-1]
    assert LatencyHistogram().percentile(0.5) is None
