"""Users and roles, as far as tokens can be shown as such."""

from __future__ import annotations

from enum import IntEnum
from typing import Annotated

from coterie.app.etcd.messages.fields import EtcdMessage, Field
from coterie.app.etcd.messages.kv import ResponseHeader


class AuthenticateRequest(EtcdMessage, frozen=True):
    """`name`: a token's id, `password`: the token."""

    name: Annotated[str, Field(1)] = ""
    password: Annotated[str, Field(2)] = ""


class AuthenticateResponse(EtcdMessage, frozen=True):
    header: Annotated[ResponseHeader | None, Field(1)] = None
    token: Annotated[str, Field(2)] = ""


class AuthStatusRequest(EtcdMessage, frozen=True):
    pass


class AuthStatusResponse(EtcdMessage, frozen=True):
    header: Annotated[ResponseHeader | None, Field(1)] = None
    enabled: Annotated[bool, Field(2)] = False
    authRevision: Annotated[int, Field(3, "uint64")] = 0  # noqa: N815 - the protocol's name


class AuthUserListRequest(EtcdMessage, frozen=True):
    pass


class AuthUserListResponse(EtcdMessage, frozen=True):
    header: Annotated[ResponseHeader | None, Field(1)] = None
    users: Annotated[tuple[str, ...], Field(2)] = ()


class AuthUserGetRequest(EtcdMessage, frozen=True):
    name: Annotated[str, Field(1)] = ""


class AuthUserGetResponse(EtcdMessage, frozen=True):
    header: Annotated[ResponseHeader | None, Field(1)] = None
    roles: Annotated[tuple[str, ...], Field(2)] = ()


class AuthRoleListRequest(EtcdMessage, frozen=True):
    pass


class AuthRoleListResponse(EtcdMessage, frozen=True):
    header: Annotated[ResponseHeader | None, Field(1)] = None
    roles: Annotated[tuple[str, ...], Field(2)] = ()


class PermissionType(IntEnum):
    READ = 0
    WRITE = 1
    READWRITE = 2


class Permission(EtcdMessage, frozen=True):
    permType: Annotated[PermissionType, Field(1)] = PermissionType.READ  # noqa: N815 - the protocol's name
    key: Annotated[bytes, Field(2)] = b""
    range_end: Annotated[bytes, Field(3)] = b""


class AuthRoleGetRequest(EtcdMessage, frozen=True):
    role: Annotated[str, Field(1)] = ""


class AuthRoleGetResponse(EtcdMessage, frozen=True):
    header: Annotated[ResponseHeader | None, Field(1)] = None
    perm: Annotated[tuple[Permission, ...], Field(2)] = ()
