"""Tokens as etcd's users: a user is a token's id, its password the token, and its one role the token's rules.

Users and roles are shown, and not changed: a token's secret is drawn, never chosen. `/v1/tokens` makes and ends them.
"""

from __future__ import annotations

from coterie.app.auth import token_store
from coterie.app.auth.authority import Authority
from coterie.app.etcd.errors import etcd_error, of_api, of_metadata
from coterie.app.etcd.messages.auth import (
    AuthenticateRequest,
    AuthenticateResponse,
    AuthRoleGetRequest,
    AuthRoleGetResponse,
    AuthRoleListRequest,
    AuthRoleListResponse,
    AuthStatusRequest,
    AuthStatusResponse,
    AuthUserGetRequest,
    AuthUserGetResponse,
    AuthUserListRequest,
    AuthUserListResponse,
    Permission,
    PermissionType,
)
from coterie.app.etcd.rpcs import Caller
from coterie.app.etcd.service.access import Access, refusal
from coterie.app.http.errors import ApiError
from coterie.app.wire.errors import Code
from coterie.app.wire.tokens import Rule, id_of
from coterie.consensus.api.errors import MetadataError
from coterie.consensus.store import prefix_end

AUTH_REVISION = 1
"""etcd counts changes of users; tokens are read anew with each request."""


class UserCalls:
    def __init__(self, access: Access) -> None:
        self._access = access

    @property
    def _authority(self) -> Authority:
        return self._access.context.authority

    async def authenticate(self, request: AuthenticateRequest, caller: Caller) -> AuthenticateResponse:
        if self._authority.is_open:
            raise etcd_error("auth_not_enabled")
        if id_of(request.password) != request.name:
            raise etcd_error("auth_failed")
        try:
            await self._authority.identify(caller.scope, b"Bearer " + request.password.encode())
        except ApiError as error:
            raise etcd_error("auth_failed") if error.code is Code.UNAUTHORIZED else of_api(error) from None
        return AuthenticateResponse(self._access.header(), request.password)

    async def status(self, _request: AuthStatusRequest, _caller: Caller) -> AuthStatusResponse:
        return AuthStatusResponse(self._access.header(), not self._authority.is_open, AUTH_REVISION)

    async def user_list(self, _request: AuthUserListRequest, caller: Caller) -> AuthUserListResponse:
        return AuthUserListResponse(self._access.header(), tuple(await self._tokens(caller)))

    async def user_get(self, request: AuthUserGetRequest, caller: Caller) -> AuthUserGetResponse:
        if request.name not in await self._tokens(caller):
            raise etcd_error("user_not_found")
        return AuthUserGetResponse(self._access.header(), (request.name,))

    async def role_list(self, _request: AuthRoleListRequest, caller: Caller) -> AuthRoleListResponse:
        return AuthRoleListResponse(self._access.header(), tuple(await self._tokens(caller)))

    async def role_get(self, request: AuthRoleGetRequest, caller: Caller) -> AuthRoleGetResponse:
        rules = (await self._tokens(caller)).get(request.role)
        if rules is None:
            raise etcd_error("role_not_found")
        return AuthRoleGetResponse(
            self._access.header(), tuple(_permission(each) for each in rules if _is_of_keys(each))
        )

    async def _tokens(self, caller: Caller) -> dict[str, tuple[Rule, ...]]:
        """The rules of all tokens of the metadata, by id. Raises EtcdError."""
        if not caller.principal.may("tokens", "admin", ""):
            raise refusal(caller)
        access = self._access
        try:
            await access.metadata.barrier(access.seconds(caller))
        except MetadataError as error:
            raise of_metadata(error) from None
        found = token_store.all_tokens(access.state, self._authority.settings.max_tokens)
        return {token.id: token.read_rules() for token in found}


def _is_of_keys(rule: Rule) -> bool:
    return rule.layer in {"metadata", "*"}


def _permission(rule: Rule) -> Permission:
    prefix = rule.prefix.encode()
    kind = PermissionType.READ if rule.action == "read" else PermissionType.READWRITE
    return Permission(kind, prefix or b"\0", (prefix_end(prefix) if prefix else None) or b"\0")
