"""Every message of the API, drawn."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from coterie.app.etcd.messages.fields import EtcdMessage, FieldPlan, fields_of
from coterie.app.etcd.rpcs import RPCS

TOP = tuple(dict.fromkeys(each for rpc in RPCS if rpc.served for each in (rpc.request, rpc.response)))

_SCALARS: dict[str, st.SearchStrategy[Any]] = {
    "int32": st.integers(-(2**31), 2**31 - 1),
    "int64": st.integers(-(2**63), 2**63 - 1),
    "uint32": st.integers(0, 2**32 - 1),
    "uint64": st.integers(0, 2**64 - 1),
    "bool": st.booleans(),
    "bytes": st.binary(max_size=8),
    "string": st.text(max_size=8),
}


def drawn(kind: type[EtcdMessage], depth: int = 3) -> st.SearchStrategy[Any]:
    """`depth`: how many messages hold one another."""
    return st.builds(kind, **{field.name: _value(field, depth) for field in fields_of(kind)})


def _value(field: FieldPlan, depth: int) -> st.SearchStrategy[Any]:
    if field.kind == "message":
        if not depth:
            return st.just(field.default)
        one = drawn(field.type, depth - 1)
        return st.lists(one, max_size=2).map(tuple) if field.repeated else st.none() | one
    one = st.sampled_from(list(field.type)) if field.kind == "enum" else _SCALARS[field.kind]  # type: ignore[call-overload]
    return st.lists(one, max_size=3).map(tuple) if field.repeated else one
