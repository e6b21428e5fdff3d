"""Which process of a member gossip shows in the place of another (raft spec 2b, durability)."""

from __future__ import annotations

import pytest

from coterie.consensus.autopilot.announcement import Announcement
from coterie.consensus.autopilot.observations import Observation, Observations, Presence

HERE, ELSEWHERE = ("127.0.0.1", 1), ("127.0.0.1", 2)


def process(generation: int, presence: Presence, *, node: str = "n", start: int = 3, **but: object) -> Observation:
    said = Announcement(member="m", incarnation=start, host="127.0.0.1", port=9, role="voter")
    fields: dict[str, object] = {"address": HERE, **but}
    return Observation(node, generation, presence, said, **fields)  # type: ignore[arg-type]


LIVE, DEAD, UNSEEN = Presence.LIVE, Presence.DEAD, Presence.UNSEEN


@pytest.mark.parametrize("former", [DEAD, UNSEEN])
def test_a_later_process_at_the_same_place_took_over(former: Presence) -> None:
    now = process(5, LIVE)
    seen = Observations.of([process(2, former, start=2), process(4, former), now])
    assert seen.took_over("m", 3) == now
    assert seen.took_over("m", 2) is None  # that start had one process


@pytest.mark.parametrize(
    "processes",
    [
        pytest.param([process(5, LIVE)], id="it is the only one"),
        pytest.param([process(4, LIVE), process(5, LIVE)], id="the earlier one lives"),
        pytest.param([process(4, LIVE, node="other", address=ELSEWHERE), process(5, LIVE)], id="a twin elsewhere"),
        pytest.param([process(4, DEAD, address=ELSEWHERE), process(5, LIVE)], id="cut off, perhaps: another address"),
        pytest.param([process(4, DEAD, node="other"), process(5, LIVE)], id="cut off, perhaps: another name"),
        pytest.param(
            [process(3, DEAD), process(4, DEAD, node="other", address=ELSEWHERE), process(5, LIVE)],
            id="one of three is elsewhere",
        ),
        pytest.param([process(6, DEAD), process(5, LIVE)], id="the earlier one is the later one"),
        pytest.param([process(4, DEAD), process(5, LIVE, start=4)], id="an ordinary restart"),
        pytest.param([process(4, DEAD, proved=False), process(5, LIVE)], id="a stranger's word about the earlier one"),
        pytest.param([process(4, DEAD), process(5, LIVE, proved=False)], id="a stranger's word about the later one"),
        pytest.param([process(4, DEAD), process(5, DEAD)], id="both are gone"),
    ],
)
def test_nobody_took_over(processes: list[Observation]) -> None:
    assert Observations.of(processes).took_over("m", 3) is None
