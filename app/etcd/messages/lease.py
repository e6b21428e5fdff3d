"""Leases."""

from __future__ import annotations

from typing import Annotated

from coterie.app.etcd.messages.fields import EtcdMessage, Field
from coterie.app.etcd.messages.kv import ResponseHeader


class LeaseGrantRequest(EtcdMessage, frozen=True):
    """`TTL`: seconds. `ID`: 0 where the cluster chooses."""

    TTL: Annotated[int, Field(1)] = 0
    ID: Annotated[int, Field(2)] = 0


class LeaseGrantResponse(EtcdMessage, frozen=True):
    header: Annotated[ResponseHeader | None, Field(1)] = None
    ID: Annotated[int, Field(2)] = 0
    TTL: Annotated[int, Field(3)] = 0
    error: Annotated[str, Field(4)] = ""


class LeaseRevokeRequest(EtcdMessage, frozen=True):
    ID: Annotated[int, Field(1)] = 0


class LeaseRevokeResponse(EtcdMessage, frozen=True):
    header: Annotated[ResponseHeader | None, Field(1)] = None


class LeaseKeepAliveRequest(EtcdMessage, frozen=True):
    ID: Annotated[int, Field(1)] = 0


class LeaseKeepAliveResponse(EtcdMessage, frozen=True):
    """`TTL` 0: there is no such lease."""

    header: Annotated[ResponseHeader | None, Field(1)] = None
    ID: Annotated[int, Field(2)] = 0
    TTL: Annotated[int, Field(3)] = 0


class LeaseTimeToLiveRequest(EtcdMessage, frozen=True):
    ID: Annotated[int, Field(1)] = 0
    keys: Annotated[bool, Field(2)] = False


class LeaseTimeToLiveResponse(EtcdMessage, frozen=True):
    """`TTL` -1: there is no such lease."""

    header: Annotated[ResponseHeader | None, Field(1)] = None
    ID: Annotated[int, Field(2)] = 0
    TTL: Annotated[int, Field(3)] = 0
    grantedTTL: Annotated[int, Field(4)] = 0  # noqa: N815 - the protocol's name
    keys: Annotated[tuple[bytes, ...], Field(5)] = ()


class LeaseLeasesRequest(EtcdMessage, frozen=True):
    pass


class LeaseStatus(EtcdMessage, frozen=True):
    ID: Annotated[int, Field(1)] = 0


class LeaseLeasesResponse(EtcdMessage, frozen=True):
    header: Annotated[ResponseHeader | None, Field(1)] = None
    leases: Annotated[tuple[LeaseStatus, ...], Field(2)] = ()
