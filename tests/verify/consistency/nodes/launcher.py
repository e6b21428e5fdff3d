"""Starts a node as its own process would, in its network namespace, on a disk and with a clock that can be told to
misbehave, and, for tests of the tests, with something broken in it:
`python -m tests.verify.consistency.nodes.launcher [OPTIONS] -- ARGUMENTS OF THE NODE`.

The product is untouched: what is replaced here is what it is made of in this process. Besides, logs are compacted and
segments begun a hundred times more often than by default, so that minutes see what otherwise takes days.
"""

from __future__ import annotations

import argparse
import ctypes
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

from tests.verify.consistency.network.namespaces import set_namespace
from tests.verify.consistency.nodes.disks import BadFiles, Told

COMPACT_AFTER = 150
"""Entries in the log before a snapshot is taken."""

SEGMENT_BYTES = 256 * 1024

_PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """No node outlives the run, however that ends."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _replace(module: ModuleType, name: str, stand_in: Any) -> None:
    """Raises KeyError where the module does not use such a name: the stand-in would never be called."""
    _ = vars(module)[name]
    vars(module)[name] = stand_in


def configure_raft(told: Told, *, power: bool) -> None:
    """Files that fail as told, and short logs."""
    from coterie.app.node import raft_agent

    original = raft_agent.agent_config

    def agent_config(*arguments: Any) -> Any:
        config = original(*arguments)
        raft = replace(config.member.raft, compact_after=COMPACT_AFTER)
        journal = replace(config.journal, segment_bytes=SEGMENT_BYTES, reserve_bytes=SEGMENT_BYTES // 8)
        member = replace(config.member, raft=raft)
        return replace(config, member=member, journal=journal, files=BadFiles(told, power=power))

    _replace(raft_agent, "agent_config", agent_config)


def replace_clock(told: Told) -> None:
    """The wall clock, as product code reads it; Raft and gossip time by the monotonic one."""
    original = time.time
    time.time = lambda: original() + told.now().clock_offset


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--namespace", type=int, metavar="DESCRIPTOR")
    parser.add_argument("--control", type=Path, required=True)
    parser.add_argument("--power", action="store_true", help="what is not synced is lost when the process is killed")
    parser.add_argument("--sabotage", default="", help="break the node in this way")
    parser.add_argument("node", nargs="*")
    arguments = parser.parse_args()
    die_with_parent()
    if arguments.namespace is not None:
        set_namespace(arguments.namespace)
    told = Told(arguments.control)
    configure_raft(told, power=arguments.power)
    replace_clock(told)
    if arguments.sabotage:
        from tests.verify.consistency.sabotage.catalogue import SABOTAGES

        SABOTAGES[arguments.sabotage].apply()
    from coterie.app.main import main as run  # the rest of the product is imported when all this is in place

    return run(arguments.node)


if __name__ == "__main__":
    sys.exit(main())
