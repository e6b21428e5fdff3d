"""Linearizability checkers: pure functions from a history to what is wrong with it.

`check` is the main one: near-linear, by revisions and the record of a watch. `second_opinion` searches for an order
that explains what clients saw, on keys and locks, without looking at either. `render` and `render_violation` draw what
they find; `dump` and `load` keep a history as JSON lines.
"""

from tests.verify.linearizability.by_revision.check import check
from tests.verify.linearizability.by_search.opinion import Opinion, render_violation, second_opinion
from tests.verify.linearizability.by_search.search import Answer
from tests.verify.linearizability.histories.archive import dump, head_line, line_of, load
from tests.verify.linearizability.histories.history import (
    Commit,
    Delivery,
    History,
    HistoryError,
    KeyDeleted,
    KeyPut,
    LockGranted,
    LockReleased,
    Operation,
    Watch,
)
from tests.verify.linearizability.rendering.findings import Anomaly, Finding, Report
from tests.verify.linearizability.rendering.timeline import render

__all__ = [
    "Anomaly",
    "Answer",
    "Commit",
    "Delivery",
    "Finding",
    "History",
    "HistoryError",
    "KeyDeleted",
    "KeyPut",
    "LockGranted",
    "LockReleased",
    "Operation",
    "Opinion",
    "Report",
    "Watch",
    "check",
    "dump",
    "head_line",
    "line_of",
    "load",
    "render",
    "render_violation",
    "second_opinion",
]
