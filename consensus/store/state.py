"""The replicated state: everything that the log's operations build up, and the one way to apply them (spec section 3).

Pure and deterministic: the same operations in the same order give the same state, results and digest on every replica,
whether it applied them all or began from a snapshot. Time is cluster time, an integer of milliseconds that the
operations themselves bring along.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from coterie.consensus.store.handlers import admin as governing
from coterie.consensus.store.handlers import keys as writing
from coterie.consensus.store.handlers import leases as leasing
from coterie.consensus.store.handlers import queues as queueing
from coterie.consensus.store.handlers.admin import BanRecord
from coterie.consensus.store.schema import operations as ops
from coterie.consensus.store.schema.codec import decode, decode_single
from coterie.consensus.store.schema.errors import CodecError, RefusalCode, RefusalError, UnsupportedVersionError
from coterie.consensus.store.schema.limits import RESTORE_REVISION_STEP, Limits
from coterie.consensus.store.schema.operations import QueueKind
from coterie.consensus.store.schema.records import Record
from coterie.consensus.store.schema.results import BatchDone, Refused, Result, SingleResult
from coterie.consensus.store.snapshot.reader import StateDecoder
from coterie.consensus.store.snapshot.writer import StateEncoder, digest
from coterie.consensus.store.tables import pages as reading
from coterie.consensus.store.tables.deduplication import DeduplicationTable
from coterie.consensus.store.tables.keyspace import Keyspace
from coterie.consensus.store.tables.lease_table import Lease, LeaseTable
from coterie.consensus.store.tables.pages import Page
from coterie.consensus.store.tables.queue_index import QueueEntry, QueueIndex


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
    def __init__(self, limits: Limits | None = None) -> None:
        self.level = 1
        """Operations up to this version are allowed."""
        self.halted = 0
        """Above 0: the cluster went on to this level, which this node does not know. Stop, and upgrade it."""
        self.applied_index = 0
        """Log index of the last entry applied."""
        self.time_ms = 0
        self.cluster_id = ""
        self.membership_epoch = 0
        """Counts the changes of `config`."""
        self.config = b""
        """The configuration as of the last applied index, in the bytes that the Raft layer gave."""
        self.bans: dict[str, BanRecord] = {}
        self.limits = limits or Limits()
        self.keyspace = Keyspace()
        self.leases = LeaseTable()
        self.queues = QueueIndex(self.keyspace)
        self.requests = DeduplicationTable()

    # -- applying --------------------------------------------------------------------------------------------------

    def apply(self, op: bytes, index: int) -> Result:
        """Apply what the log entry at `index` carries. Never raises: whatever is wrong with it is its result.

        (A MemoryError does get out: it says nothing about the operation, and a replica that took it for a result would
        part from the others. The node must stop then.) Operations of one entry may come one by one, at the same index.
        """
        if self.halted > 0:
            return Refused(RefusalCode.HALTED, self.halted)
        if index < self.applied_index:
            return Refused(RefusalCode.STALE_INDEX, self.applied_index)
        before, self.applied_index = self.applied_index, index
        try:
            operation = decode(op, self.level)
        except CodecError as error:
            return self._not_decoded(error)
        result: Result
        if isinstance(operation, ops.Batch):
            self.time_ms = max(self.time_ms, operation.time_ms)
            result = BatchDone(tuple([self._apply_member(member) for member in operation.operations]))
        else:
            result = self._apply_single(operation)
        self.requests.prune(self.time_ms, self.limits)
        if self.halted > 0:
            self.applied_index = before
        return result

    def skip(self, index: int) -> None:
        """The log entry at `index` carries no operation."""
        self.applied_index = max(self.applied_index, index)

    def configure(self, config: bytes, index: int) -> None:
        """The log entry at `index` made this the configuration; it is kept for snapshots, and decides nothing here."""
        self.skip(index)
        self.config = config
        self.membership_epoch += 1

    def _apply_member(self, op: bytes) -> SingleResult:
        try:
            return self._apply_single(decode_single(op, self.level))
        except CodecError as error:
            return self._not_decoded(error)

    def _apply_single(self, operation: ops.SingleOperation) -> SingleResult:
        try:
            if isinstance(operation, ops.Idempotent):
                return self._apply_once(operation)
            if self.halted > 0:
                return Refused(RefusalCode.HALTED, self.halted)
            return _HANDLERS[type(operation)](self, operation)
        except RefusalError as refusal:
            return Refused(refusal.code, refusal.detail)
        except MemoryError:
            raise
        except Exception:  # noqa: BLE001 - an entry that raises would stop every replica, at every start
            self.keyspace.revision += 1  # whatever it changed before stands alone: no later change shares its revision
            return Refused(RefusalCode.INTERNAL)

    def _apply_once(self, once: ops.Idempotent) -> SingleResult:
        known = self.requests.recall(once.id, once.time_ms, self.time_ms)
        if known is not None:
            return queueing.as_it_is_now(self, known)
        result = self._apply_single(once.operation)
        self.requests.remember(once.id, once.time_ms, result)
        return result

    def _not_decoded(self, error: CodecError) -> Refused:
        if isinstance(error, UnsupportedVersionError):
            return Refused(RefusalCode.UNSUPPORTED, self.level)
        return Refused(RefusalCode.MALFORMED)

    # -- reading ---------------------------------------------------------------------------------------------------

    def get(self, key: bytes, revision: int | None = None) -> Record | None:
        """The record of `key`, now or at a revision. Raises CompactedError or FutureRevisionError."""
        return self.keyspace.table.get(key) if revision is None else reading.get_at(self.keyspace, key, revision)

    def range(self, start: bytes, end: bytes | None, *, limit: int = 1_000, revision: int | None = None) -> Page:
        """A page of the records from `start` to below `end` (None: to the last key), now or at a revision.

        Raises CompactedError or FutureRevisionError.
        """
        return reading.first_page(self.keyspace, self.limits, start, end, limit, revision)

    def next_page(self, token: str, *, limit: int = 1_000) -> Page:
        """The page after the one that gave `token`, at the same revision. Raises BadTokenError, CompactedError."""
        return reading.next_page(self.keyspace, self.limits, token, limit)

    # -- snapshots -------------------------------------------------------------------------------------------------

    def snapshot(self) -> Iterator[bytes]:
        """The state as of now, in chunks, whatever is applied later. A halted state raises SnapshotError."""
        return StateEncoder(self).chunks()

    def restore(self, chunks: Iterable[bytes]) -> None:
        """Become the state of a snapshot. Raises SnapshotError or UnsupportedVersionError, and then is unchanged."""
        reader = StateDecoder(State())
        for chunk in chunks:
            reader.feed(chunk)
        self.__dict__.update(reader.finish().__dict__)

    def digest(self) -> str:
        """A name for the state: equal on replicas that applied the same log. Costs as much as a snapshot."""
        return digest(self)

    def start_new_cluster(self, cluster_id: str) -> None:
        """Make a restored state the beginning of another cluster (spec section 4, the last rules).

        Its revisions are above all that the old cluster can have come to, so that fencing tokens never repeat; of the
        old history nothing is kept, so that positions of old watches answer `compacted`. Bans stay.
        """
        self.keyspace.revision += RESTORE_REVISION_STEP
        self.keyspace.history.compact(self.keyspace.revision)
        self.leases.next_id += RESTORE_REVISION_STEP
        self.cluster_id = cluster_id
        self.applied_index = 0
        self.config = b""
        self.membership_epoch += 1

    # -- what leases and queues there are --------------------------------------------------------------------------

    def lease(self, lease_id: int) -> Lease | None:
        return self.leases.table.get(lease_id)

    def lease_keys(self, lease_id: int) -> list[bytes]:
        """The keys that go with a lease, in order."""
        return sorted(self.keyspace.lease_keys.get(lease_id, ()))

    def due_leases(self, now_ms: int) -> list[Lease]:
        """For the leader: whose time is over at `now_ms` of cluster time. Each wants a LeaseExpire."""
        return self.leases.due(now_ms)

    def leased_nodes(self) -> list[str]:
        """For the leader: the nodes to which leases are bound, by name."""
        return self.leases.nodes()

    def leases_of_node(self, node: str) -> list[Lease]:
        """For the leader: once the node is lost, each wants a LeaseNodeLost."""
        return self.leases.of_node(node)

    def queue_entries(self, kind: QueueKind, name: bytes, limit: int = 1_000) -> list[QueueEntry]:
        """Who holds a lock, election or semaphore (token above 0), then who waits for it, in order."""
        return self.queues.queue_entries(kind, name, limit)

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


_HANDLERS: dict[type, Callable[[State, Any], SingleResult]] = {
    ops.Put: writing.put,
    ops.Delete: writing.delete,
    ops.DeleteRange: writing.delete_range,
    ops.Txn: writing.txn,
    ops.Compact: writing.compact,
    ops.LeaseGrant: leasing.grant,
    ops.LeaseBind: leasing.bind,
    ops.LeaseKeepAlive: leasing.keep_alive,
    ops.LeaseRevoke: leasing.revoke,
    ops.LeaseExpire: leasing.expire,
    ops.LeaseNodeLost: leasing.node_lost,
    ops.Acquire: queueing.acquire,
    ops.Release: queueing.release,
    ops.Proclaim: queueing.proclaim,
    ops.FoundCluster: governing.found,
    ops.Ban: governing.ban,
    ops.SetLimits: governing.set_limits,
    ops.SetFeatureLevel: governing.set_level,
}
