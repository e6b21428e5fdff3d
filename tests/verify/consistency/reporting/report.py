"""The report of one run, for a person: one HTML file that fetches nothing, made from the run's folder alone:
`python -m tests.verify.consistency.reporting.report DIR`.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path

from tests.verify.consistency.contract import Anomaly
from tests.verify.consistency.judging.story import Effect, Story
from tests.verify.consistency.reporting.drawing import Drawing, binned, highest
from tests.verify.consistency.reporting.style import STYLE
from tests.verify.linearizability import Operation

REPORT = "report.html"

COLUMN_SECONDS = 0.5

OUTCOMES = ("ok", "failed", "unknown")

_OPERATION = re.compile(r"\bo\d+\b")


def write_report(folder: Path) -> Path:
    """Write it into the folder; returns where."""
    story = Story(folder)
    path = folder / REPORT
    path.write_text(page(story), encoding="utf-8")
    return path


def page(story: Story) -> str:
    run = story.run
    name = f"{run.get('scenario', 'run')}, seed {run.get('seed')}, {run.get('nodes')} nodes"
    anomalies = [] if story.result is None else story.result.anomalies
    bad = bool(anomalies) or (story.result is not None and bool(story.result.error))
    verdict = "not judged" if story.result is None else "anomalies" if anomalies else "error" if bad else "no anomaly"
    sabotage = f"<p class='warning'>Broken on purpose: {escape(run['sabotage'])}</p>" if run.get("sabotage") else ""
    error = "" if story.result is None or not story.result.error else f"<pre>{escape(story.result.error)}</pre>"
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(name)}</title><style>{STYLE}</style></head><body>
<header><h1>{escape(name)}</h1><span class="verdict {"bad" if bad else "good"}">{verdict}</span></header>
<p><code>{escape(str(run.get("command", "")))}</code></p>{sabotage}{error}
{_figures(story)}
{_anomalies(anomalies)}
<h2>Timeline</h2>
<p>Seconds since the load began.</p>
<p class="legend">{_legend()}</p>
<div class="wide">{_timeline(story, anomalies)}</div>
<h2>What each fault did</h2>
<div class="wide">{_effects(story, story.effects())}</div>
</body></html>
"""


def _figures(story: Story) -> str:
    if story.result is None:
        return ""
    head = ("layer", "operations", "acknowledged", "refused", "unknown", "silent at most", "whole after healing")
    rows = []
    for verdict in story.result.verdicts:
        whole = story.result.convergence.get(verdict.layer)
        cells = [f"{n:,}" for n in (verdict.operations, verdict.acknowledged, verdict.failed, verdict.unknown)]
        cells += [_seconds(verdict.longest_unavailability), _seconds(whole)]
        rows.append((verdict.layer, *cells))
    extra = [
        f"<dt>{escape(name.replace('_', ' '))}</dt><dd>{escape(str(value))}</dd>"
        for verdict in story.result.verdicts
        for name, value in verdict.extra.items()
    ]
    faults = ", ".join(f"{kind} {count}" for kind, count in sorted(story.result.faults.items())) or "none"
    return f"{_table(head, rows)}<p>Faults: {escape(faults)}.</p><dl>{''.join(extra)}</dl>"


def _anomalies(anomalies: Sequence[Anomaly]) -> str:
    if not anomalies:
        return ""
    shown = "".join(
        f"<details {'open' if number < 3 else ''}>"
        f"<summary><b>{escape(each.kind)}</b> {escape(each.explanation)}</summary>"
        f"<pre>{escape(each.rendering) or 'nothing to draw'}</pre></details>"
        for number, each in enumerate(anomalies)
    )
    return f"<h2 id='anomalies'>Anomalies</h2>{shown}"


def _legend() -> str:
    words = {"ok": "acknowledged", "failed": "refused", "unknown": "outcome unknown"}
    shown = [f'<span class="key {kind}"></span>{word}' for kind, word in words.items()]
    roles = {"leader": "leads", "follower": "follows", "paused": "paused", "down": "down"}
    shown += [f'<span class="key {kind}"></span>{word}' for kind, word in roles.items()]
    shown.append('<span class="key band"></span>a fault lasts')
    return " ".join(shown)


# -- the timeline ------------------------------------------------------------------------------------------------------


