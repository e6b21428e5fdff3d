"""What all tests share: figures that a test measures are printed once, at the end of the run."""

from __future__ import annotations

from collections.abc import Callable

import pytest

FIGURE = "figure"


@pytest.fixture
def figure(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Give it a line of text: what this test measured."""

    def tell(line: str) -> None:
        record_property(FIGURE, line)

    return tell


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the figures, also where other processes ran the tests."""
    reports = [r for outcome in ("passed", "failed") for r in terminalreporter.getreports(outcome)]
    figures = {
        line: None
        for report in sorted(reports, key=lambda r: (str(r.fspath), r.location[1] or 0))
        for name, line in report.user_properties
        if name == FIGURE
    }
    if figures:
        terminalreporter.section("figures")
        for line in figures:
            terminalreporter.write_line(str(line))
