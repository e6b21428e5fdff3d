"""A node's disk in memory: a journal and a snapshot store whose unsynced tail a crash keeps, drops or tears, and which
run full or fail on request. `Platter` is what survives a crash; the rest is the process's view of it."""

from __future__ import annotations

import errno
import random
import sys
import zlib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import msgspec

from coterie.consensus.journal.config import JournalConfig
from coterie.consensus.journal.log.journal import ENTRY_MEMORY_BYTES
from coterie.consensus.raft.errors import CorruptSnapshotError
from coterie.consensus.raft.ports import Entry, Shortage, SnapshotInfo

Operation = tuple[str, Any]


class Copy(NamedTuple):
    """An earlier state of a platter."""

    log: list[Entry]
    term: int
    voted_for: str | None
    snapshot: bytes | None
    starts: int

    @property
    def last(self) -> int:
        """The last index in its log and snapshot. A snapshot that cannot be read lets no node start."""
        in_log = self.log[-1][1] if self.log else 0
        if self.snapshot is None:
            return in_log
        try:
            return max(in_log, read_snapshot(self.snapshot)[0].index)
        except CorruptSnapshotError:
            return sys.maxsize


class Platter:
    """What is durable."""

    def __init__(self) -> None:
        self.log: list[Entry] = []
        self.term = 0
        self.voted_for: str | None = None
        self.snapshot: bytes | None = None
        self.full = False  # no space for more entries
        self.max_log_bytes = JournalConfig().max_log_bytes
        self.failing: int | None = None  # errno that the next sync raises
        self.starts = 0  # the incarnation

    def copy(self) -> Copy:
        """What a snapshot of the machine would hold, taken while it runs."""
        return Copy(list(self.log), self.term, self.voted_for, self.snapshot, self.starts)

    def put_back(self, copy: Copy) -> None:
        self.log, self.term, self.voted_for = list(copy.log), copy.term, copy.voted_for
        self.snapshot, self.starts = copy.snapshot, copy.starts

    def apply(self, operations: list[Operation]) -> None:
        for name, argument in operations:
            if name == "add":
                self.log.append(argument)
            elif name == "clear":
                self.log = []
            elif name == "from":
                del self.log[argument:]
            else:
                self.log = self.log[argument:]

    @property
    def snapshot_info(self) -> SnapshotInfo | None:
        return None if self.snapshot is None else read_snapshot(self.snapshot)[0]

    def holds(self, index: int, term: int) -> bool:
        """Is the entry (index, term) safe here, in the log or in the snapshot?"""
        info = self.snapshot_info
        if info is not None and info.index >= index:
            return True
        at = index - self.log[0][1] if self.log else -1
        return 0 <= at < len(self.log) and self.log[at][2] == term


class SimJournal:
    """The journal port over a platter. `on_add(entry, former last entry)` sees every entry that enters the log,
    `on_remove(entries)` those that leave it other than by compaction."""

    def __init__(
        self,
        platter: Platter,
        rng: random.Random,
        on_add: Callable[[Entry, Entry | None], None],
        on_remove: Callable[[list[Entry]], None],
        in_job: Callable[[], bool] = lambda: True,
    ) -> None:
        self.on_remove = on_remove
        self.in_job = in_job
        self.platter = platter
        self.rng = rng
        self.on_add = on_add
        self.entries = list(platter.log)
        self.buffer: list[Operation] = []
        self.in_flight: list[Operation] = []
        self.dead = False

    def add(self, command: bytes, index: int, term: int) -> None:
        entry = (command, index, term)
        self.on_add(entry, self.entries[-1] if self.entries else None)
        self.entries.append(entry)
        self.buffer.append(("add", entry))

    def clear(self) -> None:
        self.on_remove(self.entries)
        self.entries = []
        self.buffer.append(("clear", None))

    def truncate_from(self, position: int) -> None:
        self.on_remove(self.entries[position:])
        del self.entries[position:]
        self.buffer.append(("from", position))

    def drop_before(self, position: int) -> None:
        self.entries = self.entries[position:]
        self.buffer.append(("to", position))

    def __getitem__(self, item: Any) -> Any:
        return self.entries[item]

    def __len__(self) -> int:
        return len(self.entries)

    def sync(self) -> None:
        self.begin_sync()()

    def begin_sync(self) -> Callable[[], None]:
        assert not self.in_flight, "one sync at a time"
        self.in_flight, self.buffer = self.buffer, []

        def job() -> None:
            self.check_place()
            operations, self.in_flight = self.in_flight, []
            failing, self.platter.failing = self.platter.failing, None
            if failing is not None:
                self.platter.apply(operations[: self.rng.randrange(len(operations) + 1)])
                self.dead = True
                raise OSError(failing, "injected")
            self.platter.apply(operations)

        return job

    def shortage(self, size: int, entries: int = 1, *, following: bool = False) -> Shortage | None:
        if self.platter.full:
            return "disk_full"
        taken = sum(len(entry[0]) for entry in self.entries) + size + ENTRY_MEMORY_BYTES * (len(self.entries) + entries)
        return "log_full" if taken > (2 if following else 1) * self.platter.max_log_bytes else None

    @property
    def disk_full(self) -> bool:
        return self.platter.full

    def check_place(self) -> None:
        assert self.in_job(), "a call that waits for the disk is made on the loop"

    def store_vote(self, term: int, voted_for: str | None) -> None:
        self.check_place()
        if self.platter.failing is not None and self.rng.random() < 0.5:
            self.platter.failing = None
            if self.rng.random() < 0.5:
                self.platter.term, self.platter.voted_for = term, voted_for
            raise OSError(errno.EIO, "injected")
        self.platter.term, self.platter.voted_for = term, voted_for

    @property
    def term(self) -> int:
        return self.platter.term

    @property
    def voted_for(self) -> str | None:
        return self.platter.voted_for

    def begin_upkeep(self) -> None:
        return None

    def crash(self) -> None:
        """Power loss: of the unsynced operations none, all or a first part reached the platter."""
        if self.dead:
            return
        self.dead = True
        unsynced = self.in_flight + self.buffer
        kept = self.rng.choice([0, len(unsynced), self.rng.randrange(len(unsynced) + 1)])
        self.platter.apply(unsynced[:kept])


