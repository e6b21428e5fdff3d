"""What every handler under `/v1` needs, and what all requests of the metadata share: time limits and request ids."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from urllib.parse import unquote

import msgspec
from starlette.types import Scope

from coterie.app.auth.authority import Authority, principal_of
from coterie.app.http.error_mapping import unavailable
from coterie.app.http.errors import ApiError
from coterie.app.http.forwarding import CLUSTER, Forwarder
from coterie.app.http.request import read_request_id
from coterie.app.raft.view import RaftView
from coterie.app.settings.tables import HttpSettings, RaftSettings
from coterie.app.wire.errors import Code
from coterie.consensus.api.types import RequestId
from coterie.consensus.member.metadata.calls import MemberMetadata
from coterie.gossip import GossipNode


@dataclass(slots=True, eq=False)
class Context:
    node: GossipNode
    raft: RaftView
    limits: HttpSettings
    settings: RaftSettings
    forwarder: Forwarder
    stopping: asyncio.Event
    """Set when this node stops: streams and waits end."""
    authority: Authority

    def timeout(self, query: str | None, header: str | None) -> float:
        """For how long a request may be worked on, in seconds: what is left (header), asked for (query), or set."""
        text, name = (header, "Coterie-Timeout") if header is not None else (query, "timeout")
        if text is None:
            return self.settings.request_timeout
        try:
            seconds = float(text)
        except ValueError:
            seconds = 0.0
        longest = self.settings.max_request_timeout
        if not 0 < seconds <= longest:
            raise ApiError(
                Code.INVALID_REQUEST,
                f"{name} must be seconds above 0, up to raft.max_request_timeout = {longest:g}, not {text!r}",
                name,
            )
        return seconds

    def refuse_other_cluster(self, scope: Scope) -> None:
        """A forwarded request names the Raft cluster that is meant. Raises ApiError where this node is of another."""
        meant = next((value for name, value in scope["headers"] if name == CLUSTER), None)
        if meant is None:
            return
        own = self.raft.clusters
        if own and unquote(meant.decode("latin-1")) not in own:
            raise unavailable("wrong_cluster", because=f"this node is of {own[0]}")


def request_id(metadata: MemberMetadata, header: str | None, scope: Scope) -> RequestId:
    """The id that a write comes with, or a new one, in the caller's name. Raises ApiError."""
    request = metadata.new_request() if header is None else read_request_id(header)
    principal = principal_of(scope)
    may_all = principal.may("*", "admin", "")
    # Where everybody may do everything, leases are everybody's.
    owner = "" if may_all and not principal.token_hash else principal.id
    return msgspec.structs.replace(request, principal=principal.id, owner=owner, any_lease=may_all)
