"""One node of stock PySyncObj as a process, for comparison: `python -m tests.bench.stock_member JSON`.

The JSON: own, others ("host:port"), directory, settings (of SyncObjConf). Lines on standard input ask for "status" or
"load IN_FLIGHT SECONDS"; each is answered by a line of JSON. Nothing of ours is imported, and no journal is synced.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from typing import Any

from pysyncobj import FAIL_REASON, SyncObj, SyncObjConf, replicated  # type: ignore[import-untyped]

KEYS = 1_000
VALUE = "v" * 100


class Table(SyncObj):  # type: ignore[misc]
    def __init__(self, own: str, others: list[str], conf: SyncObjConf) -> None:
        self._table: dict[str, str] = {}
        super().__init__(own, others, conf)

    @replicated  # type: ignore[untyped-decorator]
    def put(self, key: str, value: str) -> int:
        self._table[key] = value
        return len(self._table)


def load(table: Table, in_flight: int, seconds: float) -> dict[str, float]:
    """As `tests.verify.raft_processes.members.load`, with callbacks: each makes the next call."""
    taken: list[float] = []
    failed = open_calls = 0
    over = threading.Event()
    lock = threading.Lock()
    clock = time.perf_counter
    began = clock()
    end = began + seconds

    def call(number: int) -> None:
        since = clock()

        def done(_: Any, error: int) -> None:
            nonlocal failed, open_calls
            now = clock()
            with lock:
                if error == FAIL_REASON.SUCCESS:
                    taken.append(now - since)
                else:
                    failed += 1
                if now >= end:
                    open_calls -= 1
                    if not open_calls:
                        over.set()
                    return
            if error != FAIL_REASON.SUCCESS:
                time.sleep(0.001)
            call(number + in_flight)

        table.put(f"load/{number % KEYS:05}", VALUE, callback=done)

    open_calls = in_flight
    for number in range(in_flight):
        call(number)
    over.wait(seconds + 10.0)
    took = clock() - began
    ordered = sorted(taken)
    return {
        "rate": len(ordered) / took,
        "calls": len(ordered),
        "failed": failed,
        "p50": ordered[len(ordered) // 2] if ordered else 0.0,
        "p99": ordered[int(len(ordered) * 0.99)] if ordered else 0.0,
    }


def main() -> None:
    asked = json.loads(sys.argv[1])
    conf = SyncObjConf(
        journalFile=f"{asked['directory']}/journal", fullDumpFile=f"{asked['directory']}/dump", **asked["settings"]
    )
    table = Table(asked["own"], asked["others"], conf)
    for line in sys.stdin:
        what, *numbers = line.split()
        if what == "load":
            answer: dict[str, Any] = load(table, int(numbers[0]), float(numbers[1]))
        else:
            leader = table._getLeader()
            answer = {"leader": None if leader is None else str(leader), "ready": table.isReady()}
        print(json.dumps(answer), flush=True)
    table.destroy()


if __name__ == "__main__":
    main()
