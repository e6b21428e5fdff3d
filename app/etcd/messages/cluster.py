"""The cluster's members, and maintenance."""

# ruff: noqa: N815 - the names are the protocol's

from __future__ import annotations

from enum import IntEnum
from typing import Annotated

from coterie.app.etcd.messages.fields import EtcdMessage, Field
from coterie.app.etcd.messages.kv import ResponseHeader


class EtcdMember(EtcdMessage, frozen=True):
    ID: Annotated[int, Field(1, "uint64")] = 0
    name: Annotated[str, Field(2)] = ""
    peerURLs: Annotated[tuple[str, ...], Field(3)] = ()
    clientURLs: Annotated[tuple[str, ...], Field(4)] = ()
    isLearner: Annotated[bool, Field(5)] = False


class MemberListRequest(EtcdMessage, frozen=True):
    linearizable: Annotated[bool, Field(1)] = False


class MemberListResponse(EtcdMessage, frozen=True):
    header: Annotated[ResponseHeader | None, Field(1)] = None
    members: Annotated[tuple[EtcdMember, ...], Field(2)] = ()


class StatusRequest(EtcdMessage, frozen=True):
    pass


class StatusResponse(EtcdMessage, frozen=True):
    header: Annotated[ResponseHeader | None, Field(1)] = None
    version: Annotated[str, Field(2)] = ""
    dbSize: Annotated[int, Field(3)] = 0
    leader: Annotated[int, Field(4, "uint64")] = 0
    raftIndex: Annotated[int, Field(5, "uint64")] = 0
    raftTerm: Annotated[int, Field(6, "uint64")] = 0
    raftAppliedIndex: Annotated[int, Field(7, "uint64")] = 0
    errors: Annotated[tuple[str, ...], Field(8)] = ()
    dbSizeInUse: Annotated[int, Field(9)] = 0
    isLearner: Annotated[bool, Field(10)] = False


class AlarmType(IntEnum):
    NONE = 0
    NOSPACE = 1
    CORRUPT = 2


class AlarmAction(IntEnum):
    GET = 0
    ACTIVATE = 1
    DEACTIVATE = 2


class AlarmRequest(EtcdMessage, frozen=True):
    action: Annotated[AlarmAction, Field(1)] = AlarmAction.GET
    memberID: Annotated[int, Field(2, "uint64")] = 0
    alarm: Annotated[AlarmType, Field(3)] = AlarmType.NONE


class AlarmMember(EtcdMessage, frozen=True):
    memberID: Annotated[int, Field(1, "uint64")] = 0
    alarm: Annotated[AlarmType, Field(2)] = AlarmType.NONE


class AlarmResponse(EtcdMessage, frozen=True):
    header: Annotated[ResponseHeader | None, Field(1)] = None
    alarms: Annotated[tuple[AlarmMember, ...], Field(2)] = ()


class DefragmentRequest(EtcdMessage, frozen=True):
    pass


class DefragmentResponse(EtcdMessage, frozen=True):
    header: Annotated[ResponseHeader | None, Field(1)] = None


class HashRequest(EtcdMessage, frozen=True):
    pass


class HashResponse(EtcdMessage, frozen=True):
    header: Annotated[ResponseHeader | None, Field(1)] = None
    hash: Annotated[int, Field(2, "uint32")] = 0


class HashKVRequest(EtcdMessage, frozen=True):
    revision: Annotated[int, Field(1)] = 0


class HashKVResponse(EtcdMessage, frozen=True):
    header: Annotated[ResponseHeader | None, Field(1)] = None
    hash: Annotated[int, Field(2, "uint32")] = 0
    compact_revision: Annotated[int, Field(3)] = 0


class MoveLeaderRequest(EtcdMessage, frozen=True):
    targetID: Annotated[int, Field(1, "uint64")] = 0


class MoveLeaderResponse(EtcdMessage, frozen=True):
    header: Annotated[ResponseHeader | None, Field(1)] = None
