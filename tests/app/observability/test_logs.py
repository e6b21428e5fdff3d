"""One way out for all logs: readable on a terminal, one JSON object a line elsewhere."""

from __future__ import annotations

import json
import logging
import re
from io import StringIO

import pytest
import structlog

from coterie.app.observability.logs import configure_logs
from coterie.app.settings.tables import LogSettings

pytestmark = pytest.mark.usefixtures("logs_restored")

ISO_UTC = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


def configured(stream: StringIO, **settings: str) -> StringIO:
    configure_logs(LogSettings.model_validate(settings), stream)
    return stream


def test_gossip_and_the_standard_library_share_one_shape() -> None:
    stream = configured(StringIO())
    structlog.stdlib.get_logger("gossip").warning("node dead", node_id="a", generation=2**63)
    logging.getLogger("uvicorn.error").error("it is %s", "broken")
    logging.getLogger("asyncio").warning("slow", extra={"seconds": 3})
    ours, uvicorns, asyncios = map(json.loads, stream.getvalue().splitlines())
    for entry in (ours, uvicorns, asyncios):
        assert ISO_UTC.fullmatch(entry.pop("timestamp"))
    assert ours == {
        "event": "node dead",
        "level": "warning",
        "logger": "gossip",
        "node_id": "a",
        "generation": 2**63,
    }
    assert uvicorns == {"event": "it is broken", "level": "error", "logger": "uvicorn.error"}
    assert asyncios == {"event": "slow", "level": "warning", "logger": "asyncio", "seconds": 3}


@pytest.mark.parametrize(
    ("level", "logged"),
    [
        ("debug", ["debug", "info", "warning", "error"]),
        ("info", ["info", "warning", "error"]),
        ("warning", ["warning", "error"]),
        ("error", ["error"]),
    ],
)
def test_the_level_holds_for_both_kinds_of_loggers(level: str, logged: list[str]) -> None:
    stream = configured(StringIO(), level=level, format="json")
    for each in ("debug", "info", "warning", "error"):
        getattr(structlog.stdlib.get_logger("gossip"), each)("ours")
        getattr(logging.getLogger("other"), each)("theirs")
    entries = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [e["level"] for e in entries if e["logger"] == "gossip"] == logged
    assert [e["level"] for e in entries if e["logger"] == "other"] == logged


def test_log_with_a_level_by_number_is_filtered_too() -> None:
    stream = configured(StringIO(), format="json")
    log = structlog.stdlib.get_logger("gossip")
    log.log(logging.DEBUG, "joined")
    log.log(logging.INFO, "alive")
    assert [json.loads(line)["event"] for line in stream.getvalue().splitlines()] == ["alive"]


def test_a_client_cannot_fill_the_log_through_uvicorn() -> None:
    stream = configured(StringIO(), level="info")
    logging.getLogger("uvicorn.error").warning("Invalid HTTP request received.")
    assert stream.getvalue() == ""
    configured(stream, level="debug")
    logging.getLogger("uvicorn.error").warning("Invalid HTTP request received.")
    assert json.loads(stream.getvalue())["event"] == "Invalid HTTP request received."


@pytest.mark.parametrize(
    ("terminal", "chosen", "is_json"),
    [
        (False, "auto", True),
        (True, "auto", False),
        (False, "console", False),
        (True, "json", True),
    ],
)
def test_the_format_follows_the_terminal_unless_it_is_set(terminal: bool, chosen: str, is_json: bool) -> None:
    stream = configured(Terminal() if terminal else StringIO(), format=chosen)
    structlog.stdlib.get_logger("gossip").info("node alive", node_id="a")
    line = stream.getvalue()
    assert line.startswith("{") == is_json
    assert "node alive" in line


@pytest.mark.parametrize(
    ("terminal", "environment", "colored"),
    [
        (True, {}, True),
        (True, {"NO_COLOR": "1"}, False),
        (False, {}, False),
        (False, {"FORCE_COLOR": "1"}, True),
        (False, {"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
    ],
)
def test_colors_are_for_terminals(
    terminal: bool, environment: dict[str, str], colored: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    stream = configured(Terminal() if terminal else StringIO(), format="console")
    structlog.stdlib.get_logger("gossip").info("node alive", node_id="a")
    assert ("\x1b[" in stream.getvalue()) == colored


@pytest.mark.parametrize("text", ["a\x1b[2J", "a\x1b[2J b", "a\nb", "a\u2028b", "\x9b2J"])
def test_names_from_elsewhere_cannot_steer_a_terminal(text: str) -> None:
    stream = configured(StringIO(), format="console")
    structlog.stdlib.get_logger("gossip").info("node alive", node_id=text)
    logging.getLogger("other").info(text)
    first, second = stream.getvalue().splitlines()
    assert f"node_id={text!a}" in first
    assert ascii(text) in second


@pytest.mark.parametrize("odd", [2**64, "\ud800", object, {"nested": {1: b"\xff"}}])
def test_whatever_is_logged_becomes_one_line_of_json(odd: object) -> None:
    stream = configured(StringIO(), format="json")
    structlog.stdlib.get_logger("gossip").info("odd\nevent", odd=odd)
    (line,) = stream.getvalue().splitlines()
    assert json.loads(line)["event"] == "odd\nevent"


@pytest.mark.parametrize("chosen", ["json", "console"])
def test_exceptions_are_told(chosen: str) -> None:
    stream = configured(StringIO(), format=chosen)
    try:
        raise ValueError("what happened")
    except ValueError:
        structlog.stdlib.get_logger("gossip").exception("callback failed", callback="listener")
    assert "ValueError: what happened" in stream.getvalue()
    if chosen == "json":
        assert json.loads(stream.getvalue())["level"] == "error"
