"""The scenarios, by name: what goes wrong in each, and what cluster it takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Scenario:
    """A kind of run. With a seed, a length and a number of nodes it is one run, that can be had again."""

    name: str
    what: str
    kinds: Mapping[str, float]
    """Kinds of faults, with their weights."""
    lanes: int = 1
    """Faults at a time, at most."""
    spares: int = 0
    """Nodes that may join later."""
    power: bool | None = None
    """Kills are power cuts: what was not synced is lost. None: in every other seed."""
    sync_seconds: float = 0.004
    """What a sync takes where kills are power cuts: long enough for one to fall into it."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """Of every node, over the usual ones; names of environment variables less their prefix."""


def _equally(*kinds: str) -> dict[str, float]:
    return dict.fromkeys(kinds, 1.0)


LINKS = _equally("loss", "delay", "duplicate", "reorder", "slow_tcp", "cut_udp", "cut_tcp")
PARTITIONS = _equally("partition", "isolate", "one_way", "bridge")

_TABLE = (
    Scenario("calm", "nothing goes wrong", {}),
    Scenario("partitions", "halves, single nodes, one way only, joined by a bridge", PARTITIONS),
    Scenario("isolations", "the leader, or another node, hears nobody and is heard by nobody", _equally("isolate")),
    Scenario("bad-links", "loss, delay, duplicates, reordering, slow and cut TCP", LINKS, lanes=2),
    Scenario("one-layer", "UDP alone or TCP alone is cut", _equally("cut_udp", "cut_tcp")),
    Scenario(
        "kills", "kill -9 and power cuts of one node or all, SIGTERM", _equally("kill", "kill_all", "stop"), power=True
    ),
    Scenario("power-cuts", "all nodes lose power at one instant", _equally("kill_all"), power=True, sync_seconds=0.05),
    Scenario("pauses", "SIGSTOP and SIGCONT, mostly of the leader", _equally("pause")),
    Scenario("disks", "full disks, slow syncs", _equally("disk_full", "slow_sync")),
    Scenario("hung-sync", "a leader whose disk hangs loses its place", _equally("hung_sync")),
    Scenario("clocks", "wall clocks that jump, also over a restart", _equally("clock")),
    Scenario("snapshots", "killed while a snapshot is written", _equally("kill_in_snapshot"), power=True),
    Scenario("transfers", "leadership handed over under load, and killed", {"transfer": 2.0, "kill": 1.0}, lanes=2),
    Scenario(
        "members",
        "nodes are added, replaced, removed, leave and lose their disks",
        _equally("add_node", "replace_node", "remove_node", "leave", "wipe"),
        spares=2,
    ),
    Scenario(
        "members-in-trouble",
        "the same, while links fail and nodes die",
        _equally("add_node", "replace_node", "remove_node", "leave", "wipe", "partition", "isolate", "kill", "pause"),
        lanes=2,
        spares=2,
    ),
    Scenario(
        "mixed",
        "everything, two at a time",
        {
            **PARTITIONS,
            **dict.fromkeys(LINKS, 0.5),
            "kill": 3.0,
            "kill_all": 0.7,
            "stop": 0.7,
            "pause": 2.0,
            "disk_full": 0.7,
            "slow_sync": 0.7,
            "hung_sync": 1.0,
            "clock": 0.7,
            "kill_in_snapshot": 1.0,
            "transfer": 1.0,
            **dict.fromkeys(("add_node", "replace_node", "remove_node", "leave", "wipe"), 0.4),
        },
        lanes=2,
        spares=2,
    ),
)

SCENARIOS: Mapping[str, Scenario] = {scenario.name: scenario for scenario in _TABLE}
