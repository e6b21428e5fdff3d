"""`/v1/tokens`: makes, lists, replaces and revokes tokens. A token can make none that allows more than itself."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Body, FastAPI, Path, Request
from msgspec import structs
from starlette.responses import Response

from coterie.app.api.context import Context
from coterie.app.api.parameters.declared import MetadataCall, ReadCall, answer, barrier, read_errors, write_errors
from coterie.app.auth import token_store
from coterie.app.auth.authority import principal_of
from coterie.app.auth.rules import Principal
from coterie.app.auth.token_store import StoredHash, StoredToken
from coterie.app.http.error_mapping import api_error
from coterie.app.http.errors import ApiError
from coterie.app.wire.errors import Code
from coterie.app.wire.tokens import (
    ID_FORM,
    NewToken,
    OwnToken,
    RevokedToken,
    RotateBody,
    Rule,
    TokenBody,
    TokenList,
    hash_of,
    new_id,
    new_token,
)
from coterie.consensus.api.errors import ConflictError, MetadataError

EVERY_RULE = (Rule(layer="*", action="admin"),)

TokenId = Annotated[str, Path(pattern=f"^{ID_FORM}$", description="The token's id.", examples=["deploy"])]


def _show(token: StoredToken) -> dict[str, Any]:
    return {
        "id": token.id,
        "rules": list(token.rules),
        "description": token.description,
        "created": token.created,
        "expires": token.expires,
        "maker": token.maker or None,
    }


@dataclass(frozen=True, slots=True)
class _Found:
    token: StoredToken
    revision: int


def add_tokens(app: FastAPI, context: Context) -> None:
    @app.post(
        "/v1/tokens",
        summary="Make a token",
        operation_id="create_token",
        response_model=NewToken,
        response_description="The token with its secret, which is kept nowhere",
        responses=write_errors(Code.REFUSED, Code.NO_SPACE, Code.TOO_MANY_KEYS, Code.TOO_MANY_TOKENS),
        tags=["tokens"],
    )
    async def create_token(body: Annotated[TokenBody, Body()], call: ReadCall, request: Request) -> Response:
        """Its rules must not go beyond those of the token that asks; where that is a token of the metadata, it ends
        with that one, and no later. Where the outcome is unknown, list the tokens, revoke it, and make another: its
        secret is lost."""
        if body.id == "self":
            raise ApiError(
                Code.INVALID_REQUEST, "no token is named self: GET /v1/tokens/self is the one that asks", "id"
            )
        _check_covered(principal_of(request.scope), body.rules)
        await barrier(call)
        most = context.authority.settings.max_tokens
        if len(token_store.all_tokens(call.state, most)) >= most:
            raise ApiError(Code.TOO_MANY_TOKENS, f"the cluster holds auth.max_tokens = {most} tokens; revoke some")
        now = token_store.now()
        token_id = body.id or new_id()
        secret = new_token(token_id)
        maker = _maker(call, principal_of(request.scope), now)
        expires = None if body.expires_in_seconds is None else now + body.expires_in_seconds
        if maker is not None and maker.expires is not None:
            expires = maker.expires if expires is None else min(expires, maker.expires)
        token = StoredToken(
            id=token_id,
            hashes=(StoredHash(hash_of(secret)),),
            rules=tuple(token_store.rule_to_json(rule) for rule in body.rules),
            created=now,
            expires=expires,
            description=body.description,
            maker="" if maker is None else maker.id,
            maker_created=0.0 if maker is None else maker.created,
        )
        await _write(call, token, 0)
        return answer({**_show(token), "token": secret})

    @app.get(
        "/v1/tokens",
        summary="All tokens",
        operation_id="list_tokens",
        response_model=TokenList,
        response_description="Tokens, without their secrets",
        responses=read_errors(),
        tags=["tokens"],
    )
    async def list_tokens(call: ReadCall) -> Response:
        """Those of the metadata; a node's own, from its setting `auth.tokens`, are not among them."""
        await barrier(call)
        found = token_store.all_tokens(call.state, context.authority.settings.max_tokens)
        return answer({"tokens": [_show(token) for token in found]})

    @app.get(
        "/v1/tokens/self",
        summary="Who asks, and what it may do",
        operation_id="get_own_token",
        response_model=OwnToken,
        response_description="The token that was shown",
        tags=["tokens"],
    )
    async def get_own_token(request: Request) -> Response:
        """What this node makes of the token that comes with the request."""
        principal = principal_of(request.scope)
        return answer({"id": principal.id, "rules": [token_store.rule_to_json(rule) for rule in principal.rules]})

    @app.post(
        "/v1/tokens/{token}/rotate",
        summary="Replace a token's secret",
        operation_id="rotate_token",
        response_model=NewToken,
        response_description="The token with its new secret",
        responses=write_errors(Code.TOKEN_NOT_FOUND, Code.REFUSED),
        tags=["tokens"],
    )
    async def rotate_token(
        token: TokenId, body: Annotated[RotateBody, Body()], call: ReadCall, request: Request
    ) -> Response:
        """The former secret ends at once, or after `keep_seconds`. It must not allow more than the token that asks."""
        found = await _find(call, token)
        _check_covered(principal_of(request.scope), found.token.read_rules())
        now = token_store.now()
        secret = new_token(token)
        former = StoredHash(found.token.hashes[0].hash, now + body.keep_seconds)
        hashes = (StoredHash(hash_of(secret)), *([former] if body.keep_seconds else []))
        replaced = structs.replace(found.token, hashes=hashes)
        await _write(call, replaced, found.revision)
        return answer({**_show(replaced), "token": secret})

    @app.delete(
        "/v1/tokens/{token}",
        summary="Revoke a token",
        operation_id="revoke_token",
        response_model=RevokedToken,
        response_description="Revoked",
        responses=write_errors(Code.TOKEN_NOT_FOUND, Code.REFUSED),
        tags=["tokens"],
    )
    async def revoke_token(token: TokenId, call: ReadCall, request: Request) -> Response:
        """Ends it for good, with the tokens that it made, and the streams that were opened with them. It must not
        allow more than the token that asks. A node with Raft off may rely on it for `auth.cache_seconds` more."""
        await barrier(call)
        record = call.state.get(token_store.key_of(token))
        if record is None:
            raise _not_found(token)
        found = token_store.read(record)
        # What a later release wrote may allow anything.
        _check_covered(principal_of(request.scope), EVERY_RULE if found is None else found.read_rules())
        tokens = token_store.all_tokens(call.state, context.authority.settings.max_tokens)
        made = [each.id for each in tokens if token in token_store.lineage(call.state, each)]
        await _delete(call, token, record.mod_revision)
        for each in made:  # they ended with it: this only gives their place back
            with suppress(MetadataError):
                await call.metadata.delete(token_store.key_of(each), timeout=call.seconds)
        return answer({"revoked": token})


