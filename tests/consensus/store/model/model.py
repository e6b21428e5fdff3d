"""The replicated state again, as simply as can be: every version of everything is kept, and everything is scanned."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass, field, replace

from coterie.consensus.store import (
    Event,
    Limits,
    QueueKind,
    Record,
    RefusalCode,
    Refused,
    SingleResult,
)

PLACE = re.compile(rb"coterie/(lock|election|semaphore)s/(.*)@(\d{20})", re.DOTALL)


class ModelRefusedError(Exception):
    def __init__(self, code: RefusalCode, detail: int = 0) -> None:
        self.result = Refused(code, detail)


@dataclass(frozen=True)
class ModelLease:
    id: int
    renewal: int
    ttl: int
    deadline: int
    node: str
    generation: int
    hold: int


@dataclass
class Model:
    """The data. `model_rules` holds what operations do to it."""

    limits: Limits
    time: int = 0
    cluster_id: str = ""
    bans: dict[str, str] = field(default_factory=dict)
    states: list[dict[bytes, Record]] = field(default_factory=lambda: [{}])  # by revision, from 0
    events: list[Event] = field(default_factory=list)
    compacted: int = 0
    leases: dict[int, ModelLease] = field(default_factory=dict)
    leases_granted: int = 0
    requests: dict[tuple[int, bytes], SingleResult] = field(default_factory=dict)  # by bucket and id
    horizon: int = 0

    @property
    def revision(self) -> int:
        return len(self.states) - 1

    @property
    def now(self) -> dict[bytes, Record]:
        return self.states[-1]

    def commit(self, writes: dict[bytes, tuple[bytes, int] | None]) -> int:
        """One revision with these writes (value and lease, or None to delete), in this order; none, no revision."""
        if not writes:
            return self.revision
        revision = self.revision + 1
        state = dict(self.now)
        for key, write in writes.items():
            prev = state.get(key)
            if write is None:
                if prev is not None:
                    del state[key]
                    self.events.append(Event(revision, key, None, prev))
                continue
            value, lease = write
            created = prev.create_revision if prev else revision
            state[key] = Record(key, value, created, revision, prev.version + 1 if prev else 1, lease)
            self.events.append(Event(revision, key, state[key], prev))
        self.states.append(state)
        self.trim()
        return revision

    def trim(self) -> None:
        kept = [event for event in self.events if event.revision > self.compacted]
        limit = self.limits.max_history_events
        if len(kept) > limit:
            surplus = len(kept) - limit * 255 // 256
            self.compacted = kept[surplus - 1].revision

    def in_range(self, start: bytes, end: bytes | None, revision: int | None = None) -> list[Record]:
        state = self.now if revision is None else self.states[revision]
        return [state[key] for key in sorted(state) if key >= start and (end is None or key < end)]

    # -- queues: read out of the keys -------------------------------------------------------------------------------

    def places(self, kind: QueueKind, name: bytes) -> list[ModelPlace]:
        places = []
        for key, record in sorted(self.now.items()):
            match = PLACE.fullmatch(key)
            if match and match[1] == kind.value.encode() and match[2] == name:
                places.append(ModelPlace.read(record))
        return places

    def is_place(self, key: bytes) -> bool:
        return key.startswith((b"coterie/locks/", b"coterie/elections/", b"coterie/semaphores/"))

    def after_leaving(self, keys: list[bytes]) -> dict[bytes, tuple[bytes, int] | None]:
        """The writes when these keys go: places among them make room for the next in their queues."""
        writes: dict[bytes, tuple[bytes, int] | None] = dict.fromkeys(keys)
        for key in keys:
            match = PLACE.fullmatch(key)
            if match is None:
                continue
            left = [it for it in self.places(QueueKind(match[1].decode()), match[2]) if it.key not in writes]
            waiting = [it for it in left if it.token == 0]
            if waiting and len(left) - len(waiting) < waiting[0].permits:
                writes[waiting[0].key] = replace(waiting[0], token=self.revision + 1).written()
        return writes


@dataclass(frozen=True)
class ModelPlace:
    key: bytes
    lease: int
    token: int
    permits: int
    value: bytes

    @classmethod
    def read(cls, record: Record) -> ModelPlace:
        held = json.loads(record.value)
        return cls(record.key, record.lease, held["token"], held["permits"], base64.b64decode(held["value"]))

    def written(self) -> tuple[bytes, int]:
        value = {"token": self.token, "permits": self.permits, "value": base64.b64encode(self.value).decode()}
        return json.dumps(value, separators=(",", ":")).encode(), self.lease
