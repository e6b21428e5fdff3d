"""Stock PySyncObj for tests, driven by hand: no thread, no socket, alone or beside others that never answer."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

importlib.import_module("coterie.consensus.pysyncobj.engine")  # imports PySyncObj, and repairs what that breaks
stock_journal: Any = importlib.import_module("pysyncobj.journal")
stock_serializer: Any = importlib.import_module("pysyncobj.serializer")
stock_syncobj: Any = importlib.import_module("pysyncobj.syncobj")
_config: Any = importlib.import_module("pysyncobj.config")
_transport: Any = importlib.import_module("pysyncobj.transport")
_node: Any = importlib.import_module("pysyncobj.node")


class _NoTransport(_transport.Transport):  # type: ignore[misc] # has no types
    ready = True

    def __init__(self) -> None:
        super().__init__(None, None, [])

    def tryGetReady(self) -> None:  # noqa: N802 - PySyncObj's name
        pass

    def destroy(self) -> None:
        pass


class StockNode(stock_syncobj.SyncObj):  # type: ignore[misc] # has no types
    """Stock but for one thing: a command is bytes, and `applied` lists them. `journal` None: in memory."""

    def __init__(
        self,
        *,
        journal: Any = None,
        dump_file: Path | None = None,
        load: Callable[[str], tuple[Any, ...]] | None = None,
    ) -> None:
        self.applied: list[bytes] = []
        own = stock_syncobj.createJournal
        if journal is not None:
            stock_syncobj.createJournal = lambda _file: journal
        try:
            super().__init__(
                _node.Node("a"),
                [],
                _config.SyncObjConf(
                    autoTick=False,
                    appendEntriesUseBatch=True,
                    fullDumpFile=str(dump_file) if dump_file else None,
                    serializer=(lambda _file, _data: None) if load else None,
                    deserializer=load,
                    appendEntriesPeriod=0.005,
                    raftMinTimeout=0.02,
                    raftMaxTimeout=0.03,
                ),
                nodeClass=_node.Node,
                transport=_NoTransport(),
            )
        finally:
            stock_syncobj.createJournal = own

    def _SyncObj__doApplyCommand(self, command: bytes) -> None:  # noqa: N802 - PySyncObj's name
        self.applied.append(command)

    def tick_until(self, done: Callable[[], bool]) -> None:
        """Bounded by the test's own timeout."""
        while not done():
            self.doTick()
