"""The console's modules of keys, values, locks and leases in Chromium, against tables."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page

from tests.browser.support.console_files import run

SAMPLE: dict[str, Any] = {
    "scope": "all",
    "live_peers": 2,
    "peers": [
        {"node_id": "b", "generation": 1, "heard_age_seconds": 0.2},
        {"node_id": "c", "generation": 1, "heard_age_seconds": 2.4},
    ],
    "nodes": [
        {"node_id": "a", "generation": 1, "live": True, "version": 9, "confirmed": 2, "behind": 0,
         "max_behind_versions": 0, "behind_nodes": [], "here_behind_versions": 0},
        {"node_id": "b", "generation": 1, "live": True, "version": 5, "confirmed": 1, "behind": 1,
         "max_behind_versions": 3, "behind_nodes": ["c"], "here_behind_versions": 0},
    ],
}  # fmt: skip

MODEL = """
    const {emptyModel, apply} = await import('./core/model.js');
    const model = emptyModel();
    model.nodeId = 'a';
    const set = (node, key, value, version, status = 'Set') =>
      ({kind: 'gossip', change: 'set', time: 100, node, generation: 1, key, value, version, status});
    const gone = (node, key, version, time) =>
      ({kind: 'gossip', change: 'delete', time, node, generation: 1, key, version});
    apply(model, {type: 'events', id: 'x-1', events: [
      set('b', 'k10', 'v', 1), set('b', 'k2', null, 2, 'DeleteAfterTtl'), set('a', 'k2', 'own', 3),
      set('a', 'coterie/raft', 'x', 4), set('a', 'old', 'x', 5), gone('a', 'old', 6, 101),
      set('b', 'older', 'x', 5), gone('b', 'older', 6, 30)]});
