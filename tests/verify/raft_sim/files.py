"""The real journal and snapshot files as a simulated host's disk: in memory, losing power call by call.

A crash is a power cut, which keeps, drops or tears what was not synced, file by file, or the end of the process alone;
either may meet a job of the disk thread half done. Beside the files stands what was acknowledged, so that the
invariants can ask what is durable.
"""

from __future__ import annotations

import errno
import random
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

from coterie.consensus.journal import JournalConfig, MemberDirectory, open_member_directory
from coterie.consensus.raft.errors import CorruptSnapshotError, RaftError
from coterie.consensus.raft.ports import Entry, SnapshotInfo
from tests.consensus.journal.disks.memory_files import Fate, MemoryFiles, PowerCut
from tests.consensus.journal.member import DIRECTORY
from tests.verify.raft_sim.disk import Operation, Platter, SimSnapshots, flipped

SMALL = JournalConfig(segment_bytes=8_192, reserve_bytes=512, snapshot_chunk_bytes=256)


class FilePlatter(Platter):
    """What a directory holds. `log`, `term` and `voted_for` are what was acknowledged of it."""

    def __init__(self, rng: random.Random) -> None:
        self._full = False
        super().__init__()
        self.rng = rng
        self.files = MemoryFiles()
        self.store: MemberDirectory | None = None
        self.in_job: Callable[[], bool] | None = None  # None: before the node takes part
        self.votes: list[tuple[int, str | None]] = [(0, None)]  # acknowledged, and under way

    @property
    def full(self) -> bool:
        return self._full

    @full.setter
    def full(self, full: bool) -> None:
        self._full = full
        if hasattr(self, "files"):
            self.files.capacity = self.files.used if full else None

    @property
    def snapshot_info(self) -> SnapshotInfo | None:
        return None if self.store is None else self.store.snapshots.latest()

    def _fails(self, call: str) -> int | None:
        """A sync or rename of any file fails, once, where a fault was injected. No call is made on the loop."""
        assert self.in_job is None or self.in_job(), f"{call} is a call to the disk on the loop"
        if self.failing is None or not call.startswith(("sync", "rename")):
            return None
        failing, self.failing = self.failing, None
        return failing

    def open(self) -> MemberDirectory:
        """As after a start of the process. Raises what the store raises, and AssertionError for a vote that is gone."""
        self.in_job = None
        self.files.failing = self._fails
        self.store = store = open_member_directory(
            DIRECTORY,
            config=replace(SMALL, max_log_bytes=self.max_log_bytes),
            files=self.files,
            entropy=self.rng.randbytes,
        )
        vote = (store.journal.term, store.journal.voted_for)
        assert vote in self.votes, f"found the vote {vote}, acknowledged and under way were {self.votes}"
        self.votes = [vote]
        self.term, self.voted_for = vote
        self.log = store.journal[:]
        return store

    def end(self, pending: list[Callable[[], Any]]) -> None:
        """The process ends, in the middle of a disk job at times."""
        if pending and self.rng.random() < 0.5:
            self.files.failing = lambda _: None
            self.files.cut_at = self.files.calls + 1 + self.rng.randrange(6)
            with suppress(PowerCut, RaftError, OSError):
                for job in pending:
                    job()
        fate = self.rng.choice([None, Fate.KEEP, Fate.DROP, Fate.MIXED, Fate.MIXED])
        self.files = self.files.restarted() if fate is None else self.files.rebooted(fate, self.rng)
        self.full = self._full


class FileJournal:
    """The real journal, and beside it what each sync acknowledges. `on_add` and `on_remove` as for `SimJournal`."""

    def __init__(
        self,
        platter: FilePlatter,
        store: MemberDirectory,
        on_add: Callable[[Entry, Entry | None], None],
        on_remove: Callable[[list[Entry]], None],
    ) -> None:
        self.platter = platter
        self.real = store.journal
        self.on_add = on_add
        self.on_remove = on_remove
        self.buffer: list[Operation] = []

    def add(self, command: bytes, index: int, term: int) -> None:
        entry = (command, index, term)
        self.on_add(entry, self.real[-1] if len(self.real) else None)
        self.real.add(*entry)
        self.buffer.append(("add", entry))

    def clear(self) -> None:
        self.on_remove(self.real[:])
        self.real.clear()
        self.buffer.append(("clear", None))

    def truncate_from(self, position: int) -> None:
        self.on_remove(self.real[position:])
        self.real.truncate_from(position)
        self.buffer.append(("from", position))

    def drop_before(self, position: int) -> None:
        self.real.drop_before(position)
        self.buffer.append(("to", position))

    def begin_sync(self) -> Callable[[], None]:
        job = self.real.begin_sync()
        operations, self.buffer = self.buffer, []

        def run() -> None:
            job()
            self.platter.apply(operations)

        return run

    def sync(self) -> None:
        self.begin_sync()()

    def store_vote(self, term: int, voted_for: str | None) -> None:
        platter = self.platter
        platter.votes.append((term, voted_for))
        self.real.store_vote(term, voted_for)
        platter.votes = [(term, voted_for)]
        platter.term, platter.voted_for = term, voted_for

    def __getitem__(self, item: Any) -> Any:
        return self.real[item]

    def __len__(self) -> int:
        return len(self.real)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    def crash(self) -> None:
        """The process is gone: `FilePlatter.end` says what is left."""


class FileSnapshots(SimSnapshots):
    """The real snapshot store, with the faults of the simulated one."""

    def __init__(self, platter: FilePlatter, rng: random.Random, store: MemberDirectory) -> None:
        super().__init__(platter, rng)
        self.real = store.snapshots

    def latest(self) -> SnapshotInfo | None:
        return self.real.latest()

    def state(self) -> Iterator[bytes]:
        if self.rotten == self.installs:
            raise CorruptSnapshotError("a bit is flipped")
        for chunk in self.real.state():
            self.check_place()
            yield chunk

    def open(self) -> Any:
        self.check_place()
        return GuardedReader(self, self.real.open(), flip=self.flips())

    def create(self, info: SnapshotInfo) -> Any:
        return GuardedWriter(self, self.real.create(info))

    def receive(self) -> Any:
        return GuardedWriter(self, self.real.receive())


class GuardedReader:
    """Read in the disk thread alone; with `flip` it gives out a damaged last byte."""

    def __init__(self, store: FileSnapshots, reader: Any, *, flip: bool) -> None:
        self.store = store
        self.reader = reader
        self.flip = flip
        self.info = reader.info
        self.size = reader.size

    def read(self, offset: int, size: int) -> bytes:
        self.store.check_place()
        data: bytes = self.reader.read(offset, size)
        return flipped(data) if self.flip and data and offset + len(data) >= self.size else data

    def close(self) -> None:
        self.store.check_place()
        self.reader.close()


class GuardedWriter:
    """A draft whose every call must come from the disk thread, and whose writes may find the disk full."""

    def __init__(self, store: FileSnapshots, draft: Any) -> None:
        self.store = store
        self.draft = draft

    def write(self, data: bytes) -> None:
        self.store.check_place()
        if self.store.failing():
            raise OSError(errno.ENOSPC, "injected")
        self.draft.write(data)

    def seal(self) -> SnapshotInfo:
        self.store.check_place()
        info: SnapshotInfo = self.draft.seal()
        return info

    def state(self) -> Iterator[bytes]:
        for chunk in self.draft.state():
            self.store.check_place()
            yield chunk

    def install(self) -> None:
        self.store.check_place()
        self.draft.install()
        self.store.installs += 1

    def abort(self) -> None:
        self.store.check_place()
        self.draft.abort()
