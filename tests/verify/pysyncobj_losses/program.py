"""`program.py stock|ours DIRECTORY OWN PARTNER...`: commands, one a line, each answered by a line of JSON."""

import json
import sys
from typing import Any

from pysyncobj.batteries import ReplDict, ReplLockManager  # type: ignore[import-untyped]

if sys.argv[1] == "stock":
    from pysyncobj import SyncObj, SyncObjConf  # type: ignore[import-untyped]
else:
    from coterie.consensus.pysyncobj import SyncObj, SyncObjConf

directory, own, *partners = sys.argv[2:]
names, locks = ReplDict(), ReplLockManager(autoUnlockTime=4.0, selfID=own)
files = f"{directory}/{own.replace(':', '-')}"
conf = SyncObjConf(journalFile=files, fullDumpFile=f"{files}.dump", logCompactionMinEntries=50, logCompactionMinTime=2)
node = SyncObj(own, partners, conf, consumers=[names, locks])


def answer_to(command: list[str]) -> Any:
    match command:
        case ["ready"]:
            return node.isReady()
        case ["leads"]:
            return node._isLeader()
        case ["put", key]:
            names.set(key, own, sync=True, timeout=1.0)
            return True
        case ["keys"]:
            return sorted(names.rawData())
        case ["lock", name]:
            return locks.tryAcquire(name, sync=True, timeout=1.0)
        case ["holds", name]:
            return locks.isAcquired(name)
    raise ValueError(command)


for line in sys.stdin:
    try:
        print(json.dumps(answer_to(line.split())), flush=True)
    except Exception as error:  # noqa: BLE001 - the driver counts it
        print(json.dumps({"failed": repr(error)}), flush=True)
