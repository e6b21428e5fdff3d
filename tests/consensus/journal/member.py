"""A member's directory under test, with a model of what it has promised: whatever happens, `check` must hold.

The model knows what was acknowledged (a sync, a vote, a snapshot returned) and what was under way. After a crash the
log must be the acknowledged one, or that with the batch that was under way, whole; the same goes for vote and snapshot.
"""

from __future__ import annotations

import copy
from pathlib import Path
from random import Random

from coterie.consensus.journal import JournalConfig, MemberDirectory, open_member_directory
from coterie.consensus.raft.ports import Entry, SnapshotInfo
from tests.consensus.journal.disks.memory_files import Fate, MemoryFiles

DIRECTORY = Path("/member")
SMALL = JournalConfig(segment_bytes=4_096, reserve_bytes=256, snapshot_chunk_bytes=64)

Vote = tuple[int, str | None]
Snapshot = tuple[SnapshotInfo, bytes]


def with_snapshot(log: list[Entry], snapshot: Snapshot | None) -> list[Entry]:
    """What the engine must see of a log beside a snapshot."""
    if snapshot is None:
        return log
    info = snapshot[0]
    later = [entry for entry in log if entry[1] > info.index]
    agrees = any(entry[1:] == info.last[1:] for entry in log)
    return [info.prev, info.last, *(later if agrees else [])]


class Member:
    """Drives a store and its model. All choices are the caller's, so that a run can be repeated call by call."""

    def __init__(self, files: MemoryFiles, seed: int = 0, config: JournalConfig = SMALL) -> None:
        self.files = files
        self.config = config
        self.rng = Random(seed)
        self.log: list[Entry] = []  # as in memory
        self.term = 0  # of the next entry; rises with every conflict, so that index and term name one entry
        self.logs: list[list[Entry]] = [[]]  # the acknowledged one, and the one under way
        self.votes: list[Vote] = [(0, None)]
        self.snapshots: list[Snapshot | None] = [None]
        self.incarnation = 0
        self.member_ids: set[str] = set()
        self.cluster_ids: list[str | None] = [None]
        self.store: MemberDirectory

    # -- opening and ending ------------------------------------------------------------------------------------------

    def open(self) -> None:
        """Open, and check what is found. Raises PowerCut, and whatever is wrong."""
        self.store = open_member_directory(
            DIRECTORY, config=self.config, files=self.files, entropy=Random(self.rng.random()).randbytes
        )
        self.check()

    def check(self) -> None:
        """Everything acknowledged is there, and nothing contradicts it. The model goes on from what was found."""
        journal, snapshots, identity = self.store.journal, self.store.snapshots, self.store.identity
        found_snapshot = None
        if (info := snapshots.latest()) is not None:
            found_snapshot = (info, b"".join(snapshots.state()))
        assert found_snapshot in self.snapshots
        found = journal[:]
        assert all(type(entry) is tuple and type(entry[0]) is bytes for entry in found)
        fitting = [log for log in self.logs if found == with_snapshot(log, found_snapshot)]
        assert fitting, f"found {_brief(found)}, acknowledged {_brief(self.logs[0])}, under way {self.logs[1:]}"
        vote = (journal.term, journal.voted_for)
        assert vote in self.votes
        assert identity.cluster_id in self.cluster_ids
        assert identity.incarnation > self.incarnation
        if self.incarnation:
            assert str(identity.member_id) in self.member_ids
        self.member_ids.add(str(identity.member_id))
        self.incarnation = identity.incarnation
        self.log, self.logs = found, [list(found)]
        self.votes, self.snapshots, self.cluster_ids = [vote], [found_snapshot], [identity.cluster_id]

    def close(self) -> None:
        """A clean end, which syncs."""
        self.logs.append(list(self.log))
        self.store.close()
        self.logs = [list(self.log)]

    def reopen(self) -> None:
        self.close()
        self.open()

    def crashed(self, fate: Fate | None, rng: Random) -> Member:
        """The member after a power cut now (None: only the process is gone), to be opened. This one stays as it is."""
        after = copy.copy(self)
        after.files = self.files.restarted() if fate is None else self.files.rebooted(fate, rng)
        after.rng = Random(self.rng.random())
        after.member_ids = set(self.member_ids)
        for name in ("log", "logs", "votes", "snapshots", "cluster_ids"):
            setattr(after, name, list(getattr(self, name)))
        return after

    # -- the log -----------------------------------------------------------------------------------------------------

    @property
    def next_index(self) -> int:
        return self.log[-1][1] + 1 if self.log else 1

    def add(self, command: bytes) -> None:
        entry = (command, self.next_index, self.term)
        self.store.journal.add(*entry)
        self.log.append(entry)

    def truncate(self, keep: int) -> None:
        """Keep `keep` entries after the snapshot's (after the first without one), and replace the next, if any."""
        floor = 1 if self.snapshots[-1] is None else 2
        if len(self.log) > floor + keep:
            self.store.journal.truncate_from(floor + keep)
            del self.log[floor + keep :]
            self.term += 1
            self.add(b"instead")

    def sync(self) -> None:
        self.logs.append(list(self.log))
        self.store.journal.sync()
        self.logs = [list(self.log)]

    def vote(self, term: int, voted_for: str | None) -> None:
        self.votes.append((term, voted_for))
        self.store.journal.store_vote(term, voted_for)
        del self.votes[:-1]

    def tick(self) -> None:
        """The one-second timer; syncs only where nothing is buffered."""
        self.store.journal.upkeep()

    def join(self, cluster_id: str) -> None:
        if self.cluster_ids == [None]:
            self.cluster_ids.append(cluster_id)
            self.store.identity.join_cluster(cluster_id)
            del self.cluster_ids[:-1]

    # -- snapshots ---------------------------------------------------------------------------------------------------

    def snapshot(self, behind: int, state: bytes) -> None:
        """Take one that leaves the `behind` newest entries in the log, if all others are synced; then cut the log."""
        at = len(self.log) - 1 - behind
        if at < 1 or self.log[at] not in self.logs[-1]:
            return
        info = SnapshotInfo(self.log[at - 1], self.log[at], ("a", "b"))
        if not self._is_newer(info):
            return
        draft = self.store.snapshots.create(info)
        for start in range(0, len(state), 50):
            draft.write(state[start : start + 50])
        self.snapshots.append((info, state))
        assert draft.seal() == info
        draft.install()
        del self.snapshots[:-1]
        self.store.journal.drop_before(at - 1)
        del self.log[: at - 1]

    def receive(self, ahead: int, state: bytes) -> None:
        """Install a snapshot of another member, `ahead` entries beyond the log, in the log's place."""
        index = self.next_index + ahead
        self.term += 1
        info = SnapshotInfo((b"before", index, self.term), (b"last", index + 1, self.term), ("c",))
        raw = raw_snapshot(info, state)
        draft = self.store.snapshots.receive()
        for start in range(0, len(raw), 77):
            draft.write(raw[start : start + 77])
        self.snapshots.append((info, state))
        assert draft.seal() == info
        draft.install()
        del self.snapshots[:-1]
        journal = self.store.journal
        journal.clear()
        journal.add(*info.prev)
        journal.add(*info.last)
        self.log = [info.prev, info.last]

    def _is_newer(self, info: SnapshotInfo) -> bool:
        former = self.snapshots[-1]
        return former is None or info.index > former[0].index


