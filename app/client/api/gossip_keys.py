"""Keys of the gossip layer over HTTP. A node writes its own namespace and no other.

So a write goes to the one node that is meant: the first of the client's addresses, or the one that `at` names. It never
goes on to another node, whose key would be another one. The same holds for reading the keys of "this" node; those of a
node that is named, any node can tell.
"""

from __future__ import annotations

from coterie.app.client.addresses import read_address
from coterie.app.client.encoding import path_part, read_answer, utf8
from coterie.app.client.transport.requests import ApiRequest, Asker
from coterie.app.wire.keys import GossipDelete, GossipPage, GossipPut, GossipValue


class GossipKeys:
    def __init__(self, asker: Asker) -> None:
        self._asker = asker

    async def put(
        self,
        key: str,
        value: str,
        *,
        ttl: bool = False,
        at: str | None = None,
        timeout: float | None = None,
    ) -> GossipPut:
        """Write a key of the node at `at` (None: the first address). Sending it twice is harmless there.

        `ttl`: let it live for that node's `gossip.marked_for_deletion_grace_period` only.
        Raises RefusedError, UnavailableError, UnknownOutcomeError.
        """
        call = ApiRequest("PUT", _path(key), _ttl(ttl), utf8(value, "the value"), repeatable=True, to=self._node(at))
        return read_answer(GossipPut, (await self._asker.ask(call, timeout)).body)

    async def delete(
        self,
        key: str,
        *,
        ttl: bool = False,
        at: str | None = None,
        timeout: float | None = None,
    ) -> GossipDelete:
        """Delete a key of the node at `at`, or with `ttl` let it expire; no error where it is not there. As `put`."""
        call = ApiRequest("DELETE", _path(key), _ttl(ttl), repeatable=True, to=self._node(at))
        return read_answer(GossipDelete, (await self._asker.ask(call, timeout)).body)

    async def get(
        self,
        key: str,
        *,
        node: str | None = None,
        at: str | None = None,
        timeout: float | None = None,
    ) -> GossipValue | None:
        """What is known of a key of the node that is named `node`; of the node at `at` itself, where no name is given.

        None where it has no such key. Raises RefusedError (node_not_found), UnavailableError.
        """
        to = self._node(at) if at is not None or node is None else None
        call = ApiRequest("GET", _path(key), {} if node is None else {"node": node}, to=to, missing="key_not_found")
        reply = await self._asker.ask(call, timeout)
        return None if reply.missing is not None else read_answer(GossipValue, reply.body)

    async def list(
        self,
        *,
        prefix: str = "",
        node: str | None = None,
        limit: int = 1_000,
        page: str | None = None,
        at: str | None = None,
        timeout: float | None = None,
    ) -> GossipPage:
        """Keys of all nodes, or of one, by node and then by key. `page`: `next_page` of the answer before."""
        query: dict[str, str | int] = {"prefix": prefix, "limit": limit}
        if node is not None:
            query["node"] = node
        if page is not None:
            query["page"] = page
        to = None if at is None else self._node(at)
        return read_answer(GossipPage, (await self._asker.ask(ApiRequest("GET", "/v1/kv", query, to=to), timeout)).body)

    def _node(self, at: str | None) -> str:
        return self._asker.first if at is None else read_address(at)


def _path(key: str) -> str:
    return f"/v1/kv/{path_part(key)}"


def _ttl(ttl: bool) -> dict[str, str | int]:
    return {"ttl": "true"} if ttl else {}
