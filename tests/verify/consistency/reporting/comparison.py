"""The comparison of the layers as a Markdown table, from kept folders of runs:
`python -m tests.verify.consistency.reporting.comparison DIR [DIR ...]`, each the folder of one run or a folder of such.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import median

from tests.verify.consistency.judging.story import Effect, Story
from tests.verify.consistency.recording import HISTORY

HEAD = """\
| fault | times | gossip: writes acknowledged | behind at most | equal again after | Raft: silent \
| cut off: acknowledged / refused / unknown | back after |
| --- | --- | --- | --- | --- | --- | --- | --- |"""


def compare(effects: Iterable[Effect]) -> str:
    """A row for each kind of fault; of seconds the median, and the highest in brackets."""
    kinds: defaultdict[str, list[Effect]] = defaultdict(list)
    for effect in effects:
        kinds[effect.fault.kind].append(effect)
    return "\n".join([HEAD, *[_row(kind, kinds[kind]) for kind in sorted(kinds)]])


def _row(kind: str, effects: Sequence[Effect]) -> str:
    tried = sum(each.gossip_tried for each in effects)
    acknowledged = sum(each.gossip_acknowledged for each in effects)
    share = f"{acknowledged:,} of {tried:,}"
    cut = [
        sum(getattr(each, f"minority_{what}") for each in effects) for what in ("acknowledged", "refused", "unknown")
    ]
    cells = [
        kind,
        str(len(effects)),
        share,
        _seconds([each.diverged for each in effects]),
        _seconds([each.converged for each in effects]),
        _seconds([each.raft_silent for each in effects]),
        " / ".join(map(str, cut)) if any(cut) else "",
        _seconds([each.raft_back for each in effects]),
    ]
    return f"| {' | '.join(cells)} |"


def _seconds(values: Iterable[float | None]) -> str:
    known = [value for value in values if value is not None]
    return f"{median(known):.1f} s ({max(known):.1f})" if known else ""


def main(folders: Sequence[str]) -> int:
    found = [path.parent for folder in folders for path in sorted(Path(folder).rglob(HISTORY))]
    if not found:
        print(
            f"no {HISTORY} below {' '.join(folders) or 'nothing'}; keep the folders of runs with --keep",
            file=sys.stderr,
        )
        return 2
    print(compare(effect for folder in found for effect in Story(folder).effects()))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
