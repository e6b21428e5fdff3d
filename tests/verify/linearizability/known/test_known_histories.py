"""The table of known histories, run through both checkers."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from tests.verify.linearizability.by_revision.check import check
from tests.verify.linearizability.by_search.opinion import render_violation, second_opinion
from tests.verify.linearizability.histories.archive import dump, load
from tests.verify.linearizability.histories.history import History
from tests.verify.linearizability.known.bad_locks import BAD_LOCKS
from tests.verify.linearizability.known.bad_reads import BAD_READS
from tests.verify.linearizability.known.bad_watches import BAD_WATCHES
from tests.verify.linearizability.known.bad_writes import BAD_WRITES
from tests.verify.linearizability.known.good import GOOD
from tests.verify.linearizability.known.table import Known
from tests.verify.linearizability.rendering.findings import Anomaly
from tests.verify.linearizability.rendering.timeline import render

BAD = (*BAD_READS, *BAD_WRITES, *BAD_LOCKS, *BAD_WATCHES)
ALL = (*GOOD, *BAD)

every = pytest.mark.parametrize("known", ALL, ids=lambda known: known.name)


def test_names_are_unique_and_at_least_thirty() -> None:
    names = Counter(known.name for known in ALL)
    assert names.most_common(1)[0][1] == 1
    assert len(names) >= 30


def test_every_kind_of_anomaly_is_in_the_table() -> None:
    assert frozenset[Anomaly]().union(*(known.anomalies for known in BAD)) == frozenset(Anomaly)


@every
def test_the_main_checker_finds_exactly_what_is_wrong(known: Known) -> None:
    report = check(known.history)
    assert report.anomalies == known.anomalies, [finding.explanation for finding in report.findings]


@every
def test_the_main_checker_needs_no_request_ids_in_the_record(known: Known) -> None:
    assert check(without_request_ids(known.history)).ok == (not known.anomalies)


@every
def test_the_search_says_the_same_where_it_applies(known: Known) -> None:
    assert second_opinion(known.history).answer == known.search


@every
def test_an_archived_history_comes_back_the_same(known: Known) -> None:
    assert load(dump(known.history)) == known.history


@pytest.mark.parametrize("known", BAD, ids=lambda known: known.name)
def test_every_finding_can_be_drawn(known: Known) -> None:
    for finding in check(known.history).findings:
        text = render(finding)
        assert finding.anomaly.value in text
        for operation in finding.operations:
            assert f"  {operation.id}: " in text
    for judged in second_opinion(known.history).violations:
        assert judged.part.name in render_violation(judged)


def without_request_ids(history: History) -> History:
    return replace(history, commits=tuple(replace(commit, request=None) for commit in history.commits))
