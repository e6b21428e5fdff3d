"""Judges kept runs again: `python -m tests.verify.consistency.judging DIR ...`. Exit code 1 where anything is wrong."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.verify.consistency.judging.folder import Lines
from tests.verify.consistency.judging.gossip.verdict import judge_gossip
from tests.verify.consistency.judging.raft.verdict import judge_raft


def main() -> int:
    bad = 0
    for folder in sys.argv[1:]:
        lines = Lines.of(Path(folder))
        for verdict in (judge_gossip(lines), judge_raft(lines)):
            print(f"{folder}: {verdict.layer}: {verdict.operations:,} operations, {len(verdict.anomalies)} anomalies")
            for anomaly in verdict.anomalies:
                bad += 1
                print(f"{anomaly.kind}: {anomaly.explanation}\n{anomaly.rendering}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
