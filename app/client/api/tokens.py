"""Tokens of the metadata over HTTP. Making and rotating is sent once: the secret of a lost answer is lost with it."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite

from coterie.app.client.api.operations import json_call
from coterie.app.client.encoding import path_part, read_answer
from coterie.app.client.transport.requests import ApiRequest, Asker
from coterie.app.wire.tokens import NewToken, OwnToken, RotateBody, Rule, Token, TokenBody, TokenList
from coterie.consensus.api.errors import RefusedError
from coterie.consensus.store import RefusalCode


class Tokens:
    def __init__(self, asker: Asker) -> None:
        self._asker = asker

    async def own(self) -> OwnToken:
        """Who this client is to the node, and what it may do."""
        return read_answer(OwnToken, (await self._asker.ask(ApiRequest("GET", "/v1/tokens/self"))).body)

    async def list(self) -> tuple[Token, ...]:
        """All tokens of the metadata, by id. Raises AccessError, UnavailableError."""
        return read_answer(TokenList, (await self._asker.ask(ApiRequest("GET", "/v1/tokens"))).body).tokens

    async def create(
        self,
        rules: Sequence[Rule],
        *,
        token_id: str | None = None,
        expires_in_seconds: float | None = None,
        description: str = "",
    ) -> NewToken:
        """Make a token, of at most what the own one allows. Raises AccessError, RefusedError, UnavailableError,
        UnknownOutcomeError (revoke it then, and make another)."""
        if expires_in_seconds is not None and not isfinite(expires_in_seconds):  # JSON has no word for it but null
            raise RefusedError(RefusalCode.MALFORMED, message="expires_in_seconds must be a number; None: never")
        body = TokenBody(
            id=token_id, rules=tuple(rules), expires_in_seconds=expires_in_seconds, description=description
        )
        return read_answer(NewToken, (await self._asker.ask(json_call("POST", "/v1/tokens", body))).body)

    async def rotate(self, token_id: str, *, keep_seconds: float = 0.0) -> NewToken:
        """Replace a token's secret; the former one lasts `keep_seconds` more. Raises as `create`."""
        call = json_call("POST", f"/v1/tokens/{path_part(token_id)}/rotate", RotateBody(keep_seconds=keep_seconds))
        return read_answer(NewToken, (await self._asker.ask(call)).body)

    async def revoke(self, token_id: str) -> None:
        """End a token. Raises RefusedError (token_not_found), and as `create`."""
        await self._asker.ask(ApiRequest("DELETE", f"/v1/tokens/{path_part(token_id)}"))
