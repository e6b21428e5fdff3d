"""The Raft layer of a cluster, as an operator sees and changes it, over HTTP.

What is about one very node (`status`, `leave`) goes to the first of the client's addresses, or the one that `at` names.
What changes the voters is sent once: where its answer is lost, the outcome is unknown, and `members` tells it.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import BinaryIO

import httpx

from coterie.app.client.addresses import read_address
from coterie.app.client.api.operations import json_call
from coterie.app.client.encoding import path_part, read_answer
from coterie.app.client.errors import ClientError
from coterie.app.client.transport.failures import reading_failure
from coterie.app.client.transport.requests import ApiRequest, Asker
from coterie.app.wire.cluster import (
    Compacting,
    Decision,
    Decisions,
    FoundingGivenUp,
    RaftMember,
    RaftMembers,
    RaftStatus,
    TransferBody,
    Transferred,
)
from coterie.consensus.store import StateDecoder, StoreError


@dataclass(frozen=True, slots=True)
class Saved:
    """A backup that is whole."""

    revision: int
    keys: int
    size: int
    """Bytes."""


class Raft:
    def __init__(self, asker: Asker) -> None:
        self._asker = asker

    async def status(self, *, at: str | None = None) -> RaftStatus:
        """A node's own part. Raises UnavailableError."""
        return read_answer(RaftStatus, await self._get("/v1/raft/status", self._node(at)))

    async def members(self) -> tuple[RaftMember, ...]:
        """Voters, observers and candidates. Raises UnavailableError."""
        return read_answer(RaftMembers, await self._get("/v1/raft/members")).members

    async def decisions(self) -> tuple[Decision, ...]:
        """The latest that leaders decided of the voters, oldest first. Raises UnavailableError."""
        return read_answer(Decisions, await self._get("/v1/raft/decisions")).decisions

    async def transfer(self, node_id: str | None = None) -> str:
        """Hand leadership to a voter (None: to whoever holds most of the log); returns the new leader's node id.

        Raises RefusedError, UnavailableError, UnknownOutcomeError.
        """
        reply = await self._asker.ask(json_call("POST", "/v1/raft/transfer", TransferBody(node=node_id)))
        return read_answer(Transferred, reply.body).leader

    async def remove(self, member_id: str) -> None:
        """Bar a member for ever: one that is lost for good. Raises as `transfer`."""
        await self._asker.ask(ApiRequest("DELETE", f"/v1/raft/members/{path_part(member_id)}"))

    async def leave(self, *, at: str | None = None, timeout: float | None = None) -> None:
        """Have one node give up its part in the Raft layer; it goes on without. Raises as `transfer`."""
        await self._asker.ask(ApiRequest("POST", "/v1/raft/leave", to=self._node(at)), timeout)

    async def compact(self, *, at: str | None = None) -> Compacting:
        """Have one node take a snapshot now, and cut its log; returns once that has begun. Raises UnavailableError."""
        reply = await self._asker.ask(ApiRequest("POST", "/v1/raft/compact", to=self._node(at)))
        return read_answer(Compacting, reply.body)

    async def give_up_founding(self, *, at: str | None = None) -> str | None:
        """Have one founder give up waiting for another that will never come; returns what was done, if anything.

        Raises UnavailableError, UnknownOutcomeError.
        """
        reply = await self._asker.ask(ApiRequest("DELETE", "/v1/raft/founding", to=self._node(at)))
        return read_answer(FoundingGivenUp, reply.body).given_up

    async def snapshot(self, file: BinaryIO) -> Saved:
        """Write all that was acknowledged before to `file`, and check it on the way.

        Where it raises (UnavailableError, ClientError), what was written is of no use. Errors of the file pass.
        """
        reader = StateDecoder()
        size = 0
        async with self._asker.open(ApiRequest("GET", "/v1/raft/snapshot")) as (address, response):
            try:
                async for part in response.aiter_bytes():
                    file.write(part)
                    size += len(part)
                    reader.feed(part)
                state = reader.finish()
            except (httpx.HTTPError, ssl.SSLError) as error:
                raise reading_failure(error, address, begun=True) from None
            except StoreError as error:
                raise ClientError(f"what came from {address} is no whole backup: {error}") from None
        return Saved(state.keyspace.revision, len(state.keyspace.table), size)

    async def _get(self, path: str, to: str | None = None) -> bytes:
        return (await self._asker.ask(ApiRequest("GET", path, to=to))).body

    def _node(self, at: str | None) -> str:
        return self._asker.first if at is None else read_address(at)
