"""The gossip checkers on histories that are known to be good, and on ones known to be bad, each in one way."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.verify.consistency.contract import Anomaly
from tests.verify.consistency.judging.faults import Fault
from tests.verify.consistency.judging.gossip.convergence import Convergence
from tests.verify.consistency.judging.gossip.history import (
    DELETE,
    EXPIRING,
    Entry,
    GossipHistory,
    GossipOperation,
    Identity,
    Life,
    StateChange,
    View,
)
from tests.verify.consistency.judging.gossip.liveness import BOUND_SECONDS, liveness_anomalies
from tests.verify.consistency.judging.gossip.values import value_anomalies
from tests.verify.consistency.judging.gossip.versions import version_anomalies

A, B = ("a", 1), ("b", 1)
BOTH = frozenset({A, B})


def wrote(
    version: int | None, key: str, value: str | None, at: float, op: str = "put", outcome: str = "ok", of: Identity = A
) -> GossipOperation:
    """A write at `of`, from `at` to half a second later."""
    returned = None if outcome == "unknown" else at + 0.5
    return GossipOperation("c", of[0], op, of[0], key, at, returned, outcome, value, version, of[1])


def read(value: str | None, version: int | None, at: float, node: str = "a") -> GossipOperation:
    """A read of a's key x, at some node."""
    return GossipOperation(
        "c", node, "get", "a", "x", at, at + 0.5, "ok", value, version, 1, None if version is None else 1
    )


def change(
    maximum: int, collected: int = 0, lost: tuple[str, ...] = (), of: Identity = A, **keys: Entry
) -> StateChange:
    return StateChange(of, maximum, collected, keys, lost)


def view(
    at: float,
    *changes: StateChange,
    by: Identity = B,
    live: frozenset[Identity] = BOTH,
    forgotten: frozenset[Identity] = frozenset(),
) -> View:
    return View(by[0], by[1], at, at + 0.01, live, changes, forgotten)


def kinds(anomalies: Sequence[Anomaly]) -> list[str]:
    return [anomaly.kind for anomaly in anomalies]


def versions(operations: Sequence[GossipOperation], *views: View, grace: float = float("inf")) -> list[str]:
    return kinds(list(version_anomalies(GossipHistory(operations, views, dead_node_grace=grace))))


# -- versions ----------------------------------------------------------------------------------------------------------

WRITES = [wrote(1, "x", "1", 0), wrote(2, "y", "2", 1), wrote(3, "x", None, 2, "delete"), wrote(4, "z", "4", 3)]


def test_a_view_that_follows_the_owner_is_well() -> None:
    assert not versions(
        WRITES,
        view(1, change(1, x=Entry("1", 1))),
        view(2, change(2, y=Entry("2", 2))),
        view(3, change(3, x=Entry("", 3, DELETE))),
        view(4, change(4, z=Entry("4", 4))),
        view(20, change(4, 3, lost=("x",))),  # collected
    )


def test_a_reset_begins_anew_and_may_be_partial() -> None:
    assert not versions(
        WRITES,
        view(1, change(1, x=Entry("1", 1))),
        view(20, change(2, 3, lost=("x",), y=Entry("2", 2))),
        view(21, change(4, 3, z=Entry("4", 4))),
    )


def test_versions_never_go_back() -> None:
    assert versions([], view(1, change(4)), view(2, change(3))) == ["version went back"]
    assert versions([], view(1, change(4, 3)), view(2, change(5, 2))) == ["version went back"]


def test_who_was_dead_for_its_grace_may_be_met_again() -> None:
    views = [view(1, change(4)), view(2, live=frozenset({B})), view(13, change(3), live=frozenset({B}))]
    assert not versions([], *views, grace=10.0)
    assert versions([], *views, grace=20.0) == ["version went back"]
    assert not versions([], view(1, change(4)), view(2, forgotten=frozenset({A})), view(3, change(1)))


def test_keys_never_go_back_and_never_vanish() -> None:
    assert versions([], view(1, change(4, x=Entry("2", 4))), view(2, change(5, x=Entry("1", 3)))) == ["key went back"]
    assert versions([], view(1, change(4, x=Entry("2", 4))), view(2, change(5, lost=("x",)))) == ["key vanished"]


