"""Request ids: an operation that comes twice is applied once (raft spec 3).

An id carries the cluster time of its first try. Results are kept by that time, in buckets; pruning drops the oldest
bucket and moves the horizon to its end. What is at or above the horizon and not in the table was never applied; what is
below it is not known, and refused. All of this depends on the log alone. (Two results are not repeated as they were: a
queue entry that has been lost since, see `handlers.queues`; and from level 2 on a large one.)
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterator

import msgspec

from coterie.consensus.store.schema.errors import RefusalCode, RefusalError
from coterie.consensus.store.schema.limits import KEPT_RESULT_BYTES, MIN_REQUEST_AGE_MS, REQUEST_BUCKET_MS, Limits
from coterie.consensus.store.schema.results import DeleteDone, PutDone, Refused, SingleResult, TreeDone, TxnDone, weight


class RememberedRequest(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One id with its result, as a snapshot holds it."""

    bucket: int
    id: bytes
    result: SingleResult
    fingerprint: bytes = b""
    """Of what was asked for, and for whom; empty for a request of level 1."""


class DeduplicationTable:
    def __init__(self, horizon_ms: int = 0) -> None:
        self.horizon_ms = horizon_ms
        """Ids of an earlier time are refused."""
        self.count = 0
        self.size = 0  # bytes of ids, fingerprints, and of records in results
        self._buckets: dict[int, dict[bytes, RememberedRequest]] = {}
        self._order: list[int] = []  # the buckets' numbers, ascending
        self._shared: set[int] = set()  # buckets that a view may hold: copied before they change

    def recall(
        self, request_id: bytes, time_ms: int, now_ms: int, fingerprint: bytes, bounds: Limits | None
    ) -> SingleResult | None:
        """The result of the first time, or None where this is it.

        Raises RefusalError before the horizon, or ahead, or where the first time asked for something else; and within
        `bounds` where another id would push out one that is too young to be forgotten.
        """
        if time_ms < self.horizon_ms:
            raise RefusalError(RefusalCode.REQUEST_EXPIRED, self.horizon_ms)
        if time_ms > now_ms:
            raise RefusalError(RefusalCode.REQUEST_AHEAD, now_ms)
        bucket = self._buckets.get(time_ms // REQUEST_BUCKET_MS)
        known = bucket.get(request_id) if bucket is not None else None
        if known is None:
            if bounds is not None and (self.count >= bounds.max_requests or self.size >= bounds.max_request_bytes):
                self._check_age(now_ms, bounds)
            return None
        if fingerprint and known.fingerprint and fingerprint != known.fingerprint:
            raise RefusalError(RefusalCode.REQUEST_REUSED)
        return known.result

    def _check_age(self, now_ms: int, limits: Limits) -> None:
        if not self._is_old(now_ms, limits):
            raise RefusalError(RefusalCode.REQUESTS_FULL, limits.max_requests)

    def _is_old(self, now_ms: int, limits: Limits) -> bool:
        """May the oldest bucket be forgotten?"""
        age_ms = min(MIN_REQUEST_AGE_MS, limits.request_window_ms)
        return (self._order[0] + 1) * REQUEST_BUCKET_MS <= now_ms - age_ms

    def remember(
        self, request_id: bytes, time_ms: int, result: SingleResult, fingerprint: bytes, bounds: Limits | None
    ) -> None:
        """Keep the result of a request for which `recall` gave None: within `bounds`, of a large one that changed
        something, that it was done, and at which revision."""
        size = weight(result)
        if (
            size
            and bounds is not None
            and size > (KEPT_RESULT_BYTES if 2 * self.size < bounds.max_request_bytes else 0)
            and isinstance(result, PutDone | DeleteDone | TxnDone | TreeDone)
        ):
            result, size = Refused(RefusalCode.RESULT_NOT_KEPT, result.revision), 0
        self._add(RememberedRequest(time_ms // REQUEST_BUCKET_MS, request_id, result, fingerprint), size)

    def load(self, item: RememberedRequest) -> None:
        self._add(item, weight(item.result))

    def _add(self, item: RememberedRequest, result_size: int) -> None:
        number = item.bucket
        bucket = self._buckets.get(number)
        if bucket is None:
            bucket = self._buckets[number] = {}
            insort(self._order, number)
        elif number in self._shared:
            bucket = self._buckets[number] = bucket.copy()
            self._shared.remove(number)
        bucket[item.id] = item
        self.count += 1
        self.size += len(item.id) + len(item.fingerprint) + result_size

    def prune(self, now_ms: int, limits: Limits, *, keep_young: bool) -> None:
        """Forget what is older than the window, and the oldest beyond the bounds: with `keep_young` no id that is
        younger than MIN_REQUEST_AGE_MS."""
        oldest_ms = now_ms - limits.request_window_ms
        while self._order and (
            (self._order[0] + 1) * REQUEST_BUCKET_MS <= oldest_ms
            or (
                (self.count > limits.max_requests or self.size > limits.max_request_bytes)
                and (not keep_young or self._is_old(now_ms, limits))
            )
        ):
            number = self._order.pop(0)
            bucket = self._buckets.pop(number)
            self._shared.discard(number)
            self.count -= len(bucket)
            self.size -= sum(map(_size, bucket.values()))
            self.horizon_ms = max(self.horizon_ms, (number + 1) * REQUEST_BUCKET_MS)
        self.horizon_ms = max(self.horizon_ms, oldest_ms // REQUEST_BUCKET_MS * REQUEST_BUCKET_MS)

    def view(self) -> Iterator[RememberedRequest]:
        """Everything remembered, as of now, oldest bucket first."""
        self._shared = set(self._order)
        parts = [self._buckets[number] for number in self._order]
        return (item for bucket in parts for item in bucket.values())


def _size(item: RememberedRequest) -> int:
    return len(item.id) + len(item.fingerprint) + weight(item.result)
