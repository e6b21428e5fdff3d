"""What `coterie events` says of what is withheld."""

from __future__ import annotations

from typing import Any

import pytest

from coterie.app.cli.cluster.events import part_told

KINDS = ["gossip", "metadata", "queues"]


@pytest.mark.parametrize(
    ("hello", "lines"),
    [
        ({"kinds": KINDS, "withheld": [], "within": {}}, []),
        ({"kinds": KINDS}, []),  # a node of an earlier version
        (
            {"kinds": ["gossip", "leases"], "withheld": ["raft", "phi", "members"], "within": {"gossip": ["a/", "b/"]}},
            [
                "not told, for the token may not read it: members, raft",
                "of gossip only what begins with a/ or b/, for the token may not read the rest",
            ],
        ),
        ({"kinds": ["metadata"], "withheld": ["figures"], "within": {"gossip": ["a/"]}}, []),
    ],
)
def test_what_is_withheld_is_said(hello: dict[str, Any], lines: list[str]) -> None:
    assert list(part_told(hello)) == lines
