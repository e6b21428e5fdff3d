"""The faults of a run, from its lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.verify.consistency.judging.folder import Lines


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault, from its beginning to its end; infinity where nothing ended it."""

    id: str
    kind: str
    began: float
    ended: float
    nodes: tuple[str, ...]
    links: tuple[tuple[str, str], ...]
    detail: Mapping[str, Any]

    def overlaps(self, start: float, end: float) -> bool:
        return self.began <= end and self.ended >= start


def faults_of(lines: Lines) -> Sequence[Fault]:
    """In the order they began."""
    began: dict[str, dict[str, Any]] = {}
    ended: dict[str, float] = {}
    for line in lines.of_kind("fault"):
        id_ = str(line["id"])
        if line["phase"] == "begin":
            began[id_] = line
        else:
            ended[id_] = line["at"]
    faults = [
        Fault(
            id=id_,
            kind=line["kind"],
            began=line["at"],
            ended=ended.get(id_, float("inf")),
            nodes=tuple(line.get("nodes") or ()),
            links=tuple([(one, other) for one, other in line.get("links") or ()]),
            detail=line.get("detail") or {},
        )
        for id_, line in began.items()
    ]
    return sorted(faults, key=lambda fault: fault.began)