def _maker(call: MetadataCall, principal: Principal, now: float) -> StoredToken | None:
    """The token that asks, where it is one of the metadata. Raises ApiError."""
    maker = token_store.find(call.state, principal.id) if principal.token_hash else None
    if maker is None or not maker.has(principal.token_hash, now):
        return None
    if len(token_store.lineage(call.state, maker)) + 2 > token_store.MAX_LINEAGE:
        raise ApiError(
            Code.FORBIDDEN, f"this token is the last of {token_store.MAX_LINEAGE} of which each made the next"
        )
    return maker


async def _delete(call: MetadataCall, token: str, revision: int) -> None:
    try:
        await call.metadata.delete(token_store.key_of(token), expect=revision, timeout=call.seconds)
    except ConflictError:
        raise _changed(token) from None
    except MetadataError as error:
        raise api_error(error) from None


def _changed(token: str) -> ApiError:
    return ApiError(Code.REFUSED, f"the token {token!r} was changed meanwhile", details={"reason": "token_exists"})


def _check_covered(principal: Principal, rules: list[Rule] | tuple[Rule, ...]) -> None:
    if not principal.covers(rules):
        raise ApiError(Code.FORBIDDEN, "the rules go beyond those of the token that asks")


async def _find(call: MetadataCall, token: str) -> _Found:
    await barrier(call)
    record = call.state.get(token_store.key_of(token))
    found = None if record is None else token_store.read(record)
    if record is None or found is None:
        raise _not_found(token)
    return _Found(found, record.mod_revision)


async def _write(call: MetadataCall, token: StoredToken, revision: int) -> None:
    try:
        await call.metadata.put(
            token_store.key_of(token.id), token_store.encode(token), expect=revision, timeout=call.seconds
        )
    except ConflictError:
        if revision:
            raise _changed(token.id) from None
        message = f"the token {token.id!r} is there already; replace its secret, or revoke it"
        raise ApiError(Code.REFUSED, message, details={"reason": "token_exists"}) from None
    except MetadataError as error:
        raise api_error(error) from None


def _not_found(token: str) -> ApiError:
    return ApiError(Code.TOKEN_NOT_FOUND, f"the metadata holds no token {token!r}", "token")
