"""The replicated state as data: everything that the log's operations build up, and the reads (raft spec 3).

`apply` changes it, `snapshot` writes and reads its bytes. Pure: time is cluster time, an integer of milliseconds that
the operations bring along.
"""

from __future__ import annotations

from dataclasses import dataclass

from coterie.consensus.store.schema.errors import RefusalCode, RefusalError
from coterie.consensus.store.schema.levels import FIRST_LEVEL, KNOWN_LEVEL
from coterie.consensus.store.schema.limits import MAX_CLOCK_US, RESTORE_REVISION_STEP, Limits
from coterie.consensus.store.schema.operations import InNameOf, QueueKind, Scan
from coterie.consensus.store.schema.records import BanRecord, Record
from coterie.consensus.store.schema.results import ScanDone
from coterie.consensus.store.tables import pages
from coterie.consensus.store.tables.deduplication import DeduplicationTable
from coterie.consensus.store.tables.keyspace import Keyspace
from coterie.consensus.store.tables.lease_table import LeaseRecord, LeaseTable
from coterie.consensus.store.tables.pages import Page
from coterie.consensus.store.tables.queue_index import QueueEntry, QueueIndex
from coterie.consensus.store.tables.scans import PastKeys, ScanSource, check_scan_revision, run_scan


@dataclass(frozen=True, slots=True)
class StateSizes:
    """Sizes of the state, for metrics."""

    revision: int
    compacted: int
    keys: int
    data_bytes: int
    history_events: int
    history_bytes: int
    leases: int
    requests: int


class State:
    def __init__(self, limits: Limits | None = None, *, known_level: int = KNOWN_LEVEL) -> None:
        """`known_level`: the newest level of operations that this node follows."""
        self.known_level = known_level
        self.feature_level = FIRST_LEVEL
        """Operations up to this level are allowed."""
        self.halted = 0
        """Above 0: the cluster went on to this level, which this node does not know. It must stop and be upgraded."""
        self.applied_index = 0
        """Log index of the last entry applied."""
        self.time_ms = 0
        self.cluster_id = ""
        self.membership_epoch = 0
        """Counts the changes of `config`."""
        self.config = b""
        """The configuration as of the last applied index, in the bytes that the Raft layer gave."""
        self.caller: InNameOf | None = None
        """In whose name an operation is being applied; None: of somebody who may use all leases."""
        self.bans: dict[str, BanRecord] = {}
        self.limits = limits or Limits()
        self.keyspace = Keyspace()
        self.leases = LeaseTable()
        self.queues = QueueIndex(self.keyspace)
        self.requests = DeduplicationTable()

    # -- log entries without operations -------------------------------------------------------------------------------

    def skip(self, index: int) -> None:
        """The log entry at `index` carries no operation."""
        self.applied_index = max(self.applied_index, index)

    def configure(self, config: bytes, index: int) -> None:
        """The log entry at `index` made this the configuration; it is kept for snapshots, and decides nothing here."""
        self.skip(index)
        self.config = config
        self.membership_epoch += 1

    def check_owner(self, lease: LeaseRecord) -> None:
        """Raises RefusalError (not_owner) for a lease that the caller may not use."""
        caller = self.caller
        if caller is not None and lease.owner and not caller.any_lease and lease.owner != caller.owner:
            raise RefusalError(RefusalCode.NOT_OWNER)

    # -- reading ---------------------------------------------------------------------------------------------------

    def get(self, key: bytes, revision: int | None = None) -> Record | None:
        """The record of `key`, now or at a revision. Raises CompactedRevisionError, FutureRevisionError."""
        return self.keyspace.table.get(key) if revision is None else pages.get_at(self.keyspace, key, revision)

    def range(self, start: bytes, end: bytes | None, *, limit: int = 1_000, revision: int | None = None) -> Page:
        """A page of the records from `start` to below `end` (None: to the last key), now or at a revision.

        Raises CompactedRevisionError or FutureRevisionError.
        """
        return pages.first_page(self.keyspace, self.limits, start, end, limit, revision)

    def next_page(self, token: str, *, limit: int = 1_000) -> Page:
        """The page after the one that gave `token`, at the same revision.

        Raises BadTokenError, CompactedRevisionError.
        """
        return pages.next_page(self.keyspace, self.limits, token, limit)

    def scan(self, op: Scan, most_bytes: int) -> ScanDone:
        """The records that a range with options asks for, in `most_bytes` together.

        Raises RefusalError (compacted, future_revision, result_too_large, scan_too_large).
        """
        source: ScanSource = self.keyspace.table
        if op.revision is not None:
            check_scan_revision(self.keyspace, op.revision)
            if op.revision < self.keyspace.revision:
                source = PastKeys(self.keyspace, op.revision)
        records, count, more = run_scan(source, op, None, most_bytes)
        return ScanDone(records, count, more, self.keyspace.revision)

    def start_new_cluster(self, cluster_id: str, unix_us: int) -> None:
        """Make a restored state the beginning of another cluster (raft spec 4, the last rules).

        Revisions and lease ids go on at `unix_us`, the Unix time in microseconds: no cluster counts so fast, so two
        restores of one backup repeat no number of each other's. Where the clock is behind the state's numbers, they
        rise by a fixed step. No old history is kept: positions of old watches answer `compacted`. Bans stay.
        """
        self.keyspace.revision = _raised(self.keyspace.revision, unix_us)
        self.keyspace.history.compact(self.keyspace.revision)
        self.leases.next_id = _raised(self.leases.next_id, unix_us)
        self.cluster_id = cluster_id
        self.applied_index = 0
        self.config = b""
        self.membership_epoch += 1

    # -- leases and queues -----------------------------------------------------------------------------------------

    def lease(self, lease_id: int) -> LeaseRecord | None:
        return self.leases.table.get(lease_id)

    def lease_keys(self, lease_id: int) -> list[bytes]:
        """The keys that go with a lease, in order."""
        return sorted(self.keyspace.lease_keys.get(lease_id, ()))

    def due_leases(self, now_ms: int) -> list[LeaseRecord]:
        """For the leader: the leases due at `now_ms` of cluster time. It proposes a LeaseExpire for each."""
        return self.leases.due(now_ms)

    def leased_nodes(self) -> list[str]:
        """For the leader: the nodes to which leases are bound, by name."""
        return self.leases.nodes()

    def leases_of_node(self, node: str) -> list[LeaseRecord]:
        """For the leader: it proposes a LeaseNodeLost for each once the node is lost."""
        return self.leases.of_node(node)

    def queue_entries(self, kind: QueueKind, name: bytes, limit: int = 1_000) -> list[QueueEntry]:
        """The holders of a lock, election or semaphore (token above 0), then its waiters, in order."""
        return self.queues.entries(kind, name, limit)

    def queue_names(self, kind: QueueKind) -> list[bytes]:
        """The locks, elections or semaphores that anybody holds, in order."""
        return self.queues.names(kind)

    def sizes(self) -> StateSizes:
        keyspace = self.keyspace
        return StateSizes(
            keyspace.revision,
            keyspace.history.compacted,
            len(keyspace.table),
            keyspace.size,
            keyspace.history.count,
            keyspace.history.size,
            len(self.leases.table),
            self.requests.count,
        )


def _raised(number: int, unix_us: int) -> int:
    return unix_us if number < unix_us < MAX_CLOCK_US else number + RESTORE_REVISION_STEP
