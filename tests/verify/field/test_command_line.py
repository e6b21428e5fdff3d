"""What an operator types (rows 23, 30)."""

from __future__ import annotations

import pytest

from tests.verify.field.clusters import Field, coterie
from tests.waiting import wait_until

pytestmark = pytest.mark.cluster


def test_values_that_begin_with_a_dash(field: Field) -> None:
    """Row 23."""
    node = field.one()
    assert coterie(node, "kv", "put", "temp", "-5").returncode == 0
    assert node.client.get("/v1/kv/temp?raw").text == "-5"
    assert coterie(node, "meta", "put", "temp", "-5.5").returncode == 0
    refused = coterie(node, "meta", "put", "flags", "--verbos")
    assert refused.returncode == 2
    assert "put -- before" in refused.stderr, refused.stderr
    assert coterie(node, "meta", "put", "flags", "--", "--verbos").returncode == 0
    assert coterie(node, "meta", "put", "at", "@@home").returncode == 0
    assert node.client.get("/v1/meta/at?raw").text == "@home"
    assert "`--`" in coterie(node, "help", "kv", "put").stdout


@pytest.mark.slow
def test_export_and_import(field: Field) -> None:
    """Row 30."""
    a = field.one()
    b = field.up("b", 1, CLUSTER_ID="other")
    wait_until(lambda: b.client.get("/readyz").status_code == 200)
    values = {f"app/{n}": bytes([n, 255 - n, 0]) for n in range(256)}
    for key, value in values.items():
        a.client.put(f"/v1/meta/{key}", content=value)
    dump = field.directory / "dump"
    exported = coterie(a, "meta", "ls", "app/", "--json")
    assert exported.returncode == 0, exported.stderr
    dump.write_text(exported.stdout)
    imported = coterie(b, "meta", "import", str(dump), "--yes")
    assert imported.returncode == 0, imported.stderr
    for key, value in values.items():
        assert b.client.get(f"/v1/meta/{key}?raw").content == value
