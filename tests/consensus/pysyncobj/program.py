"""A program in PySyncObj's style; stock or ours is one import: `program.py stock|ours DIRECTORY OWN PARTNER...`.

Reads commands from its input, one a line, and answers each with a line of JSON.
"""

import json
import sys

from pysyncobj.batteries import ReplCounter, ReplDict, ReplLockManager  # type: ignore[import-untyped]

if sys.argv[1] == "stock":
    from pysyncobj import SyncObj, SyncObjConf  # type: ignore[import-untyped]
else:
    from coterie.consensus.pysyncobj import SyncObj, SyncObjConf


def main(directory: str, own: str, *partners: str) -> None:
    names, count, locks = ReplDict(), ReplCounter(), ReplLockManager(autoUnlockTime=30.0, selfID=own)
    conf = SyncObjConf(journalFile=f"{directory}/{own.replace(':', '-')}")
    node = SyncObj(own, list(partners), conf, consumers=[names, count, locks])
    for line in sys.stdin:
        match line.split():
            case ["ready"]:
                answer = node.isReady()
            case ["leader"]:
                answer = str(node.getStatus()["leader"])
            case ["put", key, value]:
                answer = names.set(key, value, sync=True, timeout=20.0)
            case ["get", key]:
                answer = names.get(key)
            case ["count"]:
                answer = count.inc(sync=True, timeout=20.0)
            case ["lock", name]:
                answer = locks.tryAcquire(name, sync=True, timeout=20.0)
            case _:
                break
        print(json.dumps(answer), flush=True)
    locks.destroy()
    node.destroy()


main(*sys.argv[2:])