_Blob = tuple[tuple[bytes, int, int], tuple[bytes, int, int], tuple[str, ...], list[bytes]]
_decode_blob = msgspec.msgpack.Decoder(_Blob).decode


def write_snapshot(info: SnapshotInfo, chunks: list[bytes]) -> bytes:
    body = msgspec.msgpack.encode((info.prev, info.last, info.voters, chunks))
    return zlib.crc32(body).to_bytes(4, "little") + body


def read_snapshot(blob: bytes) -> tuple[SnapshotInfo, list[bytes]]:
    if zlib.crc32(blob[4:]).to_bytes(4, "little") != blob[:4]:
        raise CorruptSnapshotError("checksum")
    prev, last, voters, chunks = _decode_blob(blob[4:])
    return SnapshotInfo(prev, last, voters), chunks


def flipped(blob: bytes) -> bytes:
    """With a damaged last byte."""
    return blob[:-1] + bytes([blob[-1] ^ 1])


class SimReader:
    def __init__(self, store: SimSnapshots, blob: bytes) -> None:
        self.store = store
        self.info, _ = read_snapshot(blob)
        self.size = len(blob)
        self.blob = flipped(blob) if store.flips() else blob

    def read(self, offset: int, size: int) -> bytes:
        self.store.check_place()
        return self.blob[offset : offset + size]

    def close(self) -> None:
        self.blob = b""


class SimWriter:
    def __init__(self, store: SimSnapshots, info: SnapshotInfo | None) -> None:
        self.store = store
        self.rng = store.rng
        self.info = info
        self.parts: list[bytes] = []
        self.sealed: bytes | None = None

    def write(self, data: bytes) -> None:
        self.store.check_place()
        if self.store.fail_write or self.store.failing():
            raise OSError(self.store.fail_write or errno.ENOSPC, "injected")
        self.parts.append(data)

    def seal(self) -> SnapshotInfo:
        self.store.check_place()
        if self.store.failing():
            raise OSError(self.rng.choice([errno.EIO, errno.ENOSPC]), "injected")
        blob = b"".join(self.parts) if self.info is None else write_snapshot(self.info, self.parts)
        info, _ = read_snapshot(blob)
        self.sealed = blob
        return info

    def state(self) -> Iterator[bytes]:
        self.store.check_place()
        assert self.sealed is not None
        for chunk in read_snapshot(self.sealed)[1]:
            self.store.check_place()
            yield chunk

    def install(self) -> None:
        self.store.check_place()
        assert self.sealed is not None
        failing, self.store.fail_install = self.store.fail_install, None
        if failing is not None and self.rng.random() < 0.5:
            raise OSError(failing, "injected")
        newest = self.store.latest()
        if newest is None or newest.index <= read_snapshot(self.sealed)[0].index:
            self.store.platter.snapshot = self.sealed
            self.store.installs += 1
        if failing is not None:
            raise OSError(failing, "injected")

    def abort(self) -> None:
        self.store.check_place()
        self.parts = []


class SimSnapshots:
    def __init__(self, platter: Platter, rng: random.Random) -> None:
        self.platter = platter
        self.rng = rng
        self.failure_rate = 0.0  # share of writes that find the disk full
        self.flip_rate = 0.0  # share of openings that give damaged bytes
        self.installs = 0
        self.rotten = -1  # the file of this install gives damaged bytes whenever it is read
        self.fail_write: int | None = None  # errno of every write
        self.fail_install: int | None = None  # errno of the next install
        self.in_job = False

    def check_place(self) -> None:
        assert self.in_job, "a call that waits for the disk is made on the loop"

    def failing(self) -> bool:
        return self.failure_rate > 0 and self.rng.random() < self.failure_rate

    def rot(self) -> None:
        """A bit of the installed file flips, where it lies."""
        self.rotten = self.installs

    def flips(self) -> bool:
        return self.rotten == self.installs or (self.flip_rate > 0 and self.rng.random() < self.flip_rate)

    def latest(self) -> SnapshotInfo | None:
        return self.platter.snapshot_info

    def state(self) -> Iterator[bytes]:
        self.check_place()
        blob = self.platter.snapshot
        assert blob is not None
        for chunk in read_snapshot(flipped(blob) if self.rotten == self.installs else blob)[1]:
            self.check_place()
            yield chunk

    def open(self) -> SimReader:
        self.check_place()
        assert self.platter.snapshot is not None
        return SimReader(self, self.platter.snapshot)

    def create(self, info: SnapshotInfo) -> SimWriter:
        return SimWriter(self, info)

    def receive(self) -> SimWriter:
        return SimWriter(self, None)
