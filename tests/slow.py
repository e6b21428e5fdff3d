"""Which tests `make test` leaves to `make test-all`: those marked `slow`, for what they took, or for being of a kind.

Measured on two quiet cores: a test that takes more than about eight seconds is slow, unless its room would otherwise
have no share in `make test`; of many seeds the first few are quick.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest


def some_quick(values: Iterable[Any], quick: int) -> list[Any]:
    """Parameters of a test, of which all but the first `quick` are slow; a tuple stands for several parameters."""
    return [
        value
        if at < quick
        else pytest.param(*(value if isinstance(value, tuple) else (value,)), marks=pytest.mark.slow)
        for at, value in enumerate(values)
    ]
