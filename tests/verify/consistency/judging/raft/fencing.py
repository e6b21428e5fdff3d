"""Fenced writes in the record: once a later holder has written, no earlier one does.

Each fenced key is written under one lock alone, with values that begin with the writer's token. A transaction that is
guarded by a token takes effect only while that token holds the lock, and tokens rise from holder to holder; so along
the revisions of the record the tokens in a fenced key's values never fall. That is looked at by itself, beside the
main checker's account of grants and releases.
"""

from __future__ import annotations

from collections.abc import Iterator

from tests.verify.consistency.contract import Anomaly
from tests.verify.linearizability import Commit, History, KeyPut
from tests.verify.linearizability.rendering.wording import record_line

FENCED = "f/"


def token_of(value: str) -> int:
    return int(value.partition(".")[0])


def fencing_anomalies(history: History) -> Iterator[Anomaly]:
    highest: dict[str, tuple[int, Commit]] = {}
    for commit in sorted(history.commits, key=lambda commit: commit.revision):
        for event in commit.events:
            if not isinstance(event, KeyPut) or not event.key.startswith(FENCED):
                continue
            token = token_of(event.value)
            before = highest.get(event.key)
            if before is not None and token < before[0]:
                yield Anomaly(
                    "two holders wrote",
                    f"{event.key} was written under token {token} at revision {commit.revision}, "
                    f"after token {before[0]} at revision {before[1].revision}",
                    f"  record  {record_line(before[1])}\n  record  {record_line(commit)}\n",
                )
            else:
                highest[event.key] = token, commit


def tokens_written(history: History) -> int:
    """How many different holders left a mark."""
    return len(
        {
            (event.key, token_of(event.value))
            for commit in history.commits
            for event in commit.events
            if isinstance(event, KeyPut) and event.key.startswith(FENCED)
        }
    )
