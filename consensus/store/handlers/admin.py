"""Operations on the cluster itself: its id, barred members, limits, the feature level (raft spec 3 and 4)."""

from __future__ import annotations

from coterie.consensus.store.schema.errors import RefusalCode, RefusalError
from coterie.consensus.store.schema.operations import (
    Ban,
    FoundCluster,
    ReportDigest,
    SetFeatureLevel,
    SetLimits,
    TakeDigest,
)
from coterie.consensus.store.schema.records import BanRecord
from coterie.consensus.store.schema.results import DigestDue, DigestTold, Done
from coterie.consensus.store.state import State


def found_cluster(state: State, op: FoundCluster) -> Done:
    if state.cluster_id and state.cluster_id != op.cluster_id:
        raise RefusalError(RefusalCode.CLUSTER_ID_SET)
    state.cluster_id = op.cluster_id
    return Done(state.keyspace.revision)


def ban(state: State, op: Ban) -> Done:
    if op.member_id not in state.bans:
        if len(state.bans) >= state.limits.max_bans:
            raise RefusalError(RefusalCode.TOO_MANY_BANS, state.limits.max_bans)
        state.bans[op.member_id] = BanRecord(op.member_id, op.reason, state.time_ms)
    return Done(state.keyspace.revision)


def set_limits(state: State, op: SetLimits) -> Done:
    state.limits = op.limits
    state.keyspace.history.trim(op.limits)
    return Done(state.keyspace.revision)


def take_digest(_state: State, _op: TakeDigest) -> DigestDue:
    """The digest is the member's to make, beside the state, which does not change."""
    return DigestDue()


def report_digest(_state: State, op: ReportDigest) -> DigestTold:
    return DigestTold(op.index, op.member, op.digest)


def set_feature_level(state: State, op: SetFeatureLevel) -> Done:
    if op.feature_level < state.feature_level:
        raise RefusalError(RefusalCode.UNSUPPORTED, state.feature_level)
    if op.feature_level > state.known_level:
        # Replicas that know the new operations go on from here, this one cannot: it must stop, not fall behind unseen.
        state.halted = op.feature_level
        raise RefusalError(RefusalCode.HALTED, op.feature_level)
    state.feature_level = op.feature_level
    return Done(state.keyspace.revision)
