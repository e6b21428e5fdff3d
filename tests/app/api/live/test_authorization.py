"""What is told to whom: neither more nor less than the same token may read by requests."""

from __future__ import annotations

import json
import re
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coterie.app.api.live.authorization import KEYED, RIGHTS, UNDER_PREFIX, filter_for
from coterie.app.api.live.events.filters import Filter
from coterie.app.api.live.events.ring import EventRing
from coterie.app.auth.routes import rights_of
from coterie.app.auth.rules import Principal, anonymous
from coterie.app.http.errors import ApiError
from coterie.app.wire.errors import Code
from coterie.app.wire.live.kinds import KINDS, USUAL, Kind
from coterie.app.wire.tokens import Rule

REQUESTS: dict[Kind, str] = {
    "members": "/v1/members",
    "phi": "/v1/members",
    "raft": "/v1/cluster",
    "decisions": "/v1/raft/decisions",
    "gossip": "/v1/kv/",
    "metadata": "/v1/meta/",
    "queues": "/v1/locks/",
    "leases": "/v1/leases",
    "gossip_links": "/metrics",
    "convergence": "/v1/members",
    "figures": "/metrics",
}
"""What tells the same; keys and names are appended."""

words = st.text("ab/é", max_size=3)
keys = st.text("ab/é", min_size=1, max_size=5)
rules = st.builds(
    Rule,
    layer=st.sampled_from(["gossip", "metadata", "locks", "cluster", "tokens", "*"]),
    action=st.sampled_from(["read", "write", "admin"]),
    prefix=words,
)
principals = st.builds(Principal, st.just("t"), st.lists(rules, max_size=4).map(tuple), st.just("hash"))
happened = st.lists(st.tuples(st.sampled_from(KINDS), keys), max_size=20)


def allowed(principal: Principal, kind: Kind, key: str) -> bool:
    """Whether a request for it would be answered."""
    path = REQUESTS[kind] + (key if kind in KEYED else "")
    scope = {"method": "GET", "path": path, "raw_path": quote(path).encode(), "query_string": b""}
    return principal.has(rights_of(scope))


def filled(events: list[tuple[Kind, str]]) -> EventRing:
    ring = EventRing("e", 1_000, 10**6)
    for number, (kind, key) in enumerate(events):
        ring.add(kind, key.encode() if kind in KEYED else None, b'{"n":%d}' % number)
    return ring


def told(ring: EventRing, wanted: Filter, after: int = 0) -> list[int]:
    return [json.loads(entry.body)["n"] for entry in ring.batch(after, wanted).entries]


def asked(principal: Principal, kinds: list[Kind] | None, prefix: str) -> Filter | ApiError:
    try:
        return filter_for(principal, kinds, prefix)
    except ApiError as error:
        return error


@given(principals, happened, words)
def test_what_is_told_is_what_requests_would_be_answered(
    principal: Principal, events: list[tuple[Kind, str]], prefix: str
) -> None:
    expected = [
        number
        for number, (kind, key) in enumerate(events)
        if kind in USUAL and allowed(principal, kind, key) and (kind not in UNDER_PREFIX or key.startswith(prefix))
    ]
    wanted = asked(principal, None, prefix)
    if isinstance(wanted, ApiError):
        assert wanted.code is Code.FORBIDDEN
        assert expected == []
        return
    assert told(filled(events), wanted) == expected
    for kind in KEYED & wanted.kinds:  # snapshots are made with these
        for _, key in events:
            inside = allowed(principal, kind, key) and (kind not in UNDER_PREFIX or key.startswith(prefix))
            assert key.encode().startswith(wanted.starts(kind)) == inside


@given(principals, st.sets(st.sampled_from(KINDS), min_size=1), words)
def test_a_kind_that_is_named_is_told_or_refused(principal: Principal, named: set[Kind], prefix: str) -> None:
    wanted = asked(principal, sorted(named), prefix)
    if isinstance(wanted, ApiError):
        assert (wanted.code, wanted.parameter) == (Code.FORBIDDEN, "kinds")
        assert wanted.details is not None
        withheld = named & set(wanted.details["withheld"])
        assert any(repr(kind) in wanted.message and RIGHTS[kind].layer in wanted.message for kind in withheld)
        for kind in withheld - KEYED:
            assert not allowed(principal, kind, "")
        return
    assert wanted.kinds == named
    for kind in named - KEYED:
        assert allowed(principal, kind, "")


@pytest.mark.parametrize("level", ["read", "write", "admin"])
def test_who_may_read_everything_is_told_everything_and_looked_at_no_more(level: str) -> None:
    assert filter_for(anonymous(level), None, None) == Filter()
    each = tuple(Rule(layer=layer, action="read") for layer in ("cluster", "gossip", "metadata", "locks"))
    assert filter_for(Principal("t", each, "hash"), None, "a") == Filter(prefix=b"a")


def of(*rules: tuple[str, str]) -> Filter:
    return filter_for(Principal("t", tuple(Rule(layer=a, action="read", prefix=b) for a, b in rules), "h"), None, None)


def test_the_part_that_may_be_told_is_named() -> None:
    part = of(("gossip", "svc/"), ("gossip", "svc/a"), ("gossip", "app/"), ("cluster", ""), ("locks", "l")).part
    assert part is not None
    assert dict(part.starts) == {"gossip": (b"app/", b"svc/"), "queues": (b"l",)}
    assert part.withheld == ("metadata",)
    assert part.revision
    only = of(("gossip", "")).part
    assert only is not None
    assert not only.revision


def test_ids_of_a_part_say_nothing_and_open_for_the_same_rights_alone() -> None:
    ring = filled([("gossip", "a"), ("metadata", "secret"), ("gossip", "b")])
    some, others, everything = of(("gossip", "")), of(("metadata", "")), Filter()
    ids = {ring.id_of(3, some.part), ring.id_of(3, some.part)}
    assert len(ids) == 2, "the same place looks another way each time"
    for text in ids:
        assert ring.read_id(text, some.part) == 3
        assert ring.read_id(text, others.part) is None
        assert ring.read_id(text, everything.part) is None
    assert [ring.read_id(f"e-{number}", some.part) for number in range(5)] == [None] * 5
    for text in ("e-", "e", "", "f-" + "A" * 48, "e-" + "A" * 48, "e-" + "é" * 48, "e-" + "-" * 48):
        assert ring.read_id(text, some.part) is None, text

    batch = ring.batch(0, some)
    messages = [json.loads(line[6:]) for line in batch.sse.decode().split("\n") if line.startswith("data: ")]
    assert [(each["n"], ring.read_id(each["id"], some.part)) for each in messages] == [(0, 1), (2, 3)]
    assert [ring.read_id(entry.id.decode(), some.part) for entry in batch.entries] == [1, 3]
    assert ring.read_id(json.loads(batch.text)["id"], some.part) == 3
    assert not re.search(rb"\be-3\b(?![-_])", batch.sse), "the plain position of an event is nowhere in what is sent"


@given(happened, st.data())
def test_who_comes_back_with_an_id_misses_nothing(events: list[tuple[Kind, str]], data: st.DataObject) -> None:
    ring, wanted = filled(events), of(("gossip", "a"), ("metadata", "b"), ("locks", ""))
    entries = ring.batch(0, wanted).entries
    had = data.draw(st.integers(0, len(entries)))
    after = 0 if had == 0 else ring.read_id(entries[had - 1].id.decode(), wanted.part)
    assert after is not None
    assert told(ring, wanted, after) == told(ring, wanted)[had:]
