"""What all tests share: no clock on property tests, SIGINT as a terminal has it, and figures.

Figures are printed once, at the end of the run.
"""

from __future__ import annotations

import signal
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, settings

# How long an example takes depends on what else the machine does. A failure prints what replays it.
settings.register_profile(
    "untimed", deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
settings.load_profile("untimed")

FIGURE = "figure"

# A shell starts a job in the background with SIGINT ignored, and the processes that a test interrupts would inherit it.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def anyio_backend() -> object:
    return "asyncio"


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
