"""A short run of each; the campaign has the long ones."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.slow import some_quick
from tests.verify.front_fuzz import gossip
from tests.verify.front_fuzz.all_at_once import MOST_MEGABYTES, attacked
from tests.verify.front_fuzz.front import fuzz, fuzzed_node

SEED = int(os.environ.get("FUZZ_SEED", "1"))


@pytest.mark.parametrize("seed", some_quick(range(1, 5), 1))
def test_mutated_requests(seed: int, tmp_path: Path) -> None:
    with fuzzed_node(tmp_path) as node:
        figures = fuzz(node, 1_500, seed)
        assert node.end() == 0
    # It was a conversation, not a wall: much was served, and much refused.
    assert figures.statuses[200] > 20
    assert figures.statuses[400] > 10


@pytest.mark.parametrize("seed", some_quick(range(1, 6), 1))
def test_mutated_datagrams(seed: int) -> None:
    figures = gossip.fuzz(3_000, seed)
    assert figures.most_known > 50
    assert figures.most_held_bytes > 1_000


@pytest.mark.slow
def test_all_attacks_at_once(tmp_path: Path) -> None:
    figures = attacked(tmp_path)
    assert figures.livez_asked > 0
    assert figures.most_megabytes - figures.idle_megabytes <= MOST_MEGABYTES


@pytest.mark.campaign
def test_a_million_mutated_requests(tmp_path: Path) -> None:
    requests = int(os.environ.get("FUZZ_REQUESTS", "1000000"))
    with fuzzed_node(tmp_path) as node:
        print(fuzz(node, requests, SEED))
        assert node.end() == 0


@pytest.mark.campaign
def test_a_million_mutated_datagrams() -> None:
    print(gossip.fuzz(int(os.environ.get("FUZZ_DATAGRAMS", "1000000")), SEED))
