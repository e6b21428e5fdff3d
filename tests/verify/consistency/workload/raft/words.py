"""From the checkers' words to HTTP requests of the metadata, and from the answers back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import orjson

from tests.verify.consistency.workload.http_client import Answer
from tests.verify.linearizability import KeyDeleted, KeyPut
from tests.verify.linearizability.histories import requests as words
from tests.verify.linearizability.histories.history import KeyEvent

NAMES = {
    words.Put: "put",
    words.Delete: "delete",
    words.DeleteRange: "delete_prefix",
    words.Get: "get",
    words.Range: "range",
}


@dataclass(frozen=True, slots=True)
class Call:
    method: str
    path: str
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


# -- requests ----------------------------------------------------------------------------------------------------------


def call_of(request: words.Request, *, lease: int = 0, wait: float = 0.0) -> Call:
    """`lease` and `wait` are for locks alone: in whose name, and how many seconds to wait for it."""
    match request:
        case words.Put(key=key, value=value, lease=of_lease):
            tail = f"?lease={of_lease}" if of_lease else ""
            return Call("PUT", f"/v1/meta/{quote(key)}{tail}", value.encode())
        case words.Delete(key=key):
            return Call("DELETE", f"/v1/meta/{quote(key)}")
        case words.DeleteRange(prefix=prefix):
            return Call("DELETE", f"/v1/meta?prefix={quote(prefix)}")
        case words.Get(key=key):
            return Call("GET", f"/v1/meta/{quote(key)}?{_how(request)}")
        case words.Range(prefix=prefix, limit=limit):
            return Call("GET", f"/v1/meta?prefix={quote(prefix)}&limit={limit or 1_000}&{_how(request)}")
        case words.Txn():
            return _conditional(request) or _txn(request)
        case words.Acquire(lock=lock, owner=owner):
            body = {"lease": lease, "value": owner, "wait": wait}
            return Call("POST", f"/v1/locks/{quote(lock)}", orjson.dumps(body))
        case words.Release(lock=lock):
            return Call("DELETE", f"/v1/locks/{quote(lock)}?lease={lease}")


def _how(request: words.Get | words.Range) -> str:
    if request.revision is not None:
        return f"revision={request.revision}"
    return f"consistency={request.consistency}"


def compare_and_set(key: str, value: str, mod_revision: int) -> words.Txn:
    """What goes over HTTP as a PUT under `If-Match`, or `If-None-Match: *` for revision 0."""
    compare = words.Compare(key, words.Target.MOD_REVISION, words.Relation.EQUAL, mod_revision)
    return words.Txn((compare,), (words.Put(key, value),))


def _conditional(txn: words.Txn) -> Call | None:
    """As a PUT with a precondition, where that says the same."""
    match txn:
        case words.Txn(
            compares=(
                words.Compare(
                    key=compared, target=words.Target.MOD_REVISION, relation=words.Relation.EQUAL, operand=revision
                ),
            ),
            then=(words.Put(key=key, value=value, lease=""),),
            orelse=(),
        ) if compared == key:
            headers = {"if-match": f'"{revision}"'} if revision else {"if-none-match": "*"}
            return Call("PUT", f"/v1/meta/{quote(key)}", value.encode(), headers)
    return None


def _txn(txn: words.Txn) -> Call:
    body = {
        "compare": [_compare(each) for each in txn.compares],
        "then": [_part(each) for each in txn.then],
        "else": [_part(each) for each in txn.orelse],
    }
    return Call("POST", "/v1/txn", orjson.dumps(body))


def _compare(compare: words.Compare) -> dict[str, Any]:
    if compare.target is words.Target.TOKEN:
        return {"held": {"kind": "lock", "name": compare.key, "token": compare.operand}}
    operand = int(compare.operand) if isinstance(compare.operand, bool) else compare.operand
    return {
        "key": compare.key,
        "target": compare.target.value,
        "op": compare.relation.value,
        "operand": operand,
    }


def _part(part: words.SubRequest) -> dict[str, Any]:
    match part:
        case words.Put(key=key, value=value, lease=lease):
            return {"put": {"key": key, "value": value, "lease": int(lease or 0)}}
        case words.Delete(key=key):
            return {"delete": {"key": key}}
        case words.DeleteRange(prefix=prefix):
            return {"delete_prefix": {"prefix": prefix}}
        case words.Get(key=key):
            return {"get": {"key": key}}
        case words.Range(prefix=prefix, limit=limit):
            return {"range": {"prefix": prefix, "limit": limit or 1_000}}


# -- answers -----------------------------------------------------------------------------------------------------------


def result_of(request: words.Request, answer: Answer) -> words.Result | None:
    """What an answer says, or None for a refusal."""
    if answer.status == 404 and isinstance(request, words.Get) and answer.code == "key_not_found":
        revision = answer.details.get("revision")
        return None if revision is None else words.Found(int(revision), (), staleness=_age(answer.details))
    if answer.status >= 400:
        return None
    told = answer.json()
    match request:
        case words.Put():
            return words.Written(told["revision"])
        case words.Delete() | words.DeleteRange():
            return words.Written(told["revision"], told["deleted"])
        case words.Get():
            return words.Found(told["revision"], (item_of(told),), staleness=_age(told))
        case words.Range():
            more = told["next_page"] is not None
            return words.Found(told["revision"], tuple(map(item_of, told["keys"])), more, _age(told))
        case words.Txn():
            return _decided(request, told)
        case words.Acquire():
            return words.Granted(told["token"], told["token"])
        case words.Release():
            return words.Released(told["revision"])


def _decided(txn: words.Txn, told: Mapping[str, Any]) -> words.Decided:
    revision = told["revision"]
    if "succeeded" not in told:  # a PUT under a precondition
        return words.Decided(revision, True, (words.Written(revision),))
    branch = txn.then if told["succeeded"] else txn.orelse
    responses = [_response(part, each, revision) for part, each in zip(branch, told["results"], strict=True)]
    return words.Decided(revision, told["succeeded"], tuple(responses))


def _response(part: words.SubRequest, told: Mapping[str, Any], revision: int) -> words.Response:
    said = told[NAMES[type(part)]]
    match part:
        case words.Put():
            return words.Written(revision)
        case words.Delete() | words.DeleteRange():
            return words.Written(revision, said["deleted"])
        case words.Get():
            record = said["record"]
            return words.Found(revision, () if record is None else (item_of(record),))
        case words.Range():
            return words.Found(revision, tuple(map(item_of, said["keys"])), said["more"])


def item_of(told: Mapping[str, Any]) -> words.Item:
    return words.Item(
        told["key"],
        told["value"],
        told["create_revision"],
        told["mod_revision"],
        told["version"],
        str(told["lease"] or ""),
    )


def _age(told: Mapping[str, Any]) -> float | None:
    age = told.get("stale_seconds")
    return None if age is None else float(age)


def event_of(change: Mapping[str, Any]) -> KeyEvent:
    """A change as a watch shows it."""
    if change["type"] == "delete":
        return KeyDeleted(change["key"])
    return KeyPut(
        change["key"], change["value"], str(change["lease"] or ""), change["create_revision"], change["version"]
    )
