"""Levels of operations: since which one the cluster may use each (raft spec 3, docs/compatibility.md). The one table.

The cluster's feature level is in the state, and only ever rises. Whatever changes what a log means stands behind a
level: an operation, a limit, the snapshot's format. A new level is a new number in `KNOWN_LEVEL` and in the tables
here; nothing else chooses versions. A rule of applying that changes asks for `state.feature_level`.
`member/metadata/level_raising.py` proposes a level once every member can follow.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from coterie.consensus.store.schema import operations as ops
from coterie.consensus.store.schema.limits import MAX_INT, Limits

FIRST_LEVEL: Final = 1
"""Of a log that says nothing else."""

KNOWN_LEVEL: Final = 4
"""The newest level that this release follows."""

SINCE: Final[dict[type, int]] = {
    ops.Put: 1,
    ops.Delete: 1,
    ops.DeleteRange: 1,
    ops.Get: 1,
    ops.Range: 1,
    ops.Compare: 1,
    ops.Guard: 1,
    ops.Txn: 1,
    ops.Compact: 1,
    ops.LeaseGrant: 1,
    ops.LeaseBind: 1,
    ops.LeaseKeepAlive: 1,
    ops.LeaseRevoke: 1,
    ops.LeaseExpire: 1,
    ops.LeaseNodeLost: 1,
    ops.Acquire: 1,
    ops.Release: 1,
    ops.Proclaim: 1,
    ops.FoundCluster: 1,
    ops.Ban: 1,
    ops.SetLimits: 1,
    ops.SetFeatureLevel: 1,
    ops.Idempotent: 1,
    ops.Batch: 1,
    ops.IdempotentFor: 2,
    ops.TakeDigest: 2,
    ops.ReportDigest: 2,
    ops.InNameOf: 2,
    ops.CompareRange: 4,
    ops.Scan: 4,
    ops.TxnTree: 4,
    ops.LeaseGrantAs: 4,
}
"""Every operation, and every part of one, with its level. A field more is another operation, under a tag of its own:
a member that knows the level before counts fields, and would refuse what the others apply."""

BOUNDED_RESULTS_SINCE: Final = 2
"""What only read is not remembered under its request id, a large result as done alone, and no id is forgotten young."""

LIMITS_SINCE: Final[dict[str, int]] = {"max_owner_leases": 2}
"""Limits that level 1 does not have, by field. Below its level a limit is neither written nor kept to, and what its
field has as a default is what it begins with when the level rises: such a default never changes."""

CALLERS_PROVE_FIRST_SINCE: Final = 3
"""Every member proves the secret first where it calls: a stranger that calls gets nothing on which it could guess."""

LARGE_LEASES_SINCE: Final = 4
"""Leases have ids above `MAX_INT`, which clients chose."""

SNAPSHOT_FORMATS: Final[dict[int, int]] = {1: 1, 2: 2, 3: 2, 4: 3}
"""Level -> version of the snapshot's format."""


_AROUND_ANOTHER: Final = frozenset({ops.Idempotent, ops.IdempotentFor, ops.InNameOf})

_ABOUT_LEASE: Final = frozenset(
    {ops.LeaseKeepAlive, ops.LeaseRevoke, ops.LeaseExpire, ops.LeaseNodeLost, ops.Acquire, ops.Release}
)
"""Operations whose field `lease` a member of an earlier level bounds."""


def level_of(operation: ops.AnyOperation | ops.TxnOp | ops.TreeOp | ops.Compare | ops.CompareRange | ops.Guard) -> int:
    """The level that an operation needs: its own, or that of what it is made of. (Members of a batch are bytes.)"""
    # By type, and sparing of calls: every operation passes here when it is written, and wherever it is applied.
    kind = type(operation)
    level = SINCE[kind]
    if kind in _AROUND_ANOTHER:
        inner = level_of(operation.operation)  # type: ignore[union-attr]
        return inner if inner > level else level
    if kind is ops.Txn:
        parts = (*operation.compares, *operation.then, *operation.otherwise)  # type: ignore[union-attr]
        return max(level, max(map(level_of, parts), default=level))
    if kind in _ABOUT_LEASE and operation.lease > MAX_INT:  # type: ignore[union-attr]
        return max(level, LARGE_LEASES_SINCE)
    return level


def limits_at(limits: Limits, level: int) -> Limits | dict[str, Any]:
    """What is written of the limits at a level: those that it has."""
    later = [name for name, since in LIMITS_SINCE.items() if since > level]
    if not later:
        return limits
    return {name: value for name, value in msgspec.structs.asdict(limits).items() if name not in later}


def check_tables() -> list[str]:
    """What the tables lack or have too much, for a test; empty where they are whole."""
    fields = {field.name for field in msgspec.structs.fields(Limits)}
    problems = [f"{name} is no limit" for name in LIMITS_SINCE if name not in fields]
    levels = range(FIRST_LEVEL, KNOWN_LEVEL + 1)
    problems += [f"no snapshot format for level {level}" for level in levels if level not in SNAPSHOT_FORMATS]
    used = {*SINCE.values(), *LIMITS_SINCE.values(), CALLERS_PROVE_FIRST_SINCE, LARGE_LEASES_SINCE}
    return problems + [f"level {level} is not known" for level in sorted(used) if level not in levels]
