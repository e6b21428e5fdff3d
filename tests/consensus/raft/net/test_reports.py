"""When trouble with links is reported, and when it is only counted: in virtual time."""

from __future__ import annotations

from coterie.consensus.raft.net.reports import Reports


def reported(reports: Reports, kind: str, member: str, times: list[float]) -> list[tuple[float, int]]:
    """When it was reported, and how often it had come since the report before."""
    found = ((now, reports.due(kind, member, now)) for now in times)
    return [(now, hidden) for now, hidden in found if hidden is not None]


def test_a_kind_is_reported_once_in_the_least_time() -> None:
    reports = Reports(1.0, 60.0)
    times = [0.0, 0.25, 0.75, 1.0, 1.5, 2.0, 9.0]
    assert reported(reports, "stranger", "", times) == [(0.0, 0), (1.0, 2), (2.0, 1), (9.0, 0)]
    assert reports.due("another", "", 9.0) == 0


def test_a_member_that_stays_away_is_reported_ever_less_often_until_it_is_back() -> None:
    reports = Reports(1.0, 8.0)
    seconds = [float(second) for second in range(39)]
    assert reported(reports, "no_connection", "b", seconds) == [
        (0, 0),
        (1, 0),
        (3, 1),
        (7, 3),
        (15, 7),
        (23, 7),
        (31, 7),
    ]
    assert reports.due("no_connection", "c", 39.0) == 0
    reports.forget("b")
    assert reported(reports, "no_connection", "b", [39.0, 39.5, 40.0]) == [(39.0, 0), (40.0, 1)]
    assert reports.due("no_connection", "c", 39.5) is None
