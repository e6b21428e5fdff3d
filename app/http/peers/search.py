"""Finding the leader among those that may be it: it proves itself before it is sent a request.

What counts as a proof, the first that there is:

- the Raft secret, where this node has it: a fresh proof over each connection;
- TLS with an authority of one's own (`tls.ca`);
- sealed gossip: then gossip's word is as good;
- on loopback, where requests without a token may do everything, nothing is asked: there is nothing to protect.

Without any, nothing is sent. Several candidates are tried side by side, so that forged ones delay, and no more.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address

from coterie.app.http.error_mapping import unavailable
from coterie.app.http.errors import ApiError
from coterie.app.http.peers.connection import FAILURES, PeerConnection
from coterie.app.http.peers.statement import NotProvedError, ask_for_statement
from coterie.app.http.tls.context import Tls
from coterie.app.raft.leaders import LeaderCandidate
from coterie.consensus.autopilot.secret_keys import SecretKeys
from coterie.gossip import Address

STAGGER_SECONDS = 0.2
"""After this the next candidate is tried too."""

PROVE_SECONDS = 2.0

MAX_FAILED = 256
"""Addresses of which it is remembered that they failed; these are tried last."""

MAX_SAID = 3
"""Failures that an error tells of."""

NOTHING_PROVES = (
    "this node has nothing by which a leader could prove itself to it, and would send requests, tokens included, to "
    "whomever gossip names; set raft.secret as the members of the Raft layer have it, or tls.ca with tls.certificate "
    "and tls.key, or keyring.keys with keyring.plain = 'refuse'"
)


@dataclass(frozen=True, slots=True)
class PeerTrust:
    """By what this node believes others."""

    keys: SecretKeys | None = None
    """Of `raft.secret`, where it is set."""
    by_tls: bool = False
    """Certificates are checked against an authority of one's own."""
    sealed: bool = False
    """Gossip is sealed, and nothing else is taken."""
    is_open: Callable[[], bool] = lambda: False
    """Whether this node listens on loopback, and requests without a token may do everything."""

    @property
    def asks(self) -> bool:
        """Whether whoever answers is asked who it is."""
        return self.keys is not None or self.by_tls

    def suffices(self, address: Address) -> bool:
        return self.asks or self.sealed or (self.is_open() and ip_address(address.host).is_loopback)


class NotLeadingError(NotProvedError):
    """A node of the cluster, which does not lead it now."""


GOSSIP_ALONE = PeerTrust(sealed=True)
"""Gossip is believed, as where it is sealed."""


@dataclass(frozen=True, slots=True)
class Leader:
    """A connection to a node that is the leader, as far as it had to prove that."""

    connection: PeerConnection
    address: Address
    cluster: str | None


class LeaderSearch:
    def __init__(self, trust: PeerTrust, tls: Tls | None) -> None:
        self._trust = trust
        self._tls = tls
        self._proved: Address | None = None
        self._failed: OrderedDict[Address, None] = OrderedDict()

    def ordered(self, candidates: Sequence[LeaderCandidate]) -> list[LeaderCandidate]:
        """The likeliest first."""
        if not self._trust.asks:
            return list(candidates[:1])
        return sorted(candidates, key=lambda each: (each.address != self._proved, each.address in self._failed))

    async def open(self, candidates: Sequence[LeaderCandidate]) -> Leader:
        """A new connection to the first that proves to lead. `candidates`: in order, at least one. Raises ApiError."""
        allowed = [each for each in candidates if self._trust.suffices(each.address)]
        if not allowed:
            raise unavailable("leader_unproved", because=NOTHING_PROVES)
        waiting = list(reversed(allowed))
        trying: dict[asyncio.Task[Leader], LeaderCandidate] = {}
        failures: list[tuple[LeaderCandidate, BaseException]] = []
        try:
            while waiting or trying:
                if waiting:
                    candidate = waiting.pop()
                    trying[asyncio.ensure_future(self._try(candidate))] = candidate
                timeout = STAGGER_SECONDS if waiting else None
                done, _ = await asyncio.wait(trying, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    candidate, error = trying.pop(task), task.exception()
                    if error is None:
                        self._succeeded(candidate)
                        return task.result()
                    if not isinstance(error, (NotProvedError, *FAILURES)):
                        raise error
                    self._remember_failed(candidate.address)
                    failures.append((candidate, error))
        finally:
            for task in trying:
                task.cancel()
                task.add_done_callback(_close_unused)
        raise _failure(failures)

    async def _try(self, candidate: LeaderCandidate) -> Leader:
        connection = await PeerConnection.open(candidate.address, self._tls)
        try:
            async with asyncio.timeout(PROVE_SECONDS):
                return Leader(connection, candidate.address, await self._prove(connection, candidate))
        except BaseException:
            connection.close()
            raise

    async def _prove(self, connection: PeerConnection, candidate: LeaderCandidate) -> str | None:
        """The cluster that it leads. Raises NotProvedError and FAILURES."""
        trust = self._trust
        if not trust.asks:
            return candidate.cluster
        answered = await ask_for_statement(connection, candidate.address, trust.keys)
        if not answered.proved and not trust.by_tls and not trust.sealed:
            raise NotProvedError(
                "does not prove raft.secret: it has another one or none, is of an earlier release, or is a stranger"
            )
        said = answered.statement
        if said is None:
            return candidate.cluster
        if candidate.member is not None and said.member_id != candidate.member:
            raise NotProvedError("is another member than the leader")
        if not said.leading or said.cluster_id is None:
            raise NotLeadingError
        if candidate.cluster is not None and candidate.cluster not in {said.cluster_id, *said.replaces}:
            raise NotProvedError(f"leads another Raft cluster, {said.cluster_id}")
        return said.cluster_id

    def _succeeded(self, candidate: LeaderCandidate) -> None:
        self._proved = candidate.address
        self._failed.pop(candidate.address, None)

    def _remember_failed(self, address: Address) -> None:
        self._failed[address] = None
        self._failed.move_to_end(address)
        if len(self._failed) > MAX_FAILED:
            self._failed.popitem(last=False)


def _close_unused(task: asyncio.Task[Leader]) -> None:
    """It was not needed any more, and had succeeded at the same moment."""
    if not task.cancelled() and task.exception() is None:
        task.result().connection.close()


def _failure(failures: Sequence[tuple[LeaderCandidate, BaseException]]) -> ApiError:
    if any(isinstance(error, NotLeadingError) for _, error in failures):
        return unavailable("no_leader")
    said = [
        f"what answers at {each.address} {error}"
        if isinstance(error, NotProvedError)
        else f"the leader, at {each.address}, cannot be reached"
        for each, error in failures[:MAX_SAID]
    ]
    if all(isinstance(error, NotProvedError) for _, error in failures):
        return unavailable("leader_unproved", because="; ".join(said))
    return unavailable("leader_unreachable", "; ".join(said))
