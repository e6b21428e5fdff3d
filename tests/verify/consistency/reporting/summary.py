"""The summary of runs as a table: one line a run, and what they come to together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from tests.verify.consistency.contract import Layer, RunResult, Verdict

HEAD = (
    *("scenario", "seed", "nodes", "s", "operations", "acked", "refused", "unknown", "faults"),
    *("silent g", "silent r", "whole g", "whole r", "verdict"),
)

LEGEND = (
    "silent: seconds without any acknowledgement at the longest; whole: seconds from the healing until the layer "
    "was whole at every node; g: gossip, r: Raft"
)


def table(results: Sequence[RunResult]) -> str:
    """As text, with a line of totals, the faults by kind, and the anomalies."""
    rows = [_row(result) for result in results]
    if len(results) > 1:
        rows.append(_total(results))
    widths = [max(len(row[column]) for row in (HEAD, *rows)) for column in range(len(HEAD))]
    lines = [_line(HEAD, widths), *[_line(row, widths) for row in rows], "", LEGEND]
    faults: Counter[str] = Counter()
    for result in results:
        faults.update(result.faults)
    if faults:
        lines.append("faults: " + ", ".join(f"{kind} {count}" for kind, count in faults.most_common()))
    for result in results:
        name = f"{result.scenario} --seed {result.seed} --nodes {result.nodes}"
        lines += [f"ANOMALY in {name}: {each.kind}: {each.explanation}" for each in result.anomalies]
        if result.error:
            lines.append(f"ERROR in {name}: {result.error}")
    return "\n".join(lines)


def _row(result: RunResult) -> tuple[str, ...]:
    gossip, raft = _of(result, "gossip"), _of(result, "raft")
    return (
        result.scenario,
        str(result.seed),
        str(result.nodes),
        f"{result.seconds:g}",
        *_counts(result.verdicts),
        f"{sum(result.faults.values())}",
        *[_seconds(None if each is None else each.longest_unavailability) for each in (gossip, raft)],
        *[_seconds(result.convergence.get(layer)) for layer in ("gossip", "raft")],
        _verdict(result),
    )


def _total(results: Sequence[RunResult]) -> tuple[str, ...]:
    verdicts = [verdict for result in results for verdict in result.verdicts]

    def longest(layer: Layer) -> str:
        return _seconds(max((v.longest_unavailability for v in verdicts if v.layer == layer), default=None))

    def latest(layer: Layer) -> str:
        return _seconds(max((r.convergence[layer] for r in results if layer in r.convergence), default=None))

    bad = sum(not result.ok for result in results)
    return (
        f"{len(results)} runs",
        "",
        "",
        f"{sum(result.seconds for result in results):g}",
        *_counts(verdicts),
        f"{sum(sum(result.faults.values()) for result in results):,}",
        longest("gossip"),
        longest("raft"),
        latest("gossip"),
        latest("raft"),
        "all ok" if not bad else f"{bad} BAD",
    )


def _of(result: RunResult, layer: Layer) -> Verdict | None:
    return next((verdict for verdict in result.verdicts if verdict.layer == layer), None)


def _counts(verdicts: Iterable[Verdict]) -> tuple[str, ...]:
    counts = [(v.operations, v.acknowledged, v.failed, v.unknown) for v in verdicts]
    return tuple([f"{sum(each[column] for each in counts):,}" for column in range(4)])


def _verdict(result: RunResult) -> str:
    if result.ok:
        return "ok"
    count = len(result.anomalies)
    return f"{count} ANOMALIES" if count > 1 else "ANOMALY" if count else "ERROR"


def _seconds(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds:.2f}"


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(
        [
            cell.ljust(width) if cell and not cell[0].isdigit() else cell.rjust(width)
            for cell, width in zip(cells, widths, strict=True)
        ]
    ).rstrip()
