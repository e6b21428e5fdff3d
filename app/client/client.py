"""A client of a cluster over HTTP, for programs that do not embed a node. What can be asked is in the parts."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import httpx

from coterie.app.client.addresses import read_address, read_addresses
from coterie.app.client.api.events import Events, Message
from coterie.app.client.api.gossip_keys import GossipKeys
from coterie.app.client.api.leases import Leases
from coterie.app.client.api.metadata import HttpMetadata
from coterie.app.client.api.raft import Raft
from coterie.app.client.api.tokens import Tokens
from coterie.app.client.encoding import path_part, read_answer
from coterie.app.client.errors import ClientError
from coterie.app.client.limits import ClientLimits
from coterie.app.client.request_ids import ClusterTime, read_request_id
from coterie.app.client.transport.requests import ApiRequest, Asker
from coterie.app.client.transport.tls import tls_context
from coterie.app.wire.cluster import Cluster, ClusterMember, Departed, Forgotten, Members
from coterie.app.wire.keys import RequestIdAnswer
from coterie.consensus.api.errors import UnavailableError
from coterie.consensus.api.types import RequestId

if TYPE_CHECKING:
    from coterie.app.client.settings import ClientSettings


LEAVE_SECONDS = 60.0
"""For a node to leave: above what its `leave.raft_timeout` and `leave.gossip_timeout` come to, unless raised a lot."""


class Client:
    """`async with Client("http://10.0.0.1:10000", "http://10.0.0.2:10000", token=...) as client`.

    `metadata`, `leases`, `kv` (gossip's keys), `raft` and `tokens` have the calls of their layers. Every call ends
    within `timeout`, in seconds; what can be asked of any node is asked of the next one where a node cannot be reached
    or cannot serve. Errors are those of `coterie.consensus.api.errors`,
    AccessError (a token is wanted) and ClientError.
    """

    def __init__(
        self,
        *addresses: str,
        token: str | None = None,
        ca_file: Path | str | None = None,
        cert_file: Path | str | None = None,
        key_file: Path | str | None = None,
        timeout: float = 10.0,
        limits: ClientLimits | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """`addresses`: of nodes, as `http://host:port`, `https://host:port` or `host:port`; none is
        http://127.0.0.1:10000. `ca_file`: who signed the nodes' certificates (None: whom the system believes).
        `cert_file`, `key_file`: what this client shows of itself. `transport`: in place of sockets, for tests.
        Raises ClientError, which names the setting."""
        known = read_addresses(addresses)
        if timeout <= 0:
            raise ClientError(f"timeout must be seconds above 0, not {timeout!r}")
        if token is not None and not (token.isascii() and token.isprintable() and token):
            raise ClientError("token must be visible ASCII characters, as coterie token new prints them")
        tls = None
        if any(address.startswith("https:") for address in known):
            tls = tls_context(_path(ca_file), _path(cert_file), _path(key_file))
        elif ca_file or cert_file or key_file:
            raise ClientError("ca_file, cert_file and key_file are for addresses with https://, and none is")
        self._asker = Asker(
            known, token=token, tls=tls, timeout=timeout, limits=limits or ClientLimits(), transport=transport
        )
        self._time = ClusterTime(self._ask_time)
        self.metadata = HttpMetadata(self._asker, self._time)
        self.kv = GossipKeys(self._asker)
        self.leases = Leases(self._asker)
        self.raft = Raft(self._asker)
        self.tokens = Tokens(self._asker)

    @classmethod
    def from_settings(
        cls, settings: ClientSettings | None = None, *, limits: ClientLimits | None = None, **options: Any
    ) -> Self:
        """From explicit settings, the environment (`COTERIE_CLIENT_...`) and the client file; `options` are those of
        `ClientSettings`. Raises ClientError."""
        from coterie.app.client.settings import load_client_settings  # noqa: PLC0415 - it costs more to import than all else

        found = settings if settings is not None else load_client_settings(**options)
        return cls(
            *found.address,
            token=found.secret(),
            ca_file=found.ca_file,
            cert_file=found.cert_file,
            key_file=found.key_file,
            timeout=found.timeout,
            limits=limits,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close all connections."""
        await self._asker.aclose()

    @property
    def addresses(self) -> tuple[str, ...]:
        """In the order in which they were given."""
        return self._asker.addresses

    # -- members -------------------------------------------------------------------------------------------------------

    async def members(self) -> Members:
        """All nodes that the node that answers knows. Raises UnavailableError."""
        return read_answer(Members, (await self._asker.ask(ApiRequest("GET", "/v1/members"))).body)

    async def member(self, node_id: str) -> ClusterMember | None:
        """The node of this name, None where none is known: of its incarnations a live one, else the latest."""
        call = ApiRequest("GET", f"/v1/members/{path_part(node_id)}", missing="node_not_found")
        reply = await self._asker.ask(call)
        return None if reply.missing is not None else read_answer(ClusterMember, reply.body)

    async def cluster(self) -> Cluster:
        """Both layers in one picture. Raises UnavailableError."""
        return read_answer(Cluster, (await self._asker.ask(ApiRequest("GET", "/v1/cluster"))).body)

    async def why_not_ready(self) -> str | None:
        """Why a node should not be sent requests, as `/readyz` says it; None where it should. Asked once, of the node
        that is asked at present. Raises UnavailableError where it cannot be."""
        try:
            await self._asker.ask(ApiRequest("GET", "/readyz", retry=False))
        except UnavailableError as error:
            if error.reason != "not_ready":
                raise
            return str(error)
        return None

    async def forget(self, node_id: str) -> Forgotten:
        """Drop a dead node that is lost for good, everywhere. Raises RefusedError where it is alive or unknown."""
        reply = await self._asker.ask(ApiRequest("DELETE", f"/v1/members/{path_part(node_id)}"))
        return read_answer(Forgotten, reply.body)

    async def leave(
        self,
        *,
        keep_vote: bool = False,
        at: str | None = None,
        timeout: float = LEAVE_SECONDS,
    ) -> Departed:
        """Have one node leave the cluster and stop: the one at `at`, or at the first address; never another.

        Raises UnavailableError, UnknownOutcomeError.
        """
        to = self._asker.first if at is None else read_address(at)
        call = ApiRequest("POST", "/v1/leave", {"keep_vote": "true"} if keep_vote else {}, to=to)
        return read_answer(Departed, (await self._asker.ask(call, timeout)).body)

    # -- more ----------------------------------------------------------------------------------------------------------

    async def request_id(self) -> RequestId:
        """An id for one write, to be used soon: what is submitted under it twice happens at most once."""
        return await self._time.new_request(self._asker.timeout)

    async def events(
        self, kinds: Sequence[str] = (), prefix: str = "", *, at: str | None = None
    ) -> AsyncGenerator[Message, None]:
        """Live updates of both layers, without end; `kinds`: only these, `prefix`: of keys, only with this.

        With no kinds named, what the token may read is told, and the message `hello` says what is withheld; a kind
        that is named and withheld is an AccessError (`forbidden`). Raises AccessError, ClientError; UnavailableError
        where no node could be reached for `patience_seconds`.
        """
        stream = Events(self._asker, kinds, prefix, None if at is None else read_address(at))
        stream.begin()
        try:
            while True:
                yield await stream.next()
        finally:
            await stream.end()

    async def _ask_time(self, seconds: float) -> tuple[int, float]:
        reply = await self._asker.ask(ApiRequest("POST", "/v1/request_ids", reads=True), seconds)
        told = read_answer(RequestIdAnswer, reply.body)
        request = read_request_id(told.request_id)
        if request is None:
            raise ClientError(f"a node answered with a request id that is none: {told.request_id!r}")
        return request.time_ms, told.valid_seconds


def _path(file: Path | str | None) -> Path | None:
    return None if file is None else Path(file).expanduser()
