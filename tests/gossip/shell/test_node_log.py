"""A node warns once that no seed answers. In virtual time."""

from __future__ import annotations

import structlog

from coterie.gossip.shell.node_log import ALONE_SECONDS, NodeLog
from coterie.gossip.wire.identity import Address
from tests.gossip.helpers import delta_of, hear_delta, make_engine, node


def test_a_node_whose_seeds_do_not_answer_says_so_once() -> None:
    engine = make_engine()
    now = 0.0
    said = NodeLog(engine, lambda: now)

    def rounds(until: float) -> list[str]:
        nonlocal now
        with structlog.testing.capture_logs() as lines:
            while now < until:
                now += 0.5
                said.warn_when_alone()
        return [str(line.get("seeds")) for line in lines]

    assert rounds(100.0) == []  # without seeds there is nobody to miss
    engine.seeds = [Address("127.0.0.1", 9)]
    assert rounds(now + ALONE_SECONDS) == []
    assert rounds(now + 100.0) == ["['127.0.0.1:9']"]
    hear_delta(engine, delta_of(node("other")), now=now)
    assert rounds(now + 100.0) == []