def test_a_version_has_one_content() -> None:
    found = versions([], view(1, change(4, x=Entry("1", 4))), view(2, change(4, x=Entry("2", 4)), by=("c", 1)))
    assert found == ["version with two contents"]
    found = versions([], view(1, change(4, x=Entry("1", 4))), view(2, change(4, y=Entry("1", 4)), by=("c", 1)))
    assert found == ["version with two contents"]


def test_an_observer_passes_no_write_over() -> None:
    assert versions(WRITES, view(5, change(4, x=Entry("", 3, DELETE), z=Entry("4", 4)))) == ["write passed over"]
    # What may have been deleted since may be missing; what a later write replaced as well.
    late = [*WRITES, wrote(None, "y", None, 4, "delete", "unknown")]
    assert not versions(late, view(5, change(4, x=Entry("", 3, DELETE), z=Entry("4", 4))))
    expiring = [wrote(1, "x", "1", 0, "put_ttl")]
    assert not versions(expiring, view(1, change(1, x=Entry("1", 1, EXPIRING))), view(9, change(1, 1, lost=("x",))))


def test_a_deletion_that_an_observer_has_come_past_is_honoured() -> None:
    found = versions(WRITES, view(5, change(4, x=Entry("1", 1), y=Entry("2", 2), z=Entry("4", 4))))
    assert found == ["deletion not honoured"]


def test_a_deleted_key_does_not_come_back() -> None:
    found = versions(
        [],
        view(1, change(3, x=Entry("", 3, DELETE))),
        view(2, change(3, 3, lost=("x",))),
        view(3, change(3, 4, x=Entry("1", 1))),
    )
    assert found == ["deleted key came back"]


# -- values ------------------------------------------------------------------------------------------------------------


def values(operations: Sequence[GossipOperation], *views: View) -> list[str]:
    return kinds(list(value_anomalies(GossipHistory(operations, views))))


def test_values_come_from_a_write_that_had_begun() -> None:
    assert not values(WRITES, view(0.2, change(1, x=Entry("1", 1))))
    assert not values([wrote(None, "x", "1", 0, outcome="unknown")], view(9, change(1, x=Entry("1", 1))))
    # A later process may have kept its keys.
    assert not values(WRITES, view(9, change(1, of=("a", 2), x=Entry("1", 1))))
    assert values([], view(1, change(1, x=Entry("1", 1)))) == ["value from nowhere"]
    assert values(WRITES, view(-1, change(1, x=Entry("1", 1)))) == ["value from nowhere"]
    assert values(WRITES, view(9, change(1, y=Entry("1", 1)))) == ["value from nowhere"]
    assert values(WRITES, view(9, change(1, of=B, x=Entry("1", 1)))) == ["value from nowhere"]
    assert values([*WRITES, read("7", 9, 8.0, node="b")]) == ["value from nowhere"]


def test_a_refused_write_has_no_effect() -> None:
    refused = wrote(None, "x", "1", 0, outcome="failed")
    assert values([refused], view(1, change(1, x=Entry("1", 1)))) == ["refused write took effect"]


def test_a_node_reads_its_own_writes() -> None:
    first, second = wrote(1, "x", "1", 0), wrote(2, "x", "2", 1)
    assert not values([first, second, read("2", 2, 2)])
    assert not values([first, second, read("1", 1, 1.2)])  # at the same time as the second
    assert not values([first, second, read("1", 1, 5, node="b")])  # elsewhere it may be late
    assert values([first, second, read("1", 1, 2)]) == ["own write not read"]
    assert values([first, second, read(None, None, 2)]) == ["own write not read"]
    assert not values([first, wrote(2, "x", None, 1, "delete"), read(None, None, 2)])
    assert not values([first, second, wrote(None, "x", None, 1, "delete", "unknown"), read(None, None, 2)])
    assert values([wrote(1, "x", None, 0, "delete"), second, read(None, None, 2)]) == ["own write not read"]


# -- liveness ----------------------------------------------------------------------------------------------------------

T = 4 * BOUND_SECONDS


