"""Leases as nodes show them: what is left of each, and what lives with it. Making and renewing them is `metadata`'s."""

from __future__ import annotations

from coterie.app.client.encoding import read_answer
from coterie.app.client.transport.requests import ApiRequest, Asker
from coterie.app.wire.locks import LeaseDetails, LeasePage


class Leases:
    def __init__(self, asker: Asker) -> None:
        self._asker = asker

    async def list(self, *, limit: int = 1_000, page: str | None = None, timeout: float | None = None) -> LeasePage:
        """All leases by id. `page`: `next_page` of the answer before. Raises UnavailableError."""
        query: dict[str, str | int] = {"limit": limit} if page is None else {"limit": limit, "page": page}
        return read_answer(LeasePage, (await self._asker.ask(ApiRequest("GET", "/v1/leases", query), timeout)).body)

    async def get(self, lease: int, *, timeout: float | None = None) -> LeaseDetails | None:
        """A lease with its keys; None for one that is not there. Raises UnavailableError."""
        call = ApiRequest("GET", f"/v1/leases/{lease}", missing="lease_not_found")
        reply = await self._asker.ask(call, timeout)
        return None if reply.missing is not None else read_answer(LeaseDetails, reply.body)
