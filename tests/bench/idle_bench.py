"""What a node costs that has nothing to do: processor time in a cluster of three, measured from outside."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

from tests.cluster.processes import nodes
from tests.waiting import wait_until

SETTLE_SECONDS = 5.0
MEASURED_SECONDS = 20.0


def processor_seconds(pid: int) -> float:
    """User and system time of a process so far (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_bytes(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def rows() -> Iterator[tuple[str, float]]:
    with nodes() as started:
        first = started.start("node-0")
        running = [first, *(started.start(f"node-{i}", seeds=[first.address]) for i in (1, 2))]
        wait_until(lambda: all(len(n.live()) == 3 for n in running))
        time.sleep(SETTLE_SECONDS)
        pids = [n.process.pid for n in running]
        before = [processor_seconds(pid) for pid in pids]
        time.sleep(MEASURED_SECONDS)
        used = [(processor_seconds(pid) - b) / MEASURED_SECONDS * 100 for pid, b in zip(pids, before, strict=True)]
        yield "idle node in a 3-node cluster, mean of the three (% of a core)", sum(used) / 3
        yield "memory of an idle node (MB)", sum(resident_bytes(pid) for pid in pids) / 3 / 1e6