"""

RECORDS = [
    {"key": "a/b/c", "encoding": "utf-8", "value": "one", "lease": 3, "mod_revision": 4},
    {"key": "a/b/d", "encoding": "utf-8", "value": "two", "lease": 0, "mod_revision": 5},
    {"key": "a/x", "encoding": "utf-8", "value": None, "lease": 0, "mod_revision": 6},
    {"key": "z", "encoding": "base64", "value": "/wA=", "lease": 3, "mod_revision": 7},
    {"key": "//8=", "key_encoding": "base64", "encoding": "utf-8", "value": "Three", "lease": 0, "mod_revision": 8},
]

QUEUES = [
    {"queue": "lock", "name": "job10", "holders": [{"lease": 3, "value": "w1", "encoding": "utf-8"}], "waiters": []},
    {"queue": "election", "name": "job9", "holders": [{"lease": 4, "value": "", "encoding": "utf-8"}],
     "waiters": [{"lease": 3, "value": "/w==", "encoding": "base64"}]},
]  # fmt: skip


def test_gossip_keys_as_rows(modules: Page) -> None:
    body = f"""{MODEL}
        const rows = m.keyRows(model, 110);
        const all = {{prefix: '', text: '', system: false}};
        const told = (order, wanted) => m.sortRows(m.fitting(rows, {{...all, ...wanted}}), order)
          .map((row) => `${{row.node}}.${{row.key}} ${{row.status}}${{row.own ? ' own' : ''}}`);
        return [told('node', {{}}), told('key', {{}}), told('node', {{prefix: 'k'}}), told('node', {{text: 'OWN'}}),
          told('node', {{system: true, prefix: 'c'}}), told('node', {{prefix: 'coterie/'}})];
    """
    by_node, by_key, prefixed, worded, system, asked = run(modules, "core/data/gossip_keys.js", body)
    assert by_node == ["a.k2 set own", "a.old deleted own", "b.k2 expires", "b.k10 set"]
    assert by_key == ["a.k2 set own", "b.k2 expires", "b.k10 set", "a.old deleted own"]
    assert prefixed == ["a.k2 set own", "b.k2 expires", "b.k10 set"]
    assert worded == ["a.k2 set own"]
    assert system == asked == ["a.coterie/raft set own"]


def test_convergence_in_words(modules: Page) -> None:
    body = "return [m.spreads(a).map((s) => [s.node, s.done, s.words]), m.convergenceWords(a)];"
    spreads, words = run(modules, "core/data/gossip_keys.js", body, SAMPLE)
    assert spreads == [
        ["a", True, "confirmed on 2 of 2 live peers"],
        ["b", False, "confirmed on 1 of 2 live peers; c behind, by 3 versions at most"],
    ]
    assert (
        words == "The keys of 1 of 2 nodes are on their way to 2 live peers, by what they showed within the last 3 s."
    )
    silent = {**SAMPLE, "live_peers": 3, "peers": [], "nodes": [{**SAMPLE["nodes"][0], "here_behind_versions": 1}]}
    body = "return [m.spreads(a)[0].words, m.spreads(a)[0].done, m.convergenceWords(null)];"
    assert run(modules, "core/data/gossip_keys.js", body, silent) == [
        "confirmed on 2 of 3 live peers; 1 peer not heard yet; here 1 version is missing",
        False,
        "Not told yet.",
    ]


EXPRESSIONS: list[tuple[str, str, Any]] = [
    ("core/data/bytes.js", "m.hexLines(new Uint8Array([65, 0, 255]))",
     "000000  41 00 ff" + " " * 39 + "  A.."),
    ("core/data/bytes.js", "m.toBase64(m.fromBase64('/wBB'))", "/wBB"),
    ("core/data/bytes.js", "['', 'é', 'abc'].map((t) => m.sizeOf(t, 'utf-8'))", [0, 2, 3]),
    ("core/data/bytes.js", "['', '/w==', '/wA=', '/wBB'].map((t) => m.sizeOf(t, 'base64'))", [0, 1, 2, 3]),
    ("core/data/bytes.js", "m.prettyJson('{\"a\":[1]}')", '{\n  "a": [\n    1\n  ]\n}'),
    ("core/data/bytes.js", "['7', 'x', '{x', '[12345678901234567890]'].map(m.prettyJson)", [None] * 4),
    ("core/data/bytes.js", "m.prettyJson('[\"12345678901234567890\"]')", '[\n  "12345678901234567890"\n]'),
    ("core/data/metadata_keys.js", "['a/b/', '', '/'].map(m.pathOf)", [["a/", "a/b/"], [], ["/"]]),
    ("core/data/metadata_keys.js", "['a/b/c', 'a', 'a/'].map(m.folderOf)", ["a/b/", "", "a/"]),
    ("core/data/metadata_keys.js", "['key:a/b', 'bytes://8=', 'in:a/', ''].map(m.readKeyAddress)",
     [{"key": "a/b", "key_encoding": "utf-8"}, {"key": "//8=", "key_encoding": "base64"}, None, None]),
    ("core/data/metadata_keys.js",
     "[{key: 'a'}, {key: '..'}, {key: '.'}, {key: 'YQ==', key_encoding: 'base64'}].map(m.addressable)",
     [True, False, False, False]),
    ("core/data/metadata_keys.js", "[{key: '..'}, {key: 'YQ==', key_encoding: 'base64'}].map(m.nameable)",
     [True, False]),
    ("core/data/bytes.js", "['', '/wBB', '/', 'é'].map(m.isBase64)", [True, True, False, False]),
    ("core/data/metadata_keys.js",
     "[...m.revisionTimes([{revision: 4, time: 1}, {revision: 4, time: 2}, {kind: 'raft', time: 3}])]", [[4, 1]]),
    ("core/data/metadata_keys.js",
     "[...m.changedSince(['a', 'b', 'b'].map((key, n) => ({kind: 'metadata', key, time: 3 + n})), 4)]",
     [["utf-8:b", 5]]),
    ("core/data/metadata_keys.js",
     "m.pastOf([{revision: 5, type: 'put'}, {revision: 9, type: 'delete'}], {mod_revision: 7}).map((e) => e.revision)",
     [9, 7, 5]),
    ("core/data/metadata_keys.js", "m.pastOf([{revision: 7, type: 'put'}], {mod_revision: 7}).length", 1),
    ("core/data/holdings.js", "m.timeLeft({remaining_seconds: 9}, 100, 104)", 5),
    ("core/data/holdings.js", "[m.timeLeft({remaining_seconds: 1}, 0, 4), m.timeLeft({remaining_seconds: null}, 0, 4)]",
     [0, None]),
]  # fmt: skip


@pytest.mark.parametrize(("module", "expression", "expected"), EXPRESSIONS)
def test_expressions(modules: Page, module: str, expression: str, expected: Any) -> None:
    assert run(modules, module, f"return {expression};") == expected


def test_folders_and_lists_of_keys(modules: Page) -> None:
    body = """
        const shown = ({folders, records}) => [folders.map((f) => `${f.name} ${f.keys}`), records.map((r) => r.key)];
        return [m.level(a, ''), m.level(a, 'a/'), m.level(a, 'a/b/')].map(shown)
          .concat([['', 'TWO'], ['a/', ''], ['', 'three'], ['', '/wA']]
            .map(([prefix, text]) => m.matching(a, {prefix, text}).map((r) => r.key)));
    """
    assert run(modules, "core/data/metadata_keys.js", body, RECORDS) == [
        [["a/ 3"], ["//8=", "z"]],
        [["b/ 2"], ["a/x"]],
        [[], ["a/b/c", "a/b/d"]],
        ["a/b/d"],
        ["a/b/c", "a/b/d", "a/x"],
        ["//8="],
        [],  # what bytes look like in base64 is not searched
    ]


def test_ten_thousand_keys_are_counted_and_ordered(modules: Page) -> None:
    body = """
        const record = (n) => ({key: `d${n % 100}/k${n}`, encoding: 'utf-8', value: `${n}`});
        const all = Array.from({length: 10000}, (_, n) => record(n));
        return [m.level(all, '').folders.length, m.level(all, 'd7/').records.length,
          m.matching(all, {prefix: '', text: 'k999'}).length];
    """
    assert run(modules, "core/data/metadata_keys.js", body) == [100, 100, 11]


def test_what_lives_on_a_lease(modules: Page) -> None:
    body = """
        const on = m.onLeases(a[0], a[1]);
        return [[...on.keys()].sort(), m.contentWords(on.get(3)), m.contentWords(m.NOTHING),
          m.queueRows(a[1], {kind: '', text: ''}).map((q) => q.name),
          m.queueRows(a[1], {kind: 'lock', text: ''}).length, m.queueRows(a[1], {kind: '', text: 'W1'}).length,
          a[1].flatMap((q) => [...q.holders, ...q.waiters]).map(m.placeValue)];
    """
    assert run(modules, "core/data/holdings.js", body, [RECORDS, QUEUES]) == [
        [3, 4],
        "2 keys; holds the lock job10; waits for the election job9",
        "nothing",
        ["job9", "job10"],
        1,
        1,
        ["w1", None, "bytes"],
    ]


def test_a_stream_of_events_is_read_however_it_is_cut(modules: Page) -> None:
    stream = (
        'retry: 1000\n: progress\nid: 16\n\nid: 17\nevent: change\ndata: {"revision":17}\n\nevent: end\ndata: {}\n\n'
    )
    body = """
        const read = (size) => {
          const told = [];
          const take = m.eventReader((event) => told.push([event.event, event.data, event.id]));
          for (let at = 0; at < a.length; at += size) take(a.slice(at, at + size));
          return told;
        };
        return [1, 7, 1000].map(read);
    """
    expected = [["", "", "16"], ["change", '{"revision":17}', "17"], ["end", "{}", None]]
    assert run(modules, "core/net/event_stream.js", body, stream) == [expected] * 3