def liveness(lives: Sequence[Life], faults: Sequence[Fault] = (), *, live: frozenset[Identity] = BOTH) -> list[str]:
    """Of b's views: of both until T, and from then on of `live`, at once."""
    steps = [step * 0.5 for step in range(int(2 * T) + 2)]
    views = [view(at, by=A) for at in steps if any(life.node == "a" and life.awake(at, at + 1) for life in lives)]
    views += [view(at, live=BOTH if at < T else live) for at in steps]
    history = GossipHistory([], sorted(views, key=lambda each: each.asked), lives=lives)
    return kinds(list(liveness_anomalies(history, faults)))


def fault(kind: str, began: float, ended: float, nodes: str = "", links: Sequence[tuple[str, str]] = ()) -> Fault:
    return Fault("f", kind, began, ended, tuple(nodes), tuple(links), {})


LIVES = [Life("a", -100, 1e9), Life("b", -100, 1e9)]
ALONE = frozenset({B})


def test_the_undisturbed_live() -> None:
    assert not liveness(LIVES)
    assert liveness(LIVES, live=ALONE) == ["live node held for dead"]


@pytest.mark.parametrize(
    "disturbed",
    [
        fault("slow_sync", T - 1, T + 1, "a"),
        fault("partition", T - 1, T + 1, "", [("a", "b")]),
        fault("one_way", T - 1, T + 1, "", [("b", "a")]),
        fault("loss", T - 1, T + 1),
    ],
)
def test_of_the_disturbed_nothing_is_claimed(disturbed: Fault) -> None:
    assert not liveness(LIVES, [disturbed], live=ALONE)


@pytest.mark.parametrize(
    "elsewhere",
    [
        fault("kill", T - 1, T + 1, "c"),
        fault("partition", T - 1, T + 1, "", [("a", "c"), ("c", "a")]),
        fault("transfer", T - 1, T + 1, "a"),
        fault("loss", T - 2 * BOUND_SECONDS, T - 1.5 * BOUND_SECONDS),
    ],
)
def test_what_happens_elsewhere_is_no_excuse(elsewhere: Fault) -> None:
    assert liveness(LIVES, [elsewhere], live=ALONE) == ["live node held for dead"]


def test_a_newcomer_is_given_time() -> None:
    assert not liveness([Life("a", T - BOUND_SECONDS / 2, 1e9), LIVES[1]], live=ALONE)


def test_the_dead_are_noticed() -> None:
    dead = Life("a", -100, T - BOUND_SECONDS / 2)
    assert liveness([dead, LIVES[1]], [fault("kill", dead.ended, 1e9, "a")]) == []
    dead = Life("a", -100, 2.0)
    assert liveness([dead, LIVES[1]], [fault("kill", 2.0, 1e9, "a")]) == ["dead node held for alive"]
    # News of it may come late over a network that is broken.
    assert not liveness(
        [dead, LIVES[1]], [fault("kill", 2.0, 1e9, "a"), fault("partition", 3.0, 1e9, "", [("b", "c")])]
    )


def test_a_stopped_process_is_noticed_too() -> None:
    stopped = Life("a", -100, 1e9, ((2.0, 1e9),))
    assert liveness([stopped, LIVES[1]], [fault("pause", 2.0, 1e9, "a")]) == ["dead node held for alive"]


# -- convergence -------------------------------------------------------------------------------------------------------


def test_convergence_counts_from_the_moment_to_the_last_view_that_lacked_something() -> None:
    history = GossipHistory(
        [wrote(1, "x", "1", 0), wrote(2, "y", "2", 4)],
        [
            view(0.1, change(0), by=A),
            view(1, change(1, x=Entry("1", 1))),
            view(6, change(1)),
            view(9, change(2, y=Entry("2", 2))),
        ],
        lives=LIVES,
    )
    convergence = Convergence(history)
    assert convergence.converged_after(5.0) == pytest.approx(4.0)
    assert convergence.converged_after(5.0, before=8.0) is None
    assert convergence.converged_after(10.0) == 0.0
    behind = convergence.longest(list(convergence.lags()))
    assert behind is not None
    assert (behind.observer, behind.owner) == ("b", A)
    assert behind.seconds == pytest.approx(1.5)  # in the view at 6, of what was acknowledged at 4.5
