"""What the console makes of live updates, in Chromium: model, nodes, what is not well, the timeline's words."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page

from tests.browser.support.console_files import run
from tests.browser.support.console_messages import (
    HELLO,
    READY,
    THREE,
    events,
    gossip_key,
    member_event,
    members_part,
    meta_key,
    node,
    place,
    raft,
    raft_event,
    raft_part,
)


def after(page: Page, messages: tuple[dict[str, Any], ...], expression: str) -> Any:
    body = f"const model = m.emptyModel(); for (const each of a) m.apply(model, each); return {expression};"
    return run(page, "core/model.js", body, list(messages))


def test_a_snapshot_is_shown_when_it_is_complete(modules: Page) -> None:
    assert after(modules, THREE[:-1], "[model.complete, model.members.size]") == [False, 0]
    assert after(modules, THREE, "[model.complete, model.members.size, model.lastId, model.clusterId]") == [
        True,
        3,
        "e-5",
        "testing",
    ]


def test_after_a_restart_the_old_picture_stays_until_the_new_one_is_whole(modules: Page) -> None:
    again = (*THREE, HELLO, members_part(node("node1", generation=2)))
    assert after(modules, again, "model.members.size") == 3
    assert after(modules, again, "model.timeline.map((event) => event.kind)") == ["page"]
    whole = (*again, raft_part(raft(None), place("node1", "voter")), READY)
    assert after(modules, whole, "[model.members.size, model.raftMembers.size, model.raft.leader]") == [1, 1, None]


def test_a_resumed_connection_keeps_what_is_held(modules: Page) -> None:
    resumed = (*THREE, {**HELLO, "resumed": True}, events(member_event("dead", "node3"), last=9))
    assert after(modules, resumed, "[model.members.get('node3\\n1').status, model.members.size, model.lastId]") == [
        "dead",
        3,
        "e-9",
    ]


def test_events_change_the_picture_and_stand_in_the_timeline(modules: Page) -> None:
    told = events(
        member_event("dead", "node2"),
        member_event("removed", "node3"),
        {**raft_event("node2", "leader"), "members": [place("node2", "leader")], "gone": ["m-node3"]},
        {"kind": "gossip", "change": "set", **gossip_key("node1", "load")},
        {"kind": "metadata", "change": "put", "revision": 8, **meta_key("a", 8)},
        {"kind": "queues", "queue": "lock", "name": "x", "revision": 9, "holders": [{"lease": 1}], "waiters": []},
    )  # fmt: skip
    expression = """({
        dead: model.members.get('node2\\n1').status, since: model.members.get('node2\\n1').since,
        members: model.members.size, leader: model.raft.leader, places: [...model.raftMembers.keys()],
        gossip: model.gossip.get('node1\\n1').keys.get('load').value, keys: model.gossipKeys,
        metadata: [...model.metadata.keys.keys()], revision: model.metadata.revision,
        queues: [...model.queues.keys()], timeline: model.timeline.length,
        before: model.timeline[2].before.leader,
    })"""
    assert after(modules, (*THREE, told), expression) == {
        "dead": "dead",
        "since": 100.0,
        "members": 2,
        "leader": "node2",
        "places": ["m-node1", "m-node2"],
        "gossip": "v",
        "keys": 1,
        "metadata": ["utf-8:a"],
        "revision": 8,
        "queues": ["lock\nx"],
        "timeline": 6,
        "before": "node1",
    }


def test_what_is_gone_is_let_go(modules: Page) -> None:
    told = (
        *THREE,
        events({"kind": "gossip", "change": "set", **gossip_key("node3", "load")}),
        events({"kind": "gossip", "change": "set", **gossip_key("node2", "load")}),
        events(member_event("removed", "node3")),
        events({"kind": "gossip", "change": "delete", "node": "node2", "generation": 1, "key": "load", "version": 2}),
        events({"kind": "queues", "queue": "lock", "name": "x", "revision": 9, "holders": [], "waiters": [{}]}),
        events({"kind": "queues", "queue": "lock", "name": "x", "revision": 10, "holders": [], "waiters": []}),
    )
    assert after(modules, told, "[model.gossip.size, model.gossipKeys, model.queues.size]") == [0, 0, 0]


def test_a_change_that_the_snapshot_shows_already_does_not_undo_it(modules: Page) -> None:
    page = {"type": "snapshot", "part": "metadata", "available": True, "revision": 7, "keys": [meta_key("a", 7)]}
    older = events(
        {"kind": "metadata", "change": "put", "revision": 5, **meta_key("a", 5)},
        {"kind": "metadata", "change": "delete", "revision": 6, "key": "a"},
    )
    assert after(modules, (HELLO, page, READY, older), "model.metadata.keys.get('utf-8:a').value") == "7"


def test_metadata_is_brought_up_to_date_by_its_changes(modules: Page) -> None:
    keys = [meta_key("a", 7), meta_key("b", 3)]
    page = {"type": "snapshot", "part": "metadata", "available": True, "revision": 7, "keys": keys}
    changes = [{"change": "delete", "revision": 9, "key": "b"}, {"change": "put", "revision": 10, **meta_key("c", 10)}]
    changed = {"type": "snapshot", "part": "metadata_changes", "changes": changes, "revision": 10}
    told = (HELLO, page, READY, HELLO, changed, {**READY, "revision": 10})
    expression = "[[...model.metadata.keys.keys()], model.metadata.revision]"
    assert after(modules, told, expression) == [["utf-8:a", "utf-8:c"], 10]


def test_nothing_grows_without_bound(modules: Page) -> None:
    body = """
        const limits = await import('./core/limits.js');
        const model = m.emptyModel();
        for (const each of a) m.apply(model, each);
        const key = {kind: 'gossip', change: 'set', node: 'node1', generation: 1, value: '', time: 1};
        const number = limits.MAX_GOSSIP_KEYS + 50;
        const told = Array.from({length: number}, (_, at) => ({...key, id: `e-${at}`, key: `k${at}`, version: at}));
        m.apply(model, {type: 'events', id: 'e-9', events: told});
        for (let at = 0; at < 2 * limits.MAX_FIGURES; at++) {
            m.apply(model, {type: 'sample', kind: 'figures', time: at, process: {uptime_seconds: at}});
        }
        return [
            model.gossipKeys === limits.MAX_GOSSIP_KEYS,
            [...model.partial].join(),
            model.timeline.length === limits.MAX_TIMELINE,
            model.timelineDropped === number - limits.MAX_TIMELINE,
            model.timeline.at(-1).id === told.at(-1).id,
            model.figures.length === limits.MAX_FIGURES,
        ];
    """
    assert run(modules, "core/model.js", body, list(THREE)) == [True, "gossip", True, True, True, True]


def test_figures_begin_anew_with_the_node(modules: Page) -> None:
    sample = {"type": "sample", "kind": "figures"}
    told = [{**sample, "time": time, "process": {"uptime_seconds": up}} for time, up in ((1, 100), (2, 101), (9, 3))]
    assert after(modules, tuple(told), "model.figures.map((each) => each.time)") == [9]


# -- nodes and what is not well ----------------------------------------------------------------------------------------


def views(page: Page, messages: tuple[dict[str, Any], ...]) -> list[dict[str, Any]]:
    body = """
        const { emptyModel, apply } = await import('./core/model.js');
        const model = emptyModel();
        for (const each of a) apply(model, each);
        return m.nodeViews(model);
    """
    told: list[dict[str, Any]] = run(page, "core/cluster/nodes.js", body, list(messages))
    return told


def test_of_several_incarnations_a_live_one_or_the_latest_is_shown(modules: Page) -> None:
    told = (
        HELLO,
        members_part(
            node("node2", "joining", 1), node("node2", "dead", 2), node("node3", "dead", 5), node("node3", "live", 4),
            node("node10"), node("node4", "live", 1), node("node4", "live", 2),
        ),
        READY,
    )  # fmt: skip
    shown = [(each["name"], each["status"], each["generation"], each["twins"]) for each in views(modules, told)]
    assert shown == [
        ("node2", "dead", 2, 0),
        ("node3", "live", 4, 0),
        ("node4", "live", 2, 1),
        ("node10", "live", 1, 0),
    ]


def test_a_twin_that_gossip_takes_for_dead_is_counted(modules: Page) -> None:
    body = """
        const { emptyModel, apply } = await import('./core/model.js');
        const model = emptyModel();
        for (const each of a) apply(model, each);
        model.cluster = { raft: { members: [] }, gossip: { twins: [{ node_id: "node2" }, { node_id: "node2" }] } };
        return m.nodeViews(model).map((each) => [each.name, each.twins]);
    """
    told = [HELLO, members_part(node("node1"), node("node2", "dead", 1), node("node2", "live", 2)), READY]
    assert run(modules, "core/cluster/nodes.js", body, told) == [["node1", 0], ["node2", 1]]


def findings(page: Page, messages: tuple[dict[str, Any], ...], now: float = 1_000.0) -> list[tuple[str, str]]:
    body = """
        const { emptyModel, apply } = await import('./core/model.js');
        const model = emptyModel();
        for (const each of a.messages) apply(model, each);
        return m.diagnose(model, a.now).map((each) => [each.severity, each.title, each.why, each.todo]);
    """
    told = run(page, "core/cluster/diagnosis.js", body, {"messages": list(messages), "now": now})
    assert all(each[2] and each[3] for each in told), f"without a reason, or what to do: {told}"
    return [(each[0], each[1]) for each in told]


def test_a_healthy_cluster_has_no_findings(modules: Page) -> None:
    assert findings(modules, THREE) == []


def figures(lag: float, at: int) -> dict[str, Any]:
    process = {"uptime_seconds": at, "loop_lag": {"p99_seconds": lag}}
    return {"type": "sample", "kind": "figures", "time": at, "process": process}


VOTERS = (place("node1", "leader"), place("node2", "voter"), place("node3", "voter", live=False))

FINDINGS: list[tuple[str, tuple[dict[str, Any], ...], list[tuple[str, str]]]] = [
    ("nothing is known yet", (), []),
    (
        "a voter is dead",
        (HELLO, members_part(node("node1"), node("node2"), node("node3", "dead")), raft_part(raft(), *VOTERS), READY),
        [("bad", "node3 is dead")],
    ),
    (
        "a voter of five is dead",
        (
            HELLO,
            members_part(node("node1"), node("node2"), node("node3", "dead"), node("node4"), node("node5")),
            raft_part(raft(), *VOTERS, place("node4", "voter"), place("node5", "voter")),
            READY,
        ),
        [("warn", "node3 is dead")],
    ),
    (
        "no majority",
        (
            HELLO,
            members_part(node("node1"), node("node2", "dead"), node("node3", "dead")),
            raft_part(raft(None, quorum=False), *(place(f"node{at}", "voter") for at in (1, 2, 3))),
            READY,
        ),
        [("bad", "There is no majority"), ("bad", "node2 is dead"), ("bad", "node3 is dead")],
    ),
    ("no leader", (*THREE[:2], raft_part(raft(None), *(place(f"node{at}", "voter") for at in (1, 2, 3))), READY),
     [("bad", "No leader is known")]),
    (
        "not founded",
        (*THREE[:2], raft_part(raft(None, quorum=None, cluster=None), place("node1", "candidate")), READY),
        [("bad", "The metadata's cluster is not founded yet")],
    ),
    ("no Raft", (HELLO, members_part(node("node1")), raft_part(raft(None, quorum=None, cluster=None)), READY),
     [("note", "No node takes part in Raft")]),
    ("a voter that gossip does not know",
     (*THREE[:2], raft_part(raft(), *VOTERS[:2], place("node3", "voter"), place(None, "voter", member="m9")), READY),
     [("warn", "The voter m9 is no node that gossip knows"), ("note", "4 voters bear no more losses than 3")]),
    ("two voters", (HELLO, members_part(node("node1"), node("node2")), raft_part(raft(), *VOTERS[:2]), READY),
     [("warn", "There are two voters only")]),
    ("twins",
     (HELLO, members_part(node("node1"), node("node2"), node("node3"), node("node3", generation=2)), *THREE[2:]),
     [("bad", "Two processes go by the name node3")]),
    ("a loop that is late once", (*THREE, *(figures(0.5 if at == 3 else 0.0, at) for at in range(12))), []),
    ("a loop that is late for long", (*THREE, *(figures(0.5, at) for at in range(12))), [("warn", "node1 is busy")]),
    ("joining for long", (*THREE, events(member_event("joining", "node7"))),
     [("warn", "node7 does not finish joining")]),
]  # fmt: skip


@pytest.mark.parametrize(("messages", "expected"), [each[1:] for each in FINDINGS], ids=[each[0] for each in FINDINGS])
def test_what_is_not_well(modules: Page, messages: tuple[dict[str, Any], ...], expected: list[tuple[str, str]]) -> None:
    assert findings(modules, messages) == expected


def test_many_dead_nodes_are_one_finding_more_not_many(modules: Page) -> None:
    dead = [node(f"client{number}", "dead") for number in range(50)]
    told = findings(modules, (HELLO, members_part(node("node1"), node("node2"), node("node3"), *dead), *THREE[2:]))
    assert len(told) == 6
    assert ("warn", "50 nodes are dead") in told


def test_events_in_words(modules: Page) -> None:
    cases = [
        ({**member_event("dead", "node2"), "before": "live"}, "node2 is dead: it shows no signs of life"),
        ({**member_event("live", "node2"), "before": "dead"}, "node2 is back"),
        ({**raft_event("node2", "leader", "term"), "before": None}, "node2 leads in term 3"),
        ({**raft_event(None, "leader"), "before": {"leader": "node1"}}, "no leader is known, it was node1"),
        ({"kind": "gossip", "change": "set", **gossip_key("node1", "load")}, "node1 set load to “v”"),
        ({"kind": "metadata", "change": "put", "revision": 4, **meta_key("a", 4)}, "a is “4” at revision 4"),
        ({"kind": "queues", "queue": "lock", "name": "x", "holders": [{"lease": 3, "value": "w1"}], "waiters": [{}]},
         "the lock x is held by w1, 1 waiting"),
        ({"kind": "queues", "queue": "election", "name": "x", "holders": [], "waiters": []}, "the election x is free"),
    ]  # fmt: skip
    told = run(modules, "core/cluster/telling.js", "return a.map(m.describe);", [event for event, _ in cases])
    assert told == [words for _, words in cases]
