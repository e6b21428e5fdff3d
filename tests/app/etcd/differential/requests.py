"""Random requests, from a seed. What the two servers number in their own ways is named by order: the third revision
written, the second lease granted."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from random import Random
from typing import Any

KEYS = [b"a", b"ab", b"abc", b"b", b"b/1", b"b/2", b"c", b"\xff", b"\xff\xff", b"\0"]
VALUES = [b"", b"1", b"2", b"10", b"\0\xff", b"x" * 100]
ENDS = [b"", b"", b"\0", b"b", b"b0", b"c", b"\xff\xff", b"a"]

CHOSEN = [2**20, 2**20 + 1, 2**40, 2**63 - 1]
"""Lease ids of the client's choice."""


@dataclass(frozen=True)
class Revision:
    """The nth revision that was written, and so many more."""

    number: int
    more: int = 0


@dataclass(frozen=True)
class Lease:
    """The nth lease that was granted."""

    number: int


@dataclass(frozen=True)
class Request:
    path: str
    body: dict[str, Any]


def text(data: bytes) -> str:
    return b64encode(data).decode()


class RequestMaker:
    def __init__(self, seed: int) -> None:
        self._rng = Random(seed)
        self.revisions = 1
        """How many were written."""
        self.leases = 0

    def next(self) -> Request:
        kinds = [
            (self._range, 25),
            (self._put, 25),
            (self._delete, 10),
            (self._txn, 25),
            (self._compact, 1),
            (self._grant, 4),
            (self._revoke, 2),
            (self._keep_alive, 2),
            (self._time_to_live, 2),
            (self._list_leases, 1),
            (self._watch, 3),
        ]
        make = self._rng.choices([kind for kind, _ in kinds], [weight for _, weight in kinds])[0]
        return make()

    # -- parts ---------------------------------------------------------------------------------------------------------

    def _some(self, chance: float) -> bool:
        return self._rng.random() < chance

    def _revision(self, *, far: float = 0.05) -> Revision:
        more = self._rng.choice([1, 1_000]) if self._some(far) else 0
        recent = self._rng.randint(max(0, self.revisions - 12), self.revisions - 1)
        return Revision(self.revisions - 1 if more else recent, more)

    def _lease(self) -> Lease | int:
        if self.leases and self._some(0.8):
            return Lease(self._rng.randint(max(0, self.leases - 6), self.leases - 1))
        return self._rng.choice([7_777_777, *CHOSEN])

    def _key(self) -> str:
        return "" if self._some(0.01) else text(self._rng.choice(KEYS))

    def _end(self) -> dict[str, Any]:
        end = self._rng.choice(ENDS)
        return {"range_end": text(end)} if end else {}

    def _flags(self, chance: float, *names: str) -> dict[str, Any]:
        return {name: True for name in names if self._some(chance)}

    # -- keys ----------------------------------------------------------------------------------------------------------

    def _range_body(self) -> dict[str, Any]:
        rng = self._rng
        body: dict[str, Any] = {"key": self._key(), **self._end()}
        if self._some(0.3):
            body["limit"] = rng.choice([0, 1, 2, "3", -1, 100])
        if self._some(0.25):
            body["revision"] = self._revision() if self._some(0.95) else rng.choice([-1, 0])
        if self._some(0.4):
            body["sort_order"] = rng.choice(["NONE", "ASCEND", "DESCEND", 0, 1, 2])
        if self._some(0.4):
            body["sort_target"] = rng.choice(["KEY", "VERSION", "CREATE", "MOD", "VALUE", 0, 4])
        for name in ("min_mod_revision", "max_mod_revision", "min_create_revision", "max_create_revision"):
            if self._some(0.08):
                body[name] = self._revision() if self._some(0.9) else rng.choice([0, 1, -1, 2**62])
        return {**body, **self._flags(0.1, "keys_only", "count_only", "serializable")}

    def _range(self) -> Request:
        return Request("/kv/range", self._range_body())

    def _put_body(self) -> dict[str, Any]:
        body: dict[str, Any] = {"key": self._key(), **self._flags(0.1, "ignore_value", "ignore_lease")}
        body |= self._flags(0.3, "prev_kv")
        if "ignore_value" not in body or self._some(0.1):
            body["value"] = text(self._rng.choice(VALUES))
        if "ignore_lease" not in body and self._some(0.2):
            body["lease"] = self._lease()
        return body

    def _put(self) -> Request:
        return Request("/kv/put", self._put_body())

    def _delete_body(self) -> dict[str, Any]:
        return {"key": self._key(), **self._end(), **self._flags(0.4, "prev_kv")}

    def _delete(self) -> Request:
        return Request("/kv/deleterange", self._delete_body())

    def _compact(self) -> Request:
        if self.revisions < 4:  # of the first two revisions Coterie has nothing to compact
            return self._range()
        revision = Revision(max(2, self.revisions - self._rng.randint(5, 40))) if self._some(0.7) else self._revision()
        if revision.number < 2:
            revision = Revision(2)
        return Request("/kv/compaction", {"revision": revision, **self._flags(0.5, "physical")})

    # -- transactions --------------------------------------------------------------------------------------------------

    def _txn(self) -> Request:
        return Request("/kv/txn", self._txn_body(0))

    def _txn_body(self, depth: int) -> dict[str, Any]:
        rng = self._rng
        body: dict[str, Any] = {}
        if compares := [self._compare() for _ in range(rng.choice([0, 1, 1, 1, 2]))]:
            body["compare"] = compares
        for branch in ("success", "failure"):
            if operations := [self._operation(depth) for _ in range(rng.choice([0, 1, 1, 2, 3]))]:
                body[branch] = operations
        return body

    def _operation(self, depth: int) -> dict[str, Any]:
        kind = self._rng.random()
        if kind < 0.35:
            return {"request_put": self._put_body()}
        if kind < 0.6:
            body = self._range_body()
            if body.get("revision") == -1:  # within a transaction etcd takes it for compacted, where anything is
                del body["revision"]
            return {"request_range": body}
        if kind < 0.75 or depth > 2:
            # etcd overlooks a put within what is deleted up to the last key, and writes that key twice.
            body = self._delete_body()
            if body.get("range_end") == text(b"\0"):
                del body["range_end"]
            return {"request_delete_range": body}
        if kind < 0.76:
            return {}
        # A put and a deletion of the same key in transactions side by side are a known difference: puts alone here.
        inner = self._txn_body(depth + 1)
        for branch in ("success", "failure"):
            operations = [each for each in inner.get(branch, ()) if "request_delete_range" not in each]
            inner[branch] = operations
        return {"request_txn": inner}

    def _compare(self) -> dict[str, Any]:
        rng = self._rng
        target = rng.choice(["VERSION", "CREATE", "MOD", "VALUE", "LEASE"])
        body: dict[str, Any] = {"key": self._key(), "target": target}
        if self._some(0.3):
            body |= self._end()
        if self._some(0.9):
            body["result"] = rng.choice(["EQUAL", "GREATER", "LESS", "NOT_EQUAL"])
        match target:
            case "VERSION":
                body["version"] = rng.choice([0, 0, 1, "2", -1])
            case "CREATE" | "MOD":
                name = f"{target.lower()}_revision"
                body[name] = self._revision() if self._some(0.6) else rng.choice([0, 0, 1, -1])
            case "VALUE":
                body["value"] = text(rng.choice(VALUES))
            case "LEASE":
                body["lease"] = 0
                if self._some(0.5):  # the order of ids is each server's own
                    body |= {"lease": self._lease(), "result": rng.choice(["EQUAL", "NOT_EQUAL"])}
        return body

    # -- leases --------------------------------------------------------------------------------------------------------

    def _grant(self) -> Request:
        body: dict[str, Any] = {"TTL": self._rng.choice([3_600, "7200", 100_000, 9_000_000_001])}
        if self._some(0.3):
            body["ID"] = self._rng.choice(CHOSEN)
        return Request("/lease/grant", body)

    def _revoke(self) -> Request:
        return Request(self._rng.choice(["/lease/revoke", "/kv/lease/revoke"]), {"ID": self._lease()})

    def _keep_alive(self) -> Request:
        return Request("/lease/keepalive", {"ID": self._lease()})

    def _time_to_live(self) -> Request:
        path = self._rng.choice(["/lease/timetolive", "/kv/lease/timetolive"])
        return Request(path, {"ID": self._lease(), **self._flags(0.5, "keys")})

    def _list_leases(self) -> Request:
        return Request(self._rng.choice(["/lease/leases", "/kv/lease/leases"]), {})

    # -- watches -------------------------------------------------------------------------------------------------------

    def _watch(self) -> Request:
        create: dict[str, Any] = {"key": self._key(), **self._end(), **self._flags(0.4, "prev_kv")}
        create["start_revision"] = self._revision(far=0.0)
        if self._some(0.3):
            create["filters"] = [self._rng.choice(["NOPUT", "NODELETE"])]
        return Request("/watch", {"create_request": create})
