"""etcd's lock and election services."""

from __future__ import annotations

from typing import Annotated

from coterie.app.etcd.messages.fields import EtcdMessage, Field
from coterie.app.etcd.messages.kv import EtcdKeyValue, ResponseHeader


class LockRequest(EtcdMessage, frozen=True):
    name: Annotated[bytes, Field(1)] = b""
    lease: Annotated[int, Field(2)] = 0


class LockResponse(EtcdMessage, frozen=True):
    header: Annotated[ResponseHeader | None, Field(1)] = None
    key: Annotated[bytes, Field(2)] = b""


class UnlockRequest(EtcdMessage, frozen=True):
    key: Annotated[bytes, Field(1)] = b""


class UnlockResponse(EtcdMessage, frozen=True):
    header: Annotated[ResponseHeader | None, Field(1)] = None


class LeaderKey(EtcdMessage, frozen=True):
    name: Annotated[bytes, Field(1)] = b""
    key: Annotated[bytes, Field(2)] = b""
    rev: Annotated[int, Field(3)] = 0
    lease: Annotated[int, Field(4)] = 0


class CampaignRequest(EtcdMessage, frozen=True):
    name: Annotated[bytes, Field(1)] = b""
    lease: Annotated[int, Field(2)] = 0
    value: Annotated[bytes, Field(3)] = b""


class CampaignResponse(EtcdMessage, frozen=True):
    header: Annotated[ResponseHeader | None, Field(1)] = None
    leader: Annotated[LeaderKey | None, Field(2)] = None


class LeaderRequest(EtcdMessage, frozen=True):
    name: Annotated[bytes, Field(1)] = b""


class LeaderResponse(EtcdMessage, frozen=True):
    header: Annotated[ResponseHeader | None, Field(1)] = None
    kv: Annotated[EtcdKeyValue | None, Field(2)] = None


class ResignRequest(EtcdMessage, frozen=True):
    leader: Annotated[LeaderKey | None, Field(1)] = None


class ResignResponse(EtcdMessage, frozen=True):
    header: Annotated[ResponseHeader | None, Field(1)] = None


class ProclaimRequest(EtcdMessage, frozen=True):
    leader: Annotated[LeaderKey | None, Field(1)] = None
    value: Annotated[bytes, Field(2)] = b""


class ProclaimResponse(EtcdMessage, frozen=True):
    header: Annotated[ResponseHeader | None, Field(1)] = None
