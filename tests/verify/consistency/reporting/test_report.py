"""The report and the comparison, from the folder of a small run that is written down here."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from tests.verify.consistency.contract import Anomaly, RunResult, Verdict
from tests.verify.consistency.judging.story import Story
from tests.verify.consistency.reporting.comparison import compare, main
from tests.verify.consistency.reporting.report import write_report
from tests.verify.linearizability import History, Operation, head_line, line_of
from tests.verify.linearizability.histories import requests as words

NODES = ("n1", "n2", "n3")


def raft(number: int, node: str, at: float, end: float | None, *, ok: bool = True) -> str:
    result = words.Written(number) if ok and end is not None else None
    return line_of(Operation(f"o{number}", "c0", words.Put("r/0", f"o{number}"), at, end, result, "", node))


def gossip(node: str, at: float, version: int) -> dict[str, Any]:
    body = {"client": "g0", "node": node, "op": "put", "owner": node, "key": "r/0", "value": f"g{version}"}
    return body | {
        "generation": 1,
        "version": version,
        "invoked": at,
        "returned": at + 0.1,
        "outcome": "ok",
        "error": "",
    }


def view(observer: str, at: float, **known: int) -> dict[str, Any]:
    states = [
        {"node": node, "generation": 1, "max_version": version, "last_gc_version": 0, "set": {}, "lost": []}
        for node, version in known.items()
    ]
    body = {"observer": observer, "generation": 1, "asked": at, "answered": at + 0.01}
    return body | {"live": [[node, 1] for node in NODES], "dead": [], "states": states, "forgotten": []}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Of three nodes n3 is cut off from 10 to 20; it goes on gossiping, and knows n1's write two seconds after that."""
    cut = [["n3", "n1"], ["n1", "n3"], ["n3", "n2"], ["n2", "n3"]]
    fault = {"id": 1, "kind": "isolate", "nodes": ["n3"], "links": cut, "detail": {}}
    lines: list[dict[str, Any] | str] = [
        {
            "run": {
                "scenario": "partitions",
                "seed": 7,
                "nodes": 3,
                "seconds": 30,
                "started": 0.0,
                "command": "run <it>",
            }
        },
        *[{"node": {"node": node, "at": 0.0, "what": "started", "how": ""}} for node in NODES],
        *[{"gossip_view": view(node, 1.0, n1=1, n3=1)} for node in NODES],
        {"state": {"at": 2.0, "node": "n1", "leader": "n1", "term": 4, "role": "leader"}},
        {"fault": fault | {"phase": "begin", "at": 10.0}},
        {"gossip": gossip("n1", 11.0, 2)},
        {"gossip": gossip("n3", 12.0, 2)},
        {"gossip_view": view("n3", 15.0, n3=2)},
        {"fault": fault | {"phase": "end", "at": 20.0, "links": []}},
        {"heal": {"at": 21.0}},
        *[{"gossip_view": view(node, 22.0, n1=2, n3=2)} for node in NODES],
        head_line(History(())),
        raft(1, "n1", 5.0, 9.5),
        raft(2, "n3", 12.0, 13.0, ok=False),
        raft(3, "n3", 14.0, None),
        raft(4, "n2", 12.0, 12.5),
        raft(5, "n3", 20.5, 23.0),
    ]
    shown = [line if isinstance(line, str) else json.dumps(line, separators=(",", ":")) + "\n" for line in lines]
    (tmp_path / "history.jsonl").write_text("".join(shown))
    anomaly = Anomaly("stale read", "o4 read <the> past", "  client c0  |-1-| & more")
    verdicts = [Verdict("gossip", 2, 2, 0, 0), Verdict("raft", 5, 3, 1, 1, (anomaly,), 10.5)]
    result = RunResult("partitions", 7, 3, 30.0, faults={"isolate": 1}, verdicts=verdicts)
    (tmp_path / "result.json").write_text(json.dumps(result.to_json()))
    return tmp_path


def test_an_effect_has_what_either_layer_did(folder: Path) -> None:
    (effect,) = Story(folder).effects()
    assert (effect.gossip_tried, effect.gossip_acknowledged) == (2, 2)
    assert effect.diverged == pytest.approx(3.9)  # n1's write of 11.1, in n3's view at 15
    assert effect.converged == pytest.approx(2.0)
    assert (effect.minority_acknowledged, effect.minority_refused, effect.minority_unknown) == (0, 1, 1)
    assert effect.raft_silent == pytest.approx(10.5)  # from 12.5 to 23
    assert effect.raft_back == pytest.approx(3.0)


def test_the_comparison_has_a_row_for_each_kind_of_fault(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = compare(Story(folder).effects()).splitlines()
    assert len({line.count("|") for line in told}) == 1
    assert told[-1] == "| isolate | 1 | 2 of 2 | 3.9 s (3.9) | 2.0 s (2.0) | 10.5 s (10.5) | 0 / 1 / 1 | 3.0 s (3.0) |"
    assert main([str(folder)]) == 0
    assert told[-1] in capsys.readouterr().out
    assert main([str(folder / "nothing")]) == 2


class Tags(HTMLParser):
    """Whether every tag that is opened is closed, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: object) -> None:
        """Needs no end."""

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_stands_alone_is_well_formed_and_shows_what_was_found(folder: Path) -> None:
    page = write_report(folder).read_text()
    tags = Tags()
    tags.feed(page)
    assert not tags.open
    fetched = re.findall(r'(?:src|href)="?([^"> ]+)|url\(([^)]+)|@import', page)
    assert fetched == []
    for said in ("partitions, seed 7, 3 nodes", "run <it>", "o4 read <the> past", "|-1-| & more", "n1: leader, term 4"):
        assert said in tags.text
    assert page.count('class="mark"') == 1


def test_a_run_that_was_not_judged_has_a_page_too(folder: Path) -> None:
    (folder / "result.json").unlink()
    assert "not judged" in write_report(folder).read_text()
