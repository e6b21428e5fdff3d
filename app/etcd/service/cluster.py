"""The cluster's members, and maintenance."""

from __future__ import annotations

import asyncio
from zlib import crc32

import msgspec

from coterie.app.etcd.advertising import urls_of
from coterie.app.etcd.errors import etcd_error, of_metadata
from coterie.app.etcd.messages.cluster import (
    AlarmAction,
    AlarmMember,
    AlarmRequest,
    AlarmResponse,
    AlarmType,
    DefragmentRequest,
    DefragmentResponse,
    EtcdMember,
    HashKVRequest,
    HashKVResponse,
    HashRequest,
    HashResponse,
    MemberListRequest,
    MemberListResponse,
    MoveLeaderRequest,
    MoveLeaderResponse,
    StatusRequest,
    StatusResponse,
)
from coterie.app.etcd.rpcs import Caller, EtcdCode, EtcdError
from coterie.app.etcd.service.access import Access, check_cluster, check_read, from_etcd, number_of, to_etcd
from coterie.app.etcd.service.kv import is_compacted
from coterie.consensus.api.errors import MetadataError
from coterie.consensus.store import RESERVED_PREFIX

VERSION = "3.5.0"
"""Of etcd, whose API this is: clients choose by it what they may ask for."""

HASHED_AT_ONCE = 1_000
"""Records that are hashed before other work gets a turn."""

_encode = msgspec.msgpack.Encoder().encode


class ClusterCalls:
    def __init__(self, access: Access) -> None:
        self._access = access

    async def member_list(self, request: MemberListRequest, caller: Caller) -> MemberListResponse:
        access = self._access
        if request.linearizable and access.context.raft.metadata is not None:
            try:
                await access.metadata.barrier(access.seconds(caller))
            except MetadataError as error:
                raise of_metadata(error) from None
        header = msgspec.structs.replace(access.header(), revision=0)
        return MemberListResponse(header, self.members())

    def members(self) -> tuple[EtcdMember, ...]:
        """The members of the Raft layer, then live nodes beside it that serve etcd's API. None is shown as a learner:
        clients leave these out, and here each node serves everything."""
        context = self._access.context
        engine = context.node.engine
        live = {node.node_id for node in engine.live_nodes} | {context.node.node.node_id}
        urls = {state.id.node_id: urls_of(state) for state in engine.states}
        scheme = "https" if self._access.tls else "http"
        found = {}
        for each in context.raft.picture().members:
            if each.role in {"leader", "voter"} or each.node_id in live:
                name = each.node_id or each.member_id
                peers = () if each.raft_addr is None else (f"{scheme}://{each.raft_addr}",)
                found[name] = EtcdMember(number_of(name), name, peers, urls.get(name, ()))
        for name in sorted(live):
            if name not in found and urls.get(name):
                found[name] = EtcdMember(number_of(name), name, (), urls[name])
        return tuple(found.values())

    async def status(self, _request: StatusRequest, _caller: Caller) -> StatusResponse:
        access = self._access
        raft, state = access.context.raft, access.state
        status = raft.status()
        if status is None:
            raise etcd_error("no_leader")
        problem = raft.problem(access.context.settings.watch_max_staleness)
        leader = raft.picture().leader or status.leader
        size = state.keyspace.size
        return StatusResponse(
            header=access.header(),
            version=VERSION,
            dbSize=size + state.keyspace.history.size,
            leader=number_of(leader) if leader else 0,
            raftIndex=status.commit_index,
            raftTerm=status.term,
            raftAppliedIndex=status.applied_index,
            errors=() if problem is None else (problem,),
            dbSizeInUse=size,
        )

    async def alarm(self, request: AlarmRequest, caller: Caller) -> AlarmResponse:
        """The disk of a member says by itself when it is full, and when not: nobody raises or ends an alarm."""
        check_cluster(caller, "read" if request.action is AlarmAction.GET else "admin")
        if request.action is AlarmAction.ACTIVATE:
            raise EtcdError(EtcdCode.UNIMPLEMENTED, "etcdserver: alarms are raised by full disks alone")
        access = self._access
        figures = access.context.raft.figures()
        alarms: tuple[AlarmMember, ...] = ()
        if request.action is AlarmAction.GET and figures is not None and figures.disk_full:
            alarms = (AlarmMember(access.member_id, AlarmType.NOSPACE),)
        return AlarmResponse(access.header(), alarms)

    async def defragment(self, _request: DefragmentRequest, caller: Caller) -> DefragmentResponse:
        """There is nothing to do: snapshots hold no gaps."""
        check_cluster(caller, "admin")
        return DefragmentResponse(self._access.header())

    async def hash(self, _request: HashRequest, caller: Caller) -> HashResponse:
        check_cluster(caller, "read")
        done = await self.hash_kv(HashKVRequest(), caller)
        return HashResponse(done.header, done.hash)

    async def hash_kv(self, request: HashKVRequest, caller: Caller) -> HashKVResponse:
        """Of all keys that clients see, at one revision: equal on all members."""
        check_read(caller, (b"", None))
        access = self._access
        state, metadata = access.state, access.metadata
        revision = from_etcd(request.revision) if request.revision > 0 else state.keyspace.revision
        if is_compacted(revision, state):
            raise etcd_error("compacted")
        value = 0
        try:
            await metadata.barrier(access.seconds(caller))
            page = (await metadata.range(b"", None, limit=HASHED_AT_ONCE, revision=revision)).value
            while True:
                for record in page.records:
                    if not record.key.startswith(RESERVED_PREFIX):
                        value = crc32(_encode(record), value)
                if page.next is None:
                    break
                await asyncio.sleep(0)
                page = (await metadata.next_page(page.next, limit=HASHED_AT_ONCE)).value
        except MetadataError as error:
            raise of_metadata(error) from None
        compacted = state.keyspace.history.compacted
        oldest = to_etcd(compacted + 1) if compacted else 0
        return HashKVResponse(access.header(revision), value or 1, oldest)

    async def move_leader(self, request: MoveLeaderRequest, caller: Caller) -> MoveLeaderResponse:
        check_cluster(caller, "admin")
        access = self._access
        raft = access.context.raft
        status = raft.status()
        if status is None or status.role != "leader":
            raise etcd_error("not_leader")
        target = next((each.name for each in self.members() if request.targetID == each.ID), None)
        if target is None:
            raise etcd_error("bad_transferee")
        try:
            await raft.transfer(target)
        except MetadataError as error:
            raise of_metadata(error) from None
        return MoveLeaderResponse(access.header())