def _timeline(story: Story, anomalies: Sequence[Anomaly]) -> str:
    start, end = story.loaded, story.ended
    drawing = Drawing(start, end)
    for fault in story.faults:
        drawing.band(fault.began, min(fault.ended, end))
    marks = list(_marks(story.raft, anomalies))
    if marks:
        drawing.heading("Anomalies", "where their operations began")
        drawing.marks("", marks)
    drawing.heading("Faults")
    for kind in dict.fromkeys(fault.kind for fault in story.faults):
        spans = [
            (
                f.began,
                min(f.ended, end),
                "fault",
                f"{kind} {', '.join(f.nodes)} {dict(f.detail) or ''}",
                ", ".join(f.nodes),
            )
            for f in story.faults
            if f.kind == kind
        ]
        drawing.spans(kind, spans)
    if story.healed is not None:
        drawing.spans("healed", [(story.healed, end, "healed", "everything is whole again", "")])
    drawing.heading("Nodes", "what each was to Raft, with its term")
    for node in story.nodes:
        drawing.spans(node, _node(story, node, end))
    drawing.heading("Availability", "answers in each half second, by outcome")
    gossip = [(each.returned or each.invoked, each.outcome) for each in story.gossip.operations]
    raft = [(_moment(each), _outcome(each)) for each in story.raft]
    drawing.stacks("gossip", binned(gossip, start, end, COLUMN_SECONDS), COLUMN_SECONDS, OUTCOMES)
    drawing.stacks("Raft", binned(raft, start, end, COLUMN_SECONDS), COLUMN_SECONDS, OUTCOMES)
    drawing.heading("Divergence of gossip", "age of the oldest acknowledged write that a node did not know of")
    for node in story.nodes:
        lags = [(lag.at, lag.seconds) for lag in story.lags if lag.observer == node]
        drawing.curve(node, highest(lags, start, end, COLUMN_SECONDS), "s")
    drawing.heading("Clients of gossip", "each operation from its beginning to its end")
    for client in sorted({each.client for each in story.gossip.operations}):
        ticks = [(e.invoked, e.returned or e.invoked, e.outcome) for e in story.gossip.operations if e.client == client]
        drawing.ticks(client, ticks)
    drawing.heading("Clients of Raft", "c: keys, h: holders of locks, k: keepers of leases")
    for client in sorted({each.client for each in story.raft}):
        ticks = [(e.invoked, _moment(e), _outcome(e)) for e in story.raft if e.client == client]
        drawing.ticks(client, ticks)
    return drawing.svg()


def _node(story: Story, node: str, end: float) -> Iterator[tuple[float, float, str, str, str]]:
    """When it was down or paused, and in between what it said of its part in Raft."""
    lives = [life for life in story.gossip.lives if life.node == node]
    samples = [each for each in story.lines.of_kind("state") if each["node"] == node]
    down = story.loaded
    for life in lives:
        if life.started > down:
            yield down, life.started, "down", f"{node} is down", "down"
        down = min(life.ended, end)
    if down < end:
        yield down, end, "down", f"{node} is down", "down"
    spans: list[tuple[float, float, str, int]] = []
    for sample in samples:
        at, role, term = float(sample["at"]), str(sample["role"] or "none"), int(sample["term"] or 0)
        if spans and at - spans[-1][1] < 1.5 and spans[-1][2:] == (role, term):
            spans[-1] = (spans[-1][0], at, role, term)
        else:
            before = spans[-1][1] if spans and at - spans[-1][1] < 1.5 else at
            spans.append((before, at, role, term))
    for began, ended, role, term in spans:
        kind = "leader" if role == "leader" else "follower"
        yield began, ended, kind, f"{node}: {role}, term {term}", f"{'leads, ' if kind == 'leader' else ''}term {term}"
    for life in lives:
        for began, ended in life.pauses:
            yield began, min(ended, end), "paused", f"{node} is paused", "paused"


def _marks(operations: Sequence[Operation], anomalies: Sequence[Anomaly]) -> Iterator[tuple[float, str]]:
    """The moments of the operations that an anomaly names."""
    at = {operation.id: operation.invoked for operation in operations}
    for anomaly in anomalies:
        named = [id_ for id_ in _OPERATION.findall(anomaly.explanation) if id_ in at]
        for id_ in named[:1]:
            yield at[id_], f"{anomaly.kind}: {anomaly.explanation}"


def _moment(operation: Operation) -> float:
    return operation.invoked if operation.returned is None else operation.returned


def _outcome(operation: Operation) -> str:
    return "ok" if operation.ok else "failed" if operation.failed else "unknown"


# -- tables ------------------------------------------------------------------------------------------------------------


def _effects(story: Story, effects: Sequence[Effect]) -> str:
    head = (
        *("began", "lasted", "fault", "gossip: writes acknowledged", "behind at most", "equal again after"),
        *("Raft: silent at most", "cut off: acknowledged / refused / unknown", "back after"),
    )
    rows = []
    for each in effects:
        cut = (each.minority_acknowledged, each.minority_refused, each.minority_unknown)
        rows.append(
            (
                f"{each.fault.began - story.loaded:.1f} s",
                _seconds(min(each.fault.ended, story.ended) - each.fault.began),
                f"{each.fault.kind} {' '.join(each.fault.nodes)}",
                f"{each.gossip_acknowledged} of {each.gossip_tried}",
                _seconds(each.diverged),
                _seconds(each.converged),
                _seconds(each.raft_silent),
                " / ".join(map(str, cut)) if any(cut) else "",
                _seconds(each.raft_back),
            )
        )
    return _table(head, rows)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    top = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"


def _seconds(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds:.2f} s"


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        print(write_report(Path(argument)))
