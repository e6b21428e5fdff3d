"""The rights that each route needs. A route that is missing here needs all rights: a new one is closed at first.

Paths are those that the handlers see: those of fast paths byte by byte as sent, the others decoded.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qsl

from coterie.app.auth.rules import Right
from coterie.app.http.request import read_key
from coterie.app.wire.tokens import ANY_LAYER, Action
from coterie.consensus.store import queue_of

PUBLIC: tuple[Right, ...] = ()
"""Nothing is asked for: nothing is told of the cluster that matters, or a browser needs it before it can show a
token."""

EVERYTHING = (Right("*", "admin"),)

_Query = dict[str, str]
_Ask = Callable[[str, _Query, Sequence[str]], tuple[Right, ...]]
"""Of method, query and the parts of the path that the pattern names."""

_READING = frozenset({"GET", "HEAD"})


def _action(method: str) -> Action:
    return "read" if method in _READING else "write"


def _fixed(layer: str, action: Action, start: str | None = "") -> _Ask:
    rights = (Right(layer, action, start),)
    return lambda _method, _query, _parts: rights


def _by_method(layer: str, start: str | None = "") -> _Ask:
    """Reading, or writing."""
    return lambda method, _query, _parts: (Right(layer, _action(method), start),)


def _named(layer: str) -> _Ask:
    """As by method, of what the path names."""
    return lambda method, _query, parts: (Right(layer, _action(method), parts[0]),)


def _parameter(layer: str, *names: str, action: Action | None = None) -> _Ask:
    """Of the key or prefix that the first of these parameters gives."""

    def ask(method: str, query: _Query, _parts: Sequence[str]) -> tuple[Right, ...]:
        start = next((query[name] for name in names if name in query), "")
        return (Right(layer, action or _action(method), start),)

    return ask


def _of_key(action: Action, key: str) -> tuple[Right, ...]:
    """A place in the queue of a lock is a key: whoever may read of the lock may read that too."""
    of_lock = None
    if action == "read":
        with suppress(ValueError):  # a key below the places' prefixes that is none
            queue = queue_of(key.encode())
            of_lock = None if queue is None else Right("locks", "read", queue[1].decode())
    return (Right("metadata", action, key, of_lock),)


def _watch(_method: str, query: _Query, _parts: Sequence[str]) -> tuple[Right, ...]:
    if "key" in query:
        return _of_key("read", query["key"])
    return (Right("metadata", "read", query.get("prefix", "")),)


def _members(method: str, _query: _Query, _parts: Sequence[str]) -> tuple[Right, ...]:
    return (Right("cluster", "read" if method in _READING else "admin"),)


def _own_token(method: str, _query: _Query, _parts: Sequence[str]) -> tuple[Right, ...]:
    """Reading shows the token that asks; anything else is about a token of this name."""
    return (Right(ANY_LAYER, "read", None) if method in _READING else Right("tokens", "admin"),)


_PUBLIC: _Ask = lambda _method, _query, _parts: PUBLIC  # noqa: E731

_ROUTES: Sequence[tuple[str, _Ask]] = (
    (r"/(?:livez|readyz|healthz|openapi\.json|favicon\.ico)", _PUBLIC),
    (r"/(?:docs|ui)(?:/.*)?", _PUBLIC),
    (r"/", _fixed("gossip", "read")),
    (r"/(?:set_kv|mark_for_deletion)/?", _parameter("gossip", "key", action="write")),
    (r"/v1/kv", _parameter("gossip", "prefix")),
    (r"/v1/meta", _parameter("metadata", "prefix")),
    (r"/v1/watch", _watch),
    (r"/v1/txn", _fixed("metadata", "read", None)),
    (r"/v1/request_ids", _fixed(ANY_LAYER, "read", None)),
    (r"/v1/leases(?:/.*)?", _by_method("locks", None)),
    (r"/v1/(?:locks|elections|semaphores)", _by_method("locks")),
    (r"/v1/(?:locks|elections|semaphores)/(.+)", _named("locks")),
    (r"/v1/members(?:/.*)?", _members),
    (r"/v1/cluster|/metrics|/v1/raft/(?:status|members|decisions)", _fixed("cluster", "read")),
    (r"/v1/raft/statement", _PUBLIC),
    (r"/v1/etcd/.*", _PUBLIC),  # from other nodes alone; app/etcd checks what is asked for
    (r"/v1/(?:raft/.*|leave)", _fixed("cluster", "admin")),
    (r"/v1/tokens/self", _own_token),
    (r"/v1/tokens(?:/.*)?", _fixed("tokens", "admin")),
    (
        r"/v1/(?:ws|events)",
        _fixed(ANY_LAYER, "read", None),
    ),  # narrowed by app/api/live/authorization.py
)

_PATTERNS = tuple((re.compile(pattern, re.DOTALL), ask) for pattern, ask in _ROUTES)

KV, META = b"/v1/kv/", b"/v1/meta/"


def rights_of(scope: Any) -> tuple[Right, ...]:
    """What a request needs. Raises ApiError for keys that are none."""
    raw: bytes = scope["raw_path"]
    method = scope.get("method", "GET")  # a WebSocket's handshake has none
    if raw.startswith(META):
        return _of_key(_action(method), read_key(raw[len(META) :]))
    query = _query(scope)
    if raw.startswith(KV):
        layer = "metadata" if query.get("consistency") == "strong" else "gossip"
        return (Right(layer, _action(method), read_key(raw[len(KV) :])),)
    path = scope["path"]
    for pattern, ask in _PATTERNS:
        found = pattern.fullmatch(path)
        if found is not None:
            return ask(method, query, found.groups())
    return EVERYTHING


def _query(scope: Any) -> _Query:
    """As the handlers read it: the last one counts where a parameter is given twice."""
    raw: bytes = scope["query_string"]
    return dict(parse_qsl(raw.decode("latin-1"), keep_blank_values=True)) if raw else {}
