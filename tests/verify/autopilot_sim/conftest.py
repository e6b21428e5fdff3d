"""No world outlives its test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.verify.autopilot_sim.world import close_worlds


@pytest.fixture(autouse=True)
def _one_world() -> Iterator[None]:
    yield
    close_worlds()