def raw_snapshot(info: SnapshotInfo, state: bytes) -> bytes:
    """A snapshot file's bytes, as another member would send them."""
    store = open_member_directory(DIRECTORY, config=SMALL, files=MemoryFiles(), entropy=Random(1).randbytes)
    draft = store.snapshots.create(info)
    draft.write(state)
    draft.seal()
    draft.install()
    reader = store.snapshots.open()
    return reader.read(0, reader.size)


def _brief(log: list[Entry]) -> str:
    return f"{len(log)} entries {[entry[1:] for entry in log[:3]]}..{[entry[1:] for entry in log[-3:]]}"


def act(member: Member, rng: Random) -> None:
    """One step of a random run: a few entries, a conflict, a sync, a vote, a snapshot, a restart."""
    choice = rng.random()
    if choice < 0.35:
        for _ in range(rng.randrange(1, 5)):
            member.add(rng.randbytes(rng.choice((0, 1, 30, 400))))
    elif choice < 0.45:
        member.truncate(rng.randrange(6))
    elif choice < 0.70:
        member.sync()
    elif choice < 0.78:
        term = member.votes[-1][0] + 1
        member.vote(term, rng.choice((None, "a", "b")))
    elif choice < 0.86:
        member.snapshot(rng.randrange(6), rng.randbytes(rng.randrange(300)))
    elif choice < 0.89:
        member.receive(rng.randrange(4), rng.randbytes(rng.randrange(300)))
    elif choice < 0.93:
        member.tick()
    elif choice < 0.95:
        member.join("cluster")
    else:
        member.reopen()
