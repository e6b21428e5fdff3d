"""Tests of the tests: each broken node is caught by its scenario, in real processes (`make consistency-sabotage`)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.verify.consistency.network import why_not
from tests.verify.consistency.sabotage.catalogue import SABOTAGES
from tests.verify.consistency.sabotage.hunting import catch
from tests.verify.consistency.scenarios import SCENARIOS

TRIES = 6
"""Seeds for each; most are caught by the first or second."""


def test_every_broken_node_has_a_scenario_and_there_are_enough_of_them() -> None:
    assert {sabotage.scenario for sabotage in SABOTAGES.values()} <= set(SCENARIOS)
    assert len([sabotage for sabotage in SABOTAGES.values() if sabotage.layer == "raft"]) >= 8


@pytest.mark.campaign
@pytest.mark.skipif(bool(why_not()), reason="no network namespaces here")
@pytest.mark.parametrize("name", SABOTAGES)
def test_a_broken_node_is_caught(name: str, tmp_path: Path) -> None:
    assert catch(SABOTAGES[name], 1, TRIES, tmp_path)
