"""The console's pure modules in Chromium, against tables: formats, sorting, curves, rights, places on the map."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page

from tests.browser.support.console_files import run

EXPRESSIONS: list[tuple[str, str, Any]] = [
    ("core/format.js", "m.count(1234567)", "1,234,567"),
    ("core/format.js", "m.count(null)", "–"),
    ("core/format.js", "m.plural(1, 'node')", "1 node"),
    ("core/format.js", "m.plural(2, 'node')", "2 nodes"),
    ("core/format.js", "m.list([])", ""),
    ("core/format.js", "m.list(['a'])", "a"),
    ("core/format.js", "m.list(['a', 'b', 'c'])", "a, b and c"),
    ("core/format.js", "m.list(['a', 'b', 'c', 'd'], 3)", "a, b and 2 more"),
    ("core/format.js", "[0, 0.0000123, 0.34, 2.5, 3, 45, 180, 7200, 200000, null, NaN].map(m.duration)",
     ["0 ms", "12.3 µs", "340 ms", "2.5 s", "3 s", "45 s", "3 min", "2 h", "2 d", "–", "–"]),
    ("core/format.js", "[0.2, 4.9, 130].map(m.ago)", ["just now", "4 s ago", "2 min ago"]),
    ("core/format.js", "[0, 999, 1200, 2.5e6, 3e9, null].map(m.bytes)",
     ["0 B", "999 B", "1.20 kB", "2.50 MB", "3.00 GB", "–"]),
    ("core/format.js", "[0, 0.5, 12, 1234, null].map(m.rate)", ["0/s", "0.50/s", "12.0/s", "1,234/s", "–"]),
    ("core/format.js", "m.clock(1769000000.125).slice(-6)", "20.125"),
    ("core/format.js", "['node10', 'node2', 'a'].sort(m.byName)", ["a", "node2", "node10"]),
    ("core/format.js", "[m.cut('abcdef', 4), m.cut('abcd', 4)]", ["abc…", "abcd"]),
    ("core/format.js", "['it waits', 'Done.', ''].map(m.sentence)", ["It waits.", "Done.", ""]),
    ("core/route.js", "['', '#/nodes', '#/nodes/a%2Fb', '#/map/%', '#/gossip/x/y'].map(m.readRoute)",
     [{"view": "overview", "rest": ""}, {"view": "nodes", "rest": ""}, {"view": "nodes", "rest": "a/b"},
      {"view": "map", "rest": ""}, {"view": "gossip", "rest": "x/y"}]),
    ("core/route.js", "m.readRoute(m.href('nodes', 'a/b c#%')).rest", "a/b c#%"),
    ("core/cluster/series.js", "[0, 0.3, 1, 1.2, 2.4, 7, 99].map(m.niceMax)", [1, 0.5, 1, 2, 2.5, 10, 100]),
    ("core/cluster/series.js",
     "m.rates([{time: 1, c: 5}, {time: 3, c: 9}, {time: 4, c: 2}, {time: 5, c: null}], (s) => s.c)",
     [{"time": 3, "value": 2}, {"time": 4, "value": None}, {"time": 5, "value": None}]),
    ("core/cluster/series.js",
     "m.path([[0, 1], [1, 2], [2, null], [3, 4]].map(([time, value]) => ({time, value})), (t) => t, (v) => v)",
     "M0.0 1.0L1.0 2.0M3.0 4.0"),
    ("core/cluster/series.js",
     "m.dots([[0, 1], [1, 2], [2, null], [3, 4]].map(([time, value]) => ({time, value})), (t) => t, (v) => v)",
     "M3.0 4.0h0"),
    ("core/cluster/series.js", "m.summary([{time: 0, value: 3}, {time: 1, value: 1}, {time: 2, value: null}])",
     {"last": None, "least": 1, "most": 3}),
    ("core/cluster/series.js", "m.greatest([[{value: null}], [{value: 4}, {value: 2}]])", 4),
    ("core/table.js", "m.sorted([{v: 3}, {v: null}, {v: 1}], (r) => r.v, false).map((r) => r.v)", [1, 3, None]),
    ("core/table.js", "m.sorted([{v: 3}, {v: null}, {v: 1}], (r) => r.v, true).map((r) => r.v)", [3, 1, None]),
    ("core/table.js", "m.sorted(['node10', 'node9'], (r) => r, false)", ["node9", "node10"]),
    ("core/table.js",
     "['', 'A1', 'is:vo', 'is:le', 'a1 zone:b', 'x:y'].map((t) => m.filter(t)({name: 'a1', is: 'voter', zone: 'b'}))",
     [True, True, True, False, True, False]),
    ("core/net/session.js", "m.readable([{layer: '*', action: 'read'}], ['members', 'queues'])", ["members", "queues"]),
    ("core/net/session.js",
     "m.readable([{layer: 'cluster', action: 'admin', prefix: 'a'}], ['members', 'figures', 'gossip', 'leases'])", []),
    ("core/net/session.js",
     "m.readable([{layer: 'locks', action: 'read', prefix: 'a'}], ['members', 'gossip', 'queues', 'leases'])",
     ["queues", "leases"]),
    ("core/data/withheld.js",
     "[null, {}, {withheld: ['phi', 'raft', 'leases']}].map((hello) => m.withheldLayers({hello}))",
     ["", "", "cluster and locks"]),
    ("core/data/withheld.js",
     "[null, {}, {withheld: ['metadata']}, {within: {queues: ['a']}}].map((hello) => m.isNarrow({hello}))",
     [False, False, True, True]),
    ("core/net/session.js", "m.allows([{layer: 'cluster', action: 'write'}], 'cluster', 'admin')", False),
    ("core/net/session.js", "m.allows([{layer: '*', action: 'admin'}], 'cluster', 'admin')", True),
    ("core/net/session.js",
     "['a/7', 'b', null].map((k) => m.allows([{layer: 'locks', action: 'write', prefix: 'a/'}], 'locks', 'write', k))",
     [True, False, True]),
    ("core/net/connection.js", "[0, 1, 2, 50].map((n) => m.pauseMs(n, 0))", [250, 500, 1000, 7500]),
    ("core/net/connection.js", "m.pauseMs(50, 0.999999) <= 15000", True),
    ("core/cluster/layout.js", "[0, 1, 3, 12, 13, 100].map((n) => m.capacityFor(n) >= n)", [True] * 6),
    ("core/cluster/layout.js", "m.scaleFor(5) > m.scaleFor(50) && m.scaleFor(5000) > 0", True),
]  # fmt: skip


@pytest.mark.parametrize(("module", "expression", "expected"), EXPRESSIONS)
def test_expressions(modules: Page, module: str, expression: str, expected: Any) -> None:
    assert run(modules, module, f"return {expression};") == expected


# -- places on the map -------------------------------------------------------------------------------------------------


def test_places_are_the_same_whatever_the_order_and_no_two_share_one(modules: Page) -> None:
    body = """
        return [3, 12, 13, 60, 200].map((number) => {
            const names = Array.from({length: number}, (_, at) => `node${at}`);
            const one = new m.Places(), other = new m.Places();
            const slots = one.settle(names), again = other.settle([...names].reverse());
            const points = m.points(one.capacity);
            const shown = ({x, y}) => `${x.toFixed(4)} ${y.toFixed(4)}`;
            return [
                names.every((name) => slots.get(name) === again.get(name)),
                new Set([...slots.values()].map((slot) => shown(points[slot]))).size === number,
                points.length === one.capacity,
            ];
        });
    """
    assert run(modules, "core/cluster/layout.js", body) == [[True, True, True]] * 5


def test_nobody_moves_for_one_who_comes_or_goes(modules: Page) -> None:
    body = """
        const names = Array.from({length: 101}, (_, at) => `node${at}`);
        const places = new m.Places();
        const before = new Map(places.settle(names));
        const room = places.capacity - names.length;
        const after = places.settle([...names.slice(0, 40), ...names.slice(41), 'newcomer', 'another']);
        const stayed = names.filter((name) => name !== 'node40').every((name) => after.get(name) === before.get(name));
        return [room > 2, stayed, after.has('node40'), new Set(after.values()).size];
    """
    assert run(modules, "core/cluster/layout.js", body) == [True, True, False, 102]
