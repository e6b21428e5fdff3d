from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.verify.pysyncobj_faults.stock import StockGroup, stock_group


@pytest.fixture
def stock() -> Iterator[StockGroup]:
    with stock_group() as group:
        yield group
