"""PySyncObj's interface on Coterie's Raft: a program moves by changing its import (docs/pysyncobj.md).

PySyncObj's batteries, decorators and configuration are the installed release's own, and work on this `SyncObj` as they
are.
"""

from coterie.consensus.pysyncobj import engine
from coterie.consensus.pysyncobj.engine import FAIL_REASON, SyncObjConf
from coterie.consensus.pysyncobj.metadata import ReplMetadata
from coterie.consensus.pysyncobj.syncobj import SyncObj

SyncObjConsumer = engine.syncobj.SyncObjConsumer
SyncObjException = engine.syncobj.SyncObjException
replicated = engine.syncobj.replicated
replicated_sync = engine.syncobj.replicated_sync

__all__ = [
    "FAIL_REASON",
    "ReplMetadata",
    "SyncObj",
    "SyncObjConf",
    "SyncObjConsumer",
    "SyncObjException",
    "replicated",
    "replicated_sync",
]
