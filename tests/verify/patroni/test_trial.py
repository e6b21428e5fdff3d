"""What the driver makes of the numbers that were acknowledged."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import Mock

import pytest

from tests.verify.patroni.__main__ import Trial


def trial(directory: Path, *lines: str) -> Trial:
    written = directory / "written"
    written.write_text("".join(f"{line}\n" for line in lines) + "107.000 9")  # cut by the end of the counter
    return Trial(Mock(), Mock(), Path("python"), written)


def test_the_longest_time_within_a_step(tmp_path: Path) -> None:
    of = trial(tmp_path, "90.000 1", "101.000 2", "101.500 3", "104.000 5", "120.000 6")
    assert of.gap(100.0, 105.0) == pytest.approx(2.5)
    assert of.gap(100.0, 110.0) == pytest.approx(6.0), "a step that ends without a write counts to its end"
    assert of.gap(91.0, 101.2) == pytest.approx(10.0), "and one that begins without one from its beginning"


def test_numbers_that_were_acknowledged_and_are_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    of = trial(tmp_path, "101.000 2", "101.500 3", "104.000 5")
    assert of.acknowledged() == {2, 3, 5}
    monkeypatch.setattr(of, "present", lambda: {2, 4, 5})
    assert of.missing() == {3}
