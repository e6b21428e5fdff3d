"""Which process is at an address: asked of nodes that gossip holds lost."""

from __future__ import annotations

import asyncio

from coterie.app.http.peers.connection import FAILURES, PeerConnection
from coterie.app.http.peers.search import PeerTrust
from coterie.app.http.peers.statement import NotProvedError, ask_for_statement
from coterie.app.http.tls.context import Tls
from coterie.consensus.autopilot.node_lease_reaper import Heard
from coterie.gossip import Address

ASK_SECONDS = 1.0

SILENT = Heard()
REFUSED = Heard(refused=True)


class ProcessAsker:
    def __init__(self, trust: PeerTrust, tls: Tls | None) -> None:
        self._trust = trust
        self._tls = tls

    async def __call__(self, where: tuple[str, int]) -> Heard:
        """What answers at the address of a lost process is taken at its word: a lie there keeps a lease, at most, or
        ends one of a process that is not there."""
        address = Address(*where)
        try:
            async with asyncio.timeout(ASK_SECONDS):
                connection = await PeerConnection.open(address, self._tls)
                try:
                    answered = await ask_for_statement(connection, address, self._trust.keys)
                finally:
                    connection.close()
        except ConnectionRefusedError:
            return REFUSED
        except NotProvedError:
            return REFUSED  # something else is there now
        except FAILURES:
            return SILENT
        said = answered.statement
        if said is None:
            return Heard(answers=True)
        return Heard(said.node_id, said.generation, answers=True)
