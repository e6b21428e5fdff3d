"""A resource runs out for a while (row 9)."""

from __future__ import annotations

import pytest

from tests.verify.field.clusters import Field, fill, ready, small_disk
from tests.waiting import wait_until

pytestmark = pytest.mark.cluster

VALUE = b"v" * 65_536


def test_a_node_starts_on_a_full_disk(field: Field) -> None:
    """Row 9."""
    with small_disk(field.directory / "one", 96) as disk:
        node = field.one()
        for number in range(50):
            node.client.put(f"/v1/meta/{number}", content=VALUE)
        filler = fill(disk)
        assert node.stop() == 0
        fill(disk)
        again = field.up("one", 1)
        wait_until(lambda: again.client.get("/v1/meta/7?raw").content == VALUE, lambda: ready(again))
        filler.unlink()
        wait_until(lambda: again.client.put("/v1/meta/a", content="x").status_code == 200)
        again.kill()
