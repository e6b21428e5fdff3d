"""What all of etcd's services share: the metadata and its limits, headers, rights by key, revisions.

etcd's revisions are one above Coterie's: an empty store of etcd is at 1, one of Coterie at 0. `to_etcd` and `from_etcd`
are the only places that know.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from coterie.app.api.context import Context, request_id
from coterie.app.auth.authority import PRINCIPAL, Authority
from coterie.app.auth.rules import Principal
from coterie.app.etcd.errors import etcd_error, of_api
from coterie.app.etcd.messages.kv import EtcdKeyValue, ResponseHeader
from coterie.app.etcd.rpcs import Caller, EtcdCode, EtcdError, Rpc
from coterie.app.http.errors import ApiError
from coterie.app.settings.etcd import EtcdSettings
from coterie.app.wire.tokens import Action
from coterie.consensus.api.types import RequestId
from coterie.consensus.member.metadata.calls import MemberMetadata
from coterie.consensus.store import RESERVED_PREFIX, Record, State, prefix_end

Span = tuple[bytes, bytes | None]
"""From a key to below another; None: to the last key."""

MAX_REVISION = 2**53 - 2
"""Of etcd's revisions: what is above has not come."""


def to_etcd(revision: int) -> int:
    return revision + 1


def from_etcd(revision: int) -> int:
    return min(revision, MAX_REVISION) - 1


def span_of(key: bytes, range_end: bytes) -> Span:
    """What a request means by `key` and `range_end`."""
    if not range_end:
        return key, key + b"\0"
    return key, None if range_end == b"\0" else range_end


@lru_cache(1_024)
def number_of(name: str) -> int:
    """A 64-bit number for a node, a member or a cluster, the same everywhere; never 0."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8]) or 1


def show_record(record: Record) -> EtcdKeyValue:
    return EtcdKeyValue(
        record.key,
        to_etcd(record.create_revision),
        to_etcd(record.mod_revision),
        record.version,
        record.value,
        record.lease,
    )


def show_records(records: tuple[Record, ...]) -> tuple[EtcdKeyValue, ...]:
    return tuple([show_record(record) for record in records])


def may(principal: Principal, action: Action, span: Span) -> bool:
    """Whether it may read or write every key of the metadata in the span."""
    start, end = span
    for prefix in principal.reach("metadata", action):
        first = prefix.encode()
        last = prefix_end(first) if first else None
        if start >= first and (last is None or (end is not None and end <= last)):
            return True
    return False


def is_reserved(span: Span) -> bool:
    """Whether all of the span is reserved."""
    start, end = span
    last = prefix_end(RESERVED_PREFIX)
    return start.startswith(RESERVED_PREFIX) and end is not None and last is not None and end <= last


def refusal(caller: Caller) -> Exception:
    """Of a caller without the right: one that showed no token is asked for one."""
    return etcd_error("permission_denied" if caller.principal.token_hash else "user_empty")


def check_read(caller: Caller, span: Span) -> None:
    """Raises EtcdError."""
    if not may(caller.principal, "read", span):
        raise refusal(caller)


def check_write(caller: Caller, span: Span) -> None:
    """Raises EtcdError."""
    if not may(caller.principal, "write", span):
        raise refusal(caller)
    if is_reserved(span):
        raise etcd_error("permission_denied")


def check_cluster(caller: Caller, action: Action) -> None:
    """The right to see, or to administer, the cluster. Raises EtcdError."""
    if not caller.principal.may("cluster", action, ""):
        raise refusal(caller)


def check_lease(caller: Caller) -> None:
    """The right to leases: to write any key, or any lock. Raises EtcdError."""
    principal = caller.principal
    if not (principal.may("metadata", "write", None) or principal.may("locks", "write", None)):
        raise refusal(caller)


@dataclass(frozen=True, slots=True)
class Access:
    context: Context
    settings: EtcdSettings
    tls: bool = False
    """Whether nodes speak TLS with each other."""

    @property
    def metadata(self) -> MemberMetadata:
        """Raises EtcdError."""
        metadata = self.context.raft.metadata
        if metadata is None:
            raise etcd_error("no_leader")
        return metadata

    @property
    def state(self) -> State:
        """As applied here. Raises EtcdError."""
        state = self.context.raft.state
        if state is None:
            raise etcd_error("no_leader")
        return state

    def header(self, revision: int | None = None) -> ResponseHeader:
        """`revision`: of Coterie; None: the newest that is applied here."""
        raft = self.context.raft
        term, state = raft.term, raft.state
        if term is None or state is None:
            picture = raft.picture()
            return ResponseHeader(number_of(picture.cluster_id or ""), self.member_id, raft_term=picture.term)
        if revision is None:
            revision = state.keyspace.revision
        return ResponseHeader(number_of(raft.clusters[0]), self.member_id, to_etcd(revision), term)

    @property
    def member_id(self) -> int:
        return number_of(self.context.node.node.node_id)

    def seconds(self, caller: Caller) -> float:
        """For how long a call may take."""
        settings = self.context.settings
        if caller.seconds is None:
            return settings.request_timeout
        return min(caller.seconds, settings.max_request_timeout)

    def write(self, caller: Caller) -> dict[str, Any]:
        """What a write is submitted with: an id, in the caller's name, and its time."""
        request: RequestId = request_id(self.metadata, None, {PRINCIPAL: caller.principal})
        return {"request": request, "timeout": self.seconds(caller)}


async def caller_of(authority: Authority, rpc: Rpc, scope: Any, shown: bytes | None, seconds: float | None) -> Caller:
    """As `EtcdService.caller`. A request that has passed a gate was admitted there. Raises EtcdError."""
    authorization = None
    if shown is not None:
        authorization = shown if shown[:7].lower() == b"bearer " else b"Bearer " + shown
    principal = scope.get(PRINCIPAL)
    if principal is None:
        try:
            principal = await authority.identify(scope, authorization)
        except ApiError as error:
            if not rpc.open:
                raise of_api(error) from None
            principal = authority.anonymous
    # A token that is wrong is no error for some calls: it must not go on to the leader.
    return Caller(principal, authorization if principal.token_hash else None, seconds, scope)


def not_served(rpc: Rpc) -> EtcdError:
    """Of a call that this API has not: what to do instead is in docs/etcd.md."""
    return EtcdError(
        EtcdCode.UNIMPLEMENTED, f"etcdserver: coterie does not serve {rpc.service}.{rpc.method}; see its docs/etcd.md"
    )
