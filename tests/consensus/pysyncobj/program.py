"""A program in PySyncObj's style; stock or ours is one import: `program.py stock|ours DIRECTORY OWN PARTNER...`.

Reads commands from its input, one a line, and answers each with a line of JSON: its result, or why it failed.
"""

import json
import sys
from typing import Any

from pysyncobj.batteries import ReplCounter, ReplDict, ReplLockManager  # type: ignore[import-untyped]
from pysyncobj.syncobj import SyncObjException  # type: ignore[import-untyped]

if sys.argv[1] == "stock":
    from pysyncobj import SyncObj, SyncObjConf  # type: ignore[import-untyped]
else:
    from coterie.consensus.pysyncobj import SyncObj, SyncObjConf


def answer_to(command: list[str], node: Any, names: Any, count: Any, locks: Any) -> Any:
    match command:
        case ["ready"]:
            return node.isReady()
        case ["leader"]:
            return str(node.getStatus()["leader"])
        case ["put", key, value]:
            return names.set(key, value, sync=True, timeout=20.0)
        case ["get", key]:
            return names.get(key)
        case ["count"]:
            return count.inc(sync=True, timeout=20.0)
        case ["lock", name]:
            return locks.tryAcquire(name, sync=True, timeout=20.0)
    raise ValueError(f"no such command: {command}")


def main(directory: str, own: str, *partners: str) -> None:
    names, count, locks = ReplDict(), ReplCounter(), ReplLockManager(autoUnlockTime=30.0, selfID=own)
    conf = SyncObjConf(journalFile=f"{directory}/{own.replace(':', '-')}")
    node = SyncObj(own, list(partners), conf, consumers=[names, count, locks])
    for line in sys.stdin:
        try:
            answer = answer_to(line.split(), node, names, count, locks)
        except SyncObjException as error:
            answer = {"failed": str(error)}
        print(json.dumps(answer), flush=True)
    locks.destroy()
    node.destroy()


main(*sys.argv[2:])
