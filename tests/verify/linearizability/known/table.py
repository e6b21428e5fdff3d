"""Known histories and what each checker must say of them. The table is in `good` and the four `bad_*`."""

from __future__ import annotations

from dataclasses import dataclass

from tests.verify.linearizability.by_search.search import Answer
from tests.verify.linearizability.histories.history import History
from tests.verify.linearizability.rendering.findings import Anomaly


@dataclass(frozen=True)
class Known:
    """A history and its verdicts."""

    name: str
    history: History
    anomalies: frozenset[Anomaly] = frozenset()
    """What the main checker finds: exactly these kinds."""
    search: Answer = Answer.OK


def good(name: str, history: History, search: Answer = Answer.OK) -> Known:
    return Known(name, history, search=search)


def bad(name: str, history: History, *anomalies: Anomaly, search: Answer = Answer.VIOLATION) -> Known:
    assert anomalies
    return Known(name, history, frozenset(anomalies), search)


UNSEEN = Answer.OK
"""The search accepts: what is wrong shows only in revisions, watches, or the record."""
NOT_ITS_KIND = Answer.NOT_APPLICABLE
