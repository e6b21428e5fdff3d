"""Stock PySyncObj for tests, driven by hand: no thread, no socket, alone or beside others that never answer."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from coterie.consensus.journal import FileJournal

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


class JournalOfStock:
    """Our journal under the names by which stock's node calls one."""

    def __init__(self, journal: FileJournal) -> None:
        self._journal = journal
        self.add = journal.add
        self.clear = journal.clear
        self.deleteEntriesFrom = journal.truncate_from
        self.deleteEntriesTo = journal.drop_before
        self.setCurrentTerm = journal.store_vote
        self.onOneSecondTimer = journal.upkeep
        self._destroy = journal.close

    def __getitem__(self, item: Any) -> Any:
        return self._journal[item]

    def __len__(self) -> int:
        return len(self._journal)

    def getCurrentTerm(self) -> int:  # noqa: N802 - PySyncObj's name
        return self._journal.term

    def getVotedForNodeId(self) -> str | None:  # noqa: N802 - PySyncObj's name
        return self._journal.voted_for

    def getRaftCommitIndex(self) -> int:  # noqa: N802 - PySyncObj's name
        """What the snapshot alone shows to be committed."""
        return self._journal[1][1] if len(self) > 1 and self._journal[0][1] > 1 else 1

    def setRaftCommitIndex(self, index: int) -> None:  # noqa: N802 - PySyncObj's name
        """Not kept: what is committed beyond the snapshot is learnt from the cluster."""


class StockNode(stock_syncobj.SyncObj):  # type: ignore[misc] # has no types
    """Stock but for one thing: a command is bytes, and `applied` lists them. `journal`: stock's, ours, None."""

    def __init__(
        self,
        *,
        journal: Any = None,
        dump_file: Path | None = None,
        load: Callable[[str], tuple[Any, ...]] | None = None,
    ) -> None:
        self.applied: list[bytes] = []
        own = stock_syncobj.createJournal
        if isinstance(journal, FileJournal):
            journal = JournalOfStock(journal)
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
