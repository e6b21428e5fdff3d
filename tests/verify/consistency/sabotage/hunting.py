"""Runs with broken nodes, until each is caught: what the scenarios and the checkers are worth."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.verify.consistency.campaign import Order, make
from tests.verify.consistency.contract import Anomaly
from tests.verify.consistency.nodes.cluster import INTERNAL_ERROR, STOPPED_ITSELF
from tests.verify.consistency.run import Plan
from tests.verify.consistency.sabotage.catalogue import SABOTAGES, Sabotage


def catch(sabotage: Sabotage, seed_from: int, tries: int, out: Path) -> str:
    """By what it was caught: the kinds of anomaly of the first run that shows any; empty where none does."""
    for seed in range(seed_from, seed_from + tries):
        plan = Plan(sabotage.scenario, seed, sabotage.nodes, sabotage.seconds, sabotage.name)
        result = make(Order(plan, out / f"{sabotage.name}-{seed}"))
        kinds = {
            anomaly.kind
            for verdict in result.verdicts
            if verdict.layer == sabotage.layer
            for anomaly in verdict.anomalies
        }
        if sabotage.layer == "raft":
            kinds |= {each.kind for each in result.driver_anomalies if _means_it(each)}
        kinds.discard(INTERNAL_ERROR)
        if kinds:
            return f"seed {seed}: {', '.join(sorted(kinds))}"
    return ""


def _means_it(anomaly: Anomaly) -> bool:
    """A node that notices a broken rule of Raft has caught it; one that stumbles over how it was broken has not."""
    return anomaly.kind != STOPPED_ITSELF or "SafetyError" in anomaly.explanation


def hunt(names: Sequence[str], parallel: int, seed_from: int, tries: int, out: Path) -> bool:
    """Whether all of them are caught."""
    chosen = [SABOTAGES[name] for name in names] or list(SABOTAGES.values())

    def one(sabotage: Sabotage) -> str:
        caught = catch(sabotage, seed_from, tries, out)
        word = "caught    " if caught else "NOT CAUGHT"
        print(f"{word}  {sabotage.name:28} {caught}", flush=True)
        return caught

    with ThreadPoolExecutor(parallel) as pool:
        return all(list(pool.map(one, chosen)))
